"""What somebody writes who prepares an offer. One thing to know: a draft is checked for naming things that exist;
whether it is lawful is the guard's business, and is asked later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import date
from typing import Any

from core.errors import BadInput
from core.places import Place
from legal.effects import Effect
from legal.terms import PAYERS, Baseline, Citation
from partners.catalogue import Catalogue
from partners.kinds import checked_terms
from partners.limits import Limit, Period, Scope, limits_of


@dataclass(frozen=True)
class OfferDraft:
    """All that an operator or a partner's representative states of an offer."""

    partner_id: int
    kind: str
    model: str
    threshold: str
    title: str
    standard_service: str
    benefit: str
    effects: tuple[str, ...]
    baseline: Baseline
    opens_on: date
    closes_on: date | None = None
    payer: str = "partner"
    budget: str = ""
    """Name of the budget or sponsor that pays."""
    standard_lanes_unchanged: bool = False
    also_open_to: tuple[str, ...] = ()
    districts: tuple[str, ...] = ()
    """Codes of the districts of the partner's place where it is given; none: all over the place."""
    quota: int | None = None
    """How many uses in all."""
    limit_per_person: int | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    """The terms of its kind, as stated; see `partners.kinds`."""
    measure: str = ""
    notice: str = ""
    conditions: tuple[str, ...] = ()
    limits: tuple[Limit, ...] = ()
    budget_fen: int | None = None
    """What all its uses may cost together, in 分; asks for `most_fen`."""
    most_fen: int | None = None
    exclusive_group: str = ""
    priority: int = 0
    basic_public_service: bool = False
    statutory_right: bool = False


_LISTS = ("effects", "also_open_to", "districts", "conditions")
_APART = ("baseline", "quota")
"""What has tables of its own."""


def check_draft(draft: OfferDraft, catalogue: Catalogue) -> None:
    """What the guard need not be asked about: does everything named exist?

    Raises:
        BadInput: something does not, or is out of its range.
    """
    rulebook = catalogue.rulebook
    if draft.partner_id not in catalogue.partners:
        raise BadInput("没有这个合作机构。请先登记机构,再提交优惠。", field="partnerId")
    kind = rulebook.kinds.get(draft.kind)
    if kind is None:
        raise BadInput(f"没有 {draft.kind} 这种优惠类型。可选:{'、'.join(rulebook.kinds)}。", field="kind")
    place = catalogue.partners[draft.partner_id].place
    model = next((m for m in rulebook.models.in_force(place, draft.opens_on) if m.id == draft.model), None)
    if model is None:
        known = "、".join(m.id for m in rulebook.models.in_force(place, draft.opens_on))
        raise BadInput(f"{place} 在开放日没有名为 {draft.model} 的评价模型。可选:{known}。", field="model")
    if draft.threshold not in {grade.code for grade in model.grades}:
        known = "、".join(grade.code for grade in model.grades)
        raise BadInput(f"模型 {model.id} 没有等级 {draft.threshold}。可选:{known}。", field="threshold")
    unknown = [effect for effect in draft.effects if effect not in set(Effect)]
    if unknown or not draft.effects:
        raise BadInput(
            f"优惠效果只能从下列增益中选一项以上:{'、'.join(Effect)}。不存在任何减损类效果。请改正 effects。",
            field="effects",
        )
    if draft.payer not in PAYERS:
        raise BadInput(f"费用承担方只能是:{'、'.join(sorted(PAYERS))}。请改正 payer。", field="payer")
    if draft.closes_on is not None and draft.closes_on <= draft.opens_on:
        raise BadInput("结束日必须晚于开始日(结束日当天不再开放)。请改正后重试。", field="closesOn")
    strangers = [place for place in draft.also_open_to if place not in rulebook.places]
    if strangers:
        known = "、".join(rulebook.places)
        raise BadInput(f"没有这些地方:{'、'.join(strangers)}。可选:{known}。", field="alsoOpenTo")
    _check_districts(draft, rulebook.places[place])
    if draft.details:
        checked_terms(kind, draft.details)
    _check_numbers(draft)


def _check_districts(draft: OfferDraft, place: Place) -> None:
    strangers = [code for code in draft.districts if code not in place.districts]
    if strangers and not place.districts:
        raise BadInput(f"{place.name}没有列出区县。请把办理区县留空,表示全域可用。", field="districts")
    if strangers:
        known = "、".join(f"{code} {name}" for code, name in place.districts.items())
        raise BadInput(f"{place.name}没有这些区县:{'、'.join(strangers)}。可选:{known}。", field="districts")


