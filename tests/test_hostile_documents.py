"""Documents that are small and ask for much, or are large and ask for nothing. One thing to know: all are answered by
the running application, within a second of computing, as the client's mistake or with data."""

from __future__ import annotations

import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pytest
from factories import City
from hostile_values import INSIDE, quickly
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

KINDS = "{ benefitKinds { code } }"
LETTERS = "abcdefghijklmnopqrstuvwxyz"


@pytest.fixture
def city_url(sqlite_template: Path, tmp_path: Path) -> str:
    """SQLite alone: what is refused here does not reach the store."""
    shutil.copy(sqlite_template, tmp_path / "city.db")
    return f"sqlite+aiosqlite:///{tmp_path}/city.db"


async def answer(city: City, query: str, variables: dict[str, Any] | None = None, by: str | None = None) -> Any:
    """The body, seen to be quick, no 5xx, and to tell nothing of our insides."""
    headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {city.token(by)}"} if by else {})
    content = orjson.dumps({"query": query, "variables": variables})
    with quickly(query[:300]):
        response = await city.client.post("/graphql", content=content, headers=headers)
    assert response.status_code in {200, 400, 413}
    body = response.json()
    for error in body.get("errors", ()):
        assert error["extensions"]["code"] in {"BAD_USER_INPUT", "UNAUTHENTICATED"}, error
        assert not INSIDE.search(error["message"]), error["message"]
        assert len(error["message"]) < 600
    assert len(body.get("errors", ())) <= 20
    return body


def offers(inner: str) -> str:
    return f"{{ offers {{ edges {{ node {{ {inner} }} }} }} }}"


def fragments(number: int, body: str, kind: str = "Query") -> str:
    """`body` with N for its own number and M for the next one."""
    return " ".join(
        f"fragment F{n} on {kind} {{ {body.replace('N', str(n)).replace('M', str((n + 1) % number))} }}"
        for n in range(number)
    )


def spread_twice(inner: str) -> str:
    """A document of less than a thousand bytes whose fragments each use the next one twice."""
    pairs = pairwise(LETTERS)
    return f"{{...a}}{''.join(f'fragment {a} on Query{{{inner} ...{b} ...{b}}}' for a, b in pairs)}fragment z on Query{{__typename}}"  # noqa: E501


