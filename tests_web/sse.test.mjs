// The npm client graphql-sse, in its mode of distinct connections.
import assert from "node:assert/strict";
import test from "node:test";
import { createClient } from "graphql-sse";
import { NAME, SCANNED, SHOW, authorization, scan, scanUntil, token, url } from "./city.mjs";

const client = (headers = authorization("citizen"), options = {}) => createClient({ url, headers, retryAttempts: 0, ...options });

async function first(open, payload) {
  for await (const answer of open.iterate(payload)) return answer;
}

test("a query is answered", async () => {
  assert.equal((await first(client(), { query: NAME })).data.me.enrolled, true);
});

test("a mutation is answered", async () => {
  const { data } = await first(client(), { query: SHOW, variables: { input: {} } });
  assert.equal(data.issueCreditCode.__typename, "CreditCode");
});

test("a scan is heard of", async () => {
  const { data } = await scanUntil(first(client(), { query: SCANNED }));
  assert.equal(data.codeScanned.outcome, "BENEFIT_APPLIES");
});

test("each subscription has a connection of its own, and both hear of a scan", async () => {
  const open = client();
  const [one, other] = await scanUntil(Promise.all([first(open, { query: SCANNED }), first(open, { query: SCANNED })]));
  assert.equal(one.data.codeScanned.offer.id, other.data.codeScanned.offer.id);
});

test("a query over a stream ends by itself", async () => {
  const answers = [];
  for await (const answer of client().iterate({ query: NAME })) answers.push(answer);
  assert.equal(answers.length, 1);
});

test("without a token, what is not public is refused with its code", async () => {
  const refused = await first(client({}), { query: NAME }).catch((error) => error);
  const code = refused.errors ? refused.errors[0].extensions.code : refused.response?.status;
  assert.ok(code === "UNAUTHENTICATED" || code === 401, String(code));
});

test("a wrong token is refused", async () => {
  const refused = await first(client({ authorization: "Bearer no.such.token" }), { query: NAME }).catch((error) => error);
  const code = refused.errors ? refused.errors[0].extensions.code : refused.response?.status;
  assert.ok(code === "UNAUTHENTICATED" || code === 401, String(code));
});

test("a document that does not hold is refused", async () => {
  const refused = await first(client(), { query: "{ nothing }" }).catch((error) => error);
  assert.ok(refused.errors?.length === 1 || refused.response?.status === 400);
});

test("who has heard enough closes the connection", async () => {
  const heard = client().iterate({ query: SCANNED });
  await scanUntil(heard.next());
  assert.deepEqual(await heard.return(), { done: true, value: undefined });
});

test("a subscription asked for as a stream is sent as one", async () => {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "text/event-stream", authorization: `Bearer ${token("citizen")}` },
    body: JSON.stringify({ query: NAME }),
  });
  assert.match(response.headers.get("content-type"), /^text\/event-stream/);
  const events = (await response.text()).split("\n").filter((line) => line.startsWith("event:"));
  assert.deepEqual(events.map((line) => line.slice(6).trim()), ["next", "complete"]);
});

test("who likes JSON as much gets JSON", async () => {
  const response = await fetch(url, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      accept: "application/graphql-response+json, application/graphql+json, application/json, text/event-stream, multipart/mixed",
      authorization: `Bearer ${token("citizen")}`,
    },
    body: JSON.stringify({ query: NAME }),
  });
  assert.match(response.headers.get("content-type"), /^application\/graphql-response\+json/);
  assert.equal((await response.json()).data.me.enrolled, true);
});

test("nobody else hears of a citizen's scan", async () => {
  const heard = client(authorization("other")).iterate({ query: SCANNED });
  const next = heard.next();
  await scan();
  await scan();
  const silence = new Promise((resume) => setTimeout(resume, 500, "silence"));
  assert.equal(await Promise.race([next, silence]), "silence");
  await heard.return();
});
