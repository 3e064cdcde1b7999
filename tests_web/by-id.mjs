// Ask for the notice by the id of its document, as a mini-program in production does: node by-id.mjs HASH
import assert from "node:assert/strict";
import { authorization, url } from "./city.mjs";

const response = await fetch(url, {
  method: "POST",
  headers: { "content-type": "application/json", accept: "application/graphql-response+json", ...authorization("citizen") },
  body: JSON.stringify({ documentId: `sha256:${process.argv[2]}` }),
});
assert.equal(response.status, 200);
assert.ok((await response.json()).data.enrollmentNotice.text.length > 0);
