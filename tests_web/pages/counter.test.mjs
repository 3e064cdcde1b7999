// The counter: a code is shown on one page and scanned on the other, the answer is done, and what came of it is on both
// sides. Lost connections, a camera, orders that are paid later and applications for loans.
import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { chromium } from "playwright-core";
import encodeQR from "../../web/node_modules/qr/index.js";
import { address, SHOW } from "../city.mjs";
import { accessible, addressOf, closeBrowser, everyLook, open, picture, readQr, signIn } from "../pages.mjs";

test.after(closeBrowser);

async function post(path, body, token) {
  const headers = { "content-type": "application/json", ...(token && { authorization: `Bearer ${token}` }) };
  return (await fetch(`${address}${path}`, { method: "POST", headers, body: JSON.stringify(body) })).json();
}
/** One document asked as somebody of the demo city. */
async function as(role, n, query, variables = {}) {
  const { access_token: token } = await post("/sign-in/demo", { role, n });
  const { data, errors } = await post("/graphql", { query, variables }, token);
  assert.equal(errors, undefined, JSON.stringify(errors));
  return data;
}
const codeOf = async (n) => (await as("citizen", n, SHOW, { input: {} })).issueCreditCode.token;
const log = async (n) => (await as("citizen", n, "{ me { accessLog(first: 50) { edges { node { action outcome } } } } }")).me.accessLog.edges;

/** As a hand scanner does it: the characters, then Enter. */
async function type(page, code) {
  await page.keyboard.insertText(code);
  await page.keyboard.press("Enter");
}
const heading = (page, name) => page.getByRole("heading", { name, exact: true });
const APPLIES = "权益适用";
const STANDARD = "按标准服务办理";
/** A second Enter of a scanner is passed over; a clerk's comes later. */
const aMoment = (page) => page.waitForTimeout(900);

test("a citizen shows a code, the clerk scans it, the benefit is used, and the citizen's log has it", async () => {
  const citizen = await open("citizen", { as: ["citizen", 9] });
  await citizen.page.locator("svg[role=img]").waitFor();
  const desk = await open("desk", { as: ["scenic", 1], size: "desktop" });
  await desk.page.getByText("门票八折").first().waitFor();
  await desk.page.getByLabel("岗位", { exact: true }).fill("东门");
  const before = (await log(9)).length;

  // Read from the citizen's screen, typed at the clerk's, wherever the focus is.
  const code = await readQr(citizen.page, "svg[role=img]");
  await desk.page.getByRole("button", { name: "用摄像头扫码" }).focus();
  await desk.page.keyboard.press(code[0]);
  await type(desk.page, code.slice(1));
  await heading(desk.page, APPLIES).waitFor();
  const from = performance.now();
  await citizen.page.getByRole("status", { name: "已扫码" }).waitFor();
  const took = performance.now() - from;
  console.log(`"scanned" on the citizen's page: ${took.toFixed(0)} ms after the clerk's answer`);
  assert.ok(took < 1000, `${took} ms`);
  assert.ok((await citizen.page.locator("main").innerText()).includes("邵阳青竹景区(演示)"));
  await desk.page.getByText("门票按公示票价打八折。").waitFor();
  assert.equal(await desk.page.getByLabel("信用码", { exact: true }).inputValue(), "", "the code is gone from the screen");
  assert.ok(!(await desk.page.content()).includes(code), "and from the page");
  await picture(desk.page, "desk-benefit-desktop-light");
  await accessible(desk.page);

  await desk.page.getByLabel("金额(元)").fill("9.00");
  await desk.page.keyboard.press("Enter");
  await desk.page.getByText("已核销").waitFor();
  assert.equal((await log(9)).length, before + 1);
  await citizen.page.goto(addressOf("citizen", "/log"));
  await citizen.page.getByText("邵阳青竹景区(演示)").first().waitFor();

  // Entered by mistake: taken back at once, and again from the day's list it is no more there to be taken back.
  await desk.page.getByRole("button", { name: "冲正", exact: true }).click();
  await desk.page.getByRole("button", { name: "录入有误" }).click();
  await desk.page.getByRole("button", { name: "确认冲正" }).click();
  await desk.page.getByText("已冲正").waitFor();
  await aMoment(desk.page);
  await desk.page.keyboard.press("Enter");
  await heading(desk.page, APPLIES).waitFor({ state: "detached" });
  await desk.page.getByRole("link", { name: "当日记录" }).click();
  const line = desk.page.getByRole("listitem").filter({ hasText: "东门" }).first();
  await line.getByText("已冲正").waitFor();
  await line.getByText("9.00 元").waitFor();
  assert.equal(await line.getByRole("button", { name: "冲正" }).count(), 0);
  const kept = await desk.page.evaluate(() => JSON.stringify([{ ...sessionStorage }, { ...localStorage }]));
  assert.ok(!kept.includes(code));
  assert.deepEqual([...citizen.wrong, ...desk.wrong], []);
  await citizen.close();
  await desk.close();
});

