"""Hostile and mistaken input. One thing to know: whatever comes in, the answer comes soon, is the client's error with a
stable code, and speaks of nothing inside."""

from __future__ import annotations

import base64
import json
import re
import shutil
from pathlib import Path
from typing import Any

import httpx
import pytest
from factories import REDEEM, VERIFY, City, offer_id
from hostile_values import quickly
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.ids import public_id
from partners.tables import answers

KINDS = "{ benefitKinds { code } }"
INSIDE = re.compile(
    r"Traceback|File \"|line \d+, in|sqlite|asyncpg|sqlalchemy|strawberry|SELECT |INSERT |NoneType|object at 0x|"
    r"\b(?:ValueError|TypeError|KeyError|RecursionError)\b",
    re.IGNORECASE,
)
"""Words that only our own insides use."""


@pytest.fixture
def city_url(sqlite_template: Path, tmp_path: Path) -> str:
    """SQLite alone: what is refused here does not reach the store."""
    shutil.copy(sqlite_template, tmp_path / "city.db")
    return f"sqlite+aiosqlite:///{tmp_path}/city.db"


async def post(city: City, body: bytes | dict[str, Any], *, by: str | None = None) -> httpx.Response:
    """POST a body, and see to it that the answer is quick, no 5xx, and tells nothing of our insides."""
    headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {city.token(by)}"} if by else {})
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    with quickly(content[:300]):
        response = await city.client.post("/graphql", content=content, headers=headers)
    assert response.status_code < 500
    assert "INTERNAL_SERVER_ERROR" not in response.text
    assert not INSIDE.search(response.text), response.text
    return response


async def mistake(city: City, query: str, variables: dict[str, Any] | None = None, *, by: str | None = None) -> str:
    """The message of a request that is answered by one client's error, or several, and by no data."""
    response = await post(city, {"query": query, "variables": variables}, by=by)
    body = response.json()
    assert body.get("data") is None
    assert {error["extensions"]["code"] for error in body["errors"]} == {"BAD_USER_INPUT"}
    return str(body["errors"][0]["message"])


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"1", b'"x"', b"[]", b"{}", b"{", b"\xff\xfe", b'{"query": "{a\x00}"}', b'{"query": null}',
     b'{"query": 1}', b'{"query": " "}', b'{"query": "{ benefitKinds { code } }", "query": 1}',
     b'{"query": "{ benefitKinds { code } }", "variables": []}', b'{"query": "{ a }", "variables": "x"}',
     b'{"query": "{ benefitKinds { code } }", "operationName": 1}', b'{"query": "\\ud800"}', b'{"query": "{ a }", }',
     b'{"query": "{ a }", "extensions": 1}', b"NaN", b'{"query": "{ a }", "variables": {"a": NaN}}',
     b"[" * 100_000, b'{"query":' * 100_000, b'{"query": "{ a }", "variables": {"a": ' + b"1" * 5000 + b"}}",
     '{"query": "{ benefitKinds { code } }"}'.encode("utf-16"), b'[{"query": "{ benefitKinds { code } }"}]'],
    ids=lambda body: repr(body[:24]),
)  # fmt: skip
async def test_a_body_that_is_no_request_is_a_400(city: City, body: bytes) -> None:
    response = await post(city, body)
    assert response.status_code == 400
    assert response.json()["errors"][0]["extensions"] == {"code": "BAD_USER_INPUT"}


async def test_what_variables_hold_beyond_those_declared_is_passed_over(city: City) -> None:
    deep = b'{"a":' * 900 + b"1" + b"}" * 900
    response = await post(city, b'{"query": "{ benefitKinds { code } }", "variables": ' + deep + b"}")
    assert "errors" not in response.json()


