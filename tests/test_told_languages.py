"""Chinese unless somebody asks for English: over HTTP, WebSocket and events, in Problems and errors, in refusals."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from factories import City, offer_id
from streaming import Talk, serving

from api import messages
from api.context import Language
from api.language import TOLD, language_of
from api.schema import SCHEMA

REDEEM = """mutation ($input: RedeemBenefitInput!) {
  answer: redeemBenefit(input: $input) { __typename ... on Problem { c: code m: message } }
}"""
BENEFITS = "{ me { benefits { edges { node { nextStep whyNot { code message } } } } } }"
HAN = re.compile(r"[\u3400-\u9fff]")
ENGLISH = {"accept-language": "en-GB, zh;q=0.5"}


@pytest.fixture
def city_url(sqlite_template: Path, tmp_path: Path) -> str:
    """SQLite alone: nothing here depends on the store."""
    shutil.copy(sqlite_template, tmp_path / "city.db")
    return f"sqlite+aiosqlite:///{tmp_path}/city.db"


async def ask(city: City, query: str, *, by: str | None = None, given: Any = None, **headers: str) -> Any:
    """The body of an answer."""
    signed = {"authorization": f"Bearer {city.token(by)}"} if by else {}
    body = {"query": query, "variables": {"input": given} if given else None}
    return (await city.client.post("/graphql", json=body, headers=headers | signed)).json()


async def in_both(city: City, query: str, **asked: Any) -> tuple[Any, Any]:
    """The answer in Chinese and in English."""
    return await ask(city, query, **asked), await ask(city, query, **asked, **ENGLISH)


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "zh"),
        ("", "zh"),
        ("*", "zh"),
        ("fr", "zh"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en", "en"),
        ("EN-us", "en"),
        ("en-US,en;q=0.9,zh;q=0.8", "en"),
        ("fr, en;q=0.3", "en"),
        ("en;q=0.5, zh;q=0.6", "zh"),
        ("zh, en", "zh"),  # in a draw the first named
        ("en, zh", "en"),
        ("en;q=0", "zh"),
        ("en;q=0, zh;q=0", "zh"),
        ("en;q=much", "zh"),
        ("en;q=0.8, *;q=0.5", "en"),
        ("english", "zh"),
        ("," * 5000 + "en", "zh"),
    ],
)
def test_the_language_liked_best_is_told(header: str | None, language: Language) -> None:
    assert language_of(header) == language


async def test_a_problem_is_told_in_the_language_asked_for(city: City) -> None:
    verification = (await city.verify(await city.code("plain")))["id"]
    given = {"requestId": "the-same", "verificationId": verification}
    chinese, english = await in_both(city, REDEEM, by="scenic", given=given)
    assert chinese["data"]["answer"] == {
        "__typename": "Problem",
        "c": "NOT_REDEEMABLE",
        "m": "这次核验的答复是标准服务,没有可核销的优惠。请按标准服务办理。",
    }
    # The second is the recorded answer of the first: what is recorded is no language's.
    assert english["data"]["answer"] == {
        "__typename": "Problem",
        "c": "NOT_REDEEMABLE",
        "m": "The answer to this verification was the standard service, so there is no benefit to redeem. "
        "Give the standard service.",
    }


async def test_a_top_level_error_is_told_in_the_language_asked_for(city: City) -> None:
    chinese, english = await in_both(city, "{ me { id } }")
    assert chinese["errors"][0]["message"] == "需要登录:请在 Authorization 头中提供有效的 Bearer 令牌。"
    assert english["errors"][0]["message"] == (
        "Signing in is needed: give a valid Bearer token in the Authorization header."
    )
    assert chinese["errors"][0]["extensions"] == english["errors"][0]["extensions"]


async def test_an_invalid_document_is_told_in_the_language_asked_for(city: City) -> None:
    chinese, english = await in_both(city, "{ offers { nothing } }")
    assert chinese["errors"][0]["message"] == "类型 OfferConnection 没有 nothing 这个字段。请对照模式改正。"
    assert english["errors"][0]["message"] == "Type OfferConnection has no field nothing. Correct it by the schema."


async def test_a_wrong_variable_is_told_in_the_language_asked_for(city: City) -> None:
    chinese, english = await in_both(city, REDEEM, by="scenic", given={"requestId": 3})
    assert sorted(error["message"] for error in chinese["errors"]) == [
        "变量 $input 的 requestId 有误:应为文本,带引号。请改正后重试。",
        "变量 $input 的取值有误:缺少必填的 verificationId。请补上。",
    ]
    assert sorted(error["message"] for error in english["errors"]) == [
        "The value of variable $input is wrong: The required verificationId is missing. Add it.",
        "requestId of variable $input is wrong: A text is expected, in quotes. Correct it and try again.",
    ]


async def test_a_field_s_error_is_told_in_the_language_asked_for(city: City) -> None:
    chinese, english = await in_both(city, "{ offers(first: 1000) { edges { node { id } } } }")
    assert HAN.search(chinese["errors"][0]["message"])
    assert not HAN.search(english["errors"][0]["message"])


@pytest.mark.parametrize("person", ["plain", "poor", "minor", "elsewhere", "faulty"])
async def test_reasons_and_next_steps_are_told_in_the_language_asked_for(city: City, person: str) -> None:
    chinese, english = await in_both(city, BENEFITS, by=person)
    for told, is_english in ((chinese, False), (english, True)):
        texts = [
            text
            for edge in told["data"]["me"]["benefits"]["edges"]
            for text in (edge["node"]["nextStep"], *(why["message"] for why in edge["node"]["whyNot"]))
            if text
        ]
        assert texts
        for text in texts:
            bare = re.sub("「[^」]*」", "", text)
            assert bool(HAN.search(bare)) is not is_english, text


async def test_what_people_wrote_is_told_as_they_wrote_it(city: City) -> None:
    query = "{ offers { edges { node { title standardService benefit partner { name } } } } }"
    chinese, english = await in_both(city, query)
    assert chinese["data"] == english["data"]


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("POST", "/graphql", {"content-type": "text/plain"}, 415),
        ("DELETE", "/graphql", {}, 405),
        ("POST", "/oauth/token", {}, 415),
        ("GET", "/settlement/2026-01-01.csv", {}, 401),
        ("POST", "/intake", {}, 401),
    ],
)
async def test_refusals_over_http_are_told_in_the_language_asked_for(
    city: City, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    chinese = await city.client.request(method, path, headers=headers)
    english = await city.client.request(method, path, headers=headers | ENGLISH)
    assert chinese.status_code == english.status_code == status
    assert HAN.search(chinese.text)
    assert not HAN.search(english.text)
    assert int(english.headers["content-length"]) == len(english.content)
    assert list(chinese.json()) == list(english.json())


async def test_a_socket_speaks_the_language_it_was_opened_in(city: City) -> None:
    async with serving(city) as served:
        for init, is_english in (({}, False), ({"acceptLanguage": "en"}, True), ({"acceptLanguage": 5}, False)):
            async with served.socket() as socket:
                talk = Talk(socket)
                await talk.send(type="connection_init", payload=init)
                await talk.receive()
                await talk.subscribe("{ nothing }")
                message = await talk.receive()
                assert bool(HAN.search(message["payload"][0]["message"])) is not is_english


async def test_events_speak_the_language_that_the_request_asked_for(city: City) -> None:
    headers = {"accept": "text/event-stream"}
    for asked, is_english in (({}, False), (ENGLISH, True)):
        response = await city.client.post("/graphql", json={"query": "{ nothing }"}, headers=headers | asked)
        assert response.headers["content-type"].startswith("text/event-stream")
        assert bool(HAN.search(response.text)) is not is_english


async def test_chinese_costs_nothing(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> str:
        raise AssertionError

    monkeypatch.setattr(messages, "_english", never)
    await ask(city, "{ me { id } }")
    await city.verify(await city.code("plain"))
    await ask(city, REDEEM, by="scenic", given={"requestId": "r", "verificationId": offer_id("museum")})
    assert (await city.client.post("/oauth/token")).status_code == 415


@pytest.mark.parametrize(("kind", "field"), [(kind, one) for kind, fields in TOLD.items() for one in sorted(fields)])
def test_what_is_told_is_a_text_of_the_schema(kind: str, field: str) -> None:
    assert str(SCHEMA._schema.type_map[kind].fields[field].type).strip("[]!") == "String"  # type: ignore[attr-defined]
