// The citizen's page: a code that somebody scans, the result and what would change it, benefits, joining; and what is left
// of it all when the server, the network or the sign-in fails.
import assert from "node:assert/strict";
import test from "node:test";
import { address, VERIFY } from "../city.mjs";
import { accessible, addressOf, closeBrowser, open, picture, readQr, signIn } from "../pages.mjs";

test.after(closeBrowser);

async function post(path, body, token) {
  const headers = { "content-type": "application/json", ...(token && { authorization: `Bearer ${token}` }) };
  const answer = await fetch(`${address}${path}`, { method: "POST", headers, body: JSON.stringify(body) });
  return answer.status === 204 ? null : answer.json();
}
const signedIn = (role, n) => post("/sign-in/demo", { role, n });

/** The scenic spot scans what it read for its offer number `at`; what it was answered. */
async function scanned(code, at = 0) {
  const { access_token: token } = await signedIn("scenic", 1);
  const asked = await post("/graphql", { query: "{ partner { name offers(first: 3) { edges { node { id title } } } } }" }, token);
  const { name, offers } = asked.data.partner;
  const offer = offers.edges[at].node;
  const input = { requestId: crypto.randomUUID(), code, offerId: offer.id };
  const { data } = await post("/graphql", { query: VERIFY, variables: { input } }, token);
  return { ...data.verifyCreditCode, partner: name, offer: offer.title };
}

const CODE = { name: "信用码二维码,请让工作人员扫描" };
const code = (page) => page.getByRole("img", CODE);
const read = (page) => readQr(page, "svg[role=img]");
const shown = (page) => code(page).waitFor();
const card = (page) => page.getByRole("status", { name: "已扫码" });
/** What stands on the screen, without the bar of places. */
const words = (page) => page.locator("main").innerText();

test("a code is read from the screen, and its holder hears of the answer within a second", async () => {
  const { page, wrong, close } = await open("citizen", { as: ["citizen", 1], dark: true });
  await shown(page);
  assert.match(await words(page), /^信用码\s+\d+ 秒后自动更换\s+请把二维码出示给工作人员。\s+只为某一项优惠出示$/);
  const first = await read(page);
  const answer = await scanned(first);
  const from = performance.now();
  await card(page).waitFor();
  const took = performance.now() - from;
  console.log(`scan to "scanned": ${took.toFixed(0)} ms after the answer`);
  assert.ok(took < 1000, `${took} ms`);
  assert.equal(answer.outcome, "BENEFIT_APPLIES");
  const said = await words(page);
  for (const text of ["享受优惠", answer.partner, answer.offer]) assert.ok(said.includes(text), text);
  assert.doesNotMatch(said, /756|A\+|许/);
  await accessible(page);
  await picture(page, "citizen-scanned-phone-dark");
  await page.getByRole("button", { name: "出示新的码" }).click();
  await shown(page);
  assert.notEqual(await read(page), first);
  assert.deepEqual(wrong, []);
  await close();
});

test("somebody whose benefit does not apply sees the same calm card", async () => {
  const { page, wrong, close } = await open("citizen", { as: ["citizen", 3] });
  await shown(page);
  assert.equal((await scanned(await read(page))).outcome, "STANDARD_SERVICE");
  await card(page).waitFor();
  const said = await words(page);
  assert.ok(said.includes("按标准服务办理"));
  assert.doesNotMatch(said, /等级|分数|未达到|600/);
  await picture(page, "citizen-scanned-standard-phone-light");
  assert.deepEqual(wrong, []);
  await close();
});

test("a code renews itself, not while nobody looks, and at once when somebody does again", async () => {
  const { page, wrong, close } = await open("citizen", { as: ["citizen", 2] });
  await page.clock.install();
  await page.reload();
  let asked = 0;
  page.on("request", (request) => (asked += request.postData()?.includes('"offerId"') ? 1 : 0));
  await shown(page);
  const first = await read(page);
  await page.clock.fastForward(50_000);
  await page.waitForTimeout(700);
  assert.equal(await read(page), first);
  await page.clock.fastForward(6_000);
  const renewed = page.waitForResponse((answer) => answer.request().postData()?.includes('"offerId"'));
  await renewed;
  await page.waitForTimeout(300);
  const second = await read(page);
  assert.notEqual(second, first);
  const look = (state) => page.evaluate((now) => {
    Object.defineProperty(document, "visibilityState", { configurable: true, get: () => now });
    document.dispatchEvent(new Event("visibilitychange"));
  }, state);
  await look("hidden");
  const before = asked;
  await page.clock.fastForward(120_000);
  await page.waitForTimeout(700);
  assert.equal(asked, before);
  await look("visible");
  await shown(page);
  await page.waitForTimeout(500);
  assert.notEqual(await read(page), second);
  assert.deepEqual(wrong, []);
  await close();
});

