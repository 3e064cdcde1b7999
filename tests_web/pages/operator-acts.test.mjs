// What operators do with partners, two of them at once too: rights granted and refused, an application sent back and handed
// in again, two entries made one, and the proof's rules in words.
import assert from "node:assert/strict";
import test from "node:test";
import { actAs } from "../city.mjs";
import { accessible, addressOf, closeBrowser, everyLook, open } from "../pages.mjs";
import { failsOnce } from "./manners.mjs";

test.after(closeBrowser);
const isNetwork = (text) => /Failed to load resource|ERR_FAILED|WebSocket/.test(text);

test("a right is asked for, refused with a reason, asked for again, and granted", async () => {
  const { page, wrong, close } = await open("desk", { as: ["representative", 55], size: "desktop", allowed: isNetwork });
  page.setDefaultTimeout(20_000);
  const choose = async (label, option) => {
    await page.getByRole("combobox", { name: label }).press("Enter");
    await page.getByRole("option", { name: option }).filter({ visible: true }).first().click();
  };
  const ask = async () => {
    await page.getByRole("button", { name: "申请新的一项" }).click();
    await choose("优惠种类", "信易租");
    await choose("评价模型", "湘信分");
    await choose("达到哪一档", "及以上");
  };
  await ask();
  await failsOnce(page, () => page.getByRole("button", { name: "提交申请" }).click(), (input) => input.service !== undefined);
  const mine = page.getByRole("listitem").filter({ hasText: "信易租" });
  await mine.getByText("等待答复").waitFor();
  const office = await open("operator", { as: ["operator", 3], view: "/grants", size: "desktop" });
  const row = office.page.getByRole("row").filter({ hasText: "邵阳青竹商场" }).filter({ hasText: "信易租" });
  await row.getByRole("button", { name: "不同意" }).click();
  await office.page.getByRole("dialog").getByRole("textbox").fill("材料没有说明用途");
  await office.page.getByRole("dialog").getByRole("button", { name: "确定" }).click();
  await row.waitFor({ state: "detached" });
  await page.reload();
  await mine.getByText("未获准").waitFor();
  await mine.getByText("材料没有说明用途").waitFor();
  await accessible(page);
  await ask();
  await page.getByRole("button", { name: "提交申请" }).click();
  await mine.getByText("等待答复").waitFor();
  await office.page.reload();
  await row.getByRole("button", { name: "同意", exact: true }).click();
  // Somebody else was quicker: this one is told, and nothing is done twice.
  const other = await open("operator", { as: ["operator", 2], view: "/grants", size: "desktop" });
  const theirs = other.page.getByRole("row").filter({ hasText: "邵阳青竹商场" }).filter({ hasText: "信易租" });
  await theirs.getByRole("button", { name: "同意", exact: true }).click();
  for (const one of [other, office]) await one.page.getByRole("dialog").getByRole("button", { name: "确定" }).click();
  await theirs.waitFor({ state: "detached" });
  await row.waitFor({ state: "detached" });
  await page.reload();
  await mine.getByText("已获准").waitFor();
  assert.deepEqual([...wrong, ...office.wrong, ...other.wrong], []);
  for (const one of [office, other]) await one.close();
  await close();
});


const SIGNS = "0123456789ABCDEFGHJKLMNPQRTUWXY";
const WEIGHTS = [1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28];
/** A unified social credit code of nobody's, with its check digit (GB 32100); another one at each run. */
function uscc() {
  const body = `91430502MAXX${String(Date.now() % 100_000).padStart(5, "0")}`;
  const sum = [...body].reduce((so, sign, at) => so + SIGNS.indexOf(sign) * WEIGHTS[at], 0);
  return body + SIGNS[(31 - (sum % 31)) % 31];
}
/** A picture of one point: it stands for a scanned licence. */
const PNG = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg==", "base64");

