// What a partner does at its desk beside the counter: offers limited, grouped, paused and ended, a stolen key, the sandbox's
// clock, names registered, events sent again. Each act fails once, and what was typed stays.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { actAs, address, SHOW } from "../city.mjs";
import { accessible, addressOf, closeBrowser, everyLook, open } from "../pages.mjs";
import { failsOnce, HOSTILE } from "./manners.mjs";

test.after(closeBrowser);
const isNetwork = (text) => /Failed to load resource|ERR_FAILED|WebSocket/.test(text);
const heading = (page, name) => page.getByRole("heading", { level: 1, name, exact: true }).waitFor();
const go = (page, view) => page.goto(addressOf("desk", view));
const [APPLIES, STANDARD] = ["权益适用", "按标准服务办理"];

async function as(role, n, name, input, shown = "") {
  const ask = await actAs(role, n);
  const sort = name[0].toUpperCase() + name.slice(1);
  const answer = await ask(`mutation A($input: ${sort}Input!) { ${name}(input: $input) { __typename ${shown} ... on Problem { code message } } }`, input);
  assert.notEqual(answer[name].__typename, "Problem", JSON.stringify(answer));
  return answer[name];
}
const codeOf = async (n) => (await (await actAs("citizen", n))(SHOW, {})).issueCreditCode.token;

async function counter(n) {
  const desk = await open("desk", { as: ["scenic", n], size: "desktop" });
  await desk.page.getByLabel("信用码", { exact: true }).waitFor();
  return desk;
}
/** What the counter is told of somebody at an offer; a benefit is used. */
async function scanned(page, title, n) {
  await page.keyboard.press("Escape");
  await page.getByRole("radio", { name: title }).check();
  await page.getByLabel("信用码", { exact: true }).fill(await codeOf(n));
  await page.keyboard.press("Enter");
  const card = page.locator("[data-outcome]");
  const said = await card.getByRole("heading").innerText();
  if (said === APPLIES) {
    await page.getByRole("button", { name: "核销", exact: true }).click();
    await page.getByText("已核销").waitFor();
  }
  return said;
}

async function offerAt(page, title) {
  await go(page, "/offers");
  await page.getByRole("link", { name: title, exact: true }).click();
  await heading(page, title);
}
const idOf = (page) => decodeURIComponent(page.url().split("/offers/")[1].split("/")[0]);
/** What the form says is submitted, and approved by somebody else. */
async function approved(page) {
  await page.getByRole("button", { name: "提交审批" }).click();
  await page.getByText("新版本 等待批准").waitFor();
  await as("operator", 2, "approveOffer", { offerId: idOf(page) });
  // Told to whoever looks at it; what came before the page listened is there when it is opened anew.
  await page.reload();
  await page.getByText("新版本 等待批准").waitFor({ state: "detached" });
}

test("limits by day and a group of which one is given are written in the form, and hold at the counter", async () => {
  const { page, wrong, close } = await open("desk", { as: ["representative", 39], size: "desktop", allowed: isNetwork });
  page.setDefaultTimeout(20_000);
  await heading(page, "加入与资格");
  const gate = await counter(13);
  assert.equal(await scanned(gate.page, "讲解器免押金", 37), APPLIES);

  await offerAt(page, "讲解器免押金");
  await page.getByRole("link", { name: "起草新版本" }).click();
  await page.getByRole("button", { name: "添加上限" }).click();
  await page.getByRole("spinbutton", { name: "最多 次" }).fill("0");
  await page.getByLabel("同组只享一项(组名)").fill("远帆二选一");
  await page.getByLabel("在组内的优先次序").fill("5");
  await page.getByLabel("原因").fill("每人每天限一次,\n与观光车票二选一");
  await page.getByRole("button", { name: "保存", exact: true }).click();
  await page.getByRole("group", { name: "次数上限" }).locator("xpath=..").getByRole("alert").getByText("须为正整数").waitFor();
  await everyLook(page, "desk-offer-limits");
  await page.getByRole("spinbutton", { name: "最多 次" }).fill("1");
  await failsOnce(page, () => page.getByRole("button", { name: "保存", exact: true }).click(), (input) => input.reason !== undefined);
  await heading(page, "讲解器免押金");
  await approved(page);
  await page.getByText("每个人 每天 最多 1 次").waitFor();
  await page.getByText("远帆二选一(次序 5)").waitFor();
  await accessible(page);

  await offerAt(page, "赠送观光车票");
  assert.equal(await scanned(gate.page, "赠送观光车票", 21), APPLIES);
  await page.getByRole("link", { name: "起草新版本" }).click();
  await page.getByLabel("同组只享一项(组名)").fill("远帆二选一");
  await page.getByLabel("原因").fill("二选一");
  // Gone back and come again: nothing was sent, and nothing is sent twice.
  await page.goBack();
  await heading(page, "赠送观光车票");
  await page.goForward();
  assert.equal(await page.getByLabel("同组只享一项(组名)").inputValue(), "");
  await page.getByLabel("同组只享一项(组名)").fill("远帆二选一");
  await page.getByLabel("原因").fill("二选一");
  await page.getByRole("button", { name: "保存", exact: true }).click();
  await heading(page, "赠送观光车票");
  await approved(page);

  // Twice a day is once too often, for this person alone.
  const first = await scanned(gate.page, "讲解器免押金", 17);
  assert.deepEqual([first, await scanned(gate.page, "讲解器免押金", 17)], [APPLIES, STANDARD]);
  // The other offer of the group comes first for whoever gets both.
  assert.equal(await scanned(gate.page, "赠送观光车票", 21), STANDARD);
  assert.deepEqual([...wrong, ...gate.wrong], []);
  await gate.close();
  await close();
});