def _check_numbers(draft: OfferDraft) -> None:
    given: dict[str, list[int | None]] = {
        "quota": [draft.quota],
        "limitPerPerson": [draft.limit_per_person],
        "limits": [one.most for one in draft.limits],
    }
    for name, numbers in given.items():
        if any(number is not None and number < 1 for number in numbers):
            raise BadInput("名额和个人次数上限须为正整数。请改正后重试;不限则留空。", field=name)
    kinds = [(limit.scope, limit.period) for limit in draft.limits]
    if draft.quota is not None:
        kinds.append((Scope.OFFER, Period.EVER))
    if draft.limit_per_person is not None:
        kinds.append((Scope.PERSON, Period.EVER))
    if len(set(kinds)) < len(kinds):
        raise BadInput(
            "同一范围、同一时段只能有一个上限(quota 是全部名额,limitPerPerson 是每人总次数)。请合并。", field="limits"
        )
    if draft.budget_fen is not None and (draft.most_fen is None or draft.most_fen > draft.budget_fen):
        raise BadInput(
            "设了预算总额(budgetFen),须同时写明每次最多支出(mostFen),且不超过总额。请补上。", field="mostFen"
        )
    if draft.budget_fen is None and draft.most_fen is not None:
        raise BadInput(
            "每次最多支出(mostFen)只在设有预算总额(budgetFen)时填写。请补上总额或删去此项。", field="budgetFen"
        )


def offer_values(draft: OfferDraft) -> dict[str, Any]:
    """The columns of `offers` that a draft fills; version and status are the workflow's."""
    values = {one.name: getattr(draft, one.name) for one in fields(draft) if one.name not in _APART}
    return values | {
        **{name: list(values[name]) for name in _LISTS},
        "details": dict(draft.details),
        "limits": [asdict(limit) for limit in draft.limits],
    }


def baseline_values(offer_id: int, baseline: Baseline) -> dict[str, Any]:
    """A row of `baselines`."""
    return {
        "offer_id": offer_id,
        "in_force_from": baseline.in_force_from,
        "price_fen": baseline.price_fen,
        "deposit_fen": baseline.deposit_fen,
        "days": baseline.days,
        "documents": list(baseline.documents),
        "queue": baseline.queue,
        "code_required": baseline.code_required,
        "source_title": baseline.source.title,
        "source_clause": baseline.source.clause,
    }


def content_of(draft: OfferDraft) -> dict[str, Any]:
    """A draft as plain JSON values: `offer_versions.content`."""
    values = offer_values(draft) | {"quota": draft.quota}
    for name in ("opens_on", "closes_on"):
        values[name] = values[name] and values[name].isoformat()
    standard = baseline_values(0, draft.baseline)
    del standard["offer_id"]
    return values | {"baseline": standard | {"in_force_from": draft.baseline.in_force_from.isoformat()}}


def draft_of(content: Mapping[str, Any]) -> OfferDraft:
    """`content_of`, read back."""
    values, standard = dict(content), dict(content["baseline"])
    source = Citation(standard.pop("source_title"), standard.pop("source_clause"))
    standard |= {
        "documents": tuple(standard["documents"]),
        "in_force_from": date.fromisoformat(standard["in_force_from"]),
    }
    closes_on = values["closes_on"]
    return OfferDraft(
        **values
        | {name: tuple(values.get(name, ())) for name in _LISTS}  # what an older version did not know of is nothing
        | {
            "baseline": Baseline(source=source, **standard),
            "opens_on": date.fromisoformat(values["opens_on"]),
            "closes_on": None if closes_on is None else date.fromisoformat(closes_on),
            "limits": limits_of(values["limits"]),
        }
    )


def draft_of_row(row: Any, baseline: Baseline, quota: int | None) -> OfferDraft:
    """The draft that a row of `offers` was made from."""
    values = {one.name: getattr(row, one.name) for one in fields(OfferDraft) if one.name not in _APART}
    lists = {name: tuple(values[name]) for name in _LISTS}
    return OfferDraft(**values | lists | {"limits": limits_of(row.limits), "baseline": baseline, "quota": quota})
