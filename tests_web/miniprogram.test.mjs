// The mini-program example against the demo city: its components by themselves, and its pages with what they are told.
import assert from "node:assert/strict";
import test from "node:test";
import { closeBrowser, picture } from "./pages.mjs";
import { built, phone } from "./phone.mjs";

let files;
test.before(() => (files = built({ role: "citizen", n: 14 })));
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
  await page.evaluate(() => window.shown.querySelector(".page").dom.querySelector("[class*=copy]").dispatchEvent(new Event("tap")));
  await close();
});

test("the QR code on the screen is read by a camera as the code that was issued", async () => {
  const { page, see, close } = await phone(files);
  await see("/pages/code/index");
  await page.getByText(/秒后自动更新/).waitFor();
  const { token, left } = await page.evaluate(() => window.shown.data);
  assert.ok(left > 40 && left <= 50);
  assert.ok(token.length > 50);
  await picture(page, "miniprogram-code");
  assert.deepEqual(await page.evaluate(() => window.brightness), [-1, 1]);
  await close();
});
