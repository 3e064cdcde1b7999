"""The files of a population run: which columns they have, and whether their rows are fit to be scored.

One thing to know: a good file costs one quick scan; only where that finds something is the first bad row looked for.
What is refused is what `scoring.lines` refuses, with the same codes; rows of subjects that are not asked for are
nobody's business, bad ones included.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from scoring.model import Model
from scoring.values import BadValue, number_text

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

TEXT, DAY, FLAG, NUMBER = "VARCHAR", "DATE", "BOOLEAN", "DECIMAL"
TYPE_NAMES = {TEXT: "文字(string)", DAY: "日期(date)", FLAG: "布尔(boolean)", NUMBER: "小数(decimal(18,2))"}
SUBJECTS = {"subject": TEXT}
RECORDS = {
    "subject": TEXT,
    "item": TEXT,
    "occurred_on": DAY,
    "removed_on": DAY,
    "serious_consequence": FLAG,
    "points": NUMBER,
}
LENIENCE = {"minor": FLAG, "corrected_on": DAY, "force_majeure": FLAG}
"""Columns of records that may be left out: false or none then."""
FACTS = {"subject": TEXT, "fact": TEXT, "value": NUMBER}
WEIGHT = {"weight": NUMBER}


GLOB_SIGNS = frozenset("*?[]{}")
"""DuckDB would look for several files under such a name."""


class Column(NamedTuple):
    """A column as the file has it; `found` is None where it may be, and is, left out."""

    name: str
    wanted: str
    found: str | None

    @property
    def is_plain(self) -> bool:
        """Whether the values are of the wanted type as they stand."""
        return self.found == ("DECIMAL(18,2)" if self.wanted == NUMBER else self.wanted)

    def selected(self) -> str:
        """The column in SQL that DuckDB and Spark both understand: of the wanted type, flags never null.

        A number that does not fit becomes null; the check has seen that nobody asks for its subject.
        """
        kind = "DECIMAL(18, 2)" if self.wanted == NUMBER else {TEXT: "STRING"}.get(self.wanted, self.wanted)
        value = self.name if self.found is not None else "NULL"
        typed = value if self.is_plain else f"{'TRY_CAST' if self.wanted == NUMBER else 'CAST'}({value} AS {kind})"
        return f"{f'COALESCE({typed}, FALSE)' if self.wanted == FLAG else typed} AS {self.name}"


@dataclass(frozen=True)
class Source:
    """One Parquet file and those of its columns that a run reads."""

    path: Path
    columns: tuple[Column, ...]

    @property
    def scan(self) -> str:
        """The file as a DuckDB table function, with each row's number."""
        return f"read_parquet({quoted(str(self.path))}, file_row_number = true)"

    @property
    def selected(self) -> str:
        """The columns in the order of the documentation, as a select list."""
        return ", ".join(column.selected() for column in self.columns)

    def has(self, name: str) -> bool:
        """Whether the file has the column."""
        return any(column.name == name and column.found is not None for column in self.columns)


class Sources(NamedTuple):
    """The files of one run."""

    subjects: Source
    records: Source
    facts: Source | None


class _Fault(NamedTuple):
    """A condition in SQL that makes a row bad, and what to say then; `shown` is a column named in the message."""

    code: str
    condition: str
    message: str
    shown: str | None = None


def quoted(text: str) -> str:
    """A text literal of DuckDB."""
    return "'" + text.replace("'", "''") + "'"


def open_sources(connection: DuckDBPyConnection, *, subjects: Path, records: Path, facts: Path | None) -> Sources:
    """The files with their columns.

    Raises:
        BadValue: `UNREADABLE_FILE` or `BAD_COLUMN`.
    """
    return Sources(
        _open(connection, subjects, SUBJECTS, {}),
        _open(connection, records, RECORDS, LENIENCE),
        None if facts is None else _open(connection, facts, FACTS, WEIGHT),
    )


