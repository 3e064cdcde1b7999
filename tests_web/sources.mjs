// The mini-program's operations, as text. One thing to know: a file is a module in Relay's sense, so the names in it begin
// with the file's name.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";

const folder = new URL("../examples/miniprogram/operations/", import.meta.url);

/** [module name, text] of every file, by name. */
export const sources = readdirSync(folder)
  .filter((name) => name.endsWith(".graphql"))
  .sort()
  .map((name) => [name.slice(0, -".graphql".length), readFileSync(new URL(name, folder), "utf8")]);

/** Write the operations as modules with `graphql` tags, the one form that relay-compiler reads. */
export function writeModules(to) {
  rmSync(to, { recursive: true, force: true });
  mkdirSync(to, { recursive: true });
  for (const [name, text] of sources) {
    // One tag holds one definition. Comments may hold backticks, so they stay behind.
    const bare = text.replace(/^#.*\n/gm, "");
    const tags = bare.split(/\n\n(?=fragment|query|mutation|subscription)/);
    const written = tags.map((tag) => `graphql\`\n${tag}\n\`;`).join("\n");
    writeFileSync(new URL(`${name}.js`, to), `import { graphql } from "relay-runtime";\n${written}\n`);
  }
}
