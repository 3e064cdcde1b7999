// A partner from its application to live, at its own desk: it applies, hands in a licence, is looked at by two people, makes
// its keys in the browser, passes the conformance run with a program of its own, and drafts its first offer.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { chmod } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { promisify } from "node:util";
import { deflateSync } from "node:zlib";
import { address } from "../city.mjs";
import { accessible, addressOf, closeBrowser, open, picture, SIZES } from "../pages.mjs";

test.after(closeBrowser);
const run = promisify(execFile);
const ROOT = new URL("../../", import.meta.url).pathname;

const SIGNS = "0123456789ABCDEFGHJKLMNPQRTUWXY";
const WEIGHTS = [1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28];
/** A unified social credit code of nobody's, with its check digit (GB 32100); another one at each run. */
function uscc() {
  const body = `91430502MAYY${String(Date.now() % 100_000).padStart(5, "0")}`;
  const sum = [...body].reduce((so, sign, at) => so + SIGNS.indexOf(sign) * WEIGHTS[at], 0);
  return body + SIGNS[(31 - (sum % 31)) % 31];
}

const CRCS = Array.from({ length: 256 }, (_, n) => Array.from({ length: 8 }).reduce((crc) => (crc & 1 ? 0xedb88320 ^ (crc >>> 1) : crc >>> 1), n));
const crc = (bytes) => ~bytes.reduce((so, byte) => CRCS[(so ^ byte) & 255] ^ (so >>> 8), ~0) >>> 0;
function chunk(type, content) {
  const body = Buffer.concat([Buffer.from(type), content]);
  const [size, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  size.writeUInt32BE(content.length);
  sum.writeUInt32BE(crc(body));
  return Buffer.concat([size, body, sum]);
}
/** A picture of one grey point: it stands for a scanned licence. */
const PNG = Buffer.concat([
  Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]),
  chunk("IHDR", Buffer.from([0, 0, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 0])),
  chunk("IDAT", deflateSync(Buffer.from([0, 128]))),
  chunk("IEND", Buffer.alloc(0)),
]);

async function act(role, n, mutation, shown, input) {
  const headers = { "content-type": "application/json" };
  const signedIn = await fetch(`${address}/sign-in/demo`, { method: "POST", headers, body: JSON.stringify({ role, n }) });
  const { access_token: token } = await signedIn.json();
  const name = mutation[0].toUpperCase() + mutation.slice(1);
  const query = `mutation ($input: ${name}Input!) { ${mutation}(input: $input) { __typename ${shown} ... on Problem { code message } } }`;
  const sent = { method: "POST", headers: { ...headers, authorization: `Bearer ${token}` }, body: JSON.stringify({ query, variables: { input } }) };
  const answer = await (await fetch(`${address}/graphql`, sent)).json();
  assert.equal(answer.errors, undefined, JSON.stringify(answer));
  assert.notEqual(answer.data[mutation].__typename, "Problem", JSON.stringify(answer));
  return answer.data[mutation];
}
const move = (role, n, partnerId, to, more = {}) => act(role, n, "movePartner", "... on Membership { status }", { partnerId, to, ...more });

/** A view in both sizes, light and dark: looked at, and readable for everybody. */
async function looked(page, name) {
  for (const [size, viewport] of Object.entries(SIZES)) {
    await page.setViewportSize(viewport);
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme });
      await page.waitForTimeout(250);
      await picture(page, `desk-${name}-${size}-${colorScheme}`);
      if ((size === "phone") === (colorScheme === "dark")) await accessible(page);
    }
  }
  await page.setViewportSize(SIZES.desktop);
  await page.emulateMedia({ colorScheme: "light" });
}
const go = (page, view) => page.goto(addressOf("desk", view));
const heading = (page, name) => page.getByRole("heading", { level: 1, name }).waitFor();

async function choose(page, label, option) {
  await page.getByRole("combobox", { name: label }).press("Enter");
  await page.getByRole("option", { name: option }).first().click();
}

