// Passes for gates without network: taken in the citizen's browser, shown and judged while the networks of both are cut,
// told of afterwards. What the browsers make is judged by the command line too.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { promisify } from "node:util";
import { actAs, address } from "../city.mjs";
import { accessible, addressOf, closeBrowser, everyLook, open, picture, readQr } from "../pages.mjs";

test.after(closeBrowser);
const run = promisify(execFile);
const XINYI = new URL("../../.venv/bin/xinyi", import.meta.url).pathname;
const CITIZEN = 17;
const SCENIC = 5;
const NORTH = `北门${String(Date.now()).slice(-4)}`;
const PARTNER = "邵阳白鹭景区(演示)";
const OFFER = "讲解器免押金";
const RIDE = "赠送观光车票";
const API = /\/(graphql|sign-in\/\w+)$/;
const isNetwork = (text) => /net::ERR_|WebSocket/.test(text);
const heading = (page, name) => page.getByRole("heading", { name, exact: true });
const APPLIES = "权益适用";
const STANDARD = "按标准服务办理";

async function type(page, code) {
  await page.getByLabel("离线码").focus();
  await page.keyboard.insertText(code);
  await page.keyboard.press("Enter");
}
/** A desk whose browser becomes a gate of the scenic spot. */
async function gateAt(site, size, n = SCENIC) {
  const desk = await open("desk", { as: ["scenic", n], size, view: "/gates", allowed: isNetwork });
  await desk.page.getByLabel("放在哪个岗位").fill(site);
  await desk.page.getByRole("button", { name: "生成密钥并登记" }).click();
  await heading(desk.page, `离线闸机 · ${site}`).waitFor();
  await desk.page.getByText("为止可以判断").waitFor();
  return desk;
}
const cut = (page, isCut) => page.context().setOffline(isCut);

