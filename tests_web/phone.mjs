// The mini-program example outside WeChat: its own sources, compiled, run by miniprogram-simulate in a real browser. One
// thing to know: `wx` is a stand-in that asks the demo city for real, so what the pages show is what they would be told.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { address } from "./city.mjs";
import { browser } from "./pages.mjs";

const project = new URL("../examples/miniprogram/", import.meta.url).pathname;
const sources = join(project, "miniprogram");
const packages = join(import.meta.dirname, "node_modules");

/** All files below a folder, by their path in it. */
function below(folder, ends) {
  return readdirSync(folder, { recursive: true })
    .filter((name) => ends.some((end) => name.endsWith(end)))
    .map((name) => [relative(folder, join(folder, name)), readFileSync(join(folder, name), "utf8")]);
}

/** Styles as WeChat understands them: 750rpx are the width of the screen, and `page` is the root. Those of all components
 * go together, since what simulates them stumbles over variables. */
const styles = () =>
  below(sources, [".wxss"])
    .map(([, text]) => text.replace(/@import .*/, "").replace(/(\d+)rpx/g, (_, rpx) => `${(rpx * 390) / 750}px`))
    .join("\n")
    .replace(/^\s*page \{/gm, ":root {");

/** DevTools' own step for npm packages: where they are asked for by name, they lie in the project. */
const withPackage = (name, text) =>
  text.replace('require("qrcode-generator")', `require("${relative(dirname(name), "qrcode-generator")}")`);

/** The project as DevTools builds it, path → text; strict TypeScript or an error. `demo` is who signs in; null: WeChat. */
export function built(demo) {
  const folder = mkdtempSync(join(tmpdir(), "miniprogram-"));
  try {
    const options = ["--noEmit", "false", "--rootDir", sources, "--outDir", folder, "--typeRoots", packages];
    execFileSync(process.execPath, [join(packages, "typescript/bin/tsc"), "-p", project, ...options], { encoding: "utf8" });
    // miniprogram-simulate hands modules `module` alone.
    const scripts = below(folder, [".js"]).map(([name, text]) => [name, `var exports = module.exports;\n${withPackage(name, text)}`]);
    const files = Object.fromEntries([...scripts, ...below(sources, [".wxml", ".json"])]);
    files["qrcode-generator.js"] = `var exports = module.exports;\n${readFileSync(join(packages, "qrcode-generator/dist/qrcode.js"), "utf8")}`;
    files["config.js"] = `module.exports = { base: ${JSON.stringify(address)}, demo: ${JSON.stringify(demo)} };`;
    return files;
  } catch (error) {
    throw new Error(error.stdout || error.message);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** A phone with the mini-program on it. `see(path, properties)` shows a page or component; its handle is `window.shown`. */
export async function phone(files, { dark = false } = {}) {
  const context = await (await browser()).newContext({ viewport: { width: 390, height: 844 }, colorScheme: dark ? "dark" : "light", bypassCSP: true });
  const page = await context.newPage();
  await page.goto(`${address}/healthz`);
  await page.setContent("<body></body>");
  await page.addScriptTag({ path: join(packages, "miniprogram-simulate/build.js") });
  await page.addStyleTag({ content: `${styles()} body { margin: 0; font-family: sans-serif; background: var(--ground) } wx-view { display: block }` });
  await page.evaluate(setUp, files);
  const see = (path, properties = {}) =>
    page.evaluate(
      ([at, given]) => {
        document.body.replaceChildren();
        window.shown = window.simulate.render(window.simulate.load(at, { compiler: "simulate", rootPath: "/" }), given);
        window.shown.attach(document.body);
        window.shown.triggerLifeTime("ready");
        window.shown.triggerPageLifeTime("show");
      },
      [path, properties],
    );
  return { page, see, close: () => context.close() };
}

/** In the browser: the files, one instance of each module, and what of `wx` the project uses. */
function setUp(files) {
  window.__FILE_MAP__ = Object.fromEntries(Object.entries(files).map(([name, text]) => [`/${name}`, text]));
  const load = window.require;
  const loaded = new Map();
  window.require = (path) => {
    if (!loaded.has(path)) loaded.set(path, load(path));
    return loaded.get(path);
  };
  // miniprogram-simulate has no canvas: the component gets a real one, laid where its own would be.
  const make = window.Component;
  const createSelectorQuery = () => {
    const found = { select: () => found, fields: () => found, exec: (heard) => setTimeout(() => heard([canvas()])) };
    return found;
  };
  const canvas = () => {
    const place = document.querySelector("wx-canvas");
    if (place === null) return null;
    const node = document.createElement("canvas");
    const { width } = place.getBoundingClientRect();
    node.style.width = `${width}px`;
    place.replaceChildren(node);
    return { node, width };
  };
  window.Component = (options) => make({ ...options, options: { classPrefix: "" }, methods: { ...options.methods, createSelectorQuery } });
  window.stored = {};
  window.brightness = [];
  window.online = true;
  const request = async ({ url, method, data, header, success, fail }) => {
    try {
      if (!window.online) throw new Error("offline");
      const answer = window.answers?.(url, data) ?? (await (await fetch(url, { method, headers: header, body: JSON.stringify(data) })).json());
      success({ data: answer });
    } catch (error) {
      fail({ errMsg: String(error) });
    }
  };
  const connectSocket = ({ url, protocols }) => {
    const socket = new WebSocket(url, protocols);
    return {
      send: ({ data }) => socket.send(data),
      close: () => socket.close(),
      onOpen: (heard) => (socket.onopen = heard),
      onMessage: (heard) => (socket.onmessage = heard),
      onClose: (heard) => (socket.onclose = heard),
      onError: (heard) => (socket.onerror = heard),
    };
  };
  Object.assign(window.wx, {
    request,
    connectSocket,
    login: async () => ({ code: "from-wechat" }),
    getStorageSync: (name) => window.stored[name] ?? "",
    setStorageSync: (name, value) => (window.stored[name] = value),
    removeStorageSync: (name) => delete window.stored[name],
    setScreenBrightness: ({ value }) => window.brightness.push(value),
    setClipboardData: ({ data }) => (window.copied = data),
    stopPullDownRefresh: () => undefined,
    getWindowInfo: () => ({ pixelRatio: 2 }),
  });
}
