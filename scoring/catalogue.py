"""The catalogue of credit information. One thing to know: what is not an item or a field of it is not collected.

`<place>/catalogue.yaml` says of an indicator's item what a delivery of it looks like and how long it is published;
label, nature, provider, collection and source stand in `indicators.yaml` alone (《黑龙江省社会信用条例》第十八条).
A place inherits its parents' items and may write one anew.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Annotated, Literal, TypeAlias

import pydantic

from core.datafile import Document, RuleFile
from core.places import Places, Source
from scoring.indicators import Collection, ForbiddenKind, Indicators, ItemIndicator, Nature

FieldType: TypeAlias = Literal[
    "text", "document-number", "subject-name", "subject-kind", "subject-code", "authority", "authority-code", "date",
    "end-date", "amount-wan", "category", "status", "provider", "provider-code", "note", "points", "flag",
]  # fmt: skip
Role: TypeAlias = Literal[
    "subject_name", "subject_kind", "subject_code", "document_number", "authority", "authority_code", "decided_on",
    "ends_on", "published_until", "reported_on", "provider", "provider_code", "note", "category", "procedure",
    "points", "serious_consequence",
]  # fmt: skip
SubjectKind: TypeAlias = Literal["person", "enterprise"]
Severity: TypeAlias = Literal["general", "serious"]
Months = Annotated[int, pydantic.Field(strict=True, ge=1, le=1200)]
Id = Annotated[str, pydantic.Field(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length=60)]
Words = Annotated[tuple[Annotated[str, pydantic.Field(min_length=2)], ...], pydantic.Field(min_length=1)]

_ROLE_OF_TYPE: Mapping[FieldType, Role] = {
    "document-number": "document_number",
    "subject-name": "subject_name",
    "subject-kind": "subject_kind",
    "subject-code": "subject_code",
    "authority": "authority",
    "authority-code": "authority_code",
    "provider": "provider",
    "provider-code": "provider_code",
    "category": "category",
    "note": "note",
    "points": "points",
    "flag": "serious_consequence",
}
_TYPES_OF_ROLE: Mapping[Role, frozenset[FieldType]] = {
    "decided_on": frozenset({"date"}),
    "reported_on": frozenset({"date"}),
    "ends_on": frozenset({"end-date"}),
    "published_until": frozenset({"end-date"}),
    "procedure": frozenset({"text"}),
    **{role: frozenset({kind}) for kind, role in _ROLE_OF_TYPE.items()},
}
_EVERY_ITEM_HAS: tuple[Role, ...] = ("subject_name", "subject_code", "document_number", "authority", "decided_on")


class Field(Document):
    """One column of a delivery."""

    id: Id
    label: str
    """The column's name in the published standard."""
    columns: tuple[str, ...] = ()
    """Other names under which it is accepted."""
    type: FieldType
    role: Role | None = None
    """What the record needs it for; most types say it by themselves."""
    required: bool = False
    """A row without it is sent back."""
    key: bool = False
    """A file without the column cannot be read."""
    personal: bool = False
    """About a natural person: never opened, and kept apart."""

    @cached_property
    def means(self) -> Role | None:
        """The role, said or implied by the type."""
        return self.role or _ROLE_OF_TYPE.get(self.type)


class Terms(Document):
    """How long something is published, in months from the decision; per severity, where that makes a difference."""

    least_months: Annotated[int, pydantic.Field(strict=True, ge=0)] = 0
    """The shortest time before it can be repaired."""
    months: Months | None = None
    """The longest time; None where law sets no end (《黑龙江省社会信用条例》第三十七条第一款: honours)."""
    serious_least_months: Months | None = None
    serious_months: Months | None = None
    source: Source

    def longest(self, severity: Severity) -> int | None:
        """The longest time of publication in months; None: no end."""
        return self.serious_months if severity == "serious" and self.serious_months is not None else self.months

    def shortest(self, severity: Severity) -> int:
        """The shortest time of publication in months."""
        serious = self.serious_least_months if severity == "serious" else None
        return self.least_months if serious is None else serious


class Classify(Document):
    """Words in a field that make the row another item, or graver."""

    field: Id
    contains: Words
    """`*` stands for up to twelve signs of the same clause; 不予, 未 and the like before the words undo them."""
    item: Id | None = None
    severity: Severity | None = None

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """To be searched for in the cleaned text without spaces."""
        words = "|".join(r"[^,。;、!?]{0,12}?".join(map(re.escape, word.split("*"))) for word in self.contains)
        return re.compile(rf"(?<![不未免])(?<!不予)(?<!免予)(?:{words})")


