"""What the guard looks at: an offer, its standard service, the ladder of grades it names. One thing to know: plain
frozen values and no more, so that whoever stores offers can build them and an auditor can read them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from hashlib import sha256
from typing import Any, Literal

from legal.effects import Effect

SubjectKind = Literal["person", "enterprise"]

PAYERS = frozenset({"partner", "public-budget", "third-party"})
"""Who may bear the cost of a benefit. Those who do not get it are not among them (L11)."""


@dataclass(frozen=True, slots=True)
class Citation:
    """A document by its official title, and the clause; or a partner's public terms and their date."""

    title: str
    clause: str = ""

    def __str__(self) -> str:
        return f"《{self.title}》{self.clause}"


@dataclass(frozen=True, slots=True)
class Baseline:
    """B(O): the standard service, the same for everybody, as it stands from `in_force_from` on (L1)."""

    source: Citation
    in_force_from: date
    price_fen: int | None = None
    """Price in 分; None: the service has no price."""
    deposit_fen: int = 0
    days: int | None = None
    """Longest time the service takes, in days; None: none is promised."""
    documents: tuple[str, ...] = ()
    queue: str = "none"
    """`none`, `first-come`, `appointment` …"""
    code_required: bool = False
    """Whether a code, a sign-in or a score is asked for. Lawful only as False (L2)."""


def worsening(old: Baseline, new: Baseline) -> str | None:
    """In what the newer standard service is worse than the older one; None where it is not."""
    if (new.price_fen or 0) > (old.price_fen or 0):
        return f"价格由 {old.price_fen or 0} 分升为 {new.price_fen} 分"
    if new.deposit_fen > old.deposit_fen:
        return f"押金由 {old.deposit_fen} 分升为 {new.deposit_fen} 分"
    if old.days is not None and (new.days is None or new.days > old.days):
        return f"时限由 {old.days} 天变为 {'不作承诺' if new.days is None else f'{new.days} 天'}"
    if added := [d for d in new.documents if d not in old.documents]:
        return f"多要材料:{'、'.join(added)}"
    if old.queue == "none" and new.queue != "none":
        return "由不排队变为要排队"
    return None


@dataclass(frozen=True, slots=True)
class OfferTerms:
    """An offer as registered: who gives what to whom, on top of which standard service."""

    partner: str
    place: str
    kind: str
    model: str
    subject: SubjectKind
    threshold: str
    """Code of the lowest grade of `model` that gets the benefit."""
    title: str
    standard_service: str
    benefit: str
    effects: tuple[Effect, ...]
    baseline: Baseline
    opens_on: date
    closes_on: date | None = None
    """First day on which the offer is no longer given."""
    offer: str = ""
    """Opaque id; empty before it has one."""
    payer: str = "partner"
    """One of `PAYERS`."""
    budget: str = ""
    """Name of the budget or sponsor that pays."""
    standard_lanes_unchanged: bool = False
    """The partner declares that lanes, places and quotas open to everybody stay as they were (L4)."""
    notice: str = ""
    """The published list or tender notice that names a tie-break or bonus points (L4, L8)."""
    conditions: tuple[str, ...] = ()
    """What the benefit asks for beyond the grade: `age>=N`, `provide:…`, `consent:…`, or plain words."""
    measure: str = ""
    """Id of the measure of the place's published list that it is given under; empty: the one that covers it."""
    group: str = ""
    """Of the partner's offers of one group a person gets only one, see `legal.groups`; empty: no group."""
    priority: int = 0
    """Within the group the highest wins, then the lowest id."""
    basic_public_service: bool = False
    statutory_right: bool = False
    published: bool = False


@dataclass(frozen=True, slots=True)
class Ladder:
    """What the guard needs to know of a score model on a day."""

    model: str
    subject: SubjectKind
    grades: tuple[str, ...]
    """Codes, best first."""
    no_record: str | None
    """The grade of a subject with no record at all; None where the model cannot speak about one."""
    checksum: str = ""
    """SHA-256 of the model's file."""

    def reaches(self, grade: str | None, threshold: str) -> bool:
        """Whether `grade` is at or above `threshold`; no grade, or one that is not on the ladder, never is."""
        if grade not in self.grades or threshold not in self.grades:
            return False
        return self.grades.index(grade) <= self.grades.index(threshold)


@dataclass(frozen=True, slots=True)
class KindLimits:
    """What offers of one 信易+ kind may add, and whether all of them concern a protected service."""

    code: str
    effects: frozenset[Effect]
    protected_service: bool = False


def plain(value: Any) -> Any:
    """One of the classes above as plain JSON values; sets in order, days as text."""
    fields: Mapping[str, Any] = asdict(value)
    return json.loads(canonical({k: sorted(v) if isinstance(v, frozenset) else v for k, v in fields.items()}))


def canonical(value: Any) -> bytes:
    """The one spelling of plain JSON values: keys sorted, no blanks, UTF-8, days in ISO 8601."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=date.isoformat)
    return text.encode("utf-8", "surrogatepass")


def fingerprint(*values: Any) -> str:
    """SHA-256, in hex, of the canonical spelling of values of the classes above, in this order."""
    return sha256(canonical([plain(value) for value in values])).hexdigest()
