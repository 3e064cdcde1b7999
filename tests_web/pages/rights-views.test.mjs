// Every view about one's rights, on a phone and a desktop, light and dark: looked at, and readable for everybody. A lost
// server is said, and healed.
import assert from "node:assert/strict";
import test from "node:test";
import { accessible, addressOf, closeBrowser, open, picture, SIZES } from "../pages.mjs";

test.after(closeBrowser);
const VIEWS = {
  log: "谁查过我",
  consents: "我的授权",
  records: "我的记录",
  cases: "办理进度",
  orders: "先用后付",
  loans: "信易贷",
  notices: "消息",
  settings: "设置",
  leave: "导出与退出",
};

for (const dark of [false, true]) {
  const theme = dark ? "dark" : "light";
  test(`each view can be read by everybody, ${theme}`, async () => {
    const { page, wrong, close } = await open("citizen", { as: ["citizen", 5], dark });
    for (const [view, title] of Object.entries(VIEWS)) {
      await page.goto(addressOf("citizen", `/${view}`));
      await page.getByRole("heading", { level: 1, name: title }).waitFor();
      while (await page.locator("main [aria-busy=true]").count()) await page.waitForTimeout(50);
      for (const [size, viewport] of Object.entries(SIZES)) {
        await page.setViewportSize(viewport);
        await picture(page, `citizen-${view}-${size}-${theme}`);
      }
      await accessible(page);
      assert.equal(await page.getByRole("heading", { level: 1 }).count(), 1, view);
    }
    assert.deepEqual(wrong, []);
    await close();
  });
}

test("a broken server is said in words, and the view is there again when it is mended", async () => {
  const { page, close } = await open("citizen", { as: ["citizen", 5], view: "/orders" });
  await page.getByRole("heading", { level: 1 }).waitFor();
  await page.route("**/graphql", (route) => route.fulfill({ status: 502, body: "bad gateway" }));
  await page.goto(addressOf("citizen", "/records"));
  await page.getByRole("alert").getByText("没有读到").waitFor({ timeout: 20_000 });
  await accessible(page);
  await picture(page, "citizen-records-failed-phone-light");
  await page.unroute("**/graphql");
  await page.getByRole("alert").getByRole("button", { name: "重试" }).click();
  await page.getByRole("article").first().waitFor();
  await close();
});

test("English speaks of the same things", async () => {
  const { page, wrong, close } = await open("citizen", { as: ["citizen", 5] });
  await page.evaluate(() => localStorage.setItem("xinyi-language", "en"));
  await page.goto(addressOf("citizen", "/leave"));
  await page.reload();
  await page.getByRole("heading", { name: "Export and leave" }).waitFor();
  await page.goto(addressOf("citizen", "/settings"));
  await page.getByRole("heading", { name: "Where you are signed in" }).waitFor();
  await picture(page, "citizen-settings-phone-english");
  assert.deepEqual(wrong, []);
  await close();
});
