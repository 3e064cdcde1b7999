// The operator's desk at its models: one from draft to published with its report, by different people, and rolled
// back. One thing to know: it is the entrepreneurs' code of Huizhou that changes, by which no offer goes and which no other
// story looks at, and after the rollback it is as if nothing had been.
import assert from "node:assert/strict";
import test from "node:test";
import { address } from "../city.mjs";
import { addressOf, closeBrowser, everyLook, open } from "../pages.mjs";

test.after(closeBrowser);

const MODEL = "huixinma-entrepreneur";
const today = new Intl.DateTimeFormat("en-CA", { timeZone: "Asia/Shanghai" }).format();

async function ask(query, variables = {}, role = "operator") {
  const headers = { "content-type": "application/json" };
  const signIn = await fetch(`${address}/sign-in/demo`, { method: "POST", headers, body: JSON.stringify({ role, n: 1 }) });
  headers.authorization = `Bearer ${(await signIn.json()).access_token}`;
  const answer = await (await fetch(`${address}/graphql`, { method: "POST", headers, body: JSON.stringify({ query, variables }) })).json();
  assert.equal(answer.errors, undefined, JSON.stringify(answer));
  return answer.data;
}

/** What anybody reads about the model now. */
const inForce = async () => (await ask("query ($id: ID!) { scoreModel(id: $id) { version grades { code when } } }", { id: MODEL })).scoreModel;

/** A version name that was never used, so that the story can be told again in one city. */
async function freshVersion() {
  const { modelVersions } = await ask(`{ modelVersions(model: "${MODEL}", first: 100) { edges { node { version } } } }`);
  const used = modelVersions.edges.map(({ node }) => node.version);
  return Array.from({ length: 99 }, (_, n) => `2026-12-${String(n + 1).padStart(2, "0")}`).find((one) => !used.includes(one));
}

const view = (page, path) => page.goto(addressOf("operator", path));
/** A run may take longer than a busy server gives a request; then it says so, and is asked again. */
const allowed = (text) => text.includes("status of 503");
const heading = (page, name) => page.getByRole("heading", { name, exact: true });

/** Do something in the dialog of a step; gives the dialog. */
async function act(page, name, { reason = "", from } = {}) {
  await page.getByRole("button", { name, exact: true }).click();
  const dialog = page.getByRole("dialog", { name });
  await dialog.getByLabel("理由").fill(reason);
  if (from) await dialog.getByLabel("从哪一天起生效").fill(from);
  await dialog.getByRole("button", { name: "确定" }).click();
  return dialog;
}
/** The dialog closes when it is done. */
async function gone(dialog) {
  const busy = dialog.getByRole("alert");
  for (let tries = 0; tries < 5; tries++) {
    await dialog.waitFor({ state: "hidden", timeout: 15_000 }).catch(() => undefined);
    if (!(await dialog.isVisible())) return;
    if (await busy.isVisible()) await dialog.getByRole("button", { name: "确定" }).click();
  }
  assert.fail(await dialog.innerText());
}

