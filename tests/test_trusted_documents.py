"""In production only registered documents are answered: those that came with the release, those an operator let in, and
of a freed partner any."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import orjson
import pytest
from factories import ISSUE, REDEEM, VERIFY, City, key_file, offer_id, open_city

from api.running.trusted import REMEMBERED_SECONDS, sent_by_pages, shipped
from core.errors import BadInput
from partners.clients.documents import id_of

MINE = "query Mine { me { id kind } }"
OFFERS = "query Offers($first: Int) { offers(first: $first) { edges { node { id } } } }"
REGISTER = """mutation ($input: RegisterDocumentsInput!) { registerDocuments(input: $input) {
  ... on DocumentsChanged { changed } ... on Problem { code message } } }"""
RETIRE = """mutation ($input: RetireDocumentsInput!) { retireDocuments(input: $input) {
  ... on DocumentsChanged { changed } ... on Problem { code message } } }"""
FREE = """mutation ($input: SetFreeDocumentsInput!) { setFreeDocuments(input: $input) {
  ... on DocumentFreedom { allowed partner { id } } ... on Problem { code message } } }"""
LISTED = "{ trustedDocuments(first: 1, after: null) { edges { cursor node { documentId app retiredAt text } } } }"
SERVED = {"registerDocuments": REGISTER, "retireDocuments": RETIRE, "setFreeDocuments": FREE, "listed": LISTED}


@pytest.fixture
def real_keys(keys_file: Path, tmp_path: Path) -> Path:
    """The small city's keys, said not to be for the demo."""
    path = key_file(tmp_path)
    path.write_bytes(orjson.dumps(orjson.loads(keys_file.read_bytes()) | {"demo": False}))
    return path


@pytest.fixture
async def strict(city_url: str, real_keys: Path) -> AsyncIterator[City]:
    """The small city in production."""
    async with open_city(database_url=city_url, keys_file=real_keys, environment="production") as opened:
        yield opened


async def send(city: City, by: str | None = None, **body: Any) -> tuple[int, dict[str, Any]]:
    """Status and body of the answer."""
    headers = {"accept": "application/graphql-response+json"}
    if by is not None:
        headers["authorization"] = f"Bearer {city.token(by)}"
    response = await city.client.post("/graphql", json=body, headers=headers)
    return response.status_code, response.json()


async def refused(city: City, by: str | None = None, **body: Any) -> str:
    """The code of the refusal."""
    status, answer = await send(city, by, **body)
    assert status == 400, answer
    assert "data" not in answer
    (code,) = {error["extensions"]["code"] for error in answer["errors"]}
    return str(code)


async def let_in(city: City, *documents: str) -> None:
    """Let documents be answered, as the command line would."""
    from partners.clients.documents import register_documents

    async with city.state.database.transaction() as connection:
        await register_documents(connection, documents, app="test", actor="operator", now=city.now)


async def test_a_text_that_nobody_registered_is_refused_whoever_sends_it(strict: City) -> None:
    for by in (None, "good", "scenic", "operator", "auditor"):
        assert await refused(strict, by, query=OFFERS) == "DOCUMENT_REQUIRED"
        assert await refused(strict, by, query="{ __schema { types { name } } }") == "DOCUMENT_REQUIRED"
        assert await refused(strict, by, query="nonsense {") == "DOCUMENT_REQUIRED"


async def test_a_registered_document_is_answered_by_id_and_by_its_text(strict: City) -> None:
    await let_in(strict, MINE)
    for body in ({"documentId": f"sha256:{id_of(MINE)}"}, {"query": MINE}, {"query": MINE, "documentId": id_of(MINE)}):
        status, answer = await send(strict, "good", **body)
        assert (status, answer["data"]["me"]["kind"]) == (200, "PERSON")
    apollo = {"persistedQuery": {"version": 1, "sha256Hash": id_of(MINE)}}
    assert (await send(strict, "good", extensions=apollo))[0] == 200
    assert await refused(strict, "good", query=MINE + " ") == "DOCUMENT_REQUIRED"


