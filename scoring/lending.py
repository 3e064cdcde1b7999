"""What a bank may learn for a loan: a yes or no, or a band, of what the applicant named. One thing to know: figures
stay where they are («usable, not visible»), and what was not consented to and what is not known are answered alike.

`<place>/lending.yaml` lists the indicators; a place inherits its parents'. The facts they look at feed no score.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from core.datafile import Document, RuleFile
from core.integrity import is_intact
from core.places import Places, Source
from scoring.indicators import Indicators
from scoring.model import Code
from scoring.tables import facts

NOTHING = "未授权或无数据"
"""The one answer where there is none, whatever the cause."""
MOST_EDGES = 4
Whole = Annotated[int, Field(strict=True, ge=1)]


class LendingIndicator(Document):
    """One question about one fact."""

    label: str
    field: str
    """The field the data is from: 社会保险, 纳税 …"""
    fact: str
    """Name of the fact in the table of facts: a number."""
    kind: Literal["yes-no", "band"]
    at_least: Whole | None = None
    """Of a yes-no: from which value on it is yes."""
    edges: tuple[Whole, ...] = ()
    """Of a band: where one band ends and the next begins."""
    unit: str = ""
    subjects: Annotated[tuple[Literal["enterprise", "person"], ...], Field(min_length=1)]
    written: bool = False
    """Whether a natural person consents to it in writing (《黑龙江省社会信用条例》第二十条第二款)."""
    source: Source

    def model_post_init(self, _: object) -> None:
        if (self.kind == "yes-no") != (self.at_least is not None) or (self.kind == "band") != bool(self.edges):
            raise ValueError("yes-no 写 at_least,band 写 edges,二者不可混用")
        if len(self.edges) > MOST_EDGES or list(self.edges) != sorted(set(self.edges)):
            raise ValueError(f"edges 须由小到大、不重复,至多 {MOST_EDGES} 个")

    @property
    def possible_answers(self) -> tuple[str, ...]:
        """All answers there are but `NOTHING`; of a band the lowest first."""
        if self.kind == "yes-no":
            return ("是", "否")
        unit = f" {self.unit}" if self.unit else ""
        between = (f"{low} 以上、不足 {high}{unit}" for low, high in pairwise(self.edges))
        return (f"不足 {self.edges[0]}{unit}", *between, f"{self.edges[-1]}{unit}以上")


class Targets(Document):
    """What the documents ask lending to reach, in percent."""

    growth_percent: Whole
    unsecured_percent: Whole
    source: Source


class _LendingFile(Document):
    targets: Targets | None = None
    indicators: dict[Code, LendingIndicator] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LendingRules:
    """The indicators of one place by code, inherited ones included, and the targets."""

    indicators: Mapping[str, LendingIndicator]
    targets: Targets | None

    def open_to(self, subject_kind: str) -> dict[str, LendingIndicator]:
        """Those that a subject of this kind may name."""
        return {code: one for code, one in self.indicators.items() if subject_kind in one.subjects}


def load_lending(places: Places, indicators: Mapping[str, Indicators]) -> dict[str, LendingRules]:
    """The indicators of every place, by its code.

    Raises:
        DataFileError: a file is broken, lists a parent's code again, or asks for what may never be collected.
    """
    files = {
        place.code: RuleFile(path, root=places.root)
        for place in places.values()
        if (path := place.folder / "lending.yaml").exists()
    }
    parsed = {code: file.parse(_LendingFile) for code, file in files.items()}
    for code, file in files.items():
        above = {one for parent in places[code].lineage[1:] if parent in parsed for one in parsed[parent].indicators}
        for name, one in parsed[code].indicators.items():
            if name in above:
                problem = f"{name} 已列在上级的 lending.yaml 中"
                raise file.error(("indicators", name), problem, "一个代码只有一个含义,请删去或另取代码")
            for kind in indicators[code].forbidden:
                word = kind.named_in(f"{name} {one.fact}", one.label)
                if kind.applies_to == "everyone" and word is not None:
                    problem = f"{name} 含有「{word}」,{kind.label}不得采集"
                    raise file.error(("indicators", name), problem, "请删去它")
    found = {}
    for code, place in places.items():
        own = [parsed[one] for one in place.lineage if one in parsed]
        merged = {name: one for file in reversed(own) for name, one in file.indicators.items()}
        found[code] = LendingRules(merged, next((one.targets for one in own if one.targets), None))
    return found


def answer_of(indicator: LendingIndicator, value: object) -> str:
    """The answer in words: one of the indicator's, or `NOTHING` where the value is no number of at least 0."""
    number = _number(value)
    if number is None:
        return NOTHING
    if indicator.at_least is not None:
        return "是" if number >= indicator.at_least else "否"
    return indicator.possible_answers[bisect_right(indicator.edges, number)]


async def read_lending_facts(
    connection: AsyncConnection, subject_ids: Collection[int], names: Collection[str]
) -> tuple[dict[int, dict[str, object]], set[int]]:
    """The values of these facts by subject and name, and the subjects of whom somebody has changed one by hand: of
    these nothing is told."""
    found: dict[int, dict[str, object]] = defaultdict(dict)
    faulty: set[int] = set()
    mine = select(facts).where(facts.c.subject_id.in_(subject_ids), facts.c.name.in_(names))
    for row in await connection.execute(mine):
        if not is_intact(connection, facts, row._asdict(), row.mac):
            faulty.add(row.subject_id)
        found[row.subject_id][row.name] = row.value
    return {one: values for one, values in found.items() if one not in faulty}, faulty


def _number(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() and number >= 0 else None
