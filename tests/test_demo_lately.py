"""What has happened in the demo city of late: that it adds up, and leaves the foremost forty alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from api.ids import public_id
from core.clock import day_of
from core.database import Database
from core.keys import Keys, load_keys, new_key_file
from core.migrations import migrate
from core.places import ROOT
from demo.city import city_rows, seed_city
from demo.people import FOREMOST, PERSONS
from partners.accounts import body_of
from partners.catalogue import load_catalogue
from partners.eligibility import Outcome
from partners.lending.figures import loan_figures, published_blocks, read_loans
from partners.orders.overdue import partners_owed
from partners.orders.tables import orders
from partners.orders.workflow import OrderState, state_of
from partners.rulebook import Rulebook, load_rulebook
from partners.settlement.files import check_file
from partners.settlement.making import Making, settle_until
from partners.settlement.tables import settlement_files, settlement_lines
from partners.tables import access_events, benefit_watches, offers, quotas, redemptions, verifications
from partners.triggers import look_for_news
from partners.usage import read_usage
from scoring.tables import enrollments, scores

NOW = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
TODAY = day_of(NOW)


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    new_key_file(tmp_path / "keys.json", demo=True)
    return load_keys(tmp_path / "keys.json")


@pytest.fixture
def rulebook() -> Rulebook:
    return load_rulebook(ROOT, ())


@pytest.fixture
async def database(keys: Keys, rulebook: Rulebook, sqlite_url: str) -> AsyncIterator[Database]:
    found = Database(sqlite_url, keys=keys)
    await migrate(found)
    await seed_city(found, keys=keys, rulebook=rulebook, now=NOW)
    yield found
    await found.close()


def test_nothing_happened_to_the_foremost_forty(keys: Keys, rulebook: Rulebook) -> None:
    rows = city_rows(keys=keys, rulebook=rulebook, now=NOW)
    for table, of_table in rows.items():
        if table in {verifications, redemptions, access_events, orders} or table.name.startswith("loan_"):
            assert of_table
            assert min((row["subject_id"] - 1) % PERSONS for row in of_table) >= FOREMOST, table.name


@pytest.mark.parametrize("now", [datetime(2027, 1, 1, 17, 0, tzinfo=UTC), datetime(2028, 2, 29, 15, 59, tzinfo=UTC)])
def test_nothing_lies_ahead_whatever_day_the_city_is_built(keys: Keys, rulebook: Rulebook, now: datetime) -> None:
    rows = city_rows(keys=keys, rulebook=rulebook, now=now)
    assert max(row["at"] for row in [*rows[verifications], *rows[redemptions]]) <= now
    assert len({(row["subject_id"], row["id"]) for row in rows[redemptions]}) == len(rows[redemptions])


async def test_whole_months_have_a_report_of_use(database: Database) -> None:
    async with database.reading() as connection:
        for month in (date(2026, 8, 1), date(2026, 9, 1), date(2026, 10, 1)):
            blocks = await read_usage(connection, month=month)
            assert blocks is not None
            assert len(blocks) >= 10
            assert all(block.figures["people"] >= 10 and block.figures["amountFen"] > 0 for block in blocks)
        assert await read_usage(connection, month=date(2026, 11, 1)) is None


async def test_days_before_today_are_settled_and_nothing_is_left_over(database: Database, keys: Keys) -> None:
    making = Making(keys, "https://xinyi.example", public_id)
    assert await settle_until(database, making, day=TODAY - timedelta(days=1), now=NOW) == []
    async with database.reading() as connection:
        lines = await connection.scalar(select(func.sum(settlement_lines.c.amount_fen)))
        used = select(func.sum(redemptions.c.amount_fen)).where(redemptions.c.reversed_at.is_(None))
        assert lines == await connection.scalar(used)
        for file in await connection.execute(select(settlement_files).limit(20)):
            assert check_file(keys, file.csv, file.statement)["totalFen"] == file.total_fen
    tomorrow = await settle_until(database, making, day=TODAY, now=NOW + timedelta(days=1))
    assert {one.total_fen for one in tomorrow} == {0}, "of today there are orders alone"


async def test_a_budget_says_what_was_spent_of_it(database: Database) -> None:
    async with database.reading() as connection:
        budgets = (await connection.execute(select(quotas).where(quotas.c.bucket == "budget"))).all()
        for budget in budgets:
            spent = await connection.scalar(
                select(func.sum(redemptions.c.amount_fen))
                .join(verifications, verifications.c.id == redemptions.c.verification_id)
                .where(verifications.c.offer_id == budget.offer_id, redemptions.c.reversed_at.is_(None))
            )
            assert 0 < budget.taken == spent <= budget.cap
    assert len(budgets) == 2


async def test_orders_stand_everywhere_and_an_overdue_one_is_owed(database: Database) -> None:
    async with database.reading() as connection:
        made = (await connection.execute(select(orders))).all()
        found = Counter(state_of(row, now=NOW) for row in made)
        assert set(found) == {
            OrderState.CREATED, OrderState.CONFIRMED, OrderState.IN_SERVICE, OrderState.COMPLETED, OrderState.OVERDUE,
            OrderState.PAID,
        }  # fmt: skip
        for row in made:
            owed = await partners_owed(connection, subject_id=row.subject_id, on=TODAY)
            assert (row.partner_id in owed) or state_of(row, now=NOW) is not OrderState.OVERDUE


async def test_a_bank_s_loans_are_told_quarter_by_quarter(database: Database) -> None:
    async with database.reading() as connection:
        since, until = date(2024, 10, 1), date(2026, 10, 1)
        loans = await read_loans(connection, cities=["hunan-shaoyang"], since=since, until=until)
    figures = loan_figures(published_blocks(loans), since=date(2025, 10, 1), until=until, by="bank")
    quarters = [one for one in figures if "Q" in one.period]
    assert [(one.value, one.number) for one in quarters] == [("1", 20)] * 4
    assert all(one.amount_fen and one.growth_percent is not None and one.unsecured_percent for one in quarters)


async def test_citizen_1_is_told_of_new_benefits_once(database: Database, rulebook: Rulebook) -> None:
    async with database.reading() as connection:
        catalogue = await load_catalogue(connection, rulebook, on=TODAY)
        watching = (await connection.scalars(select(benefit_watches.c.subject_id))).all()
    assert watching == [1]
    later = NOW + timedelta(minutes=1)
    assert await look_for_news(database, catalogue=catalogue, rulebook=rulebook, now=later) == 1
    assert await look_for_news(database, catalogue=catalogue, rulebook=rulebook, now=later) == 0


def test_whoever_used_a_benefit_took_part_and_had_reached_it(keys: Keys, rulebook: Rulebook) -> None:
    rows = city_rows(keys=keys, rulebook=rulebook, now=NOW)
    since = {row["subject_id"]: row["enrolled_at"] for row in rows[enrollments]}
    grades = {(row["subject_id"], row["model"]): row["grade"] for row in rows[scores]}
    terms = {row["id"]: row for row in rows[offers]}
    for used in rows[verifications]:
        offer = terms[used["offer_id"]]
        grade = grades[used["subject_id"], offer["model"]]
        assert rulebook.models.get(offer["model"], TODAY).at_least(grade, offer["threshold"])
        assert since[used["subject_id"]] < used["at"]
        assert (used["outcome"], used["partner_id"]) == (Outcome.BENEFIT_APPLIES.value, offer["partner_id"])


async def test_two_providers_act_for_bodies_that_may_query(database: Database) -> None:
    async with database.reading() as connection:
        assert await body_of(connection, "provider-1") == (None, None)
        bodies = [await body_of(connection, f"provider-{n}") for n in (2, 3)]
    assert [body for body, uscc in bodies if uscc] == ["行政执法机关", "市场监督管理部门"]