SPREAD = " ".join(f"...F{n}" for n in range(120))
DOCUMENTS = {
    "fragments that double": spread_twice(""),
    "fragments that double and overlap": spread_twice("x:offers{edges{node{id}}}"),
    "one field 190 times": offers("partner { id } " * 190),
    "one field in 190 inline fragments": offers("... on Offer { partner { id } } " * 190),
    "one field 150 times with other arguments": offers(
        " ".join(f"partner {{ x: offers(first: {n}) {{ __typename }} }}" for n in range(1, 120))
    ),
    "120 fragments at one place": offers(SPREAD) + fragments(120, "partner { id name }", "Offer"),
    "120 operations over 120 fragments": " ".join(f"query Q{n}{{...F0}}" for n in range(120))
    + fragments(120, "...FM") + " fragment Z on Query { __typename }",
    "a circle of 150 fragments": "{ ...F0 } " + fragments(150, "...FM"),
    "two thousand levels of inline fragments": "{ " + "... { " * 450 + "__typename" + " }" * 450 + " }",
    "aliases": "{ " + " ".join(f"a{n}: __typename" for n in range(300)) + " }",
    "roots": "{ " + " ".join(f"a{n}: benefitKinds {{ code }}" for n in range(120)) + " }",
    "mutations": "mutation { " + " ".join(f"a{n}: enroll(input: {{noticeVersion: \"\"}}) {{ __typename }}"
                                          for n in range(50)) + " }",
    "directives": "{ " + " ".join("...  @skip(if: true) { __typename }" for _ in range(150)) + " }",
    "directives at one field": "{ benefitKinds" + " @include(if: true)" * 250 + " { code } }",
    "variables": "query (" + " ".join(f"$v{n}: Int" for n in range(400)) + ") " + KINDS,
    "ids": "{ nodes(ids: [" + '"a" ' * 1500 + "]) { id } }",
    "keys of an object": "mutation { enroll(input: {" + "a: 1 " * 600 + "}) { __typename } }",
    "misspelt names": "{ " + " ".join(f"offer{n} {{ id }}" for n in range(49)) + " }",
    "misspelt arguments": "{ offers(" + " ".join(f"frst{n}: 1" for n in range(600)) + ") { __typename } }",
    "long names": "{ " + " ".join("x" * 900 + str(n) for n in range(49)) + " }",
    "a name of 90,000 signs": "{ " + "x" * 90_000 + " }",
    "a type of 90,000 signs": "query ($a: " + "x" * 90_000 + ") " + KINDS,
    "comments": "#\n" * 49_000 + KINDS,
    "commas": "," * 99_000 + KINDS,
    "a byte order mark": "\ufeff" + KINDS,
    "a block string": '{ node(id: """' + "\n  a" * 20_000 + '""") { id } }',
    "escapes": '{ node(id: "' + "\\u0041" * 16_000 + '") { id } }',
    "an escaped NUL": '{ node(id: "\\u0000") { id } offers(kind: "\\u0000") { edges { cursor } } }',
    "half a pair of surrogates": '{ node(id: "\\ud83d") { id } }',
    "a whole number of 90,000 digits": "{ offers(first: " + "9" * 90_000 + ") { __typename } }",
    "a whole number of 5,000 digits": "{ offers(first: " + "9" * 5_000 + ") { __typename } }",
    "a fraction of 90,000 digits": "{ offers(first: 1." + "9" * 90_000 + "e9999) { __typename } }",
    "a power": "{ offers(first: 1e999999999) { __typename } }",
    "an id of 5,000 digits": "{ node(id: " + "9" * 5_000 + ") { id } }",
    "a list in a list": "{ offers(first: " + "[" * 180 + "1" + "]" * 180 + ") { __typename } }",
    "parentheses": "{ a" + "(" * 5_000,
    "brackets of a type": "query ($a: " + "[" * 180 + "Int" + "]" * 180 + ") " + KINDS,
    "quotation marks": '"' * 9_999,
    "introspection within introspection": "{ __schema { types { fields { type { fields { type { fields { name }}}}}}}}",
    "introspection many times": "{ " + " ".join(f"a{n}: __schema {{ types {{ fields {{ args {{ name }} }} }} }}"
                                                for n in range(40)) + " }",
    "introspection of one type": "{ " + " ".join(f"a{n}: __type(name: \"Query\") {{ fields {{ args {{ name }} }} }}"
                                                 for n in range(45)) + " }",
}  # fmt: skip


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)
async def test_no_document_keeps_the_server_long_or_makes_a_5xx(city: City, document: str) -> None:
    await answer(city, document)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (offers("partner { " * 22 + "id" + " }" * 22), "查询过大:查询嵌套 26 层,最多 25 层。请减少嵌套。"),
        (DOCUMENTS["aliases"], "查询过大:顶层字段有 300 个,最多 50 个。请分成几次请求。"),
        (offers(" ".join(f"a{n}: id" for n in range(201))),
         "查询过大:别名有 201 个,最多 200 个。请减少别名,或分成几次请求。"),
        (DOCUMENTS["mutations"], "查询过大:顶层字段有 50 个,最多 10 个。请分成几次请求。"),
        (DOCUMENTS["directives at one field"], "查询过大:指令有 250 个,最多 200 个。请减少 @skip 和 @include。"),
        (DOCUMENTS["variables"], "查询过大:变量有 400 个,最多 100 个。请把取值合并到一个输入对象。"),
        (DOCUMENTS["ids"], "查询过大:nodes 的 ids 有 1500 个,最多 100 个。请分成几次请求。"),
        (offers("id " * 201), "查询过大:文档中同一个名称写了 201 次,最多 200 次。请合并重复的字段。"),
        ("{ " + "a " * 2000 + "}", "文档超过 2000 个词元。请拆分,并把取值放进变量。"),
    ],
)  # fmt: skip
async def test_a_limit_is_named_with_what_was_reached_and_what_there_may_be(
    city: City, document: str, message: str
) -> None:
    body = await answer(city, document)
    assert [error["message"] for error in body["errors"]] == [message]


