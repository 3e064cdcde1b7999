// What goes wrong around the pages: answers that are none, answers that are lost, sign-ins that end, tabs beside each
// other, servers that have been renewed, and texts that somebody wrote in order to break a page.
import assert from "node:assert/strict";
import test from "node:test";
import { actAs, address } from "../city.mjs";
import { accessible, addressOf, closeBrowser, open, picture, signIn } from "../pages.mjs";

test.after(closeBrowser);

const isNetwork = (text) => /Failed to load resource|ERR_FAILED|WebSocket|dynamically imported module|preload/.test(text);
const json = (body, status = 200) => ({ status, contentType: "application/json", body });
/** Ways of an answer to be none. */
const NONE = [
  { status: 502, contentType: "text/html", body: "<html>bad gateway</html>" },
  json("null"),
  json('{"data": null'),
  json("{}"),
  json('{"error": "down"}', 503),
  { status: 200, body: "" },
];
const PAGES = [
  ["citizen", ["citizen", 33], "/score"],
  ["desk", ["scenic", 12], "/"],
  ["operator", ["operator", 3], "/partners"],
  ["open", undefined, "/"],
];
/** End somebody's session at the server, as another device of theirs may. */
async function endElsewhere(page, key, store) {
  const { refresh } = JSON.parse(await page.evaluate(([from, name]) => window[from].getItem(name), [store, key]));
  const headers = { "content-type": "application/json" };
  await fetch(`${address}/sign-in/end`, { method: "POST", headers, body: JSON.stringify({ refresh_token: refresh }) });
}
/** Look at a page again after a while: it reads anew what is older than a few seconds. */
async function lookedAt(page) {
  await page.waitForTimeout(5_100);
  await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange", { bubbles: true })));
}
const uscc = (body) => {
  const letters = "0123456789ABCDEFGHJKLMNPQRTUWXY";
  const weights = [1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28];
  const sum = weights.reduce((total, weight, at) => total + weight * letters.indexOf(body[at]), 0);
  return body + letters[(31 - (sum % 31)) % 31];
};
const freshUscc = () => uscc(`91430500MA${String(Date.now()).slice(-7)}`);
const asSent = (route) => route.request().postDataJSON()?.variables?.input;

test("whatever a server answers that is no answer, every page says so and is well again afterwards", async () => {
  await Promise.all(
    PAGES.map(async ([name, as, view], at) => {
      const { page, wrong, close } = await open(name, { as, view, allowed: isNetwork });
      let turn = at;
      await page.route("**/graphql", (route) => route.fulfill(NONE[turn++ % NONE.length]));
      await page.reload();
      const said = page.getByRole("alert").filter({ hasText: "连不上服务器" }).first();
      await said.waitFor();
      await page.unroute("**/graphql");
      await page.getByRole("button", { name: "重试" }).first().click();
      await said.waitFor({ state: "detached" });
      // A refusal has words of its own.
      await page.route("**/graphql", (route) => route.fulfill(json('{"errors": [{"message": "系统出了故障。", "extensions": {"code": "INTERNAL_SERVER_ERROR"}}]}', 500)));
      await page.reload();
      await page.getByRole("alert").filter({ hasText: "系统出了故障。" }).first().waitFor();
      assert.deepEqual(wrong, [], name);
      await close();
    }),
  );
});

test("a door that does not answer is said at the door", async () => {
  const { page, wrong, close } = await open("desk", { allowed: isNetwork });
  await page.route("**/sign-in**", (route) => route.fulfill(NONE[0]));
  await page.getByRole("button", { name: "进入" }).click();
  await page.getByRole("alert").getByText("连不上服务器").waitFor();
  assert.deepEqual(wrong, []);
  await close();
});

test("a page older than the server asks to be loaded anew", async () => {
  const { page, wrong, close } = await open("citizen", { as: ["citizen", 33], view: "/mine", allowed: isNetwork });
  await page.getByText("正在读取").first().waitFor({ state: "detached" });
  await page.route("**/assets/Log-*.js", (route) => route.fulfill({ status: 404, body: "gone" }));
  await page.getByRole("link", { name: /^谁查过我/ }).click();
  await page.getByRole("status").getByText("页面有了新版本").waitFor();
  await accessible(page);
  await page.unroute("**/assets/Log-*.js");
  await page.getByRole("button", { name: "刷新" }).click();
  await page.getByRole("status").getByText("页面有了新版本").waitFor({ state: "detached" });
  await page.route("**/graphql", (route) => route.fulfill(json('{"errors": [{"message": "unknown", "extensions": {"code": "DOCUMENT_NOT_FOUND"}}]}', 400)));
  await page.reload();
  await page.getByRole("alert").getByText("页面有了新版本,请刷新。").first().waitFor();
  assert.deepEqual(wrong, []);
  await close();
});

