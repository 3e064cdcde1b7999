"""Files that are long on their way. One thing to know: whoever sends slowly waits alone, and a right that ends
meanwhile ends what it began."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from typing import Any

from factories import City
from intake_files import PENALTY_ROW, csv_bytes
from sqlalchemy import insert
from streaming import until

from partners.accounts import Role
from partners.tables import accounts
from scoring.intake.tables import intake_batches

FILE = csv_bytes(PENALTY_ROW)


async def deliver(city: City, content: bytes | AsyncIterable[bytes], *, by: str = "provider") -> Any:
    headers = {"authorization": f"Bearer {city.token(by, role=Role.PROVIDER)}"}
    asked = {"item": "administrative-penalty", "place": "hunan-shaoyang"}
    return await city.client.post("/intake", params=asked, content=content, headers=headers)


class Slow:
    """A file whose second half waits for the test."""

    def __init__(self) -> None:
        self.began, self.go_on = asyncio.Event(), asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self.began.set()
        yield FILE[:50]
        await self.go_on.wait()
        yield FILE[50:]


async def test_files_that_trickle_in_keep_nobody_waiting_but_their_sender(city: City) -> None:
    async with city.state.database.transaction() as connection:
        await connection.execute(insert(accounts).values(id="provider-2", role=Role.PROVIDER.value))
    slow = [Slow() for _ in range(3)]
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        sent = [tasks.create_task(deliver(city, one)) for one in slow]
        await until(lambda: sum(one.began.is_set() for one in slow) == 2)
        assert (await deliver(city, FILE, by="provider-2")).json()["accepted"] == 1
        assert sum(one.began.is_set() for one in slow) == 2, "a third of one account waits for its others"
        for one in slow:
            one.go_on.set()
    assert [(await one).json()["duplicates"] for one in sent] == [1, 1, 1]


async def test_a_right_that_ends_while_a_file_is_on_its_way_loads_nothing(city: City) -> None:
    slow = Slow()
    async with asyncio.timeout(10):
        sent = asyncio.create_task(deliver(city, slow))
        await slow.began.wait()
        await city.end_account("provider")
        slow.go_on.set()
        answer = await sent
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "UNAUTHENTICATED")
    assert await city.rows(intake_batches) == []
