"""Settlement files: what is in them, who may have them, and that nothing is lost or doubled. One thing to know: every
law is checked against the redemptions themselves, not against what a file says of itself."""

from __future__ import annotations

import asyncio
import csv
import io
import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import orjson
import pytest
from factories import City
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from settled import add_use
from sqlalchemy import select, update
from test_cases_crashes import Killed, killed_at

from api.settlement import making_of
from core.clock import day_of, start_of
from core.database import Database
from core.keys import load_keys
from core.signing import SignatureInvalid, verify
from partners.settlement.files import SettlementInvalid, check_file
from partners.settlement.making import DayNotOver, Making, settle_due, settle_until
from partners.settlement.tables import settlement_days, settlement_files, settlement_lines
from partners.tables import offer_versions, offers, redemptions
from partners.webhooks.tables import webhook_endpoints, webhook_events

FILES = """query ($partner: ID, $first: Int, $after: String) { settlementFiles(
  partnerId: $partner, first: $first, after: $after) { edges { node { id partner { name } funder day lines totalFen
  sha256Csv sha256Json statement csvPath jsonPath statementPath } } pageInfo { hasNextPage endCursor } } }"""


async def settle(city: City) -> list[Any]:
    return await settle_due(city.state.database, making_of(city.state), now=city.now)


async def use(city: City, fen: int | None = 500, **given: Any) -> dict[str, Any]:
    answer = await city.verify(await city.code("good"), **given)
    return await city.redeem(answer["id"], **({"amountFen": fen} if fen else {}))


async def listed(city: City, by: str = "representative", **given: Any) -> list[dict[str, Any]]:
    body = await city.ask(FILES, given, by=by)
    return [edge["node"] for edge in body["data"]["settlementFiles"]["edges"]]


async def fetch(city: City, path: str, by: str | None = "representative") -> Any:
    return await city.client.get(path, headers={"authorization": f"Bearer {city.token(by)}"} if by else {})


async def test_the_file_of_a_day_holds_each_use_with_its_receipt_offer_and_site(city: City) -> None:
    answer = await city.verify(await city.code("good"), site="东门")
    redeemed = await city.redeem(answer["id"], amountFen=1250)
    await use(city, None)
    assert await settle(city) == [], "the day is not over"
    city.wait(days=1)
    (made,) = await settle(city)
    assert (made.partner_id, made.funder, made.day, made.lines, made.total_fen) == (
        1, "测试scenic", date(2026, 11, 20), 2, 1250,
    )  # fmt: skip
    (file,) = await listed(city)
    content = (await fetch(city, file["jsonPath"])).json()
    assert {name: content[name] for name in ("day", "funder", "count", "totalFen")} == {
        "day": "2026-11-20", "funder": "测试scenic", "count": 2, "totalFen": 1250,
    }  # fmt: skip
    receipt = verify(city.keys, "receipt", answer["receipt"])
    line = next(one for one in content["lines"] if one["amountFen"])
    assert line["receipt"] == receipt["jti"]
    assert line["offer"] == receipt["offer"]
    assert (line["redemption"], line["kind"], line["offerVersion"]) == (redeemed["id"], "use", 1)
    assert line["at"] == "2026-11-20T12:00:00+08:00"


async def test_both_forms_carry_the_same_lines_and_the_signed_hashes(city: City) -> None:
    await use(city)
    city.wait(days=1)
    await settle(city)
    (file,) = await listed(city)
    as_csv, as_json = [await fetch(city, file[path]) for path in ("csvPath", "jsonPath")]
    assert as_csv.content.startswith(b"\xef\xbb\xbf"), "Excel reads it as UTF-8"
    rows = list(csv.DictReader(io.StringIO(as_csv.content.decode("utf-8-sig"), newline="")))
    lines = as_json.json()["lines"]
    told = [{name: "" if value is None else str(value) for name, value in line.items()} for line in lines]
    assert rows == told
    for form in (as_csv, as_json):
        claims = check_file(city.keys, form.content, file["statement"])
        assert (claims["day"], claims["lines"], claims["totalFen"]) == ("2026-11-20", 1, 500)
        assert claims["sha256"] == {"csv": file["sha256Csv"], "json": file["sha256Json"]}
    with pytest.raises(SettlementInvalid):
        check_file(city.keys, as_csv.content.replace(b",500,", b",501,"), file["statement"])
    with pytest.raises(SignatureInvalid):
        check_file(city.keys, as_csv.content, file["statement"][:-4] + "AAAA")
    assert (await fetch(city, file["statementPath"])).text == file["statement"]
    assert "attachment" in as_csv.headers["content-disposition"]


