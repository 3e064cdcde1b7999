"""Conditions an offer sets beyond the grade. One thing to know: only what anybody can meet passes by itself, such as an
age, a ticket, a booking; a condition that no list knows waits for a human."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from legal.effects import Effect
from legal.terms import OfferTerms
from legal.words import Verdict, Words, normal

_AGE = re.compile(r"age\s*(>=|<=|>|<|=)\s*\d{1,3}")
_GRADE = re.compile(r"grade\s*(>=|<=|>|<|=)\s*(.+)")


def is_plain(condition: str) -> bool:
    """Whether a condition is in plain words, to be read like the other texts."""
    text = normal(condition).strip()
    return not (_AGE.fullmatch(text) or _GRADE.fullmatch(text) or text.startswith(("consent:", "provide:")))


def grade_asked(condition: str) -> str | None:
    """The grade of a condition `grade>=…`; None of any other."""
    found = _GRADE.fullmatch(normal(condition).strip())
    return found[2].strip() if found and found[1] == ">=" else None


@dataclass(frozen=True, slots=True)
class RefusedCondition:
    """A condition that may not stand, or that a human has to judge."""

    message: str
    verdict: Verdict


def refused_conditions(terms: OfferTerms, words: Words) -> Iterator[RefusedCondition]:
    """Each condition of `terms` that does not pass (L11). Harm in plain words is read elsewhere, with the texts."""
    for condition in terms.conditions:
        text = normal(condition).strip()
        if _AGE.fullmatch(text):
            continue
        if grade := _GRADE.fullmatch(text):
            # The threshold may be repeated; any other grade would be a second, hidden one.
            if grade[1] != ">=" or grade[2].strip() != normal(terms.threshold):
                yield RefusedCondition(f"条件“{condition}”另设了等级要求。优惠只有一个门槛,请删去。", "unlawful")
        elif text.startswith("consent:"):
            purpose = text.removeprefix("consent:").strip()
            # Being praised in public is the benefit itself there, and needs the consent; it is the price of nothing.
            praised = set(terms.effects) == {Effect.PUBLICITY} and words.is_consent_to_publicity(purpose)
            if not praised and not words.is_necessary_consent(purpose):
                yield RefusedCondition(f"条件“{condition}”用同意换优惠。同意须自愿且另行取得,请删去。", "unlawful")
        elif text.startswith("provide:"):
            wanted = text.removeprefix("provide:").strip()
            if wanted not in {normal(document) for document in terms.baseline.documents}:
                verdict: Verdict = "unlawful" if words.read({"conditions": f"提供{wanted}"}) else "review"
                yield RefusedCondition(
                    f"条件“{condition}”要求标准服务不需要的材料或信息,等于用信息换优惠。请删去,或由人审定其必要。",
                    verdict,
                )
        elif not words.is_neutral_condition(text) and not words.read({"conditions": text}):
            yield RefusedCondition(
                f"条件“{condition}”不是人人能满足的常见条件,机器不能判断。请删去,或由人审定。", "review"
            )