test("the standard service looks like the benefit: same card, same size, same colour, nothing that shames", async () => {
  const { page, wrong, close } = await open("desk", { as: ["scenic", 1], size: "desktop" });
  const cards = {};
  for (const [n, words] of [[9, APPLIES], [7, STANDARD]]) {
    await page.getByLabel("信用码", { exact: true }).waitFor();
    await type(page, await codeOf(n));
    await heading(page, words).waitFor();
    cards[n] = await page.locator(`[data-outcome]`).evaluate((card) => {
      const { width, height, x, y } = card.getBoundingClientRect();
      const { color, backgroundColor, borderColor } = getComputedStyle(card.querySelector("h2"));
      const { backgroundColor: ground, borderColor: edge } = getComputedStyle(card);
      return { width, height, x, y, color, backgroundColor, borderColor, ground, edge };
    });
    await picture(page, `desk-answer-${n}-desktop-light`);
    await aMoment(page);
    // Escape leaves a benefit unused; Enter after the standard service calls the next customer.
    await page.keyboard.press(n === 9 ? "Escape" : "Enter");
    await heading(page, words).waitFor({ state: "detached" });
  }
  assert.deepEqual(cards[9], cards[7]);
  await type(page, await codeOf(8));
  await heading(page, STANDARD).waitFor();
  const said = await page.locator("main").innerText();
  assert.ok(said.includes("按公示票价 45 元购票"), said);
  assert.doesNotMatch(said, /不符合|不合格|未通过|失信|拒绝|信用分|等级/);
  // A benefit that was left is in the day's list, to be used or given back.
  await page.getByRole("link", { name: "当日记录" }).click();
  await page.getByRole("button", { name: "不用了,退回名额" }).first().click();
  await page.getByText("未使用,名额已退回").first().waitFor();
  assert.deepEqual(wrong, []);
  await close();
});

test("a lost answer is asked for again under the same request id, and nobody is verified twice", async () => {
  const { page, wrong, close } = await open("desk", { as: ["scenic", 1], size: "phone", allowed: (text) => text.includes("net::ERR_FAILED") });
  await page.getByLabel("信用码", { exact: true }).waitFor();
  const before = (await log(9)).length;
  const requests = [];
  await page.route("**/graphql", async (route) => {
    const { variables } = route.request().postDataJSON();
    if (!variables?.input?.code) return route.continue();
    requests.push(variables.input.requestId);
    if (requests.length > 2) return route.continue();
    // The server has heard the first; its answer is lost on the way.
    if (requests.length === 1) await route.fetch();
    return route.abort();
  });
  await type(page, await codeOf(9));
  await page.getByText("同一个人不会被核验两次").waitFor();
  await picture(page, "desk-lost-phone-light");
  await accessible(page);
  await heading(page, APPLIES).waitFor();
  assert.equal(requests.length, 3);
  assert.equal(new Set(requests).size, 1);
  assert.equal((await log(9)).length, before + 1);
  assert.deepEqual(wrong, []);
  await close();
});

test("a used code says what to do, and nothing of the person", async () => {
  const { page, wrong, close } = await open("desk", { as: ["scenic", 1], size: "desktop", dark: true });
  await page.getByLabel("信用码", { exact: true }).waitFor();
  const code = await codeOf(7);
  await type(page, code);
  await heading(page, STANDARD).waitFor();
  // A scanner that ends with two Enters, and scans the same once more.
  await type(page, code);
  await page.keyboard.press("Enter");
  await heading(page, "请对方刷新信用码,再扫一次").waitFor();
  await page.getByText("这与对方本人无关").waitFor();
  await picture(page, "desk-another-code-desktop-dark");
  await accessible(page);
  await page.keyboard.press("Escape");
  await type(page, "不是信用码");
  await heading(page, "请对方刷新信用码,再扫一次").waitFor();
  assert.deepEqual(wrong, []);
  await close();
});

