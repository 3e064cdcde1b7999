"""The audit trail and its verification. One thing to know: whatever is changed by hand is named, on both databases, and
nothing that merely went wrong is taken for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
import pytest
from factories import VERIFY, City, offer_id, open_city
from sqlalchemy import delete, func, insert, select, update

from api.jobs.checkpointing import PATH, checkpoint_once
from core import audit
from core.audit import audit_chains, audit_entries, leaf_of, link_of
from core.checkpoints import TrailBroken, Verified, audit_checkpoints, check_leaf, snapshot, verify_trail
from core.database import Conflict
from core.identifiers import new_id
from core.keys import load_keys, new_key_file
from core.signing import sign, verify
from partners.codes import issue_code
from partners.receipts import check_receipt

ENTRIES = """query ($action: String, $from: Date, $until: Date, $after: String) { auditEntries(
  first: 2, action: $action, from: $from, until: $until, after: $after) {
  edges { node { at actor action subject chain step leaf link } } pageInfo { hasNextPage endCursor } } }"""


async def verified(city: City, *, kept: list[str] | None = None) -> Verified:
    async with city.state.database.reading() as connection, snapshot(connection):
        return await verify_trail(connection, city.keys, kept=kept or [])


async def broken(city: City, *, kept: list[str] | None = None) -> str:
    with pytest.raises(TrailBroken) as told:
        await verified(city, kept=kept)
    return str(told.value.message)


async def entries(city: City) -> list[Any]:
    """The rows of the one chain that a test's requests one after another make."""
    return sorted(await city.rows(audit_entries), key=lambda row: (str(row.chain), row.step))


async def scans(city: City, number: int = 5) -> list[dict[str, Any]]:
    return [await city.verify(await city.code("good")) for _ in range(number)]


async def published(city: City, after: int = 0) -> list[dict[str, Any]]:
    response = await city.client.get(f"{PATH}?after={after}")
    assert response.status_code == 200
    return [orjson.loads(line) for line in response.content.splitlines()]


async def test_a_trail_as_it_was_written_verifies_to_the_row(city: City) -> None:
    assert await verified(city) == Verified(0, 0, 0)
    await scans(city)
    assert await verified(city) == Verified(5, 0, 0)
    assert await checkpoint_once(city.state) == 1
    assert await checkpoint_once(city.state) is None, "nothing has moved"
    await scans(city, 2)
    assert await verified(city) == Verified(7, 1, 5)
    assert await checkpoint_once(city.state) == 2
    assert await verified(city) == Verified(7, 2, 7)


@pytest.mark.parametrize(
    "change",
    [{"actor": "somebody"}, {"action": "nothing"}, {"content": "{}"}, {"subject_id": 2}, {"nonce": "0" * 64}],
    ids=lambda change: next(iter(change)),
)
async def test_a_row_changed_by_hand_is_named(city: City, change: dict[str, Any]) -> None:
    await scans(city)
    row = (await entries(city))[2]
    await city.write(update(audit_entries).where(audit_entries.c.id == row.id).values(**change), by_hand=True)
    told = await broken(city)
    assert str(row.id) in told
    assert "内容被改动过" in told


async def test_a_row_changed_with_its_leaf_or_moved_in_time_is_named(city: City) -> None:
    await scans(city)
    row = (await entries(city))[2]
    changed = row._asdict() | {"actor": "somebody"}
    values = {"actor": "somebody", "leaf": leaf_of(changed)}
    await city.write(update(audit_entries).where(audit_entries.c.id == row.id).values(**values))
    assert str(row.id) in await broken(city)


async def test_a_row_deleted_in_the_middle_is_named_by_its_place(city: City) -> None:
    await scans(city)
    row = (await entries(city))[2]
    await city.write(delete(audit_entries).where(audit_entries.c.id == row.id))
    assert await broken(city) == f"链 {row.chain} 缺少第 3 行:它被删除过。请从备份恢复,并查明原因。"


async def test_a_tail_cut_off_after_a_checkpoint_is_named(city: City) -> None:
    await scans(city)
    await checkpoint_once(city.state)
    row = (await entries(city))[3]
    await city.write(delete(audit_entries).where(audit_entries.c.step >= 4))
    assert await broken(city) == f"链 {row.chain} 缺少第 4 行:它被删除过。请从备份恢复,并查明原因。"


async def test_a_whole_chain_taken_away_is_named(city: City) -> None:
    await scans(city)
    await checkpoint_once(city.state)
    (chain,) = await city.rows(audit_chains)
    await city.write(delete(audit_entries), delete(audit_chains))
    assert await broken(city) == f"链 {chain.chain} 缺少第 1 行:它被删除过。请从备份恢复,并查明原因。"


async def test_a_row_put_in_is_named_wherever_it_is_put(city: City) -> None:
    await scans(city)
    first, *_, last = await entries(city)
    put_in = first._asdict() | {"id": new_id(), "step": last.step + 1, "actor": "nobody"}
    put_in["leaf"] = leaf_of(put_in)
    await city.write(insert(audit_entries).values(put_in))
    assert str(put_in["id"]) in await broken(city)
    other = put_in | {"chain": new_id(), "step": 1}
    other["link"] = link_of(sha256(other["chain"].bytes).hexdigest(), other["leaf"])
    await city.write(delete(audit_entries).where(audit_entries.c.id == put_in["id"]))
    await city.write(insert(audit_entries).values(other))
    told = await broken(city)
    assert str(other["id"]) in told
    assert "没有登记" in told


