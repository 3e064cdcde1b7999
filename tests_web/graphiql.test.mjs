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

test("GraphiQL runs its first document and shows the answer", async () => {
  const { page, wrong } = await opened();
  await page.click(".graphiql-execute-button");
  await page.waitForSelector(".graphiql-response >> text=standardService");
  assert.deepEqual(wrong, []);
});

test("GraphiQL knows the schema, and asks as the holder of a token", async () => {
  const { page, wrong } = await opened();
  await page.click("text=Mine");
  await page.click(".graphiql-editor-tool .CodeMirror");
  await page.keyboard.press("Control+A");
  await page.keyboard.insertText(JSON.stringify({ Authorization: `Bearer ${token("citizen")}` }));
  await page.click(".graphiql-execute-button");
  await page.waitForSelector(".graphiql-response >> text=displayName");
  await page.click('[aria-label="Show Documentation Explorer"]');
  await page.waitForSelector("text=Root Types");
  assert.deepEqual(wrong, []);
});
