"""Scalars of our own, and the domain's enums as the schema shows them."""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, NewType

import strawberry
from graphql import IntValueNode, ValueNode

from core.errors import BadInput
from partners.eligibility import Outcome
from scoring.registry.identities import Scheme
from scoring.subjects import SubjectKind

SMALLEST_FEN, LARGEST_FEN = 1, 10**12
FIRST_YEAR, LAST_YEAR = 1900, 2199
MOST_DIGITS = 30
"""Of a decimal number, before and after the point together."""

Fen = NewType("Fen", int)


def _checked(value: object) -> Fen:
    if isinstance(value, bool) or not isinstance(value, int) or not SMALLEST_FEN <= value <= LARGEST_FEN:
        raise BadInput(f"金额以分为单位,须为 {SMALLEST_FEN} 到 {LARGEST_FEN} 之间的整数。请改正后重试。")
    return Fen(value)


def _from_literal(node: ValueNode, _variables: object = None) -> Fen:
    return _checked(int(node.value) if isinstance(node, IntValueNode) and len(node.value) < 20 else None)


FEN = strawberry.scalar(
    name="Fen",
    description="An amount of money in 分 (1/100 yuan): a 64-bit integer from 1 to 10¹².",
    serialize=int,
    parse_value=_checked,
    parse_literal=_from_literal,
)
"""How `Fen` is written in the schema."""


_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_DECIMAL = re.compile(rf"[+-]?\d{{1,{MOST_DIGITS}}}(\.\d{{1,{MOST_DIGITS}}})?", re.ASCII)


def _day(value: object) -> date:
    try:
        found = date.fromisoformat(value) if isinstance(value, str) and _DAY.fullmatch(value) else None
    except ValueError:
        found = None
    if found is None or not FIRST_YEAR <= found.year <= LAST_YEAR:
        raise BadInput(f"日期须写作 2026-01-31,在 {FIRST_YEAR} 到 {LAST_YEAR} 年之间。请改正后重试。")
    return found


def _instant(value: object) -> datetime:
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) and _DAY.match(value) else None
    except ValueError:
        found = None
    if found is None or found.tzinfo is None or not FIRST_YEAR <= found.year <= LAST_YEAR:
        raise BadInput(
            f"时刻须带时区,写作 2026-01-31T08:00:00+08:00,在 {FIRST_YEAR} 到 {LAST_YEAR} 年之间。请改正后重试。"
        )
    return found


def _decimal(value: object) -> Decimal:
    # A float stands for the shortest number that reads as it.
    text = str(value) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else ""
    if len(text) > 2 * MOST_DIGITS + 2 or not _DECIMAL.fullmatch(text):
        raise BadInput(f"数值须为不超过 {MOST_DIGITS} 位的十进制数,例如 95.5。请改正后重试。")
    return Decimal(text)


DATE = strawberry.scalar(name="Date", description="Date (isoformat)", serialize=date.isoformat, parse_value=_day)
DATE_TIME = strawberry.scalar(
    name="DateTime",
    description="Date with time (isoformat)",
    serialize=datetime.isoformat,
    parse_value=_instant,
)
DECIMAL = strawberry.scalar(name="Decimal", description="Decimal (fixed-point)", serialize=str, parse_value=_decimal)
"""The usual scalars, taking only what can be meant: no year 1, no NaN, no number of a thousand digits."""


def show_enum(kind: type[Enum], description: str, *, name: str | None = None, **values: str) -> None:
    """Put an enum of the domain into the schema, each of its values described."""
    definition: Any = strawberry.enum(kind, name=name, description=description)
    for value in definition.__strawberry_definition__.values:
        value.description = values[value.name]


show_enum(
    SubjectKind,
    "What a credit subject is.",
    PERSON="A natural person.",
    ENTERPRISE="A legal person or other organisation, an individual business included.",
)
show_enum(
    Outcome,
    "What a partner is told. There is no third answer about a person.",
    BENEFIT_APPLIES="The standard service and, on top of it, the benefit.",
    STANDARD_SERVICE="The standard service, as everybody gets it.",
)

__all__ = ["DATE", "DATE_TIME", "DECIMAL", "FEN", "Fen", "Outcome", "SubjectKind", "show_enum"]


@strawberry.enum(description="What kind of number it is.")
class NumberScheme(Enum):
    """`scoring.registry.identities.Scheme`, described."""

    RESIDENT_ID = strawberry.enum_value(
        Scheme.RESIDENT_ID.value,
        description="Citizen identity number, 18 signs; also that of residence permits (81, 82, 83) and of foreigners' "
        "cards since 2023 (9).",
    )
    RESIDENT_ID_15 = strawberry.enum_value(Scheme.RESIDENT_ID_15.value, description="The old one of 15 digits.")
    PASSPORT = strawberry.enum_value(
        Scheme.PASSPORT.value, description="Three letters of the issuing state, then the passport's number."
    )
    HK_MACAO_PERMIT = strawberry.enum_value(
        Scheme.HK_MACAO_PERMIT.value, description="Travel permit of Hong Kong and Macao residents."
    )
    TAIWAN_PERMIT = strawberry.enum_value(Scheme.TAIWAN_PERMIT.value, description="Travel permit of Taiwan residents.")
    PERMANENT_RESIDENCE = strawberry.enum_value(
        Scheme.PERMANENT_RESIDENCE.value, description="Foreigner's permanent residence card, 15 signs."
    )
    USCC = strawberry.enum_value(Scheme.USCC.value, description="Unified social credit code.")
    ORGANISATION_CODE = strawberry.enum_value(Scheme.ORGANISATION_CODE.value, description="Old organisation code.")
    REGISTRATION_NUMBER = strawberry.enum_value(
        Scheme.REGISTRATION_NUMBER.value, description="Old business registration number."
    )
    TAX_NUMBER = strawberry.enum_value(Scheme.TAX_NUMBER.value, description="Old tax registration number.")
