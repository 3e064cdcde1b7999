// What the other stories about rights leave out: repair, appeal, complaint, hiding an honour, sessions, coming back; and each
// act as it fails: refused, without an answer, or away from it in the middle. What somebody typed is there each time.
// Citizens 24, 25, 26, 28 and 32 are this story's; reviewers and scenic 11 act by request.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import test from "node:test";
import { accessible, addressOf, closeBrowser, open, picture, signIn } from "../pages.mjs";
import { HOSTILE } from "./manners.mjs";
import { askAs, verify } from "./rights-city.mjs";

test.after(closeBrowser);

const DECIDE = "mutation ($input: DecideCaseInput!) { decideCase(input: $input) { __typename ... on Problem { code message } } }";
const PNG = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==", "base64");
const REFUSAL = "现在办不了。请明天再来。";
const isNetwork = (text) => /Failed to load resource|ERR_FAILED|WebSocket/.test(text);
const isAct = (route) => route.request().postDataJSON()?.variables?.input !== undefined;
const caseIn = (page) => decodeURIComponent(new URL(page.url()).hash.match(/cases\/([^?]+)/)[1]);

async function decide(n, caseId, outcome, reason) {
  const { decideCase } = await askAs("reviewer", n, DECIDE, { input: { caseId, outcome, reason } });
  assert.equal(decideCase.__typename, "CreditCase", decideCase.message);
}

/** Press a button as people do, twice; the server says no the first time, and nothing the second. `where` is where the page
 * says so. Each press asks the server once. */
async function failing(page, button, field, where = page) {
  let sent = 0;
  for (const [answer, said] of [[field, REFUSAL], [null, "不知道是否已经办成"]]) {
    await page.route("**/graphql", async (route) => {
      if (!isAct(route)) return route.fallback();
      sent += 1;
      const refusal = { data: { [field]: { __typename: "Problem", code: "UNAVAILABLE", message: REFUSAL } } };
      return answer === null ? route.abort() : route.fulfill({ json: refusal });
    });
    await button.dblclick();
    await where.getByRole("alert").filter({ hasText: said }).first().waitFor();
    await page.unroute("**/graphql");
  }
  return sent;
}

test("a repair is applied for, fails, is sent, is refused, and is granted on appeal", async () => {
  const { page, wrong, close } = await open("citizen", { as: ["citizen", 32], view: "/mine", allowed: isNetwork });
  await page.getByRole("link", { name: /^我的记录/ }).click();
  const record = page.getByRole("article", { name: "行政处罚" }).first();
  await record.getByRole("button", { name: "申请修复" }).click();
  const dialog = page.getByRole("dialog");
  const said = dialog.getByLabel("请写明情况");
  await said.fill(HOSTILE);
  // The phone's way back closes the question alone, and what was typed is there when it is asked again.
  await page.goBack();
  await dialog.waitFor({ state: "hidden" });
  await page.getByRole("heading", { level: 1, name: "我的记录" }).waitFor();
  await record.getByRole("button", { name: "申请修复" }).click();
  assert.equal(await said.inputValue(), HOSTILE);
  const submit = dialog.getByRole("button", { name: "提交" });
  assert.equal(await failing(page, submit, "applyForRepair", dialog), 2);
  assert.equal(await said.inputValue(), HOSTILE);
  await picture(page, "acts-repair-unsure-phone-light");
  await accessible(page);
  await submit.click();
  await page.getByText("已经收到").waitFor();
  await page.getByText("信用修复").first().waitFor();
  assert.equal(await page.locator("main img").count(), 0);
  await picture(page, "acts-repair-open-phone-light");

  await decide(1, caseIn(page), "REFUSED", `还缺整改材料。${HOSTILE.replace(/[\u200D\u202E\u202C]/g, "")}`);
  const decision = page.getByRole("region", { name: "答复" });
  await decision.getByText("还缺整改材料").waitFor({ timeout: 5_000 });
  assert.equal(await page.locator("main img").count(), 0);
  await picture(page, "acts-repair-refused-phone-light");
  await accessible(page);
  const first = page.url();
  await page.getByRole("button", { name: "申请复核" }).click();
  await said.fill("材料已经补齐,请重新办理。");
  await dialog.getByLabel("证明材料").setInputFiles([{ name: "整改\u202F报告.png", mimeType: "image/png", buffer: PNG }, { name: "坏的.pdf", mimeType: "application/pdf", buffer: Buffer.from("%PDF-") }]);
  const again = dialog.getByRole("button", { name: "提交" });
  assert.equal(await failing(page, again, "appealCase", dialog), 2);
  assert.equal(await said.inputValue(), "材料已经补齐,请重新办理。");
  await again.click();
  // One paper arrives; the other is named, to be handed in again.
  await page.getByRole("alert").filter({ hasText: "坏的.pdf" }).waitFor();
  await page.getByText("整改 报告.png").waitFor();
  assert.notEqual(page.url(), first);
  await decide(2, caseIn(page), "UPHELD", "材料齐全,准予修复。");
  await decision.getByText("材料齐全,准予修复。").waitFor({ timeout: 5_000 });
  await decision.getByText("已停止公示").waitFor();
  assert.equal(await page.getByRole("button", { name: "申请复核" }).count(), 0);
  await picture(page, "acts-appeal-granted-phone-light");
  // Back leads to the case it was about, which cannot be appealed twice.
  await page.goBack();
  await decision.getByText("还缺整改材料").waitFor();
  assert.equal(await page.getByRole("button", { name: "申请复核" }).count(), 0);
  await page.goto(addressOf("citizen", "/records"));
  await page.getByText("已经修复").first().waitFor();
  assert.deepEqual(wrong, []);
  await close();
});