async def test_a_reversal_on_a_later_day_is_a_correction_in_that_days_file(city: City) -> None:
    redeemed = await use(city, 800)
    city.wait(days=1)
    await settle(city)
    before = await city.rows(settlement_files)
    await city.reverse(redeemed["id"])
    city.wait(days=1)
    (made,) = await settle(city)
    assert (made.day, made.lines, made.total_fen) == (date(2026, 11, 21), 1, -800)
    newest, oldest = await listed(city)
    (line,) = (await fetch(city, newest["jsonPath"])).json()["lines"]
    assert (line["kind"], line["amountFen"], line["redemption"]) == ("correction", -800, redeemed["id"])
    assert oldest["totalFen"] == "800"
    assert before[0] in await city.rows(settlement_files), "the first file is as it was"
    city.wait(days=1)
    assert await settle(city) == []


async def test_what_is_used_and_taken_back_on_one_day_is_in_no_file(city: City) -> None:
    redeemed = await use(city)
    await city.reverse(redeemed["id"])
    city.wait(days=1)
    assert await settle(city) == []
    assert [row.day for row in await city.rows(settlement_days)] == [date(2026, 11, 20)]


async def test_what_is_committed_after_its_days_file_is_a_line_of_the_next(city: City) -> None:
    await use(city, 100)
    city.wait(days=1)
    await settle(city)
    async with city.state.database.transaction() as connection:
        await add_use(connection, at=city.now - timedelta(days=1), fen=70)
        await add_use(connection, at=city.now, fen=5)
    assert await settle(city) == [], "the day is closed"
    city.wait(days=1)
    (made,) = await settle(city)
    assert (made.day, made.lines, made.total_fen) == (date(2026, 11, 21), 2, 75)


async def test_days_on_which_nothing_ran_are_made_up_for_one_by_one(city: City) -> None:
    for fen in (1, 20, 300):
        await use(city, fen)
        city.wait(days=1)
    made = await settle(city)
    assert [(one.day.day, one.total_fen) for one in made] == [(20, 1), (21, 20), (22, 300)]


async def test_each_funder_has_its_own_file_by_the_version_that_was_verified(city: City) -> None:
    version = {"offer_id": 2, "version": 1, "status": "approved", "author": "operator", "created_at": city.now}
    content = {"payer": "public-budget", "budget": "文旅消费专项资金"}
    await city.write(
        update(offers).where(offers.c.id == 2).values(payer="third-party", budget="别的赞助"),
        offer_versions.insert().values(**version, content=content),
        update(offers).where(offers.c.id == 3).values(payer="third-party", budget="=cmd 赞助"),
    )
    async with city.state.database.transaction() as connection:
        for offer_id, fen in ((1, 5), (2, 40), (2, 60), (3, 700)):
            await add_use(connection, at=city.now, offer_id=offer_id, fen=fen)
    city.wait(days=1)
    made = await settle(city)
    assert sorted((one.funder, one.lines, one.total_fen) for one in made) == [
        ("=cmd 赞助", 1, 700), ("文旅消费专项资金", 2, 100), ("测试scenic", 1, 5),
    ]  # fmt: skip


async def test_a_label_that_a_spreadsheet_would_run_is_disarmed(city: City) -> None:
    async with city.state.database.transaction() as connection:
        await add_use(connection, at=city.now)
        await connection.execute(update(redemptions).values(site="=HYPERLINK(1)"))
    city.wait(days=1)
    await settle(city)
    (file,) = await listed(city)
    assert b",'=HYPERLINK(1)," in (await fetch(city, file["csvPath"])).content
    assert (await fetch(city, file["jsonPath"])).json()["lines"][0]["site"] == "=HYPERLINK(1)"


