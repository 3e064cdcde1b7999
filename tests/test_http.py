"""GraphQL over HTTP: which request gets which status, in which media type; and how often one may ask."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from factories import ISSUE, City, open_city

from core.cache import LocalCache
from partners import catalogue
from partners.kinds import benefit_kinds

GRAPHQL, JSON = "application/graphql-response+json", "application/json"
KINDS = "{ benefitKinds { code } }"
ANSWER = {"data": {"benefitKinds": [{"code": code} for code in sorted(benefit_kinds())]}}
ENROLL = 'mutation { enroll(input: {noticeVersion: "1"}) { __typename } }'


@pytest.fixture
def city_url(sqlite_template: Path, tmp_path: Path) -> str:
    """SQLite alone: nothing here depends on the store."""
    shutil.copy(sqlite_template, tmp_path / "city.db")
    return f"sqlite+aiosqlite:///{tmp_path}/city.db"


async def post(city: City, content: Any, **headers: str) -> httpx.Response:
    """POST raw bytes (or an object, as JSON); `content_type` and the like name headers."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return await city.client.post("/graphql", content=body, headers={"content-type": JSON} | named)


def media(response: httpx.Response) -> str:
    return response.headers["content-type"].partition(";")[0]


def told(response: httpx.Response) -> Any:
    """The body of an answer, but for what it cost."""
    body = response.json()
    body.pop("extensions", None)
    return body


def refusal(response: httpx.Response) -> str:
    """The code of an answer that is an error and nothing but an error."""
    body = told(response)
    assert set(body) == {"errors"}
    (error,) = body["errors"]
    assert set(error) <= {"message", "extensions", "locations"}
    assert error["message"]
    assert set(error["extensions"]) <= {"code", "retryAfterSeconds"}
    return str(error["extensions"]["code"])


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        (None, JSON),
        (JSON, JSON),
        (GRAPHQL, GRAPHQL),
        ("*/*", JSON),
        ("application/*", JSON),
        ("APPLICATION/JSON", JSON),
        (f"{GRAPHQL}, {JSON}", GRAPHQL),
        (f"{JSON}, {GRAPHQL}, */*", GRAPHQL),
        (f"{GRAPHQL};q=0.5, {JSON};q=0.9", JSON),
        (f"{GRAPHQL};q=0.9, {JSON};q=0.5", GRAPHQL),
        (f"{JSON};q=0, {GRAPHQL}", GRAPHQL),
        (f"{GRAPHQL};q=0, */*", JSON),
        ("text/html, application/json;q=0.1", JSON),
        (f"{JSON};charset=utf-8", JSON),
    ],
)
async def test_the_better_liked_media_type_is_answered(city: City, accept: str | None, wanted: str) -> None:
    response = await post(city, {"query": KINDS}, accept=accept if accept is not None else "")
    assert (response.status_code, media(response), told(response)) == (200, wanted, ANSWER)


@pytest.mark.parametrize(
    "accept", ["text/html", "text/*", "text/event-stream;q=0", f"{JSON};q=0", "*/*;q=0", "image/png"]
)
async def test_a_media_type_that_is_not_spoken_is_refused(city: City, accept: str) -> None:
    response = await post(city, {"query": KINDS}, accept=accept)
    assert (response.status_code, media(response), refusal(response)) == (406, JSON, "BAD_USER_INPUT")


async def test_everything_but_one_type_leaves_the_other(city: City) -> None:
    response = await post(city, {"query": KINDS}, accept=f"*/*, {JSON};q=0")
    assert media(response) == GRAPHQL


