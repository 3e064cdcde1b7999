"""What is under way in the demo city: that every list has something, nothing of it is about the foremost forty, and the
laws hold that hold everywhere."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from core.audit import audit_entries
from core.checkpoints import make_checkpoint, verify_trail
from core.clock import day_of
from core.database import Database
from core.files import open_files
from core.keys import Keys, load_keys, new_key_file
from core.migrations import migrate
from core.places import ROOT
from core.sealing import unseal
from core.settings import read_settings
from demo.city import seed_city
from demo.people import FOREMOST, PERSONS
from demo.underway import let_things_happen
from demo.underway.casework import BODY, FIRST
from demo.underway.town import SHAOYANG, Town
from partners.alarms import AlarmState, list_alarms
from partners.catalogue import load_catalogue
from partners.grants import waiting_grants
from partners.offers.queue import State, count_entries, list_entries
from partners.offline.gates import offline_offers, partners_with_gates
from partners.onboarding.membership import count_partners
from partners.onboarding.tables import partner_documents
from partners.onboarding.workflow import Status
from partners.rulebook import Rulebook, load_rulebook
from scoring.cases.tables import case_files, case_steps, cases
from scoring.cases.workflow import due_of, is_overdue
from scoring.cases.worklist import Counts, count_due, list_cases, repair_ledger
from scoring.intake.rates import read_rates
from scoring.intake.tables import intake_batches
from scoring.life.governance import report_page, steps_of
from scoring.queries.rights import rights_page
from scoring.registry.merging import find_duplicates, open_proposals
from scoring.tables import model_versions, subjects

NOW = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)
"""A Tuesday, so that what falls due today can."""
TODAY = day_of(NOW)
OTHER_DAYS = [
    datetime(2026, 11, 22, 17, 0, tzinfo=UTC),  # a Monday's first hour
    datetime(2027, 2, 13, 15, 59, tzinfo=UTC),  # in the Spring Festival
    datetime(2028, 2, 29, 1, 0, tzinfo=UTC),
    datetime(2026, 10, 31, 16, 30, tzinfo=UTC),  # a Sunday's first hour, of the month too
]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    new_key_file(path, demo=True)
    return load_keys(path)


@pytest.fixture(scope="module")
def rulebook() -> Rulebook:
    return load_rulebook(ROOT, ())


async def _build(path: Path, keys: Keys, rulebook: Rulebook, now: datetime) -> Database:
    database = Database(f"sqlite+aiosqlite:///{path}/xinyi.db", keys=keys)
    await migrate(database)
    await seed_city(database, keys=keys, rulebook=rulebook, now=now)
    files = open_files(read_settings(database_url="", keys_file="", files=str(path / "files")), keys)
    await let_things_happen(database, files=files, keys=keys, rulebook=rulebook, now=now)
    return database


@pytest.fixture(scope="module")
async def built(tmp_path_factory: pytest.TempPathFactory, keys: Keys, rulebook: Rulebook) -> Path:
    path = tmp_path_factory.mktemp("city")
    await (await _build(path, keys, rulebook, NOW)).close()
    return path


@pytest.fixture
async def city(built: Path, keys: Keys, tmp_path: Path) -> AsyncIterator[Database]:
    shutil.copytree(built, tmp_path / "city")
    found = Database(f"sqlite+aiosqlite:///{tmp_path}/city/xinyi.db", keys=keys)
    yield found
    await found.close()


def rules_of(city: Database, keys: Keys, rulebook: Rulebook, built: Path) -> Town:
    files = open_files(read_settings(database_url="", keys_file="", files=str(built / "files")), keys)
    return Town(city, files, keys, rulebook, NOW)


async def test_cases_stand_at_every_stage_one_due_today_and_one_overdue(
    city: Database, keys: Keys, rulebook: Rulebook, built: Path
) -> None:
    rules = rules_of(city, keys, rulebook, built).rules
    async with city.reading() as connection:
        everything = (await connection.execute(select(cases))).all()
        open_ones = await list_cases(
            connection, officer=FIRST, due="ALL", kind=None, place=None, after=None, size=100, now=NOW
        )
        assert await count_due(connection, officer=FIRST, place=None, now=NOW) == Counts(1, 1)
        theirs = await list_cases(
            connection, officer=BODY, due="ALL", kind=None, place=None, after=None, size=100, now=NOW
        )
        ledger = await repair_ledger(connection, place=None, before=None, size=10)
    assert Counter((row.kind, row.state, row.outcome) for row in everything) == {
        ("objection", "open", None): 3,
        ("objection", "help", None): 1,
        ("objection", "paused", None): 1,
        ("objection", "decided", "upheld"): 1,
        ("objection", "decided", "rejected"): 1,
        ("objection", "withdrawn", "withdrawn"): 1,
        ("appeal", "open", None): 1,
        ("statement", "open", None): 1,
        ("repair", "open", None): 1,
        ("repair", "decided", "granted"): 1,
        ("repair", "decided", "refused"): 1,
        ("complaint", "open", None): 1,
        ("complaint", "decided", "upheld"): 1,
    }
    assert [(is_overdue(due_of(row, rules), now=NOW), row.escalated_at is not None) for row in open_ones[:2]] == [
        (True, True),
        (False, False),
    ]
    assert {row.kind for row in theirs} == {"objection", "statement", "repair"}
    assert [row.outcome for row in ledger] == ["refused", "granted"]
    assert ledger[1].evidence["before"] != []


async def test_nothing_of_it_is_about_the_foremost_forty(city: Database) -> None:
    async with city.reading() as connection:
        concerned = set((await connection.scalars(select(cases.c.subject_id))).all())
        seen = set((await connection.scalars(select(audit_entries.c.subject_id))).all()) - {0}
        last = await connection.scalar(select(func.max(subjects.c.id)))
    assert concerned <= seen
    assert last == 2502
    assert min((subject_id - 1) % PERSONS for subject_id in seen if subject_id <= 2500) >= FOREMOST


async def test_two_bodies_have_delivered_and_rows_were_sent_back_to_be_fetched(
    city: Database, rulebook: Rulebook
) -> None:
    async with city.reading() as connection:
        batches = (await connection.execute(select(intake_batches).order_by(intake_batches.c.at))).all()
        rates = await read_rates(
            connection, places=rulebook.served, since=TODAY - timedelta(days=300), until=TODAY + timedelta(days=40)
        )
    assert [(row.actor, row.item, row.rows, row.quarantined) for row in batches] == [
        ("provider-2", "administrative-penalty", 10, 1),
        ("provider-3", "administrative-permit", 22, 1),
        ("provider-2", "serious-list", 1, 0),
        ("provider-2", "administrative-penalty", 12, 5),
        ("provider-3", "administrative-permit", 18, 1),
    ]
    assert (batches[3].corrections, batches[3].duplicates, batches[3].not_collected) == (1, 2, 1)
    assert batches[3].reasons == {
        "BAD_AMOUNT": 1,
        "BAD_CODE": 1,
        "IMPOSSIBLE_DATE": 1,
        "MISSING": 1,
        "OTHER_BODY": 1,
    }
    assert [row.quarantine is not None for row in batches] == [True, True, False, True, True]
    by_body = {one.body: one for one in rates}
    assert set(by_body) == {"行政执法机关", "市场监督管理部门"}
    assert all(0 < (one.validity or 0) < 1 for one in rates)
    assert (by_body["市场监督管理部门"].seven_day_rate or 1) < 1


async def test_partners_offers_and_requests_wait_for_somebody(city: Database, rulebook: Rulebook) -> None:
    async with city.reading() as connection:
        assert dict(await count_partners(connection)) == {
            Status.DRAFT: 1,
            Status.SUBMITTED: 2,
            Status.QUALIFIED: 1,
            Status.SANDBOX: 1,
            Status.LIVE: 58,
        }
        catalogue = await load_catalogue(connection, rulebook, on=TODAY)
        counted = Counter[State]()
        for _, state, number in await count_entries(connection, catalogue):
            counted[state] += number
        waiting = await list_entries(
            connection, catalogue=catalogue, states=[State.SUBMITTED], partner_id=None, after=None, size=10
        )
        asked = await waiting_grants(connection, after=None, size=10)
    assert (counted[State.SUBMITTED], counted[State.DRAFT], counted[State.CHANGES_REQUESTED]) == (3, 1, 1)
    found = {entry.offer.terms.title: [(one.rule, one.verdict) for one in entry.offer.refusals] for entry in waiting}
    assert found == {"年票八五折": [], "展馆赠送导览手册": [("L5", "review")], "延迟三小时退房": []}
    assert len(catalogue.open_offers) == 159
    assert [row.service for row in asked] == ["tourism", "parking"]


async def test_a_pass_for_a_gate_without_network_can_be_had(city: Database, rulebook: Rulebook) -> None:
    async with city.reading() as connection:
        [partner_id] = await partners_with_gates(connection)
        catalogue = await load_catalogue(connection, rulebook, on=TODAY)
    assert catalogue.partners[partner_id].name == "邵阳长塘景区(演示)"
    assert offline_offers(catalogue, partner_id)


async def test_alarms_rights_and_double_entries_wait_for_somebody(city: Database, keys: Keys) -> None:
    async with city.reading() as connection:
        alarms = await list_alarms(connection, state=None, kinds=(), before=None, size=20)
        rights = await rights_page(connection, account=None, waiting=False, after=None, most=10)
        [proposal] = await open_proposals(connection, keys)
        doubles = await find_duplicates(connection, keys, place=SHAOYANG)
    assert Counter((alarm.event.kind, alarm.state) for alarm in alarms) == {
        ("ASSISTED_NOT_FOUND", AlarmState.CLOSED): 1,
        ("ASSISTED_NOT_FOUND", AlarmState.OPEN): 1,
        ("CASE_OVERDUE", AlarmState.SEEN): 1,
        ("STOLEN_KEY", AlarmState.SEEN): 1,
        ("KEY_EXPIRING", AlarmState.OPEN): 1,
    }
    assert [row.state for row in rights] == ["WAITING", "REFUSED", "OPEN"]
    assert proposal.drop == 2501
    assert ("old-number", {proposal.keep, proposal.drop}) in [(one.ground, set(one.subject_ids)) for one in doubles]


async def test_the_next_version_of_a_model_waits_with_its_report_for_a_second_person(city: Database) -> None:
    async with city.reading() as connection:
        [version] = (await connection.execute(select(model_versions))).all()
        steps = await steps_of(connection, version.model, version.version)
        page, _ = await report_page(connection, version.model, version.version)
    assert (version.model, version.version, version.state) == ("xiangxinfen", "2026-12", "SIMULATED")
    assert [(step.act, step.actor) for step in steps] == [("draft", "operator-1"), ("simulate", "operator-1")]
    assert "湘信分" in page


async def test_the_audit_trail_has_every_act_and_holds(city: Database, keys: Keys) -> None:
    async with city.transaction() as connection:
        assert await make_checkpoint(connection, keys, issuer="https://xinyi.example", now=NOW) == 1
    async with city.reading() as connection:
        found = await verify_trail(connection, keys)
        acts = (await connection.execute(select(audit_entries).order_by(audit_entries.c.id))).all()
        steps = await connection.scalar(select(func.count()).select_from(case_steps))
        noted = await connection.scalar(
            select(func.count()).select_from(audit_entries).where(audit_entries.c.action == "stepInCase")
        )
    assert (found.rows, found.checkpoints, found.signed_rows) == (len(acts), 1, len(acts))
    assert steps == noted
    # What the seeding itself wrote stands first; all others came in the order of their time.
    seeded = [act.action for act in acts].index("seedDemoCity")
    moments = [act.at for act in acts[seeded + 1 :]]
    assert len(moments) == 105
    assert moments == sorted(moments)
    assert moments[-1] < NOW


async def test_no_identity_number_of_anybody_is_in_clear(city: Database, keys: Keys, built: Path) -> None:
    content = (built / "xinyi.db").read_bytes() + b"".join(
        path.read_bytes() for path in (built / "files").rglob("*") if path.is_file()
    )
    async with city.reading() as connection:
        rows = (await connection.execute(select(subjects.c.kind, subjects.c.identity_sealed))).all()
        papers = await connection.scalar(select(func.count()).select_from(case_files))
        documents = await connection.scalar(select(func.count()).select_from(partner_documents))
    numbers = [unseal(keys, "seal", row.identity_sealed) or b"?" for row in rows]
    assert len(numbers) == 2502
    assert [number for number in numbers if number in content] == []
    assert (papers, documents) == (2, 7)


@pytest.mark.parametrize("now", OTHER_DAYS, ids=str)
async def test_it_happens_on_whatever_day_the_city_is_built_and_nothing_lies_ahead(
    tmp_path: Path, keys: Keys, rulebook: Rulebook, now: datetime
) -> None:
    database = await _build(tmp_path, keys, rulebook, now)
    async with database.reading() as connection:
        assert await connection.scalar(select(func.count()).select_from(cases)) == 15
        assert await connection.scalar(select(func.max(audit_entries.c.at))) <= now
        late = await count_due(connection, officer=FIRST, place=None, now=now)
        assert late.overdue == 1
    await database.close()
