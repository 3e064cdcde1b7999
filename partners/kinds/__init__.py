"""The kinds of 信易X benefits, one file each. One thing to know: a file put here is a kind, found by scanning, and its
terms are typed: an offer states them as a mapping, and what does not fit its kind is refused."""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from types import MappingProxyType
from typing import Any

from pydantic import Field, ValidationError

from core.datafile import Document
from core.errors import BadInput
from legal.effects import Effect


class KindTerms(Document):
    """Base of the terms of one kind. Fields are int, bool, str, a closed list of words, a day or a tuple of texts;
    amounts of money are int in 分 and named `…_fen`. Each field has a Chinese label (`term`)."""


def term(
    label: str,
    description: str,
    default: Any = ...,
    *,
    unit: str = "",
    words: Mapping[str, str] | None = None,
    at_least: int | None = None,
    at_most: int | None = None,
    longest: int | None = None,
) -> Any:
    """A field of a kind's terms. Without `default` it has to be stated; `words` tells each closed word in Chinese."""
    return Field(
        default,
        description=description,
        ge=at_least,
        le=at_most,
        max_length=longest,
        json_schema_extra={"label": label, "unit": unit, "words": dict(words or {})},
    )


@dataclass(frozen=True)
class BenefitKind:
    """A kind of benefit: what it is called, what it may add, and what the guard has to watch."""

    code: str
    name: str
    standard: str
    """What everybody gets, in one plain sentence."""
    effects: frozenset[Effect]
    """What an offer of this kind may add; nothing else can be submitted."""
    protected_service: bool
    """Whether it touches a basic public service (the nine fields of the national list)."""
    source: str
    """Title and clause of the document that names the kind."""
    terms: type[KindTerms]
    """What an offer of this kind states beyond its texts."""
    limits: tuple[str, ...]
    """What the guard watches in this kind, in plain words."""

    @property
    def pays_later(self) -> bool:
        """Whether its offers may let somebody pay later, so that there can be orders."""
        return Effect.DEFERRED_PAYMENT in self.effects


@cache
def benefit_kinds() -> Mapping[str, BenefitKind]:
    """All kinds by code."""
    found = {}
    for module in pkgutil.iter_modules(__path__):
        kind: BenefitKind = importlib.import_module(f"{__name__}.{module.name}").KIND
        found[kind.code] = kind
    return MappingProxyType(dict(sorted(found.items())))


def checked_terms(kind: BenefitKind, stated: Mapping[str, Any]) -> KindTerms:
    """The terms of `kind` as stated, each field by its name; numbers are numbers, not text.

    Raises:
        BadInput: a field is unknown, missing or not of its type; the message names it.
    """
    try:
        # Strictly, and as JSON has them: lists for tuples, days as text, but no number out of a text.
        return kind.terms.model_validate_json(json.dumps(dict(stated), default=_as_json), strict=True)
    except ValidationError as error:
        raise BadInput(_told_fault(kind, error)) from None


def told(terms: KindTerms) -> list[tuple[str, str]]:
    """Terms as a citizen reads them: (label, value); what is nothing (0, no, empty) is left out."""
    return [
        (_extra(type(terms), name)["label"], _plain(value, name, _extra(type(terms), name)))
        for name in type(terms).model_fields
        if (value := getattr(terms, name))
    ]


def _as_json(value: object) -> str:
    return value.isoformat() if isinstance(value, date) else repr(value)


def _extra(terms: type[KindTerms], name: str) -> dict[str, Any]:
    extra = terms.model_fields[name].json_schema_extra
    return dict(extra) if isinstance(extra, dict) else {"label": name, "unit": "", "words": {}}


def _plain(value: Any, name: str, extra: Mapping[str, Any]) -> str:
    words: Mapping[str, str] = extra["words"]
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, tuple):
        return "、".join(words.get(one, one) for one in value)
    if name.endswith("_fen"):
        yuan, fen = divmod(value, 100)
        return f"{yuan:,}{f'.{fen:02}' if fen else ''} 元"
    if isinstance(value, date):
        return value.isoformat()
    return f"{words.get(str(value), value)}{'' if extra['unit'] in {'', '%'} else ' '}{extra['unit']}"


def _told_fault(kind: BenefitKind, error: ValidationError) -> str:
    first = error.errors()[0]
    name = str(first["loc"][0]) if first["loc"] else ""
    if first["type"] == "extra_forbidden":
        return f"{kind.name}的条款没有 {name} 这一项。可填:{'、'.join(kind.terms.model_fields)}。"
    label = f"{_extra(kind.terms, name)['label']}({name})" if name in kind.terms.model_fields else name
    if first["type"] == "missing":
        return f"{kind.name}的条款缺少{label}。请填写后重新提交。"
    limits: Mapping[str, Any] = first.get("ctx", {})
    wanted = {
        "greater_than_equal": f"不得小于 {limits.get('ge')}",
        "less_than_equal": f"不得大于 {limits.get('le')}",
        "literal_error": f"只能是 {_words(kind.terms, name)} 之一",
        "too_long": f"不得多于 {limits.get('max_length')} 项",
        "string_too_long": f"不得长于 {limits.get('max_length')} 个字",
        "value_error": str(limits.get("error", "")),
    }.get(first["type"], f"应为{_type_told(first['type'])}")
    return f"{kind.name}的条款“{label}”不对:{wanted}。请改正后重新提交。"


def _words(terms: type[KindTerms], name: str) -> str:
    return "、".join(_extra(terms, name)["words"])


def _type_told(fault: str) -> str:
    return next(
        (word for part, word in (("int", "整数"), ("bool", " true 或 false"), ("date", "日期"), ("tuple", "文字的列表"))
         if part in fault),
        "文字",
    )  # fmt: skip