async def test_a_partner_has_its_own_files_and_anothers_are_like_none(city: City) -> None:
    async with city.state.database.transaction() as connection:
        await add_use(connection, at=city.now)
        await add_use(connection, at=city.now, partner_id=2, offer_id=7)
    city.wait(days=1)
    await settle(city)
    (mine,) = await listed(city)
    (theirs,) = await listed(city, by="hospital")
    assert (mine["partner"]["name"], theirs["partner"]["name"]) == ("测试scenic", "测试hospital")
    assert len(await listed(city, by="operator")) == 2
    never = await fetch(city, f"/settlement/{uuid4()}.csv")
    other = await fetch(city, theirs["csvPath"])
    assert (other.status_code, other.content) == (never.status_code, never.content)
    assert never.status_code == 404
    assert (await fetch(city, theirs["csvPath"], by="operator")).status_code == 200
    assert (await fetch(city, mine["csvPath"], by="scenic")).status_code == 200
    for by, status in ((None, 401), ("good", 403), ("auditor", 403), ("reviewer", 403)):
        assert (await fetch(city, mine["csvPath"], by=by)).status_code == status
    for path in ("/settlement/nothing.csv", mine["csvPath"].replace(".csv", ".exe"), "/settlement/.csv"):
        assert (await fetch(city, path)).status_code == 404


async def test_the_partner_is_told_that_a_file_is_ready(city: City) -> None:
    endpoint = {"id": uuid4(), "partner_id": 1, "url": "https://partner.example/hooks", "events": []}
    sealed = {"secret_sealed": b"", "status": "ACTIVE", "created_by": "representative", "created_at": city.now}
    await city.write(webhook_endpoints.insert().values(**endpoint, **sealed))
    await use(city)
    city.wait(days=1)
    await settle(city)
    (file,) = await listed(city)
    told = [row for row in await city.rows(webhook_events) if row.type == "settlement.ready"]
    assert [row.payload for row in told] == [
        {
            "file": file["id"], "day": "2026-11-20", "funder": "测试scenic", "lines": 1, "totalFen": 500,
            "sha256": {"csv": file["sha256Csv"], "json": file["sha256Json"]},
        }
    ]  # fmt: skip


async def test_a_day_that_is_not_over_is_not_settled(city: City) -> None:
    with pytest.raises(DayNotOver):
        await settle_until(city.state.database, making_of(city.state), day=day_of(city.now), now=city.now)


async def test_processes_that_settle_at_once_make_each_file_once(city: City) -> None:
    async with city.state.database.transaction() as connection:
        for partner_id, offer_id in ((1, 1), (2, 7), (3, 8)):
            for _ in range(5):
                await add_use(connection, at=city.now, partner_id=partner_id, offer_id=offer_id)
    city.wait(days=1)
    done = await asyncio.gather(*(settle(city) for _ in range(4)), return_exceptions=True)
    assert all(isinstance(one, list) for one in done), done
    await settle(city)
    assert [row.total_fen for row in await city.rows(settlement_files)] == [2500] * 3
    assert len(await city.rows(settlement_lines)) == 15


