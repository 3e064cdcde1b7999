// The others in stories about rights, who act by request: one answer to one document as somebody of the demo city.
import assert from "node:assert/strict";
import { address, SHOW, url, VERIFY } from "../city.mjs";

const tokens = new Map();

async function tokenOf(role, n) {
  const key = `${role}-${n}`;
  if (!tokens.has(key)) {
    const headers = { "content-type": "application/json" };
    const answer = await fetch(`${address}/sign-in/demo`, { method: "POST", headers, body: JSON.stringify({ role, n }) });
    tokens.set(key, (await answer.json()).access_token);
  }
  return tokens.get(key);
}

/** The data of one document, asked as somebody. */
export async function askAs(role, n, query, variables = {}) {
  const headers = { "content-type": "application/json", authorization: `Bearer ${await tokenOf(role, n)}` };
  const answer = await fetch(url, { method: "POST", headers, body: JSON.stringify({ query, variables }) });
  const body = await answer.json();
  assert.equal(body.errors, undefined, JSON.stringify(body));
  return body.data;
}

/** A fresh code of somebody. */
export async function showCode(role, n) {
  return (await askAs(role, n, SHOW, { input: {} })).issueCreditCode.token;
}

/** What a partner's first offer answers about somebody. */
export async function verify(role, n, sector, at) {
  const { partner } = await askAs(sector, at, "{ partner { offers(first: 1) { edges { node { id } } } } }");
  const input = { requestId: crypto.randomUUID(), code: await showCode(role, n), offerId: partner.offers.edges[0].node.id };
  const { verifyCreditCode } = await askAs(sector, at, VERIFY, { input });
  assert.equal(verifyCreditCode.__typename, "Verification", verifyCreditCode.message);
  return verifyCreditCode;
}
