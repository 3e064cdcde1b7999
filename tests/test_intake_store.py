"""Files loaded into the database. One thing to know: every test runs on both stores, and what is claimed is read back
from the rows themselves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from factories import PEOPLE, City, resident_id
from intake_files import PENALTY_ROW, csv_bytes, enterprise_code
from sqlalchemy import event, insert

from core.audit import audit_entries
from core.clock import day_of
from core.sealing import unseal
from partners.standing import score_participant
from partners.tables import security_events
from scoring.cases.tables import record_receivers
from scoring.intake.load import Body, Summary, catalogued, load_file
from scoring.intake.rates import BodyRates, read_rates
from scoring.intake.tables import intake_batches, intake_counts
from scoring.records import record_history
from scoring.tables import credit_records, facts, outbox, record_versions, score_inputs, scores, subjects

CODE, NUMBER, FINE = "行政相对人代码_1(统一社会信用代码)", "行政处罚决定文书号", "罚款金额(万元)"
KIND, NAME, REMARK = "行政相对人类别", "行政相对人名称", "备注"
DECIDED, UNTIL, PROVIDER = "处罚决定日期", "公示截止期", "数据来源单位"
FIRM = "91430502MA7YK0003R"
GOOD = resident_id(PEOPLE["good"]["birth"], 1)
LATEST = {DECIDED: "2026-11-16", UNTIL: "2027-11-16"}


def a_row(**changes: str) -> dict[str, str]:
    return {**PENALTY_ROW, **LATEST, **changes}


def firms(count: int, **changes: str) -> list[dict[str, str]]:
    return [
        a_row(**{CODE: enterprise_code(n), NUMBER: f"某市监罚〔2026〕{n}号"}, **changes) for n in range(1, count + 1)
    ]


async def load(
    city: City, path: Path, *rows: dict[str, str], item: str = "administrative-penalty", **given: Any
) -> Summary:
    if rows:
        path.write_bytes(csv_bytes(*rows))  # noqa: ASYNC240  # a few hundred bytes
    rulebook = city.state.rulebook
    return await load_file(
        city.state.database,
        path,
        item=catalogued(rulebook.catalogues["hunan-shaoyang"], item),
        place="hunan-shaoyang",
        actor="provider",
        models_of=partial(rulebook.models_for, on=day_of(city.now)),
        quarantine=path.with_suffix(".back.csv"),
        now=city.now,
        **given,
    )


def counts(**given: int) -> dict[str, int]:
    names = ("rows", "accepted", "corrections", "duplicates", "not_collected", "quarantined")
    return dict.fromkeys(names, 0) | given


async def delivered(city: City) -> list[Any]:
    return [row for row in await city.rows(credit_records) if row.content_sealed is not None]


async def test_the_same_file_twice_has_the_same_result(city: City, tmp_path: Path) -> None:
    rows = [*firms(3), a_row(**{CODE: FIRM})]
    first = await load(city, tmp_path / "a.csv", *rows)
    assert first.counts() == counts(rows=4, accepted=4)
    kept = await city.tally(), await city.rows(credit_records), await city.rows(record_versions)
    again = await load(city, tmp_path / "a.csv")
    assert again.counts() == counts(rows=4, duplicates=4)
    assert (await city.rows(credit_records), await city.rows(record_versions)) == kept[1:]
    grown = {name for name, count in (await city.tally()).items() if count != kept[0][name]}
    assert grown <= {"intake_batches", "intake_counts", "audit_entries", "audit_chains"}


async def test_other_spellings_of_the_same_content_are_a_duplicate(city: City, tmp_path: Path) -> None:
    await load(city, tmp_path / "a.csv", *firms(1))
    (row,) = firms(1)
    respelt = {**row, NUMBER: "某市监罚 [2026] 1 号", FINE: "0.50", DECIDED: "2026年11月16日", REMARK: "/"}
    assert (await load(city, tmp_path / "b.csv", respelt)).counts() == counts(rows=1, duplicates=1)


async def test_new_content_is_a_correction_kept_with_its_history(city: City, tmp_path: Path) -> None:
    (row,) = firms(1)
    await load(city, tmp_path / "a.csv", row)
    assert (await load(city, tmp_path / "b.csv", {**row, FINE: "0.8"})).counts() == counts(rows=1, corrections=1)
    # What was said before, said again, is nothing new.
    assert (await load(city, tmp_path / "c.csv", row)).counts() == counts(rows=1, duplicates=1)
    (record,) = await delivered(city)
    content = json.loads(unseal(city.keys, "seal", record.content_sealed) or b"")
    assert (content["fine"], record.version) == ("0.8", 2)
    async with city.state.database.reading() as connection:
        history = await record_history(connection, record.subject_id, record.id)
    assert [(one.version, one.change, one.state["content"]["fine"]) for one in history] == [
        (1, "received", "0.5"),
        (2, "corrected", "0.8"),
    ]


async def test_whoever_was_given_a_record_is_told_when_its_body_corrects_it(city: City, tmp_path: Path) -> None:
    (row,) = firms(1)
    await load(city, tmp_path / "a.csv", row)
    (record,) = await delivered(city)
    given = {"subject_id": record.subject_id, "record_id": record.id, "receiver": "bank-platform", "at": city.now}
    await city.write(insert(record_receivers).values(given))
    await load(city, tmp_path / "a.csv")
    assert await city.rows(outbox) == [], "nothing has changed"
    await load(city, tmp_path / "b.csv", {**row, FINE: "0.8"})
    (parcel,) = await city.rows(outbox)
    assert (parcel.topic, parcel.destination) == ("record-changed", "bank-platform")
    told = json.loads(unseal(city.keys, "seal", parcel.payload_sealed) or b"")
    assert (told["record"], told["change"], told["documentNumber"]) == (record.id, "corrected", record.document_number)


async def test_the_same_record_twice_in_one_file(city: City, tmp_path: Path) -> None:
    (row,) = firms(1)
    summary = await load(city, tmp_path / "a.csv", row, row, {**row, FINE: "9"}, {**row, FINE: "9"}, row)
    assert summary.counts() == counts(rows=5, accepted=1, corrections=1, duplicates=3)
    (record,) = await delivered(city)
    assert record.version == 2


async def test_one_number_of_two_authorities_or_two_subjects_is_two_records(city: City, tmp_path: Path) -> None:
    (row,) = firms(1)
    other = {**row, "处罚机关": "某市应急管理局", "处罚机关统一社会信用代码": enterprise_code(79)}
    summary = await load(city, tmp_path / "a.csv", row, other, {**row, CODE: enterprise_code(5)})
    assert summary.accepted == 3


async def test_an_enrolled_enterprise_has_new_scores_in_the_same_transaction(city: City, tmp_path: Path) -> None:
    # Hunan's evaluations of enterprises come from above; a person's own model looks at penalties.
    person = a_row(**{CODE: GOOD, KIND: "自然人", NAME: "测good", "法定代表人": "/"})
    async with city.state.database.transaction() as connection:
        await score_participant(connection, subject_id=1, rulebook=city.state.rulebook, now=city.now)
    (before,) = [row.points for row in await city.rows(scores) if row.subject_id == 1]
    await load(city, tmp_path / "a.csv", person)
    (after,) = [row.points for row in await city.rows(scores) if row.subject_id == 1]
    assert after < before
    snapshots = [row for row in await city.rows(score_inputs) if row.subject_id == 1]
    assert len(snapshots) == 2
    seen = await city.ask("{ me { scores { lines { records } } } }", by="good")
    (record,) = await delivered(city)
    assert record.id in {
        name for score in seen["data"]["me"]["scores"] for line in score["lines"] for name in line["records"]
    }


async def test_a_subject_nobody_knew_is_registered_sealed(city: City, tmp_path: Path) -> None:
    await load(city, tmp_path / "a.csv", *firms(2))
    found = {unseal(city.keys, "seal", row.identity_sealed): row for row in await city.rows(subjects)}
    row = found[enterprise_code(1).encode()]
    assert (row.kind, row.place, row.display_name) == ("enterprise", "hunan-shaoyang", "示例制造有限公司")


async def test_what_needs_consent_comes_in_only_with_it(city: City, tmp_path: Path) -> None:
    catalogue = city.state.rulebook.catalogues["hunan-shaoyang"].items["volunteer-service"]
    row = {
        (field.columns or (field.label,))[0]: value
        for field, value in (
            (catalogue.by_role["subject_name"], "测good"),
            (catalogue.by_role["subject_code"], GOOD),
            (catalogue.by_role["document_number"], "服务证明2026-7"),
            (catalogue.by_role["authority"], "某志愿服务队"),
            (catalogue.by_role["decided_on"], "2026-11-10"),
        )
    }
    refused = await load(city, tmp_path / "a.csv", row, item="volunteer-service")
    assert (refused.counts(), refused.reasons) == (counts(rows=1, quarantined=1), {"NO_CONSENT": 1})
    back = (tmp_path / "a.back.csv").read_text(encoding="utf-8-sig")
    assert "NO_CONSENT" in back
    assert GOOD not in back
    give = """mutation ($input: GiveConsentInput!) { giveConsent(input: $input) { __typename
      ... on Problem { code message } } }"""
    ends_on = (day_of(city.now) + timedelta(days=90)).isoformat()
    asked = {"purpose": "collect", "purposeVersion": "2026-11", "frequency": "ONCE", "scope": ["volunteer-service"]}
    given = await city.do(give, by="good", endsOn=ends_on, **asked)
    assert given["__typename"] != "Problem", given
    accepted = await load(city, tmp_path / "a.csv", item="volunteer-service")
    assert accepted.counts() == counts(rows=1, accepted=1)
    # It was given for once, and is used up.
    document = (catalogue.by_role["document_number"].columns or (catalogue.by_role["document_number"].label,))[0]
    again = await load(city, tmp_path / "a.csv", {**row, document: "服务证明2026-8"}, item="volunteer-service")
    assert again.reasons == {"NO_CONSENT": 1}


async def test_a_body_delivers_for_itself_alone(city: City, tmp_path: Path) -> None:
    body = Body("某市市场监督管理局", enterprise_code(77))
    rows = [*firms(1), a_row(**{CODE: enterprise_code(2), PROVIDER: "某市税务局", f"{PROVIDER}统一社会信用代码": "/"})]
    summary = await load(city, tmp_path / "a.csv", *rows, body=body)
    assert (summary.accepted, summary.reasons) == (1, {"OTHER_BODY": 1})


async def test_rates_are_counted_per_body(city: City, tmp_path: Path) -> None:
    rows = [
        *firms(2),
        a_row(**{CODE: enterprise_code(3), NUMBER: "晚1号", DECIDED: "2026-11-02"}),
        a_row(**{CODE: "91430500O000000019", NUMBER: "错1号"}),
        a_row(**{CODE: enterprise_code(4), NUMBER: "简1号", REMARK: "当场处罚"}),
    ]
    await load(city, tmp_path / "a.csv", *rows)
    await load(city, tmp_path / "a.csv")  # loading again adds rows, and nothing that was late
    async with city.state.database.reading() as connection:
        (found,) = await read_rates(
            connection, places=["hunan-shaoyang"], since=date(2026, 11, 1), until=date(2026, 12, 1)
        )
    assert found == BodyRates("某市市场监督管理局", 8, 3, found.completeness, 6 / 8, 2 / 3)
    assert 0.7 < (found.completeness or 0) < 1


async def test_a_correction_does_not_bring_back_what_was_repaired(city: City, tmp_path: Path) -> None:
    (row,) = firms(1)
    await load(city, tmp_path / "a.csv", row)
    (record,) = await delivered(city)
    its_key = credit_records.c.id == record.id
    ended = day_of(city.now)
    await city.write(credit_records.update().where(its_key).values(removed_on=ended, removal="repaired"))
    await load(city, tmp_path / "b.csv", {**row, FINE: "0.8"})
    (record,) = await delivered(city)
    assert (record.removed_on, record.removal, record.version) == (ended, "repaired", 2)


async def test_ten_loaders_at_once_leave_every_record_once(city: City, tmp_path: Path) -> None:
    for n in range(10):
        (tmp_path / f"{n}.csv").write_bytes(csv_bytes(*firms(30)))
    found = await asyncio.gather(*(load(city, tmp_path / f"{n}.csv", piece=7) for n in range(10)))
    assert sum(one.accepted for one in found) == 30
    assert sum(one.duplicates for one in found) == 270
    assert len(await delivered(city)) == len(await city.rows(record_versions)) == 30


class Killed(Exception):
    """The process ends here."""


@asynccontextmanager
async def killed_at(city: City, statement: int) -> AsyncIterator[list[int]]:
    """Let the n-th statement from here fail as a killed process would: nothing after it is run."""
    seen = [0]
    engine = city.state.database.writer.sync_engine

    def count(*_: object) -> None:
        seen[0] += 1
        if seen[0] == statement:
            raise Killed

    event.listen(engine, "before_cursor_execute", count)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", count)


async def test_a_load_killed_at_any_statement_is_made_whole_by_loading_again(city: City, tmp_path: Path) -> None:
    person = a_row(**{CODE: GOOD, KIND: "自然人", NAME: "测good", "法定代表人": "/", NUMBER: "人1号"})
    path = tmp_path / "a.csv"
    path.write_bytes(csv_bytes(*firms(5), person, a_row(**{CODE: "错", NUMBER: "错1号"})))
    statement, was_killed = 0, True
    while was_killed:
        statement += 1
        before = await delivered(city), await city.rows(record_versions)
        async with killed_at(city, statement):
            try:
                await load(city, path, piece=3)
                was_killed = False
            except Killed:
                pass
        records, versions = await delivered(city), await city.rows(record_versions)
        # Pieces are whole: never a record without its history, nor one that was there before and is gone.
        assert {(row.subject_id, row.id) for row in records} == {(row.subject_id, row.record_id) for row in versions}
        assert len(records) == len(versions) >= len(before[0])
        assert {row.id for row in before[0]} <= {row.id for row in records}
    assert statement > 10
    assert len(await delivered(city)) == 6
    assert (await load(city, path)).counts() == counts(rows=7, duplicates=6, quarantined=1)
    assert [file.name for file in sorted(tmp_path.iterdir()) if file.name.startswith(".a")] == []  # noqa: ASYNC240


async def test_a_subject_whose_data_has_a_fault_stops_nobodys_file(city: City, tmp_path: Path) -> None:
    number = resident_id(PEOPLE["faulty"]["birth"], list(PEOPLE).index("faulty") + 1)
    person = a_row(**{CODE: number, KIND: "自然人", NAME: "测faulty", "法定代表人": "/"})
    summary = await load(city, tmp_path / "a.csv", person, *firms(1))
    assert summary.accepted == 2


async def test_every_piece_is_on_the_audit_trail(city: City, tmp_path: Path) -> None:
    await load(city, tmp_path / "a.csv", *firms(5), piece=2)
    actions = [row.action for row in await city.rows(audit_entries)]
    assert (actions.count("intake"), actions.count("intakeFinished")) == (3, 1)
    (batch,) = await city.rows(intake_batches)
    assert (batch.rows, batch.accepted, batch.finished_at) == (5, 5, city.now)
    assert sum(row.rows for row in await city.rows(intake_counts)) == 5


async def upload(city: City, content: bytes, *, by: str | None = "provider", **query: str) -> Any:
    headers = {"authorization": f"Bearer {city.token(by)}"} if by else {}
    asked = {"item": "administrative-penalty", "place": "hunan-shaoyang"} | query
    return await city.client.post("/intake", params=asked, content=content, headers=headers)


async def test_a_provider_uploads_and_fetches_what_was_sent_back(city: City) -> None:
    content = csv_bytes(*firms(2), a_row(**{CODE: "91430500O000000019", NUMBER: "错1号"}))
    answer = (await upload(city, content)).json()
    assert {name: answer[name] for name in counts()} == counts(rows=3, accepted=2, quarantined=1)
    mine = "{ intakeBatches { edges { node { rows quarantined finished quarantineFile } } } }"
    (edge,) = (await city.ask(mine, by="provider"))["data"]["intakeBatches"]["edges"]
    assert edge["node"]["rows"] == 3
    if answer["quarantineFile"] is not None:
        back = await city.client.get(
            answer["quarantineFile"], headers={"authorization": f"Bearer {city.token('provider')}"}
        )
        assert back.status_code == 200
        assert "错误代码" in back.text


@pytest.mark.parametrize(
    ("by", "query", "status", "code"),
    [
        (None, {}, 401, "UNAUTHENTICATED"),
        ("good", {}, 403, "FORBIDDEN"),
        ("operator", {}, 403, "FORBIDDEN"),
        ("provider", {"item": "blood-type"}, 400, "NOT_CATALOGUED"),
        ("provider", {"place": "atlantis"}, 400, "BAD_USER_INPUT"),
    ],
)
async def test_an_upload_that_may_not_be_is_refused_and_changes_nothing(
    city: City, by: str | None, query: dict[str, str], status: int, code: str
) -> None:
    before = await city.tally()
    answer = await upload(city, csv_bytes(*firms(1)), by=by, **query)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert await city.tally() == before


@pytest.mark.parametrize("content", [b"", b"\x00\x01", b"%PDF-1.7", "名称\n甲".encode()])
async def test_a_file_that_cannot_be_read_is_refused_and_changes_nothing(city: City, content: bytes) -> None:
    before = await city.tally()
    answer = await upload(city, content)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] in ("FILE_UNREADABLE", "MISSING_COLUMN")
    assert await city.tally() == before


async def test_a_record_changed_by_hand_is_refused_and_alarmed(city: City, tmp_path: Path) -> None:
    change = credit_records.update().where(credit_records.c.subject_id == 1).values(item="honour-award")
    await city.write(change, by_hand=True)
    verified = await city.verify(await city.code("good"))
    assert verified["outcome"] == "STANDARD_SERVICE"
    alarms = [row.kind for row in await city.rows(security_events)]
    assert alarms == ["SUBJECT_DATA_FAULT"]
    (event_,) = await city.log("good")
    assert [one["code"] for one in event_["whyNot"]] == ["UNDER_REVIEW"]


@pytest.mark.parametrize("column", [{"grade": "A+"}, {"points": 99900}, {"better_grade": "A+"}, {"mac": None}])
async def test_a_score_changed_by_hand_gives_nothing(city: City, column: dict[str, object]) -> None:
    assert (await city.verify(await city.code("plain")))["outcome"] == "STANDARD_SERVICE"
    await city.write(scores.update().where(scores.c.subject_id == 2).values(**column), by_hand=True)
    assert (await city.verify(await city.code("plain")))["outcome"] == "STANDARD_SERVICE"
    assert "SUBJECT_DATA_FAULT" in [row.kind for row in await city.rows(security_events)]


async def test_a_fact_put_in_by_hand_is_refused(city: City) -> None:
    await city.write(
        insert(facts).values(subject_id=2, name="volunteer_hours", value="900", observed_on=date(2026, 1, 1)),
        by_hand=True,
    )
    me = (await city.ask("{ me { scores { points } } }", by="plain"))["data"]["me"]
    assert me["scores"] == []


async def test_a_birthday_changed_by_hand_makes_no_adult(city: City) -> None:
    minor = subjects.c.id == list(PEOPLE).index("minor") + 1
    await city.write(subjects.update().where(minor).values(birth_on=date(1990, 1, 1)), by_hand=True)
    assert (await city.verify(await city.code("minor")))["outcome"] == "STANDARD_SERVICE"
    assert "SUBJECT_DATA_FAULT" in [row.kind for row in await city.rows(security_events)]
