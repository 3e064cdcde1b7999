"""What is on record about the people of the demo city. One thing to know: how citizens and enterprises 1–40 come out
is decided by facts and by records that stay in their windows for over four years, so it holds long after seeding.

By number, in fours: 1 and 2 reach every threshold of their city's offers, 3 and 4 do not, 5 and 6 do, and so on.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import Any

from core.calendar import add_months
from core.clock import start_of
from demo.people import FOREMOST, Enterprise, Person

RECORDS = 12_000
PERMIT = "administrative-permit"
"""Neutral: no model looks at it. Permits fill the records up to `RECORDS`, as they fill every city's."""

PERSON_HONOURS = ("volunteer-service",) * 4 + ("commitment-kept",) * 4 + ("contract-kept",) * 3
PERSON_RARE = ("honour-award", "honour-award", "skilled-contest-award", "rescue-honour")
PERSON_ADVERSE = ("administrative-penalty", "administrative-penalty", "commitment-breach", "court-enforcement")
ENTERPRISE_HONOURS = ("a-class-taxpayer",) * 2 + ("contract-kept",) * 4 + ("commitment-kept",) * 3 + ("red-list",)
ENTERPRISE_ADVERSE = (
    "administrative-penalty",
    "administrative-penalty",
    "contract-breach",
    "abnormal-operation",
    "tax-arrears",
    "utility-arrears",
    "court-enforcement",
    "licence-suspended",
)

SOURCES = {
    "volunteer-service": "志愿服务组织 服务证明",
    "commitment-kept": "受理承诺的部门 履约确认书",
    "contract-kept": "合同履约监管部门 履约证明",
    "honour-award": "表彰机关 表彰决定",
    "skilled-contest-award": "职业技能竞赛组委会 获奖证书",
    "rescue-honour": "见义勇为评定机构 确认决定",
    "administrative-penalty": "行政执法机关 行政处罚决定书",
    "commitment-breach": "受理承诺的部门 未履约认定书",
    "court-enforcement": "人民法院 执行裁定书",
    "a-class-taxpayer": "税务机关 纳税信用评价结果",
    "red-list": "行业主管部门 守信激励对象认定书",
    "quality-award": "质量奖评审机构 授奖决定",
    "contract-breach": "人民法院 民事判决书",
    "abnormal-operation": "市场监督管理部门 列入经营异常名录决定书",
    "tax-arrears": "税务机关 欠税公告",
    "utility-arrears": "人民法院 支付令",
    "licence-suspended": "行政执法机关 行政处罚决定书",
    PERMIT: "行政审批部门 行政许可决定书",
}
"""The kind of body and of legal document behind each item; no real body is named."""

EVALUATED_PLACE = "hunan-shaoyang"
"""Where enterprises have public and industry evaluations pushed from above."""
YEAR = 365
FRESH = (1, 300)
"""Days ago, for records that have to stay inside a window of five years for over four."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One record, dated in days before the day of seeding."""

    item: str
    days_ago: int
    removed_after: int | None = None
    """Days from the occurrence to the first day on which it counts no more."""


@dataclass(frozen=True, slots=True)
class Known:
    """All that is known of one subject."""

    entries: list[Entry]
    facts: dict[str, Any]
    """By name. A figure that stands alone is text, which every database gives back exactly as it was."""


def is_exemplary(n: int) -> bool:
    """Whether one of the foremost forty reaches the thresholds of its city's offers."""
    return (n - 1) % 4 < 2


def known_of_person(random: Random, person: Person) -> Known:
    """What is on record about a citizen. Nothing adverse is ever on record about a minor."""
    if person.n <= FOREMOST:
        known = _foremost_person(random, person.n)
        return Known(known.entries, known.facts | _for_lenders_to_farmers(person.n))
    if person.age < 18:
        return Known([Entry("volunteer-service", random.randrange(1, YEAR))] if random.random() < 0.2 else [], {})
    activity = random.random()
    if activity < 0.33:
        hours, honours = 0, 0
    elif activity < 0.60:
        hours, honours = random.randrange(5, 60), random.randrange(1, 4)
    else:
        hours, honours = random.randrange(40, 500), random.randrange(5, 13)
    entries = [Entry(random.choice(PERSON_HONOURS), random.randrange(1, 2 * YEAR + 200)) for _ in range(honours)]
    if honours >= 5 and random.random() < 0.3:
        entries.append(Entry(random.choice(PERSON_RARE), random.randrange(1, 4 * YEAR)))
    if random.random() < 0.15:
        entries += [_adverse(random, PERSON_ADVERSE) for _ in range(random.choice((1, 1, 1, 2, 3)))]
    return Known(entries, {"volunteer_hours": str(hours)} if hours else {})


