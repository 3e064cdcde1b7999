"""Builds the demo city and writes it down. One thing to know: what it holds depends on a fixed seed and the day alone,
and dates are counted from that day, so the city is as lively whenever it is first opened.

Written in one transaction: a city is there as a whole, or not at all. Works on SQLite and PostgreSQL.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection
from tqdm import tqdm

from core import audit
from core.clock import day_of, start_of
from core.database import Database
from core.integrity import sealed_with
from core.keys import Keys
from demo.alliance import make_members, make_offers, offer_rows
from demo.desk import OPENED, Member
from demo.lately import MONTHS, add_lately
from demo.moments import Rows
from demo.people import COUNTIES, PERSONS, make_enterprises, make_persons, make_uscc
from demo.records import RECORDS, Known, known_of_enterprise, known_of_person, permits, record_row
from partners.accounts import Role
from partners.catalogue import BENEFIT_CHECK, bump_catalogue
from partners.lending.tables import loan_applications, loan_reports, loan_steps
from partners.limits import EVER
from partners.offers.content import OfferDraft, content_of
from partners.orders.tables import order_steps, orders
from partners.rulebook import Rulebook
from partners.settlement.tables import settlement_days, settlement_files, settlement_lines
from partners.tables import (
    access_events,
    accounts,
    baselines,
    benefit_news,
    benefit_watches,
    grants,
    offer_steps,
    offer_versions,
    offers,
    partners,
    quotas,
    redemptions,
    verifications,
)
from partners.usage import take_usage
from scoring.catalogue import Catalogue
from scoring.engine import Record
from scoring.inputs import Inputs, inputs_row
from scoring.scores import score_row
from scoring.statistics import months_before, take_statistics
from scoring.subjects import SubjectKind, is_minor, subject_row
from scoring.tables import credit_records, enrollments, facts, score_inputs, scores, subjects

SEED = 4305
STAFF = {Role.OPERATOR: 3, Role.REVIEWER: 2, Role.AUDITOR: 1, Role.PROVIDER: 3, Role.CLERK: 1, Role.AGENCY: 1}
"""How many accounts of each of these roles there are: `operator-1`, `operator-2` …"""
BODIES = {
    "provider-2": ("行政执法机关", make_uscc("11", COUNTIES["hunan-shaoyang"][0], 99_002)),
    "provider-3": ("市场监督管理部门", make_uscc("11", COUNTIES["guangdong-huizhou"][0], 99_003)),
}
"""Providers that deliver for one body alone (name, USCC), decide what is objected to and may query; the others deliver
for anybody."""
ISSUER = "https://xinyi.example"
"""Who signs where nobody says; the same as `Settings.issuer` says."""
BATCH = 500
JOINED = timedelta(days=1000)


async def seed_city(database: Database, *, keys: Keys, rulebook: Rulebook, now: datetime, issuer: str = ISSUER) -> None:
    """Write the demo city into a migrated database that has no subjects yet.

    Raises:
        Conflict: there are subjects or partners already; nothing was written.
    """
    rows = city_rows(keys=keys, rulebook=rulebook, now=now, issuer=issuer)
    count = sum(len(of_table) for of_table in rows.values())
    with tqdm(total=count, desc="建立演示城市", unit="行", delay=1, disable=None, leave=False) as progress:
        async with database.transaction() as connection:
            for table, of_table in rows.items():
                for start in range(0, len(of_table), BATCH):
                    batch = of_table[start : start + BATCH]
                    await connection.execute(insert(table), batch)
                    progress.update(len(batch))
            await _count_on(connection)
            for months in range(MONTHS, 0, -1):
                month = months_before(day_of(now).replace(day=1), months)
                await take_usage(connection, month=month, now=now)
            await _take_statistics(connection, rulebook=rulebook, now=now)
            await bump_catalogue(connection)
            content = {str(table.name): len(of_table) for table, of_table in rows.items()}
            await audit.record(connection, at=now, actor="demo", action="seedDemoCity", content=content)


def city_rows(*, keys: Keys, rulebook: Rulebook, now: datetime, issuer: str = ISSUER) -> Rows:
    """Every row of the city by table, in the order in which they may be written.

    The same `now` gives the same rows, but for the nonces in what is sealed.
    """
    on = day_of(now)
    rows: Rows = defaultdict(list)
    _add_alliance(rows, on)
    _add_people(rows, keys, rulebook, now)
    _add_staff(rows)
    add_lately(rows, keys=keys, issuer=issuer, rulebook=rulebook, now=now)
    order = (
        subjects,
        partners,
        offers,
        baselines,
        offer_steps,
        offer_versions,
        quotas,
        grants,
        accounts,
        enrollments,
        credit_records,
        facts,
        scores,
        score_inputs,
        verifications,
        redemptions,
        access_events,
        orders,
        order_steps,
        settlement_files,
        settlement_lines,
        settlement_days,
        loan_applications,
        loan_steps,
        loan_reports,
        benefit_watches,
        benefit_news,
    )
    return {
        table: [sealed_with(keys, table, row) for row in rows[table]] if "sealed" in table.info else rows[table]
        for table in order
    }


def _add_alliance(rows: Rows, on: date) -> None:
    for member in make_members():
        joined_at = start_of(on - JOINED) + timedelta(hours=10)
        rows[partners].append(
            {
                "id": member.id,
                "place": member.place,
                "sector": member.sector,
                "name": member.name,
                "uscc": member.uscc,
                "registered_at": joined_at,
            }
        )
        rows[accounts].append(_account(member.account, Role.PARTNER, partner_id=member.id))
        rows[accounts].append(_account(f"{member.account}-desk", Role.REPRESENTATIVE, partner_id=member.id))
        drafts = make_offers(member, on)
        rows[grants] += _granted(member, drafts, joined_at)
        for draft in drafts:
            offer_id = len(rows[offers]) + 1
            offer, baseline = offer_rows(draft, offer_id)
            rows[offers].append(offer)
            rows[baselines].append(baseline)
            if draft.quota is not None:
                rows[quotas].append({"offer_id": offer_id, "bucket": EVER, "cap": draft.quota, "taken": 0})
            # Two weeks before it opened, and long ago also where it opens later.
            submitted_at = start_of(min(draft.opens_on, on - OPENED) - timedelta(days=14)) + timedelta(hours=9)
            steps = (("submitted", "operator-1", "提交审核"), ("approved", "operator-2", "审核通过"))
            rows[offer_steps] += [
                {
                    "offer_id": offer_id,
                    "step": step,
                    "status": status,
                    "actor": actor,
                    "at": submitted_at + timedelta(days=7 * (step - 1)),
                    "reason": reason,
                }
                for step, (status, actor, reason) in enumerate(steps, 1)
            ]
            rows[offer_versions].append(
                {
                    "offer_id": offer_id,
                    "version": 1,
                    "status": "approved",
                    "content": content_of(draft),
                    "author": "operator-1",
                    "created_at": submitted_at,
                    "decided_by": "operator-2",
                    "decided_at": submitted_at + timedelta(days=7),
                }
            )


def _granted(member: Member, drafts: list[OfferDraft], at: datetime) -> list[dict[str, Any]]:
    """What a partner may ask: whatever it has an offer for."""
    held = sorted({(draft.kind, draft.model, draft.threshold) for draft in drafts})
    return [
        {
            "id": UUID(int=1000 * member.id + number),
            "partner_id": member.id,
            "service": service,
            "purpose": BENEFIT_CHECK,
            "model": model,
            "threshold": threshold,
            "granted_by": "operator-2",
            "granted_at": at,
        }
        for number, (service, model, threshold) in enumerate(held, 1)
    ]


def _add_people(rows: Rows, keys: Keys, rulebook: Rulebook, now: datetime) -> None:
    random = Random(SEED)  # noqa: S311  # a city that is the same every time, not a secret
    on = day_of(now)
    found: dict[int, Known] = {}
    for person in make_persons(random, on):
        row = subject_row(
            keys, kind=SubjectKind.PERSON, place=person.place, name=person.name, number=person.resident_id
        )
        _add_subject(rows, person.n, row, Role.CITIZEN, person.n)
        found[person.n] = known_of_person(random, person)
        if person.enrolled:
            rows[enrollments].append(_enrollment(random, person.n, rulebook, now))
    enterprises = make_enterprises(random)
    for enterprise in enterprises:
        subject_id = PERSONS + enterprise.n
        row = subject_row(
            keys,
            kind=SubjectKind.ENTERPRISE,
            place=enterprise.place,
            name=enterprise.name,
            number=enterprise.uscc,
            industry=enterprise.industry,
            park=enterprise.park,
        )
        _add_subject(rows, subject_id, row, Role.AGENT, enterprise.n)
        found[subject_id] = known_of_enterprise(random, enterprise)
        if enterprise.enrolled:
            rows[enrollments].append(_enrollment(random, subject_id, rulebook, now))
    missing = RECORDS - sum(len(known.entries) for known in found.values())
    for index, permit in enumerate(permits(random, missing)):
        found[PERSONS + 1 + index % len(enterprises)].entries.append(permit)
    enrolled = {row["subject_id"]: row["enrolled_at"] for row in rows[enrollments]}
    for subject in rows[subjects]:
        _add_known(rows, subject, found[subject["id"]], rulebook.catalogues[subject["place"]], on)
        if subject["id"] in enrolled and not is_minor(subject["birth_on"], on=on):
            _add_scores(rows, subject, found[subject["id"]], rulebook, enrolled_at=enrolled[subject["id"]], now=now)


def _add_subject(rows: Rows, subject_id: int, row: dict[str, Any], role: Role, n: int) -> None:
    account = f"{'citizen' if role is Role.CITIZEN else 'enterprise'}-{n}"
    rows[subjects].append({"id": subject_id, **row})
    rows[accounts].append(_account(account, role, subject_id=subject_id))


def _add_known(rows: Rows, subject: dict[str, Any], known: Known, catalogue: Catalogue, on: date) -> None:
    subject_id = subject["id"]
    for entry in known.entries:
        number, months = len(rows[credit_records]) + 1, catalogue.items[entry.item].publication.longest("general")
        row = record_row(entry, number=number, subject_id=subject_id, on=on, months=months)
        rows[credit_records].append(row)
    observed_on = on - timedelta(days=30)
    rows[facts] += [
        {"subject_id": subject_id, "name": name, "value": value, "observed_on": observed_on}
        for name, value in known.facts.items()
    ]


def _add_scores(
    rows: Rows, subject: dict[str, Any], known: Known, rulebook: Rulebook, *, enrolled_at: datetime, now: datetime
) -> None:
    on = day_of(now)
    of_subject = rows[credit_records][len(rows[credit_records]) - len(known.entries) :]
    records = [Record(row["item"], row["occurred_on"], row["removed_on"], id=row["id"]) for row in of_subject]
    rows[scores] += [
        score_row(model, subject_id=subject["id"], records=records, known=known.facts, now=now)
        for model in rulebook.models_for(subject["place"], subject["kind"], on)
    ]
    # As if all of it had been known since enrolment: what happened later shows in the history on its day.
    noted = inputs_row(subject["id"], Inputs(tuple(records), known.facts), now=enrolled_at)
    rows[score_inputs].append(noted | {"id": UUID(int=subject["id"])})


def _add_staff(rows: Rows) -> None:
    rows[accounts] += [_account(f"{role}-{n}", role) for role, size in STAFF.items() for n in range(1, size + 1)]


def _account(
    account: str, role: Role, *, subject_id: int | None = None, partner_id: int | None = None
) -> dict[str, Any]:
    body, body_uscc = BODIES.get(account, (None, None))
    acting_for = {"subject_id": subject_id, "partner_id": partner_id, "body": body, "body_uscc": body_uscc}
    return {"id": account, "role": role.value, **acting_for}


def _enrollment(random: Random, subject_id: int, rulebook: Rulebook, now: datetime) -> dict[str, Any]:
    enrolled_at = now.replace(microsecond=0) - timedelta(days=random.randrange(1, 170), minutes=random.randrange(600))
    return {"subject_id": subject_id, "enrolled_at": enrolled_at, "notice_version": rulebook.notice.version}


async def _take_statistics(connection: AsyncConnection, *, rulebook: Rulebook, now: datetime) -> None:
    """Of this month and those before it: in each, the grades of those who took part by then."""
    month = day_of(now).replace(day=1)
    for months in range(MONTHS, -1, -1):
        then = (start_of(months_before(month, months)) + timedelta(days=1)).astimezone(UTC) if months else now
        taking_part = select(enrollments.c.subject_id).where(enrollments.c.enrolled_at <= then)
        held = update(scores).where(scores.c.subject_id.in_(taking_part)).values(evaluated_on=day_of(then))
        await connection.execute(held)
        models, rules = rulebook.models, rulebook.statistics
        places = rulebook.served
        await take_statistics(connection, actor="demo", places=places, models=models, rules=rules, now=then)


async def _count_on(connection: AsyncConnection) -> None:
    """Let the database give out ids beyond those written here; SQLite does so by itself."""
    if connection.dialect.name == "postgresql":
        for table in (subjects, partners, offers):
            await connection.execute(
                text(f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'), max(id)) FROM {table.name}")  # noqa: S608
            )
