// Compile the mini-program's operations, and those in relay/, with relay-compiler into generated/relay.
import { spawnSync } from "node:child_process";
import { cpSync, writeFileSync } from "node:fs";
import { writeModules } from "./sources.mjs";

const to = new URL("generated/relay/", import.meta.url);
writeModules(to);
cpSync(new URL("relay/", import.meta.url), to, { recursive: true });
writeFileSync(new URL("generated/relay-documents.json", import.meta.url), "{}"); // the compiler adds to what is there
const compiler = new URL("node_modules/relay-compiler/cli.js", import.meta.url).pathname;
const ran = spawnSync(process.execPath, [compiler, "relay.config.json"], { cwd: import.meta.dirname, stdio: "inherit" });
process.exit(ran.status ?? 1);