test("an act whose answer is lost is not called undone, and the page shows what came of it", async () => {
  const { page, wrong, close } = await open("operator", { as: ["operator", 3], view: "/partners", size: "desktop", allowed: isNetwork });
  const name = `丢失答复测试馆${String(Date.now()).slice(-6)}`;
  await page.getByRole("button", { name: "登记机构" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("机构全称").fill(name);
  await dialog.getByLabel("统一社会信用代码").fill(freshUscc());
  await dialog.getByRole("combobox").first().selectOption("hunan-shaoyang");
  await dialog.getByRole("combobox").last().selectOption("scenic");
  let sent = 0;
  await page.route("**/graphql", async (route) => {
    if (asSent(route)?.uscc === undefined) return route.continue();
    sent += 1;
    await route.fetch();
    await new Promise((resume) => setTimeout(resume, 1_200));
    return route.abort();
  });
  // Twice, as people do where nothing seems to happen.
  await dialog.getByRole("button", { name: "确定" }).dblclick();
  await dialog.getByRole("alert").getByText("不知道是否已经办成").waitFor();
  assert.equal(sent, 1);
  await picture(page, "trouble-unsure-desktop-light");
  await dialog.getByRole("button", { name: "取消" }).click();
  await page.getByRole("textbox", { name: "按名称或统一社会信用代码查找" }).fill(name);
  await page.getByRole("link", { name }).waitFor();
  assert.deepEqual(wrong, []);
  await close();
});

test("a session that ends while something is typed: the same one finds it again, another one does not", async () => {
  const { page, wrong, close } = await open("operator", { as: ["operator", 3], view: "/partners", size: "desktop", allowed: isNetwork });
  await page.getByRole("button", { name: "登记机构" }).click();
  const field = page.getByRole("dialog").getByLabel("机构全称");
  await field.fill("没有写完的名称");
  await endElsewhere(page, "xinyi-operator", "sessionStorage");
  // The page hears of it when it asks next: here, when it is looked at again.
  await lookedAt(page);
  await page.getByText("登录已过期,请重新登录。").waitFor();
  assert.equal(await field.isVisible(), false);
  await accessible(page);
  await picture(page, "trouble-ended-desktop-light");
  await signIn(page, "operator", 3);
  assert.equal(await field.inputValue(), "没有写完的名称");
  await endElsewhere(page, "xinyi-operator", "sessionStorage");
  await lookedAt(page);
  await page.getByText("登录已过期,请重新登录。").waitFor();
  await signIn(page, "operator", 2);
  await page.getByRole("button", { name: "登记机构" }).waitFor();
  assert.equal(await page.getByText("没有写完的名称").count(), 0);
  assert.equal(await page.getByRole("dialog").count(), 0);
  assert.deepEqual(wrong, []);
  await close();
});

test("a doubled tab of a desk goes on with the first, and neither ends the other's session", async () => {
  const { page, wrong, close } = await open("desk", { as: ["scenic", 12], size: "desktop" });
  await page.getByLabel("信用码", { exact: true }).waitFor();
  const held = (of) => of.evaluate(() => JSON.parse(sessionStorage.getItem("xinyi-desk")).refresh);
  const before = await held(page);
  // A window that a page opens begins with a copy of its sign-in.
  const [double] = await Promise.all([page.context().waitForEvent("page"), page.evaluate(() => void window.open(location.href))]);
  await double.getByLabel("信用码", { exact: true }).waitFor();
  assert.notEqual(await held(double), before);
  assert.equal(await held(page), await held(double));
  await page.reload();
  await page.getByLabel("信用码", { exact: true }).waitFor();
  assert.equal(await held(page), await held(double));
  assert.deepEqual(wrong, []);
  await close();
});

test("tabs of one phone are one person's: signing out or in as another holds for all of them", async () => {
  const { page, wrong, close } = await open("citizen", { as: ["citizen", 33], view: "/mine" });
  const name = (of) => of.locator("main h1, main h2").first().innerText();
  const other = await page.context().newPage();
  await other.goto(addressOf("citizen", "/mine"));
  await other.getByRole("button", { name: "退出登录" }).waitFor();
  const first = await name(page);
  await other.getByRole("button", { name: "退出登录" }).click();
  await page.getByRole("button", { name: "进入" }).waitFor();
  await signIn(other, "citizen", 34);
  await other.getByRole("button", { name: "退出登录" }).waitFor();
  await page.getByRole("button", { name: "退出登录" }).waitFor();
  assert.equal(await name(page), await name(other));
  assert.ok(first);
  assert.deepEqual(wrong, []);
  await close();
});

test("a live connection that the server ends with its token is opened again with the next one", async () => {
  const { page, wrong, close } = await open("citizen", { as: ["citizen", 33], allowed: isNetwork });
  const sockets = [];
  let isCut = false;
  await page.routeWebSocket(/graphql/, (socket) => {
    if (isCut) return socket.close({ code: 1011, reason: "cut" });
    socket.connectToServer();
    sockets.push(socket);
  });
  const renewed = [];
  await page.reload();
  await page.locator("svg[role=img]").waitFor();
  await page.waitForTimeout(500);
  assert.equal(sockets.length, 1);
  page.on("request", (request) => request.url().endsWith("/sign-in/refresh") && renewed.push(request));
  await sockets[0].close({ code: 4401, reason: "Unauthorized" });
  await page.waitForTimeout(2_000);
  assert.equal(sockets.length, 2);
  assert.equal(renewed.length, 1);
  assert.equal(await page.getByText("网络断开了").count(), 0);
  // Cut as a network cuts it.
  isCut = true;
  await sockets[1].close({ code: 1011, reason: "cut" });
  await page.getByText("网络断开了").waitFor();
  isCut = false;
  await page.getByText("已重新连接").waitFor();
  assert.deepEqual(wrong, []);
  await close();
});

test("a phone whose clock is hours off shows a code and renews it", async () => {
  for (const hours of [-7, 9]) {
    const { page, wrong, close } = await open("citizen", { as: ["citizen", 33] });
    await page.addInitScript((shift) => {
      const real = Date.now;
      Date.now = () => real() + shift;
    }, hours * 3_600_000);
    await page.reload();
    await page.locator("svg[role=img]").waitFor();
    const [, seconds] = /(\d+)/.exec(await page.getByRole("timer").innerText());
    assert.ok(Number(seconds) > 30 && Number(seconds) <= 60, seconds);
    assert.deepEqual(wrong, []);
    await close();
  }
});

test("what is no credit code is refused at the desk, however it looks", async () => {
  const { page, wrong, close } = await open("desk", { as: ["scenic", 12], size: "desktop", allowed: isNetwork });
  const input = page.getByLabel("信用码", { exact: true });
  await input.waitFor();
  await page.getByText("门票").first().waitFor();
  for (const text of ["https://example.org/?a=<img src=x onerror=alert(1)>", "javascript:alert(1)", "信用码".repeat(30_000), "__proto__", "一行\n又一行", "=1+1"]) {
    await input.fill(text);
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "请对方刷新信用码,再扫一次" }).or(page.getByRole("heading", { name: "这次没有核验" })).first().waitFor();
    await page.keyboard.press("Escape");
  }
  assert.deepEqual(wrong, []);
  await close();
});

