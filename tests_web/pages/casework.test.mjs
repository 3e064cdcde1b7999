// The operator's desk at its casework: a file with faults handed in, an objection decided, an alarm closed, all of it found
// on the audit trail; query rights and the register of subjects.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import test from "node:test";
import { address } from "../city.mjs";
import { accessible, addressOf, closeBrowser, open, picture, SIZES } from "../pages.mjs";

test.after(closeBrowser);

const SHAOYANG = "hunan-shaoyang";
const SIGNS = "0123456789ABCDEFGHJKLMNPQRTUWXY";
const WEIGHTS = [1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28];
/** A unified social credit code of nobody's, with its check digit (GB 32100). */
function uscc(n) {
  const body = `91430500MAXX${String(n % 100_000).padStart(5, "0")}`;
  const sum = [...body].reduce((so, sign, at) => so + SIGNS.indexOf(sign) * WEIGHTS[at], 0);
  return body + SIGNS[(31 - (sum % 31)) % 31];
}
/** Another one at each run, so that a story can be told twice in one city. */
const FIRST = Date.now() % 90_000;

async function ask(role, n, query, variables = {}) {
  const headers = { "content-type": "application/json" };
  const signIn = await fetch(`${address}/sign-in/demo`, { method: "POST", headers, body: JSON.stringify({ role, n }) });
  const { access_token: token } = await signIn.json();
  const body = JSON.stringify({ query, variables });
  const answer = await (await fetch(`${address}/graphql`, { method: "POST", headers: { ...headers, authorization: `Bearer ${token}` }, body })).json();
  assert.equal(answer.errors, undefined, JSON.stringify(answer));
  return answer.data;
}

/** A view, looked at in both sizes, light and dark; and readable for everybody on a phone by day and on a desk by night. */
async function looked(page, name) {
  for (const [size, colorScheme] of [["phone", "light"], ["desktop", "dark"], ["phone", "dark"], ["desktop", "light"]]) {
    const isPictured = process.env.PAGES_PICTURES !== undefined;
    if (!isPictured && (size === "phone") === (colorScheme === "dark")) continue;
    await page.setViewportSize(SIZES[size]);
    await page.emulateMedia({ colorScheme });
    // Charts and layout follow.
    await page.waitForTimeout(150);
    await picture(page, `operator-${name}-${size}-${colorScheme}`);
    if ((size === "phone") === (colorScheme === "light")) await accessible(page);
  }
  await page.setViewportSize(SIZES.desktop);
  await page.emulateMedia({ colorScheme: "light" });
}

const view = (page, path) => page.goto(addressOf("operator", path));
const shown = (page, text) => page.getByText(text).first().waitFor();

test("a provider hands in a file with faults, sees what became of it and fetches what was sent back", async () => {
  const { page, wrong, close } = await open("operator", { as: ["provider", 1], view: "/intake", size: "desktop" });
  const document = (n) => `演示税欠〔2026〕${FIRST + n}号`;
  const lines = [
    "行政相对人名称,统一社会信用代码,文书号,认定机关,认定日期",
    `云岭示例有限公司,${uscc(FIRST)},${document(1)},演示市税务局,2026-05-31`,
    `云岭示例股份公司,${uscc(FIRST + 1)},${document(2)},演示市税务局,2026年6月1日`,
    `云岭示例商行,${uscc(FIRST + 2).slice(0, 17)}O,${document(3)},演示市税务局,2026-05-31`,
    `云岭示例工厂,${uscc(FIRST + 3)},${document(4)},演示市税务局,2026年9月31日`,
    `,${uscc(FIRST + 4)},${document(5)},演示市税务局,2026-05-31`,
    `云岭示例有限公司,${uscc(FIRST)},${document(1)},演示市税务局,2026-05-31`,
  ];
  const handIn = page.getByRole("region", { name: "报送文件" });
  await handIn.getByLabel("地方").selectOption(SHAOYANG);
  await handIn.getByLabel("信息项目").selectOption("tax-arrears");
  await handIn.getByLabel(/^文件/).setInputFiles({ name: "欠税公告.csv", mimeType: "text/csv", buffer: Buffer.from(lines.join("\n")) });
  await handIn.getByRole("button", { name: "报送" }).click();
  await shown(page, "这份文件的结果");
  const figures = await handIn.locator("dl.figures").innerText();
  assert.deepEqual(figures.match(/\d+/g), ["6", "2", "0", "1", "0", "3"]);
  for (const told of ["必填项没有填写", "IMPOSSIBLE_DATE"]) await shown(page, told);
  const [file] = await Promise.all([page.waitForEvent("download"), handIn.getByRole("button", { name: "下载退回文件" }).click()]);
  const back = await readFile(await file.path(), "utf8");
  assert.match(back, /错误代码/);
  assert.match(back, /IMPOSSIBLE_DATE/);
  assert.equal(back.trim().split("\n").length, 4);
  await page.getByRole("figure").filter({ hasText: "完整率、合格率和七日率" }).waitFor();
  await looked(page, "intake");

  await handIn.getByLabel(/^文件/).setInputFiles({ name: "无表头.csv", mimeType: "text/csv", buffer: Buffer.from("甲,乙\n1,2\n") });
  await handIn.getByRole("button", { name: "报送" }).click();
  await handIn.getByRole("alert").waitFor();
  assert.deepEqual(wrong.filter((one) => !one.includes("400 (Bad Request)")), []);
  await close();
});

