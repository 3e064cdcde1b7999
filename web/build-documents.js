// Every page folder's operations/*.graphql → generated/<folder>.ts: types, and for each operation the hash that stands
// for its text. The one thing to know: pages send hashes only, so a built page carries no GraphQL, and the texts go into
// dist/documents.json, by which the server knows them (trusted documents). In development the text goes along.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { codegen } from "@graphql-codegen/core";
import * as typescriptOperations from "@graphql-codegen/typescript-operations";
import { buildASTSchema, concatAST, parse, print, separateOperations, validate } from "graphql";

const PAGES = ["citizen", "desk", "operator", "open"];
const here = new URL(".", import.meta.url);
const parsedSchema = parse(readFileSync(new URL("../schema.graphql", here), "utf8"));
const schema = buildASTSchema(parsedSchema);
const SCALARS = { Date: "string", DateTime: "string", Decimal: "string", Fen: "number", JSON: "unknown" };

/** The operations of a folder, shared fragments included, as one document. */
function readDocuments(page) {
  const files = [`${page}/operations/`, "shared/operations/"].flatMap((folder) => {
    const at = new URL(folder, here);
    if (!existsSync(at)) return [];
    return readdirSync(at).filter((name) => name.endsWith(".graphql")).sort().map((name) => new URL(name, at));
  });
  const parsed = files.map((file) => {
    try {
      return parse(readFileSync(file, "utf8"));
    } catch (error) {
      throw new Error(`${file.pathname}: ${error.message}`);
    }
  });
  const document = concatAST(parsed);
  // A fragment may lie in shared/ for another page alone.
  const errors = validate(schema, document).filter((error) => !/is never used/.test(error.message));
  if (errors.length) throw new Error(errors.map((error) => `${page}: ${error}`).join("\n"));
  return document;
}

async function generate(page, manifest) {
  const document = readDocuments(page);
  const types = await codegen({
    filename: `${page}.ts`,
    schema: parsedSchema,
    documents: [{ document }],
    plugins: [{ operations: {} }],
    pluginMap: { operations: typescriptOperations },
    config: { strictScalars: true, scalars: SCALARS, useTypeImports: true, skipTypename: false, dedupeFragments: true },
  });
  const operations = Object.entries(separateOperations(document)).map(([name, own]) => {
    const text = print(own);
    const id = `sha256:${createHash("sha256").update(text).digest("hex")}`;
    const { operation } = own.definitions.find((one) => one.kind === "OperationDefinition");
    manifest[id] = text;
    const kind = operation[0].toUpperCase() + operation.slice(1);
    const rest = `id: "${id}", kind: "${operation}", ...(import.meta.env.DEV && { text: ${JSON.stringify(text)} })`;
    return `export const ${name}: Document<${name}${kind}, ${name}${kind}Variables> = { ${rest} };`;
  });
  const head = `// Made by build-documents.js.\nimport type { Document } from "../shared/graphql";\n`;
  write(`${page}.ts`, `${head}${types}\n${operations.join("\n")}\n`);
}

/** Write what has changed, at once: a development server may be looking. */
function write(name, text) {
  const file = new URL(`generated/${name}`, here);
  if (existsSync(file) && readFileSync(file, "utf8") === text) return;
  const beside = new URL(`${file}.${process.pid}`);
  writeFileSync(beside, text);
  renameSync(beside, file);
}

const manifest = {};
// vite copies from public/, so that one build has both.
mkdirSync(new URL("generated/public/", here), { recursive: true });
for (const page of PAGES) {
  try {
    await generate(page, manifest);
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
write("public/documents.json", `${JSON.stringify(manifest, null, 2)}\n`);