async def test_equal_errors_come_as_one_that_says_how_many(city: City) -> None:
    query = "query ($v: [ID!]!) { nodes(ids: $v) { ... on Partner { offers(first: 0) { __typename } } } }"
    body = await answer(city, query, {"v": ["UGFydG5lcjox"] * 40})
    (error,) = body["errors"]
    assert error["extensions"] == {"code": "BAD_USER_INPUT", "count": 40}
    assert error["path"] == ["nodes", 0, "offers"]


async def test_of_different_errors_twenty_are_told(city: City) -> None:
    body = await answer(city, "{ " + " ".join(f"wrong{n}" for n in range(45)) + " }")
    assert len(body["errors"]) <= 20


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ([["x"] * 50] * 500, "变量中的取值有"),
        (["x"] * 50_000, "变量中的取值有"),
        ([[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]], "变量嵌套 21 层,最多 20 层"),
        (["T2ZmZXI6MQ=="] * 101, "ids 有 101 个,最多 100 个"),
    ],
    ids=["a list of lists", "a long list", "a deep list", "too many ids"],
)
async def test_variables_that_would_take_long_are_refused(city: City, value: Any, told: str) -> None:
    body = await answer(city, "query ($v: [ID!]!) { nodes(ids: $v) { id } }", {"v": value})
    assert told in body["errors"][0]["message"]


async def test_many_objects_are_found_at_once_in_their_order_and_null_where_there_is_none(city: City) -> None:
    asked = [
        "T2ZmZXI6Mg==",
        "UGFydG5lcjox",
        "x",
        "T2ZmZXI6MQ==",
        "T2ZmZXI6OTk=",
        "T2ZmZXI6Mg==",
        "Q3JlZGl0U3ViamVjdDox",
    ]
    query = "query ($v: [ID!]!) { nodes(ids: $v) { __typename id } }"
    mine = (await answer(city, query, {"v": asked}, by="good"))["data"]["nodes"]
    assert [one and one["id"] for one in mine] == [asked[0], asked[1], None, asked[3], None, asked[5], asked[6]]
    others = (await answer(city, query, {"v": asked}, by="scenic"))["data"]["nodes"]
    assert [one and one["id"] for one in others] == [asked[0], asked[1], None, asked[3], None, asked[5], None]


NAMES = st.sampled_from(
    ["offers", "edges", "node", "partner", "id", "me", "scores", "a", "__typename", "nodes", "__schema"]
)
ARGUMENTS = st.sampled_from(
    ["", "(first: 100)", "(first: $v)", "(id: 1)", "(ids: [1, 2])", "(first: -1)", "(input: {})"]
)
DIRECTIVES = st.sampled_from(["", "@skip(if: true)", "@include(if: $v)", "@no", "@skip"])
SELECTIONS = st.recursive(
    st.builds(lambda *parts: " ".join(parts), NAMES, ARGUMENTS, DIRECTIVES) | st.sampled_from(["...A", "...B", "...C"]),
    lambda inner: st.builds(
        lambda head, body: f"{head} {{ {' '.join(body)} }}",
        st.builds(lambda *parts: " ".join(parts), NAMES, ARGUMENTS, DIRECTIVES)
        | st.sampled_from(["...", "... on Offer", "... on Query", "... on Nothing", "x: offers", "y: offers"]),
        st.lists(inner, min_size=1, max_size=5),
    ),
    max_leaves=30,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.lists(SELECTIONS, min_size=4, max_size=4), head=st.sampled_from(["", "query ($v: Int)", "mutation"]))
async def test_no_generated_document_keeps_the_server_long_or_makes_a_5xx(
    city: City, parts: list[str], head: str
) -> None:
    body, a, b, c = parts
    kinds = ("Query", "Offer", "OfferConnection")
    defined = " ".join(
        f"fragment {name} on {kind} {{ {text} }}" for name, kind, text in zip("ABC", kinds, (a, b, c), strict=True)
    )
    await answer(city, f"{head} {{ {body} }} {defined}", {"v": 3}, by="good")
