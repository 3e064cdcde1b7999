// Signing in through an outside provider, as a newcomer does: from the link on the page to the code on the screen.
import assert from "node:assert/strict";
import test from "node:test";
import { closeBrowser, open } from "./pages.mjs";

test.after(closeBrowser);

test("a newcomer comes back from the provider, enrols, and has a code", async () => {
  const { page, wrong } = await open("citizen", { from: [process.env.PROVIDER] });
  await page.getByRole("link", { name: "市统一身份认证" }).click();
  await page.locator(".sign-in").waitFor({ state: "detached" });
  assert.ok(!page.url().includes("sign-in="), "the one-time code stays in no address");
  await page.getByRole("button", { name: "加入" }).click();
  await page.getByRole("img", { name: /码/ }).first().waitFor();
  await page.reload();
  await page.getByRole("img", { name: /码/ }).first().waitFor();
  assert.deepEqual(wrong, []);
});
