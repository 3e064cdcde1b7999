// A program on the generated types: it holds only as long as the schema says what the operations of the mini-program expect.
import assert from "node:assert/strict";
import type { TypedDocumentNode } from "@graphql-typed-document-node/core";
import { GraphQLClient } from "graphql-request";
import {
  AccessLogQueryDocument,
  BenefitsQueryDocument,
  CodeMutationDocument,
  ConsentsQueryDocument,
  EnrollNoticeQueryDocument,
  type LiveScanSubscriptionSubscription,
  type Outcome,
  RecordsQueryDocument,
  ScoreQueryDocument,
} from "../generated/typed/graphql.ts";

const client = new GraphQLClient(`${process.env["CITY_ADDRESS"]}/graphql`, {
  headers: { authorization: `Bearer ${(JSON.parse(process.env["CITY_TOKENS"] ?? "{}") as Record<string, string>)["citizen"]}` },
});

function ask<Result, Variables extends object>(document: TypedDocumentNode<Result, Variables>, variables: Variables) {
  return client.request<Result>(document, variables);
}

// Every answer that there is has its words; an outcome more in the schema would not compile.
const WORDS: Record<Outcome, string> = { BENEFIT_APPLIES: "享受优惠", STANDARD_SERVICE: "标准服务" };
export const told = ({ codeScanned }: LiveScanSubscriptionSubscription): string =>
  codeScanned.outcome ? WORDS[codeScanned.outcome] : (codeScanned.problem ?? "");

const notice = await ask(EnrollNoticeQueryDocument, {});
assert.ok(notice.enrollmentNotice.version.length > 0);

const { me } = await ask(ScoreQueryDocument, {});
const points: readonly (string | null)[] = me.scores.map((score) => score.points);
assert.ok(points.length > 0 && points.every((each) => each === null || typeof each === "string"));

const shown = (await ask(CodeMutationDocument, { input: {} })).issueCreditCode;
switch (shown.__typename) {
  case "CreditCode":
    assert.ok(shown.token.length > 0 && shown.expiresAt.length > 0);
    break;
  case "Problem":
    assert.fail(shown.message);
}

const page = (await ask(BenefitsQueryDocument, { first: 2 })).me.benefits;
assert.equal(page.edges.length, 2);
const title: string | undefined = page.edges[0]?.node.offer.title;
assert.ok(title);

// @ts-expect-error: `first` is a number
await assert.rejects(ask(BenefitsQueryDocument, { first: "2" }));
// @ts-expect-error: there is no grade on an offer
assert.equal(page.edges[0]?.node.offer.grade, undefined);

assert.ok(Array.isArray((await ask(AccessLogQueryDocument, { first: 5 })).me.accessLog.edges));
assert.ok(Array.isArray((await ask(ConsentsQueryDocument, {})).me.consents.edges));
assert.ok(Array.isArray((await ask(RecordsQueryDocument, { state: "ALL" })).me.records.edges));