test("a code can be shown for one benefit alone, and says so to both", async () => {
  const { page, wrong, close } = await open("citizen", { as: ["citizen", 21], view: "/benefits" });
  await page.getByLabel("种类").selectOption({ label: "信易医" });
  const first = page.getByRole("article").filter({ hasText: "信易医" }).first();
  const title = await first.getByRole("heading").innerText();
  await first.getByRole("link", { name: "为这一项出示信用码" }).click();
  await page.getByText(`只用于:${title}`).waitFor();
  await shown(page);
  const answer = await scanned(await read(page));
  assert.equal(answer.code, "CODE_OTHER_OFFER");
  await card(page).waitFor();
  assert.ok((await words(page)).includes("这个码是为另一项优惠出示的"));
  assert.deepEqual(wrong, []);
  await close();
});

test("a result is explained, drawn, compared, and answers what would change it", async () => {
  const { page, wrong, close } = await open("citizen", { as: ["citizen", 1], view: "/score" });
  const result = page.getByRole("article", { name: "湘信分" });
  await result.locator("canvas").first().waitFor();
  assert.match(await result.innerText(), /有 3 条「近五年的表彰奖励」记录,让您多了 45 分。/);
  assert.match(await result.locator("table").first().innerText(), /见义勇为表彰\s+\+60/);
  await result.locator("summary").filter({ hasText: "见义勇为表彰" }).click();
  await result.locator("details[open]").getByText(/^依据:《/).waitFor();
  await result.getByRole("heading", { name: "一路是怎么变化的" }).click();
  await result.getByText("新计入「近两年履行的信用承诺」,多了 6 分。").waitFor();
  await result.getByRole("heading", { name: "比较两天" }).click();
  await result.getByLabel("较早的一天").waitFor();
  await result.getByRole("heading", { name: "怎样会变化(试算)" }).click();
  await result.getByLabel("新增的记录(假设今天)").selectOption({ label: "履行信用承诺" });
  await result.getByRole("button", { name: "试算" }).click();
  await result.getByText(/那时会是 762 分 A\+ 级.*比现在 \+6 分/).waitFor();
  await result.getByRole("radio", { name: "换一个数字" }).check();
  await result.getByLabel("假设是").fill("0");
  await result.getByRole("button", { name: "试算" }).click();
  await result.getByText(/比现在 −40 分/).waitFor();
  await accessible(page);
  await picture(page, "citizen-score-open-phone-light");
  assert.deepEqual(wrong, []);
  await close();
});

test("a model without a result says that it does no harm, and an agent sees the enterprise", async () => {
  const { page, wrong, close } = await open("citizen", { as: ["enterprise", 1], view: "/score" });
  await page.getByText("这不会给贵单位带来任何不利").waitFor();
  const { scroll, width } = await page.evaluate(() => ({ scroll: document.documentElement.scrollWidth, width: innerWidth }));
  assert.equal(scroll, width);
  await picture(page, "citizen-score-enterprise-phone-light");
  await page.getByRole("link", { name: "我的" }).click();
  await page.getByRole("link", { name: "信易贷" }).waitFor();
  assert.deepEqual(wrong, []);
  await close();
});

test("what is not available says why and the nearest thing to do", async () => {
  const { page, wrong, close } = await open("citizen", { as: ["citizen", 3], view: "/benefits" });
  await page.getByText(/可以这样做:距离「A 级」还差 40 分/).waitFor();
  assert.equal(await page.getByRole("link", { name: "为这一项出示信用码" }).count(), 0);
  await picture(page, "citizen-benefits-none-phone-light");
  assert.deepEqual(wrong, []);
  await close();
});

test("somebody who does not take part reads the notice, joins, and has a code", async () => {
  let tokens, n = 40;
  for (let enrolled = true; enrolled; ) {
    tokens = await signedIn("citizen", ++n);
    ({ enrolled } = (await post("/graphql", { query: "{ me { enrolled } }" }, tokens.access_token)).data.me);
  }
  const { page, wrong, close } = await open("citizen");
  const held = JSON.stringify({ who: { role: "citizen", n }, refresh: tokens.refresh_token });
  await page.evaluate((text) => localStorage.setItem("xinyi-citizen", text), held);
  await page.reload();
  await page.getByRole("heading", { name: "加入「信易+」" }).waitFor();
  await page.getByText("评价结果只用于增加优惠和便利").waitFor();
  await accessible(page);
  await picture(page, "citizen-joining-phone-light");
  await page.getByRole("button", { name: "我看明白了,同意加入" }).click();
  await shown(page);
  assert.deepEqual(wrong, []);
  await close();
});