async def test_registering_opens_nothing_to_whoever_may_not_have_it(strict: City) -> None:
    await let_in(strict, MINE)
    assert (await send(strict, documentId=f"sha256:{id_of(MINE)}"))[0] == 401
    assert (await send(strict, "scenic", documentId=f"sha256:{id_of(MINE)}"))[0] == 403


async def test_an_id_of_nothing_an_ill_formed_one_and_one_of_another_text_are_told_apart(strict: City) -> None:
    assert await refused(strict, "good", documentId=f"sha256:{id_of('x')}") == "DOCUMENT_NOT_FOUND"
    for ill in ("", "sha256:", f"sha1:{id_of(MINE)}", f"sha256:{id_of(MINE).upper()}", "sha256:" + "0" * 63, "\0" * 64):
        assert await refused(strict, "good", documentId=ill) == "BAD_USER_INPUT", ill
    assert await refused(strict, "good", documentId=id_of(MINE), query=OFFERS) == "BAD_USER_INPUT"
    assert await refused(strict, "good") == "BAD_USER_INPUT"


async def test_a_document_is_read_over_get_too(strict: City) -> None:
    await let_in(strict, OFFERS)
    asked = {"documentId": f"sha256:{id_of(OFFERS)}", "variables": '{"first": 1}'}
    response = await strict.client.get("/graphql", params=asked)
    assert len(response.json()["data"]["offers"]["edges"]) == 1


async def test_a_partner_works_with_the_documents_of_the_release(strict: City) -> None:
    by_name = {text.split("(")[0].split()[1]: f"sha256:{key}" for key, text in shipped().items()}
    await let_in(strict, ISSUE)
    given = {"requestId": "r1", "code": await strict.code("good"), "offerId": offer_id("museum")}
    _, answer = await send(strict, "scenic", documentId=by_name["Verify"], variables={"input": given})
    verified = answer["data"]["verifyCreditCode"]
    assert verified["outcome"] == "BENEFIT_APPLIES"
    redeem = {"requestId": "r2", "verificationId": verified["id"]}
    _, answer = await send(strict, "scenic", documentId=by_name["Redeem"], variables={"input": redeem})
    taken = answer["data"]["redeemBenefit"]
    reverse = {"requestId": "r3", "redemptionId": taken["id"], "reason": "顾客退票"}
    _, answer = await send(strict, "scenic", documentId=by_name["Reverse"], variables={"input": reverse})
    assert answer["data"]["reverseRedemption"]["__typename"] == "ReversedRedemption"


async def test_the_pages_send_what_their_own_build_says(strict: City, tmp_path: Path) -> None:
    manifest = tmp_path / "documents.json"
    manifest.write_bytes(orjson.dumps({f"sha256:{id_of(OFFERS)}": OFFERS}))
    sent_by_pages.cache_clear()
    try:
        with patch("api.running.trusted.PAGES", manifest):
            assert (await send(strict, documentId=f"sha256:{id_of(OFFERS)}"))[0] == 200
            assert await refused(strict, "good", documentId=f"sha256:{id_of(MINE)}") == "DOCUMENT_NOT_FOUND"
    finally:
        sent_by_pages.cache_clear()


async def test_a_freed_partner_sends_what_it_likes_and_nobody_else(strict: City) -> None:
    await let_in(strict, *SERVED.values(), ISSUE, VERIFY, REDEEM)
    partner = (await strict.do(FREE, by="operator", partnerId=partner_id(1), allowed=True, reason="自有程序"))[
        "partner"
    ]
    assert partner["id"] == partner_id(1)
    strict.wait(seconds=REMEMBERED_SECONDS)
    assert (await send(strict, "scenic", query=OFFERS))[0] == 200
    assert (await send(strict, "representative", query=OFFERS))[0] == 200
    assert await refused(strict, "hospital", query=OFFERS) == "DOCUMENT_REQUIRED"
    assert await refused(strict, "scenic", query="{ __schema { types { name } } }") == "BAD_USER_INPUT"
    near = {"{ offer { edges } }": "offers", "{ offers(frist: 1) { edges { cursor } } }": "first"}
    for wrong, right in (near | {"{ ... on Quory { a } }": "Query"}).items():
        _, answer = await send(strict, "scenic", query=wrong)
        assert right not in re.findall(r"\w+", str(answer["errors"])), wrong
    await strict.do(FREE, by="operator", partnerId=partner_id(1), allowed=False, reason="改用登记的文档")
    strict.wait(seconds=REMEMBERED_SECONDS)
    assert await refused(strict, "scenic", query=OFFERS) == "DOCUMENT_REQUIRED"


