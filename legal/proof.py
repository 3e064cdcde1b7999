"""A proof that the theorem holds for a catalogue, and its re-check. One thing to know: every published offer is tried
in every standing there is, so nothing is sampled; the same inputs always give the same bytes but for `issued_at`.

Signing is not done here: a proof is plain JSON values.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Any

from core.clock import day_of
from legal.groups import group_violations, groups_of
from legal.guard import RULES, check_offer
from legal.measures import MeasureList
from legal.protected import ProtectedList
from legal.terms import Baseline, KindLimits, Ladder, OfferTerms, canonical, fingerprint
from legal.theorem import Decide, Outcomes, is_apart, outcomes_of, violations

STATEMENT = {
    "additions-only": "每个人得到的,或者是标准服务,或者是标准服务加上优惠登记的增益",
    "earned": "没有任何记录的自然人恰好得到标准服务;谁也不比没有记录的人更差",
    "nothing-lost-outside": "没有加入、未成年、没有评价结果、未达门槛的,恰好得到标准服务",
    "monotone": "等级更高的人,增益不会更少;同组优惠择一的,整组也是如此",
    "guarded": "每项已发布的优惠都通过守则的全部规则",
}
"""What is proved. Part of every proof, so that a proof of another statement is not taken for this one."""

APART = "含相对性措施(同等条件优先、加分):一人所得可能是他人所失,不在定理之内,只依法律与公告单列"


@dataclass(frozen=True)
class Catalogue:
    """Everything a proof is about: the offers, and what they are judged by."""

    offers: Sequence[OfferTerms]
    """Only the published ones count; each has its own `offer` id."""
    ladders: Mapping[str, Ladder]
    """By model id, as they stand on the day of the proof."""
    kinds: Mapping[str, KindLimits]
    """By kind code."""
    protected: Mapping[str, ProtectedList]
    """By place."""
    measures: Mapping[str, MeasureList]
    """The published incentive measures, by place."""
    signed: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Reviews that a human has judged and answers for, by offer id."""
    baselines: Mapping[str, Sequence[Baseline]] = field(default_factory=dict)
    """History of the standard service, by offer id."""

    @property
    def published(self) -> tuple[OfferTerms, ...]:
        """The published offers, by id."""
        return tuple(sorted((o for o in self.offers if o.published), key=lambda o: o.offer))


def build_proof(catalogue: Catalogue, *, decide: Decide, issuer: str, issued_at: datetime) -> dict[str, Any]:
    """Walk every published offer through every standing and write down what came out.

    The guard judges for the day of `issued_at` in Asia/Shanghai. `holds` is true when `failures` is empty.

    Raises:
        KeyError: an offer names a model, kind or place that the catalogue does not hold.
        ValueError: two published offers share an id.
    """
    published = catalogue.published
    if len({o.offer for o in published}) != len(published):
        raise ValueError("two published offers share an id")
    on = day_of(issued_at)
    outcomes: dict[str, dict[str, list[str]]] = {}
    all_given: dict[str, Outcomes] = {}
    failures: list[dict[str, str]] = []
    tried = 0
    of_partner: dict[str, list[OfferTerms]] = defaultdict(list)
    for terms in published:
        of_partner[terms.partner].append(terms)
    for terms in published:
        ladder = catalogue.ladders[terms.model]
        given = outcomes_of(terms, ladder, decide)
        tried += len(given)
        all_given[terms.offer] = given
        outcomes[terms.offer] = {s.name: sorted(map(str, added)) for s, added in given.items()}
        failures += [
            {"offer": terms.offer, "where": v.standing, "why": v.claim} for v in violations(terms, ladder, given)
        ]
        failures += _refused(catalogue, terms, ladder, on, others=of_partner[terms.partner])
    groups = groups_of(published)
    for (_, group), members in groups.items():
        failures += [
            {"offer": members[0].offer, "where": f"{group}: {v.standing}", "why": v.claim}
            for v in group_violations(members, catalogue.ladders, all_given)
        ]
    return {
        "iss": issuer,
        "issued_at": issued_at.astimezone(UTC).isoformat(),
        "on": on.isoformat(),
        "statement": STATEMENT,
        "rules": [rule.id for rule in RULES],
        "inputs": _inputs(catalogue, published),
        "outcomes": outcomes,
        "groups": {f"{partner}/{group}": [o.offer for o in members] for (partner, group), members in groups.items()},
        "apart": {o.offer: APART for o in published if is_apart(o)},
        "counts": {"offers": len(published), "outcomes": tried, "guard_checks": len(published) * len(RULES)},
        "failures": failures,
        "holds": not failures,
    }


