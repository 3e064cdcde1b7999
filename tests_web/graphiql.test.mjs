// The page for trying documents, opened in a real browser: it works without anything from outside, under its policy.
import assert from "node:assert/strict";
import test from "node:test";
import { chromium } from "playwright-core";
import { address, token } from "./city.mjs";

const QUIET = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"];
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  args: [...QUIET, "--disable-component-update", "--disable-sync"],
});
test.after(() => browser.close());

/** The page, and what went wrong on it: refused by the policy, thrown, asked of somebody else. */
async function opened() {
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  const wrong = [];
  page.on("pageerror", (error) => wrong.push(String(error).slice(0, 300)));
  page.on("console", (said) => said.type() === "error" && wrong.push(said.text().slice(0, 300)));
  page.on("request", (request) => {
    if (!request.url().startsWith(address) && !request.url().startsWith("data:")) wrong.push(`outside: ${request.url()}`);
  });
  await page.goto(`${address}/graphql`);
  await page.waitForSelector(".graphiql-execute-button");
  return { page, wrong };
}

/** Run the document until its answer is there: editors that are still loading do not hear a click. */
async function run(page, expected) {
  const answer = page.locator(`.graphiql-response >> text=${expected}`).first();
  while (!(await answer.isVisible())) {
    await page.click(".graphiql-execute-button");
    await page.waitForTimeout(500);
  }
}

test("GraphiQL runs its first document and shows the answer", async () => {
  const { page, wrong } = await opened();
  await run(page, "standardService");
  assert.deepEqual(wrong, []);
});

test("GraphiQL knows the schema, and asks as the holder of a token", async () => {
  const { page, wrong } = await opened();
  await page.waitForSelector(".graphiql-query-editor >> text=standardService");
  await page.click("text=Mine");
  await page.click("button:has-text('Headers')");
  await page.locator(".graphiql-editor-tool .CodeMirror").last().click();
  await page.keyboard.press("Control+A");
  await page.keyboard.insertText(JSON.stringify({ Authorization: `Bearer ${token("citizen")}` }));
  await run(page, "displayName");
  await page.click('[aria-label="Show Documentation Explorer"]');
  await page.waitForSelector("text=Root Types");
  assert.deepEqual(wrong, []);
});
