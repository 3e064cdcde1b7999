"""One row of a department's file, judged. One thing to know: `check_row` never raises, whatever the cells say."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias, cast

from core.calendar import add_months
from core.identifiers import is_uscc
from scoring.catalogue import CatalogueItem, Field, FieldType, Role, Severity, SubjectKind, column_key
from scoring.intake.cells import (
    NO_END,
    NO_END_TEXT,
    Cell,
    Flaw,
    check_enterprise_code,
    check_person_code,
    document_key,
    is_resident_id,
    read_amount,
    read_body,
    read_body_code,
    read_category,
    read_code,
    read_day,
    read_document_number,
    read_end,
    read_flag,
    read_free_text,
    read_kind,
    read_name,
    read_points,
    read_text,
    suggested_uscc,
)
from scoring.intake.columns import Columns
from scoring.intake.files import RawRow
from scoring.values import number_text


class Accepted(NamedTuple):
    """A row that may become a record. Nothing in it is masked or sealed yet: it lives in memory only."""

    item: str
    """The record's item: that of the file, or a graver one that the text of the decision names."""
    catalogued_as: str
    """The catalogue's item under which the file was delivered."""
    severity: Severity
    """For terms of publication and repair."""
    subject_kind: SubjectKind
    subject_name: str
    subject_code: str
    """USCC or citizen identity number, checked, in canonical form. In neither `fields` nor `personal`."""
    document_number: str
    """As it may be shown."""
    document_key: str
    """As it is compared: without spaces, width and bracket style."""
    authority: str
    authority_code: str | None
    decided_on: date
    removed_on: date | None
    """The first day on which it neither counts nor shows; None where the catalogue sets no end."""
    provider: str | None
    provider_code: str | None
    reported_on: date | None
    """When the body says that it reported; not part of the content."""
    points: int | None
    """In hundredths, for items whose records carry their own."""
    serious_consequence: bool
    fields: dict[str, str | None]
    """All known columns but the personal ones, by the id of the catalogue's field, in normal form."""
    personal: dict[str, str | None]
    """The personal ones: a person's name, the legal representative."""

    @property
    def authority_key(self) -> str:
        """The authority as it is compared: its code, its name without spaces where it has none."""
        return self.authority_code or "".join(self.authority.split())

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes it one record: document number, authority, subject."""
        return self.document_key, self.authority_key, self.subject_code


class NotCollected(NamedTuple):
    """A row that law keeps out of the catalogue."""

    reason: str


class Rejected(NamedTuple):
    """A row to send back. `reason` says what to correct and repeats no identity number."""

    code: str
    reason: str
    suggestion: str | None = None
    """The one USCC that was probably meant; never a person's number."""


Checked: TypeAlias = Accepted | NotCollected | Rejected


def check_row(columns: Columns, row: RawRow, *, on: date) -> Checked:
    """Judge one row of a file with these columns; `on` is the day it is read, in Asia/Shanghai.

    A record ends the day after the last day of publication that the row says, at the latest after the longest term of
    the catalogue; without such a column, after the last day that the decision itself holds.
    """
    if row.flaw is not None:
        return Rejected(*row.flaw)
    cells, plan = row.cells, _plan(columns)
    for i in plan.simple_procedure:
        if says_simple_procedure(cells[i]):
            return NotCollected("适用简易程序作出的行政处罚不列入目录(《黑龙江省社会信用条例》第十八条第三款)")
    values: dict[str, Any] = {}
    for i, name, read, required in plan.readers:
        value = read(cells[i])
        if value is None and required:
            value = _MISSING
        if value.__class__ is Flaw:
            return _about_the_line(columns, cells) or _rejected(columns.fields[i].label, value)
        values[name] = value
    return _record(columns.item, plan, values, on)


def says_simple_procedure(cell: Cell) -> bool:
    """Whether a cell says that the penalty was given by simple procedure, on the spot."""
    if not isinstance(cell, str) or ("简" not in cell and "当" not in cell):
        return False
    text = read_text(cell)
    return isinstance(text, str) and _SIMPLE.search("".join(text.split())) is not None


