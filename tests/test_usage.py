"""The monthly report of use: whatever is asked and compared, it tells of ten people or of nobody. One thing to know:
queries are compared with each other here as somebody would who looks for one person."""

from __future__ import annotations

import asyncio
import csv
import io
from collections import Counter
from datetime import date, datetime, timedelta
from itertools import combinations
from typing import Any

from factories import NOON, City
from hypothesis import given, settings
from hypothesis import strategies as st
from settled import add_use
from sqlalchemy import insert, select

from partners.tables import outcome_reports, redemptions, usage_blocks, verifications
from partners.usage import Block, Use, publishable_blocks, read_usage, take_usage_due

OCTOBER = date(2026, 10, 1)
USAGE = """query ($month: Date!, $partner: ID) { usage(month: $month, partnerId: $partner) { month blocks {
  partner { name } kind people verifications redemptions reversed amountFen outcomes { outcome reports } } } }"""


async def fill(city: City) -> None:
    """In October 12 people use the museum twice each, 3 of them the clinic; 30 get the standard service."""
    joined = list((await city.move_in(30)).values())
    at = NOON - timedelta(days=25)
    async with city.state.database.transaction() as connection:
        for number, subject_id in enumerate(joined):
            if number < 12:
                for _ in range(2):
                    await add_use(connection, at=at, subject_id=subject_id, fen=1_050)
            if number < 3:
                await add_use(connection, at=at, subject_id=subject_id, partner_id=2, offer_id=7)
            standard = {"redeemed": False, "outcome": "STANDARD_SERVICE"}
            await add_use(connection, at=at, subject_id=subject_id, partner_id=3, offer_id=8, **standard)  # type: ignore[arg-type]


async def take(city: City) -> Any:
    return await take_usage_due(city.state.database, now=city.now)


async def usage(city: City, by: str = "operator", **given: Any) -> Any:
    return (await city.ask(USAGE, {"month": "2026-10-15"} | given, by=by))["data"]["usage"]


async def test_a_month_is_taken_once_and_small_cells_are_nowhere(city: City) -> None:
    await fill(city)
    assert await usage(city) is None
    assert sorted([str(one) for one in await asyncio.gather(take(city), take(city))]) == ["2026-10-01", "None"]
    found = await usage(city)
    assert found["month"] == "2026-10-01"
    assert found["blocks"] == [
        {
            "partner": {"name": "测试scenic"}, "kind": "tourism", "people": 10, "verifications": 20,
            "redemptions": 20, "reversed": 0, "amountFen": "20000", "outcomes": [],
        }
    ]  # fmt: skip
    assert "测试hospital" not in str(found), "three people alone"
    assert "测试bank" not in str(found), "the standard service is not counted"


async def test_a_representative_reads_its_own_partners_and_others_nothing(city: City) -> None:
    await fill(city)
    await take(city)
    assert [one["partner"]["name"] for one in (await usage(city, by="representative"))["blocks"]] == ["测试scenic"]
    from api.ids import public_id

    hospital = public_id("Partner", 2)
    assert (await usage(city, by="operator", partner=hospital))["blocks"] == []
    assert [one["kind"] for one in (await usage(city, by="representative", partner=hospital))["blocks"]] == ["tourism"]


async def test_the_same_figures_come_as_a_csv(city: City) -> None:
    await fill(city)
    await take(city)

    async def fetch(path: str, by: str | None) -> Any:
        headers = {"authorization": f"Bearer {city.token(by)}"} if by else {}
        return await city.client.get(path, headers=headers)

    file = await fetch("/usage/2026-10.csv", "auditor")
    (row,) = csv.DictReader(io.StringIO(file.content.decode("utf-8-sig"), newline=""))
    assert (row["month"], row["partnerName"], row["people"], row["amountFen"]) == (
        "2026-10", "测试scenic", "10", "20000",
    )  # fmt: skip
    for path, by, status in (
        ("/usage/2026-09.csv", "operator", 404), ("/usage/2026-10.json", "operator", 404),
        ("/usage/x.csv", "operator", 404), ("/usage/2026-10.csv", None, 401), ("/usage/2026-10.csv", "scenic", 403),
        ("/usage/2026-10.csv", "good", 403), ("/usage/2026-10.csv", "representative", 200),
    ):  # fmt: skip
        assert (await fetch(path, by)).status_code == status, (path, by)


async def test_what_comes_or_goes_after_a_month_was_taken_changes_nothing_of_it(city: City) -> None:
    await fill(city)
    await take(city)
    before = await usage(city)
    async with city.state.database.transaction() as connection:
        await add_use(connection, at=NOON - timedelta(days=25), subject_id=1)
        await connection.execute(redemptions.delete().where(redemptions.c.subject_id == 1001))
    assert await take(city) is None
    assert await usage(city) == before


