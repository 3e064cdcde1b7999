// Every view of the citizen's page on a narrow screen: with letters twice as large, and filled with texts that were written to
// break it. Citizens 11 and 31 and enterprise 7 are this story's; hospital 9 acts by request.
import assert from "node:assert/strict";
import test from "node:test";
import { addressOf, closeBrowser, open, picture } from "../pages.mjs";
import { brokenTexts, cutOff, letters, NARROW, settled } from "./manners.mjs";
import { verify } from "./rights-city.mjs";

test.after(closeBrowser);

// The first is another than the one that is open at the beginning.
const VIEWS = ["score", "", "benefits", "mine", "pass", "log", "consents", "records", "cases", "orders", "loans", "notices", "settings", "leave"];

/** Open a view, and all that can be opened in it. */
async function show(page, view) {
  const before = await page.getByRole("heading", { level: 1 }).first().innerText();
  await page.goto(addressOf("citizen", `/${view}`));
  await page.waitForFunction((old) => (document.querySelector("h1")?.innerText ?? old) !== old, before);
  await settled(page);
  await page.evaluate(() => document.querySelectorAll("details").forEach((one) => (one.open = true)));
  await settled(page);
}

for (const [as, language] of [[["citizen", 11], "zh"], [["enterprise", 7], "en"]]) {
  test(`on a narrow screen nothing is cut off, with letters twice as large as well, ${as.join(" ")}`, async () => {
    const { page, wrong, close } = await open("citizen", { as });
    await page.evaluate((chosen) => localStorage.setItem("xinyi-language", chosen), language);
    await page.reload();
    await page.setViewportSize(NARROW);
    for (const view of VIEWS) {
      await letters(page, 100);
      await show(page, view);
      assert.deepEqual(await cutOff(page), [], view);
      await letters(page, 200);
      assert.deepEqual(await cutOff(page), [], `${view} with large letters`);
      const [small, large] = await page.evaluate(() => [16, parseFloat(getComputedStyle(document.querySelector("main p, main li")).fontSize)]);
      assert.ok(large >= 1.7 * small, `${view}: letters are ${large} px`);
      await picture(page, `manners-${view || "code"}-${as[0]}-large`);
    }
    assert.deepEqual(wrong, []);
    await close();
  });
}

test("a text written to break a page is a text in every view, on a narrow screen too", async () => {
  const { page, wrong, close } = await open("citizen", { as: ["citizen", 31] });
  await verify("citizen", 31, "hospital", 9);
  await page.setViewportSize(NARROW);
  await brokenTexts(page);
  await page.reload();
  for (const view of VIEWS) {
    await show(page, view);
    assert.equal(await page.locator("main img").count(), 0, view);
    assert.notEqual(await page.title(), "broken", view);
    assert.deepEqual(await cutOff(page), [], view);
    await picture(page, `manners-${view || "code"}-hostile`);
  }
  assert.deepEqual(wrong, []);
  await close();
});
