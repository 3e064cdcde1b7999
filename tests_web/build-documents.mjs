// The manifest of the mini-program's operations, as GraphQL Code Generator writes it: `sha256:` and hash → text; and for the
// mini-program itself their ids and types. With --check nothing is written, and a stale one is exit code 1.
import { generate } from "@graphql-codegen/cli";
import { readFileSync, writeFileSync } from "node:fs";
import config from "./codegen.mjs";

const generated = (name) => readFileSync(new URL(`generated/${name}`, import.meta.url), "utf8");
await generate({ ...config, cwd: import.meta.dirname, silent: true, errorsOnly: true }, true);
const written = JSON.parse(generated("typed/persisted-documents.json"));
const byName = Object.entries(written).sort(([, one], [, other]) => (one < other ? -1 : 1));
const ids = byName.map(([id, text]) => {
  const [, name] = /(?:query|mutation|subscription) (\w+)/.exec(text);
  return `  ${name}: { id: "${id}" } as Document<${name}, ${name}Variables>,`;
});
const ours = `// Made by \`make documents\` from operations/*.graphql.
/** An operation that the server knows by its id, with the types of its answer and its variables. */
export interface Document<Answer, Variables> {
  readonly id: string;
  readonly of?: (variables: Variables) => Answer;
}

${generated("miniprogram-types.ts").trim()}

export const documents = {
${ids.join("\n")}
};
`;
const files = { "documents.json": `${JSON.stringify(Object.fromEntries(byName), null, 2)}\n`, "miniprogram/documents.ts": ours };
for (const [name, text] of Object.entries(files)) {
  const file = new URL(`../examples/miniprogram/${name}`, import.meta.url);
  if (!process.argv.includes("--check")) {
    writeFileSync(file, text);
  } else if (readFileSync(file, "utf8") !== text) {
    console.error(`examples/miniprogram/${name} 不是最新:请运行 make documents 并一同提交。`);
    process.exit(1);
  }
}