class _Catalogued(Document):
    """One item as it stands in `catalogue.yaml`."""

    subjects: Annotated[tuple[SubjectKind, ...], pydantic.Field(min_length=1)]
    category: str
    openness: Literal["public", "on-query", "shared"]
    """Open to everybody; to whoever may query; to bodies that share it for their duties."""
    openness_source: Source
    method: str
    """How it is collected."""
    frequency: str
    publication: Terms
    query_months: Months | None = None
    """How long it can be queried, from the decision; None: as long as it is kept."""
    fields: Annotated[tuple[Field, ...], pydantic.Field(min_length=1)]
    classify: tuple[Classify, ...] = ()
    simple_procedure: tuple[Id, ...] = ()
    """Fields that may say that a penalty was given by simple procedure, which is never collected."""
    effective_on: date | None = None


class CatalogueItem(_Catalogued):
    """One item in full: what the indicator says of it, and what the catalogue adds."""

    code: str
    label: str
    nature: Nature
    provider: str
    """The sort of body that provides it."""
    collection: Collection
    source: Source
    """Its legal basis."""
    forbidden: tuple[ForbiddenKind, ...]
    """Kinds of data that may not be collected at this place, on whatever column of a file they may stand."""

    @cached_property
    def by_role(self) -> Mapping[Role, Field]:
        """The field for each role that has one."""
        return {field.means: field for field in self.fields if field.means is not None}

    @cached_property
    def role_ids(self) -> Mapping[Role, str]:
        """The id of the field for each role that has one."""
        return {role: field.id for role, field in self.by_role.items()}

    @cached_property
    def rules_by_field(self) -> tuple[tuple[str, tuple[Classify, ...]], ...]:
        """The rules that make a row another item, by the field that they look at, in their order."""
        names = dict.fromkeys(rule.field for rule in self.classify)
        return tuple((name, tuple(rule for rule in self.classify if rule.field == name)) for name in names)

    @cached_property
    def key_fields(self) -> tuple[Field, ...]:
        """Those whose columns a file must have."""
        return tuple(field for field in self.fields if field.key)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What may be delivered about the subjects of one place, inherited items included."""

    items: Mapping[str, CatalogueItem]


class _Entries(Document):
    """One place's `catalogue.yaml`, its forms already filled in."""

    items: dict[str, _Catalogued]


def load_catalogues(places: Places, indicators: Mapping[str, Indicators]) -> dict[str, Catalogue]:
    """The catalogue of every place, by its code.

    Raises:
        DataFileError: a file is broken, or catalogues what is no indicator or may not be collected, with its line.
    """
    files = {
        place.code: RuleFile(path, root=places.root)
        for place in places.values()
        if (path := place.folder / "catalogue.yaml").exists()
    }
    forms = {code: _forms(file) for code, file in files.items()}
    own: dict[str, dict[str, CatalogueItem]] = {}
    for code, file in files.items():
        inherited = {name: form for one in reversed(places[code].lineage) for name, form in forms.get(one, {}).items()}
        own[code] = _items(file, inherited, indicators[code])
    merged = {}
    for code, place in places.items():
        items = {name: item for one in reversed(place.lineage) for name, item in own.get(one, {}).items()}
        merged[code] = Catalogue(items)
        if code in files:
            _check_classified(files[code], own[code], items)
    return merged


def _forms(file: RuleFile) -> dict[str, dict[str, object]]:
    forms = file.content.get("forms", {}) if isinstance(file.content, dict) else {}
    if not isinstance(forms, dict):
        raise file.error(("forms",), "forms 不是名称与写法的对应", "请对照其他地方的 catalogue.yaml 改正")
    for name, form in forms.items():
        if not isinstance(form, dict):
            raise file.error(("forms", name), f"写法 {name} 没有内容", "请写明它的各键,或删去它")
    return forms


def _items(
    file: RuleFile, forms: Mapping[str, Mapping[str, object]], indicators: Indicators
) -> dict[str, CatalogueItem]:
    content = file.content if isinstance(file.content, dict) else {}
    unknown = next((key for key in content if key not in ("forms", "items")), None)
    if unknown is not None:
        raise file.error((unknown,), f"不认识的键 {unknown}", "此文件只写 forms 和 items")
    filled = dict(content.get("items") or {})
    for code, entry in filled.items():
        if not isinstance(entry, dict) or "form" not in entry:
            continue
        if (form := forms.get(entry["form"])) is None:
            problem = f"没有名为 {entry['form']} 的写法"
            raise file.error(
                ("items", code, "form"), problem, f"可用的有:{'、'.join(forms) or '无'},或删去 form 逐项写明"
            )
        filled[code] = {**form, **{key: value for key, value in entry.items() if key != "form"}}
    file.content = {"items": filled}
    items = {}
    for code, entry in file.parse(_Entries).items.items():
        indicator = indicators.items.get(code)
        if indicator is None:
            problem = f"项目 {code} 不在指标目录中,名称、性质、提供单位和依据写在那里"
            raise file.error(("items", code), problem, "请先列入本地或上级的 indicators.yaml 的 items")
        for path, problem, remedy in _faults(code, entry, indicator, indicators):
            raise file.error(("items", code, *path), problem, remedy)
        items[code] = CatalogueItem(
            **{name: getattr(entry, name) for name in _Catalogued.model_fields},
            code=code,
            **dict(indicator),
            forbidden=indicators.forbidden,
        )
    return items


