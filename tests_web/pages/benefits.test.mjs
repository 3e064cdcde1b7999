// Benefits near at hand: what applies and what does not, each page by page, by place, kind and words.
import assert from "node:assert/strict";
import test from "node:test";
import { actAs } from "../city.mjs";
import { accessible, closeBrowser, open, picture } from "../pages.mjs";

test.after(closeBrowser);

const available = (page) => page.getByRole("region", { name: "现在可以享受" });
const waiting = (page) => page.getByRole("region", { name: /^暂时还不能享受的/ });
const titles = (region) => region.getByRole("article").evaluateAll((cards) => cards.map((card) => card.getAttribute("aria-label")));

test("near at hand is a place that one chooses, one's registered district first; a search finds words", async () => {
  const { page, wrong, close } = await open("citizen", { as: ["citizen", 17], view: "/benefits" });
  await available(page).getByRole("article").first().waitFor();
  const where = page.getByLabel("在哪里用");
  const choices = await where.locator("option").allInnerTexts();
  assert.match(choices[0], /(邵阳市|惠州市)$/);
  assert.equal(choices.filter((one) => one.endsWith("(您的登记地)")).length, 1);
  assert.match(choices[1], /\(您的登记地\)$/);
  assert.equal(choices.at(-1), "不限地方");
  await picture(page, "citizen-benefits-near-phone-light");
  await accessible(page);

  const district = choices[1].split("(")[0];
  await where.selectOption({ index: 1 });
  // Given there, or all over the city.
  await page.waitForFunction((there) => {
    const given = [...document.querySelectorAll("section[aria-labelledby=available] article > p")].map((one) => one.innerText);
    return given.length > 0 && given.every((one) => one.endsWith(` · ${there}`) || !one.includes(" · "));
  }, district);
  await picture(page, "citizen-benefits-district-phone-light");

  await where.selectOption({ label: "不限地方" });
  await waiting(page).getByText("这项优惠目前未对您所在地开放").first().waitFor();
  await page.getByRole("searchbox", { name: "搜索优惠或机构" }).fill("门票 八折");
  await page.waitForFunction(() => [...document.querySelectorAll("section[aria-labelledby=available] article")].every((card) => card.getAttribute("aria-label").startsWith("门票八折")));
  await page.getByRole("searchbox").fill("没有这样的词");
  await available(page).getByText("这样找没有可以享受的优惠。").waitFor();
  await waiting(page).getByText("没有其他优惠了。").waitFor();
  await accessible(page);
  await picture(page, "citizen-benefits-nothing-found-phone-light");
  assert.deepEqual(wrong, []);
  await close();
});

test("both lists go on page by page, each benefit once, and together they are all there are", async () => {
  const { page, wrong, close } = await open("citizen", { as: ["citizen", 17], view: "/benefits", size: "desktop", dark: true });
  for (const region of [available(page), waiting(page)]) {
    await region.getByRole("article").first().waitFor();
    const more = region.getByRole("button", { name: "再看一些" });
    for (let shown = await region.getByRole("article").count(); await more.count(); ) {
      await more.click();
      await page.waitForFunction(([id, before]) => document.querySelectorAll(`section[aria-labelledby=${id}] article`).length > before, [await region.getAttribute("aria-labelledby"), shown]);
      shown = await region.getByRole("article").count();
      await region.getByRole("button", { name: "正在读取…" }).waitFor({ state: "detached" });
    }
  }
  await picture(page, "citizen-benefits-all-desktop-dark");
  const ask = await actAs("citizen", 17);
  const { me } = await ask("{ me { place } }");
  const found = await ask("query ($input: String) { me { benefits(first: 100, area: $input) { edges { node { available offer { title partner { name } } } } pageInfo { hasNextPage } } } }", me.place);
  const { edges, pageInfo } = found.me.benefits;
  assert.equal(pageInfo.hasNextPage, false);
  const told = (applies) => edges.filter(({ node }) => node.available === applies).map(({ node: { offer } }) => `${offer.title},${offer.partner.name}`);
  assert.deepEqual(await titles(available(page)), told(true));
  assert.deepEqual((await titles(waiting(page))).sort(), told(false).sort());
  await accessible(page);
  assert.deepEqual(wrong, []);
  await close();
});
