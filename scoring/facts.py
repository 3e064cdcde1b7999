"""Facts about a subject, as a model declares them. One thing to know: unknown facts are ignored, bad ones refused."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Literal

from core.datafile import Document
from scoring.values import BadValue, Points, number_text, read_number


class Fact(Document):
    """A figure about the subject. Facts can only add: a missing one lowers nothing."""

    label: str
    type: Literal["number", "weighted-scores"] = "number"
    at_least: Points = 0
    at_most: Points


def read_facts(facts: Mapping[str, Fact], raw: Mapping[str, object]) -> dict[str, object]:
    """The declared facts found in `raw`, whose numbers are int or Decimal; null and absent are left out.

    A number becomes an int in hundredths; weighted scores become a tuple of (score, weight), both in hundredths.

    Raises:
        BadValue: `BAD_NUMBER` outside the fact's range or inexact; `BAD_FACTS` of another shape.
    """
    return {
        name: _read_scores(value, fact, name) if fact.type == "weighted-scores" else _read(value, fact, name)
        for name, fact in facts.items()
        if (value := raw.get(name)) is not None
    }


def facts_from_json(facts: Mapping[str, Fact], raw: Mapping[str, object]) -> dict[str, object]:
    """As `read_facts`, for stored facts, where a decimal may be text ("87.50") or a float (87.5)."""
    return read_facts(facts, {name: _exact(value) for name, value in raw.items() if name in facts})


def _read(value: object, fact: Fact, name: str) -> int:
    number = read_number(value, f"facts.{name} ")
    if not fact.at_least <= number <= fact.at_most:
        span = f"{number_text(fact.at_least)} 至 {number_text(fact.at_most)}"
        raise BadValue("BAD_NUMBER", f"facts.{name} 超出范围。应在 {span} 之间")
    return number


def _read_scores(value: object, fact: Fact, name: str) -> tuple[tuple[int, int], ...]:
    if not isinstance(value, list):
        raise BadValue("BAD_FACTS", f"facts.{name} 应为列表。请写成 [{{industry, score, weight}}, …]")
    scores = []
    for index, entry in enumerate(value):
        where = f"{name}[{index}]"
        if not isinstance(entry, dict) or not isinstance(entry.get("industry"), str | None):
            raise BadValue("BAD_FACTS", f"facts.{where} 应为含 industry、score、weight 的对象。请改正后重试")
        weight = read_number(entry.get("weight"), f"facts.{where}.weight ")
        if weight == 0:
            raise BadValue("BAD_NUMBER", f"facts.{where}.weight 必须大于 0。不计入的行业请不要列出")
        scores.append((_read(entry.get("score"), fact, f"{where}.score"), weight))
    return tuple(scores)


def _exact(value: object) -> object:
    """The value with its decimals exact; what is no number is left for the reader to refuse."""
    if isinstance(value, float):
        return Decimal(repr(value))  # the decimal that was written, not its binary neighbour
    if isinstance(value, str):
        try:
            return Decimal(value)
        except InvalidOperation:
            return value
    if isinstance(value, list):
        return [
            {key: part if key == "industry" else _exact(part) for key, part in entry.items()}
            if isinstance(entry, dict)
            else entry
            for entry in value
        ]
    return value