def check_rows(connection: DuckDBPyConnection, model: Model, sources: Sources) -> None:
    """Refuse the first row that cannot be scored.

    Raises:
        BadValue: with the file and the row's number, from 1.
    """
    asked = f"SELECT subject FROM {sources.subjects.scan}"  # noqa: S608
    _check_subjects(connection, sources.subjects)
    _refuse_first(connection, sources.records, list(_record_faults(model, sources.records)), asked=asked)
    if sources.facts is not None and model.all_facts:
        _refuse_first(connection, sources.facts, list(_fact_faults(model, sources.facts)), asked=asked)
        single = ", ".join(quoted(name) for name, fact in model.all_facts.items() if fact.type == "number")
        # A fact that is one number may stand once for each subject.
        condition = f"fact IN ({single or 'NULL'}) AND value IS NOT NULL AND subject IN ({asked})"
        message = "该主体的这个事实前面已有。请只留一个"
        _refuse_repeated(
            connection, sources.facts, "subject, fact", condition=condition, code="BAD_FACTS", message=message
        )


def _open(connection: DuckDBPyConnection, path: Path, needed: dict[str, str], optional: dict[str, str]) -> Source:
    import duckdb

    if set(str(path)) & GLOB_SIGNS:
        raise BadValue("UNREADABLE_FILE", f"路径 {path} 含有 * ? [ ] 等符号。请换一个路径")
    if not path.is_file():
        raise BadValue("UNREADABLE_FILE", f"读不到文件 {path}。请检查路径与权限")
    try:
        found = connection.execute(f"DESCRIBE SELECT * FROM read_parquet({quoted(str(path))})").fetchall()  # noqa: S608
    except duckdb.Error:
        raise BadValue("UNREADABLE_FILE", f"{path} 读不出来,或不是 Parquet 文件。请检查权限,或重新导出") from None
    types = {name: kind for name, kind, *_ in found}
    columns = []
    for name, wanted in (needed | optional).items():
        kind = types.get(name)
        if kind is None and name in needed:
            raise BadValue("BAD_COLUMN", f"{path.name} 缺少列 {name}。请补上,类型为{TYPE_NAMES[wanted]},可以为空")
        # A column without a single value has no type of its own in some writers.
        is_empty = kind in {'"NULL"', "NULL"}
        if kind is not None and not is_empty and kind.split("(")[0] != wanted:
            raise BadValue("BAD_COLUMN", f"{path.name} 的列 {name} 类型不对({kind})。请改为{TYPE_NAMES[wanted]}")
        columns.append(Column(name, wanted, None if is_empty else kind))
    return Source(path, tuple(columns))


def _check_subjects(connection: DuckDBPyConnection, subjects: Source) -> None:
    nameless = "subject IS NULL OR contains(subject, chr(0))"
    _refuse_first(
        connection, subjects, [_Fault("BAD_SUBJECT", nameless, "subject 为空或含有空字符。请改正后重试")], asked=None
    )
    # By hash, because counting numbers is quick; two names of one hash only make the search run for nothing.
    query = f"SELECT count(*), count(DISTINCT hash(subject)) FROM {subjects.scan}"  # noqa: S608
    listed, different = connection.execute(query).fetchone() or (0, 0)
    if different < listed:
        message = "该主体前面已经列出。每个主体只能列一次,请去重后重试"
        _refuse_repeated(connection, subjects, "subject", condition="true", code="DUPLICATE_SUBJECT", message=message)


def _refuse_repeated(
    connection: DuckDBPyConnection, source: Source, keys: str, *, condition: str, code: str, message: str
) -> None:
    """Refuse the first row of the condition whose keys stand in an earlier one too."""
    row = connection.execute(
        f"SELECT min(second) + 1 FROM (SELECT min(file_row_number, 2)[2] AS second FROM {source.scan} "  # noqa: S608
        f"WHERE {condition} GROUP BY {keys} HAVING count(*) > 1)"
    ).fetchone()
    if row is not None and row[0] is not None:
        raise BadValue(code, f"{source.path.name} 第 {row[0]} 行:{message}")


