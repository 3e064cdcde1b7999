"""What a score model's file says. One thing to know: the language cannot write a rule that is not monotone.

Honours can only add, adverse records can only subtract, a fact can only add: the sign comes with the operator and
the operator with the nature of the item, so that taking an adverse record away or adding an honour never lowers
a result. The language is explained, operator by operator, in docs/models.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from functools import cached_property, lru_cache
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from core.datafile import Document
from core.places import Source
from scoring.facts import Fact, facts_from_json
from scoring.values import Points

Count = Annotated[int, Field(strict=True, ge=1)]
Code = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*([-_][a-z0-9]+)*$")]
Items = Annotated[tuple[str, ...], Field(min_length=1)]
RESERVED = frozenset({"base", "rounding", "floor", "ceiling", "lenience-minor", "lenience-force-majeure"})
"""Names of lines that the engine itself writes; no rule may take one."""


class Span(Document):
    """A length of time: exactly one of days, months, years."""

    days: Count | None = None
    months: Count | None = None
    years: Count | None = None

    def model_post_init(self, _: object) -> None:
        if sum(part is not None for part in (self.days, self.months, self.years)) != 1:
            raise ValueError("days、months、years 应当恰好写一个")

    def end(self, start: date) -> date | None:
        """The first day on which `start` lies this far back; None where the calendar has no such day.

        Counted backwards from that day, as rules are written: 29 February 2024 lies one year back on 1 March 2025,
        because 28 February 2025 reaches back only to 28 February 2024.
        """
        if self.days is not None:
            return _days_after(start, self.days)
        return _months_after(start, self.months or 12 * (self.years or 0))


# Cached, because the same few thousand days come again for every subject of a city.
@lru_cache(maxsize=1 << 16)
def _months_after(start: date, months: int) -> date | None:
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    if year > date.max.year:
        return None
    try:
        return date(year, month + 1, start.day)
    except ValueError:  # no such day in that month; it is not December, so the next month is in the same year
        return date(year, month + 2, 1)


@lru_cache(maxsize=1 << 16)
def _days_after(start: date, days: int) -> date | None:
    try:
        return start + timedelta(days=days)
    except OverflowError:
        return None


Window: TypeAlias = Span | Literal["calendar-year"]
"""Records that count: those of the day's calendar year, or those younger than the span."""


class Item(Document):
    """A sort of record that the model knows."""

    label: str
    nature: Literal["honour", "adverse"]
    group: Code | None = None


class _Sourced(Document):
    source: Source

    @cached_property
    def basis(self) -> str:
        """The source in one line, as shown beside what it led to."""
        source = self.source
        cited = f"{source.title or ''}{' ' + source.clause if source.clause else ''}"
        if source.status == "official":
            return cited
        if source.status == "interpretation":
            return f"{cited}(解释:{source.reason})"
        return f"{cited}(示例:{source.reason})"


class _Rule(_Sourced):
    id: Code
    label: str
    dimension: Code | None = None


class Step(Document):
    """From this age on, a record counts for `each` instead."""

    after: Span
    each: Points


class Fade(Document):
    """Linear decay: `each` up to `from_days` of age, `to` from `to_days` on, evenly less in between."""

    from_days: Annotated[int, Field(strict=True, ge=0)] = 0
    to_days: Count
    to: Points = 0


class EachPeriod(Document):
    """Records of one calendar year or month together count for at most `at_most`."""

    period: Literal["calendar-year", "calendar-month"]
    at_most: Points


class RecordRule(_Rule):
    """So many points for each record: a fixed number, or the record's own; together at most `at_most`.

    A record grows lighter with age by steps (`decay`) or evenly (`fade`), never both.
    """

    op: Literal["add", "deduct"]
    items: Items
    each: Points | Literal["own"]
    at_most: Points | None = None
    each_period: EachPeriod | None = None
    window: Window | None = None
    decay: tuple[Step, ...] = ()
    fade: Fade | None = None


class Band(Document):
    """From `at_least` on (a count, or a figure in hundredths), this many points."""

    at_least: Points
    points: Points


class CountRule(_Rule):
    """Points by how many records there are."""

    op: Literal["add-by-count", "deduct-by-count"]
    items: Items
    window: Window | None = None
    bands: Annotated[tuple[Band, ...], Field(min_length=1)]


class FactRule(_Rule):
    """Points by a figure. A missing figure adds nothing."""

    op: Literal["add-by-fact"]
    fact: str
    bands: Annotated[tuple[Band, ...], Field(min_length=1)]


class VetoRule(_Rule):
    """One such record brings the result down to the floor."""

    op: Literal["veto"]
    items: Items
    window: Window | None = None


