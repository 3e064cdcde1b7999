"""What an offer of a kind states, for whoever makes a form of it. One thing to know: it is read from the kind's own
class, as the inputs of `api.offer_input` are, so a new kind has its form at once."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Any, get_args, get_origin

import strawberry
from strawberry.utils.str_converters import to_camel_case

from api.permissions import ANYONE, access
from api.scalars import show_enum
from partners.kinds import BenefitKind


class TermSort(Enum):
    """What is written into a term."""

    NUMBER = "number"
    MONEY = "money"
    YES_NO = "yes-no"
    DAY = "day"
    TEXT = "text"
    TEXTS = "texts"


show_enum(
    TermSort,
    "What is written into a term.",
    name="TermSort",
    NUMBER="A whole number.",
    MONEY="An amount in 分.",
    YES_NO="Yes or no.",
    DAY="A day.",
    TEXT="A text; one of `words` where there are any.",
    TEXTS="A list of texts; of `words` where there are any.",
)


@strawberry.type(description="A word that a term may take.", directives=access(ANYONE))
class TermWord:
    """One of a closed list."""

    code: str = strawberry.field(description="As it is sent.")
    name: str = strawberry.field(description="In Chinese.")


@strawberry.type(description="Something that an offer of a kind states.", directives=access(ANYONE))
class KindTerm:
    """One field of the kind's own input in `OfferDetailsInput`."""

    name: str = strawberry.field(description="The field's name in the input of the kind.")
    label: str = strawberry.field(description="What it is, in Chinese.")
    sort: TermSort = strawberry.field(description="What is written into it.")
    unit: str = strawberry.field(description="Unit of a number; empty where there is none.")
    words: list[TermWord] = strawberry.field(description="The words it may take; empty: any.")
    required: bool = strawberry.field(description="Whether it has to be stated.")
    least: Decimal | None = strawberry.field(description="Smallest number.")
    most: Decimal | None = strawberry.field(description="Largest number; of money, in 分.")
    longest: int | None = strawberry.field(description="Most characters of a text.")


def terms_of(kind: BenefitKind) -> list[KindTerm]:
    """The terms of a kind, in the order in which they are written down."""
    return [_term(name, stated) for name, stated in kind.terms.model_fields.items()]


def _term(name: str, stated: Any) -> KindTerm:
    extra = stated.json_schema_extra or {}
    return KindTerm(
        name=to_camel_case(name),
        label=extra.get("label", name),
        sort=_sort_of(name, stated.annotation),
        unit=extra.get("unit", ""),
        words=[TermWord(code=code, name=told) for code, told in extra.get("words", {}).items()],
        required=stated.is_required(),
        least=_number(_bound(stated, "ge")),
        most=_number(_bound(stated, "le")),
        longest=_bound(stated, "max_length"),
    )


def _sort_of(name: str, annotation: Any) -> TermSort:
    if name.endswith("_fen"):
        return TermSort.MONEY
    if get_origin(annotation) is tuple:
        return TermSort.TEXTS
    plain = {annotation, *get_args(annotation)}
    sorts = ((bool, TermSort.YES_NO), (int, TermSort.NUMBER), (date, TermSort.DAY))
    return next((sort for type_, sort in sorts if type_ in plain), TermSort.TEXT)


def _number(bound: int | None) -> Decimal | None:
    return None if bound is None else Decimal(bound)  # an amount goes beyond what Int holds


def _bound(stated: Any, name: str) -> int | None:
    return next((getattr(one, name) for one in stated.metadata if hasattr(one, name)), None)
