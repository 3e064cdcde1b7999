"""What is stored, and how. One thing to know: both databases carry the same schema, every row about a subject is found
by the subject, and no identity number or name can be read in any of it."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from factories import ENTERPRISES, PEOPLE, City, resident_id
from sqlalchemy import insert, inspect, select, text

from core.audit import audit_entries
from core.database import Conflict, Database, metadata
from core.errors import Forbidden, StartupError, Unavailable
from core.identifiers import new_id
from core.migrations import check_current, config, differences, migrate
from core.sealing import unseal
from partners.tables import accounts, security_events, verifications
from scoring.subjects import SubjectKind, subject_row
from scoring.tables import subjects

NOT_ABOUT_A_SUBJECT = {
    "subjects": "is the subject",
    "partners": "reference data",
    "accounts": "reference data: who may act for whom",
    "offers": "reference data",
    "baselines": "reference data",
    "offer_steps": "reference data",
    "quotas": "belong to the offer",
    "catalogue_state": "one row",
    "answers": "belong to the partner that asked",
    "result_batches": "belong to the issuer",
    "outbox": "what waits to be sent, sealed",
    "model_versions": "reference data",
    "model_steps": "belong to the version of a model",
    "model_reports": "belong to the step",
    "statistics_takes": "are about a month",
    "grade_statistics": "are about ten or more",
    "park_indices": "are about ten or more",
    "audit_chains": "belong to a connection",
    "audit_checkpoints": "are about all chains",
    "intake_batches": "belong to a provider",
    "intake_counts": "are about many",
    "subject_identifiers": "find a subject by another number",
    "offer_versions": "reference data",
    "grants": "belong to the partner",
    "partner_labels": "belong to the partner",
    "partner_steps": "belong to the partner",
    "partner_documents": "belong to the partner",
    "partner_keys": "belong to the partner",
    "sign_in_failures": "belong to the partner",
    "assertions": "belong to the partner",
    "sessions": "belong to the account",
    "linked_identities": "belong to the account",
    "sign_in_counts": "are about failures, of nobody by name",
    "webhook_endpoints": "belong to the partner",
    "webhook_events": "belong to the partner",
    "webhook_deliveries": "belong to the endpoint",
    "webhook_attempts": "belong to the endpoint",
    "settlement_files": "belong to the partner",
    "settlement_lines": "belong to the file",
    "settlement_days": "are about a day",
    "usage_blocks": "are about ten or more",
    "sandbox_clocks": "belong to the partner",
    "sandbox_personas": "belong to the partner: its synthetic people",
    "sandbox_faults": "belong to the partner",
    "sandbox_key_changes": "belong to the partner",
    "conformance_runs": "belong to the partner",
    "trusted_documents": "are about programs",
    "document_freedoms": "belong to the partner",
    "query_rights": "belong to the body that asked",
    "alarm_steps": "belong to the alarm",
    "offline_gates": "belong to the partner",
    "offline_bundles": "belong to the gate",
    "offline_answers": "belong to the gate",
    "wallet_credentials": "find a subject by a key of its wallet",
    "presentation_requests": "belong to the partner that asked",
    "security_events": "what cannot be attributed to anybody, and alarms",
}
"""Tables whose key does not begin with the subject, and why."""

NUMBERS = [
    *(resident_id(person["birth"], number) for number, person in enumerate(PEOPLE.values(), 1)),
    *(firm["uscc"] for firm in ENTERPRISES.values()),
]


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return str(request.getfixturevalue("sqlite_url"))
    server = request.getfixturevalue("postgres")
    return str(server.create_database(f"empty_{request.node.nodeid.encode().hex()[-40:]}"))


async def tables_of(database: Database) -> set[str]:
    async with database.writer.connect() as connection:
        return set(await connection.run_sync(lambda sync: inspect(sync).get_table_names()))


async def test_migrations_run_up_and_down_and_up_again_and_agree_with_the_code(empty_url: str) -> None:
    database = Database(empty_url)
    for _ in range(2):
        await migrate(database)
        assert await tables_of(database) == {*metadata.tables, "alembic_version"}
        async with database.writer.connect() as connection:
            assert await connection.run_sync(differences) == []
        await check_current(database)
        await migrate(database)
        async with database.writer.begin() as connection:
            await connection.run_sync(lambda sync: command.downgrade(config(sync), "base"))
        assert await tables_of(database) == {"alembic_version"}
    with pytest.raises(StartupError):
        await check_current(database)
    await database.close()


async def test_the_newest_migration_runs_over_a_citys_rows(city: City) -> None:
    database, before = city.state.database, await city.tally()
    async with database.writer.begin() as connection:
        await connection.run_sync(lambda sync: command.downgrade(config(sync), "-1"))
    with pytest.raises(StartupError):
        await check_current(database)
    await migrate(database)
    await check_current(database)
    assert await city.tally() == before


async def test_a_difference_between_code_and_database_is_seen(empty_url: str) -> None:
    database = Database(empty_url)
    await migrate(database)
    async with database.writer.begin() as connection:
        await connection.execute(text("DROP TABLE answers"))
    async with database.writer.connect() as connection:
        assert [found[0] for found in await connection.run_sync(differences)] == ["add_table"]  # type: ignore[index]
    await database.close()


def test_every_table_about_a_subject_has_the_subject_first_in_its_key() -> None:
    others = {
        name for name, table in metadata.tables.items() if next(iter(table.primary_key.columns)).name != "subject_id"
    }
    assert others == set(NOT_ABOUT_A_SUBJECT)


def test_every_unique_rule_about_a_subject_begins_with_the_subject_so_that_it_holds_when_distributed() -> None:
    for name, table in metadata.tables.items():
        if name in NOT_ABOUT_A_SUBJECT:
            continue
        for index in table.indexes:
            if index.unique:
                assert next(iter(index.columns)).name == "subject_id", index.name
        for constraint in table.constraints:
            if type(constraint).__name__ == "UniqueConstraint":
                assert next(iter(constraint.columns)).name == "subject_id", constraint.name


async def a_busy_day(city: City, caplog: pytest.LogCaptureFixture) -> str:
    """Everything the application does, with its mistakes; all it said and logged."""
    caplog.set_level(logging.DEBUG)
    said: list[Any] = []
    for person in (*PEOPLE, *ENTERPRISES):
        said.append(await city.ask("{ me { id displayName enrolled accessLog { edges { node { at } } } } }", by=person))
        if PEOPLE.get(person, {}).get("enrolled", True):
            for offer in ("museum", "tower", "garden", "ended", "loan"):
                answer = await city.verify(await city.code(person), offer)
                said.append(answer)
                if answer.get("outcome") == "BENEFIT_APPLIES":
                    redeemed = await city.redeem(answer["id"])
                    said += [redeemed, await city.reverse(redeemed["id"])]
            said.append(await city.ask("{ me { scores { model { id } lines { points } } } }", by=person))
    for number in NUMBERS:
        said += [
            await city.verify(number),
            await city.ask("query ($id: ID!) { node(id: $id) { id } }", {"id": number}, by="scenic"),
            await city.ask("{ me { nothing } }", by="good"),
            await city.ask("{ offers { edges { node { title } } } }", {"input": number}),
            (await city.client.post("/graphql", content=f"{{{number}")).text,
            (await city.client.get(f"/{number}", params={"number": number})).text,
        ]
    # The client of these tests logs the addresses it asks for; that log is not ours.
    ours = [record for record in caplog.records if not record.name.startswith("http")]
    assert any(record.name.startswith("xinyi") for record in ours)
    return repr(said) + "".join(record.getMessage() + repr(record.__dict__) for record in ours)


def bytes_below(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob("city.db*"))


async def everything_stored(city: City) -> str:
    """All rows of all tables as text, binary values as both hexadecimal and letters."""
    found = []
    for table in metadata.tables.values():
        for row in await city.rows(table):
            found += [value.decode("latin-1") if isinstance(value, bytes) else str(value) for value in row]
    return "\n".join(found)


async def test_no_identity_number_or_full_name_can_be_read_in_any_row_log_or_answer(
    city: City, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    said = await a_busy_day(city, caplog)
    stored = await everything_stored(city)
    files = bytes_below(tmp_path)
    assert ("subjects" in files.decode("latin-1")) == city.state.database.is_sqlite
    names = [f"测{name}" for name in PEOPLE]
    for secret in (*NUMBERS, *names):
        assert secret not in stored
        assert secret.encode() not in files
        assert secret not in said, said[max(0, said.find(secret) - 300) : said.find(secret) + 100]


@pytest.mark.parametrize("city_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("query", ["{ %s }", "query ($n: Int) { offers(first: $n) { edges { cursor } } }"])
async def test_an_error_does_not_repeat_an_identity_number_that_the_client_wrote(city: City, query: str) -> None:
    number = NUMBERS[0]
    body = await city.ask(query.replace("%s", number), {"n": number})
    assert number not in repr(body)


async def test_what_is_sealed_opens_with_our_keys_and_with_no_others(city: City, tmp_path: Path) -> None:
    rows = {row.id: row for row in await city.rows(subjects)}
    opened = [(unseal(city.keys, "seal", row.identity_sealed) or b"").decode() for row in rows.values()]
    assert sorted(opened) == sorted(NUMBERS)
    assert unseal(city.keys, "seal", rows[1].name_sealed) == "测good".encode()
    assert unseal(city.keys, "code", rows[1].name_sealed) is None
    assert [row.display_name for row in rows.values()] == ["测*"] * len(PEOPLE) + ["测试企业"]
    assert len({row.identity_hash for row in rows.values()}) == len(rows)


async def test_one_number_is_one_subject_and_a_person_is_never_taken_for_an_enterprise(city: City) -> None:
    again = subject_row(
        city.keys, kind=SubjectKind.PERSON, place="hebei", name="另名", number=resident_id(PEOPLE["good"]["birth"], 1)
    )
    with pytest.raises(Conflict):
        await city.write(insert(subjects).values(again))
    assert len(await city.rows(subjects)) == len(PEOPLE) + len(ENTERPRISES)


async def test_instants_come_back_with_their_zone_to_the_microsecond(city: City) -> None:
    local = datetime(2026, 11, 20, 12, 0, 0, 123456, tzinfo=timezone(timedelta(hours=8)))
    event = {"id": new_id(), "at": local, "kind": "TEST", "detail": {"said": "你好", "at": None}}
    await city.write(insert(security_events).values(event))
    (row,) = await city.rows(security_events)
    assert (row.at, row.at.utcoffset()) == (local.astimezone(UTC), timedelta(0))
    assert row.detail == {"said": "你好", "at": None}


async def test_a_transaction_that_fails_leaves_nothing(city: City) -> None:
    before = await city.tally()
    with pytest.raises(Conflict):
        await city.write(
            insert(accounts).values(id="new", role="citizen", subject_id=1),
            insert(accounts).values(id="new", role="citizen", subject_id=2),
        )
    with pytest.raises(Conflict):
        await city.write(insert(accounts).values(id="new", role="citizen", subject_id=4711))

    async def stumble() -> None:
        async with city.state.database.transaction() as connection:
            await connection.execute(insert(accounts).values(id="new", role="citizen", subject_id=1))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await stumble()
    assert await city.tally() == before


async def test_what_is_opened_for_reading_cannot_write_on_sqlite(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    await migrate(database)
    with pytest.raises(Unavailable):
        async with database.reading() as connection:
            await connection.execute(insert(accounts).values(id="new", role="citizen"))
    await database.close()


@pytest.mark.parametrize("url", ["mysql://x/y", "sqlite:///x.db", "postgresql://x/y", "postgresql+psycopg://x/y"])
def test_an_address_of_another_kind_does_not_start(url: str) -> None:
    with pytest.raises(StartupError, match="XINYI_DATABASE_URL"):
        Database(url)


async def test_ids_of_rows_lie_in_the_order_in_which_they_were_made(city: City) -> None:
    for _ in range(20):
        await city.verify(await city.code("good"))
    async with city.state.database.reading() as connection:
        made = (await connection.scalars(select(audit_entries.c.id).order_by(audit_entries.c.id))).all()
        kept = (await connection.scalars(select(verifications.c.id))).all()
    assert len(set(made)) == len(set(kept)) == 20
    assert [row.id for row in sorted(await city.rows(audit_entries), key=lambda row: row.id)] == list(made)


@pytest.mark.parametrize("city_url", ["postgresql"], indirect=True)
async def test_a_refused_request_costs_no_connection(city: City) -> None:
    async def process() -> int:
        async with city.state.database.reading() as connection:
            return int(await connection.scalar(text("SELECT pg_backend_pid()")) or 0)

    before = await process()
    for refusal in (Forbidden, Conflict, OverflowError):
        with pytest.raises(refusal):
            async with city.state.database.transaction():
                raise refusal
        assert await process() == before
    with pytest.raises(asyncio.CancelledError):
        async with city.state.database.reading():
            raise asyncio.CancelledError
    assert await process() != before