Rule = Annotated[RecordRule | CountRule | FactRule | VetoRule, Field(discriminator="op")]


class Dimension(_Sourced):
    """Rules of one direction that together count for at most `at_most`."""

    id: Code
    label: str
    at_most: Points


class Base(_Sourced):
    """Where everybody starts."""

    points: Points
    label: str = "基础分"


class PointsMethod(Document):
    """base + what is added − what is subtracted, held between floor and ceiling; then vetoes."""

    type: Literal["points"]
    base: Base
    rules: Annotated[tuple[Rule, ...], Field(min_length=1)]
    dimensions: tuple[Dimension, ...] = ()
    floor: Points = 0
    ceiling: Points | None = None


class ClassificationMethod(Document):
    """No points: the worst grade one of whose conditions holds; the best grade where none does."""

    type: Literal["classification"]


class Version(Document):
    """One version of a model, and no other: what is built on it cannot change under it."""

    id: Code
    version: str


class Part(_Sourced):
    """A fact, or another model's points, that makes up `percent` of the result; without it the model cannot speak and
    says `missing`."""

    id: Code
    label: str
    fact: str | None = None
    model: Version | None = None
    percent: Annotated[int, Field(strict=True, ge=1, le=100)]
    missing: Annotated[str, Field(pattern=r"^[A-Z][A-Z_]*$")]

    def model_post_init(self, _: object) -> None:
        if (self.fact is None) == (self.model is None):
            raise ValueError("fact、model 应当恰好写一个")


class CompositionMethod(Document):
    """The weighted sum of its parts as an exact fraction, rounded half up to two decimals once, at the end."""

    type: Literal["composition"]
    parts: Annotated[tuple[Part, ...], Field(min_length=1)]


class StandingMethod(_Sourced):
    """No points: the best grade whose demand every one of the last `years` full calendar years meets.

    Each year is evaluated as of its 31 December; a record removed since then counts in none of them.
    """

    type: Literal["standing"]
    of: Version
    years: Annotated[int, Field(strict=True, ge=1, le=10)]


Method = Annotated[
    PointsMethod | ClassificationMethod | CompositionMethod | StandingMethod, Field(discriminator="type")
]


class Condition(_Sourced):
    """Holds when at least so many adverse records of the group count."""

    id: Code
    label: str
    group: Code
    at_least: Count
    window: Window | None = None
    serious_consequence: bool = False
    """Only records marked as having had serious consequence."""


class Grade(Document):
    """A grade: from `at_least` points on, when one of the conditions holds, or when every year was of that grade of the
    base model; the last resort has none of these."""

    code: str
    name: str
    at_least: Points | None = None
    when: tuple[Condition, ...] = ()
    every_year_at_least: str | None = None


class ForceMajeure(_Sourced):
    """Adverse records marked as due to force majeure count nowhere."""

    label: str


class MinorLenience(_Sourced):
    """A single adverse record in the window that was minor, did no serious harm and was put right counts nowhere."""

    label: str
    window: Window | None = None


class Lenience(Document):
    """Adverse records that have no consequence; the subject is shown a reminder of no points."""

    minor: MinorLenience | None = None
    force_majeure: ForceMajeure | None = None


class ModelFile(_Sourced):
    """A model as written in `models/<id>-<version>.yaml`; `in_force_until` is exclusive."""

    id: Code
    version: Annotated[str, Field(pattern=r"^\d{4}-\d{2}(-\d{2})?$")]
    name: str
    subject: Literal["person", "enterprise"]
    in_force_from: date
    in_force_until: date | None = None
    grace: Span = Span(months=12)
    """For how long the grade of the version before still counts for benefits, where it is better."""
    items: dict[str, Item] = Field(default_factory=dict)
    facts: dict[str, Fact] = Field(default_factory=dict)
    lenience: Lenience | None = None
    method: Method
    grades: Annotated[tuple[Grade, ...], Field(min_length=2)]
    grades_source: Source


class Recognition(Document):
    """One table: from grades of another place's model `of` to grades of the local `model`. `in_force_until` is
    exclusive."""

    id: Code
    model: Code
    of: Code
    in_force_from: date
    in_force_until: date | None = None
    grades: Annotated[dict[str, str], Field(min_length=1)]
    source: Source

    def is_in_force(self, on: date) -> bool:
        """Whether it holds on that day."""
        return self.in_force_from <= on and (self.in_force_until is None or on < self.in_force_until)


