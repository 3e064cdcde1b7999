"""Wallets under races and under deaths of the process. One thing to know: a request has one answer and a credential
decides once, whoever is quicker; what was half done is not there."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import pytest
from factories import City, offer_id
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection
from test_cases_crashes import Killed
from wallets import ISSUE, Wallet, look, new_key, request

from core.audit import audit_entries
from core.statements import Prepared, PreparedInserts
from partners.tables import access_events, answers, quotas, security_events, verifications
from partners.wallet.tables import presentation_requests, wallet_credentials
from scoring.tables import enrollments

WATCHED = (
    verifications, access_events, answers, quotas, security_events, audit_entries, presentation_requests,
    wallet_credentials,
)  # fmt: skip


@contextmanager
def killed_at(number: int, *, after: bool) -> Iterator[list[int]]:
    """Die before, or just after, that many statements, prepared ones included; the list's one entry counts them."""
    seen = [0]

    def dying(real: Any) -> Any:
        async def run(self: Any, *given: Any, **more: Any) -> Any:
            seen[0] += 1
            mine = seen[0]
            if mine == number and not after:
                raise Killed
            result = await real(self, *given, **more)
            if mine == number and after:
                raise Killed
            return result

        return run

    with ExitStack() as stack:
        for kind, name in (
            (AsyncConnection, "execute"), (AsyncConnection, "exec_driver_sql"), (Prepared, "all"),
            (PreparedInserts, "run"),
        ):  # fmt: skip
            stack.enter_context(patch.object(kind, name, dying(getattr(kind, name))))
        yield seen


async def snapshot(city: City) -> dict[str, list[str]]:
    return {table.name: sorted(map(repr, await city.rows(table))) for table in WATCHED}


def added(before: dict[str, list[str]], after: dict[str, list[str]]) -> dict[str, int]:
    return {name: len(after[name]) - len(before[name]) for name in before if len(after[name]) != len(before[name])}


ANSWERED = {"verifications": 1, "access_events": 1, "answers": 1, "audit_entries": 1}


@pytest.mark.parametrize("offer", ["museum", "tower"])
@pytest.mark.parametrize("person", ["good", "gone"])
async def test_an_answer_killed_at_any_statement_is_whole_or_nothing_and_comes_with_the_next_try(
    city: City, offer: str, person: str
) -> None:
    wallet = Wallet(city, "good")
    await wallet.fetch(offer)
    if person == "gone":  # left since: standard service
        await city.write(update(enrollments).where(enrollments.c.subject_id == 1).values(left_at=city.now))
    asked = await request(city, offer)
    read = await wallet.read(asked)
    told = {"nonce": read["nonce"], "audience": read["client_id"], "at": city.now.timestamp()}
    vp_token = {"benefit": [wallet.held[0].shown(**told)]}
    before, number, whole = await snapshot(city), 0, False
    while not whole:
        number += 1
        for after in (False, True):
            with killed_at(number, after=after) as seen:
                try:
                    status = (await wallet.post(read, vp_token)).status_code
                except Killed:
                    status = 0
            found = await snapshot(city)
            whole = found != before
            if whole:
                assert added(before, found) == ANSWERED, (number, after)
                break
            assert seen[0] >= number, "it went through and left nothing"
            assert status != 200
    assert number > 2, "there was something to die at"
    done, state = await snapshot(city), await look(city, asked)
    assert state["verification"]["outcome"] == ("BENEFIT_APPLIES" if person == "good" else "STANDARD_SERVICE")
    assert (await wallet.post(read, vp_token)).status_code == 200
    assert await snapshot(city) == done
    assert await look(city, asked) == state


async def test_a_refusal_killed_at_any_statement_is_written_whole_or_not_at_all(city: City) -> None:
    wallet = Wallet(city, "good")
    await wallet.fetch()
    read = await wallet.read(await request(city))
    shown = wallet.held[0].shown(nonce="other", audience=read["client_id"], at=city.now.timestamp())
    before, number = await snapshot(city), 0
    while True:
        number += 1
        for after in (False, True):
            with killed_at(number, after=after) as seen:
                try:
                    status = (await wallet.post(read, {"benefit": [shown]})).status_code
                except Killed:
                    status = 0
            if seen[0] < number:
                assert status == 400
                assert added(before, await snapshot(city)) == {"access_events": 1, "audit_entries": 1}
                assert number > 4, "there was something to die at"
                return
            assert await snapshot(city) == before, (number, after)


async def test_issuing_killed_at_any_statement_leaves_nothing(city: City) -> None:
    wallet, keys = Wallet(city, "good"), [new_key().export_public() for _ in range(3)]
    before, number = await snapshot(city), 0
    while True:
        number += 1
        for after in (False, True):
            with killed_at(number, after=after) as seen:
                body = await city.client.post(
                    "/graphql",
                    json={"query": ISSUE, "variables": {"input": {"offerId": offer_id("museum"), "keys": keys}}},
                    headers={"authorization": f"Bearer {city.token('good')}"},
                )
            if seen[0] < number:
                assert body.json()["data"]["issueCredentials"]["__typename"] == "CredentialBatch"
                assert added(before, await snapshot(city)) == {"wallet_credentials": 3, "audit_entries": 1}
                assert (await wallet.fetch(keys=keys))["code"] == "KEY_USED_BEFORE"
                return
            assert "errors" in body.json()
            assert await snapshot(city) == before, (number, after)


async def test_two_wallets_at_one_request_and_one_credential_at_two_requests_leave_one_answer_each(city: City) -> None:
    wallet = Wallet(city, "good")
    await wallet.fetch("tower", number=20)
    for pair in range(5):
        asked, held = await request(city, "tower"), wallet.held[2 * pair : 2 * pair + 2]
        claims = await wallet.read(asked)
        statuses = await asyncio.gather(*(wallet.answer(claims, one) for one in held))
        found = Counter(one.json().get("xinyi_code") for one in statuses)
        assert found == {None: 1, "REQUEST_CONFLICT": 1}
        assert (await look(city, asked))["state"] == "ANSWERED"
    for number in range(4):
        two = [await request(city, "tower") for _ in range(2)]
        shown = await asyncio.gather(*(wallet.show(one, wallet.held[10 + number]) for one in two))
        found = Counter(one.json().get("xinyi_code") for one in shown)
        assert found[None] == 1, found
        assert set(found) <= {None, "CREDENTIAL_REPLAYED", "CODE_REPLAYED"}
    assert len(await city.rows(verifications)) == 9


async def test_one_key_handed_in_twice_at_once_gets_one_credential(city: City) -> None:
    keys = [new_key().export_public()]
    answers_ = await asyncio.gather(*(Wallet(city, "good").fetch(offer, keys=keys) for offer in ("museum", "garden")))
    assert sorted(one.get("code", "") for one in answers_) == ["", "KEY_USED_BEFORE"]
    assert len(await city.rows(wallet_credentials)) == 1