def _refuse_first(
    connection: DuckDBPyConnection, source: Source, faults: Sequence[_Fault], *, asked: str | None
) -> None:
    """Refuse the first row in which a fault's condition holds, if its subject is among those `asked` for."""
    # One question at a time: most are answered by the file's own statistics, which together they would not be.
    questions = (f"SELECT 1 FROM {source.scan} WHERE {fault.condition} LIMIT 1" for fault in faults)  # noqa: S608
    if all(connection.execute(question).fetchone() is None for question in questions):
        return
    any_fault = " OR ".join(f"({fault.condition})" for fault in faults)
    wanted = "true" if asked is None else f"(subject IS NULL OR subject IN ({asked}))"
    which = " ".join(f"WHEN {fault.condition} THEN {number}" for number, fault in enumerate(faults))
    shown = " ".join(
        f"WHEN {fault.condition} THEN CAST({fault.shown} AS VARCHAR)" for fault in faults if fault.shown is not None
    )
    row = connection.execute(
        f"SELECT file_row_number + 1, CASE {which} END, CASE {shown or 'WHEN false THEN NULL'} END "  # noqa: S608
        f"FROM {source.scan} WHERE ({any_fault}) AND {wanted} ORDER BY 1 LIMIT 1"
    ).fetchone()
    if row is not None:
        number, place, text = row
        fault = faults[place]
        message = fault.message.replace("{}", "(空)" if text is None else text[:40])
        raise BadValue(fault.code, f"{source.path.name} 第 {number} 行:{message}")


def _record_faults(model: Model, records: Source) -> Iterator[_Fault]:
    yield _Fault("BAD_SUBJECT", "subject IS NULL", "subject 为空。请为每条记录写明主体")
    known = ", ".join(quoted(item) for item in sorted(model.all_items))
    unknown = f"item IS NULL OR item NOT IN ({known})" if known else "true"
    yield _Fault("UNKNOWN_ITEM", unknown, f"item {{}} 不在模型 {model.id} 的项目之中。请核对项目代码", "item")
    yield _Fault("BAD_DATE", f"occurred_on IS NULL OR {_impossible('occurred_on')}", "occurred_on 为空或不是有效日期")
    dated = ["removed_on"] if records.has("removed_on") else []
    if model.reads_minor and records.has("corrected_on"):
        dated.append("corrected_on")
    for name in dated:
        yield _Fault("BAD_DATE", _impossible(name), f"{name} 不是有效日期。年份应在 1 至 9999 之间")
    if model.own_points_items:
        own = ", ".join(quoted(item) for item in sorted(model.own_points_items))
        if records.has("points"):
            yield from _number_faults(records, "points")
        missing = f"points IS NULL AND item IN ({own})"
        yield _Fault("BAD_NUMBER", missing, "points 为空,而这个项目的分值由记录自带。请填写分值")


def _number_faults(source: Source, name: str) -> Iterator[_Fault]:
    yield _Fault("BAD_NUMBER", f"{name} < 0", f"{name} {{}} 不能为负数", name)
    if not all(column.is_plain for column in source.columns if column.name == name):
        inexact = f"{name} IS DISTINCT FROM TRY_CAST({name} AS DECIMAL(18, 2))"
        yield _Fault("BAD_NUMBER", inexact, f"{name} {{}} 数值过大,或超过两位小数", name)


def _fact_faults(model: Model, facts: Source) -> Iterator[_Fault]:
    yield _Fault("BAD_SUBJECT", "subject IS NULL", "subject 为空。请为每个事实写明主体")
    yield _Fault("BAD_FACTS", "fact IS NULL", "fact 为空。请写明事实的名称")
    weight = "weight" if facts.has("weight") else "NULL"
    for name, fact in model.all_facts.items():
        this = f"fact = {quoted(name)}"
        span = f"{number_text(fact.at_least)} 至 {number_text(fact.at_most)}"
        if fact.type == "weighted-scores":
            yield _Fault("BAD_NUMBER", f"{this} AND value IS NULL", f"{name} 的 value 为空。请填写得分")
            condition = f"{this} AND ({weight} IS NULL OR {weight} <= 0)"
            yield _Fault("BAD_NUMBER", condition, f"{name} 的 weight 必须大于 0。不计入的行业请不要列出")
        elif facts.has("weight"):
            condition = f"{this} AND weight IS NOT NULL"
            yield _Fault("BAD_FACTS", condition, f"{name} 是单个数字,不带 weight。请把 weight 留空")
        outside = f"value < {number_text(fact.at_least)} OR value > {number_text(fact.at_most)}"
        yield _Fault("BAD_NUMBER", f"{this} AND ({outside})", f"{name} 超出范围。应在 {span} 之间")
        for number in ("value", *(["weight"] if facts.has("weight") else [])):
            for fault in _number_faults(facts, number):
                yield fault._replace(condition=f"{this} AND {fault.condition}")


def _impossible(name: str) -> str:
    return f"{name} < DATE '0001-01-01' OR {name} > DATE '9999-12-31'"