class Model(ModelFile):
    """A model in use: its file, where it stands, and a SHA-256 of the file and of those that it is built on."""

    place: str
    checksum: str
    components: Mapping[str, Model] = Field(default_factory=dict)
    """The models it is built on: by id of the part in a composition, as `of` in a standing."""
    before: Model | None = None
    """The version that was in force until this one began."""
    recognitions: tuple[Recognition, ...] = ()
    """Which results of other places' models its place recognises."""

    def version_before(self, on: date) -> tuple[Model, date | None] | None:
        """The version before, and the first day on which it counts no more; None where the days of grace are over."""
        if self.before is None or on < self.in_force_from:
            return None
        ends = self.grace.end(self.in_force_from)
        return (self.before, ends) if ends is None or on < ends else None

    def __hash__(self) -> int:
        return hash(self.checksum)

    @cached_property
    def _ranks(self) -> dict[str, int]:
        return {grade.code: rank for rank, grade in enumerate(self.grades)}

    def rank(self, code: str) -> int:
        """0 for the best grade, then upwards. An unknown code is a KeyError."""
        return self._ranks[code]

    def at_least(self, grade_code: str, threshold_code: str) -> bool:
        """Whether the first grade is the second or better."""
        return self._ranks[grade_code] <= self._ranks[threshold_code]

    def is_in_force(self, on: date) -> bool:
        """Whether this version holds on that day."""
        return self.in_force_from <= on and (self.in_force_until is None or on < self.in_force_until)

    @cached_property
    def status(self) -> Literal["official", "interpretation", "illustrative"]:
        """That of its least official part: one made-up number makes the result a made-up one."""
        found = {source.status for source in self.sources()}
        if "illustrative" in found:
            return "illustrative"
        return "interpretation" if "interpretation" in found else "official"

    def sources(self) -> Iterator[Source]:
        """The source of the model, of its grades and of each of its rules."""
        yield from (self.source, self.grades_source)
        yield from (condition.source for grade in self.grades for condition in grade.when)
        match self.method:
            case PointsMethod() as method:
                yield method.base.source
                yield from (rule.source for rule in method.rules)
                yield from (dimension.source for dimension in method.dimensions)
            case CompositionMethod() as method:
                yield from (part.source for part in method.parts)
            case StandingMethod() as method:
                yield method.source
        if self.lenience is not None:
            yield from (one.source for one in (self.lenience.minor, self.lenience.force_majeure) if one is not None)
        for component in self.components.values():
            yield from component.sources()

    def read_facts(self, raw: Mapping[str, object]) -> dict[str, object]:
        """Facts stored as JSON (a decimal may be text or a number) as `scoring.engine.evaluate` takes them.

        Raises:
            BadValue: a ValueError with a code: a fact of this model is out of range, inexact or of another shape.
        """
        return facts_from_json(self.all_facts, raw)

    @cached_property
    def all_items(self) -> Mapping[str, Item]:
        """Its own items and those of the models it is built on."""
        built_on = {code: item for component in self.components.values() for code, item in component.all_items.items()}
        return built_on | self.items

    @cached_property
    def all_facts(self) -> Mapping[str, Fact]:
        """Its own facts and those of the models it is built on."""
        built_on = {name: fact for component in self.components.values() for name, fact in component.all_facts.items()}
        return built_on | self.facts

    @cached_property
    def adverse_items(self) -> frozenset[str]:
        """Its own items that are adverse."""
        return frozenset(code for code, item in self.items.items() if item.nature == "adverse")

    @cached_property
    def own_points_items(self) -> frozenset[str]:
        """Items whose records carry points of their own; other models do not look at `points` at all."""
        rules = self.method.rules if isinstance(self.method, PointsMethod) else ()
        own = {item for rule in rules if isinstance(rule, RecordRule) and rule.each == "own" for item in rule.items}
        return frozenset(own).union(*(component.own_points_items for component in self.components.values()))

    @cached_property
    def reads_serious_consequence(self) -> bool:
        """Whether any condition asks for it, or lenience does."""
        asks = any(condition.serious_consequence for grade in self.grades for condition in grade.when)
        built_on = any(component.reads_serious_consequence for component in self.components.values())
        return asks or built_on or self.reads_minor

    @cached_property
    def reads_minor(self) -> bool:
        """Whether it looks at `minor` and `corrected_on`."""
        own = self.lenience is not None and self.lenience.minor is not None
        return own or any(component.reads_minor for component in self.components.values())

    @cached_property
    def reads_force_majeure(self) -> bool:
        """Whether it looks at `force_majeure`."""
        own = self.lenience is not None and self.lenience.force_majeure is not None
        return own or any(component.reads_force_majeure for component in self.components.values())

    @cached_property
    def groups(self) -> dict[str, tuple[str, ...]]:
        """The items of each group."""
        return {
            group: tuple(code for code, item in self.items.items() if item.group == group)
            for group in {item.group for item in self.items.values() if item.group}
        }