PAGE = "offers {{ edges {{ node {{ {} }} }} }}"
DOCUMENTS = {
    "ten thousand levels": "{ a " * 10_000 + "}" * 10_000,
    "ten thousand levels that are fields": "{ offers" + " { edges { node { partner { offers" * 2500 + "}" * 10_000,
    "ten thousand open brackets": "{" * 10_000,
    "a value nested deeply": f"{{ offers(first: {'[' * 10_000}{']' * 10_000}) {{ __typename }} }}",
    "a type nested deeply": f"query ($a: {'[' * 10_000}Int{']' * 10_000}) {KINDS}",
    "five thousand aliases": "{ " + " ".join(f"a{n}: benefitKinds {{ code }}" for n in range(5000)) + " }",
    "five thousand unknown fields": "{ " + " ".join(f"f{n}" for n in range(5000)) + " }",
    "unknown fields within the limit": "{ " + " ".join(f"f{n}" for n in range(900)) + " }",
    "five thousand directives": "{ benefitKinds" + " @skip(if: false)" * 5000 + " { code } }",
    "unknown directives within the limit": "{ benefitKinds" + " @no" * 600 + " { code } }",
    "a long comment": KINDS + "#" + "x" * 200_000,
    "a long name": "{ " + "a" * 99_000 + " }",
    "a long string": '{ node(id: "' + "a" * 99_000 + '") { id } x }',
    "a circle of fragments": "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }",
    "a fragment in itself": "{ ...A } fragment A on Query { ...A }",
    "an unknown fragment": "{ ...A }",
    "an unused fragment": KINDS + " fragment A on Query { __typename }",
    "a fragment on a scalar": "{ ... on String { a } }",
    "two hundred operations": " ".join(f"query Q{n} {KINDS}" for n in range(200)),
    "NUL": "{ \x00 }",
    "a lone surrogate": '{ node(id: "\\ud800") { id } }',
    "a surrogate out of range": '{ node(id: "\\u{110000}") { id } }',
    "an endless string": '{ node(id: "',
    "an endless block string": '{ node(id: """',
    "only a type": "type A { a: Int }",
    "a subscription": "subscription { a }",
    "the same variable twice": "query ($a: Int, $a: Int) { offers(first: $a) { __typename } }",
    "a variable of an output type": "query ($a: Offer) { benefitKinds { code } }",
    "the same argument twice": "{ offers(first: 1, first: 2) { __typename } }",
    "one key for two fields": "{ a: benefitKinds { code } a: offers { __typename } }",
}


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)
async def test_a_document_that_cannot_be_run_is_refused_quickly(city: City, document: str) -> None:
    assert await mistake(city, document)


def doubling(levels: int, inner: str, *, last: str) -> str:
    """A document in which each fragment uses the next one twice."""
    links = "".join(f" fragment F{n} on Offer {{ {inner.replace('NEXT', f'...F{n + 1}')} }}" for n in range(levels))
    return f"{{ offers {{ edges {{ node {{ ...F0 }} }} }} }}{links} fragment F{levels} on Offer {{ {last} }}"


async def test_fragments_spread_twice_at_one_place_cost_what_they_cost_once(city: City) -> None:
    response = await post(city, {"query": doubling(60, "NEXT NEXT", last="id")})
    assert len(response.json()["data"]["offers"]["edges"]) == 5


def nested(levels: int, connection: str, edges: str = "edges { INNER }") -> str:
    """Offers of partners of offers …"""
    text = "id"
    for _ in range(levels):
        text = f"{connection} {{ {edges.replace('INNER', f'node {{ partner {{ {text} }} }}')} }}"
    return f"{{ {text} }}"


LARGE = "offers(first: 100)"
TWICE = "a: partner { offers { edges { node { NEXT } } } } b: partner { offers { edges { node { NEXT } } } }"


@pytest.mark.parametrize(
    "document",
    [
        doubling(4, TWICE, last="id"),
        nested(7, LARGE),
        nested(7, "offers"),
        f"query ($n: Int = 1) {nested(7, 'offers(first: $n)')}",
        f"query A {KINDS} query B {nested(7, LARGE)}",
        nested(7, LARGE, "... { edges { INNER } }"),
    ],
    ids=[
        "fragments under two names",
        "lists within lists",
        "pages of usual size",
        "a variable",
        "another operation",
        "large pages below a fragment",
    ],
)
async def test_a_document_that_multiplies_out_is_refused_before_it_runs(city: City, document: str) -> None:
    assert "过大" in await mistake(city, document)


@pytest.mark.parametrize(
    "document",
    [
        nested(7, "offers", "... { edges { INNER } }"),
        nested(7, "offers", "... on OfferConnection { ... { e: edges { INNER } } }"),
        f"{nested(5, LARGE)[:-1]} less: {nested(6, LARGE)[2:-2].replace('100', '-99', 1)} }}",
    ],
    ids=["below a fragment", "below two fragments", "a page of less than nothing"],
)
async def test_nothing_escapes_the_count(city: City, document: str) -> None:
    assert "过大" in await mistake(city, document)


async def test_the_deepest_document_that_parses_is_answered_or_refused(city: City) -> None:
    for levels in (20, 30, 40, 45, 49):
        await post(city, {"query": nested(levels, "offers(first: 1)")})