test("an objection appears by deadline, is decided with what is right, and its subject reads it", async () => {
  const MINE = "{ me { records(first: 20) { edges { node { id item documentNumber state } } } cases(first: 5) { edges { node { id state outcome answer } } } } }";
  const { me } = await ask("citizen", 10, MINE);
  const record = me.records.edges.map(({ node }) => node).find(({ item, state }) => item === "honour-award" && state === "ACTIVE");
  const OBJECT = `mutation ($input: OpenObjectionInput!) { openObjection(input: $input) { __typename ... on CreditCase { id dueOn } ... on Problem { code message } } }`;
  const said = `文书号写错了一位,应为演示〔2026〕${FIRST}号。`;
  const { openObjection: opened } = await ask("citizen", 10, OBJECT, { input: { recordId: record.id, ground: "WRONG", field: "document-number", statement: said } });
  assert.equal(opened.__typename, "CreditCase", JSON.stringify(opened));

  const { page, wrong, close } = await open("operator", { as: ["reviewer", 2], view: "/cases", size: "desktop" });
  await page.getByLabel("事项").selectOption("OBJECTION");
  const link = page.locator(`a[href*="${encodeURIComponent(opened.id)}"]`);
  await link.waitFor();
  await looked(page, "cases");
  await link.click();
  await shown(page, said);
  await shown(page, "还剩 ");
  await looked(page, "case");

  await page.getByRole("button", { name: "请求协助核查" }).click();
  await page.getByLabel("协助单位名称").fill("演示市表彰办公室");
  await page.getByLabel("需要核查什么").fill("请核对表彰文件的文号。");
  await page.getByRole("button", { name: "请求协助核查" }).click();
  await page.getByRole("button", { name: "登记协助结果" }).click();
  await page.getByLabel("说明(当事人会看到)").fill("核对原件,文号确有误。");
  await page.getByRole("button", { name: "登记协助结果" }).click();
  await page.getByRole("button", { name: "暂停计时" }).click();
  await page.getByLabel("说明(当事人会看到)").fill("送专家鉴定。");
  await page.getByRole("button", { name: "暂停计时" }).click();
  await page.getByRole("button", { name: "恢复计时" }).click();
  await page.getByLabel("说明(当事人会看到)").fill("鉴定结束。");
  await page.getByRole("button", { name: "恢复计时" }).click();

  await page.getByRole("button", { name: "作出决定" }).click();
  await page.getByLabel("采纳", { exact: true }).check();
  await page.getByLabel("理由(当事人会看到)").fill("异议成立。");
  await page.getByRole("button", { name: "提交决定" }).click();
  await page.getByRole("alert").filter({ hasText: "更正" }).waitFor();
  await page.getByLabel("(被提出异议)").fill(`演示〔2026〕${FIRST}号`);
  await looked(page, "decision");
  await page.getByRole("button", { name: "提交决定" }).click();
  await shown(page, "异议成立。");
  await shown(page, "已决定");
  await looked(page, "decided");

  const after = (await ask("citizen", 10, MINE)).me;
  assert.equal(after.records.edges.find(({ node }) => node.id === record.id).node.documentNumber, `演示〔2026〕${FIRST}号`);
  const mine = after.cases.edges.find(({ node }) => node.id === opened.id).node;
  assert.deepEqual([mine.state, mine.outcome, mine.answer], ["DECIDED", "UPHELD", "异议成立。"]);
  await view(page, "/cases");
  await page.getByRole("tab", { name: "修复台账" }).click();
  await page.getByRole("row").filter({ hasText: "准予修复" }).first().waitFor();
  assert.deepEqual(wrong, []);
  await close();
});

