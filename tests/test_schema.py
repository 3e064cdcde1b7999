"""The schema as outsiders see it: names that are promised, a description on everything, and no path from what a partner
may read to anything about a person."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLUnionType,
    build_schema,
    get_named_type,
    is_required_argument,
    is_specified_scalar_type,
)

from api.schema import sdl

SCHEMA = build_schema(sdl())
OWN_TYPES = [
    kind for name, kind in SCHEMA.type_map.items() if not name.startswith("__") and not is_specified_scalar_type(kind)
]

PROMISED = build_schema(
    """
    scalar DateTime
    scalar Decimal
    scalar Fen
    enum SubjectKind { PERSON ENTERPRISE }
    enum Outcome { BENEFIT_APPLIES STANDARD_SERVICE }
    interface Node { id: ID! }
    type Query {
      me: CreditSubject!
      partner: Partner!
      offers(first: Int, after: String, kind: String): OfferConnection!
      enrollmentNotice: EnrollmentNotice!
      node(id: ID!): Node
    }
    type EnrollmentNotice { version: String! text: String! }
    type CreditSubject implements Node {
      id: ID!
      kind: SubjectKind!
      displayName: String!
      enrolled: Boolean!
      scores: [Score!]!
      benefits(first: Int, after: String, kind: String): BenefitConnection!
      accessLog(first: Int, after: String): AccessEventConnection!
    }
    type Score { model: ScoreModel! points: Decimal grade: Grade lines: [ScoreLine!]! evaluatedAt: DateTime! }
    type ScoreModel { id: ID! name: String! }
    type Grade { code: String! name: String! }
    type ScoreLine { points: Decimal! }
    type Benefit { offer: Offer! available: Boolean! whyNot: [WhyNot!]! }
    type WhyNot { code: String! message: String! }
    type AccessEvent {
      at: DateTime!
      partner: Partner
      offer: Offer
      outcome: Outcome
      problem: String
      whyNot: [WhyNot!]!
      receipt: String
    }
    type BenefitKind { code: String! name: String! }
    type Partner implements Node { id: ID! name: String! offers(first: Int, after: String): OfferConnection! }
    type Offer implements Node {
      id: ID!
      kind: BenefitKind!
      title: String!
      standardService: String!
      benefit: String!
      partner: Partner!
    }
    type PageInfo { hasNextPage: Boolean! hasPreviousPage: Boolean! startCursor: String endCursor: String }
    type OfferConnection { edges: [OfferEdge!]! pageInfo: PageInfo! }
    type OfferEdge { cursor: String! node: Offer! }
    type BenefitConnection { edges: [BenefitEdge!]! pageInfo: PageInfo! }
    type BenefitEdge { cursor: String! node: Benefit! }
    type AccessEventConnection { edges: [AccessEventEdge!]! pageInfo: PageInfo! }
    type AccessEventEdge { cursor: String! node: AccessEvent! }
    type Mutation {
      enroll(input: EnrollInput!): EnrollResult!
      issueCreditCode(input: IssueCreditCodeInput!): IssueCreditCodeResult!
      verifyCreditCode(input: VerifyCreditCodeInput!): VerifyCreditCodeResult!
      redeemBenefit(input: RedeemBenefitInput!): RedeemBenefitResult!
      reverseRedemption(input: ReverseRedemptionInput!): ReverseRedemptionResult!
    }
    type Problem { code: String! message: String! }
    input EnrollInput { noticeVersion: String! }
    input IssueCreditCodeInput { offerId: ID }
    input VerifyCreditCodeInput { requestId: String! code: String! offerId: ID! clerk: String site: String }
    input RedeemBenefitInput { requestId: String! verificationId: ID! amountFen: Fen }
    input ReverseRedemptionInput { requestId: String! redemptionId: ID! reason: String! }
    type Enrollment { enrolledAt: DateTime! }
    type CreditCode { id: ID! token: String! expiresAt: DateTime! }
    type Verification { id: ID! outcome: Outcome! benefit: String receipt: String! expiresAt: DateTime! }
    type Redemption { id: ID! redeemedAt: DateTime! }
    type ReversedRedemption { id: ID! reversedAt: DateTime! }
    union EnrollResult = Enrollment | Problem
    union IssueCreditCodeResult = CreditCode | Problem
    union VerifyCreditCodeResult = Verification | Problem
    union RedeemBenefitResult = Redemption | Problem
    union ReverseRedemptionResult = ReversedRedemption | Problem
    """
)
"""What clients rely on by name, with nullability. The schema may have more."""

PERSONAL = {
    "Score",
    "Grade",
    "ScoreLine",
    "ScoreModel",
    "WhyNot",
    "AccessEvent",
    "CreditSubject",
    "Benefit",
    "ScoreHistoryConnection",
    "ScoreHistoryEdge",
    "ScoreHistoryEntry",
    "ScoreDifference",
    "WhatIf",
    "PushedResults",
    "UnappliedRow",
    "CorrectedResult",
    "Consent",
    "ConsentStep",
    "RegisteredQuery",
    "AuditEntry",
    "CreditCase",
    "CaseStep",
    "CasePaper",
    "ContestedRecord",
    "ContestedField",
    "CaseSummary",
    "RepairGuide",
    "RepairLedgerEntry",
}
PERSONAL_WORDS = re.compile("score|grade|record|reason|threshold|points|whynot", re.IGNORECASE)
PARTNERS_MUTATIONS = ("verifyCreditCode", "redeemBenefit", "reverseRedemption")
PARTNERS_TYPES = (
    "Partner", "Offer", "Verification", "Redemption", "ReversedRedemption", "Problem", "Order", "LoanApplication",
    "DecidedLoan", "PresentationRequest", "PartnerEvent",
)  # fmt: skip


def test_the_file_holds_the_schema_that_is_served() -> None:
    assert (Path(__file__).parents[1] / "schema.graphql").read_text() == sdl()


def undescribed() -> Iterator[str]:
    for kind in OWN_TYPES:
        if not kind.description:
            yield kind.name
        if isinstance(kind, GraphQLEnumType):
            yield from (f"{kind.name}.{name}" for name, value in kind.values.items() if not value.description)
        if isinstance(kind, GraphQLInputObjectType):
            yield from (f"{kind.name}.{name}" for name, field in kind.fields.items() if not field.description)
        if isinstance(kind, (GraphQLObjectType, GraphQLInterfaceType)):
            for name, field in kind.fields.items():
                if not field.description:
                    yield f"{kind.name}.{name}"
                for argument, given in field.args.items():
                    if not given.description:
                        yield f"{kind.name}.{name}({argument}:)"


def test_everything_has_a_description() -> None:
    assert list(undescribed()) == []


def test_no_name_says_type_twice() -> None:
    assert [kind.name for kind in OWN_TYPES if kind.name.endswith("Type")] == []


PROMISED_TYPES = [
    kind for name, kind in PROMISED.type_map.items() if not name.startswith("__") and not is_specified_scalar_type(kind)
]


@pytest.mark.parametrize("promised", PROMISED_TYPES, ids=lambda kind: kind.name)
def test_promised_names_are_there_with_their_nullability(promised: GraphQLNamedType) -> None:
    found = SCHEMA.type_map[promised.name]
    assert type(found) is type(promised)
    if isinstance(promised, GraphQLUnionType):
        assert isinstance(found, GraphQLUnionType)
        assert {member.name for member in found.types} == {member.name for member in promised.types}
    if isinstance(promised, GraphQLEnumType):
        assert isinstance(found, GraphQLEnumType)
        assert set(found.values) == set(promised.values)
    if isinstance(promised, GraphQLObjectType):
        assert isinstance(found, GraphQLObjectType)
        assert {one.name for one in promised.interfaces} <= {one.name for one in found.interfaces}
        for name, field in promised.fields.items():
            assert str(found.fields[name].type) == str(field.type), f"{promised.name}.{name}"
            given = found.fields[name].args
            for argument, wanted in field.args.items():
                assert str(given[argument].type) == str(wanted.type), f"{promised.name}.{name}({argument})"
            added = [one for argument, one in given.items() if argument not in field.args]
            assert not any(is_required_argument(one) for one in added), f"{promised.name}.{name}"
    if isinstance(promised, GraphQLInputObjectType):
        assert isinstance(found, GraphQLInputObjectType)
        assert {name: str(f.type) for name, f in found.fields.items()} == {
            name: str(field.type) for name, field in promised.fields.items()
        }


def test_every_mutation_takes_one_input_and_answers_its_result_or_a_problem() -> None:
    assert SCHEMA.mutation_type is not None
    for name, field in SCHEMA.mutation_type.fields.items():
        capital = name[0].upper() + name[1:]
        assert {argument: str(given.type) for argument, given in field.args.items()} == {"input": f"{capital}Input!"}
        assert str(field.type) == f"{capital}Result!"
        result = get_named_type(field.type)
        assert isinstance(result, GraphQLUnionType)
        assert len(result.types) == 2
        assert "Problem" in {member.name for member in result.types}


def test_operators_have_their_three_mutations() -> None:
    assert SCHEMA.mutation_type is not None
    assert {"registerPartner", "submitOffer", "approveOffer"} <= set(SCHEMA.mutation_type.fields)


def _next_types(kind: GraphQLNamedType) -> Iterator[GraphQLNamedType]:
    if isinstance(kind, GraphQLUnionType):
        yield from kind.types
    if isinstance(kind, GraphQLInterfaceType):
        yield from SCHEMA.get_possible_types(kind)
    if isinstance(kind, (GraphQLObjectType, GraphQLInterfaceType)):
        yield from kind.interfaces
        yield from (get_named_type(field.type) for field in kind.fields.values())


def reached_by_partners() -> set[str]:
    """Every type that can be read from what a partner gets, `Node` itself apart: it is only ever what one asked for."""
    assert SCHEMA.mutation_type is not None
    waiting = [SCHEMA.type_map[name] for name in PARTNERS_TYPES]
    waiting += [get_named_type(SCHEMA.mutation_type.fields[name].type) for name in PARTNERS_MUTATIONS]
    reached: set[str] = set()
    while waiting:
        kind = waiting.pop()
        if kind.name not in reached and kind.name != "Node":
            reached.add(kind.name)
            waiting.extend(_next_types(kind))
    return reached


def test_nothing_a_partner_reads_leads_to_a_score_a_grade_a_record_or_a_reason() -> None:
    reached = reached_by_partners()
    assert set(PARTNERS_TYPES) <= reached
    assert reached & PERSONAL == set()
    named = [
        f"{name}.{field}"
        for name in reached
        if isinstance(kind := SCHEMA.type_map[name], (GraphQLObjectType, GraphQLInterfaceType))
        for field in kind.fields
        if PERSONAL_WORDS.search(field)
    ]
    assert named == []


def test_an_interface_shows_nothing_but_an_id() -> None:
    # So `node(id:)`, whatever it finds, opens no way that the fragments on a type do not.
    interfaces = [kind for kind in OWN_TYPES if isinstance(kind, GraphQLInterfaceType)]
    assert {kind.name: list(kind.fields) for kind in interfaces} == {"Node": ["id"]}
    fields = [
        f"{kind.name}.{name}"
        for kind in OWN_TYPES
        if isinstance(kind, (GraphQLObjectType, GraphQLInterfaceType))
        for name, field in kind.fields.items()
        if get_named_type(field.type).name == "Node"
    ]
    assert fields == ["Query.node", "Query.nodes"]


def test_no_input_of_a_partner_carries_a_threshold_or_names_a_person() -> None:
    asked = [
        f"{capital}Input.{field}"
        for capital in ("VerifyCreditCode", "RedeemBenefit", "ReverseRedemption")
        if isinstance(kind := SCHEMA.type_map[f"{capital}Input"], GraphQLInputObjectType)
        for field in kind.fields
        if re.search("score|grade|threshold|subject|name|resident|uscc|phone", field, re.IGNORECASE)
    ]
    assert asked == []
