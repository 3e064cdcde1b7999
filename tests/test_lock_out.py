"""Failed sign-ins, sealed tickets and linked identities: what holds when many try at once."""

from __future__ import annotations

import asyncio
import base64
from datetime import timedelta
from pathlib import Path
from typing import Any

from factories import NOON, City
from sign_ins import link

from core.audit import audit_entries
from core.database import Conflict
from core.keys import load_keys
from partners.sessions.failures import Counted, SignInLocked, check_not_locked, forget_failures, note_failure
from partners.sessions.tables import linked_identities, sign_in_counts
from partners.sessions.tickets import make_ticket, open_ticket


async def test_failures_lock_say_until_when_and_are_forgotten_by_success_or_time(city: City) -> None:
    mine, other = Counted("account", "good"), Counted("account", "plain")

    async def fail(*these: Counted) -> Any:
        async with city.state.database.transaction() as connection:
            return await note_failure(connection, city.keys, *these, provider="city-id", why="X", now=city.now)

    async def is_locked(one: Counted) -> Any:
        async with city.state.database.reading() as connection:
            try:
                await check_not_locked(connection, city.keys, one, now=city.now)
            except SignInLocked as locked:
                return locked.until
        return None

    for _ in range(9):
        assert await fail(mine) is None
    async with city.state.database.transaction() as connection:
        await forget_failures(connection, city.keys, mine)
    for _ in range(9):
        assert await fail(mine) is None
    until = NOON + timedelta(minutes=15)
    assert (await fail(mine), await is_locked(mine), await is_locked(other)) == (until, until, None)
    city.wait(minutes=15)
    assert await is_locked(mine) is None
    assert await fail(mine) is None
    assert len(await city.rows(sign_in_counts)) == 1
    actors = [entry.actor for entry in await city.rows(audit_entries) if entry.action == "signInFailed"]
    assert actors == ["sign-in:city-id"] * 20


async def test_failures_that_come_at_once_are_all_counted(city: City) -> None:
    answers = await asyncio.gather(
        *(city.client.post("/sign-in/refresh", json={"refresh_token": "x"}) for _ in range(20))
    )
    assert {answer.status_code for answer in answers} == {401}
    assert [row.failures for row in await city.rows(sign_in_counts)] == [20]


async def test_one_outside_identity_is_linked_to_one_account_at_a_time_however_many_try(city: City) -> None:
    async def bind(account: str) -> None:
        for _ in range(8):
            try:
                await link(city, account, "openid")
            except Conflict:
                continue
            return

    await asyncio.gather(*(bind(account) for account in ("good", "plain", "poor")))
    live = [row for row in await city.rows(linked_identities) if row.ended_at is None]
    assert len(live) == 1


def test_a_ticket_opens_for_what_it_was_made_and_has_one_spelling(keys_file: Path) -> None:
    keys = load_keys(keys_file)
    ticket = make_ticket(keys, "bind", {"a": 1}, now=NOON, lifetime=timedelta(minutes=1))
    assert open_ticket(keys, "bind", ticket, now=NOON) == {"a": 1}
    assert open_ticket(keys, "bind", ticket, now=NOON + timedelta(minutes=1)) is None
    assert open_ticket(keys, "state", ticket, now=NOON) is None
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    spelled = [ticket[:-1] + letter for letter in letters] + [f"{ticket}=", f"{ticket}\n", f" {ticket}"]
    assert [one for one in spelled if open_ticket(keys, "bind", one, now=NOON)] == [ticket]
    assert b"bind" not in base64.urlsafe_b64decode(ticket + "=" * (-len(ticket) % 4))
