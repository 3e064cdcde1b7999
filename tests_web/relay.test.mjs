// Relay: what relay-compiler made of the operations runs in a real relay-runtime, page by page and by `node(id:)`.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { registerHooks } from "node:module";
import test, { after } from "node:test";
import { createClient } from "graphql-ws";
import relay from "relay-runtime";
import WebSocket from "ws";
import { authorization, redeem, scan, scanUntil, socketUrl, url } from "./city.mjs";

// Compiled modules name each other without `.js`, as bundlers like it.
registerHooks({
  resolve: (name, context, next) => next(name.endsWith(".graphql") ? `${name}.js` : name, context),
});

const documents = JSON.parse(readFileSync(new URL("generated/relay-documents.json", import.meta.url), "utf8"));
const { Environment, Network, Observable, RecordSource, Store } = relay;
const compiled = async (name) => (await import(`./generated/relay/__generated__/${name}.graphql.js`)).default;
const sockets = createClient({ url: socketUrl, webSocketImpl: WebSocket, connectionParams: authorization("citizen") });

async function post({ id, name }, variables) {
  const headers = { "content-type": "application/json", accept: "application/graphql-response+json", ...authorization("citizen") };
  const body = JSON.stringify({ query: documents[id], operationName: name, variables });
  return (await fetch(url, { method: "POST", headers, body })).json();
}

const subscribe = ({ id, name }, variables) =>
  Observable.create((sink) => sockets.subscribe({ query: documents[id], operationName: name, variables }, sink));

after(() => sockets.dispose());
const environment = () => new Environment({ network: Network.create(post, subscribe), store: new Store(new RecordSource()) });

test("every document stands under the hash of its text", () => {
  const ids = Object.entries(documents);
  assert.ok(ids.length >= 15);
  for (const [id, text] of ids) assert.equal(createHash("sha256").update(text).digest("hex"), id);
});

test("a query fills the store", async () => {
  const city = environment();
  const { me } = await relay.fetchQuery(city, await compiled("ScoreQuery"), {}).toPromise();
  assert.ok(me.scores.length > 0);
  assert.equal(city.getStore().getSource().get(me.id).__typename, "CreditSubject");
});

async function commit(city, name, variables) {
  const mutation = await compiled(name);
  return new Promise((onCompleted, onError) => relay.commitMutation(city, { mutation, variables, onCompleted, onError }));
}

test("a mutation is committed", async () => {
  const { issueCreditCode } = await commit(environment(), "CodeMutation", { input: {} });
  assert.equal(issueCreditCode.__typename, "CreditCode");
});

test("pages come by node(id:) and are joined in the store, nothing twice and nothing left out", async () => {
  const city = environment();
  const fragment = await compiled("BenefitList_subject");
  const { refetch } = fragment.metadata;
  assert.equal(refetch.fragmentPathInResult[0], "node");
  const { me } = await relay.fetchQuery(city, await compiled("BenefitListQuery"), {}).toPromise();
  const selector = relay.getSingularSelector(fragment, me);
  const list = () => city.lookup(selector).data.benefits;
  const whole = [...list().edges];
  assert.equal(whole.length, 3);
  let pages = 1;
  while (list().pageInfo.hasNextPage && pages < 50) {
    const variables = { id: me.id, first: 3, after: list().pageInfo.endCursor };
    await relay.fetchQuery(city, refetch.operation, variables).toPromise();
    pages++;
  }
  const offers = list().edges.map((edge) => edge.node.offer.id);
  assert.equal(new Set(offers).size, offers.length);
  const asked = await relay.fetchQuery(city, await compiled("BenefitsQuery"), { first: 100 }).toPromise();
  assert.deepEqual(offers.slice(0, 100), asked.me.benefits.edges.map((edge) => edge.node.offer.id));
  assert.ok(pages > 2);
});

/** The first event of a subscription, as the promise `heard`. */
async function listen(name, city = environment()) {
  const subscription = await compiled(name);
  const heard = new Promise((onNext, onError) => {
    relay.requestSubscription(city, { subscription, variables: {}, onNext, onError });
  });
  return { heard };
}

test("a subscription reaches the store", async () => {
  const { heard } = await listen("LiveScanSubscription");
  const { codeScanned } = await scanUntil(heard);
  assert.equal(codeScanned.outcome, "BENEFIT_APPLIES");
});

test("a case that moves is written over the case that is shown", async () => {
  const city = environment();
  const moved = await listen("LiveCasesSubscription", city);
  await scanUntil((await listen("LiveScanSubscription")).heard); // what was asked for before is listening by now
  const { me } = await relay.fetchQuery(city, await compiled("ScoreQuery"), {}).toPromise();
  const input = { model: me.scores[0].model.id, ground: "WRONG", statement: "请核对这一结果。" };
  const { openObjection } = await commit(city, "CasesObjectMutation", { input });
  assert.equal(openObjection.__typename, "CreditCase");
  await moved.heard;
  const held = () => city.getStore().getSource().get(openObjection.id);
  assert.equal(held().ground, "wrong");
  const { withdrawCase } = await commit(city, "CasesWithdrawMutation", { input: { caseId: openObjection.id } });
  assert.equal(held().state, withdrawCase.state);
});

test("a use of a benefit says that benefits have changed", async () => {
  const changed = await listen("LiveBenefitsSubscription");
  await scanUntil((await listen("LiveScanSubscription")).heard);
  await redeem(await scan());
  assert.ok((await changed.heard).benefitsChanged.id);
});
