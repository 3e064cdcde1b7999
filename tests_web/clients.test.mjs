// Clients that people use: Apollo Client, urql, graphql-request. Each asks, acts, and where it can, listens.
import assert from "node:assert/strict";
import test from "node:test";
import { ApolloClient, ApolloLink, HttpLink, InMemoryCache, gql } from "@apollo/client";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { OperationTypeNode } from "graphql";
import { relayStylePagination } from "@apollo/client/utilities";
import { Client, cacheExchange, fetchExchange, subscriptionExchange } from "@urql/core";
import { GraphQLClient } from "graphql-request";
import { createClient as createSseClient } from "graphql-sse";
import { createClient } from "graphql-ws";
import WebSocket from "ws";
import { NAME, SCANNED, SHOW, authorization, scanUntil, socketUrl, url } from "./city.mjs";

const BENEFITS = "query Benefits($after: String) { me { id benefits(first: 4, after: $after) { edges { node { available offer { id } } } pageInfo { endCursor hasNextPage } } } }";
const sockets = () => createClient({ url: socketUrl, webSocketImpl: WebSocket, connectionParams: authorization("citizen") });

function apollo() {
  const listening = sockets();
  const link = ApolloLink.split(
    ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION,
    new GraphQLWsLink(listening),
    new HttpLink({ uri: url, headers: authorization("citizen") }),
  );
  const typePolicies = { CreditSubject: { fields: { benefits: relayStylePagination(["kind"]) } } };
  return { client: new ApolloClient({ link, cache: new InMemoryCache({ typePolicies }) }), listening };
}

test("Apollo Client asks", async () => {
  const { data } = await apollo().client.query({ query: gql(NAME) });
  assert.equal(data.me.enrolled, true);
});

test("Apollo Client acts", async () => {
  const { data } = await apollo().client.mutate({ mutation: gql(SHOW), variables: { input: {} } });
  assert.equal(data.issueCreditCode.__typename, "CreditCode");
});

test("Apollo Client joins the pages of a connection", async () => {
  const { client } = apollo();
  const watched = client.watchQuery({ query: gql(BENEFITS) });
  const held = watched.subscribe(() => {});
  const { data } = await client.query({ query: gql(BENEFITS) });
  await watched.fetchMore({ variables: { after: data.me.benefits.pageInfo.endCursor } });
  held.unsubscribe();
  const { me } = client.readQuery({ query: gql(BENEFITS) });
  assert.equal(me.benefits.edges.length, 8);
});

test("Apollo Client shows what was refused", async () => {
  const client = new ApolloClient({ link: new HttpLink({ uri: url }), cache: new InMemoryCache() });
  await assert.rejects(client.query({ query: gql(NAME) }), (error) => error.errors[0].extensions.code === "UNAUTHENTICATED");
});

test("Apollo Client listens", async () => {
  const { client, listening } = apollo();
  let held;
  const heard = new Promise((next, error) => (held = client.subscribe({ query: gql(SCANNED) }).subscribe({ next, error })));
  const { data } = await scanUntil(heard);
  assert.equal(data.codeScanned.outcome, "BENEFIT_APPLIES");
  held.unsubscribe();
  await listening.dispose();
});

const urql = (exchanges = []) =>
  new Client({ url, exchanges: [cacheExchange, ...exchanges, fetchExchange], preferGetMethod: false, fetchOptions: { headers: authorization("citizen") } });

test("urql asks, by POST and by GET", async () => {
  for (const preferGetMethod of [false, "force"]) {
    const { data, error } = await urql().query(NAME, {}, { preferGetMethod }).toPromise();
    assert.equal(error, undefined);
    assert.equal(data.me.enrolled, true);
  }
});

test("urql acts", async () => {
  const { data } = await urql().mutation(SHOW, { input: {} }).toPromise();
  assert.equal(data.issueCreditCode.__typename, "CreditCode");
});

for (const [way, listening] of [
  ["WebSocket", sockets],
  ["SSE", () => createSseClient({ url, headers: authorization("citizen") })],
]) {
  test(`urql listens by ${way}`, async () => {
    const client = listening();
    const forwardSubscription = (request) => ({
      subscribe: (sink) => ({ unsubscribe: client.subscribe({ query: request.query, variables: request.variables }, sink) }),
    });
    const opened = urql([subscriptionExchange({ forwardSubscription })]);
    let held;
    const heard = new Promise((next) => (held = opened.subscription(SCANNED, {}).subscribe(next)));
    const { data } = await scanUntil(heard);
    assert.equal(data.codeScanned.outcome, "BENEFIT_APPLIES");
    held.unsubscribe();
    await client.dispose();
  });
}

test("urql listens by its own fetch, as an event stream", async () => {
  const opened = new Client({ url, exchanges: [fetchExchange], fetchSubscriptions: true, preferGetMethod: false, fetchOptions: { headers: authorization("citizen") } });
  let held;
  const heard = new Promise((next) => (held = opened.subscription(SCANNED, {}).subscribe(next)));
  const { data, error } = await scanUntil(heard);
  assert.equal(error, undefined);
  assert.equal(data.codeScanned.outcome, "BENEFIT_APPLIES");
  held.unsubscribe();
});

test("graphql-request asks, acts and shows what was refused", async () => {
  const client = new GraphQLClient(url, { headers: authorization("citizen") });
  assert.equal((await client.request(NAME)).me.enrolled, true);
  const { issueCreditCode } = await client.request(SHOW, { input: {} });
  assert.equal(issueCreditCode.__typename, "CreditCode");
  const refused = new GraphQLClient(url).request(NAME);
  await assert.rejects(refused, (error) => error.response.errors[0].extensions.code === "UNAUTHENTICATED");
});