/** What a click saves: the private half of a key, readable by its owner alone. */
async function saved(page, click) {
  const [download] = await Promise.all([page.waitForEvent("download"), click()]);
  const path = join(tmpdir(), `xinyi-${process.pid}-${download.suggestedFilename()}`);
  await download.saveAs(path);
  await chmod(path, 0o600);
  return path;
}

async function register(page, use) {
  await go(page, "/keys");
  await page.getByRole("button", { name: "登记新密钥" }).click();
  await page.getByRole("radio", { name: use }).check();
  return saved(page, () => page.getByRole("button", { name: "生成并登记" }).click());
}

test("a partner comes from its application to live, and drafts its first offer", async () => {
  const { page, wrong, close } = await open("desk", { view: "/apply", size: "desktop" });
  page.setDefaultTimeout(20_000);
  await heading(page, "申请加入守信激励联盟");
  await looked(page, "apply");
  await choose(page, "所在地", "邵阳");
  await choose(page, "行业", "景区");
  await page.getByLabel("单位全称").fill("邵阳新竹古镇(演示)");
  await page.getByLabel("统一社会信用代码").fill(uscc());
  const applied = page.waitForResponse(async (response) => response.url().endsWith("/graphql") && (await response.text()).includes("PartnerApplication"));
  const deskKey = await saved(page, () => page.getByRole("button", { name: "开始申请" }).click());
  const { partnerId } = (await (await applied).json()).data.applyForPartnership;
  await heading(page, "加入与资格");
  assert.equal(await page.getByRole("button", { name: "提交申请" }).isDisabled(), true);
  await page.getByLabel("选择文件").setInputFiles({ name: "营业执照.png", mimeType: "image/png", buffer: PNG });
  await page.getByRole("button", { name: "上传", exact: true }).click();
  await page.getByText("营业执照.png").waitFor();
  await page.getByRole("button", { name: "提交申请" }).click();
  await page.locator("[aria-current=step]", { hasText: "等待审核" }).waitFor();
  await looked(page, "membership-submitted");

  await move("operator", 1, partnerId, "QUALIFIED");
  const contract = { partnerId, kind: "CONTRACT", title: "协议.png", content: PNG.toString("base64") };
  const { id: documentId } = await act("reviewer", 1, "addPartnerDocument", "... on PartnerDocument { id }", contract);
  await move("reviewer", 1, partnerId, "CONTRACTED", { contractNumber: "XY-2026-DEMO", documentId });
  await move("operator", 1, partnerId, "SANDBOX");

  // The page was left, and with it the key: it comes back from its file.
  await page.reload();
  await page.getByRole("link", { name: "申请加入守信激励联盟" }).click();
  await page.getByLabel("私钥文件").setInputFiles(deskKey);
  await page.getByRole("button", { name: "登录", exact: true }).click();
  await page.locator("[aria-current=step]", { hasText: "沙箱对接" }).waitFor();

  const sandboxKey = await register(page, "沙箱");
  await page.getByRole("button", { name: "用这把密钥进入沙箱" }).click();
  await heading(page, "沙箱");
  await page.getByRole("button", { name: "取码" }).click();
  await page.getByText("复制码").waitFor();
  await looked(page, "sandbox");
  await page.getByRole("link", { name: "对接检查" }).first().click();
  await page.getByRole("button", { name: "开始一次检查" }).click();
  await page.getByRole("heading", { name: "进行中" }).waitFor();
  await looked(page, "conformance");
  await page.getByRole("button", { name: "结束并得出结果" }).click();
  await page.getByRole("heading", { name: "未通过" }).waitFor();

  // Its program does better than its desk.
  const given = ["examples/partner.py", "check", "--url", `${address}/sandbox`, "--key", sandboxKey];
  const { stdout } = await run(join(ROOT, ".venv/bin/python"), given, { cwd: ROOT });
  const [, number] = /PASSED (\S+)/.exec(stdout);
  await page.getByLabel("检查编号").fill(number);
  await page.getByRole("button", { name: "查看" }).click();
  await page.getByRole("heading", { name: "已通过" }).waitFor();
  await looked(page, "conformance-passed");
  await page.getByRole("button", { name: "回到正式环境" }).click();

  await move("reviewer", 1, partnerId, "CERTIFIED");
  await register(page, "正式环境");
  await page.getByText("私钥文件已下载").waitFor();
  await looked(page, "keys");
  await move("operator", 2, partnerId, "LIVE");
  await go(page, "/membership");
  await page.getByText("已开通").waitFor();
  await looked(page, "membership");

  await go(page, "/offers");
  await page.getByRole("link", { name: "起草优惠" }).click();
  await heading(page, "起草优惠");
  await choose(page, "优惠种类", "信易游");
  await page.getByLabel("名称", { exact: true }).fill("守信游客赠册");
  await page.getByLabel("标准服务(人人都有)").fill("按公示票价购票,先到先入。");
  await page.getByLabel("增加的内容").fill("赠送导览手册一份。");
  await page.getByRole("checkbox", { name: "礼品" }).check();
  await choose(page, "依据的评价模型", "个人");
  await choose(page, "达到哪一档", "及以上");
  await page.getByLabel("依据的公示或清单").fill("景区服务公示");
  await looked(page, "offer-form");
  await page.getByRole("button", { name: "保存草稿" }).click();
  await heading(page, "守信游客赠册");
  await page.getByText("没有发现问题。").waitFor();
  await page.getByRole("button", { name: "提交审批" }).click();
  await page.getByText("等待批准").first().waitFor();
  await looked(page, "offer");
  assert.deepEqual(wrong, []);
  await close();
});