/** The same code at a gate of nobody's browser: `xinyi offline check`. */
async function checkElsewhere(code) {
  const folder = mkdtempSync(join(tmpdir(), "gate-"));
  const file = (name) => join(folder, name);
  try {
    const { stdout } = await run(XINYI, ["offline", "key", file("gate.json")]);
    const act = await actAs("scenic", SCENIC);
    const { registerGate } = await act(`mutation ($input: RegisterGateInput!) { registerGate(input: $input) { ... on OfflineGate { id } } }`, { site: "南门", publicKey: stdout.trim() });
    const { fetchOfflineBundle } = await act(`mutation ($input: FetchOfflineBundleInput!) { fetchOfflineBundle(input: $input) { ... on OfflineBundle { text } } }`, { gateId: registerGate.id });
    writeFileSync(file("bundle.jws"), fetchOfflineBundle.text);
    writeFileSync(file("jwks.json"), await (await fetch(`${address}/.well-known/jwks.json`)).text());
    const given = ["--bundle", file("bundle.jws"), "--jwks", file("jwks.json"), "--memory", file("taken.jsonl"), "--key", file("gate.json")];
    return JSON.parse((await run(XINYI, ["offline", "check", code, ...given])).stdout);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("a pass is taken, shown and judged without network, used at two gates, told of by both, and rests", async () => {
  const east = await gateAt("东门", "desktop");
  const west = await gateAt("西门", "phone");
  const citizen = await open("citizen", { as: ["citizen", CITIZEN], view: "/mine", allowed: isNetwork });
  await citizen.page.clock.install();
  await citizen.page.getByRole("link", { name: /^离线凭证/ }).click();
  const card = citizen.page.getByRole("article", { name: `${OFFER},${PARTNER}`, exact: true });
  await card.getByRole("button", { name: "打开" }).click();
  await citizen.page.getByText("闸机要等下次联网(24 小时内)才知道").waitFor();
  await picture(citizen.page, "pass-asked-phone-light");
  await citizen.page.getByRole("dialog").getByRole("button", { name: "打开" }).click();
  await card.getByRole("button", { name: "取今天的凭证" }).click();
  const square = "section svg[role=img]";
  await citizen.page.locator(square).waitFor();
  await everyLook(citizen.page, "pass-code");

  // No network from here on: neither on the phone, nor at the gates.
  for (const { page } of [citizen, east, west]) await cut(page, true);
  const first = await readQr(citizen.page, square);
  assert.equal(first.length, 268);
  await citizen.page.clock.fastForward(31_000);
  let second = first;
  for (let tries = 0; second === first && tries < 20; tries += 1) second = await readQr(citizen.page, square);
  assert.notEqual(second, first);
  assert.equal(second.slice(0, 177), first.slice(0, 177), "the same pass, signed anew");

  // At the other gate: forged, too old, by a bundle that is too old; then it is taken.
  const at = 200;
  await type(west.page, second.slice(0, at) + (second[at] === "A" ? "B" : "A") + second.slice(at + 1));
  await west.page.getByText("不是有效的离线码").waitFor();
  await heading(west.page, STANDARD).waitFor();
  await west.page.clock.install();
  await west.page.clock.setSystemTime(Date.now() + 5 * 60_000);
  await type(west.page, second);
  await west.page.getByText("这个离线码已过时").waitFor();
  await west.page.clock.setSystemTime(Date.now() + 25 * 3600_000);
  await type(west.page, second);
  await west.page.getByText("请联网更新并校准时钟").waitFor();
  await picture(west.page, "gate-stale-phone-light");
  await west.page.clock.setSystemTime(Date.now());

  await type(east.page, first);
  await heading(east.page, APPLIES).waitFor();
  await east.page.getByText("待同步 1 次").waitFor();
  await everyLook(east.page, "gate-taken");
  await type(east.page, second);
  await east.page.getByText("在本机已用过一次").waitFor();
  await heading(east.page, STANDARD).waitFor();
  await type(west.page, second);
  await heading(west.page, APPLIES).waitFor();
  const found = await checkElsewhere(second);
  assert.equal(found.accepted, true);
  assert.equal(found.title, OFFER);

  // The pages come back without the interface, and have kept what they need; the key is nothing that can be read.
  for (const [{ page }, done] of [[citizen, () => citizen.page.locator(square).waitFor()], [east, () => east.page.getByText("待同步 1 次").waitFor()]]) {
    await page.route(API, (route) => route.abort());
    await cut(page, false);
    await page.reload();
    await done();
  }
  await type(east.page, first);
  await east.page.getByText("在本机已用过一次").waitFor();
  const third = await readQr(citizen.page, square);
  assert.equal(third.slice(0, 177), first.slice(0, 177));
  const isReadable = await citizen.page.evaluate(async () => {
    const opened = await new Promise((resolve) => Object.assign(indexedDB.open("xinyi-citizen"), { onsuccess: ({ target }) => resolve(target.result) }));
    const [pass] = await new Promise((resolve) => Object.assign(opened.transaction("kept").objectStore("kept").getAll(), { onsuccess: ({ target }) => resolve(target.result) }));
    return crypto.subtle.exportKey("pkcs8", pass.key).then(() => true, () => false);
  });
  assert.equal(isReadable, false);

  // The networks are back: both gates tell, and the citizen's page tells of both, without reproach.
  await east.page.unroute(API);
  await east.page.getByRole("button", { name: "同步并更新离线包" }).click();
  await east.page.getByText("已认可").waitFor();
  await cut(west.page, false);
  await west.page.getByText("已认可").waitFor();
  await west.page.getByText("待同步 0 次").waitFor();
  await accessible(west.page);
  // A gate that hears of it now takes the pass no more, and one of another partner never did.
  for (const [n, words] of [[SCENIC, "这张离线凭证已不能再用"], [7, "不是本机可办理的优惠"]]) {
    const late = await gateAt("后门", "phone", n);
    await type(late.page, third);
    await late.page.getByText(words).waitFor();
    assert.deepEqual(late.wrong, []);
    await late.close();
  }
  await citizen.page.unroute(API);
  await citizen.page.goto(addressOf("citizen", "/pass"));
  await card.getByText("起暂停取凭证").waitFor();
  const uses = citizen.page.getByRole("region", { name: "闸机报来的使用" });
  await uses.getByText("东门").waitFor();
  await uses.getByText("西门").waitFor();
  await uses.getByText("这张凭证在别的闸机也用过").waitFor();
  assert.equal(await citizen.page.locator(square).count(), 0);
  await everyLook(citizen.page, "pass-rests");
  assert.doesNotMatch(await citizen.page.locator("main").innerText(), /违规|作弊|失信|警告/);
  await card.getByRole("button", { name: "重新打开" }).click();
  await citizen.page.getByRole("dialog").getByRole("button", { name: "打开" }).click();
  await card.getByText("起暂停取凭证").waitFor({ state: "detached" });
  assert.deepEqual([...citizen.wrong, ...east.wrong, ...west.wrong], []);
  await Promise.all([citizen, east, west].map(({ close }) => close()));
});

test("whoever looks after a partner makes a gate, feeds it by the partner's key, and ends it; a used pass is put away", async () => {
  const folder = mkdtempSync(join(tmpdir(), "key-"));
  const { page, wrong, close } = await open("desk", { as: ["representative", 15], size: "desktop", view: "/keys" });
  await page.getByRole("button", { name: "登记新密钥" }).click();
  await page.getByRole("radio", { name: /^正式环境/ }).check();
  const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "生成并登记" }).click()]);
  await file.saveAs(join(folder, "live.jwk"));
  await page.getByRole("link", { name: "离线闸机" }).click();
  await page.getByLabel("放在哪个岗位").fill(NORTH);
  await page.getByRole("button", { name: "生成密钥并登记" }).click();
  await page.getByText("还没有离线包,不能判断。").waitFor();
  await page.getByLabel("私钥文件(JWK 或 PEM)").setInputFiles(join(folder, "live.jwk"));
  await page.getByRole("button", { name: "用密钥登录" }).click();
  await page.getByText("为止可以判断").waitFor();

  const phone = await open("citizen", { as: ["citizen", CITIZEN], view: "/settings" });
  await phone.page.getByRole("switch", { name: `${PARTNER} · ${RIDE}` }).click();
  await phone.page.getByRole("dialog").getByRole("button", { name: "打开" }).click();
  await phone.page.getByRole("link", { name: `离线凭证 ${RIDE}` }).click();
  const card = phone.page.getByRole("article", { name: `${RIDE},${PARTNER}`, exact: true });
  await card.getByRole("button", { name: "取今天的凭证" }).click();
  const code = await readQr(phone.page, "section svg[role=img]");
  await phone.page.getByRole("button", { name: "收起" }).click();
  await card.getByText("凭证在这台手机里").waitFor();
  // With a network the use is told at once, and the phone's page puts the pass away by itself.
  await type(page, code);
  await heading(page, APPLIES).waitFor();
  await page.getByText("已认可").waitFor();
  await card.getByText("今天的凭证已在").waitFor();
  await card.getByRole("button", { name: "关闭" }).click();
  await phone.page.getByText("今天不能再取").waitFor();
  await phone.page.getByRole("dialog").getByRole("button", { name: "关闭" }).click();
  await card.getByRole("button", { name: "打开" }).click();
  await phone.page.getByRole("dialog").getByRole("button", { name: "打开" }).click();
  await card.getByRole("button", { name: "取今天的凭证" }).click();
  await card.getByRole("alert").getByText("今天已经签发过离线凭证").waitFor();
  await accessible(phone.page);

  await page.getByRole("link", { name: "← 全部离线闸机" }).click();
  await page.getByRole("button", { name: `停用 ${NORTH}` }).click();
  await picture(page, "gates-ending-desktop-light");
  await accessible(page);
  await page.getByRole("button", { name: "确认" }).click();
  await page.getByRole("button", { name: `报告失窃 ${NORTH}` }).waitFor();
  await everyLook(page, "gates");
  await page.getByRole("link", { name: `打开 ${NORTH}` }).click();
  await page.getByLabel("私钥文件(JWK 或 PEM)").setInputFiles(join(folder, "live.jwk"));
  await page.getByRole("button", { name: "用密钥登录" }).click();
  await page.getByRole("alert").getByText("这台离线设备已停用").waitFor();
  await page.getByText("还没有离线包,不能判断。").waitFor();
  await page.getByRole("link", { name: "← 全部离线闸机" }).click();
  await page.getByRole("button", { name: "从这台设备删除" }).click();
  await heading(page, "这台设备上的离线闸机").waitFor({ state: "detached" });
  assert.deepEqual([...wrong, ...phone.wrong], []);
  rmSync(folder, { recursive: true });
  await phone.close();
  await close();
});
