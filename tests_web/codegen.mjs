// GraphQL Code Generator: TypeScript for the mini-program's operations, as strict as it goes, and the manifest of their texts.

const types = {
  strictScalars: true,
  scalars: { Date: "string", DateTime: "string", Decimal: "string", Fen: "number" },
  enumsAsTypes: true,
  useTypeImports: true,
  immutableTypes: true,
  skipTypename: false,
};

/** @type {import("@graphql-codegen/cli").CodegenConfig} */
export default {
  schema: "../schema.graphql",
  documents: "../examples/miniprogram/operations/*.graphql",
  ignoreNoDocuments: false,
  generates: {
    "./generated/typed/": {
      preset: "client",
      presetConfig: { fragmentMasking: false, persistedDocuments: { mode: "embedHashInDocument", hashAlgorithm: "sha256" } },
      config: types,
    },
    // The mini-program's own: types alone, since it sends ids.
    "./generated/miniprogram-types.ts": {
      plugins: ["typescript-operations"],
      config: { ...types, omitOperationSuffix: true },
    },
  },
};
