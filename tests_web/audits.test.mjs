// The audits of graphql-http: the GraphQL-over-HTTP specification, clause by clause.
import assert from "node:assert/strict";
import test from "node:test";
import { serverAudits } from "graphql-http";
import { url } from "./city.mjs";

for (const audit of serverAudits({ url, fetchFn: fetch })) {
  test(`${audit.id} ${audit.name}`, async () => {
    const result = await audit.fn();
    assert.equal(result.status, "ok", result.reason);
  });
}