@pytest.mark.parametrize(
    ("asked", "code", "status"),
    [
        ({"query": "{"}, "BAD_USER_INPUT", 400),
        ({"query": "{ nope }"}, "BAD_USER_INPUT", 400),
        ({"query": "query A { benefitKinds { code } } query B { benefitKinds { name } }"}, "BAD_USER_INPUT", 400),
        ({"query": f"query A {KINDS}", "operationName": "B"}, "BAD_USER_INPUT", 400),
        ({"query": f"query A {KINDS}", "operationName": ""}, "BAD_USER_INPUT", 400),
        ({"query": "subscription { a }"}, "BAD_USER_INPUT", 400),
        ({"query": "fragment A on Query { __typename }"}, "BAD_USER_INPUT", 400),
        ({"query": "query ($a: Int!) { offers(first: $a) { __typename } }"}, "BAD_USER_INPUT", 400),
        ({"query": "{ me { id } }"}, "UNAUTHENTICATED", 401),
        ({"query": "{ partner { id } }"}, "UNAUTHENTICATED", 401),
    ],
)
async def test_what_does_not_get_to_run_is_a_4xx_in_the_new_media_type_and_200_in_the_old(
    city: City, asked: dict[str, Any], code: str, status: int
) -> None:
    new = await post(city, asked, accept=GRAPHQL)
    old = await post(city, asked, accept=JSON)
    assert (new.status_code, media(new), refusal(new)) == (status, GRAPHQL, code)
    assert (old.status_code, media(old), refusal(old)) == (200, JSON, code)


async def test_what_one_may_not_do_is_403_in_the_new_media_type(city: City) -> None:
    response = await post(
        city, {"query": "{ partner { id } }"}, accept=GRAPHQL, authorization=f"Bearer {city.token('good')}"
    )
    assert (response.status_code, refusal(response)) == (403, "FORBIDDEN")


async def test_an_error_of_a_field_leaves_the_answer_a_200(city: City) -> None:
    response = await post(city, {"query": "{ offers(first: 0) { __typename } }"}, accept=GRAPHQL)
    assert response.status_code == 200
    assert response.json()["data"] is None
    assert response.json()["errors"][0]["path"] == ["offers"]


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE"])
async def test_other_methods_are_told_which_are_allowed(city: City, method: str) -> None:
    response = await city.client.request(method, "/graphql")
    assert response.status_code == 405
    assert {part.strip() for part in response.headers["allow"].split(",")} == {"GET", "POST"}


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/graphql", "application/x-www-form-urlencoded", "multipart/form-data; boundary=a",
     "application/json; charset=utf-16", "application/json; charset=gb18030", "application/jsonp", ""],
)  # fmt: skip
async def test_a_body_of_another_type_is_refused(city: City, content_type: str) -> None:
    response = await post(city, {"query": KINDS}, content_type=content_type)
    assert (response.status_code, refusal(response)) == (415, "BAD_USER_INPUT")


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "APPLICATION/JSON", "application/json;charset=UTF-8", 'application/json; charset="utf-8"'],
)
async def test_json_in_utf_8_is_taken_however_it_is_spelt(city: City, content_type: str) -> None:
    assert told(await post(city, {"query": KINDS}, content_type=content_type)) == ANSWER


async def test_a_parameter_after_the_charset_does_no_harm(city: City) -> None:
    response = await post(city, {"query": KINDS}, content_type="application/json; charset=utf-8; profile=a")
    assert response.status_code == 200


async def test_a_body_over_the_limit_is_refused_also_when_it_comes_in_chunks(city: City) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(11):
            yield b" " * 100_000

    whole = await post(city, b" " * 1_000_001)
    chunked = await city.client.post("/graphql", content=chunks(), headers={"content-type": JSON})
    for response in (whole, chunked):
        assert (response.status_code, refusal(response)) == (413, "BAD_USER_INPUT")


async def test_a_body_at_the_limit_is_taken(city: City) -> None:
    body = json.dumps({"query": KINDS}).encode()
    response = await post(city, body + b" " * (1_000_000 - len(body)))
    assert (response.status_code, told(response)) == (200, ANSWER)


async def get(city: City, **parameters: str) -> httpx.Response:
    """GET with a query string."""
    return await city.client.get("/graphql", params=parameters)