test("an offer is paused, resumed and ended, and its standard service registered anew", async () => {
  const { page, wrong, close } = await open("desk", { as: ["representative", 27], size: "desktop", allowed: isNetwork });
  page.setDefaultTimeout(20_000);
  await heading(page, "加入与资格");
  await offerAt(page, "讲解器免押金");
  const reason = page.getByRole("dialog").getByRole("textbox", { name: "原因" });
  const act = async (name) => {
    await page.getByRole("button", { name, exact: true }).click();
    await reason.fill(`设备检修\n${name}`);
    await page.getByRole("dialog").getByRole("button", { name: "确定" }).click();
    await page.getByRole("dialog").waitFor({ state: "hidden" });
  };
  await page.getByRole("button", { name: "暂停", exact: true }).click();
  await reason.fill("编号 11010519491231002X 的设备检修");
  await page.getByRole("dialog").getByRole("button", { name: "确定" }).click();
  await page.getByRole("dialog").getByRole("alert").getByText("公民身份号码").waitFor();
  assert.match(await reason.inputValue(), /设备检修/);
  await reason.fill("设备检修");
  await failsOnce(page, () => page.getByRole("dialog").getByRole("button", { name: "确定" }).click(), (input) => input.reason === "设备检修");
  await page.getByText("已暂停").first().waitFor();
  const gate = await counter(9);
  assert.equal(await gate.page.getByRole("radio", { name: "讲解器免押金" }).count(), 0);
  await act("恢复");
  await page.getByText("开放中").first().waitFor();
  await gate.page.reload();
  await gate.page.getByRole("radio", { name: "讲解器免押金" }).waitFor();

  await page.getByRole("button", { name: "登记标准服务" }).click();
  const form = page.getByRole("dialog");
  await form.getByLabel("依据的公示或清单").fill("景区服务公示");
  await accessible(page);
  const save = form.getByRole("button", { name: "保存" });
  await failsOnce(page, () => save.click(), (input) => input.baseline !== undefined);
  await form.waitFor({ state: "hidden" });
  // There is one for today by now.
  await page.getByRole("button", { name: "登记标准服务" }).click();
  await form.getByLabel("依据的公示或清单").fill("景区服务公示(新)");
  await save.click();
  await form.getByRole("alert").waitFor();
  assert.equal(await form.getByLabel("依据的公示或清单").inputValue(), "景区服务公示(新)");
  await form.getByRole("button", { name: "取消" }).click();
  await form.waitFor({ state: "hidden" });
  await page.getByRole("listitem").filter({ hasText: "登记标准服务" }).first().waitFor();
  await act("结束");
  await page.getByText("已结束").first().waitFor();
  assert.equal(await page.getByRole("button", { name: "暂停", exact: true }).count(), 0);
  await accessible(page);
  assert.deepEqual([...wrong, ...gate.wrong], []);
  await gate.close();
  await close();
});

/** An address that hears events. */
async function listener() {
  const heard = [];
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (piece) => (body += piece)).on("end", () => {
      heard.push(JSON.parse(body));
      response.writeHead(204).end();
    });
  });
  await new Promise((resume) => server.listen(0, "127.0.0.1", resume));
  server.unref();
  return { heard, url: `http://127.0.0.1:${server.address().port}/xinyi`, close: () => server.close() };
}