def recheck(proof: Mapping[str, Any], catalogue: Catalogue, *, decide: Decide) -> tuple[str, ...]:
    """Every difference between `proof` and one made afresh from `catalogue` for the same instant, each in a sentence
    that says where; empty: the proof stands. A proof that records failures does not stand."""
    issuer, issued = proof.get("iss"), proof.get("issued_at")
    try:
        issued_at = datetime.fromisoformat(str(issued))
        if issued_at.tzinfo is None:
            raise ValueError("no zone")
        day_of(issued_at)
    except (ValueError, OverflowError):
        return (f"issued_at:“{_short(issued)}”不是带时区的时刻,无法重做证明。请取得完整的证明文件。",)
    fresh = build_proof(catalogue, decide=decide, issuer=str(issuer), issued_at=issued_at)
    # What is counted follows from what is named: say first which offer it is.
    differences = sorted(_differences(dict(proof), fresh), key=lambda found: found[0][0] == "counts")
    found = [_sentence(path, old, new) for path, old, new in differences]
    found += [f"优惠 {f['offer']}({f['where']}):{f['why']}" for f in fresh["failures"]]
    return tuple(found)


def _refused(
    catalogue: Catalogue, terms: OfferTerms, ladder: Ladder, on: date, *, others: Sequence[OfferTerms]
) -> list[dict[str, str]]:
    refusals = check_offer(
        terms,
        ladder=ladder,
        others=[o for o in others if o.offer != terms.offer],
        baselines=catalogue.baselines.get(terms.offer, ()),
        protected=catalogue.protected[terms.place],
        kind=catalogue.kinds[terms.kind],
        on=on,
        measures=catalogue.measures[terms.place],
        signed=catalogue.signed.get(terms.offer, frozenset()),
    )
    return [{"offer": terms.offer, "where": r.rule, "why": r.message} for r in refusals]


def _inputs(catalogue: Catalogue, published: Sequence[OfferTerms]) -> dict[str, dict[str, str]]:
    """SHA-256 of everything the result rests on, in groups, each under its own name."""
    return {
        "offers": {o.offer: fingerprint(o) for o in published},
        "baselines": {o.offer: fingerprint(*catalogue.baselines.get(o.offer, ())) for o in published},
        "models": {m: fingerprint(catalogue.ladders[m]) for m in sorted({o.model for o in published})},
        "kinds": {k: fingerprint(catalogue.kinds[k]) for k in sorted({o.kind for o in published})},
        "lists": {p: catalogue.protected[p].checksum for p in sorted({o.place for o in published})},
        "measures": {p: catalogue.measures[p].checksum for p in sorted({o.place for o in published})},
        "signed": {
            o.offer: sha256("\n".join(sorted(signed)).encode()).hexdigest()
            for o in published
            if (signed := catalogue.signed.get(o.offer))
        },
    }


_MISSING = "(没有)"
_PLACES = {
    ("inputs", "offers"): "优惠 {} 的条款哈希",
    ("inputs", "baselines"): "优惠 {} 的标准服务历史哈希",
    ("inputs", "models"): "评分模型 {} 的哈希",
    ("inputs", "kinds"): "种类 {} 的哈希",
    ("inputs", "lists"): "地方 {} 的保护清单哈希",
    ("inputs", "measures"): "地方 {} 的激励措施清单哈希",
    ("inputs", "signed"): "优惠 {} 的审定签署哈希",
    ("outcomes",): "优惠 {} 在情形“{}”下的结果",
}


def _differences(old: Any, new: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    """Where two JSON values differ: the path, and what stands there in each."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}, key=str):
            yield from _differences(old.get(key, _MISSING), new.get(key, _MISSING), (*path, str(key)))
    elif type(old) is not type(new) or old != new:
        yield path, old, new


def _sentence(path: tuple[str, ...], old: Any, new: Any) -> str:
    named = next(
        (_PLACES[path[:n]].format(*path[n:], "(全部)", "(全部)") for n in (2, 1) if path[:n] in _PLACES), ".".join(path)
    )
    return f"{named}:证明写的是 {_short(old)},重做得到 {_short(new)}。"


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else canonical(value).decode("utf-8", "replace")
    return text if len(text) <= 80 else text[:77] + "…"
