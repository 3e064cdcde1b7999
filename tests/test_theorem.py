"""The theorem and its proof, over random ladders and catalogues and over every way of breaking it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from guard_offers import ENTERPRISE, EVERYTHING, ON, PERSON, baseline, offer, protected_list
from hypothesis import given
from hypothesis import strategies as st

from legal.effects import RELATIVE, Effect
from legal.guard import RULES, KindLimits, check_offer
from legal.proof import Catalogue, build_proof, recheck
from legal.terms import Ladder, OfferTerms, canonical
from legal.theorem import Standing, outcomes_of, standings, violations

ISSUED_AT = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
PLACE = "hunan-shaoyang"


def decide(ladders: dict[str, Ladder]) -> Callable[[OfferTerms, Standing], Iterable[Effect]]:
    """A right decision, written from the words of the theorem alone."""

    def additions(terms: OfferTerms, standing: Standing) -> Iterable[Effect]:
        grades = ladders[terms.model].grades
        earned = standing.grade is not None and grades.index(standing.grade) <= grades.index(terms.threshold)
        return terms.effects if earned and standing.enrolled and not standing.minor else ()

    return additions


def catalogue(*offers: OfferTerms, ladders: dict[str, Ladder] | None = None) -> Catalogue:
    return Catalogue(
        offers=offers,
        ladders=ladders or {PERSON.model: PERSON, ENTERPRISE.model: ENTERPRISE},
        kinds={kind: KindLimits(kind, frozenset(Effect)) for kind in ("tourism", "loan")},
        protected={PLACE: protected_list(PLACE)},
        measures={PLACE: EVERYTHING},
        baselines={o.offer: [o.baseline] for o in offers},
    )


CATALOGUE = catalogue(
    offer(offer="1"),
    offer(offer="2", partner="临江银行", kind="loan", subject="enterprise", title="利率优惠", benefit="利率下调。"),
    offer(offer="3", partner="另一景区", effects=["gift"], threshold="B+", benefit="赠书签一枚。"),
    offer(offer="4", partner="草稿", threshold="C", published=False),
)
DECIDE = decide(dict(CATALOGUE.ladders))
PROOF = build_proof(CATALOGUE, decide=DECIDE, issuer="https://xinyi.example", issued_at=ISSUED_AT)


def failures(decision: Any, *offers: OfferTerms) -> list[dict[str, str]]:
    shown = catalogue(*offers) if offers else CATALOGUE
    proof = build_proof(shown, decide=decision, issuer="test", issued_at=ISSUED_AT)
    assert proof["holds"] is (not proof["failures"])
    found: list[dict[str, str]] = proof["failures"]
    return found


# ── the proof of a lawful catalogue


def test_a_lawful_catalogue_is_proved() -> None:
    assert (PROOF["failures"], PROOF["holds"]) == ([], True)


def test_every_published_offer_meets_every_standing() -> None:
    # persons: (5 grades + none + no record) × enrolled or not × adult or minor; enterprises have no minors
    assert {o: len(row) for o, row in PROOF["outcomes"].items()} == {"1": 28, "2": 14, "3": 28}
    assert PROOF["counts"] == {"offers": 3, "outcomes": 70, "guard_checks": 3 * len(RULES)}


def test_only_enrolled_adults_at_or_above_the_threshold_get_more_than_the_standard_service() -> None:
    assert {s for s, added in PROOF["outcomes"]["1"].items() if added} == {"grade A+", "grade A"}
    assert {s for s, added in PROOF["outcomes"]["3"].items() if added} == {"grade A+", "grade A", "grade B+"}


def test_a_person_with_no_record_gets_exactly_the_standard_service() -> None:
    assert PROOF["outcomes"]["1"]["no-record"] == PROOF["outcomes"]["3"]["no-record"] == []


def test_the_same_inputs_give_the_same_bytes_in_any_order() -> None:
    shuffled = replace(CATALOGUE, offers=CATALOGUE.offers[::-1])
    again = build_proof(shuffled, decide=DECIDE, issuer="https://xinyi.example", issued_at=ISSUED_AT)
    assert canonical(again) == canonical(PROOF)


def test_a_relative_measure_is_listed_apart() -> None:
    tender = offer(offer="9", subject="enterprise", effects=["bonus-points"], benefit="评审加一分。", notice="招标公告")
    proof = build_proof(catalogue(tender), decide=DECIDE, issuer="test", issued_at=ISSUED_AT)
    assert (proof["holds"], list(proof["apart"])) == (True, ["9"])
    assert PROOF["apart"] == {}


def test_two_offers_with_one_id_cannot_be_proved() -> None:
    with pytest.raises(ValueError, match="share an id"):
        build_proof(catalogue(offer(), offer()), decide=DECIDE, issuer="test", issued_at=ISSUED_AT)


# ── every way of breaking it is found


def test_additions_for_no_record_are_found() -> None:
    def generous(terms: OfferTerms, standing: Standing) -> Iterable[Effect]:
        return terms.effects if standing.no_record and standing.enrolled and not standing.minor else ()

    assert [(f["offer"], f["where"]) for f in failures(generous)] == [("1", "no-record"), ("3", "no-record")]


@pytest.mark.parametrize(
    "standing",
    [
        Standing("A", enrolled=False),
        Standing("A", minor=True),
        Standing(None, assessed=False),
        Standing("B"),
        Standing("C"),
    ],
    ids=lambda s: s.name,
)
def test_additions_for_those_who_are_owed_none_are_found(standing: Standing) -> None:
    def careless(terms: OfferTerms, asked: Standing) -> Iterable[Effect]:
        return terms.effects if asked == standing else DECIDE(terms, asked)

    assert standing.name in {f["where"] for f in failures(careless, offer())}


def test_a_better_grade_that_gets_less_is_found() -> None:
    def upside_down(terms: OfferTerms, standing: Standing) -> Iterable[Effect]:
        return () if standing.grade == "A+" else DECIDE(terms, standing)

    found = failures(upside_down, offer())
    assert found == [{"offer": "1", "where": "grade A+", "why": "等级高于 A,却少得 fee-reduction"}]


def test_an_outcome_that_takes_away_is_found() -> None:
    def harmful(terms: OfferTerms, standing: Standing) -> Any:
        return ("deny",) if standing.grade == "C" else DECIDE(terms, standing)

    assert "得到的不是增益:deny" in [f["why"] for f in failures(harmful, offer())]


def test_an_addition_that_was_not_registered_is_found() -> None:
    def more(terms: OfferTerms, standing: Standing) -> Iterable[Effect]:
        return (*DECIDE(terms, standing), Effect.SEPARATE_LANE) if standing.grade == "A+" else DECIDE(terms, standing)

    assert "得到优惠未登记的增益:separate-lane" in [f["why"] for f in failures(more, offer())]


def test_an_unlawful_offer_in_the_catalogue_is_found_and_its_rule_named() -> None:
    assert {f["where"] for f in failures(DECIDE, offer(threshold="C"))} >= {"L3"}


# ── the re-check says where


def test_a_proof_stands_against_what_it_was_made_from() -> None:
    assert recheck(json.loads(canonical(PROOF)), CATALOGUE, decide=DECIDE) == ()


HASHES = [(group, key) for group, entries in PROOF["inputs"].items() for key in entries]


@pytest.mark.parametrize(("group", "key"), HASHES)
def test_one_changed_byte_of_any_input_hash_is_reported_where_it_is(group: str, key: str) -> None:
    altered = json.loads(canonical(PROOF))
    first = altered["inputs"][group][key][0]
    altered["inputs"][group][key] = ("0" if first != "0" else "1") + altered["inputs"][group][key][1:]
    (sentence,) = recheck(altered, CATALOGUE, decide=DECIDE)
    assert key in sentence
    assert "哈希" in sentence


@pytest.mark.parametrize(
    ("field", "value"),
    [("title", "守信游客八折"), ("threshold", "A+"), ("benefit", "票价八折。"), ("closes_on", date(2027, 1, 1))],
)
def test_an_offer_changed_since_is_named(field: str, value: Any) -> None:
    changed = replace(CATALOGUE, offers=(replace(CATALOGUE.offers[0], **{field: value}), *CATALOGUE.offers[1:]))
    assert any(s.startswith("优惠 1 的条款哈希") for s in recheck(PROOF, changed, decide=DECIDE))


def test_a_model_changed_since_is_named() -> None:
    changed = replace(CATALOGUE, ladders=dict(CATALOGUE.ladders) | {PERSON.model: replace(PERSON, checksum="f" * 64)})
    (sentence,) = recheck(PROOF, changed, decide=DECIDE)
    assert sentence.startswith("评分模型 city-person 的哈希")


def test_a_list_changed_since_is_named() -> None:
    changed = replace(CATALOGUE, protected={PLACE: replace(protected_list(PLACE), checksum="f" * 64)})
    (sentence,) = recheck(PROOF, changed, decide=DECIDE)
    assert sentence.startswith("地方 hunan-shaoyang 的保护清单哈希")


def test_a_baseline_added_since_is_named_and_judged() -> None:
    worse = [CATALOGUE.offers[0].baseline, baseline(price_fen=100, in_force_from=date(2026, 11, 1))]
    changed = replace(CATALOGUE, baselines=dict(CATALOGUE.baselines) | {"1": worse})
    found = recheck(PROOF, changed, decide=DECIDE)
    assert any(s.startswith("优惠 1 的标准服务历史哈希") for s in found)
    assert any(s.startswith("优惠 1(L1)") for s in found)


def test_an_outcome_altered_in_the_proof_is_named() -> None:
    altered = json.loads(canonical(PROOF))
    altered["outcomes"]["1"]["grade C"] = ["fee-reduction"]
    (sentence,) = recheck(altered, CATALOGUE, decide=DECIDE)
    assert sentence == '优惠 1 在情形“grade C”下的结果:证明写的是 ["fee-reduction"],重做得到 []。'


@pytest.mark.parametrize("issued_at", [None, 5, "yesterday", "2026-11-22", "9999-12-31T23:59:59+00:00"])
def test_a_proof_without_an_instant_is_refused_in_one_sentence(issued_at: object) -> None:
    assert len(recheck(PROOF | {"issued_at": issued_at}, CATALOGUE, decide=DECIDE)) == 1


@given(st.recursive(st.none() | st.integers() | st.text(), lambda c: st.lists(c) | st.dictionaries(st.text(), c)))
def test_a_proof_with_any_part_replaced_does_not_stand(value: Any) -> None:
    for part in ("statement", "rules", "inputs", "outcomes", "apart", "counts", "failures", "holds", "on"):
        if value != PROOF[part]:
            assert recheck(PROOF | {part: value}, CATALOGUE, decide=DECIDE)


# ── laws over random catalogues


@st.composite
def ladders(draw: st.DrawFn) -> Ladder:
    grades = tuple(f"G{n}" for n in range(draw(st.integers(1, 9))))
    subject = draw(st.sampled_from(["person", "enterprise"]))
    no_record = draw(st.sampled_from([*grades, None]))
    return Ladder("random", "person" if subject == "person" else "enterprise", grades, no_record)


@st.composite
def random_offers(draw: st.DrawFn) -> tuple[Ladder, OfferTerms]:
    ladder = draw(ladders())
    effects = draw(st.lists(st.sampled_from(sorted(Effect)), min_size=1, max_size=4, unique=True))
    terms = offer(
        subject=ladder.subject,
        model="random",
        threshold=draw(st.sampled_from(ladder.grades)),
        effects=effects,
        benefit="按约定给予便利。",
        standard_lanes_unchanged=draw(st.booleans()),
        basic_public_service=draw(st.booleans()),
        notice=draw(st.sampled_from(["", "公布的清单"])),
        baseline={"code_required": draw(st.booleans())},
    )
    return ladder, terms


@given(random_offers())
def test_what_the_guard_accepts_keeps_the_theorem_under_a_right_decision(drawn: tuple[Ladder, OfferTerms]) -> None:
    ladder, terms = drawn
    refused = check_offer(
        terms,
        ladder=ladder,
        others=(),
        baselines=(),
        protected=protected_list(PLACE),
        kind=KindLimits("tourism", frozenset(Effect)),
        on=ON,
        measures=EVERYTHING,
    )
    if not refused:
        assert list(violations(terms, ladder, outcomes_of(terms, ladder, decide({"random": ladder})))) == []
        assert terms.subject == "enterprise" or terms.threshold != ladder.grades[-1]
        assert not (terms.basic_public_service and RELATIVE & set(terms.effects))


@given(random_offers(), st.data())
def test_any_single_wrong_outcome_is_found(drawn: tuple[Ladder, OfferTerms], data: st.DataObject) -> None:
    ladder, terms = drawn
    outcomes = outcomes_of(terms, ladder, decide({"random": ladder}))
    owed_nothing = [s for s, added in outcomes.items() if not added]
    wrong = data.draw(st.sampled_from(owed_nothing)) if owed_nothing else None
    if wrong is not None:
        assert list(violations(terms, ladder, outcomes | {wrong: frozenset(terms.effects)}))


@given(ladders())
def test_standings_are_all_different_and_each_has_its_own_name(ladder: Ladder) -> None:
    every = standings(ladder)
    assert len({s.name for s in every}) == len(set(every)) == len(every)