test("an application is sent back with a reason, and handed in again", async () => {
  const { page, wrong, close } = await open("desk", { view: "/apply", size: "desktop", allowed: isNetwork });
  page.setDefaultTimeout(20_000);
  const choose = async (label, option) => {
    await page.getByRole("combobox", { name: label }).press("Enter");
    await page.getByRole("option", { name: option }).filter({ visible: true }).first().click();
  };
  const name = `邵阳<b>退回</b>"再申请"商店${String(Date.now()).slice(-5)}`;
  await choose("所在地", "邵阳");
  await choose("行业", "商店");
  await page.getByLabel("单位全称").fill(name);
  const code = page.getByLabel("统一社会信用代码");
  await code.fill("91430502MAXX000000");
  const begin = page.getByRole("button", { name: "开始申请" });
  await begin.click();
  await page.getByRole("alert").waitFor();
  assert.equal(await page.getByLabel("单位全称").inputValue(), name);
  await code.fill(uscc());
  await begin.click();
  await page.getByLabel("选择文件").setInputFiles({ name: "执照<img src=x>.png", mimeType: "image/png", buffer: PNG });
  await page.getByRole("button", { name: "上传", exact: true }).click();
  await page.getByText("执照<img src=x>.png").waitFor();
  const hand = page.getByRole("button", { name: "提交申请", exact: true });
  await failsOnce(page, () => hand.click(), (input) => input && Object.keys(input).length === 0);
  await page.locator("[aria-current=step]", { hasText: "等待审核" }).waitFor();

  const [one, two] = await Promise.all([1, 2].map((n) => open("operator", { as: ["operator", n], view: "/partners", size: "desktop" })));
  for (const office of [one, two]) {
    await office.page.getByRole("textbox", { name: "按名称或统一社会信用代码查找" }).fill(name);
    await office.page.getByRole("link", { name }).click();
    await office.page.getByRole("heading", { level: 1, name }).waitFor();
    await office.page.getByRole("button", { name: "退回" }).click();
    await office.page.getByRole("dialog").getByRole("textbox").fill("执照看不清,\n请重新上传");
  }
  await one.page.getByRole("dialog").getByRole("button", { name: "确定" }).click();
  await one.page.getByRole("dialog").waitFor({ state: "hidden" });
  // Somebody else was quicker: it is said, and what was typed stays.
  await two.page.getByRole("dialog").getByRole("button", { name: "确定" }).click();
  await two.page.getByRole("dialog").getByRole("alert").waitFor();
  assert.match(await two.page.getByRole("dialog").getByRole("textbox").inputValue(), /执照看不清/);
  await everyLook(two.page, "operator-too-late");
  assert.equal(await two.page.locator("main img").count(), 0);

  await page.locator("[aria-current=step]", { hasText: "填写申请" }).waitFor();
  await page.getByText("退回的原因: 执照看不清, 请重新上传").waitFor();
  await accessible(page);
  await hand.click();
  await page.locator("[aria-current=step]", { hasText: "等待审核" }).waitFor();
  assert.deepEqual([...wrong, ...one.wrong, ...two.wrong], []);
  for (const office of [one, two]) await office.close();
  await close();
});

test("whoever confirms a merge sees whom it is about, and the proof names its rules", async () => {
  const firm = async (n) => (await (await actAs("enterprise", n))("{ me { id displayName } }")).me;
  const [keep, drop] = [await firm(37), await firm(38)];
  const propose = "mutation ($input: ProposeMergeInput!) { proposeMerge(input: $input) { __typename ... on Problem { message } } }";
  const { proposeMerge } = await (await actAs("operator", 2))(propose, { keepId: keep.id, dropId: drop.id, reason: "工商变更<b>登记</b>" });
  assert.equal(proposeMerge.__typename, "RegisteredSubject", proposeMerge.message);
  const { page, wrong, close } = await open("operator", { as: ["reviewer", 2], view: "/subjects", size: "desktop", allowed: isNetwork });
  await page.getByRole("tab", { name: "重复" }).or(page.getByRole("button", { name: /重复/ })).first().click();
  const waiting = page.getByRole("listitem").filter({ hasText: "工商变更<b>登记</b>" });
  await waiting.getByRole("button", { name: "看这两条登记" }).click();
  for (const one of [keep, drop]) await waiting.getByText(one.displayName).waitFor();
  await everyLook(page, "operator-merge");
  await page.goto(addressOf("operator", "/proof"));
  await page.getByText("L10 贷款", { exact: false }).first().waitFor();
  await accessible(page);
  assert.deepEqual(wrong, []);
  await close();
});
