// The mini-program example against the demo city: its components by themselves, and its pages with what they are told.
import assert from "node:assert/strict";
import test from "node:test";
import { actAs, VERIFY } from "./city.mjs";
import { closeBrowser, picture, readQr } from "./pages.mjs";
import { built, phone } from "./phone.mjs";

let files;
test.before(() => (files = built({ role: "citizen", n: 13 })));
test.after(closeBrowser);

test("a state says what is the matter, and asks to try again", async () => {
  const { page, see, close } = await phone(files);
  await see("/components/state/index", { is: "loading" });
  await page.getByText("正在读取…").waitFor();
  await see("/components/state/index", { is: "failed", message: "连不上服务器。请检查网络后再试。" });
  await page.getByText("连不上服务器").waitFor();
  const asked = page.evaluate(() => new Promise((heard) => window.shown.addEventListener("again", () => heard(true))));
  await page.evaluate(() => window.shown.querySelector(".button").dispatchEvent("tap"));
  assert.equal(await asked, true);
  await see("/components/state/index", { is: "empty", empty: "附近还没有优惠。" });
  await page.getByText("附近还没有优惠。").waitFor();
  await close();
});

test("a WeChat that is bound to nobody is shown the address and its six digits", async () => {
  const { page, see, close } = await phone({ ...files, "config.js": files["config.js"].replace(/demo: .*}/, "demo: null }") });
  await page.evaluate(() => {
    window.answers = (url, data) => {
      if (!url.endsWith("/sign-in/wechat") || data.code !== "from-wechat") return null;
      const binding = { number: "042137", address: "https://xinyi.example/sign-in/city-id?bind=x", expires_in: 600 };
      return { error: { code: "BINDING_REQUIRED", message: "请先绑定。" }, binding };
    };
  });
  await see("/pages/score/index");
  await page.getByText("042137").waitFor();
  await page.evaluate(() => window.shown.querySelector("sign-in, .sign-in")?.dispatchEvent("tap"));
  await close();
});

test("the code on the screen is read by a camera, renewed before it ends, and says at once who scanned it", async () => {
  const { page, see, close } = await phone(files);
  await see("/pages/code/index");
  await page.getByText(/秒后自动更新/).waitFor();
  const { token, left } = await page.evaluate(() => window.shown.data);
  assert.ok(left > 40 && left <= 50);
  assert.equal(await readQr(page, "wx-canvas"), token);
  await picture(page, "miniprogram-code-light");
  await page.evaluate(() => window.shown.instance.setData({ left: 1 }));
  await page.getByText(/(50|4\d) 秒后自动更新/).waitFor();
  const renewed = await readQr(page, "wx-canvas");
  assert.notEqual(renewed, token);

  const gate = await actAs("scenic", 2);
  const { partner } = await gate("{ partner { name offers(first: 1) { edges { node { id title } } } } }");
  const [{ node: offer }] = partner.offers.edges;
  await gate(VERIFY, { requestId: crypto.randomUUID(), code: renewed, offerId: offer.id });
  const since = Date.now();
  await page.getByText(partner.name).waitFor();
  assert.ok(Date.now() - since < 3_000);
  await page.getByText(offer.title).waitFor();
  await page.getByText(/^(享受优惠|按标准服务办理)$/).waitFor();
  await picture(page, "miniprogram-scanned");
  assert.deepEqual(await page.evaluate(() => [window.brightness.at(0), window.brightness.includes(1), window.brightness.at(-1)]), [-1, true, -1]);
  await page.evaluate(() => window.shown.instance.read());
  await page.getByText(/秒后自动更新/).waitFor();
  await close();
});

test("a lost network is said, and trying again heals it", async () => {
  const { page, see, close } = await phone(files);
  await page.evaluate(() => (window.online = false));
  await see("/pages/benefits/index");
  await page.getByText("连不上服务器").waitFor();
  await page.evaluate(() => {
    window.online = true;
    return window.shown.instance.read();
  });
  await page.getByText(/^(可以享受|标准服务):/).first().waitFor();
  await close();
});

test("an ended session is begun anew, and a refresh token is used once by whoever asks at the same time", async () => {
  const { page, see, close } = await phone(files);
  await page.evaluate(() => {
    window.stored["refresh-token"] = "ended long ago";
    window.asked = [];
    window.answers = (url) => void window.asked.push(new URL(url).pathname);
  });
  await see("/pages/score/index");
  await page.evaluate(() => window.shown.instance.read());
  await page.getByText("湘信分", { exact: true }).waitFor();
  const asked = await page.evaluate(() => window.asked);
  assert.deepEqual(asked.slice(0, 2), ["/sign-in/refresh", "/sign-in/demo"]);
  assert.equal(asked.filter((path) => path !== "/graphql").length, 2);
  await close();
});

test("whoever does not take part yet reads the notice first", async () => {
  const { page, see, close } = await phone(files);
  await page.evaluate(() => {
    window.answers = (_, { variables }) => {
      const isCode = variables && "input" in variables && Object.keys(variables.input).length === 0;
      return isCode ? { data: { issueCreditCode: { __typename: "Problem", code: "NOT_ENROLLED", message: "还没有参加。" } } } : null;
    };
  });
  await see("/pages/code/index");
  await page.getByText("看过了,参加").waitFor();
  await picture(page, "miniprogram-enrollment");
  await close();
});

for (const [name, ready] of Object.entries({ score: /^\d+ 分/, benefits: "再看一些", log: /^(享受优惠|按标准服务办理)$/ })) {
  test(`the page ${name} shows what the city says, also in the dark`, async () => {
    for (const dark of [false, true]) {
      const { page, see, close } = await phone(files, { dark });
      await see(`/pages/${name}/index`);
      await page.getByText(ready).first().waitFor();
      await picture(page, `miniprogram-${name}-${dark ? "dark" : "light"}`);
      await close();
    }
  });
}

test("benefits go on where the page ended, each once", async () => {
  const { page, see, close } = await phone(files);
  await see("/pages/benefits/index");
  await page.getByText("再看一些").waitFor();
  await page.evaluate(() => window.shown.instance.onReachBottom());
  const ids = await page.evaluate(() => window.shown.data.benefits.map(({ id }) => id));
  assert.ok(ids.length > 20);
  assert.equal(new Set(ids).size, ids.length);
  await close();
});

test("what cannot be had yet has a tab of its own, with why and what to do", async () => {
  const { page, see, close } = await phone(files);
  await see("/pages/benefits/index");
  await page.getByText(/^可以享受:/).first().waitFor();
  assert.equal(await page.getByText(/^标准服务:/).count(), 0);
  await page.evaluate(() => window.shown.querySelector(".tabs").querySelectorAll(".tab")[1]?.dispatchEvent("tap") ?? window.shown.instance.choose({ currentTarget: { dataset: { available: false } } }));
  await page.getByText(/^可以这样做:/).first().waitFor();
  assert.equal(await page.getByText(/^可以享受:/).count(), 0);
  await picture(page, "miniprogram-benefits-waiting");
  await close();
});