test("settlement files are checked in the browser, and events go to an address whose secret is shown once", async () => {
  const { page, wrong, close } = await open("desk", { as: ["representative", 6], size: "desktop" });
  page.setDefaultTimeout(20_000);
  await heading(page, "加入与资格");
  await go(page, "/settlement");
  await page.getByRole("button", { name: "核对签名" }).first().click();
  await page.getByText("签名、校验值、笔数和合计都一致。").waitFor();
  const csv = await saved(page, () => page.getByRole("button", { name: "CSV" }).first().click());
  assert.match(csv, /settlement-\d{4}-\d\d-\d\d\.csv$/);
  await looked(page, "settlement");

  await go(page, "/webhooks");
  await page.getByRole("button", { name: "添加接收地址" }).click();
  await page.getByRole("textbox", { name: "接收地址" }).fill("http://127.0.0.1:9/xinyi");
  await page.getByRole("button", { name: "保存", exact: true }).click();
  await page.getByText(/^whsec_/).waitFor();
  await page.getByRole("button", { name: "已经保存好" }).click();
  assert.equal(await page.getByText(/^whsec_/).count(), 0);
  await page.getByRole("button", { name: "发送测试事件" }).click();
  await page.getByText("尝试 1 次").first().waitFor();
  await looked(page, "webhooks");
  await page.getByRole("button", { name: "移除" }).click();
  await page.getByRole("button", { name: "确定" }).click();
  await page.getByText("还没有接收地址。").waitFor();

  await go(page, "/labels");
  await page.getByLabel("新岗位,多个用顿号隔开").fill("东门、西门");
  await page.getByRole("button", { name: "登记" }).first().click();
  await page.getByRole("button", { name: "停用 西门" }).waitFor();
  await looked(page, "labels");
  for (const name of ["东门", "西门"]) await page.getByRole("button", { name: `停用 ${name}` }).click();

  await go(page, "/offers");
  await page.getByRole("link", { name: "门票" }).first().waitFor();
  await looked(page, "offers");
  assert.deepEqual(wrong, []);
  await close();
});