/** From here on, the server reads the list of closed alarms before it hears of the act that closes one, and the page gets
 * that older list last. */
async function closedBehindAList(page) {
  const [listed, acted] = [Promise.withResolvers(), Promise.withResolvers()];
  await page.route("**/graphql", async (route) => {
    const { variables } = route.request().postDataJSON();
    if (variables?.input?.alarmId) {
      await listed.promise;
      await route.continue();
      await (await route.request().response()).finished();
      return acted.resolve();
    }
    if (variables?.state !== "CLOSED") return route.continue();
    const response = await route.fetch();
    listed.resolve();
    await acted.promise;
    // A page that asked again no longer waits for this one.
    return route.fulfill({ response }).catch(() => undefined);
  });
}

test("an alarm is looked after and closed", async () => {
  const ASSIST = `mutation ($input: OpenAssistedSessionInput!) { openAssistedSession(input: $input) { __typename } }`;
  const input = { scheme: "PASSPORT", number: `UTO${1_000_000 + FIRST}`, documentSeen: true, site: "一号窗口", purpose: "查询本人信用信息" };
  await ask("clerk", 1, ASSIST, { input });
  const { page, wrong, close } = await open("operator", { as: ["operator", 1], view: "/alarms", size: "desktop" });
  await page.getByLabel("种类").selectOption("ASSISTED_NOT_FOUND");
  const alarm = page.getByRole("listitem").filter({ hasText: "clerk-1" }).first();
  await alarm.getByRole("button", { name: "我来处理" }).click();
  await looked(page, "alarms");
  await alarm.getByLabel("做了什么,为什么").fill("已电话询问窗口。");
  await alarm.getByRole("button", { name: "我来处理" }).click();
  await alarm.waitFor({ state: "detached" }).catch(() => undefined);
  await page.getByLabel("状态").selectOption("SEEN");
  const seen = page.getByRole("listitem").filter({ hasText: "已电话询问窗口。" }).first();
  await seen.getByRole("button", { name: "办结" }).click();
  await seen.getByLabel("做了什么,为什么").fill("证件号码看错,已更正。");
  await closedBehindAList(page);
  await seen.getByRole("button", { name: "办结" }).click();
  await page.getByLabel("状态").selectOption("CLOSED");
  await shown(page, "证件号码看错,已更正。");
  assert.deepEqual(wrong, []);
  await close();
});

test("the audit trail has the decision, and its checkpoints hold", async () => {
  const { page, wrong, close } = await open("operator", { as: ["auditor", 1], view: "/audit", size: "desktop" });
  await page.getByLabel("操作", { exact: true }).fill("stepInCase");
  await page.getByLabel("操作账号").fill("reviewer-2");
  await page.getByRole("button", { name: "查找" }).click();
  const row = page.getByRole("row").filter({ hasText: "reviewer-2" });
  await row.first().waitFor();
  assert.ok((await row.count()) >= 5, "help, its answer, pause, resume, decision");
  await row.first().getByRole("button", { name: "详情" }).click();
  await shown(page, "链与序号");
  await looked(page, "audit");
  await page.getByRole("tab", { name: "查询登记" }).click();
  await shown(page, "同一主体的假名相同");
  await page.getByRole("row").filter({ hasText: "reviewer" }).first().waitFor();
  await looked(page, "register");
  await page.getByRole("tab", { name: "检查点" }).click();
  await shown(page, "都已在本页核对无误");
  await looked(page, "checkpoints");
  assert.deepEqual(wrong, []);
  await close();
});