async def test_reports_count_by_their_last_number(city: City) -> None:
    await fill(city)
    at = NOON - timedelta(days=24)
    async with city.state.database.transaction() as connection:
        mine = select(verifications.c.subject_id, verifications.c.id).where(verifications.c.partner_id == 1)
        for row in (await connection.execute(mine)).all():
            for number, outcome in ((1, "SERVICE_PROBLEM"), (2, "USED")):
                key = {"subject_id": row.subject_id, "verification_id": row.id, "number": number, "partner_id": 1}
                said = {"outcome": outcome, "satisfaction": None, "note": None}
                await connection.execute(insert(outcome_reports).values(**key, report=said, at=at, actor="scenic"))
    await take(city)
    (block,) = (await usage(city))["blocks"]
    assert block["outcomes"] == [{"outcome": "USED", "reports": 20}]


async def test_the_first_day_of_a_month_is_too_early(city: City) -> None:
    await fill(city)
    city.now = datetime(2026, 11, 1, 15, 59, tzinfo=NOON.tzinfo)
    assert await take(city) is None
    city.wait(minutes=1)
    assert await take(city) == OCTOBER
    assert len(await city.rows(usage_blocks)) == 2
    async with city.state.database.reading() as connection:
        assert await read_usage(connection, month=OCTOBER, partner_id=2) == []


people = st.lists(st.integers(1, 40), max_size=30)


@st.composite
def months(draw: st.DrawFn) -> dict[tuple[int, str], Use]:
    """A month's cells over 40 people."""
    cells = {}
    for partner in range(1, 5):
        for kind in ("loan", "park", "travel"):
            verified = draw(people)
            redeemed = [one for one in verified if draw(st.booleans())]
            use = Use(Counter(verified), Counter(redeemed), Counter(redeemed[:3]), fen=draw(st.integers(0, 10**9)))
            use.outcomes["USED"] = Counter(redeemed)
            cells[partner, kind] = use
    return cells


@settings(max_examples=60, deadline=None)
@given(cells=months())
def test_no_difference_of_two_queries_tells_of_fewer_than_ten_people(cells: dict[tuple[int, str], Use]) -> None:
    blocks = publishable_blocks(cells)
    answers = _queries(blocks)
    for first, second in combinations(answers, 2):
        for name in ("people", "verifications", "redemptions", "reversed"):
            difference = sum(one.figures[name] for one in first) - sum(one.figures[name] for one in second)
            assert difference % 10 == 0
        for block in _difference(first, second):
            assert len(_people(cells, blocks, block)) >= 10
    for block in blocks:
        assert block.figures["people"] >= 10
        assert block.figures["amountFen"] % 10_000 == 0


@settings(max_examples=60, deadline=None)
@given(cells=months(), gone=st.integers(1, 40))
def test_figures_of_a_block_with_fewer_than_ten_people_behind_them_are_nothing(
    cells: dict[tuple[int, str], Use], gone: int
) -> None:
    for block in publishable_blocks(cells):
        of = _cells_of(cells, publishable_blocks(cells), block)
        for name in ("redeemed", "reversed"):
            told = block.figures["redemptions" if name == "redeemed" else "reversed"]
            behind = {person for cell in of for person in getattr(cells[cell], name)}
            assert told == 0 or len(behind) >= 10
    # Leaving one person out moves no figure by one: by nothing, or by a whole ten.
    without = {key: _without(use, gone) for key, use in cells.items()}
    for block in publishable_blocks(without):
        assert all(block.figures[name] % 10 == 0 for name in ("people", "verifications", "redemptions", "reversed"))


def _without(use: Use, person: int) -> Use:
    left = Use(*(Counter({k: v for k, v in counted.items() if k != person}) for counted in
                 (use.verified, use.redeemed, use.reversed)), fen=use.fen)  # fmt: skip
    left.outcomes["USED"] = Counter({k: v for k, v in use.outcomes["USED"].items() if k != person})
    return left


def _queries(blocks: list[Block]) -> list[list[Block]]:
    """All that can be asked: everything, one partner's, one kind's, and each without one partner or kind."""
    partners, kinds = {one.partner_id for one in blocks}, {one.kind for one in blocks}
    asked = [blocks]
    asked += [[one for one in blocks if one.partner_id == partner] for partner in partners]
    asked += [[one for one in blocks if one.partner_id != partner] for partner in partners]
    asked += [[one for one in blocks if one.kind == kind] for kind in kinds]
    return asked + [[one for one in blocks if one.kind != kind] for kind in kinds]


def _difference(first: list[Block], second: list[Block]) -> list[Block]:
    return [one for one in first if one not in second] + [one for one in second if one not in first]


def _cells_of(cells: dict[tuple[int, str], Use], blocks: list[Block], block: Block) -> list[tuple[int, str]]:
    """The cells that may be in a block: what is told apart elsewhere is not."""
    told = {(one.partner_id, one.kind) for one in blocks}
    if block.kind is not None:
        return [(block.partner_id or 0, block.kind)]
    partners = {one.partner_id for one in blocks if one.partner_id is not None and one.kind is None}
    return [
        key for key in cells
        if key not in told and (key[0] == block.partner_id if block.partner_id else key[0] not in partners)
    ]  # fmt: skip


def _people(cells: dict[tuple[int, str], Use], blocks: list[Block], block: Block) -> set[int]:
    return {person for cell in _cells_of(cells, blocks, block) for person in cells[cell].people}