async def test_an_operator_registers_and_retires_a_manifest(strict: City) -> None:
    await let_in(strict, *SERVED.values())
    manifest = orjson.dumps({id_of(MINE): MINE, f"sha256:{id_of(OFFERS)}": OFFERS}).decode()
    assert await strict.do(REGISTER, by="operator", app="mini-program", manifest=manifest) == {"changed": 2}
    assert await strict.do(REGISTER, by="operator", app="mini-program", manifest=manifest) == {"changed": 0}
    assert (await send(strict, "good", documentId=id_of(MINE)))[0] == 200
    ids = [id_of(MINE), id_of("never")]
    assert await strict.do(RETIRE, by="operator", documentIds=ids) == {"changed": 1}
    strict.wait(seconds=REMEMBERED_SECONDS)
    assert await refused(strict, "good", documentId=id_of(MINE)) == "DOCUMENT_NOT_FOUND"
    assert await strict.do(REGISTER, by="operator", app="mini-program", manifest=manifest) == {"changed": 1}
    assert (await send(strict, "good", documentId=id_of(MINE)))[0] == 200


async def test_the_register_is_paged_by_id(city: City) -> None:
    await let_in(city, MINE, OFFERS)
    found, after = [], None
    for _ in range(2):
        page = (
            await city.ask(
                "query ($after: String) { trustedDocuments(first: 1, after: $after) {"
                " edges { node { documentId text retiredAt } } pageInfo { endCursor hasNextPage } } }",
                {"after": after},
                by="auditor",
            )
        )["data"]["trustedDocuments"]
        after = page["pageInfo"]["endCursor"]
        found += [edge["node"]["documentId"] for edge in page["edges"]]
    assert found == sorted(f"sha256:{id_of(text)}" for text in (MINE, OFFERS))
    assert not page["pageInfo"]["hasNextPage"]


@pytest.mark.parametrize(
    "manifest",
    ["", "[]", "{}", "{", '{"a": "b"}', orjson.dumps({id_of(MINE): OFFERS}).decode(), '{"operations": [{"id": 1}]}',
     orjson.dumps({id_of("{ nothing }"): "{ nothing }"}).decode(),
     orjson.dumps({id_of("{ __schema { types { name } } }"): "{ __schema { types { name } } }"}).decode()],
)  # fmt: skip
async def test_a_bad_manifest_registers_nothing_and_says_why(city: City, manifest: str) -> None:
    body = await city.ask(REGISTER, {"input": {"app": "x", "manifest": manifest}}, by="operator")
    (error,) = body["errors"]
    assert error["extensions"]["code"] == BadInput.code
    assert error["message"].endswith("。")
    listed = await city.ask("{ trustedDocuments { edges { cursor } } }", by="operator")
    assert listed["data"]["trustedDocuments"]["edges"] == []


async def test_apollos_manifest_is_read(city: City) -> None:
    operations = [{"id": id_of(MINE), "name": "Mine", "type": "query", "body": MINE}]
    manifest = {"format": "apollo-persisted-query-manifest", "version": 1, "operations": operations}
    assert await city.do(REGISTER, by="operator", app="x", manifest=orjson.dumps(manifest).decode()) == {"changed": 1}


async def test_the_demo_and_the_sandbox_answer_any_document(city: City) -> None:
    assert (await send(city, query=OFFERS))[0] == 200
    assert (await send(city, documentId=id_of(OFFERS)))[0] == 400


def test_the_documents_for_partners_are_those_of_their_page() -> None:
    page = (Path(__file__).parents[1] / "docs" / "for-partners.md").read_text()
    assert len(shipped()) == 3
    for key, text in shipped().items():
        assert text.strip() in page
        assert f"sha256:{key}" in page


def partner_id(number: int) -> str:
    """The public id of a partner of the small city."""
    from api.ids import public_id

    return public_id("Partner", number)