test("a text written to break a page is a text, on every page that shows it", async () => {
  const act = await actAs("operator", 3);
  const number = freshUscc();
  const hostile = `<img src=x onerror="document.title='broken'">😀{{7*7}}${number.slice(10)}`;
  const document = `mutation R($input: RegisterPartnerInput!) { registerPartner(input: $input) { __typename ... on Problem { code message } } }`;
  const { registerPartner } = await act(document, { place: "hunan-shaoyang", sector: "shop", name: hostile, uscc: number });
  assert.equal(registerPartner.__typename, "Partner", registerPartner.message);
  const { page, wrong, close } = await open("operator", { as: ["operator", 3], view: "/partners", size: "desktop" });
  await page.getByRole("textbox", { name: "按名称或统一社会信用代码查找" }).fill(number);
  await page.getByRole("link", { name: hostile }).click();
  await page.getByRole("heading", { level: 1, name: hostile }).waitFor();
  assert.equal(await page.locator("main img").count(), 0);
  assert.notEqual(await page.title(), "broken");
  await accessible(page);
  await picture(page, "trouble-hostile-desktop-light");
  assert.deepEqual(wrong, []);
  await close();
});

test("a view that is not for somebody says so, and asks the server nothing", async () => {
  const { page, wrong, close } = await open("operator", { as: ["provider", 1], view: "/grants", size: "desktop" });
  await page.getByRole("heading", { name: "这里不归您办理" }).waitFor();
  await page.goto(addressOf("operator", "/no-such-view"));
  await page.getByRole("heading", { level: 1 }).first().waitFor();
  assert.deepEqual(wrong, []);
  await close();
});

test("language and colours change around what is being typed", async () => {
  const { page, wrong, close } = await open("operator", { as: ["operator", 3], view: "/partners", size: "desktop" });
  const search = page.getByRole("textbox").first();
  await search.fill("景区");
  await page.getByRole("button", { name: "English" }).click();
  await page.getByRole("button", { name: "Sign out" }).waitFor();
  await page.getByRole("button", { name: "Dark" }).click();
  assert.equal(await search.inputValue(), "景区");
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("button", { name: "Enter" }).waitFor();
  await page.getByRole("button", { name: "中文" }).click();
  await page.getByLabel("信源单位").waitFor();
  assert.deepEqual(wrong, []);
  await close();
});