_SIMPLE = re.compile(
    "(?<![非未])(?<!不适用)(?<!未适用)(?<!不属于)(?<!未采用)(?<!不采用)(?<!不按)(?<!未按)简易程序(?!转|变更|改)"
    "|(?<![非未])(?<!不予)(?<!不适用)(?<!未予)当场(?:作出|给予|实施|予以)?(?:的)?(?:行政)?处罚"
)


def _record(item: CatalogueItem, plan: _Plan, values: dict[str, Any], on: date) -> Accepted | Rejected:
    said: dict[Role, Any] = {role: values.get(name) for role, name in item.role_ids.items()}
    decided: date = said["decided_on"]
    subject = _subject(item, said.get("subject_kind"), said["subject_code"])
    wrong = subject if isinstance(subject, Rejected) else _wrong_dates(plan, values, decided, on)
    if wrong is not None:
        return wrong
    kind, code = cast("tuple[SubjectKind, str]", subject)
    record_item, severity = _classified(item, values)
    fields: dict[str, str | None] = values.copy()
    for name in plan.apart:
        del fields[name]
    for name, type_ in plan.typed:
        if (value := values[name]) is not None:
            fields[name] = _as_text(type_, value)
    personal = {name: fields.pop(name) for name in plan.personal}
    if kind == "person" and plan.subject_name in fields:
        personal[plan.subject_name] = fields.pop(plan.subject_name)
    return Accepted(
        item=record_item,
        catalogued_as=item.code,
        severity=severity,
        subject_kind=kind,
        subject_name=said["subject_name"],
        subject_code=code,
        document_number=said["document_number"],
        document_key=document_key(said["document_number"]),
        authority=said["authority"],
        authority_code=said.get("authority_code"),
        decided_on=decided,
        removed_on=_removed_on(item, severity, said, decided),
        provider=said.get("provider"),
        provider_code=said.get("provider_code"),
        reported_on=said.get("reported_on"),
        points=said.get("points"),
        serious_consequence=bool(said.get("serious_consequence")),
        fields=fields,
        personal=personal,
    )


def _subject(item: CatalogueItem, kind: SubjectKind | None, code: str) -> tuple[SubjectKind, str] | Rejected:
    label = item.by_role["subject_code"].label
    if kind is None:
        kind = "enterprise" if is_uscc(code) else "person" if is_resident_id(code) else None
        if kind is None:
            problem = "既不是有效的统一社会信用代码,也不是有效的公民身份号码。请按证照核对"
            return _rejected(label, Flaw("BAD_CODE", problem, suggested_uscc(code)))
    checked = check_person_code(code) if kind == "person" else check_enterprise_code(code)
    if isinstance(checked, Flaw):
        if kind == "person" and is_uscc(code):
            checked = Flaw("KIND_MISMATCH", "是统一社会信用代码,而相对人类别是自然人。请改正二者之一")
        return _rejected(label, checked)
    # One citizen's number in thirty also passes as a USCC; published as one, it would give the person away.
    if kind == "enterprise" and is_resident_id(code):
        return _rejected(label, Flaw("PERSON_CODE", "像是公民身份号码,不是统一社会信用代码。请核对相对人类别和代码"))
    if kind not in item.subjects:
        what = "自然人" if kind == "person" else "法人和非法人组织"
        return Rejected("SUBJECT_NOT_CATALOGUED", f"目录中的「{item.label}」不归集{what}的信息。请删去此行")
    return kind, checked


def _wrong_dates(plan: _Plan, values: dict[str, Any], decided: date, on: date) -> Rejected | None:
    for field in plan.dates:
        if (day := values[field.id]) is None:
            continue
        if day > on and field.means in ("decided_on", "reported_on"):
            return _rejected(field.label, Flaw("FUTURE_DATE", f"{day} 还没有到({on} 读取)。请核对年份和月日"))
        if day < decided and (field.type == "end-date" or field.means == "reported_on"):
            return _rejected(field.label, Flaw("DATE_ORDER", f"{day} 早于决定日期 {decided}。请核对两个日期"))
    return None


