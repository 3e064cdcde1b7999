"""Does this benefit apply to this subject? Pure: no clock, no database, no network.

One thing to know: the answer is «the standard service» or «the standard service plus what the offer adds»;
there is nothing this file could return that takes something away.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Outcome(StrEnum):
    """What a partner is told. There is no third answer about a person."""

    BENEFIT_APPLIES = "BENEFIT_APPLIES"
    STANDARD_SERVICE = "STANDARD_SERVICE"


class WhyNot(StrEnum):
    """Why a benefit does not apply, for the subject alone. Codes are public and never renamed."""

    NOT_ENROLLED = "NOT_ENROLLED"
    MINOR = "MINOR"
    OTHER_SUBJECT_KIND = "OTHER_SUBJECT_KIND"
    OTHER_PLACE = "OTHER_PLACE"
    NO_CONSENT = "NO_CONSENT"
    NOT_ASSESSED = "NOT_ASSESSED"
    GRADE_NOT_REACHED = "GRADE_NOT_REACHED"
    LIMIT_REACHED = "LIMIT_REACHED"
    QUOTA_EXHAUSTED = "QUOTA_EXHAUSTED"
    UNDER_REVIEW = "UNDER_REVIEW"
    OTHER_BENEFIT_APPLIES = "OTHER_BENEFIT_APPLIES"
    NOT_OFFERED_NOW = "NOT_OFFERED_NOW"
    ORDER_OVERDUE = "ORDER_OVERDUE"


MESSAGES = {
    WhyNot.NOT_ENROLLED: "您尚未加入信用激励计划,按标准服务办理。加入后即可查看可享优惠。",
    WhyNot.MINOR: "未满十八周岁不参加信用评价,按标准服务办理。",
    WhyNot.OTHER_SUBJECT_KIND: "这项优惠面向另一类主体(个人或企业),按标准服务办理。",
    WhyNot.OTHER_PLACE: "这项优惠目前未对您所在地开放,按标准服务办理。",
    WhyNot.NO_CONSENT: "您给这家机构的核验授权已暂停、撤回或到期,按标准服务办理。可在授权列表中恢复或重新授权。",
    WhyNot.NOT_ASSESSED: "暂时没有可用的评价结果,按标准服务办理;没有结果不代表不好。",
    WhyNot.GRADE_NOT_REACHED: "目前的评价等级尚未达到这项优惠的要求,按标准服务办理。可在得分明细中查看如何提升。",
    WhyNot.LIMIT_REACHED: "您已用完这项优惠的个人次数,按标准服务办理。",
    WhyNot.QUOTA_EXHAUSTED: "这项优惠的名额暂时已满,按标准服务办理。有名额退回时可再试。",
    WhyNot.UNDER_REVIEW: "您的数据正在核对,此次按标准服务办理;核对完成后可再试。",
    WhyNot.OTHER_BENEFIT_APPLIES: "您符合同组的另一项优惠,两项不能同时享受。请改用那一项,此项按标准服务办理。",
    WhyNot.NOT_OFFERED_NOW: "这家机构目前没有核验这项优惠的授权,按标准服务办理。这与您的情况无关;恢复后即可再试。",
    WhyNot.ORDER_OVERDUE: "您在这家机构有一笔订单已过付款期限,先用后付暂按标准服务办理。付清即恢复;其他机构不受影响。",
}
"""What the subject reads. Written to be understood by anyone, and to shame nobody."""


class OfferRules(Protocol):
    """What eligibility needs to know of an offer."""

    @property
    def subject_kind(self) -> str:
        """person or enterprise."""

    @property
    def places(self) -> frozenset[str]:
        """The places whose subjects it is open to."""

    @property
    def passing_grades(self) -> frozenset[str]:
        """Codes of the model's grades at or above the offer's threshold."""

    @property
    def limit_per_person(self) -> int | None:
        """How often one subject may use it, or None."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of a subject at the moment of asking."""

    kind: str
    lineage: tuple[str, ...]
    """The subject's place and its parents."""
    enrolled: bool
    minor: bool
    grade: str | None
    """Code of the grade in the offer's model; None where the model could not speak."""
    used: int = 0
    """How often the offer was used or is reserved already."""
    under_review: bool = False
    """A fault in this one subject's data."""
    consent_withheld: bool = False
    """Being verified by this partner was consented to once, and is so no more."""
    limit_reached: bool = False
    """A limit per person of some period is used up, besides the one that counts for ever."""
    outranked: bool = False
    """Of an exclusive group, another offer that the subject qualifies for comes first."""
    order_overdue: bool = False
    """The offer lets one pay later, and an order at its partner is overdue."""


def why_not(offer: OfferRules, standing: Standing) -> tuple[WhyNot, ...]:
    """Every reason why the benefit does not apply, the most helpful first; empty where it applies."""
    if standing.kind != offer.subject_kind:
        return (WhyNot.OTHER_SUBJECT_KIND,)
    reasons = []
    if not standing.enrolled:
        reasons.append(WhyNot.NOT_ENROLLED)
    if standing.minor:
        reasons.append(WhyNot.MINOR)
    if not standing.under_review and offer.places.isdisjoint(standing.lineage):
        reasons.append(WhyNot.OTHER_PLACE)
    if reasons:
        return tuple(reasons)
    if standing.under_review:
        reasons.append(WhyNot.UNDER_REVIEW)
    elif standing.consent_withheld:
        reasons.append(WhyNot.NO_CONSENT)
    elif standing.grade is None:
        reasons.append(WhyNot.NOT_ASSESSED)
    elif standing.grade not in offer.passing_grades:
        reasons.append(WhyNot.GRADE_NOT_REACHED)
    is_used_up = offer.limit_per_person is not None and standing.used >= offer.limit_per_person
    if standing.limit_reached or is_used_up:
        reasons.append(WhyNot.LIMIT_REACHED)
    if standing.order_overdue:
        reasons.append(WhyNot.ORDER_OVERDUE)
    if standing.outranked and not reasons:
        reasons.append(WhyNot.OTHER_BENEFIT_APPLIES)
    return tuple(reasons)


def outcome_of(reasons: tuple[WhyNot, ...]) -> Outcome:
    """The one of two answers that a partner gets."""
    return Outcome.STANDARD_SERVICE if reasons else Outcome.BENEFIT_APPLIES