async def rewrite(city: City, *, from_step: int) -> None:
    """What an insider with the database does: make one row say something else, and every row after it agree."""
    link = ""
    for row in await entries(city):
        changed = row._asdict()
        if row.step == from_step:
            changed["actor"] = "nobody"
            changed["leaf"] = leaf_of(changed)
        link = link_of(link or sha256(row.chain.bytes).hexdigest(), changed["leaf"])
        values = {"actor": changed["actor"], "leaf": changed["leaf"], "link": link}
        await city.write(update(audit_entries).where(audit_entries.c.id == row.id).values(**values))


async def test_a_trail_recomputed_from_a_row_on_disagrees_with_its_checkpoint(city: City) -> None:
    await scans(city)
    await checkpoint_once(city.state)
    await rewrite(city, from_step=2)
    assert "第 1 号检查点所签的不一致" in await broken(city)


async def test_a_checkpoint_signed_anew_without_the_key_does_not_hold(city: City, tmp_path: Path) -> None:
    await scans(city)
    await checkpoint_once(city.state)
    await rewrite(city, from_step=2)
    new_key_file(tmp_path / "other.json", demo=True)
    (row,) = await city.rows(audit_checkpoints)
    last = (await entries(city))[-1]
    claims = verify(city.keys, "audit", row.statement) | {"heads": {str(last.chain): [last.step, last.link]}}
    forged = sign(load_keys(tmp_path / "other.json"), "audit", claims)
    await city.write(update(audit_checkpoints).values(statement=forged))
    assert "第 1 号检查点的签名不成立" in await broken(city)


async def test_checkpoints_taken_away_are_missed(city: City) -> None:
    for _ in range(3):
        await scans(city, 1)
        await checkpoint_once(city.state)
    await city.write(delete(audit_checkpoints).where(audit_checkpoints.c.number == 2))
    assert "第 2 号检查点缺失" in await broken(city)


async def test_an_insider_with_the_keys_is_found_out_by_a_checkpoint_kept_elsewhere_and_by_a_receipt(
    city: City,
) -> None:
    answers = await scans(city)
    await checkpoint_once(city.state)
    kept = [line["statement"] for line in await published(city)]
    receipts = [check_receipt(city.keys, answer["receipt"])["leaf"] for answer in answers]
    await rewrite(city, from_step=2)
    await city.write(delete(audit_checkpoints), update(audit_chains).values(signed_step=0))
    await checkpoint_once(city.state)
    assert await verified(city) == Verified(5, 1, 5), "by itself the trail looks whole"
    assert "另行保存的不一致" in await broken(city, kept=kept)
    async with city.state.database.reading() as connection:
        for place, leaf in enumerate(receipts, 1):
            if place != 2:
                await check_leaf(connection, leaf)
        with pytest.raises(TrailBroken, match=receipts[1]):
            await check_leaf(connection, receipts[1])


async def test_rows_and_checkpoints_cut_off_together_are_found_by_what_was_published(city: City) -> None:
    await scans(city)
    await checkpoint_once(city.state)
    kept = [line["statement"] for line in await published(city)]
    await city.write(delete(audit_checkpoints), delete(audit_entries).where(audit_entries.c.step >= 4))
    assert await verified(city) == Verified(3, 0, 0)
    assert "缺少第 4 行" in await broken(city, kept=kept)


# Many at once, and what merely went wrong


