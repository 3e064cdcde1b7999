"""What a statement over everybody has to add up, and the statement itself. One thing to know: all sums come from one
pass over the records, but for those that are capped by a period of the calendar.

It is made of stages: what counts is added up by subject, then worked out step by step. All numbers are integers of
hundredths, wide enough for any sum; the one division is `half_up`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import reduce
from typing import Literal, TypeAlias

from sqlglot import exp

from scoring.model import EachPeriod
from scoring.values import number_text

Dialect: TypeAlias = Literal["duckdb", "spark", "postgres"]
Expression: TypeAlias = exp.Expr
WIDE = {"duckdb": "INT128", "spark": "DECIMAL(38, 0)", "postgres": "DECIMAL"}
"""The widest integers of each engine; a sum beyond them is an error there, never a wrong number."""
NARROW = 1 << 52
"""Below this, a few hundred numbers add up in 64 bits, which is much faster."""
PERIODS = {"calendar-year": ("YEAR",), "calendar-month": ("YEAR", "MONTH")}
"""What a calendar's period is told by."""
RECORDS = 10**10
"""Nobody has as many records."""


@dataclass(frozen=True)
class Filter:
    """Records of these items that occurred after a day, and of which something else is true."""

    items: tuple[str, ...]
    after: date | None
    only: tuple[Expression, ...] = ()


@dataclass(frozen=True)
class Sum:
    """One figure for each subject, over the records up to a day that pass any of the filters."""

    filters: tuple[Filter, ...]
    until: date
    value: Expression | None = None
    """What is added up, in hundredths; None counts records."""
    in_points: bool = False
    """Whether `value` is in points instead: a decimal column is added up as it stands, and its sum converted."""
    most: int | None = None
    """A sum in points counts for so many hundredths at most."""


@dataclass
class Plan:
    """What a statement has to work out, noted while the model is walked through."""

    dialect: Dialect
    on: date
    with_facts: bool
    sums: dict[Sum, str] = field(default_factory=dict)
    by_period: dict[tuple[Sum, EachPeriod], str] = field(default_factory=dict)
    facts: dict[tuple[str, str], str] = field(default_factory=dict)
    steps: dict[str, Expression] = field(default_factory=dict)

    def wide(self, value: Expression | int) -> Expression:
        """The value as the widest integer."""
        return exp.cast(integer(value), exp.DataType.build(WIDE[self.dialect], dialect=self.dialect))

    def fitted(self, value: Expression | int, most: int | None) -> Expression:
        """The value as the integer that `most` asks for; the widest where there is no bound."""
        if most is None or most >= NARROW:
            return self.wide(value)
        return exp.cast(integer(value), exp.DataType.build("BIGINT"))

    def points(self, value: int) -> Expression:
        """Points as a model's file has them."""
        return self.fitted(value, value)

    def hundredths(self, points: Expression, most: int | None) -> Expression:
        """A sum of points, a decimal, as hundredths; it counts for so many at most."""
        known = exp.func("COALESCE", points, integer(0))
        capped = known if most is None else exp.func("LEAST", known, written_points(most))
        # With 15 digits the product has 18, which is as many as 64 bits hold; 30 are enough for 10¹² records.
        is_narrow = most is not None and most < min(NARROW, 10**15)
        decimal = exp.cast(capped, exp.DataType.build("DECIMAL(15, 2)" if is_narrow else "DECIMAL(30, 2)"))
        return self.fitted(exp.Mul(this=decimal, expression=integer(100)), most if is_narrow else None)

    def add_up(self, wanted: Sum) -> Expression:
        """The column of that sum; a sum asked for twice is made once."""
        return column(self.sums.setdefault(wanted, f"n{len(self.sums)}"))

    def add_up_periods(self, wanted: Sum, period: EachPeriod) -> Expression:
        """The column of that sum, each period of the calendar capped."""
        return column(self.by_period.setdefault((wanted, period), f"p{len(self.by_period)}"))

    def fact(self, name: str, figure: Literal["value", "product", "weight"]) -> Expression:
        """The column of a fact: its value, the sum of scores by weight, or that of weights; null where absent."""
        if not self.with_facts:
            return self.wide(exp.null())
        return column(self.facts.setdefault((name, figure), f"f{len(self.facts)}"))

    def define(self, value: Expression) -> Expression:
        """A column of that value, for use in later steps."""
        name = f"s{len(self.steps)}"
        self.steps[name] = value
        return column(name)