async def test_what_is_remembered_of_one_document_is_bounded(city: City) -> None:
    declared = ", ".join(f"$f{n}: Boolean!" for n in range(12))
    fields = " ".join(f"k{n}: benefitKinds @include(if: $f{n}) {{ code }}" for n in range(12))
    query = f"query ({declared}) {{ {fields} }}"
    for number in range(300):
        flags = {f"f{n}": bool(number >> n & 1) for n in range(12)}
        await post(city, {"query": query, "variables": flags})
    endpoint = next(route.app for route in city.app.routes if getattr(route, "path", "") == "/graphql")
    (document,) = [d for text, d in endpoint._operations._documents._known.items() if text == query]
    assert len(document.known) < 100


async def test_one_field_many_times_over_is_refused_before_it_is_compared(city: City) -> None:
    assert await mistake(city, "{ " + "benefitKinds { code } " * 490 + "}")


@pytest.mark.parametrize("query", ["{ __schema { types { name } } }", '{ __type(name: "Score") { name } }'])
async def test_the_demo_tells_its_schema(city: City, query: str) -> None:
    assert "errors" not in (await post(city, {"query": query})).json()


NOBODY = public_id("Verification", "00000000-0000-4000-8000-000000000000")  # type: ignore[arg-type]
NOT_FEN = [0, -1, 10**12 + 1, 2**63, 2**64, -(2**63), 10**30, 1.5, 1.0, "12", "", True, False, [1], {"a": 1}]


@pytest.mark.parametrize("amount", NOT_FEN, ids=repr)
async def test_an_amount_is_a_whole_number_of_fen_from_1_to_a_trillion(city: City, amount: object) -> None:
    asked = {"requestId": "1", "verificationId": NOBODY, "amountFen": amount}
    assert "金额以分为单位" in await mistake(city, REDEEM, {"input": asked}, by="scenic")
    assert await city.rows(answers) == []


@pytest.mark.parametrize(
    "literal", ["0", "-1", "1000000000001", "1.5", "1e3", '"12"', "true", "ENUM", "[1]", "9" * 400]
)
async def test_an_amount_written_into_the_document_is_held_to_the_same(city: City, literal: str) -> None:
    query = f'mutation {{ redeemBenefit(input: {{requestId: "1", verificationId: "{NOBODY}", amountFen: {literal}}}) {{ __typename }} }}'  # noqa: E501
    assert "金额以分为单位" in await mistake(city, query, by="scenic")


@pytest.mark.parametrize("amount", [1, 10**12, None])
async def test_amounts_at_the_limits_get_as_far_as_the_verification(city: City, amount: int | None) -> None:
    assert (await city.redeem(NOBODY, amountFen=amount))["code"] == "NOT_REDEEMABLE"


PAGED = "query ($first: Int, $after: String) { offers(first: $first, after: $after) { edges { cursor } } }"
LOGGED = "query ($first: Int, $after: String) { me { accessLog(first: $first, after: $after) { edges { cursor } } } }"
BENEFITS = "query ($first: Int, $after: String) { me { benefits(first: $first, after: $after) { edges { cursor } } } }"
PAGES = pytest.mark.parametrize("query", [PAGED, LOGGED, BENEFITS], ids=["offers", "accessLog", "benefits"])


@PAGES
@pytest.mark.parametrize("first", [0, -1, 101, 2**31 - 1, -(2**31), 2**31, 2**63, 1.5, "1", True, [1, 2]], ids=repr)
async def test_a_page_has_1_to_100_rows(city: City, query: str, first: object) -> None:
    assert await mistake(city, query, {"first": first}, by="good")


def cursor(text: str | bytes) -> str:
    return base64.urlsafe_b64encode(text if isinstance(text, bytes) else text.encode()).decode()


NOT_CURSORS = ["", "x", "===", "é", "\x00", cursor("-1"), cursor("1") + "=", cursor("1").rstrip("="), cursor(" 1"),
               cursor("1.5"), cursor("9" * 20), cursor("9" * 5000), cursor("Offer:1"), cursor(b"\xff"), cursor("١"),
               cursor("1") + "\n", cursor("' OR 1=1 --"), cursor("1e3"), "a" * 100_000]  # fmt: skip


@PAGES
@pytest.mark.parametrize("after", NOT_CURSORS, ids=lambda text: repr(text[:12]))
async def test_a_cursor_that_we_did_not_give_out_is_refused(city: City, query: str, after: str) -> None:
    assert "游标" in await mistake(city, query, {"after": after}, by="good")


