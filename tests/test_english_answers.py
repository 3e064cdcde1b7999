"""The demo city in English. One thing to know: the questions are made from the schema, every field that can be asked
for without an argument, so a new field that answers in Chinese is found here unless it is written down below."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from graphql import GraphQLObjectType, GraphQLUnionType, get_named_type, is_leaf_type, is_required_argument

from api.app import create_app
from api.identity.bearer import issue_token
from api.language import TOLD
from api.schema import SCHEMA
from core.clock import utc_now
from core.keys import load_keys
from core.settings import Settings
from demo.folder import open_folder
from partners.accounts import Role
from partners.kinds.loan import PRODUCTS

HAN = re.compile(r"[\u3400-\u9fff]")
QUOTED = re.compile(r"《[^》]*》[^()]*(\([一二三四五六七八九十]+\)[^()]*)*")
"""A document's title, and the clause after it."""
IN_CHINESE = {
    "codes": "ModelGrade.code TermWord.code Offer.loanProduct",
    "quoted documents": "ModelSource.title ModelSource.clause CatalogueItem.basis CreditRecord.source "
    "CreditRecord.documentNumber BenefitKind.source QueryMatter.source Refusal.source LoanIndicator.source "
    "ConsentPurpose.source EarlyWarning.source Measure.source",
    "names of people, bodies and partners": "CreditSubject.displayName RegisteredSubject.displayName Partner.name "
    "Membership.name SettlementFile.funder RegisteredQuery.reader AccessEvent.reader LoanApplication.applicant "
    "QueryRight.body IntakeRates.body CaseSummary.helper RecordReceiver.name RecordChange.by",
    "what somebody wrote": "Offer.title Offer.benefit Offer.standardService OfferVersion.stated OfferVersion.author "
    "OfferChange.before OfferChange.after OfferDetail.value OfferStep.reason Order.title OrderStep.words "
    "LoanApplication.use LoanRefusal.words PartnerReport.note AlarmAction.remark Alarm.detail Grant.remark "
    "QueryRight.matter QueryRight.reason MembershipStep.remark MembershipStep.evidence MergeProposal.reason "
    "ModelStep.evidence ModelStep.reason ModelVersion.content ModelVersion.cases RecordField.value Notice.text "
    "CaseStep.reason CasePaper.title PartnerDocument.title CreditCase.statement RecordChange.reason",
}
"""Fields that may answer in Chinese, and why."""
ROLES = {
    "ANYONE": [None],
    "CITIZEN": ["citizen-1", "citizen-2", "citizen-7", "citizen-20"],
    "AGENT": ["enterprise-1", "enterprise-2", "enterprise-9"],
    "PARTNER": ["bank-1", "hospital-1", "scenic-1"],
    "OPERATOR": ["operator-1"],
    "REVIEWER": ["reviewer-1"],
    "AUDITOR": ["auditor-1"],
    "PROVIDER": ["provider-1"],
}
TYPES = SCHEMA._schema.type_map  # type: ignore[attr-defined]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The demo city, built as `xinyi demo` builds it."""
    return open_folder(tmp_path).settings


def token_of(settings: Settings, role: str, account: str) -> str:
    return issue_token(
        load_keys(settings.keys_file),
        issuer=settings.issuer,
        account=account,
        role=Role[role],
        now=utc_now(),
        lifetime=timedelta(hours=1),
    )


def may(role: str, node: Any) -> bool:
    """Whether the schema lets this role reach a type or field."""
    for directive in node.ast_node.directives or () if node.ast_node else ():
        if directive.name.value == "access":
            to = {one.value for one in directive.arguments[0].value.values}
            return "ANYONE" in to or role in to
    return True


