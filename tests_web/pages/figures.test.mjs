// How heavy the citizen's page is, and how soon it can be used.
import assert from "node:assert/strict";
import test from "node:test";
import { closeBrowser, open } from "../pages.mjs";

const MOST_BYTES = 200 * 1024;
const MOST_MILLISECONDS = 1_000;
test.after(closeBrowser);

test("the citizen's page weighs at most 200 KB compressed, charts aside, and can be used within a second", async (t) => {
  const { page, wrong, close } = await open("citizen", { as: ["citizen", 30] });
  await page.getByRole("img").first().waitFor();
  // A second time, as somebody who has signed in already: what is sent is counted by the browser itself.
  const session = await page.context().newCDPSession(page);
  await session.send("Network.enable");
  await session.send("Network.setCacheDisabled", { cacheDisabled: true });
  let bytes = 0;
  session.on("Network.loadingFinished", ({ encodedDataLength }) => (bytes += encodedDataLength));
  const began = performance.now();
  await page.reload({ waitUntil: "commit" });
  await page.getByRole("img").first().waitFor();
  const took = performance.now() - began;
  await page.waitForTimeout(1_000);
  t.diagnostic(`${Math.round(bytes / 1024)} KB, code on the screen after ${Math.round(took)} ms`);
  assert.ok(bytes > 20_000 && bytes <= MOST_BYTES, `${bytes} bytes`);
  assert.ok(took <= MOST_MILLISECONDS, `${took} ms`);
  assert.deepEqual(wrong, []);
  await close();
});
