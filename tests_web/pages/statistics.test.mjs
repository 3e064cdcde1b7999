// The operator's desk at its figures: grades by district and industry, use by partner, lending; charts, tables and files.
import assert from "node:assert/strict";
import test from "node:test";
import { addressOf, closeBrowser, everyLook, open } from "../pages.mjs";

test.after(closeBrowser);

const view = (page, path) => page.goto(addressOf("operator", path));

test("figures are charts and tables, of what may be told", async () => {
  const { page, wrong, close } = await open("operator", { as: ["operator", 2], view: "/models", size: "desktop" });
  await page.getByRole("link", { name: "河北省企业信用分类" }).waitFor();
  await everyLook(page, "operator-models");

  await view(page, "/statistics");
  await page.getByLabel("地方").selectOption({ label: "广东省惠州市" });
  await page.getByRole("region", { name: "各等级企业数(向下取整到十)" }).getByRole("rowheader", { name: "未分列" }).waitFor();
  const cells = await page.getByRole("region", { name: "各等级企业数(向下取整到十)" }).getByRole("cell").allTextContents();
  assert.ok(cells.length > 5);
  for (const cell of cells) assert.match(cell, /^(不足 10|\d+0( \([+-]\d+0\))?)$/);
  await everyLook(page, "operator-statistics");
  await page.getByLabel("分列方式").selectOption("INDUSTRY");
  await page.getByRole("rowheader", { name: "制造业" }).waitFor();
  const [table] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "下载表格(CSV)" }).first().click()]);
  assert.match(table.suggestedFilename(), /^guangdong-huizhou-huixinma-enterprise-industry-\d{4}-\d{2}\.csv$/);
  await page.getByLabel("地方").selectOption({ label: "湖南省邵阳市" });
  await page.getByRole("rowheader", { name: /年/ }).first().waitFor();

  await view(page, "/usage");
  await page.getByRole("region", { name: "各机构优惠使用次数" }).waitFor();
  await everyLook(page, "operator-usage");
  const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "下载月报(CSV)" }).click()]);
  assert.match(file.suggestedFilename(), /^usage-\d{4}-\d{2}\.csv$/);

  await view(page, "/loans");
  await page.getByLabel("地方").selectOption({ label: "湖南省邵阳市" });
  await page.getByRole("region", { name: "每季度放款(万元)" }).getByText("邵阳青竹银行(演示)").first().waitFor();
  await everyLook(page, "operator-loans");
  assert.deepEqual(wrong, []);
  await close();
});