async def test_a_process_killed_at_any_statement_is_followed_by_one_that_ends_the_work(city: City) -> None:
    async with city.state.database.transaction() as connection:
        reversed_at = city.now + timedelta(days=1)
        await add_use(connection, at=city.now, fen=30, reversed_at=reversed_at)
        await add_use(connection, at=city.now, fen=4)
        await add_use(connection, at=reversed_at, fen=500, partner_id=2, offer_id=7)
    city.wait(days=2)
    number, died = 0, 0
    while True:
        number += 1
        with killed_at(number, after=bool(number % 2)) as seen:
            try:
                await settle(city)
            except Killed:
                died += 1
        lines = await city.rows(settlement_lines)
        files = {row.id: row for row in await city.rows(settlement_files)}
        for file in files.values():  # a file is there with all of its lines or not at all
            mine = [line.amount_fen for line in lines if line.file_id == file.id]
            assert (len(mine), sum(mine)) == (file.lines, file.total_fen)
        if seen[0] < number:
            break
    assert died > 10
    assert sorted(line.amount_fen for line in lines) == [-30, 4, 30, 500]


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[float, float, int | None, float | None]]:
    """Uses as (hour redeemed, hour it is committed, amount, hour reversed)."""
    made = []
    for _ in range(draw(st.integers(1, 12))):
        at = draw(st.floats(0, 96))
        seen = at + draw(st.sampled_from([0.0, 0.0, 0.0, 0.1, 13.0]))
        taken_back = draw(st.one_of(st.none(), st.floats(0, 60)))
        amount = draw(st.one_of(st.none(), st.integers(1, 10**12)))
        made.append((at, seen, amount, None if taken_back is None else seen + taken_back))
    return made


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(history=histories(), runs=st.lists(st.floats(0, 200), min_size=1, max_size=6))
def test_all_files_together_equal_the_redemptions_to_the_fen(
    sqlite_template: Path, keys_file: Path, history: list[Any], runs: list[float]
) -> None:
    with TemporaryDirectory() as folder:
        shutil.copy(sqlite_template, f"{folder}/city.db")
        asyncio.run(_check_law(f"sqlite+aiosqlite:///{folder}/city.db", keys_file, history, sorted(runs)))


async def _check_law(url: str, keys_file: Path, history: list[Any], runs: list[float]) -> None:
    keys = load_keys(keys_file)
    database = Database(url, keys=keys)
    making = Making(keys=keys, issuer="https://test", public_id=lambda kind, key: f"{kind}:{key}")
    first = datetime(2026, 11, 1, 16, 0, tzinfo=UTC)
    instant = lambda hours: first + timedelta(hours=hours)  # noqa: E731
    steps: list[tuple[float, int, Any]] = [(when, 2, None) for when in [*runs, 400.0]]
    for at, seen, fen, back in history:
        key: dict[str, Any] = {"at": instant(at), "fen": fen}
        steps.append((seen, 0, key))
        if back is not None:
            steps.append((back, 1, key | {"back": instant(back)}))
    ids: dict[tuple[Any, Any], Any] = {}
    kept: dict[Any, bytes] = {}
    for when, act, key in sorted(steps, key=lambda step: step[:2]):
        if act == 2:
            await settle_due(database, making, now=instant(when))
            async with database.reading() as connection:
                now = {row.id: row.csv for row in await connection.execute(select(settlement_files))}
            assert kept.items() <= now.items(), "a file once made never changes"
            kept = now
        else:
            async with database.transaction() as connection:
                if act == 0:
                    ids[key["at"], key["fen"]] = await add_use(connection, at=key["at"], fen=key["fen"])
                else:
                    mine = redemptions.c.id == ids[key["at"], key["fen"]]
                    await connection.execute(update(redemptions).where(mine).values(reversed_at=key["back"]))
    async with database.reading() as connection:
        lines = (await connection.execute(select(settlement_lines))).all()
        used = (await connection.execute(select(redemptions))).all()
        files = (await connection.execute(select(settlement_files))).all()
    await database.close()
    assert sum(line.amount_fen for line in lines) == sum(row.amount_fen or 0 for row in used if row.reversed_at is None)
    for row in used:
        mine = sorted(line.kind for line in lines if line.redemption_id == row.id)
        assert mine in ([["use"]] if row.reversed_at is None else [[], ["correction", "use"]])
    for file in files:
        content = orjson.loads(file.json)
        assert sum(line["amountFen"] for line in content["lines"]) == file.total_fen == content["totalFen"]
        last = start_of(file.day + timedelta(days=1))
        assert all(datetime.fromisoformat(line["at"]) < last for line in content["lines"])
        assert all(datetime.fromisoformat(line["at"]).tzinfo is not None for line in content["lines"])