def statement(plan: Plan, query: exp.Select) -> exp.Select:
    """`query` over the last stage, all columns of the plan made before it."""
    stages: list[tuple[str, exp.Select]] = []
    joined = exp.select("subjects.subject").from_("subjects")

    def join(name: str, stage: exp.Select, columns: Iterable[Expression]) -> None:
        nonlocal joined
        stages.append((name, stage))
        joined = joined.select(*columns).join(name, using="subject", join_type="left")

    if plan.sums:
        # Who has no record that counts has a sum of nothing, which is 0.
        join("counted", _counted(plan, plan.sums, ()), (_or_nothing(name) for name in plan.sums.values()))
    for period, parts in PERIODS.items():
        capped = {name: (wanted, each) for (wanted, each), name in plan.by_period.items() if each.period == period}
        if capped:
            sums = {wanted: name for name, (wanted, _) in capped.items()}
            stages.append((f"by_{parts[-1].lower()}", _counted(plan, sums, parts)))
            join(f"capped_by_{parts[-1].lower()}", _capped(plan, capped, parts), map(_or_nothing, capped))
    if plan.facts:
        join("known", _known(plan), map(column, plan.facts.values()))
    stages.append(("stage_0", joined))
    levels: dict[str, int] = {}
    for name, value in plan.steps.items():
        levels[name] = 1 + max((levels.get(one.name, 0) for one in value.find_all(exp.Column)), default=0)
    for level in range(1, max(levels.values(), default=0) + 1):
        made = [exp.alias_(plan.steps[name], name) for name, at in levels.items() if at == level]
        stages.append((f"stage_{level}", exp.select("*", *made).from_(f"stage_{level - 1}")))
    query = query.from_(stages[-1][0])
    for name, stage in stages:
        query = query.with_(name, as_=stage)
    return query


def _or_nothing(name: str) -> Expression:
    return exp.alias_(exp.func("COALESCE", column(name), integer(0)), name)


def _counted(plan: Plan, sums: Mapping[Sum, str], parts: Sequence[str]) -> exp.Select:
    """The sums by subject, and by these parts of the day on which a record occurred."""
    keys: list[Expression] = [column("subject")]
    keys += [exp.Extract(this=exp.var(part), expression=column("occurred_on")) for part in parts]
    day = [column("occurred_on")] if parts else []
    # What a record brings is a column first: adding up columns is quicker than asking again in each sum.
    brought = exp.select(column("subject"), *day, *_figures(plan, sums).values()).from_("records")
    made = [exp.alias_(_added_up(plan, one, name, is_whole=not parts), name) for one, name in sums.items()]
    relevant = brought.where(_relevant(plan, sums)).subquery("brought")
    return exp.select(column("subject"), *made).from_(relevant).group_by(*keys)


def _added_up(plan: Plan, wanted: Sum, name: str, *, is_whole: bool) -> Expression:
    """The aggregate. A sum of points is converted once it is whole: here, before those without records come in."""
    if wanted.value is None:
        return exp.Count(this=column(name))
    total = exp.func("SUM", column(name))
    return plan.hundredths(total, wanted.most) if is_whole and wanted.in_points else total


def _capped(plan: Plan, sums: Mapping[str, tuple[Sum, EachPeriod]], parts: Sequence[str]) -> exp.Select:
    def worth(name: str, wanted: Sum, period: EachPeriod) -> Expression:
        cap = written_points(period.at_most) if wanted.in_points else plan.points(period.at_most)
        # A period in which nothing counted must not be worth its cap: LEAST passes over nulls.
        total = exp.func("SUM", exp.func("LEAST", exp.func("COALESCE", column(name), integer(0)), cap))
        return plan.hundredths(total, wanted.most) if wanted.in_points else total

    made = [exp.alias_(worth(name, *capped), name) for name, capped in sums.items()]
    return exp.select(column("subject"), *made).from_(f"by_{parts[-1].lower()}").group_by(column("subject"))


def _known(plan: Plan) -> exp.Select:
    """The facts of each subject, a column for each figure, in hundredths (a product in ten-thousandths)."""
    value, weight = (plan.wide(exp.Mul(this=column(name), expression=integer(100))) for name in ("value", "weight"))

    def of(aggregate: str, figure: Expression, condition: Expression) -> Expression:
        return exp.func(aggregate, exp.case().when(condition, figure.copy()))

    figures = {
        "value": lambda condition: of("MAX", value, condition),
        "product": lambda condition: of("SUM", exp.Mul(this=value, expression=weight), condition),
        "weight": lambda condition: of("SUM", weight, condition),
    }
    made = [
        exp.alias_(figures[figure](column("fact").eq(exp.Literal.string(fact))), name)
        for (fact, figure), name in plan.facts.items()
    ]
    return exp.select(column("subject"), *made).from_("facts").group_by(column("subject"))


