// The demo city that the checks talk to: its address, tokens, and a scan at a gate.
import assert from "node:assert/strict";

export const address = process.env.CITY_ADDRESS;
export const url = `${address}/graphql`;
export const socketUrl = url.replace("http", "ws");
const tokens = JSON.parse(process.env.CITY_TOKENS);

/** The token of a demo account, such as `citizen`. */
export const token = (name) => tokens[name];
export const authorization = (name) => ({ authorization: `Bearer ${token(name)}` });

/** One answer to one document, without any client. */
export async function ask(name, query, variables = {}) {
  const headers = { "content-type": "application/json", ...(name && authorization(name)) };
  const response = await fetch(url, { method: "POST", headers, body: JSON.stringify({ query, variables }) });
  const body = await response.json();
  assert.equal(body.errors, undefined, JSON.stringify(body));
  return body.data;
}

export const SHOW = `mutation Show($input: IssueCreditCodeInput!) {
  issueCreditCode(input: $input) { __typename ... on CreditCode { id token expiresAt } ... on Problem { code message } }
}`;
export const VERIFY = `mutation Verify($input: VerifyCreditCodeInput!) {
  verifyCreditCode(input: $input) {
    __typename ... on Verification { id outcome benefit } ... on Problem { code message }
  }
}`;
export const NAME = "query Name { me { id displayName enrolled } }";
export const SCANNED = "subscription Scanned { codeScanned { at action outcome offer { id title } partner { id name } } }";
let offerId;

/** The citizen shows a code, the scenic spot scans it; what it was answered. */
export async function scan() {
  offerId ??= (await ask("scenic", "{ partner { offers(first: 1) { edges { node { id } } } } }")).partner.offers.edges[0].node.id;
  const shown = await ask("citizen", SHOW, { input: {} });
  const input = { requestId: crypto.randomUUID(), code: shown.issueCreditCode.token, offerId };
  const { verifyCreditCode } = await ask("scenic", VERIFY, { input });
  assert.equal(verifyCreditCode.__typename, "Verification");
  return { ...verifyCreditCode, offerId };
}

const REDEEM = `mutation Redeem($input: RedeemBenefitInput!) {
  redeemBenefit(input: $input) { __typename ... on Redemption { id } ... on Problem { code message } }
}`;

/** The scenic spot gives the benefit of a scan: a use more, of which there may be only so many. */
export async function redeem({ id }) {
  const input = { requestId: crypto.randomUUID(), verificationId: id };
  const { redeemBenefit } = await ask("scenic", REDEEM, { input });
  assert.equal(redeemBenefit.__typename, "Redemption");
}

/** Scan, again and again, until a promise is fulfilled: a subscription says nowhere that it has begun. */
export async function scanUntil(promise) {
  let done = false;
  const finished = promise.finally(() => (done = true));
  while (!done) {
    await Promise.race([scan(), finished]);
    await Promise.race([new Promise((resume) => setTimeout(resume, 300)), finished]);
  }
  return finished;
}

/** Somebody of the demo city, signed in: a function that asks in that name. */
export async function actAs(role, n = 1) {
  const headers = { "content-type": "application/json" };
  const answer = await fetch(`${address}/sign-in/demo`, { method: "POST", headers, body: JSON.stringify({ role, n }) });
  const { access_token: held } = await answer.json();
  return async (query, input) => {
    const body = JSON.stringify({ query, variables: { input } });
    const response = await fetch(url, { method: "POST", headers: { ...headers, authorization: `Bearer ${held}` }, body });
    const { data, errors } = await response.json();
    assert.equal(errors, undefined, JSON.stringify(errors));
    return data;
  };
}
