"""Scalars of our own, and the domain's enums as the schema shows them."""

from __future__ import annotations

from enum import Enum
from typing import Any, NewType

import strawberry
from graphql import IntValueNode, ValueNode

from core.errors import BadInput
from partners.eligibility import Outcome
from scoring.subjects import SubjectKind

SMALLEST_FEN, LARGEST_FEN = 1, 10**12

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

__all__ = ["FEN", "Fen", "Outcome", "SubjectKind", "show_enum"]