test("a complaint is written with the keyboard alone, and taken back", async () => {
  const { page, wrong, close } = await open("citizen", { as: ["citizen", 24], view: "/cases", allowed: isNetwork });
  const at = async (name) => {
    for (let steps = 0; steps < 30; steps += 1) {
      await page.keyboard.press("Tab");
      if (await page.evaluate((text) => document.activeElement?.textContent.trim() === text || document.activeElement?.labels?.[0]?.textContent.startsWith(text), name)) return;
    }
    assert.fail(`no way to ${name} with the keyboard`);
  };
  await page.getByRole("heading", { level: 1, name: "办理进度" }).waitFor();
  await at("投诉");
  await page.keyboard.press("Enter");
  const dialog = page.getByRole("dialog", { name: "投诉" });
  await dialog.waitFor();
  assert.equal(await dialog.evaluate((one) => one.contains(document.activeElement)), true);
  await at("请写明情况");
  await page.keyboard.insertText("  一、窗口排队太久。\n\u3000\u3000二、");
  await page.keyboard.insertText("长".repeat(3_000));
  await dialog.getByRole("status").getByText("已经写满").waitFor();
  await picture(page, "acts-complaint-full-phone-light");
  await page.keyboard.press("ControlOrMeta+a");
  const words = "一、窗口排队太久。\n\u3000\u3000二、😀\u{1F468}\u200D\u{1F469}\u200D\u{1F467}没有人答复。";
  await page.keyboard.insertText(words);
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "hidden" });
  // Where it was begun from is where the keyboard is again.
  assert.equal(await page.evaluate(() => document.activeElement?.textContent), "投诉");
  await page.keyboard.press("Enter");
  await dialog.waitFor();
  await at("提交");
  await page.keyboard.press("Enter");
  await page.getByText("已经收到").waitFor();
  await page.getByText("没有人答复").first().waitFor();
  assert.equal(await page.evaluate(() => document.activeElement?.id), "main");
  await at("撤回这件事项");
  await page.keyboard.press("Enter");
  const sure = page.getByRole("dialog", { name: "撤回这件事项" });
  assert.equal(await failing(page, sure.getByRole("button", { name: "撤回这件事项" }), "withdrawCase", sure), 2);
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "撤回这件事项" }).click();
  assert.equal(await sure.getByRole("alert").count(), 0); // what failed before is over
  await sure.getByRole("button", { name: "撤回这件事项" }).click();
  await page.getByText("您撤回了事项").waitFor();
  await picture(page, "acts-complaint-withdrawn-phone-light");
  await accessible(page);
  assert.deepEqual(wrong, []);
  await close();
});

test("an honour is hidden and shown again", async () => {
  const { page, wrong, close } = await open("citizen", { as: ["citizen", 28], view: "/records", allowed: isNetwork });
  const record = page.getByRole("article").first();
  const hide = record.getByRole("button", { name: "不公示" });
  assert.equal(await failing(page, hide, "hideHonour", record), 2);
  await picture(page, "acts-honour-failed-phone-light");
  await hide.click();
  await record.getByText("按您的意愿不公示").waitFor();
  await picture(page, "acts-honour-hidden-phone-light");
  await accessible(page);
  await page.reload();
  await record.getByText("按您的意愿不公示").waitFor();
  await record.getByRole("button", { name: "恢复公示" }).click();
  await hide.waitFor();
  assert.equal(await record.getByRole("alert").count(), 0);
  assert.deepEqual(wrong, []);
  await close();
});