async def test_a_query_may_be_asked_with_get(city: City) -> None:
    query = "query ($kind: String) { offers(kind: $kind) { edges { node { id } } } }"
    response = await get(city, query=query, variables='{"kind": "loan"}')
    assert told(response) == {"data": {"offers": {"edges": [{"node": {"id": "T2ZmZXI6OA=="}}]}}}
    for variables in ("", "null"):
        assert told(await get(city, query=KINDS, variables=variables, operationName="")) == ANSWER


@pytest.mark.parametrize(
    "parameters",
    [{}, {"query": ""}, {"query": KINDS, "variables": "{"}, {"query": KINDS, "variables": "[]"},
     {"query": KINDS, "variables": "1"}, {"query": KINDS, "extensions": "x"}],
)  # fmt: skip
async def test_a_malformed_get_is_a_400(city: City, parameters: dict[str, str]) -> None:
    response = await get(city, **parameters)
    assert (response.status_code, refusal(response)) == (400, "BAD_USER_INPUT")


async def test_a_mutation_is_refused_over_get_and_writes_nothing(city: City) -> None:
    both = f"query A {KINDS} mutation B {ENROLL.removeprefix('mutation')}"
    headers = {"authorization": f"Bearer {city.token('stranger')}", "accept": GRAPHQL}
    for parameters in ({"query": ENROLL}, {"query": both, "operationName": "B"}):
        response = await city.client.get("/graphql", params=parameters, headers=headers)
        assert (response.status_code, refusal(response)) == (400, "BAD_USER_INPUT")
    assert told(await get(city, query=both, operationName="A")) == ANSWER
    assert (await city.ask("{ me { enrolled } }", by="stranger"))["data"] == {"me": {"enrolled": False}}


async def test_every_answer_names_its_request(city: City) -> None:
    answers = [
        await post(city, {"query": KINDS}),
        await post(city, b"{"),
        await get(city),
        await city.client.put("/graphql"),
    ]
    assert len({answer.headers["x-request-id"] for answer in answers}) == 4


async def test_a_bug_of_ours_is_masked_and_logged_with_the_id_that_the_client_sees(
    city: City, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ValueError("SELECT 430502199003010011 FROM subjects")

    monkeypatch.setattr(catalogue, "page_after", broken)
    with caplog.at_level(logging.ERROR, logger="xinyi"):
        response = await post(city, {"query": "{ offers { edges { cursor } } }"})
    (error,) = response.json()["errors"]
    assert response.json()["data"] is None
    assert set(error["extensions"]) == {"code", "requestId"}
    assert error["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    assert error["extensions"]["requestId"] == response.headers["x-request-id"]
    assert "SELECT" not in response.text
    assert "ValueError" not in response.text
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.__dict__["request_id"] == error["extensions"]["requestId"]


async def test_a_bug_in_a_mutation_is_masked_and_writes_nothing(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyError("secret")

    monkeypatch.setattr("api.verification.issue_code", broken)
    body = await city.ask(ISSUE, {"input": {}}, by="good")
    assert body["errors"][0]["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    assert "secret" not in str(body)


async def test_a_burst_is_throttled_by_account_and_recovers(
    city_url: str, keys_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = 0.0
    monkeypatch.setattr("core.cache.LocalCache", lambda: LocalCache(clock=lambda: seconds))
    async with open_city(database_url=city_url, keys_file=keys_file, rate_burst=30, rate_per_second=10) as city:

        async def ask(by: str | None, accept: str = GRAPHQL) -> httpx.Response:
            headers = {"authorization": f"Bearer {city.token(by)}"} if by else {}
            return await post(city, {"query": KINDS}, accept=accept, **headers)

        assert {(await ask("good")).status_code for _ in range(30)} == {200}
        throttled = await ask("good")
        assert (throttled.status_code, refusal(throttled)) == (429, "THROTTLED")
        assert (await ask("good", accept=JSON)).status_code == 429
        assert (await ask("plain")).status_code == 200, "another account has its own allowance"
        assert (await ask(None)).status_code == 200, "and so has an address"
        seconds += 1
        assert [(await ask("good")).status_code for _ in range(11)] == [200] * 10 + [429]