async function register(page, use) {
  await go(page, "/keys");
  await page.getByRole("button", { name: "登记新密钥" }).click();
  await page.getByRole("radio", { name: use }).check();
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "生成并登记" }).click()]);
  const path = join(tmpdir(), `xinyi-${process.pid}-${download.suggestedFilename()}`);
  await download.saveAs(path);
  await page.getByText("私钥文件已下载").waitFor();
  return path;
}

test("a stolen key is reported: whoever uses it is out, its answers are void, and the webhook is told", async () => {
  const post = await listener();
  const { page, wrong, close } = await open("desk", { as: ["representative", 43], size: "desktop", allowed: isNetwork });
  page.setDefaultTimeout(20_000);
  await heading(page, "加入与资格");
  await go(page, "/webhooks");
  await page.getByRole("button", { name: "添加接收地址" }).click();
  await page.getByRole("textbox", { name: "接收地址" }).fill(post.url);
  await page.getByRole("button", { name: "保存", exact: true }).click();
  await page.getByRole("button", { name: "已经保存好" }).click();
  const live = await register(page, "正式环境");

  const thief = await open("desk", { view: "/apply", size: "desktop", allowed: isNetwork });
  await thief.page.getByLabel("私钥文件").setInputFiles(live);
  await thief.page.getByRole("button", { name: "登录", exact: true }).click();
  await thief.page.getByRole("link", { name: "核验" }).click();
  await thief.page.getByLabel("信用码", { exact: true }).fill(await codeOf(21));
  await thief.page.keyboard.press("Enter");
  await thief.page.locator("[data-outcome]").getByText(APPLIES).waitFor();

  const card = page.getByRole("article").filter({ hasText: "正式环境" }).filter({ hasText: "有效" }).first();
  await card.getByRole("button", { name: "报告失窃" }).click();
  const dialog = page.getByRole("dialog");
  const since = dialog.getByRole("combobox", { name: "最早可能从什么时候起失窃" });
  const at = new Date(Date.now() - 86_400_000);
  await since.fill(`${at.getFullYear()}-${String(at.getMonth() + 1).padStart(2, "0")}-${String(at.getDate()).padStart(2, "0")} 08:00:00`);
  await since.press("Enter");
  await page.locator(".el-picker-panel:visible").waitFor({ state: "detached" });
  await dialog.getByLabel("原因").fill("电脑遗失");
  await accessible(page);
  await failsOnce(page, () => dialog.getByRole("button", { name: "确定" }).click(), (input) => input.since !== undefined);
  await page.getByText("失效密钥 1 把,作废核验 1 次(其中已核销 0 次),通知 1 人。").waitFor();
  await page.getByText("已吊销").first().waitFor();
  await everyLook(page, "desk-stolen-done");
  await thief.page.getByRole("button", { name: "核销", exact: true }).click();
  await thief.page.getByText("登录已过期").or(thief.page.getByRole("alert")).first().waitFor();
  assert.equal(await thief.page.getByText("已核销").count(), 0);

  await go(page, "/webhooks");
  const told = page.getByRole("article").filter({ hasText: "key." }).filter({ hasText: "已送达" }).first();
  await told.waitFor();
  const before = post.heard.length;
  await told.getByRole("button", { name: "重新发送" }).click();
  await page.getByText("第 2 次发送").first().waitFor();
  await page.getByRole("article").filter({ hasText: "第 2 次发送" }).filter({ hasText: "已送达" }).first().waitFor();
  assert.ok(post.heard.length > before);
  await accessible(page);
  assert.deepEqual([...wrong, ...thief.wrong], []);
  post.close();
  await thief.close();
  await close();
});