def known_of_enterprise(random: Random, enterprise: Enterprise) -> Known:
    """What is on record about an enterprise, and its two evaluations made elsewhere."""
    if enterprise.n <= FOREMOST:
        return _foremost_enterprise(random, enterprise)
    honours = max(0, round(random.gauss(2.0, 1.7)))
    entries = [Entry(random.choice(ENTERPRISE_HONOURS), random.randrange(1, 3 * YEAR)) for _ in range(honours)]
    if random.random() < 0.22:
        entries += [_adverse(random, ENTERPRISE_ADVERSE) for _ in range(random.choice((1, 1, 2, 3)))]
    evaluated = random.random() < 0.94
    return Known(entries, _evaluations(random, enterprise, quality=round(random.gauss(79, 8))) if evaluated else {})


def permits(random: Random, count: int) -> list[Entry]:
    """Administrative permissions of the last four years."""
    return [Entry(PERMIT, random.randrange(1, 4 * YEAR)) for _ in range(count)]


def record_row(entry: Entry, *, number: int, subject_id: int, on: date, months: int | None) -> dict[str, Any]:
    """A row for `credit_records`; `number` counts through the whole city, `months` is the longest term of its item."""
    occurred_on = on - timedelta(days=entry.days_ago)
    removed_on = None if months is None else add_months(occurred_on, months) + timedelta(days=1)
    if entry.removed_after is not None:
        removed_on = min(removed_on or date.max, occurred_on + timedelta(days=entry.removed_after))
    authority, document = SOURCES[entry.item].split(" ")
    document_number = f"演示〔{occurred_on.year}〕{number}号"
    return {
        "subject_id": subject_id,
        "id": f"record-{number:05d}",
        "item": entry.item,
        "occurred_on": occurred_on,
        "removed_on": removed_on,
        "serious_consequence": False,
        "source": f"{authority} {document} {document_number}",
        "catalogued_as": entry.item,
        "severity": "general",
        "document_number": document_number,
        "authority": authority,
        "provider": authority,
        "received_at": start_of(occurred_on + timedelta(days=1)),
    }


def _adverse(random: Random, items: tuple[str, ...]) -> Entry:
    """An adverse record; every third one has been put right, or ends by itself one day."""
    removed_after = random.randrange(120, 900) if random.random() < 1 / 3 else None
    return Entry(random.choice(items), random.randrange(10, 4 * YEAR), removed_after)


def _foremost_person(random: Random, n: int) -> Known:
    if is_exemplary(n):
        honours = ("honour-award",) * 3 + ("rescue-honour", "volunteer-service", "commitment-kept")
        return Known([Entry(item, random.randrange(*FRESH)) for item in honours], {"volunteer_hours": str(320 + n)})
    # Those who do not reach it are of three sorts, so that the answer gives none of them away.
    match n // 4 % 3:
        case 0:
            return Known([], {})
        case 1:
            return Known([Entry("volunteer-service", random.randrange(*FRESH))], {"volunteer_hours": "12"})
        case _:
            return Known([Entry("administrative-penalty", random.randrange(*FRESH))], {})


def _foremost_enterprise(random: Random, enterprise: Enterprise) -> Known:
    lent = _for_lenders(enterprise.n)
    if is_exemplary(enterprise.n):
        honours = ("quality-award", "red-list", "a-class-taxpayer", "a-class-taxpayer", "contract-kept")
        return Known(
            [Entry(item, random.randrange(*FRESH)) for item in honours],
            _evaluations(random, enterprise, quality=92) | lent,
        )
    adverse = [Entry("administrative-penalty", random.randrange(*FRESH))] if enterprise.n // 4 % 3 == 2 else []
    return Known(adverse, _evaluations(random, enterprise, quality=70) | lent)


def _for_lenders(n: int) -> dict[str, Any]:
    """What the foremost enterprises' banks may be answered about. Every third has patents, every fourth moves freight;
    of the others nothing is known, which looks like what was not consented to."""
    known: dict[str, Any] = {
        "social_insurance_months": str(6 + 3 * n),
        "insured_staff": str(5 * n),
        "tax_on_time_months": str(2 * n),
        "tax_paid_yuan": str(4_000 * n * n),
        "power_paid_months": str(12 if n % 5 else 9),
        "water_paid_months": "24",
    }
    if n % 3 == 0:
        known["patents"] = str(n // 3)
    if n % 4 == 0:
        known["freight_tons"] = str(300 * n)
    return known


def _for_lenders_to_farmers(n: int) -> dict[str, Any]:
    """What a bank may be answered about every third of the foremost citizens, who farm, when they apply for a small
    loan; no model for persons looks at it."""
    if n % 3:
        return {}
    return {
        "social_insurance_months": str(4 * n),
        "power_paid_months": str(12 if n % 2 else 9),
        "water_paid_months": "18",
    }


def _evaluations(random: Random, enterprise: Enterprise, *, quality: int) -> dict[str, Any]:
    """The province's public and industry evaluations, 0 to 100, each within three points of `quality`."""
    if enterprise.place != EVALUATED_PLACE:
        return {}

    def near() -> int:
        return min(100, max(0, quality + random.randrange(-3, 4)))

    industries = [
        {"industry": "纳税", "score": near(), "weight": 2},
        {"industry": "市场监管", "score": near(), "weight": 3},
    ]
    if random.random() < 0.4:
        industries.append({"industry": "市场评价", "score": near(), "weight": 1})
    return {"public": str(near()), "industries": industries}