@pytest.fixture
async def cities(request: pytest.FixtureRequest, city_url: str, keys_file: Path) -> AsyncIterator[list[City]]:
    """Two instances over one database; SQLite is one process's."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(open_city(database_url=city_url, keys_file=keys_file, rate_burst=10_000))
            for _ in range(1 if "sqlite" in city_url else 2)
        ]


async def test_two_hundred_races_for_one_code_roll_back_without_a_false_alarm(cities: list[City]) -> None:
    one, *_ = cities
    for _ in range(4):
        _, code = issue_code(one.keys, subject_id=1, offer_id=None, now=one.now)
        asked = {"code": code, "offerId": offer_id("tower")}
        await asyncio.gather(
            *(cities[n % len(cities)].do(VERIFY, by="scenic", **asked, requestId=one.next_request()) for n in range(50))
        )
        await asyncio.gather(*(checkpoint_once(city.state) for city in cities))
    found = await verified(one)
    assert found.rows == (await one.tally())["audit_entries"] == (await one.tally())["access_events"]


async def test_two_processes_signing_at_once_leave_one_line_of_checkpoints(cities: list[City]) -> None:
    one, *_ = cities
    for _ in range(10):
        await scans(one, 1)
        await asyncio.gather(*(checkpoint_once(city.state) for city in cities * 3))
    found = await verified(one)
    assert (found.rows, found.signed_rows) == (10, 10)


async def test_a_transaction_that_fails_ends_its_chain_and_nothing_else(city: City) -> None:
    async def note(*, fails: bool) -> None:
        async with city.state.database.transaction() as connection:
            for _ in range(2):
                await audit.record(connection, at=city.now, actor="test", action="test", content={})
            if fails:
                raise RuntimeError

    for fails in (False, True, False, True, True, False):
        if fails:
            with pytest.raises(RuntimeError):
                await note(fails=True)
        else:
            await note(fails=False)
    assert await verified(city) == Verified(6, 0, 0)


@pytest.mark.parametrize("city_url", ["postgresql"], indirect=True)
async def test_a_later_statement_that_fails_does_not_break_what_was_committed_before_it(city: City) -> None:
    async def note(*, fails: bool) -> None:
        async with city.state.database.statements() as connection:
            await audit.record(connection, at=city.now, actor="test", action="test", content={})
            if fails:
                await connection.execute(insert(audit_chains).values(chain=new_id(), opened_at=None))

    for _ in range(3):
        await note(fails=False)
        with pytest.raises(Conflict):
            await note(fails=True)
    assert await verified(city) == Verified(6, 0, 0)


async def test_cancelling_at_any_moment_leaves_a_trail_that_holds(city: City) -> None:
    async def note() -> None:
        async with city.state.database.transaction() as connection:
            for _ in range(3):
                await audit.record(connection, at=city.now, actor="test", action="test", content={})

    for turns in range(40):
        task = asyncio.create_task(note())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await note()
    found = await verified(city)
    assert found.rows >= 120
    assert found.rows % 3 == 0


async def test_a_verification_while_others_write_sees_one_instant(cities: list[City]) -> None:
    city, stop = cities[0], asyncio.Event()

    async def keep_writing() -> None:
        while not stop.is_set():
            await asyncio.gather(*(scans(city, 1) for _ in range(4)))
            await checkpoint_once(city.state)
            await asyncio.sleep(0.01)

    writing = asyncio.create_task(keep_writing())
    seen: list[int] = []
    for _ in range(20):
        seen.append((await verified(city)).rows)
        await asyncio.sleep(0.02)
    stop.set()
    await writing
    assert seen == sorted(seen)
    assert seen[-1] > 0


# What is published and what auditors read


async def test_checkpoints_are_public_in_order_and_by_number(city: City) -> None:
    for _ in range(3):
        await scans(city, 1)
        await checkpoint_once(city.state)
    lines = await published(city)
    assert [line["number"] for line in lines] == [1, 2, 3]
    assert set(lines[0]) == {"number", "at", "statement"}
    assert [line["number"] for line in await published(city, after=2)] == [3]
    claims = verify(city.keys, "audit", lines[1]["statement"])
    assert claims["previous"] == sha256(lines[0]["statement"].encode()).hexdigest()
    for wrong in ("-1", "x", "9" * 30, "１"):
        assert (await city.client.get(PATH, params={"after": wrong})).status_code == 400


async def test_the_server_signs_when_it_stops(city_url: str, keys_file: Path) -> None:
    async with open_city(database_url=city_url, keys_file=keys_file) as opened:
        await scans(opened, 3)
    async with open_city(database_url=city_url, keys_file=keys_file) as again:
        assert await verified(again) == Verified(3, 1, 3)


async def test_auditors_read_the_trail_in_pages_without_a_subject_and_each_reading_is_on_it(city: City) -> None:
    await scans(city, 3)
    page = (await city.ask(ENTRIES, by="auditor"))["data"]["auditEntries"]
    nodes = [edge["node"] for edge in page["edges"]]
    rows = {row.leaf: row for row in await city.rows(audit_entries)}
    assert [node["action"] for node in nodes] == ["verifyCreditCode"] * 2
    assert [(rows[n["leaf"]].step, str(rows[n["leaf"]].chain)) for n in nodes] == [
        (n["step"], n["chain"]) for n in nodes
    ]
    assert nodes[0]["subject"] == nodes[1]["subject"] is not None
    further = await city.ask(ENTRIES, {"after": page["pageInfo"]["endCursor"]}, by="auditor")
    assert len(further["data"]["auditEntries"]["edges"]) == 1
    mine = await city.ask(ENTRIES, {"action": "auditEntries"}, by="auditor")
    assert [(e["node"]["actor"], e["node"]["subject"]) for e in mine["data"]["auditEntries"]["edges"]] == [
        ("auditor", None)
    ] * 2
    for days, number in (({"from": "2026-11-20", "until": "2026-11-21"}, 2), ({"until": "2026-11-20"}, 0)):
        found = await city.ask(ENTRIES, days, by="auditor")
        assert len(found["data"]["auditEntries"]["edges"]) == number
    assert await verified(city) == Verified(8, 0, 0)


async def test_steps_of_a_chain_count_up_from_one(city: City) -> None:
    await asyncio.gather(*(scans(city, 1) for _ in range(20)))
    async with city.state.database.reading() as connection:
        counted = select(func.count(), func.max(audit_entries.c.step)).group_by(audit_entries.c.chain)
        assert {one == most for one, most in await connection.execute(counted)} == {True}