test("the sandbox's clock is moved: a code runs out, and another one is answered", async () => {
  const { page, wrong, close } = await open("desk", { as: ["representative", 44], size: "desktop", allowed: isNetwork });
  page.setDefaultTimeout(20_000);
  await heading(page, "加入与资格");
  await register(page, "沙箱");
  await page.getByRole("button", { name: "用这把密钥进入沙箱" }).click();
  await heading(page, "沙箱");
  const taken = async () => {
    await page.getByRole("button", { name: "取码" }).click();
    const found = page.locator(".code .mono").first();
    await found.waitFor();
    return found.innerText();
  };
  const scan = async (code) => {
    await page.getByRole("link", { name: "核验", exact: true }).click();
    await page.getByLabel("信用码", { exact: true }).fill(code);
    await page.keyboard.press("Enter");
  };
  const old = await taken();
  await failsOnce(page, () => page.getByRole("button", { name: "前进 1 天" }).click(), (input) => input.seconds !== undefined);
  await page.getByText("现在是沙箱时间").waitFor();
  await accessible(page);
  await scan(old);
  await page.getByRole("heading", { name: "请对方刷新信用码,再扫一次" }).waitFor();
  await go(page, "/sandbox");
  await scan(await taken());
  await page.locator("[data-outcome]").getByText(APPLIES).waitFor();
  await page.getByRole("link", { name: "沙箱", exact: true }).click();
  await page.getByRole("button", { name: "拨回现在" }).click();
  await page.getByText("现在是沙箱时间").waitFor();
  // The key was in memory alone.
  await page.reload();
  await page.getByRole("button", { name: "进入沙箱" }).waitFor();
  assert.deepEqual(wrong, []);
  await close();
});

test("names that break pages are names; a view that is somebody else's says so; a tab that comes back goes on", async () => {
  const { page, wrong, close } = await open("desk", { as: ["representative", 33], size: "desktop", allowed: isNetwork });
  await heading(page, "加入与资格");
  await go(page, "/labels");
  const field = page.getByLabel("新岗位,多个用顿号隔开");
  await field.fill("<b>东门</b>\"'");
  await failsOnce(page, () => page.getByRole("button", { name: "登记" }).first().click(), (input) => input.labels !== undefined);
  await page.getByRole("button", { name: "停用 <b>东门</b>\"'" }).waitFor();
  await field.fill(HOSTILE.slice(0, 60));
  await page.getByRole("button", { name: "登记" }).first().click();
  await page.getByRole("alert").waitFor();
  assert.equal(await field.inputValue(), HOSTILE.slice(0, 60));
  await page.getByRole("button", { name: "停用 <b>东门</b>\"'" }).click();
  assert.notEqual(await page.title(), "broken");
  const gate = await counter(11);
  await go(gate.page, "/offers");
  await gate.page.getByRole("heading", { name: "这里不归您办理" }).waitFor();

  // Doubled, and the first closed: it comes back with a token that was used up meanwhile.
  const held = await page.evaluate(() => JSON.stringify({ ...sessionStorage }));
  const [double] = await Promise.all([page.context().waitForEvent("page"), page.evaluate(() => void window.open(location.href))]);
  await heading(double, "岗位与值班名称");
  await page.close();
  for (let turn = 0; turn < 2; turn += 1) {
    await double.reload();
    await double.getByLabel("新岗位,多个用顿号隔开").waitFor();
  }
  const back = await double.context().newPage();
  await back.addInitScript((kept) => sessionStorage.length || Object.entries(JSON.parse(kept)).forEach(([key, value]) => sessionStorage.setItem(key, value)), held);
  await back.goto(addressOf("desk", "/labels"));
  await back.getByLabel("新岗位,多个用顿号隔开").waitFor();
  await double.reload();
  await double.getByLabel("新岗位,多个用顿号隔开").waitFor();
  assert.equal(await double.getByText("登录已过期").count(), 0);
  await accessible(double);
  assert.deepEqual([...wrong, ...gate.wrong], []);
  await gate.close();
  await close();
});

test("an application for a loan is on the bank's list as it comes in, and gone as it is taken back", async () => {
  const mine = await actAs("enterprise", 15);
  const bank = await actAs("bank", 13);
  const offerId = (await bank("{ partner { offers(first: 10) { edges { node { id } } } } }")).partner.offers.edges[0].node.id;
  const { page, wrong, close } = await open("desk", { as: ["bank", 13], view: "/loans", size: "desktop" });
  await page.getByRole("button", { name: "待决定" }).waitFor();
  await page.getByText("这里没有申请。").waitFor();
  const { me } = await mine("{ me { displayName } }");
  const given = { offerId, product: "税银通", amountFen: 5_000_000, months: 12, use: "采购原料", indicators: ["tax-paid-on-time"] };
  const shown = page.getByRole("article", { name: me.displayName });
  // Nothing says from when on the page listens: what came before that is not told.
  for (let isThere = false; !isThere; ) {
    const { id } = await as("enterprise", 15, "applyForLoan", given, "... on LoanApplication { id }");
    isThere = await shown.waitFor({ timeout: 3_000 }).then(() => true, () => false);
    await as("enterprise", 15, "withdrawLoan", { applicationId: id });
  }
  await shown.waitFor({ state: "detached" });
  assert.deepEqual(wrong, []);
  await close();
});
