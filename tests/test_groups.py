"""Exclusive groups: of several offers a person gets one. One thing to know: which one does not depend on any order, is
told to the person alone, and nobody gets less for standing better."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from itertools import pairwise
from random import Random
from typing import Any

from counted_offers import benefit, change, check_books, key_of, limit, outcome, scan
from factories import City
from guard_offers import offer as make_terms
from hypothesis import given
from hypothesis import strategies as st

from legal.groups import loses_by_winning, precedence
from legal.terms import Ladder
from partners.choosing import chosen, rivals_of
from partners.eligibility import Standing, WhyNot, why_not


async def group(city: City, **priorities: int) -> None:
    for offer, priority in priorities.items():
        await change(city, offer, exclusive_group="门票", priority=priority, effects=["gift"])


async def why(city: City, person: str = "good") -> list[str]:
    return [reason["code"] for reason in (await city.log(person))[0]["whyNot"]]


async def test_the_highest_priority_wins_and_the_partner_learns_nothing_of_it(city: City) -> None:
    await group(city, museum=1, tower=5)
    skipped, plain = await scan(city, "museum"), await scan(city, "museum", "plain")
    assert skipped["outcome"] == plain["outcome"] == "STANDARD_SERVICE"
    assert {key for key in skipped if skipped[key] is None} == {key for key in plain if plain[key] is None}
    assert await why(city) == ["OTHER_BENEFIT_APPLIES"]
    assert await why(city, "plain") == ["GRADE_NOT_REACHED"]
    assert await outcome(city, "tower") == "BENEFIT_APPLIES"
    await check_books(city)


async def test_on_a_tie_the_lowest_id_wins(city: City) -> None:
    await group(city, museum=3, tower=3)
    assert await outcome(city, "tower") == "STANDARD_SERVICE"
    assert await outcome(city, "museum") == "BENEFIT_APPLIES"


async def test_the_next_one_applies_where_the_first_is_used_up_closed_full_or_not_granted(city: City) -> None:
    await group(city, museum=1, tower=5, garden=9)
    assert await outcome(city, "museum") == "STANDARD_SERVICE"
    await city.redeem((await scan(city, "garden"))["id"])  # once per person
    assert await outcome(city, "museum") == "STANDARD_SERVICE", "the tower comes next"
    for _ in range(10):
        await scan(city, "tower")
    assert await outcome(city, "tower") == "QUOTA_EXHAUSTED"
    assert await outcome(city, "museum") == "BENEFIT_APPLIES"
    city.wait(minutes=10)
    assert await outcome(city, "museum") == "STANDARD_SERVICE", "what was reserved has run out"
    await change(city, "tower", closes_on=date(2026, 11, 20))
    assert await outcome(city, "museum") == "BENEFIT_APPLIES"


async def test_a_first_one_whose_model_the_person_does_not_reach_stands_in_nobodys_way(city: City) -> None:
    await group(city, museum=1, tower=5)
    await change(city, "tower", model="hunan-comprehensive")
    assert await outcome(city, "museum") == "BENEFIT_APPLIES"


async def test_another_groups_and_another_partners_offers_are_no_rivals(city: City) -> None:
    await group(city, museum=1)
    await change(city, "tower", exclusive_group="餐饮", priority=5)
    await change(city, "clinic", exclusive_group="门票", priority=9)
    assert await outcome(city, "museum") == "BENEFIT_APPLIES"


async def test_the_list_names_the_other_one_and_says_to_use_it(city: City) -> None:
    await group(city, museum=1, tower=5)
    await change(city, "tower", title="登塔免费讲解")
    found = await benefit(city, "museum")
    assert [reason["code"] for reason in found["whyNot"]] == ["OTHER_BENEFIT_APPLIES"]
    assert "「登塔免费讲解」" in found["whyNot"][0]["message"]
    assert found["nextStep"] == "使用「登塔免费讲解」,它现在就可用。"
    assert (await benefit(city, "tower"))["available"]


async def test_list_and_counter_agree_about_everybody(city: City) -> None:
    await group(city, museum=1, tower=5, garden=9)
    await change(city, "garden", limits=[limit("person", "day", 1)])
    for person in ("good", "plain", "poor", "minor", "stranger", "faulty", "elsewhere"):
        for offer in ("museum", "tower", "garden"):
            listed = (await benefit(city, offer, person))["available"]
            answer = await scan(city, offer, person) if person != "stranger" else {"outcome": "STANDARD_SERVICE"}
            assert (answer["outcome"] == "BENEFIT_APPLIES") == listed, (person, offer)


async def test_an_offer_that_may_not_be_asked_about_is_no_rival(city: City) -> None:
    await group(city, museum=1, tower=5)
    await scan(city)
    known = city.state.catalogue
    museum, tower = (known.offers[key_of(name)] for name in ("museum", "tower"))
    assert rivals_of(museum, known) == (tower,)
    assert rivals_of(tower, known) == ()
    ungranted = replace(tower, is_granted=False)
    assert rivals_of(museum, replace(known, offers=known.offers | {tower.id: ungranted})) == ()


class Open:
    """An offer as choosing and eligibility see it."""

    subject_kind = "person"
    places = frozenset({"here"})
    limit_per_person = None

    def __init__(self, number: int, priority: int, reach: int, effects: tuple[Any, ...]) -> None:
        self.id = number
        self.terms = make_terms(
            offer=str(number), priority=priority, group="一组", threshold=GRADES[reach], effects=effects
        )
        self.passing_grades = frozenset(GRADES[: reach + 1])


GRADES = ("A", "B+", "B", "C")
MEMBERS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 2), st.sets(st.sampled_from(["gift", "extra", "voucher"]), min_size=1)),
    min_size=1,
    max_size=6,
).map(lambda drawn: [Open(n, p, r, tuple(sorted(e))) for n, (p, r, e) in enumerate(drawn, 1)])


def gets(members: list[Open], grade: str | None) -> Open | None:
    """What a person of that grade gets of the group."""
    standing = Standing(kind="person", lineage=("here",), enrolled=True, minor=False, grade=grade)
    return chosen([one for one in members if not why_not(one, standing)])  # type: ignore[type-var]


@given(MEMBERS, st.sampled_from([*GRADES, None]), st.randoms())
def test_any_order_of_offers_gives_the_same_winner(members: list[Open], grade: str | None, random: Random) -> None:
    shuffled = list(members)
    random.shuffle(shuffled)
    assert gets(shuffled, grade) is gets(members, grade)


@given(MEMBERS)
def test_a_better_grade_never_brings_fewer_additions_where_the_guard_lets_the_group_be(members: list[Open]) -> None:
    ladder = Ladder(members[0].terms.model, members[0].terms.subject, GRADES, "C")
    ordered = sorted(members, key=lambda one: precedence(one.terms))
    lawful = not any(
        loses_by_winning(above.terms, below.terms, ladder)
        for place, above in enumerate(ordered)
        for below in ordered[place + 1 :]
    )
    if not lawful:
        return
    got = [frozenset(won.terms.effects) if (won := gets(members, grade)) else frozenset() for grade in GRADES]
    assert all(better >= worse for better, worse in pairwise(got))


def test_being_outranked_is_a_reason_only_for_whoever_qualifies() -> None:
    offer = Open(1, 0, 0, ("gift",))
    standing = Standing(kind="person", lineage=("here",), enrolled=True, minor=False, grade="A", outranked=True)
    assert why_not(offer, standing) == (WhyNot.OTHER_BENEFIT_APPLIES,)
    low = Standing(kind="person", lineage=("here",), enrolled=True, minor=False, grade="C", outranked=True)
    assert why_not(offer, low) == (WhyNot.GRADE_NOT_REACHED,)