test("without a live connection the scan is found in the log", async () => {
  const { page, wrong, close } = await open("citizen", { as: ["citizen", 1], allowed: (text) => /WebSocket/.test(text) });
  await page.routeWebSocket(/graphql$/, (socket) => socket.close({ code: 1011 }));
  await page.reload();
  await page.getByText("网络断开了").waitFor();
  await shown(page);
  await scanned(await read(page));
  await card(page).waitFor();
  assert.deepEqual(wrong, []);
  await close();
});

test("a server that cannot be reached is said, and the code comes by itself when it can", async () => {
  const isNetwork = (text) => /ERR_FAILED|ERR_CONNECTION|WebSocket/.test(text);
  const { page, wrong, close } = await open("citizen", { as: ["citizen", 1], allowed: isNetwork });
  await shown(page);
  await page.route("**/graphql", (route) => route.abort());
  await page.reload();
  await page.getByRole("alert").getByText("连不上服务器").waitFor();
  await page.getByText("正在自动重试").waitFor();
  await picture(page, "citizen-unreachable-phone-light");
  await page.unroute("**/graphql");
  await shown(page);
  assert.equal(await page.getByRole("alert").count(), 0);
  assert.deepEqual(wrong, []);
  await close();
});

test("a slow network shows that something is under way", async () => {
  const { page, wrong, close } = await open("citizen", { as: ["citizen", 1] });
  await page.route("**/graphql", async (route) => {
    await new Promise((resume) => setTimeout(resume, 1_500));
    await route.continue();
  });
  await page.reload();
  await page.getByRole("status").getByText("正在读取…").waitFor();
  await shown(page);
  await page.goto(addressOf("citizen", "/score"));
  await page.getByRole("status").getByText("正在读取…").first().waitFor();
  await page.getByRole("article", { name: "湘信分" }).waitFor();
  assert.deepEqual(wrong, []);
  await close();
});

test("an expired sign-in is said, and signing in again goes on where one was", async () => {
  const { page, wrong, close } = await open("citizen", { as: ["citizen", 1], view: "/benefits", allowed: (text) => /status of 401/.test(text) });
  await page.getByRole("heading", { name: /现在可以享受/ }).waitFor();
  const { refresh } = JSON.parse(await page.evaluate(() => localStorage.getItem("xinyi-citizen")));
  await post("/sign-in/end", { refresh_token: refresh });
  await page.reload();
  await page.getByText("登录已过期,请重新登录。").waitFor();
  await signIn(page, "citizen", 2);
  await page.getByRole("heading", { name: /现在可以享受/ }).waitFor();
  await page.getByRole("link", { name: "我的" }).click();
  await page.getByText("沈*").waitFor();
  assert.deepEqual(wrong, []);
  await close();
});

const VIEWS = {
  "/": shown,
  "/score": (page) => page.locator("canvas").first().waitFor(),
  "/benefits": (page) => page.getByRole("article").first().waitFor(),
  "/mine": (page) => page.getByText("许*").waitFor(),
};

for (const size of ["phone", "desktop"]) {
  test(`every view is there for everybody, light and dark, ${size}`, async () => {
    const { page, wrong, close } = await open("citizen", { as: ["citizen", 1], size });
    for (const [view, ready] of Object.entries(VIEWS)) {
      await page.goto(addressOf("citizen", view));
      for (const colorScheme of ["light", "dark"]) {
        await page.emulateMedia({ colorScheme });
        await ready(page);
        // A chart draws itself in a moment.
        if (view === "/score") await page.waitForTimeout(400);
        await picture(page, `citizen-${view.slice(1) || "code"}-${size}-${colorScheme}`);
        await accessible(page);
      }
    }
    assert.deepEqual(wrong, []);
    await close();
  });
}

test("English by choice", async () => {
  const { page, wrong, close } = await open("citizen", { as: ["citizen", 1], view: "/mine" });
  await page.getByRole("button", { name: "English" }).click();
  await page.getByRole("heading", { name: "Me", exact: true }).waitFor();
  await page.getByRole("link", { name: "Code", exact: true }).click();
  await page.getByText("Show this code to the clerk.").waitFor();
  await picture(page, "citizen-code-english-phone-light");
  assert.deepEqual(wrong, []);
  await close();
});
