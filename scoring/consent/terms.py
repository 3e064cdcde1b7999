"""What a consent may be to. One thing to know: what cannot be asked for here cannot be given anywhere: no consent for
longer than a year, none to «everything», none in writing without its words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from core.calendar import add_months
from core.errors import ExpectedError
from scoring.consent.purposes import Frequency, Purpose
from scoring.indicators import Collection as Collecting

LONGEST_MONTHS = 12
MOST_ITEMS = 50


class BadTerms(ExpectedError):
    """A consent like that cannot be given: too long, without items, or bundled."""

    code = "CONSENT_TERMS"


class StatementMissing(ExpectedError):
    """The purpose needs consent in writing."""

    code = "WRITTEN_CONSENT_NEEDED"


@dataclass(frozen=True, slots=True)
class Terms:
    """What a consent would be to."""

    purpose: Purpose
    recipient: str
    """To whom, in words."""
    frequency: Frequency
    ends_on: date
    """First day on which it holds no more."""
    scope: tuple[str, ...] = ()
    partner_id: int | None = None
    offer_id: int | None = None


def check_terms(terms: Terms, *, on: date) -> None:
    """Refuse a consent that nobody may ask for.

    Raises:
        BadTerms: it would last longer than a year or end at once, or names no item where it has to.
    """
    if not on < terms.ends_on <= add_months(on, LONGEST_MONTHS):
        raise BadTerms("授权须写明终止日期,且自今日起不超过一年。请改正 endsOn。")
    if terms.frequency not in terms.purpose.frequencies:
        raise BadTerms(f"「{terms.purpose.name}」不能按这种频次授权。请改正 frequency。")
    if terms.purpose.scoped != bool(terms.scope) or len(set(terms.scope)) != len(terms.scope):
        raise BadTerms("须逐项点明的用途要写明 scope 且不重复;其他用途不写 scope。请改正后重试。")
    if len(terms.scope) > MOST_ITEMS:
        raise BadTerms(f"一项授权至多点明 {MOST_ITEMS} 项。请分开授权。")
    if (terms.purpose.recipient == "partner") != (terms.partner_id is not None):
        raise BadTerms("这一用途的接收方与所写的机构不符。请改正。")


def check_scope(terms: Terms, collections: Mapping[str, Collecting]) -> None:
    """Refuse a consent to collecting what is not catalogued, or only in writing (第二十条第二款); `collections` says
    of each item of the subject's place how it is collected.

    Raises:
        BadTerms: an item is none, or needs the other purpose.
    """
    wanted = "written-consent" if terms.purpose.written else "consent"
    wrong = [item for item in terms.scope if collections.get(item) != wanted]
    if wrong:
        raise BadTerms(f"{wrong[0][:60]} 不是目录中可按「{terms.purpose.name}」授权采集的项目。请对照目录改正 scope。")


def check_statement(purpose: Purpose, statement: str | None) -> str | None:
    """The words of a consent in writing; None for any other, of which no words are kept.

    Raises:
        StatementMissing: the purpose needs them.
    """
    if purpose.written and statement != purpose.statement:
        raise StatementMissing(
            f"这一用途须书面同意。请由本人确认不利后果后,将此句原样写入 statement:{purpose.statement}"
        )
    return purpose.statement if purpose.written else None