_Fault: TypeAlias = tuple[tuple[int | str, ...], str, str]


def _faults(code: str, entry: _Catalogued, indicator: ItemIndicator, indicators: Indicators) -> Iterator[_Fault]:
    for kind in indicators.forbidden:
        if kind.applies_to == "person" and "person" not in entry.subjects:
            continue
        if kind.catalogued_with is not None and kind.catalogued_with == indicator.collection:
            continue
        named: list[tuple[tuple[int | str, ...], str, str]] = [((), code, indicator.label)]
        named += [(("fields", i), one.id, " ".join((one.label, *one.columns))) for i, one in enumerate(entry.fields)]
        for path, name, label in named:
            if (word := kind.named_in(name, label)) is not None:
                cited = f"{kind.source.title or ''}{kind.source.clause or ''}"
                yield path, f"{name} 含有「{word}」,{kind.label}不得列入目录({cited})", "请从目录中删去它"
    yield from _field_faults(entry)
    terms = entry.publication
    if indicator.nature == "adverse" and terms.months is None:
        yield ("publication",), "失信信息没有最长公示期", "请写明 months,期限届满即停止公示"
    if terms.months is not None and terms.least_months > terms.months:
        yield ("publication", "least_months"), "最短公示期长于最长公示期", "请改正二者之一"
    if (terms.serious_least_months or 0) > (terms.longest("serious") or 1200):
        yield ("publication", "serious_least_months"), "最短公示期长于最长公示期", "请改正二者之一"


def _field_faults(entry: _Catalogued) -> Iterator[_Fault]:
    ids: set[str] = set()
    names: set[str] = set()
    roles: set[Role] = set()
    for i, field in enumerate(entry.fields):
        path: tuple[int | str, ...] = ("fields", i)
        if field.id in ids:
            yield (*path, "id"), f"数据项 {field.id} 重复", "请为它另取 id"
        ids.add(field.id)
        for name in (field.label, *field.columns):
            if (known := column_key(name)) in names:
                yield path, f"列名「{name}」重复", "一个列名只能属于一个数据项,请改正 label 或 columns"
            names.add(known)
        if field.role is not None and field.type not in _TYPES_OF_ROLE[field.role]:
            yield (*path, "role"), f"{field.type} 类型的数据项不能作 {field.role}", "请改正 type 或 role"
        if field.means is not None and field.means in roles:
            yield path, f"已有另一数据项作 {field.means}", "每种用途只能有一个数据项,请改正 type 或 role"
        if field.means is not None:
            roles.add(field.means)
    for role in _EVERY_ITEM_HAS:
        if not any(field.means == role and field.required and field.key for field in entry.fields):
            yield ("fields",), f"缺少作 {role} 的数据项,或它不是必填的关键列", "请补上,并写明 required: true, key: true"
    referred: list[tuple[tuple[int | str, ...], str]] = [
        (("classify", i, "field"), rule.field) for i, rule in enumerate(entry.classify)
    ]
    referred += [(("simple_procedure", i), name) for i, name in enumerate(entry.simple_procedure)]
    for path, name in referred:
        if name not in ids:
            yield path, f"没有数据项 {name}", "请改正名称,或在 fields 中写明它"


def _check_classified(file: RuleFile, own: Mapping[str, CatalogueItem], items: Mapping[str, CatalogueItem]) -> None:
    for code, item in own.items():
        for i, rule in enumerate(item.classify):
            target = items.get(rule.item or code)
            if target is None or target.nature != item.nature:
                problem = f"归入的项目 {rule.item} 不在目录中,或与 {code} 的性质不同"
                raise file.error(("items", code, "classify", i), problem, "请改正 item,或先把它列入目录")


_SAME_SIGN = str.maketrans("〔〕【】[]{}〈〉", "()()()()()")


def column_key(name: str) -> str:
    """A column's name as it is compared: without width, style of brackets, spaces and the star of a required field."""
    folded = unicodedata.normalize("NFKC", name).translate(_SAME_SIGN).casefold()
    return "".join(sign for sign in folded if not sign.isspace() and sign != "*" and unicodedata.category(sign) != "Cf")
