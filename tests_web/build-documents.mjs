// The manifest of the mini-program's operations, as GraphQL Code Generator writes it: `sha256:` and hash → text. With
// --check nothing is written, and a stale one is exit code 1.
import { generate } from "@graphql-codegen/cli";
import { readFileSync, writeFileSync } from "node:fs";
import config from "./codegen.mjs";

const manifest = new URL("../examples/miniprogram/documents.json", import.meta.url);
await generate({ ...config, cwd: import.meta.dirname, silent: true, errorsOnly: true }, true);
const written = JSON.parse(readFileSync(new URL("generated/typed/persisted-documents.json", import.meta.url), "utf8"));
const byName = Object.entries(written).sort(([, one], [, other]) => (one < other ? -1 : 1));
const text = `${JSON.stringify(Object.fromEntries(byName), null, 2)}\n`;
if (!process.argv.includes("--check")) {
  writeFileSync(manifest, text);
} else if (readFileSync(manifest, "utf8") !== text) {
  console.error("examples/miniprogram/documents.json 不是最新:请运行 make documents 并一同提交。");
  process.exit(1);
}