test("a consent that rests or ends closes its benefit at once, as the benefits say", async () => {
  const { page, wrong, close } = await open("citizen", { as: ["citizen", 25], view: "/consents", allowed: isNetwork });
  await page.getByRole("button", { name: "给出一项授权" }).click();
  const dialog = page.getByRole("dialog");
  const to = dialog.getByLabel("给谁");
  const { partner } = await askAs("scenic", 11, "{ partner { id name offers(first: 1) { edges { node { id title } } } } }");
  await to.selectOption({ label: partner.name });
  const agree = dialog.getByRole("button", { name: "我同意" });
  assert.equal(await failing(page, agree, "giveConsent", dialog), 2);
  assert.equal(await to.inputValue(), partner.id);
  await agree.click();
  const given = page.getByRole("region", { name: "正在生效" });
  await given.getByRole("button", { name: "暂停" }).waitFor();
  assert.equal(await failing(page, given.getByRole("button", { name: "暂停" }), "pauseConsent", given), 2);
  await given.getByRole("button", { name: "暂停" }).click();
  await given.getByText("已暂停").waitFor();
  await picture(page, "acts-consent-paused-phone-light");
  assert.equal((await verify("citizen", 25, "scenic", 11)).outcome, "STANDARD_SERVICE");
  const title = partner.offers.edges[0].node.title;
  const benefit = page.getByRole("article", { name: `${title},${partner.name}` });
  const available = page.getByRole("region", { name: /^现在可以享受/ });
  await page.goto(addressOf("citizen", "/benefits"));
  await page.getByRole("heading", { level: 1, name: "我的权益" }).waitFor();
  await page.getByText("授权").first().waitFor();
  await picture(page, "acts-benefits-paused-phone-light");
  assert.equal(await available.locator(benefit).count(), 0);
  await page.goBack();
  await given.getByRole("button", { name: "恢复" }).click();
  await given.getByText("生效中").waitFor();
  assert.equal((await verify("citizen", 25, "scenic", 11)).outcome, "BENEFIT_APPLIES");
  await given.getByRole("button", { name: "撤回" }).click();
  await page.getByRole("region", { name: "已经结束" }).getByText("已撤回").waitFor();
  assert.deepEqual(wrong, []);
  await close();
});

test("a session ended from another device asks to sign in, and what was being typed is there afterwards", async () => {
  const at = { as: ["citizen", 26], allowed: isNetwork };
  const phone = await open("citizen", { ...at, view: "/cases" });
  await phone.page.getByRole("button", { name: "投诉" }).click();
  const said = phone.page.getByRole("dialog").getByLabel("请写明情况");
  const words = `还没有写完 ${Date.now()}`;
  await said.fill(words);
  const other = await open("citizen", { ...at, view: "/settings" });
  const sessions = other.page.getByRole("region", { name: "在哪里登录着" });
  const end = sessions.getByRole("button", { name: "退出", exact: true });
  await end.first().waitFor();
  assert.equal(await failing(other.page, end.first(), "endSession", sessions), 2);
  const before = await end.count();
  await end.first().click();
  await other.page.waitForFunction((count) => [...document.querySelectorAll("button")].filter((one) => one.textContent.trim() === "退出").length < count, before);
  await picture(other.page, "acts-sessions-phone-light");

  // It hears of it by itself, or at the latest when it asks for something.
  await phone.page.getByRole("dialog").getByRole("button", { name: "提交" }).click({ timeout: 1_500 }).catch(() => undefined);
  await phone.page.getByText("登录已过期,请重新登录。").waitFor();
  assert.equal(await said.isVisible(), false);
  await picture(phone.page, "acts-session-ended-phone-light");
  await accessible(phone.page);
  await signIn(phone.page, "citizen", 26);
  assert.equal(await said.inputValue(), words);
  await phone.page.getByRole("dialog").getByRole("button", { name: "提交" }).click();
  await phone.page.getByText("已经收到").waitFor();
  assert.deepEqual([...phone.wrong, ...other.wrong], []);
  await phone.close();
  await other.close();
});

test("what is taken along can be read; who leaves is told so, and may come back", async () => {
  const { page, wrong, close } = await open("citizen", { as: ["citizen", 28], view: "/leave", allowed: isNetwork });
  const json = page.getByRole("button", { name: "下载 JSON" });
  assert.equal(await failing(page, json, "exportMine"), 2);
  const [file] = await Promise.all([page.waitForEvent("download"), json.click()]);
  const content = await readFile(await file.path());
  assert.match(file.suggestedFilename(), /^信用报告-\d{4}-\d\d-\d\d\.json$/);
  const text = content.toString("utf8");
  const { me } = await askAs("citizen", 28, "{ me { displayName records(first: 1) { edges { node { documentNumber } } } } }");
  assert.equal(typeof JSON.parse(text), "object");
  assert.ok(text.includes(me.records.edges[0].node.documentNumber), "her own record is in it");

  await page.getByRole("button", { name: "我要退出" }).click();
  const dialog = page.getByRole("dialog");
  const word = dialog.getByLabel("请输入「退出」");
  await word.fill("退出");
  const leave = dialog.getByRole("button", { name: "退出信易+" });
  assert.equal(await failing(page, leave, "leaveScheme", dialog), 2);
  assert.equal(await word.inputValue(), "退出");
  await leave.click();
  await page.getByText("已经退出").waitFor();
  await page.reload();
  await page.getByText("您现在没有加入").waitFor();
  await page.goto(addressOf("citizen", "/"));
  const join = page.getByRole("button", { name: "我看明白了,同意加入" });
  assert.equal(await failing(page, join, "enroll"), 2);
  await picture(page, "acts-joining-failed-phone-light");
  await accessible(page);
  await join.click();
  await page.getByRole("img", { name: "信用码二维码" }).waitFor();
  await page.goto(addressOf("citizen", "/score"));
  await page.getByRole("heading", { level: 1, name: "我的信用" }).waitFor();
  assert.deepEqual(wrong, []);
  await close();
});