/** A film of one still frame, in which a code is held before the camera. */
function filmOf(text) {
  const rows = encodeQR(text, "raw", { ecc: "low" });
  const [W, H, SIDE] = [1280, 960, 5];
  const luma = new Uint8Array(W * H).fill(235);
  const [left, top] = [(W - rows.length * SIDE) >> 1, (H - rows.length * SIDE) >> 1];
  rows.forEach((row, y) => row.forEach((isDark, x) => {
    for (let line = 0; isDark && line < SIDE; line++) {
      const from = (top + y * SIDE + line) * W + left + x * SIDE;
      luma.fill(16, from, from + SIDE);
    }
  }));
  const frame = Buffer.concat([Buffer.from("FRAME\n"), luma, new Uint8Array((W * H) / 2).fill(128)]);
  const file = join(tmpdir(), `xinyi-code-${process.pid}.y4m`);
  writeFileSync(file, Buffer.concat([Buffer.from(`YUV4MPEG2 W${W} H${H} F10:1 Ip A1:1 C420mpeg2\n`), frame, frame]));
  return file;
}

test("the camera reads a code that is held before it", async () => {
  const file = filmOf(await codeOf(9));
  const filming = await chromium.launch({
    executablePath: process.env.CHROMIUM,
    args: ["--no-sandbox", "--disable-gpu", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream", `--use-file-for-fake-video-capture=${file}`],
  });
  try {
    const context = await filming.newContext({ permissions: ["camera"], viewport: { width: 390, height: 844 }, locale: "zh-CN" });
    const page = await context.newPage();
    await page.goto(addressOf("desk"));
    await signIn(page, "scenic", 1);
    await page.getByRole("button", { name: "用摄像头扫码" }).click();
    await heading(page, APPLIES).waitFor({ timeout: 20_000 });
    await picture(page, "desk-camera-phone-light");
    await page.getByRole("button", { name: "关闭摄像头" }).click();
    await page.getByRole("region", { name: "摄像头" }).waitFor({ state: "detached" });
  } finally {
    await filming.close();
    rmSync(file);
  }
});

test("an order that is paid later goes from the counter to its payment, as its holder confirms it", async () => {
  const { page, wrong, close } = await open("desk", { as: ["hospital", 1], size: "desktop" });
  await page.getByText("普通门诊诊后付费").first().waitFor();
  await type(page, await codeOf(9));
  await heading(page, APPLIES).waitFor();
  await page.getByLabel("订什么").fill("复诊费用");
  await page.getByLabel("最多多少钱(元)").fill("120");
  await picture(page, "desk-order-desktop-light");
  await page.getByRole("button", { name: "建立后付订单" }).click();
  await page.getByText("订单已建立").waitFor();
  await page.getByRole("link", { name: "看后付订单" }).click();
  const order = page.getByRole("article", { name: "复诊费用" }).first();
  await order.getByText("等对方确认").waitFor();
  const mine = await as("citizen", 9, "{ me { orders(states: [CREATED], first: 1) { edges { node { id title } } } } }");
  const [{ node }] = mine.me.orders.edges;
  assert.equal(node.title, "复诊费用");
  await as("citizen", 9, "mutation ($input: ConfirmOrderInput!) { confirmOrder(input: $input) { __typename } }", { input: { orderId: node.id } });
  // By itself, without a reload.
  await order.getByRole("button", { name: "开始服务" }).click();
  await order.getByRole("button", { name: "服务完成" }).click();
  await order.getByLabel(/实际金额/).fill("130");
  await order.getByText("请填写不超过 120.00 元 的金额。").waitFor();
  await order.getByLabel(/实际金额/).fill("98.5");
  await order.getByRole("button", { name: "确定" }).click();
  await order.waitFor({ state: "detached" });
  await page.getByRole("button", { name: "待付款" }).click();
  await order.getByText("98.50 元").waitFor();
  await order.getByRole("button", { name: "记收款" }).click();
  await order.getByRole("button", { name: "确定" }).click();
  await page.getByRole("button", { name: "已结束" }).click();
  await order.getByText("已付款").waitFor();
  assert.deepEqual(wrong, []);
  await close();
});

test("a bank looks at an application once, offers a loan, and reports it", async () => {
  const offer = (await as("bank", 1, "{ partner { offers(first: 10) { edges { node { id title } } } } }")).partner.offers.edges[0].node.id;
  const open_ = await as("enterprise", 13, "{ me { displayName loanApplications(states: [APPLIED, OFFERED], first: 10) { edges { node { id } } } } }");
  for (const { node } of open_.me.loanApplications.edges) await as("enterprise", 13, "mutation ($input: WithdrawLoanInput!) { withdrawLoan(input: $input) { __typename } }", { input: { applicationId: node.id } });
  const apply = "mutation ($input: ApplyForLoanInput!) { applyForLoan(input: $input) { __typename ... on LoanApplication { id } ... on Problem { code message } } }";
  const made = await as("enterprise", 13, apply, { input: { offerId: offer, product: "税易贷", amountFen: 5000_0000, months: 12, use: "购买原材料", indicators: ["tax-paid-on-time", "power-paid"] } });
  assert.equal(made.applyForLoan.__typename, "LoanApplication", JSON.stringify(made));
  const looks = async () => (await as("enterprise", 13, "{ me { accessLog(first: 50) { edges { node { action } } } } }")).me.accessLog.edges.filter(({ node }) => node.action === "loanApplications").length;
  const before = await looks();

  const { page, wrong, close } = await open("desk", { as: ["bank", 1], view: "/loans", size: "desktop" });
  const loan = page.getByRole("article", { name: open_.me.displayName }).first();
  await loan.getByText("待贵行决定").waitFor();
  assert.equal(await looks(), before, "a list tells nothing, and is no look");
  await loan.getByRole("button", { name: "看对方授权的指标" }).click();
  await loan.getByRole("table").waitFor();
  assert.equal(await looks(), before + 1);
  await picture(page, "desk-loan-look-desktop-light");
  await accessible(page);

  await loan.getByRole("button", { name: "不予办理" }).click();
  await loan.getByLabel(/用贵行自己的话/).fill("因为信用评分较低");
  await loan.getByRole("button", { name: "不予办理" }).last().click();
  await loan.getByRole("alert").waitFor();
  await loan.getByRole("button", { name: "提出方案" }).click();
  await loan.getByLabel("年利率(%)").fill("3.85");
  await loan.getByRole("button", { name: "提出方案" }).last().click();
  await loan.waitFor({ state: "detached" });
  await as("enterprise", 13, "mutation ($input: AnswerLoanOfferInput!) { answerLoanOffer(input: $input) { __typename } }", { input: { applicationId: made.applyForLoan.id, accept: true } });
  await page.getByRole("button", { name: "进行中" }).click();
  await loan.getByText("对方已接受").waitFor();
  await loan.getByText("3.85%").waitFor();
  await loan.getByRole("button", { name: "报告放款与还款" }).click();
  await picture(page, "desk-loan-report-desktop-light");
  await loan.getByRole("button", { name: "报告放款与还款" }).last().click();
  await loan.getByText("对方已接受").waitFor({ state: "detached" });
  await page.getByRole("button", { name: "已放款", exact: true }).click();
  await loan.getByText("已放款").waitFor();
  assert.deepEqual(wrong, []);
  await close();
});

test("every view of the counter, on phone and desktop, light and dark", async () => {
  const looked = async (who, views) => {
    const { page, wrong, close } = await open("desk", { as: who, size: "desktop" });
    for (const [name, ready] of views) {
      await page.goto(addressOf("desk", name === "scan" ? "/" : `/${name}`));
      await ready(page).waitFor();
      await everyLook(page, `desk-${name}`);
    }
    assert.deepEqual(wrong, []);
    await close();
  };
  await looked(["scenic", 1], [
    ["scan", (page) => page.getByLabel("信用码", { exact: true })],
    ["today", (page) => page.getByRole("listitem").filter({ hasText: "门票八折" }).first()],
  ]);
  await looked(["parking", 1], [["orders", (page) => page.getByRole("article").first()]]);
  await looked(["bank", 1], [["loans", (page) => page.getByRole("button", { name: "待决定" })]]);
});

test("the desk is there in English, and a representative begins at the membership", async () => {
  const { page, wrong, close } = await open("desk", { as: ["scenic", 1], size: "desktop" });
  await page.getByRole("button", { name: "English" }).click();
  await heading(page, "Verify").waitFor();
  await page.getByRole("link", { name: "The day's list" }).click();
  await heading(page, "The day's list").waitFor();
  assert.deepEqual(wrong, []);
  await close();
  const back = await open("desk", { as: ["representative", 3], size: "desktop" });
  await back.page.getByRole("link", { name: "加入与资格" }).waitFor();
  assert.equal(await back.page.getByRole("link", { name: "核验", exact: true }).count(), 0);
  await back.close();
});
