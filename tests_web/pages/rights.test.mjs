// What somebody can do about what is held of them: object, answer, pause, order, borrow, take everything along, leave.
// Citizens 4, 5, 6, 22, 23 and enterprise 3 are this story's; scenic 1, hospital 1, bank 1 and a reviewer act by request.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import test from "node:test";
import { accessible, closeBrowser, listening, open, picture } from "../pages.mjs";
import { askAs, showCode, verify } from "./rights-city.mjs";

test.after(closeBrowser);
const DECIDE = "mutation ($input: DecideCaseInput!) { decideCase(input: $input) { __typename ... on Problem { code message } } }";
const REQUEST = "mutation ($input: RequestConsentInput!) { requestConsent(input: $input) { __typename ... on Problem { code message } } }";
const ORDER = "mutation ($input: CreateOrderInput!) { createOrder(input: $input) { __typename ... on Order { id } ... on Problem { code message } } }";
const OFFER_LOAN = "mutation ($input: OfferLoanInput!) { offerLoan(input: $input) { __typename ... on Problem { code message } } }";
const PNG = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==", "base64");
const inDays = (days) => new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10);

test("an objection goes from the record to its decision, which the page shows by itself", async () => {
  const { page, wrong, close } = await open("citizen", { as: ["citizen", 23], view: "/records" });
  const record = page.getByRole("article", { name: "行政处罚" });
  await record.getByRole("button", { name: "申请修复" }).click();
  await page.getByRole("dialog").getByText("要交的材料").waitFor();
  await picture(page, "citizen-repair-phone-light");
  await accessible(page);
  await page.keyboard.press("Escape");
  await record.getByRole("button", { name: "提出异议" }).click();
  const dialog = page.getByRole("dialog");
  const [answeredBy] = (await dialog.getByText(/最迟/).innerText()).match(/\d+年\d+月\d+日/);
  await dialog.getByLabel("请写明情况").fill("这份决定书写的不是我。");
  await dialog.getByLabel("证明材料").setInputFiles({ name: "说明.png", mimeType: "image/png", buffer: PNG });
  await picture(page, "citizen-objection-phone-light");
  await accessible(page);
  await dialog.getByRole("button", { name: "提交" }).click();
  await page.getByText("已经收到").waitFor();
  await page.getByText(`${answeredBy}(当天 24 时前)`).waitFor();
  await page.getByText("说明.png").waitFor();
  await picture(page, "citizen-case-open-phone-light");

  const caseId = decodeURIComponent(new URL(page.url()).hash.match(/cases\/([^?]+)/)[1]);
  const decision = { caseId, reason: "核对后确认文书对象有误。", outcome: "UPHELD", correction: { remove: true } };
  const { decideCase } = await askAs("reviewer", 1, DECIDE, { input: decision });
  assert.equal(decideCase.__typename, "CreditCase", decideCase.message);
  await page.getByRole("region", { name: "答复" }).getByText("核对后确认文书对象有误。").waitFor();
  await picture(page, "citizen-case-decided-phone-light");
  await accessible(page);

  await page.goto(page.url().replace(/#.*/, "#/log"));
  await page.getByRole("heading", { name: /审核|reviewer/ }).first().waitFor(); // that the officer looked is on the log
  assert.deepEqual(wrong, []);
  await close();
});

test("a consent is given, paused, resumed and ended, and each holds at the next check, as the log shows", async () => {
  const { page, wrong, close } = await open("citizen", { as: ["citizen", 5], view: "/consents" });
  await page.getByRole("button", { name: "给出一项授权" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("给谁").selectOption({ label: "邵阳青竹景区(演示)" });
  await picture(page, "citizen-consent-give-phone-light");
  await accessible(page);
  await dialog.getByRole("button", { name: "我同意" }).click();
  const given = page.getByRole("region", { name: "正在生效" });
  await given.getByRole("button", { name: "暂停" }).click();
  await given.getByText("已暂停").waitFor();
  assert.equal((await verify("citizen", 5, "scenic", 1)).outcome, "STANDARD_SERVICE");
  await given.getByRole("button", { name: "恢复" }).click();
  await given.getByText("生效中").waitFor();
  assert.equal((await verify("citizen", 5, "scenic", 1)).outcome, "BENEFIT_APPLIES");
  await given.getByRole("button", { name: "撤回" }).click();
  await page.getByRole("region", { name: "已经结束" }).getByText("已撤回").first().waitFor();

  const request = { code: await showCode("citizen", 5), purpose: "benefit-check", frequency: "PER_USE", endsOn: inDays(60) };
  assert.notEqual((await askAs("scenic", 1, REQUEST, { input: request })).requestConsent.__typename, "Problem");
  await page.reload();
  const waiting = page.getByRole("region", { name: "等您答复" });
  await waiting.getByRole("button", { name: "查看并同意" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "我同意" }).click();
  await page.getByRole("region", { name: "正在生效" }).waitFor();
  await picture(page, "citizen-consents-given-phone-light");

  await page.goto(page.url().replace(/#.*/, "#/log"));
  await page.getByText("标准服务").first().waitFor();
  await page.getByText("享受优惠").first().waitFor();
  await page.getByText("(原因只有您能看到)").first().waitFor();
  await page.getByText("签名回执").first().click();
  await picture(page, "citizen-log-lines-phone-light");
  await accessible(page);
  assert.deepEqual(wrong, []);
  await close();
});

test("an order that a hospital proposes appears by itself, and is confirmed", async () => {
  const { page, wrong, close } = await open("citizen", { as: ["citizen", 5], view: "/orders" });
  await page.getByRole("heading", { level: 1 }).waitFor();
  // Of benefits, as every view, and of orders.
  await listening(page, 2);
  const { id: verificationId } = await verify("citizen", 5, "hospital", 1);
  const order = { requestId: crypto.randomUUID(), verificationId, title: "普通门诊费用", amountFen: 12_345 };
  assert.equal((await askAs("hospital", 1, ORDER, { input: order })).createOrder.__typename, "Order");
  const shown = page.getByRole("article", { name: "普通门诊费用" }).first();
  await shown.getByText("123.45 元").first().waitFor();
  await picture(page, "citizen-order-new-phone-light");
  await shown.getByRole("button", { name: "确认" }).click();
  await shown.getByText("已确认", { exact: true }).waitFor();
  await shown.getByRole("button", { name: "取消订单" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "取消订单" }).click();
  await shown.getByText("已取消", { exact: true }).waitFor();
  assert.deepEqual(wrong, []);
  await close();
});

test("an enterprise applies for a loan, naming what the bank is told, and accepts what it offers", async () => {
  const { page, wrong, close } = await open("citizen", { as: ["enterprise", 3], view: "/loans" });
  await page.getByRole("button", { name: "申请贷款" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("优惠").selectOption({ label: "邵阳青竹银行(演示) · 企业流动资金贷款利率优惠" });
  await dialog.getByLabel("金额(元)").fill("300000");
  await dialog.getByLabel("用途").fill("购买原料");
  await dialog.getByLabel(/社会保险连续缴纳/).check();
  await dialog.getByLabel(/近 12 个月水费/).check();
  await picture(page, "citizen-loan-apply-phone-light");
  await accessible(page);
  await dialog.getByRole("button", { name: "同意以上内容并申请" }).click();
  const loan = page.getByRole("article", { name: "税易贷" }).first();
  await loan.getByText("银行审查中").waitFor();

  const { me } = await askAs("enterprise", 3, "{ me { loanApplications(first: 1) { edges { node { id } } } } }");
  const bid = { requestId: crypto.randomUUID(), applicationId: me.loanApplications.edges[0].node.id, amountFen: 20_000_000, rateBp: 355, months: 12, secured: false };
  assert.equal((await askAs("bank", 1, OFFER_LOAN, { input: bid })).offerLoan.__typename, "DecidedLoan");
  await page.reload();
  await loan.getByText("3.55%").waitFor();
  await loan.getByText("银行能看到的答复").click();
  await picture(page, "citizen-loan-offered-phone-light");
  await accessible(page);
  await loan.getByRole("button", { name: "接受", exact: true }).click();
  await page.getByRole("dialog").getByRole("button", { name: "接受", exact: true }).click();
  await loan.getByText("已接受").waitFor();
  assert.deepEqual(wrong, []);
  await close();
});

test("a son acts for his mother under her mandate, sees that he does, and is himself again", async () => {
  const mother = await open("citizen", { as: ["citizen", 6], view: "/settings" });
  const news = mother.page.getByRole("switch", { name: "有新优惠可用时告诉我" });
  await news.click();
  await mother.page.getByText(/\d 打开。/).waitFor();
  assert.equal(await news.getAttribute("aria-checked"), "true");
  await mother.page.getByRole("button", { name: "新的委托" }).click();
  const dialog = mother.page.getByRole("dialog");
  await dialog.getByLabel("对方的账号").fill("citizen-4");
  await dialog.getByLabel("依据的文件").fill("家庭委托书");
  await dialog.getByRole("button", { name: "委托", exact: true }).click();
  await mother.page.getByText("委托给 citizen-4").first().waitFor();

  const son = await open("citizen", { as: ["citizen", 4], view: "/settings" });
  await son.page.getByText("citizen-4").first().waitFor();
  await son.page.getByRole("button", { name: "开始代办" }).click();
  const band = son.page.getByText(/您正在替 .+ 办理/);
  await band.waitFor();
  await son.page.goto(son.page.url().replace(/#.*/, "#/records"));
  await son.page.getByText("见义勇为表彰").first().waitFor(); // hers
  await picture(son.page, "citizen-acting-phone-light");
  await accessible(son.page);
  await son.page.getByRole("button", { name: "结束代办" }).click();
  await band.waitFor({ state: "detached" });
  await son.page.getByText("见义勇为表彰").first().waitFor({ state: "detached" }); // he has none

  await mother.page.getByRole("button", { name: "结束委托" }).first().click();
  await mother.page.getByRole("dialog").getByRole("button", { name: "结束委托" }).click();
  await mother.page.getByText("已结束").first().waitFor();
  assert.deepEqual([...mother.wrong, ...son.wrong], []);
  await mother.close();
  await son.close();
});

test("everything is taken along as a file, and then somebody leaves and is told what stays", async () => {
  const { page, wrong, close } = await open("citizen", { as: ["citizen", 22], view: "/leave" });
  for (const [button, begins] of [["下载 PDF", "%PDF"], ["下载 JSON", "{"]]) {
    const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: button }).click()]);
    assert.ok((await readFile(await file.path(), "utf8")).startsWith(begins));
    await page.getByText("SHA-256").waitFor();
  }
  await page.getByRole("button", { name: "我要退出" }).click();
  const dialog = page.getByRole("dialog");
  const leave = dialog.getByRole("button", { name: "退出信易+" });
  assert.equal(await leave.isDisabled(), true);
  await dialog.getByLabel("请输入「退出」").fill("退出");
  await picture(page, "citizen-leave-confirm-phone-light");
  await accessible(page);
  await leave.click();
  await page.getByText("已经退出").waitFor();
  await picture(page, "citizen-left-phone-light");
  await accessible(page);
  const { me } = await askAs("citizen", 22, "{ me { enrolled } }");
  assert.equal(me.enrolled, false);
  assert.deepEqual(wrong, []);
  await close();
});