def _classified(item: CatalogueItem, values: dict[str, Any]) -> tuple[str, Severity]:
    code: str | None = None
    severity: Severity | None = None
    for name, rules in item.rules_by_field:
        if not isinstance(text := values.get(name), str):
            continue
        if " " in text:
            text = text.replace(" ", "")
        for rule in rules:
            if (code is None or severity is None) and rule.pattern.search(text) is not None:
                code = code or rule.item
                severity = severity or rule.severity
    return code or item.code, severity or "general"


def _removed_on(item: CatalogueItem, severity: Severity, said: dict[Role, Any], decided: date) -> date | None:
    longest = item.publication.longest(severity)
    ends = [NO_END if longest is None else _last_day(decided, longest)]
    ends += [day for role in ("published_until", "ends_on") if (day := said.get(role)) is not None]
    last = min(ends)
    return None if last == NO_END else last + timedelta(days=1)


_last_day = lru_cache(1 << 14)(add_months)


def _as_text(kind: FieldType, value: Any) -> str:
    match kind:
        case "document-number":
            return document_key(value)
        case "flag":
            return "是" if value else "否"
        case "points":
            return number_text(value)
    return NO_END_TEXT if value == NO_END else str(value)


def _about_the_line(columns: Columns, cells: Sequence[Cell]) -> Rejected | None:
    """What a row is that is no record at all: it is told apart only once something in it was found wrong."""
    if all(_column_key(cells[i]) == column_key(columns.header[i]) for i, field in columns.fields.items() if field.key):
        return Rejected("REPEATED_HEADER", "这一行是重复的表头,不是记录。请删去")
    if all(read_text(cell) is None for cell in cells):
        return Rejected("SEPARATOR_LINE", "这一行没有内容,只有分隔符号。请删去")
    return None


def _column_key(cell: Cell) -> str | None:
    return column_key(cell) if isinstance(cell, str) and len(cell) < 100 else None


def _rejected(label: str, flaw: Flaw) -> Rejected:
    return Rejected(flaw.code, f"「{label}」{flaw.problem}", flaw.suggestion)


_READERS: Mapping[FieldType, Callable[[Cell], Any]] = {
    "text": read_free_text,
    "note": read_free_text,
    "category": read_category,
    "status": read_category,
    "document-number": read_document_number,
    "subject-name": read_name,
    "subject-kind": read_kind,
    "subject-code": read_code,
    "authority": read_body,
    "provider": read_body,
    "authority-code": read_body_code,
    "provider-code": read_body_code,
    "date": read_day,
    "end-date": read_end,
    "amount-wan": read_amount,
    "points": read_points,
    "flag": read_flag,
}
_MISSING = Flaw("MISSING", "没有填写。请补充后重新报送")


_KEPT_AS_TEXT: frozenset[FieldType] = frozenset(_READERS) - {"document-number", "date", "end-date", "points", "flag"}


class _Plan(NamedTuple):
    """How the rows of one file are read: looked up once, not for every row."""

    readers: tuple[tuple[int, str, Callable[[Cell], Any], bool], ...]
    """Place, id, reader, whether required."""
    simple_procedure: tuple[int, ...]
    dates: tuple[Field, ...]
    typed: tuple[tuple[str, FieldType], ...]
    """Fields whose value is more than text."""
    apart: tuple[str, ...]
    """Fields that are no content: what makes the record, and when it was reported."""
    personal: tuple[str, ...]
    subject_name: str


@lru_cache(16)
def _plan(columns: Columns) -> _Plan:
    fields = tuple(columns.fields.values())
    apart = tuple(field.id for field in fields if field.means in ("subject_code", "reported_on"))
    return _Plan(
        readers=tuple((i, field.id, _READERS[field.type], field.required) for i, field in columns.fields.items()),
        simple_procedure=columns.simple_procedure,
        dates=tuple(field for field in fields if field.type in ("date", "end-date")),
        typed=tuple((one.id, one.type) for one in fields if one.type not in _KEPT_AS_TEXT and one.id not in apart),
        apart=apart,
        personal=tuple(field.id for field in fields if field.personal and field.id not in apart),
        subject_name=columns.item.role_ids["subject_name"],
    )
