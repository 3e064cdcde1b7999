// Pages in a real browser, as somebody uses them. One thing to know: whatever goes wrong on a page (refused by its policy,
// thrown, asked of somebody else) is collected, and a story ends by asking that nothing did.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import AxeBuilder from "@axe-core/playwright";
import { chromium } from "playwright-core";
import { address } from "./city.mjs";

const QUIET = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"];
const PATHS = { citizen: "/", desk: "/desk", operator: "/operator", open: "/open" };
/** `npm run dev` in web/ serves the sources, at another address and without the policy. */
const developing = process.env.PAGES_ADDRESS;
const pictures = process.env.PAGES_PICTURES;
export const SIZES = { phone: { width: 390, height: 844 }, desktop: { width: 1280, height: 800 } };

/** What pages have asked to be told of. */
const subscribed = new WeakMap();

let launched;

/** The one browser of this file; closed by `closeBrowser`. */
export async function browser() {
  launched ??= chromium.launch({
    executablePath: process.env.CHROMIUM,
    args: [...QUIET, "--disable-component-update", "--disable-sync"],
  });
  return launched;
}
export const closeBrowser = async () => launched && (await (await launched).close());

/** Where a page lies; `view` is what comes after the `#`. */
export const addressOf = (name, view = "/") =>
  developing ? `${developing}/${name}/index.html#${view}` : `${address}${PATHS[name]}#${view}`;

/**
 * A page, opened in a browser of its own. `as: ["citizen", 1]` signs in through the page's form first.
 * Gives Playwright's page, and `wrong`: what went wrong on it, but for what `allowed` lets pass and whom else the page may
 * ask (`from`).
 */
export async function open(name, { as, view = "/", size = "phone", dark = false, language = "zh-CN", permissions = [], allowed = () => false, from = [] } = {}) {
  const context = await (await browser()).newContext({
    viewport: SIZES[size],
    colorScheme: dark ? "dark" : "light",
    locale: language,
    // What fades in is not yet what people read, and a busy machine takes its time over it.
    reducedMotion: "reduce",
    permissions,
    acceptDownloads: true,
  });
  const page = await context.newPage();
  const wrong = [];
  const note = (text) => allowed(text) || wrong.push(text.slice(0, 300));
  page.on("pageerror", (error) => note(String(error)));
  subscribed.set(page, new Set());
  page.on("websocket", (socket) => socket.on("framesent", ({ payload }) => {
    const { type, id } = JSON.parse(payload);
    if (type === "subscribe") subscribed.get(page).add(id);
  }));
  page.on("console", (said) => said.type() === "error" && note(said.text()));
  page.on("request", (request) => {
    const own = [address, developing, "data:", "blob:", ...from].filter(Boolean);
    if (!own.some((start) => request.url().startsWith(start))) note(`outside: ${request.url()}`);
  });
  await page.goto(addressOf(name, view));
  if (as) await signIn(page, ...as);
  return { page, wrong, close: () => context.close() };
}

/** Wait until the page has asked to be told of that many things; the server hears of it before it hears of what is done
 * by a request that goes out later. */
export async function listening(page, many) {
  for (let tries = 0; subscribed.get(page).size < many; tries++) {
    assert.ok(tries < 300, `the page listens to ${subscribed.get(page).size} of ${many}`);
    await page.waitForTimeout(50);
  }
}

/** Choose a person of the demo in the form that is open. */
export async function signIn(page, role, n = 1) {
  await page.locator(`input[name=role][value="${role}"]`).check();
  if (n !== 1) await page.locator(".number input").fill(String(n));
  await page.locator(".sign-in button[type=submit]").click();
  await page.locator(".sign-in").waitFor({ state: "detached" });
}

/** Nobody is kept out: axe finds nothing serious. */
export async function accessible(page) {
  const { violations } = await new AxeBuilder({ page }).analyze();
  const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  assert.deepEqual(
    serious.map(({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html.slice(0, 160)} ${failureSummary?.slice(0, 200)}`).join(" | ")}`),
    [],
  );
}

/** Keep a picture, where somebody asked for pictures (`PAGES_PICTURES=folder`). */
export async function picture(page, name) {
  if (!pictures) return;
  mkdirSync(pictures, { recursive: true });
  await page.screenshot({ path: `${pictures}/${name}.png`, fullPage: true, animations: "disabled" });
}

/** The bytes of a QR code as a camera sees it: read from the pixels of the screen, by another library than the page's. Like
 * a camera it looks again where it saw none, as while a page is still being drawn. */
export async function readQr(page, selector) {
  const { prepareZXingModule, readBarcodes } = await import("zxing-wasm/reader");
  // By itself it would fetch this from outside.
  const wasmBinary = readFileSync(new URL("node_modules/zxing-wasm/dist/reader/zxing_reader.wasm", import.meta.url)).buffer;
  prepareZXingModule({ overrides: { wasmBinary } });
  for (let looks = 0; looks < 20; looks += 1) {
    const seen = await page.locator(selector).screenshot();
    const [found] = await readBarcodes(new Blob([seen]), { formats: ["QRCode"], tryHarder: true });
    if (found?.text) return found.text;
    await page.waitForTimeout(250);
  }
  await picture(page, "unreadable");
  return assert.fail("there is no QR code to be read");
}

/** A page as it stands, in both sizes, light and dark: a picture of each, and axe where they differ most. */
export async function everyLook(page, name) {
  for (const [size, viewport] of Object.entries(SIZES)) {
    await page.setViewportSize(viewport);
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme });
      // Charts are drawn anew.
      await page.waitForTimeout(350);
      await picture(page, `${name}-${size}-${colorScheme}`);
      if ((size === "desktop") === (colorScheme === "light")) await accessible(page);
    }
  }
  await page.setViewportSize(SIZES.desktop);
  await page.emulateMedia({ colorScheme: "light" });
}
