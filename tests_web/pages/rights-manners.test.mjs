// Every view of the citizen's page as it is gone through: reloaded, gone back from, left in the middle of a question, read
// aloud. Citizens 27 and 35 are this story's.
import assert from "node:assert/strict";
import test from "node:test";
import { accessible, closeBrowser, open, picture } from "../pages.mjs";
import { cutOff, HOSTILE, NARROW, settled } from "./manners.mjs";
import { askAs } from "./rights-city.mjs";

test.after(closeBrowser);

const title = (page) => page.getByRole("heading", { level: 1 }).first().innerText();

test("the way back leads through every view, and a reload shows the same one", async () => {
  const { page, wrong, close } = await open("citizen", { as: ["citizen", 27], view: "/mine" });
  await settled(page);
  const places = await page.locator("ul.places a").all();
  assert.ok(places.length >= 8);
  for (let at = 0; at < places.length; at += 1) {
    await page.locator("ul.places a").nth(at).click();
    await page.waitForURL((url) => url.hash !== "#/mine");
    await settled(page);
    const [address, shown] = [page.url(), await title(page)];
    await page.reload();
    await settled(page);
    assert.deepEqual([page.url(), await title(page)], [address, shown]);
    // The way back that the view itself offers, and then the phone's, twice: into the view and out again.
    await page.locator("header a").first().click();
    await page.waitForURL(/#\/mine$/);
    await page.goBack();
    await page.waitForURL(address);
    await page.goBack();
    await page.waitForURL(/#\/mine$/);
    await settled(page);
  }
  assert.deepEqual(wrong, []);
  await close();
});

test("what somebody is asked can be left by the way back, and is there unchanged", async () => {
  const { page, wrong, close } = await open("citizen", { as: ["citizen", 27], view: "/mine" });
  await page.getByRole("link", { name: /^设置/ }).click();
  const dialog = page.getByRole("dialog", { name: "新的委托" });
  const opening = page.getByRole("button", { name: "新的委托" });
  await opening.click();
  for (const [label, text] of [["对方的账号", "citizen-31"], ["依据的文件", HOSTILE.slice(0, 200)]]) await dialog.getByLabel(label).fill(text);
  await page.goBack();
  await dialog.waitFor({ state: "hidden" });
  await page.waitForURL(/#\/settings$/);
  await opening.click();
  assert.equal(await dialog.getByLabel("对方的账号").inputValue(), "citizen-31");
  await dialog.getByRole("button", { name: "委托", exact: true }).click();
  const given = page.getByRole("region", { name: "委托别人替我办" });
  await given.getByText("委托给 citizen-31").waitFor();
  assert.equal(await page.locator("main img").count(), 0);
  await page.setViewportSize(NARROW);
  assert.deepEqual(await cutOff(page), []);
  await picture(page, "manners-mandate-hostile");
  await given.getByRole("button", { name: "结束委托" }).click();
  await page.getByRole("dialog", { name: "结束委托" }).getByRole("button", { name: "结束委托" }).click();
  await given.getByText("已结束").waitFor();
  const { me } = await askAs("citizen", 27, "{ me { mandates { inForce } } }");
  assert.ok(me.mandates.length && me.mandates.every(({ inForce }) => !inForce));
  assert.deepEqual(wrong, []);
  await close();
});

test("read aloud, the code says how long it is good, and the score what it is made of", async () => {
  const { page, wrong, close } = await open("citizen", { as: ["citizen", 35] });
  await page.emulateMedia({ reducedMotion: "reduce" });
  await page.getByRole("img", { name: "信用码二维码,请让工作人员扫描" }).waitFor();
  const heard = await page.locator("body").ariaSnapshot();
  for (const said of [/heading "信用码" \[level=1\]/, /timer: \d+ 秒后自动更换/, /navigation "菜单"/, /link "只为某一项优惠出示"/]) assert.match(heard, said);
  assert.doesNotMatch(heard, /570|级/); // nothing for whoever stands beside
  // The bar that runs down does not run for whoever asked for rest.
  assert.equal(await page.locator("circle.left").evaluate((one) => getComputedStyle(one).transitionDuration), "0s");
  await page.getByRole("link", { name: "信用", exact: true }).click();
  const result = page.getByRole("article", { name: "湘信分" });
  await result.getByRole("table").waitFor({ state: "attached" });
  const read = await page.locator("main").ariaSnapshot();
  for (const said of [/heading "我的信用" \[level=1\]/, /heading "接下来可以做的" \[level=2\]/, /strong: 570分/, /table "在基础分 600 分之上的各项"/, /cell "近三年的行政处罚"/, /cell "[−-]30"/]) assert.match(read, said);
  await accessible(page);
  assert.deepEqual(wrong, []);
  await close();
});