@PAGES
async def test_a_forged_cursor_never_leads_outside_ones_own_list(city: City, query: str) -> None:
    for number in (0, 1, 2**62, 10**18):
        for forged in (cursor(str(number)), cursor(f"00000000-0000-7000-8000-{number % 16**12:012x}")):
            body = (await post(city, {"query": query, "variables": {"after": forged}}, by="good")).json()
            assert body["data"] is None or "accessLog" not in query or body["data"]["me"]["accessLog"]["edges"] == []


@pytest.mark.parametrize(
    ("variables", "by"),
    [
        ({"input": None}, "scenic"),
        ({}, "scenic"),
        ({"input": []}, "scenic"),
        ({"input": "x"}, "scenic"),
        ({"input": {"requestId": 1, "code": "x", "offerId": "x"}}, "scenic"),
        ({"input": {"requestId": "1", "code": None, "offerId": "x"}}, "scenic"),
        ({"input": {"requestId": "1", "code": "x"}}, "scenic"),
        ({"input": {"requestId": "1", "code": "x", "offerId": 1.5}}, "scenic"),
        ({"input": {"requestId": "1", "code": "x", "offerId": True}}, "scenic"),
        ({"input": {"requestId": "1", "code": "x", "offerId": {}}}, "scenic"),
    ],
)
async def test_variables_of_wrong_types_are_refused(city: City, variables: dict[str, Any], by: str) -> None:
    assert await mistake(city, VERIFY, variables, by=by)


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        (VERIFY, {"input": None}),
        (PAGED, {"first": True}),
        (VERIFY, {"input": {"requestId": "1", "code": "SECRET", "offerId": "x", "threshold": "A"}}),
    ],
)
async def test_a_mistaken_variable_is_not_repeated_and_no_python_is_spoken(
    city: City, query: str, variables: dict[str, Any]
) -> None:
    message = await mistake(city, query, variables, by="scenic")
    assert not re.search(r"\b(None|True|False)\b|SECRET|\{'", message)


TEXTS = ["", "x" * 129, "\x00", "a\nb", "\u202e", "\ud7ff\u2028"]


@pytest.mark.parametrize("text", TEXTS, ids=repr)
@pytest.mark.parametrize("name", ["requestId", "clerk", "site"])
async def test_a_label_is_short_and_printable(city: City, name: str, text: str) -> None:
    asked = {"requestId": "1", "code": "x", "offerId": offer_id("museum")} | {name: text}
    assert f"{name} 须为" in await mistake(city, VERIFY, {"input": asked}, by="scenic")
    assert await city.rows(answers) == []


@pytest.mark.parametrize(("name", "longest"), [("requestId", 128), ("clerk", 40), ("site", 40)])
async def test_a_label_has_at_most_so_many_characters(city: City, name: str, longest: int) -> None:
    code = await city.code("good")
    asked = {"requestId": "1", "code": code, "offerId": offer_id("museum")}
    assert await mistake(city, VERIFY, {"input": asked | {name: "界" * (longest + 1)}}, by="scenic")
    assert (await city.verify(code, **{name: "界" * longest}))["outcome"] == "BENEFIT_APPLIES"


@pytest.mark.parametrize(
    "code", ["", "\x00", "é" * 90, "x" * 900_000, "a b", "' OR 1=1 --", "🀄"], ids=lambda c: repr(c[:9])
)
async def test_a_text_that_is_no_code_is_an_invalid_code(city: City, code: str) -> None:
    assert (await city.verify(code))["code"] == "CODE_INVALID"


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=values, after=values, kind=values)
async def test_no_variables_whatever_make_a_5xx(city: City, first: Any, after: Any, kind: Any) -> None:
    query = "query ($f: Int, $a: String, $k: String) { offers(first: $f, after: $a, kind: $k) { edges { cursor } } }"
    try:
        body = json.dumps(
            {"query": query, "variables": {"f": first, "a": after, "k": kind}}, ensure_ascii=False
        ).encode()
    except UnicodeEncodeError:
        return
    await post(city, body)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=200) | st.text(alphabet='{}[]":,query \\u0\x00é', max_size=60).map(str.encode))
async def test_no_bytes_whatever_make_a_5xx(city: City, body: bytes) -> None:
    assert (await post(city, body)).status_code == 400


WORDS = [
    "{",
    "}",
    "(",
    ")",
    ":",
    "$",
    "!",
    "@",
    "...",
    "query",
    "fragment",
    "on",
    "A",
    "Offer",
    "offers",
    "edges",
    "me",
]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=st.lists(st.sampled_from(WORDS)))
async def test_no_document_whatever_makes_a_5xx(city: City, words: list[str]) -> None:
    await post(city, {"query": " ".join(words) or "{"})
