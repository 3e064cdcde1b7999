"""The demo city: that it is the same every time, lawful, and keeps its promise for years after it was built."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any

import pytest
from servers import Postgres
from sqlalchemy import Table, func, insert, select

from core.clock import day_of
from core.database import Conflict, Database
from core.identifiers import check_resident_id, check_uscc
from core.keys import Keys, load_keys, new_key_file
from core.migrations import migrate
from core.places import ROOT
from core.sealing import unseal
from demo.alliance import LATER_SECTORS
from demo.city import city_rows, seed_city
from demo.people import CITIES, FOREMOST, PERSONS, make_persons, make_uscc
from legal.effects import RELATIVE, Effect
from legal.groups import groups_of
from partners.catalogue import Catalogue, Offer, load_catalogue
from partners.eligibility import Outcome, Standing, outcome_of, why_not
from partners.kinds import benefit_kinds, checked_terms
from partners.limits import Period, Scope, is_counted
from partners.offers.crowds import recount
from partners.rulebook import Rulebook, load_rulebook
from partners.tables import accounts, offer_steps, partners
from scoring.engine import Record, Score, evaluate
from scoring.scores import evaluate_subject
from scoring.subjects import is_minor
from scoring.tables import credit_records, enrollments, facts, scores, subjects

NOW = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
TODAY = day_of(NOW)
DAYS = [TODAY, TODAY + timedelta(days=366), TODAY + timedelta(days=4 * 365)]
SEALED = {"name_sealed", "identity_sealed"}


@dataclass(frozen=True)
class City:
    """The seeded city as rows, with what is needed to judge it on other days."""

    rows: dict[Table, list[dict[str, Any]]]
    keys: Keys
    rulebook: Rulebook
    url: str

    @cached_property
    def enrolled(self) -> set[int]:
        return {row["subject_id"] for row in self.rows[enrollments]}

    @cached_property
    def records(self) -> dict[int, list[Record]]:
        found: dict[int, list[Record]] = {row["id"]: [] for row in self.rows[subjects]}
        for row in self.rows[credit_records]:
            found[row["subject_id"]].append(Record(row["item"], row["occurred_on"], row["removed_on"]))
        return found

    @cached_property
    def facts(self) -> dict[int, dict[str, Any]]:
        found: dict[int, dict[str, Any]] = {row["id"]: {} for row in self.rows[subjects]}
        for row in self.rows[facts]:
            found[row["subject_id"]][row["name"]] = row["value"]
        return found

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        return [row for row in self.rows[subjects] if row["kind"] == kind]

    def outcome(self, subject: dict[str, Any], offer: Offer, on: date) -> Outcome:
        applies = offer.model in self.rulebook.models_for(subject["place"], subject["kind"], on)
        grade = None
        if applies:
            known = offer.model.read_facts(self.facts[subject["id"]])
            result = evaluate(offer.model, records=self.records[subject["id"]], facts=known, on=on)
            grade = result.grade.code if isinstance(result, Score) and result.grade else None
        standing = Standing(
            kind=subject["kind"],
            lineage=self.rulebook.lineage(subject["place"]),
            enrolled=subject["id"] in self.enrolled,
            minor=is_minor(subject["birth_on"], on=on),
            grade=grade,
        )
        return outcome_of(why_not(offer, standing))

    def catalogue(self, on: date) -> Catalogue:
        async def read() -> Catalogue:
            database = Database(self.url)
            async with database.reading() as connection:
                found = await load_catalogue(connection, self.rulebook, on=on)
            await database.close()
            return found

        return asyncio.run(read())


async def _seed(url: str, keys: Keys, rulebook: Rulebook) -> None:
    database = Database(url, keys=keys)
    await migrate(database)
    await seed_city(database, keys=keys, rulebook=rulebook, now=NOW)
    await database.close()


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> City:
    folder: Path = tmp_path_factory.mktemp("city")
    new_key_file(folder / "keys.json", demo=True)
    keys, rulebook = load_keys(folder / "keys.json"), load_rulebook(ROOT, ())
    url = f"sqlite+aiosqlite:///{folder}/xinyi.db"
    asyncio.run(_seed(url, keys, rulebook))
    return City(city_rows(keys=keys, rulebook=rulebook, now=NOW), keys, rulebook, url)


def test_the_city_has_the_promised_size(city: City) -> None:
    kinds = Counter(row["kind"] for row in city.rows[subjects])
    assert kinds == {"person": 2000, "enterprise": 500}
    assert len(city.rows[credit_records]) == 12_000
    first = {"bank": 14, "hospital": 13, "scenic": 13}
    assert Counter(row["sector"] for row in city.rows[partners][:40]) == first
    assert Counter(row["sector"] for row in city.rows[partners][40:]) == dict.fromkeys(LATER_SECTORS, 2)
    catalogue = city.catalogue(TODAY)
    assert len(catalogue.offers) == 166
    assert [row["id"] for row in city.rows[partners]] == list(range(1, 59))
    assert sum(offer.partner.id <= 40 for offer in catalogue.offers.values()) == 120
    assert {row["place"] for row in city.rows[partners]} == {"hunan-shaoyang", "guangdong-huizhou"}


def test_the_same_day_gives_the_same_city(city: City) -> None:
    again = city_rows(keys=city.keys, rulebook=city.rulebook, now=NOW)
    for table, rows in city.rows.items():
        plain = [{name: value for name, value in row.items() if name not in SEALED} for row in rows]
        assert [{name: value for name, value in row.items() if name not in SEALED} for row in again[table]] == plain


def test_every_number_is_valid_and_different(city: City) -> None:
    numbers = set()
    for row in city.rows[subjects]:
        number = (unseal(city.keys, "seal", row["identity_sealed"]) or b"").decode()
        assert number == (check_resident_id if row["kind"] == "person" else check_uscc)(number)
        prefix = number[:4] if row["kind"] == "person" else number[2:6]
        assert prefix == {"hunan-shaoyang": "4305", "guangdong-huizhou": "4413"}[row["place"]]
        numbers.add(number)
    for row in city.rows[partners]:
        assert row["uscc"] == check_uscc(row["uscc"])
        numbers.add(row["uscc"])
    for row in city.rows[accounts]:
        if row["body_uscc"] is not None:
            assert row["body_uscc"] == check_uscc(row["body_uscc"])
            numbers.add(row["body_uscc"])
    assert len(numbers) == 2560


def test_an_organisation_code_has_the_check_digit_of_its_standard() -> None:
    # GB 11714 over DEM00001: 13·3 + 14·7 + 22·9 + 1·2 = 337, 11 − 337 mod 11 = 4.
    assert make_uscc("91", "430502", 1)[:17] == "91430502DEM000014"


def test_names_are_masked_and_numbers_sealed_in_the_file(city: City) -> None:
    content = Path(city.url.removeprefix("sqlite+aiosqlite:///")).read_bytes()
    row = city.rows[subjects][0]
    assert (len(row["display_name"]), row["display_name"][1]) == (2, "*")
    assert (unseal(city.keys, "seal", row["identity_sealed"]) or b"-") not in content
    assert (unseal(city.keys, "seal", row["name_sealed"]) or b"-") not in content


def test_the_foremost_are_enrolled_adults_half_in_each_city(city: City) -> None:
    for kind in ("person", "enterprise"):
        foremost = city.of_kind(kind)[:FOREMOST]
        assert {row["id"] for row in foremost} <= city.enrolled
        assert not any(is_minor(row["birth_on"], on=TODAY) for row in foremost)
        assert set(Counter(row["place"] for row in foremost).values()) == {20}


def test_there_are_minors_elderly_and_people_not_enrolled(city: City) -> None:
    persons = city.of_kind("person")
    assert 200 < sum(is_minor(row["birth_on"], on=TODAY) for row in persons) < 300
    assert 250 < sum(row["birth_on"] < date(1961, 11, 22) for row in persons) < 400
    assert 300 < sum(row["id"] not in city.enrolled for row in persons) < 500


def test_an_adult_of_the_city_is_an_adult_whatever_day_it_is_built() -> None:
    for on in (date(2027, 3, 1), date(2028, 2, 29), date(2029, 1, 1), date(2031, 12, 31)):
        for person in make_persons(Random(1), on):
            birth = date(int(person.resident_id[6:10]), int(person.resident_id[10:12]), int(person.resident_id[12:14]))
            assert is_minor(birth, on=on) == (person.age < 18)


def test_nobody_is_scored_who_is_a_minor_or_not_enrolled(city: City) -> None:
    scored = {row["subject_id"] for row in city.rows[scores]}
    adults = {row["id"] for row in city.rows[subjects] if not is_minor(row["birth_on"], on=TODAY)}
    assert scored == city.enrolled & adults


def test_the_stored_scores_are_what_the_engine_says(city: City) -> None:
    for row in city.rows[scores]:
        model = city.rulebook.models.get(row["model"])
        known = model.read_facts(city.facts[row["subject_id"]])
        result = evaluate(model, records=city.records[row["subject_id"]], facts=known, on=TODAY)
        expected = (result.points, result.grade.code) if isinstance(result, Score) and result.grade else (None, None)
        assert (row["points"], row["grade"]) == expected


@pytest.mark.parametrize("on", DAYS, ids=str)
def test_the_foremost_together_meet_both_answers_on_every_first_offer(city: City, on: date) -> None:
    catalogue = city.catalogue(on)
    for partner in catalogue.partners.values():
        first = catalogue.open_of(partner.id)[0]
        assert first.subject_kind == ("enterprise" if partner.sector == "bank" else "person")
        assert (first.has_quota, first.limit_per_person, first.terms.closes_on) == (False, None, None)
        answers = Counter(city.outcome(row, first, on) for row in city.of_kind(first.subject_kind)[:FOREMOST])
        assert answers == {Outcome.BENEFIT_APPLIES: 10, Outcome.STANDARD_SERVICE: 30}


@pytest.mark.parametrize("on", [*DAYS, TODAY + timedelta(days=31)], ids=str)
def test_the_guard_has_nothing_against_any_offer(city: City, on: date) -> None:
    assert [(offer.id, offer.refusals) for offer in city.catalogue(on).offers.values() if offer.refusals] == []


def test_every_kind_has_an_open_offer_in_every_city(city: City) -> None:
    found = {(offer.kind.code, offer.partner.place) for offer in city.catalogue(TODAY).open_offers}
    assert found == {(kind, place) for kind in benefit_kinds() for place in CITIES}
    assert len(found) == 26


def test_every_offer_has_terms_of_its_kind_and_is_of_a_measure_of_its_place(city: City) -> None:
    for offer in city.catalogue(TODAY).offers.values():
        checked_terms(offer.kind, offer.details)
        measure = city.rulebook.measures[offer.partner.place].get(offer.terms.measure, TODAY)
        assert measure is not None
        assert measure.covers(
            kind=offer.kind.code, effects=offer.terms.effects, subject=offer.subject_kind, payer=offer.terms.payer
        )


def test_first_offers_ask_for_no_count(city: City) -> None:
    catalogue = city.catalogue(TODAY)
    assert not [p.name for p in catalogue.partners.values() if is_counted(catalogue.open_of(p.id)[0])]


def test_the_offers_show_what_the_alliance_can_do(city: City) -> None:
    offers = city.catalogue(TODAY).open_offers
    assert {(limit.scope, limit.period) for offer in offers for limit in offer.limits} >= {
        (Scope.PERSON, Period.DAY),
        (Scope.PERSON, Period.MONTH),
        (Scope.OFFER, Period.DAY),
    }
    groups = groups_of(offer.terms for offer in offers)
    assert [len(members) for members in groups.values()] == [2, 2]
    assert Counter(effect for offer in offers for effect in RELATIVE & set(offer.terms.effects)) == {
        Effect.TIE_BREAK: 2,
        Effect.BONUS_POINTS: 2,
    }
    assert {offer.partner.sector for offer in offers if Effect.DEFERRED_PAYMENT in offer.terms.effects} == {
        "hospital",
        "parking",
        "elder-care",
    }


async def test_counting_the_people_closes_no_offer(city: City, sqlite_url: str) -> None:
    await _seed(sqlite_url, city.keys, city.rulebook)
    database = Database(sqlite_url, keys=city.keys)
    async with database.transaction() as connection:
        assert await recount(connection, await load_catalogue(connection, city.rulebook, on=TODAY)) == 124
    async with database.reading() as connection:
        counted = (await load_catalogue(connection, city.rulebook, on=TODAY)).offers.values()
    await database.close()
    assert [offer.id for offer in counted if offer.refusals] == []
    assert sum(offer.crowd is not None for offer in counted) == 124


def test_some_offers_have_ended_and_some_open_later(city: City) -> None:
    assert [len(city.catalogue(on).open_offers) for on in (TODAY, TODAY + timedelta(days=31))] == [159, 162]


def test_every_offer_was_submitted_and_approved_by_two_people(city: City) -> None:
    steps: dict[int, list[tuple[str, str]]] = {}
    for row in city.rows[offer_steps]:
        steps.setdefault(row["offer_id"], []).append((row["status"], row["actor"]))
    assert set(map(tuple, steps.values())) == {(("submitted", "operator-1"), ("approved", "operator-2"))}
    assert len(steps) == 166
    roles = {row["id"]: row["role"] for row in city.rows[accounts]}
    assert roles["operator-1"] == roles["operator-2"] == "operator"


def test_at_least_half_of_those_with_the_standard_service_have_no_adverse_record(city: City) -> None:
    offers = [offer for offer in city.catalogue(TODAY).offers.values() if offer.subject_kind == "person"]
    # Offers that ask the same of the same people answer alike: one of each is looked at.
    for offer in {(one.model.id, one.passing_grades, one.places): one for one in offers}.values():
        adverse_items = {item for item, known in offer.model.items.items() if known.nature == "adverse"}
        near = [row for row in city.of_kind("person") if row["place"] in offer.places and row["id"] in city.enrolled]
        for population in (near, city.of_kind("person")):
            standard = [row for row in population if city.outcome(row, offer, TODAY) is Outcome.STANDARD_SERVICE]
            adverse = [row for row in standard if any(r.item in adverse_items for r in city.records[row["id"]])]
            assert 0 < len(adverse) <= len(standard) / 2


def test_about_two_in_five_reach_the_usual_threshold(city: City) -> None:
    for name in ("xiangxinfen", "huixinma-person", "hunan-comprehensive", "huixinma-enterprise"):
        usual = "B" if name == "hunan-comprehensive" else "A"
        model = city.rulebook.models.get(name)
        grades = [row["grade"] for row in city.rows[scores] if row["model"] == name]
        reached = sum(grade is not None and model.at_least(grade, usual) for grade in grades)
        assert 0.35 <= reached / len(grades) <= 0.45, name


async def test_postgres_holds_the_same_city_and_counts_on_from_it(city: City, postgres: Postgres) -> None:
    url = postgres.create_database("demo_city")
    await _seed(url, city.keys, city.rulebook)
    database = Database(url, keys=city.keys)
    async with database.reading() as connection:
        for table in city.rows:
            assert await connection.scalar(select(func.count()).select_from(table)) == len(city.rows[table])
    await _check_scores(database, city)
    await _check_next_id(database)
    await database.close()


async def test_sqlite_counts_on_from_the_city(city: City, sqlite_url: str) -> None:
    await _seed(sqlite_url, city.keys, city.rulebook)
    database = Database(sqlite_url, keys=city.keys)
    await _check_scores(database, city)
    await _check_next_id(database)
    await database.close()


async def _check_scores(database: Database, city: City) -> None:
    """What is stored of a subject makes its stored scores again."""
    kept = {(row["subject_id"], row["model"]): row for row in city.rows[scores]}
    async with database.reading() as connection:
        for subject in [*city.of_kind("person")[:FOREMOST], *city.of_kind("enterprise")[:FOREMOST]]:
            models = city.rulebook.models_for(subject["place"], subject["kind"], TODAY)
            for row in await evaluate_subject(connection, subject_id=subject["id"], models=models, now=NOW):
                stored = kept[subject["id"], row["model"]]
                assert [row[name] for name in ("points", "grade", "reason", "valid_until")] == [
                    stored[name] for name in ("points", "grade", "reason", "valid_until")
                ]


async def _check_next_id(database: Database) -> None:
    async with database.transaction() as connection:
        new = {"place": "hunan-shaoyang", "sector": "bank", "name": "新银行", "uscc": "X", "registered_at": NOW}
        assert await connection.scalar(insert(partners).values(new).returning(partners.c.id)) == 59


async def test_a_city_is_not_written_over_another(city: City, sqlite_url: str) -> None:
    await _seed(sqlite_url, city.keys, city.rulebook)
    database = Database(sqlite_url, keys=city.keys)
    with pytest.raises(Conflict):
        await seed_city(database, keys=city.keys, rulebook=city.rulebook, now=NOW)
    async with database.reading() as connection:
        assert await connection.scalar(select(func.count()).select_from(subjects)) == PERSONS + 500
    await database.close()
