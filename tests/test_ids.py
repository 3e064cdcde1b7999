"""Opaque ids and cursors: each has one spelling, and the type inside is checked."""

from __future__ import annotations

import base64
import shutil
from contextlib import suppress
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from factories import REDEEM, REVERSE, City, offer_id
from hypothesis import given
from hypothesis import strategies as st

from api.ids import any_key, key_of, public_id, uuid_of
from api.pagination import cursor_of, key_after, number_after
from core.errors import BadInput

OFFER = public_id("Offer", 1)
keys = st.integers(min_value=0, max_value=2**63 - 1)


@pytest.fixture
def city_url(sqlite_template: Path, tmp_path: Path) -> str:
    """SQLite alone: a wrong id does not reach the store."""
    shutil.copy(sqlite_template, tmp_path / "city.db")
    return f"sqlite+aiosqlite:///{tmp_path}/city.db"


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


WRONG = {
    "nothing": "",
    "no base64": "offer-1",
    "more padding": OFFER + "=",
    "no padding": OFFER.rstrip("="),
    "a blank before": " " + OFFER,
    "a line end after": OFFER + "\n",
    "a stray bit in the last letter": OFFER.replace("MQ==", "MR=="),
    "a leading zero": encoded("Offer:01"),
    "a sign": encoded("Offer:+1"),
    "negative": encoded("Offer:-1"),
    "a blank in the key": encoded("Offer: 1"),
    "no key": encoded("Offer:"),
    "two keys": encoded("Offer:1:1"),
    "a fraction": encoded("Offer:1.0"),
    "an underscore": encoded("Offer:1_0"),
    "full-width digits": encoded("Offer:１"),
    "Arabic digits": encoded("Offer:١"),
    "beyond 64 bits": encoded(f"Offer:{2**63}"),
    "five thousand digits": encoded("Offer:" + "9" * 5000),
    "a type in lower case": encoded("offer:1"),
    "another type": encoded("Partner:1"),
    "the url-safe alphabet": base64.urlsafe_b64encode(b"Offer:1>?").decode(),
    "no UTF-8": base64.b64encode(b"\xff\xfe:1").decode(),
    "a key of SQL": encoded("Offer:1 OR 1=1"),
    "NUL": "\x00",
    "no ASCII": "编号",
}


@given(key=keys)
def test_an_id_leads_back_to_its_key(key: int) -> None:
    assert any_key(public_id("Offer", key)) == ("Offer", key)
    assert key_of(public_id("Offer", key), "Offer") == key


@given(key=st.uuids())
def test_an_id_leads_back_to_its_uuid(key: UUID) -> None:
    assert uuid_of(public_id("Verification", key), "Verification") == key


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_any_other_spelling_is_refused(wrong: str) -> None:
    with pytest.raises(BadInput, match="id"):
        key_of(wrong, "Offer")


@given(text=st.text(max_size=40))
def test_no_text_but_an_id_is_one(text: str) -> None:
    try:
        kind, key = any_key(text)
    except BadInput:
        return
    assert public_id(kind, key) == text


@given(key=keys, place=st.integers(min_value=0, max_value=60), letter=st.characters(max_codepoint=127))
def test_a_changed_letter_is_never_the_same_object(key: int, place: int, letter: str) -> None:
    given_out = public_id("Offer", key)
    place %= len(given_out)
    changed = given_out[:place] + letter + given_out[place + 1 :]
    if changed == given_out:
        return
    with suppress(BadInput):
        assert any_key(changed) != ("Offer", key)


@pytest.mark.parametrize(
    "text",
    ["1", "{00000000-0000-4000-8000-000000000000}", "00000000-0000-4000-8000-00000000000A",
     "00000000000040008000000000000000", "urn:uuid:00000000-0000-4000-8000-000000000000", ""],
)  # fmt: skip
def test_a_uuid_has_one_spelling_too(text: str) -> None:
    with pytest.raises(BadInput):
        uuid_of(encoded(f"Verification:{text}"), "Verification")


@given(key=st.integers(min_value=0, max_value=10**18))
def test_a_cursor_leads_back_to_its_key(key: int) -> None:
    assert number_after(cursor_of(key)) == key
    assert key_after(cursor_of(uuid := uuid4())) == str(uuid)


@given(text=st.text(max_size=40))
def test_no_text_but_a_cursor_is_one(text: str) -> None:
    try:
        key = key_after(text)
    except BadInput:
        return
    assert cursor_of(key) == text


def test_no_cursor_means_from_the_start() -> None:
    assert key_after(None) is None
    assert number_after(None) is None


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
async def test_node_finds_nothing_under_another_spelling(city: City, wrong: str) -> None:
    query = "query ($id: ID!) { node(id: $id) { ... on Offer { id } } }"
    body = await city.ask(query, {"id": wrong})
    assert body in ({"data": {"node": None}}, {"data": {"node": {}}})
    assert (await city.ask(query, {"id": OFFER}))["data"]["node"] == {"id": OFFER}


async def test_a_mutation_refuses_a_wrong_id_and_writes_nothing(city: City) -> None:
    verification = (await city.verify(await city.code("good")))["id"]
    for wrong in (*WRONG.values(), OFFER):
        for query, name in ((REDEEM, "verificationId"), (REVERSE, "redemptionId")):
            asked = {"requestId": "1", name: wrong} | ({"reason": "顾客退票"} if name == "redemptionId" else {})
            body = await city.ask(query, {"input": asked}, by="scenic")
            assert body["data"] is None
            assert body["errors"][0]["extensions"] == {"code": "BAD_USER_INPUT"}
    assert (await city.redeem(verification, requestId="1"))["__typename"] == "Redemption"


async def test_pages_neither_repeat_nor_lose_a_row(city: City) -> None:
    query = """query ($first: Int, $after: String) { offers(first: $first, after: $after) {
      edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""
    whole = (await city.ask(query, {}))["data"]["offers"]["edges"]
    assert [edge["node"]["id"] for edge in whole] == [
        offer_id(name) for name in ("museum", "tower", "garden", "clinic", "loan")
    ]
    for size in (1, 2, 3, 5, 100):
        found, after, more = [], None, True
        while more:
            page = (await city.ask(query, {"first": size, "after": after}))["data"]["offers"]
            assert page["pageInfo"]["hasPreviousPage"] is (after is not None)
            assert page["pageInfo"]["startCursor"] == page["edges"][0]["cursor"]
            found += page["edges"]
            after, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
        assert found == whole
