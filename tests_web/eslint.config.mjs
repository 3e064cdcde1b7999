// graphql-eslint: its recommended and Relay rules over the schema, its recommended ones over the mini-program's operations.
// Run from the repository's root. Every exception stands here with its reason, and in docs/clients.md.
import graphql from "@graphql-eslint/eslint-plugin";

const language = {
  parser: graphql.parser,
  parserOptions: { graphQLConfig: { schema: "schema.graphql", documents: "examples/miniprogram/operations/*.graphql" } },
};

/** A rule that says nothing of these names. */
function except(name, allowed) {
  const rule = graphql.rules[name];
  const create = (context) => {
    const report = (found) => allowed.includes(found.node.value) || context.report(found);
    return rule.create(Object.create(context, { report: { value: report } }));
  };
  return { ...rule, create };
}

// Nouns that begin like their type: a register of queries, matters that may be queried, rights to query.
const nouns = ["queryRegister", "queryMatters", "queryRights"];
const plugins = {
  "@graphql-eslint": {
    ...graphql,
    rules: {
      ...graphql.rules,
      "naming-convention": except("naming-convention", nouns),
      // `grantedAt` of a Grant is a time like any other `…At`; a Label is nothing but its label, Labels nothing but labels.
      "no-typename-prefix": except("no-typename-prefix", [...nouns, "grantedAt", "label", "labels"]),
    },
  },
};

const forSchema = {
  ...graphql.configs["flat/schema-recommended"].rules,
  ...graphql.configs["flat/schema-relay"].rules,
  // A line of a score or a step of a case is part of something: an id would promise that it can be fetched by itself.
  "@graphql-eslint/strict-id-in-types": "off",
  "@graphql-eslint/relay-edge-types": [
    "error",
    {
      // What implements Node can be had by `node(id:)` by whoever may read its type; the rest is reached through what it
      // belongs to, where the rights are known.
      shouldImplementNode: false,
      // Short lists that belong to one thing (the lines of a score) come whole.
      listTypeCanWrapOnlyEdgeType: false,
    },
  ],
  // Pages go forward by keyset; nothing here is read from its end.
  "@graphql-eslint/relay-arguments": ["error", { includeBoth: false }],
};

// Relay wants what this rule forbids: `…Query`, `…Mutation`, `…Subscription`, and fragments named Module_property.
const operations = graphql.configs["flat/operations-recommended"].rules;
const [level, { OperationDefinition, ...naming }] = operations["@graphql-eslint/naming-convention"];
const { forbiddenSuffixes, ...operationNames } = OperationDefinition;
const forRelay = {
  ...naming,
  OperationDefinition: operationNames,
  FragmentDefinition: { requiredPattern: /^[A-Z][A-Za-z]*_[a-z][A-Za-z]*$/ },
};

export default [
  { files: ["schema.graphql"], languageOptions: language, plugins, rules: forSchema },
  {
    files: ["examples/miniprogram/operations/*.graphql"],
    languageOptions: language,
    plugins,
    rules: { ...operations, "@graphql-eslint/naming-convention": [level, forRelay] },
  },
];