test("a body asks for a query right; what is not published waits for a reviewer, and then works", async () => {
  const body = await open("operator", { as: ["provider", 2], view: "/queries", size: "desktop" });
  const { page } = body;
  await page.getByLabel("地方").selectOption(SHAOYANG);
  await page.getByLabel("信息项目").selectOption("tax-arrears");
  await page.getByLabel("事项", { exact: true }).selectOption("");
  await page.getByLabel("什么事项").fill(`演示专项核查${FIRST}`);
  await page.getByLabel("法律依据").fill("《黑龙江省社会信用条例》第二十二条");
  await page.getByRole("button", { name: "申请权限" }).click();
  await shown(page, "已申请:待审核");
  const desk = await open("operator", { as: ["reviewer", 2], view: "/queries", size: "desktop" });
  const waiting = desk.page.getByRole("listitem").filter({ hasText: `演示专项核查${FIRST}` });
  await waiting.getByRole("button", { name: "开通" , exact: true }).click();
  await waiting.getByLabel("理由(申请单位会看到)").fill("属于法定职责。");
  await looked(desk.page, "queries");
  await waiting.getByRole("button", { name: "开通", exact: true }).click();
  await waiting.waitFor({ state: "detached" });
  await page.reload();
  const right = page.getByRole("listitem").filter({ hasText: `演示专项核查${FIRST}` });
  await right.getByRole("button", { name: "查询" }).click();
  await right.getByLabel("号码").fill(uscc(FIRST));
  await right.getByLabel("办理的事项(被查询人会看到)").fill("办理行政许可");
  await right.getByRole("button", { name: "查询" }).click();
  await shown(page, "查到 1 条");
  await shown(page, `演示税欠〔2026〕${FIRST + 1}号`);
  assert.equal(await right.getByLabel("号码").inputValue(), "");
  await looked(page, "query");
  assert.deepEqual([...body.wrong, ...desk.wrong], []);
  await body.close();
  await desk.close();
});

test("a subject is found by its number, which is kept nowhere; two entries are made one by two people", async () => {
  const { page, wrong, close } = await open("operator", { as: ["operator", 1], view: "/subjects", size: "desktop" });
  await page.getByLabel("号码种类").selectOption("USCC");
  await page.getByLabel("号码", { exact: true }).fill(uscc(FIRST));
  await page.getByLabel("用途").fill("核对登记信息");
  await page.getByRole("button", { name: "查找" }).click();
  const entry = page.getByRole("region", { name: "登记信息" });
  await entry.getByText("云岭示例有限公司").waitFor();
  assert.equal(await page.getByLabel("号码", { exact: true }).inputValue(), "");
  assert.ok(!page.url().includes(uscc(FIRST).slice(0, 12)));
  assert.ok(!(await page.locator("main").innerText()).includes(uscc(FIRST)));
  await entry.getByRole("button", { name: "更名" }).click();
  await entry.getByLabel("新的姓名或名称").fill("云岭新名有限公司");
  await entry.getByLabel("依据的文件").fill("营业执照变更");
  await entry.getByRole("button", { name: "更名" }).click();
  await entry.getByText("云岭新名有限公司").waitFor();
  await page.getByRole("button", { name: "登记代办" }).click();
  await page.getByLabel("代办人的账号").fill("citizen-11");
  await page.getByLabel("依据的文件").fill("授权委托书");
  await page.getByRole("button", { name: "登记代办" }).click();
  await shown(page, "企业经办人");
  await looked(page, "subjects");
  const idOf = async () => (await entry.locator("dd.mono").last().innerText()).trim();
  const kept = await idOf();
  await page.getByLabel("号码", { exact: true }).fill(uscc(FIRST + 1));
  await page.getByRole("button", { name: "查找" }).click();
  await entry.getByText("云岭示例股份公司").waitFor();
  const dropped = await idOf();
  await page.getByRole("tab", { name: "登记", exact: true }).click();
  await looked(page, "register-subject");
  await page.getByRole("tab", { name: "重复登记" }).click();
  const byHand = page.locator("section").filter({ hasText: "按编号提议合并" });
  await byHand.getByLabel("保留").fill(kept);
  await byHand.getByLabel("并入").fill(dropped);
  await byHand.getByLabel("依据的文件").fill("登记机关更正证明");
  await byHand.getByRole("button", { name: "提议合并" }).click();
  await shown(page, "登记机关更正证明");
  const other = await open("operator", { as: ["reviewer", 2], view: "/subjects", size: "desktop" });
  await other.page.getByRole("tab", { name: "重复登记" }).click();
  const proposal = other.page.getByRole("listitem").filter({ hasText: kept });
  await proposal.getByRole("button", { name: "确认合并" }).click();
  await proposal.getByLabel("依据的文件").fill("登记机关更正证明");
  await looked(other.page, "merge");
  await proposal.getByRole("button", { name: "确认合并" }).click();
  await proposal.waitFor({ state: "detached" });
  assert.deepEqual([...wrong, ...other.wrong], []);
  await close();
  await other.close();
});