def _relevant(plan: Plan, sums: Iterable[Sum]) -> Expression:
    """The records that any of the sums looks at: live on the day and young enough for some rule."""
    oldest = _oldest(sums)
    latest = max(one.until for one in sums)
    by_cutoff: dict[date | None, list[str]] = {}
    for item, cutoff in oldest.items():
        by_cutoff.setdefault(cutoff, []).append(item)
    # Whatever is younger than the narrowest window is let in by its day alone: that is the cheapest question.
    narrowest = max(by_cutoff, key=lambda cutoff: cutoff or date.min)
    looked_at = [
        after(cutoff) if cutoff == narrowest else exp.and_(_item_in(items), after(cutoff))
        for cutoff, items in by_cutoff.items()
    ]
    removed = column("removed_on")
    return exp.and_(
        column("occurred_on") <= written_day(latest),
        exp.or_(removed.is_(exp.null()), removed.copy() > written_day(plan.on)),
        exp.or_(*looked_at),
    )


def _oldest(sums: Iterable[Sum]) -> dict[str, date | None]:
    """By item, the cutoff of the widest window that any sum gives it; None where one has no window."""
    found: dict[str, date | None] = {}
    for one in (passed for wanted in sums for passed in wanted.filters):
        for item in one.items:
            before = found.get(item, one.after)
            found[item] = None if before is None or one.after is None else min(before, one.after)
    return found


def _figures(plan: Plan, sums: Mapping[Sum, str]) -> dict[str, Expression]:
    """By name, what one relevant record brings to each sum; null where it brings nothing."""
    oldest, latest = _oldest(sums), max(one.until for one in sums)

    def passes(one: Filter) -> Expression:
        conditions = [_item_in(one.items), *(condition.copy() for condition in one.only)]
        # What the filter of the scan has seen to already is not asked again.
        if any(oldest[item] != one.after for item in one.items):
            conditions.append(after(one.after))
        return exp.and_(*conditions)

    figures = {}
    for wanted, name in sums.items():
        counts = exp.or_(*map(passes, wanted.filters))
        if wanted.until != latest:
            counts = exp.and_(counts, column("occurred_on") <= written_day(wanted.until))
        figures[name] = exp.alias_(exp.case().when(counts, _addend(plan, wanted)), name)
    return figures


def _addend(plan: Plan, wanted: Sum) -> Expression:
    if wanted.value is None:
        return integer(1)
    # Spark keeps a sum of 64-bit integers as narrow as its terms.
    is_narrow = plan.dialect == "spark" and not wanted.in_points
    return plan.wide(wanted.value.copy()) if is_narrow else wanted.value.copy()


def half_up(above: Expression, below: Expression) -> Expression:
    """`values.half_up` of two integers that are not negative: there, cutting off is rounding down."""
    doubled = exp.paren(exp.Mul(this=integer(2), expression=exp.paren(above)) + exp.paren(below))
    return exp.IntDiv(this=doubled, expression=exp.paren(exp.Mul(this=integer(2), expression=exp.paren(below.copy()))))


def plus(terms: Sequence[Expression]) -> Expression:
    """The sum of one or more terms."""
    return reduce(lambda left, right: exp.Add(this=left, expression=exp.paren(right)), (term.copy() for term in terms))


def times(factors: Sequence[Expression]) -> Expression:
    """The product of one or more factors."""
    return reduce(
        lambda left, right: exp.Mul(this=exp.paren(left), expression=exp.paren(right)),
        (factor.copy() for factor in factors),
    )


def _item_in(items: Sequence[str]) -> Expression:
    return column("item").isin(*(exp.Literal.string(item) for item in sorted(items)))


def after(day: date | None) -> Expression:
    """Whether a record occurred after that day; every one did, where there is none."""
    return exp.true() if day is None else column("occurred_on") > written_day(day)


def column(name: str) -> exp.Column:
    """A column by name."""
    return exp.column(name, quoted=True)


def integer(value: Expression | int) -> Expression:
    """An integer as written; an expression stays as it is."""
    return exp.Literal.number(value) if isinstance(value, int) else value


def written_points(points: int) -> Expression:
    """Hundredths as a decimal number of points."""
    return exp.Literal.number(number_text(points))


def written_day(day: date) -> Expression:
    """A day as written."""
    return exp.cast(exp.Literal.string(day.isoformat()), exp.DataType.build("DATE"))
