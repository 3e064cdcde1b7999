// The npm client graphql-ws, and the close codes of its protocol (graphql-transport-ws).
import assert from "node:assert/strict";
import test from "node:test";
import { createClient } from "graphql-ws";
import WebSocket from "ws";
import { NAME, SCANNED, SHOW, authorization, scan, scanUntil, socketUrl } from "./city.mjs";

const client = (options = {}) =>
  createClient({ url: socketUrl, webSocketImpl: WebSocket, retryAttempts: 0, connectionParams: authorization("citizen"), ...options });

/** The first answer of an operation that may have many. */
async function first(open, payload) {
  for await (const answer of open.iterate(payload)) return answer;
}

const ACKNOWLEDGED = "(the acknowledgement is waited for)";

/** With which code the server closes a socket that is sent these messages. */
function closing(messages, { protocol = "graphql-transport-ws" } = {}) {
  const socket = new WebSocket(socketUrl, protocol);
  return new Promise((resolve, reject) => {
    const rest = [...messages];
    const next = () => {
      while (rest.length && rest[0] !== ACKNOWLEDGED) {
        const message = rest.shift();
        socket.send(typeof message === "string" ? message : JSON.stringify(message));
      }
    };
    socket.on("open", next);
    socket.on("message", (data) => {
      if (JSON.parse(data).type === "connection_ack") {
        rest.shift();
        next();
      }
    });
    socket.on("close", resolve);
    socket.on("error", reject);
  });
}
const INIT = { type: "connection_init", payload: authorization("citizen") };
const subscribing = (id) => ({ type: "subscribe", id, payload: { query: SCANNED } });

test("a query is answered", async () => {
  const { data } = await first(client(), { query: NAME });
  assert.equal(data.me.enrolled, true);
});

test("a mutation is answered", async () => {
  const { data } = await first(client(), { query: SHOW, variables: { input: {} } });
  assert.equal(data.issueCreditCode.__typename, "CreditCode");
});

test("a document that does not hold is answered with errors, and the connection stays", async () => {
  const open = client({ lazy: false });
  await assert.rejects(first(open, { query: "{ nothing }" }), (errors) => errors[0].extensions.code.length > 0);
  assert.equal((await first(open, { query: NAME })).data.me.enrolled, true);
  await open.dispose();
});

test("a scan is heard of", async () => {
  const { data } = await scanUntil(first(client(), { query: SCANNED }));
  assert.equal(data.codeScanned.outcome, "BENEFIT_APPLIES");
  assert.equal(data.codeScanned.action, "verifyCreditCode");
});

test("two subscriptions on one connection hear of the same scan", async () => {
  const open = client();
  const both = Promise.all([first(open, { query: SCANNED }), first(open, { query: SCANNED })]);
  const [one, other] = await scanUntil(both);
  assert.deepEqual(one, other);
});

test("who completes a subscription hears no more, and the connection goes on", async () => {
  const open = client({ lazy: false });
  await scanUntil(first(open, { query: SCANNED }));
  assert.equal((await first(open, { query: NAME })).data.me.enrolled, true);
  await open.dispose();
});

test("a client that was cut off connects again and hears of the next scan", async () => {
  let socket;
  let connected = 0;
  const open = client({
    retryAttempts: 5,
    shouldRetry: () => true,
    retryWait: async () => {},
    on: { connected: (given) => ((socket = given), connected++) },
  });
  const heard = open.iterate({ query: SCANNED });
  await scanUntil(heard.next());
  socket.terminate();
  const { value } = await scanUntil(heard.next());
  assert.equal(value.data.codeScanned.outcome, "BENEFIT_APPLIES");
  assert.equal(connected, 2);
  await heard.return();
});

test("a token in the upgrade's header will do", async () => {
  class WithHeader extends WebSocket {
    constructor(to, protocols) {
      super(to, protocols, { headers: authorization("citizen") });
    }
  }
  const { data } = await first(client({ webSocketImpl: WithHeader, connectionParams: undefined }), { query: NAME });
  assert.equal(data.me.enrolled, true);
});

test("without a token, what is public is answered and the rest is not", async () => {
  const open = client({ connectionParams: undefined });
  const { data } = await first(open, { query: "{ enrollmentNotice { version } }" });
  assert.ok(data.enrollmentNotice.version);
  const refused = await first(client({ connectionParams: undefined }), { query: NAME }).catch((errors) => ({ errors }));
  assert.equal(refused.errors[0].extensions.code, "UNAUTHENTICATED");
});

test("a wrong token closes with 4401", async () => {
  const wrong = { type: "connection_init", payload: { authorization: "Bearer no.such.token" } };
  assert.equal(await closing([wrong]), 4401);
});

test("pings are answered by pongs", async () => {
  const open = client({ lazy: false, keepAlive: 50 });
  await new Promise((resolve) => open.on("pong", resolve));
  await open.dispose();
});

for (const [name, code, messages, options] of [
  ["what is no JSON", 4400, ["{"]],
  ["a message of no known type", 4400, [{ type: "hello" }]],
  ["a subscription without an id", 4400, [INIT, ACKNOWLEDGED, { type: "subscribe", payload: { query: NAME } }]],
  ["a subscription before the acknowledgement", 4401, [subscribing("1")]],
  ["no protocol that we speak", 4406, [], { protocol: [] }],
  ["no first word", 4408, []],
  ["an id that is in use", 4409, [INIT, ACKNOWLEDGED, subscribing("1"), subscribing("1")]],
  ["a second first word", 4429, [INIT, INIT]],
]) {
  test(`${name} closes with ${code}`, { timeout: 30_000 }, async () => {
    assert.equal(await closing(messages, options), code);
  });
}

test("nobody else hears of a citizen's scan", async () => {
  const open = client({ connectionParams: authorization("other") });
  const heard = first(open, { query: SCANNED });
  await scan();
  await scan();
  const silence = new Promise((resume) => setTimeout(resume, 500, "silence"));
  assert.equal(await Promise.race([heard, silence]), "silence");
  await open.terminate();
});