test("a model goes from draft to published by different people, is in force, and is rolled back", async () => {
  const version = await freshVersion();
  const before = await inForce();
  const path = `/models/${MODEL}?version=${version}`;
  const author = await open("operator", { as: ["operator", 1], view: "/models", size: "desktop", allowed });
  const { page } = author;

  // The text of the version in force, with one number changed.
  await page.getByRole("link", { name: "惠信码(企业家)" }).last().click();
  await page.getByRole("link", { name: "从现行版本起草新版本" }).click();
  const content = page.getByLabel("模型(YAML)");
  const cases = page.getByLabel("用例表(YAML)");
  await page.getByText("从 2022-04 版开始").waitFor();
  for (let tries = 0; !(await content.inputValue()) && tries < 50; tries++) await page.waitForTimeout(100);
  const [was, table] = [await content.inputValue(), await cases.inputValue()];
  const changed = was.replace(/^version: .*$/m, `version: "${version}"`).replace("name: A 级, at_least: 68", "name: A 级, at_least: 66");
  const send = page.getByRole("button", { name: "检查并保存草稿" });

  // What is broken is said with its line, and is not kept.
  await content.fill(changed.replace("floor: 0", "floor: -5"));
  await send.click();
  const broken = changed.split("\n").findIndex((line) => line.includes("floor: 0")) + 1;
  await page.getByRole("alert").filter({ hasText: `模型(YAML)第 ${broken} 行` }).waitFor();
  await everyLook(page, "operator-draft");
  await content.fill(changed);
  await send.click();
  await page.getByRole("alert").filter({ hasText: "用例表(YAML)第 13 行" }).waitFor();
  await page.getByText("结果是 66 分、等级 A,与 expect 不符").waitFor();
  await cases.fill(table.replace("expect: {points: 66, grade: B}", "expect: {points: 66, grade: A}").replace("expect: {points: 67.99, grade: B}", "expect: {points: 67.99, grade: A}"));
  await send.click();

  // What it changes, in words.
  await page.getByText("先模拟:用已加入的主体").waitFor();
  await page.getByRole("tab", { name: "与现行版本比较" }).click();
  await page.getByRole("cell", { name: /66/ }).first().waitFor();
  await everyLook(page, "operator-change");
  await page.getByRole("tab", { name: "规则" }).click();
  await heading(page, "看哪些信息").waitFor();
  await everyLook(page, "operator-rules");

  await gone(await act(page, "模拟"));
  await page.getByRole("tab", { name: "模拟报告" }).click();
  await heading(page, "等级之间的变动").waitFor();
  const moves = page.getByRole("region", { name: "等级之间的变动" });
  const figures = Object.fromEntries(await moves.getByRole("row").evaluateAll((rows) => rows.slice(1).map((row) => [row.cells[0].textContent, [...row.cells].slice(1).map((cell) => cell.textContent)])));
  assert.match(figures["B 级"][0], /^\d+0$/, "those who move from B to A are told in tens");
  await page.locator("figure canvas").nth(3).waitFor();
  await heading(page, "不同人群").waitFor();
  await page.getByText("低于 0.8,等待签署。").first().waitFor();
  await everyLook(page, "operator-report");

  // Nobody reviews, signs for or publishes their own.
  const refused = await act(page, "复核");
  await refused.getByRole("alert").filter({ hasText: "起草人不能复核自己起草的版本。请由另一位工作人员复核。" }).waitFor();
  await everyLook(page, "operator-refused");
  await refused.getByRole("button", { name: "取消" }).click();

  const reviewer = await open("operator", { as: ["reviewer", 1], view: path, size: "desktop", allowed });
  const reason = "企业家人数少,各组差异来自任职企业的规模,每季度复看一次,差异扩大即重新评估。";
  await gone(await act(reviewer.page, "签署人群差异", { reason }));
  await reviewer.page.getByRole("tab", { name: "模拟报告" }).click();
  await reviewer.page.getByText(`签署:${reason}`).first().waitFor();
  await gone(await act(reviewer.page, "复核", { reason: "变动符合预期" }));
  await gone(await act(reviewer.page, "影子运行"));

  await view(page, path);
  await page.reload();
  const own = await act(page, "发布", { from: today });
  await own.getByRole("alert").filter({ hasText: "起草人不能发布自己起草的版本" }).waitFor();
  assert.equal((await inForce()).version, before.version);
  const second = await open("operator", { as: ["reviewer", 2], view: path, size: "desktop", allowed });
  await gone(await act(second.page, "发布", { from: today }));
  await second.page.getByText("已经发布,按日期生效。").waitFor();
  await everyLook(second.page, "operator-model");

  // Anybody reads it, on the public page too.
  const published = await inForce();
  assert.equal(published.version, version);
  assert.match(published.grades.find(({ code }) => code === "A").when, /66/);

  await gone(await act(second.page, "撤回", { reason: "演示完毕,恢复原来的版本" }));
  await second.page.getByText("这一版的工作已经结束。").waitFor();
  assert.deepEqual(await inForce(), before);
  for (const { wrong, close } of [author, reviewer, second]) {
    assert.deepEqual(wrong, []);
    await close();
  }
});