def selection(kind: Any, role: str, depth: int, above: tuple[str, ...]) -> str:
    """Everything below a type that a role may ask for without an argument."""
    named = get_named_type(kind)
    if isinstance(named, GraphQLUnionType):
        parts = [f"... on {one.name} {selection(one, role, depth, above)}" for one in named.types if may(role, one)]
        return f"{{ {' '.join(parts)} }}"
    parts = ["__typename"]
    for name, field in getattr(named, "fields", {}).items():
        inner = get_named_type(field.type)
        if not may(role, field) or any(is_required_argument(one) for one in field.args.values()):
            continue
        if is_leaf_type(inner):
            parts.append(name)
        elif isinstance(inner, GraphQLObjectType) and may(role, inner) and depth and inner.name not in above:
            first = "(first: 3)" if "first" in field.args else ""
            deeper = depth if inner.name.endswith(("Connection", "Edge")) else depth - 1
            parts.append(f"{name}{first} {selection(inner, role, deeper, (*above, inner.name))}")
    return f"{{ {' '.join(parts)} }}"


def questions(role: str) -> Iterator[list[str]]:
    """Queries for one role: each as deep as may be, and less deep in case that costs too much."""
    for name, field in TYPES["Query"].fields.items():
        if not may(role, field) or any(is_required_argument(one) for one in field.args.values()):
            continue
        kind = get_named_type(field.type)
        first = "(first: 10)" if "first" in field.args else ""
        if name == "me":
            for inner, one in kind.fields.items():
                if not is_leaf_type(get_named_type(one.type)) and not any(map(is_required_argument, one.args.values())):
                    part = f"{inner}{'(first: 10)' if 'first' in one.args else ''}"
                    above = (kind.name, get_named_type(one.type).name)
                    yield [f"{{ me {{ {part} {selection(one.type, role, n, above)} }} }}" for n in (4, 2, 1)]
        elif not is_leaf_type(kind):
            yield [f"{{ {name}{first} {selection(kind, role, n, (kind.name,))} }}" for n in (4, 2, 1)]


def chinese(answer: Any, kind: str = "", name: str = "") -> Iterator[tuple[str, str]]:
    """Each text with Chinese in it that is no quoted document, and its field."""
    if isinstance(answer, dict):
        for key, value in answer.items():
            yield from chinese(value, answer.get("__typename", ""), key)
    elif isinstance(answer, list):
        for value in answer:
            yield from chinese(value, kind, name)
    elif isinstance(answer, str) and HAN.search(QUOTED.sub("", answer)):
        yield f"{kind}.{name}", answer


async def test_the_demo_city_answers_in_english(settings: Settings) -> None:
    app = create_app(settings)
    found: dict[str, set[str]] = defaultdict(set)
    asked = 0
    transport = httpx.ASGITransport(app=app)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://t") as client:
        for role, account in [(role, account) for role, accounts in ROLES.items() for account in accounts]:
            headers = {"accept-language": "en"}
            if account:
                headers["authorization"] = f"Bearer {token_of(settings, role, account)}"
            for question in questions(role):
                for query in question:
                    response = (await client.post("/graphql", json={"query": query}, headers=headers)).json()
                    if response.get("data"):
                        break
                asked += bool(response.get("data"))
                for field, text in chinese(response.get("data")):
                    found[field].add(text)
    assert asked > 150
    assert {"税易贷", "农户小额贷款"} <= found["Offer.loanProduct"] <= set(PRODUCTS)
    allowed = set(" ".join(IN_CHINESE.values()).split())
    assert {field: sorted(texts)[:3] for field, texts in found.items() if field not in allowed} == {}


def test_what_may_answer_in_chinese_is_in_the_schema() -> None:
    listed = " ".join(IN_CHINESE.values()).split()
    gone = [one for one in listed if one.split(".")[1] not in getattr(TYPES.get(one.split(".")[0]), "fields", {})]
    assert gone == []
    assert len(listed) == len(set(listed))


def test_codes_and_quoted_documents_are_not_told_in_english() -> None:
    kept = f"{IN_CHINESE['codes']} {IN_CHINESE['quoted documents']}".split()
    assert [one for one in kept if one.split(".")[1] in TOLD.get(one.split(".")[0], ())] == []
