"""The published list of measures, reviews that a person signs, what an answer tells of people, exclusive groups."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from guard_offers import ENTERPRISE, EVERYTHING, ON, PERSON, everything, measures_of, offer, protected_list, refusals
from hypothesis import given
from hypothesis import strategies as st

from core.errors import DataFileError
from core.places import ROOT, load_places
from legal.case import review_key
from legal.deniability import Crowd, says_nothing_bad
from legal.effects import RELATIVE, Effect
from legal.groups import group_violations, groups_of, loses_by_winning, winner, winners
from legal.guard import KindLimits, check_offer
from legal.measures import load_measures
from legal.proof import Catalogue, build_proof, recheck
from legal.terms import Ladder, OfferTerms
from legal.theorem import outcomes_of
from partners.kinds import benefit_kinds

PLACES = tuple(load_places())


def told(**changes: Any) -> list[tuple[str, str]]:
    return [(refusal.rule, refusal.verdict) for refusal in refusals(**changes)]


# ── the lists as they are


@pytest.mark.parametrize("place", PLACES)
def test_every_measure_is_of_kinds_that_exist_and_adds_what_they_may_add(place: str) -> None:
    kinds = benefit_kinds()
    for measure in measures_of(place).measures:
        for kind in measure.kinds:
            assert set(measure.effects) & kinds[kind].effects, (measure.id, kind)


@pytest.mark.parametrize("place", PLACES)
def test_what_is_relative_stands_alone(place: str) -> None:
    for measure in measures_of(place).measures:
        assert measure.relative is bool(RELATIVE & set(measure.effects)) is (set(measure.effects) <= RELATIVE)


def test_a_place_inherits_the_national_list_and_its_own_come_first() -> None:
    national = [one.id for one in measures_of("cn").measures]
    own = [one.id for one in measures_of("guangdong-huizhou").measures]
    assert own[-len(national) :] == national
    assert own[0] == "huizhou-office-and-leisure"
    assert measures_of("cn").checksum != measures_of("guangdong-huizhou").checksum


def test_only_a_regulator_may_have_fewer_inspections() -> None:
    for place in PLACES:
        for one in measures_of(place).measures:
            assert Effect.FEWER_INSPECTIONS not in one.effects or one.kinds == ("approval",)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("relative: true\n", "relative: false\n"),
        ("effects: [bonus-points]", "effects: [bonus-points, gift]"),
        ("effects: [publicity]", "effects: [deny]"),
        ("payers: [partner, public-budget]", "payers: [everyone]"),
        ("id: promotion", "id: market-benefits"),
        ("kinds: [approval, service]", "kinds: []"),
    ],
)  # fmt: skip
def test_a_broken_list_names_its_file_and_line(tmp_path: Path, old: str, new: str) -> None:
    root = tmp_path / "jurisdictions"
    shutil.copytree(ROOT / "cn", root / "cn")
    path = root / "cn" / "measures.yaml"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")
    with pytest.raises(DataFileError, match=r"measures\.yaml"):
        load_measures(load_places(root), "cn")


# ── an offer is lawful only under a measure of its place


def test_an_offer_that_names_none_goes_by_the_measure_that_covers_it() -> None:
    assert told(measures=measures_of("hunan-shaoyang")) == []


def test_an_offer_that_no_measure_covers_is_refused() -> None:
    medical = {
        "kind": "medical",
        "effects": ["deferred-payment"],
        "benefit": "门诊诊后付费。",
        "protected_service": True,
    }
    assert told(**medical, measures=measures_of("hunan-shaoyang")) == []
    assert told(**medical, measures=measures_of("hunan-changsha")) == [("L0", "unlawful")]
    assert told(kind="medical", effects=["gift"], measures=everything(("tourism",)))[0] == ("L0", "unlawful")
    assert told(payer="public-budget", budget="文旅资金", measures=measures_of("hunan-shaoyang")) == []


def test_the_measure_an_offer_names_has_to_cover_it_and_be_in_force() -> None:
    listed = measures_of("hunan-shaoyang")
    assert told(measure="shaoyang-tourism", measures=listed) == []
    assert told(measure="shaoyang-park", measures=listed) == [("L0", "unlawful")]
    assert told(measure="no-such", measures=listed) == [("L0", "unlawful")]
    ended = replace(listed, measures=tuple(m.model_copy(update={"in_force_until": ON}) for m in listed.measures))
    assert told(measure="shaoyang-tourism", measures=ended) == [("L0", "unlawful")]


def test_a_refusal_names_the_source_of_the_measure_that_does_not_reach_so_far() -> None:
    (refusal,) = refusals(measure="shaoyang-park", measures=measures_of("hunan-shaoyang"))
    assert refusal.source.clause == "四(二)园区综合信用评价"


# ── reviews


REVIEWED: dict[str, Any] = {"basic_public_service": True, "effects": ["fee-waiver"], "payer": "public-budget",
                            "budget": "区守信激励专项资金"}  # fmt: skip


def test_a_review_that_a_person_signed_refuses_no_more_while_the_terms_are_the_same() -> None:
    (open_review,) = refusals(**REVIEWED)
    signed = [review_key(offer(**REVIEWED), open_review)]
    assert open_review.verdict == "review"
    assert refusals(**REVIEWED, signed=signed) == ()
    assert refusals(**REVIEWED, published=False, signed=signed) == (), "approving is no change of the terms"
    assert refusals(**(REVIEWED | {"benefit": "全免。"}), signed=signed) != ()
    assert refusals(**REVIEWED, baseline={"price_fen": 100}, signed=signed) != ()


def test_what_is_unlawful_nobody_can_sign() -> None:
    terms = offer(payer="other-customers")
    found = refusals(payer="other-customers", measures=None)
    assert {refusal.verdict for refusal in found} == {"unlawful"}
    signed = [review_key(terms, refusal) for refusal in found]
    assert refusals(payer="other-customers", measures=None, signed=signed) == found


# ── deniability


@pytest.mark.parametrize(("crowd", "lawful"), [((10, 5), True), ((10, 4), False), ((11, 5), False), ((0, 0), True)])
def test_at_least_half_of_those_with_the_standard_service_have_no_adverse_record(
    crowd: tuple[int, int], lawful: bool
) -> None:
    assert says_nothing_bad(Crowd(*crowd)) is lawful
    assert told(crowd=crowd) == ([] if lawful else [("L12", "unlawful")])
    assert told(crowd=crowd, subject="enterprise") == []


@pytest.mark.parametrize("counts", [(1, 2), (1, -1)])
def test_a_crowd_that_cannot_be_is_none(counts: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="no crowd"):
        Crowd(*counts)


# ── exclusive groups


def member(number: int, threshold: str, effects: list[str], **changes: Any) -> OfferTerms:
    fields: dict[str, Any] = {"offer": str(number), "group": "暑期", "threshold": threshold, "effects": effects}
    return offer(**(fields | {"title": f"优惠{number}", "benefit": "按约定给予便利。"} | changes))


def test_the_highest_priority_wins_then_the_lowest_id_in_whatever_order() -> None:
    nine, ten, first = member(9, "A", ["gift"]), member(10, "A", ["gift"]), member(11, "A", ["gift"], priority=1)
    assert winner([ten, nine]) == winner([nine, ten]) == nine
    assert winner([ten, first, nine]) == first
    assert winner([]) is None
    assert winners([ten, first, nine, offer(offer="1")]) == {"11", "1"}


def test_a_stricter_offer_that_wins_and_gives_less_is_refused() -> None:
    other = {"group": "暑期", "effects": ["fee-reduction", "gift"], "kind": "parking", "benefit": "按约定给予便利。"}
    strict: dict[str, Any] = {"group": "暑期", "threshold": "A+", "priority": 1, "effects": ["gift"]}
    assert told(**strict, others=[other]) == [("L0", "unlawful")]
    assert told(**(strict | {"effects": ["gift", "fee-reduction"]}), others=[other]) == []
    assert told(**(strict | {"threshold": "A"}), others=[other]) == [], "open to everybody the other is open to"
    assert told(**(strict | {"priority": -1}), others=[other]) == []
    assert told(**(strict | {"group": ""}), others=[other]) == []
    assert told(**strict, others=[other | {"closes_on": date(2026, 6, 1)}]) == [], "they are never open together"


MEMBERS = st.lists(
    st.tuples(
        st.sampled_from(PERSON.grades[:2]),
        st.lists(st.sampled_from(["gift", "extra", "voucher"]), min_size=1, unique=True),
        st.integers(0, 2),
        st.sampled_from(["city-person", "other-person"]),
    ),
    min_size=2,
    max_size=4,
)


@given(MEMBERS)
def test_what_the_guard_lets_into_a_group_keeps_the_whole_group_monotone(drawn: list[Any]) -> None:
    offers = [
        member(number, grade, effects, priority=priority, model=model, kind=f"kind-{number}")
        for number, (grade, effects, priority, model) in enumerate(drawn, 1)
    ]
    ladders = {name: replace(PERSON, model=name) for name in ("city-person", "other-person")}
    refused = [
        loses_by_winning(above, below, ladders[above.model])
        for above in offers
        for below in offers
        if winner([above, below]) is above and above is not below
    ]
    outcomes = {o.offer: outcomes_of(o, ladders[o.model], passes(ladders[o.model])) for o in offers}
    broken = list(group_violations(offers, ladders, outcomes))
    assert any(refused) or not broken


def passes(ladder: Ladder) -> Any:
    def decide(terms: OfferTerms, standing: Any) -> Any:
        reached = ladder.reaches(standing.grade, terms.threshold) and standing.enrolled and not standing.minor
        return terms.effects if reached else ()

    return decide


def proof_of(*offers: OfferTerms) -> tuple[dict[str, Any], Catalogue]:
    catalogue = Catalogue(
        offers=offers,
        ladders={PERSON.model: PERSON, ENTERPRISE.model: ENTERPRISE},
        kinds={o.kind: KindLimits(o.kind, frozenset(Effect)) for o in offers},
        protected={"hunan-shaoyang": protected_list("hunan-shaoyang")},
        measures={"hunan-shaoyang": EVERYTHING},
    )
    issued_at = datetime(2026, 11, 22, 4, tzinfo=UTC)
    return build_proof(catalogue, decide=passes(PERSON), issuer="test", issued_at=issued_at), catalogue


def test_the_proof_holds_for_a_group_and_lists_it() -> None:
    proof, _ = proof_of(
        member(1, "A", ["gift"]), member(2, "A+", ["gift", "extra"], priority=1, kind="parking", title="停车")
    )
    assert proof["failures"] == []
    assert proof["groups"] == {"云山景区/暑期": ["2", "1"]}


def test_the_proof_finds_a_group_whose_better_grades_get_less() -> None:
    proof, _ = proof_of(member(1, "A", ["gift"]), member(2, "A+", ["extra"], priority=1, kind="parking", title="停车"))
    assert ("暑期: grade A+", "同组优惠择一,等级高于 A,却少得 gift") in [
        (f["where"], f["why"]) for f in proof["failures"]
    ]


def test_a_list_of_measures_changed_since_is_named_by_the_recheck() -> None:
    proof, catalogue = proof_of(offer())
    changed = replace(catalogue, measures={"hunan-shaoyang": replace(EVERYTHING, checksum="f" * 64)})
    (sentence,) = recheck(proof, changed, decide=passes(PERSON))
    assert sentence.startswith("地方 hunan-shaoyang 的激励措施清单哈希")


def test_signed_reviews_are_part_of_the_proof() -> None:
    terms = offer(**REVIEWED)
    (open_review,) = refusals(**REVIEWED)
    unsigned, catalogue = proof_of(terms)
    assert not unsigned["holds"]
    signed = replace(catalogue, signed={"1": frozenset({review_key(terms, open_review)})})
    proof = build_proof(signed, decide=passes(PERSON), issuer="test", issued_at=datetime(2026, 11, 22, 4, tzinfo=UTC))
    assert proof["holds"]
    assert list(proof["inputs"]["signed"]) == ["1"]
    assert any("审定签署" in one or "L5" in one for one in recheck(proof, catalogue, decide=passes(PERSON)))


def test_a_group_of_one_or_of_two_partners_is_none() -> None:
    assert groups_of([member(1, "A", ["gift"])]) == {}
    assert groups_of([member(1, "A", ["gift"]), member(2, "A", ["gift"], partner="别家")]) == {}


def test_the_guard_judges_no_list_where_none_is_given() -> None:
    found = check_offer(
        offer(kind="medical", effects=["advice"], benefit="咨询。"), ladder=PERSON, others=(), baselines=(),
        protected=protected_list("cn"), kind=KindLimits("medical", frozenset(Effect), True), on=ON, measures=None,
    )  # fmt: skip
    assert found == ()


def test_the_lists_are_plain_yaml_with_a_source_on_every_measure() -> None:
    for path in sorted(ROOT.glob("*/measures.yaml")):
        for measure in yaml.safe_load(path.read_text("utf-8"))["measures"]:
            assert measure["source"]["status"] in {"official", "interpretation", "illustrative"}
