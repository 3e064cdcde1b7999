"""A score model as one SQL statement over everybody. One thing to know: whatever a model is built on, its other models
and their other days included, is noted in one plan and so shares one scan of the records.

The statement reads three relations: `records`, `subjects` and, where there are facts, `facts` (columns in
docs/population.md).
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from sqlglot import exp

from scoring.checks import reach
from scoring.model import (
    Band,
    CompositionMethod,
    CountRule,
    EachPeriod,
    FactRule,
    Fade,
    Lenience,
    Model,
    PointsMethod,
    RecordRule,
    Rule,
    Span,
    StandingMethod,
    VetoRule,
    Window,
)
from scoring.population.plan import (
    RECORDS,
    Dialect,
    Expression,
    Filter,
    Plan,
    Sum,
    after,
    column,
    half_up,
    integer,
    plus,
    statement,
    times,
    written_day,
)

SMALL = 1 << 62
"""Below this, integers of 64 bits are wide enough."""


@dataclass(frozen=True)
class _Outcome:
    """What a model comes to: its points (None where it has none) and its grade as (condition, rank), first that holds.

    `unless` holds where the model cannot speak; its points are then null.
    """

    points: Expression | None
    ladder: tuple[tuple[Expression, int], ...]
    otherwise: int
    unless: Expression | None = None
    top: int | None = None
    """The most that the points can be, where that is known."""

    def grade(self, shown: Callable[[int], Expression]) -> Expression:
        """The grade as `shown` writes its rank; null where the model cannot speak."""
        case = exp.case()
        if self.unless is not None:
            case = case.when(self.unless, exp.null())
        for condition, rank in self.ladder:
            case = case.when(condition, shown(rank))
        return case.else_(shown(self.otherwise)) if case.args["ifs"] else shown(self.otherwise)


def compile_model(model: Model, *, on: date, dialect: Dialect, with_facts: bool = False) -> str:
    """The statement that gives `subject`, `points` (decimal(18,2) or null) and `grade` (code or null) of everybody."""
    plan = Plan(dialect, on, with_facts)
    outcome = _outcome(plan, model, on)
    points: Expression = exp.null()
    if outcome.points is not None:
        # With 15 digits the product has 18, which is as many as 64 bits hold.
        digits = 15 if outcome.top is not None and outcome.top < 10**15 else 20
        whole = exp.cast(outcome.points, exp.DataType.build(f"DECIMAL({digits}, 0)"))
        points = exp.Mul(this=whole, expression=exp.Literal.number("0.01"))
    grade = outcome.grade(lambda rank: exp.Literal.string(model.grades[rank].code))
    query = exp.select(
        column("subject"),
        exp.alias_(exp.cast(points, exp.DataType.build("DECIMAL(18, 2)")), "points"),
        exp.alias_(grade, "grade"),
    )
    return statement(plan, query).sql(dialect=dialect)


def cutoff(window: Window | None, on: date) -> date | None:
    """The last day on which a record falls out of the window as of `on`; None where none is old enough.

    Equal to `Span.end`, seen from the other side: 29 February 2024 − 1 year is 28 February 2023.
    """
    if window is None:
        return None
    if isinstance(window, Span):
        return days_before(on, window.days) if window.days else _months_before(on, _months(window))
    return date(on.year - 1, 12, 31) if on.year > date.min.year else None


def _months(span: Span) -> int:
    return span.months or 12 * (span.years or 0)


def days_before(on: date, days: int) -> date | None:
    """That many days earlier; None where the calendar has no such day."""
    return on - timedelta(days=days) if days < on.toordinal() else None


def _months_before(on: date, months: int) -> date | None:
    year, month = divmod(on.year * 12 + on.month - 1 - months, 12)
    if year < date.min.year:
        return None
    return date(year, month + 1, min(on.day, monthrange(year, month + 1)[1]))


def _outcome(plan: Plan, model: Model, on: date) -> _Outcome:
    match model.method:
        case CompositionMethod() as method:
            return _composition(plan, model, method, on)
        case StandingMethod() as method:
            return _standing(plan, model, method, on)
        case PointsMethod() as method:
            return _points(plan, model, method, on)
        case _:
            return _classification(plan, model, on)


@dataclass
class _Records:
    """How a model looks at records on a day: what it is lenient about is left out."""

    plan: Plan
    model: Model
    on: date

    def __post_init__(self) -> None:
        lenience = self.model.lenience or Lenience()
        self.only: tuple[Expression, ...] = ()
        self.excused: Expression | None = None
        if lenience.force_majeure is not None:
            self.only = (exp.not_(column("force_majeure")),)
        if lenience.minor is not None:
            adverse = tuple(sorted(self.model.adverse_items))
            oldest = cutoff(lenience.minor.window, self.on)
            self.excusable = _excusable(oldest, self.on)
            every = Filter(adverse, oldest, self.only)
            single = replace(every, only=(*self.only, self.excusable))
            counts = (self.plan.add_up(Sum((one,), self.on)) for one in (every, single))
            self.excused = self.plan.define(exp.and_(*(exp.EQ(this=count, expression=integer(1)) for count in counts)))

    def filter(self, items: Sequence[str], window: Window | None, *only: Expression) -> Filter:
        """The records of these items inside the window."""
        return Filter(tuple(items), cutoff(window, self.on), only)

    def add_up(
        self,
        *filters: Filter,
        value: Expression | None = None,
        in_points: bool = False,
        most: int | None = None,
        period: EachPeriod | None = None,
    ) -> Expression:
        """The column of a sum over records of one nature that pass any of the filters."""
        wanted = Sum(filters, self.on, value, in_points, most)
        if all(self.model.adverse_items.isdisjoint(one.items) for one in filters):
            return self._column_of(wanted, period)
        every = self._column_of(_only(wanted, *self.only), period)
        if self.excused is None:
            return every
        # Where the single record is excused, what is left of a sum is what the other records come to.
        others = self._column_of(_only(wanted, *self.only, exp.not_(self.excusable)), period)
        return exp.case().when(self.excused, others).else_(every)

    def _column_of(self, wanted: Sum, period: EachPeriod | None) -> Expression:
        return self.plan.add_up(wanted) if period is None else self.plan.add_up_periods(wanted, period)


def _only(wanted: Sum, *more: Expression) -> Sum:
    """The sum over those records alone of which that is true too."""
    return replace(wanted, filters=tuple(replace(one, only=(*one.only, *more)) for one in wanted.filters))


def _excusable(window_end: date | None, on: date) -> Expression:
    """What lenience asks of a single record. Never null, so that its opposite is true of all others."""
    corrected = column("corrected_on")
    return exp.and_(
        after(window_end),
        column("minor"),
        exp.not_(column("serious_consequence")),
        exp.not_(corrected.is_(exp.null())),
        corrected <= written_day(on),
    )


def _points(plan: Plan, model: Model, method: PointsMethod, on: date) -> _Outcome:
    records = _Records(plan, model, on)
    signed: list[Expression] = [plan.points(method.base.points)]
    by_dimension: dict[str, list[Expression]] = {}
    adds = {dimension.id: True for dimension in method.dimensions}
    vetoes = []
    for rule in method.rules:
        if isinstance(rule, VetoRule):
            vetoes.append(records.filter(rule.items, rule.window))
            continue
        points = _rule_points(plan, records, rule)
        if rule.dimension is None:
            signed.append(points if rule.op.startswith("add") else exp.Neg(this=exp.paren(points)))
        else:
            by_dimension.setdefault(rule.dimension, []).append(points)
            adds[rule.dimension] = rule.op.startswith("add")
    for dimension in method.dimensions:
        capped = exp.func("LEAST", plus(by_dimension[dimension.id]), plan.points(dimension.at_most))
        signed.append(capped if adds[dimension.id] else exp.Neg(this=capped))
    total = plus(signed)
    if method.ceiling is not None:
        total = exp.func("LEAST", total, plan.points(method.ceiling))
    total = exp.func("GREATEST", total, plan.points(method.floor))
    if vetoes:
        total = exp.case().when(records.add_up(*vetoes) > integer(0), plan.points(method.floor)).else_(total)
    return _graded(model, plan.define(total), top=reach(method)[1])


def _rule_points(plan: Plan, records: _Records, rule: Rule) -> Expression:
    """What a rule comes to, its sign apart."""
    if isinstance(rule, FactRule):
        return _banded(plan, plan.fact(rule.fact, "value"), rule.bands)
    if isinstance(rule, CountRule):
        return _banded(plan, records.add_up(records.filter(rule.items, rule.window)), rule.bands, hundredths=1)
    assert isinstance(rule, RecordRule)  # noqa: S101  # a veto has no points of its own
    total: Expression
    found = records.filter(rule.items, rule.window)
    if rule.each == "own":
        own = column("points")
        return records.add_up(found, value=own, in_points=True, most=rule.at_most, period=rule.each_period)
    value, most = _record_value(rule, rule.each, records.on), rule.each * RECORDS
    if value is None:
        count = records.add_up(found)
        total = exp.Mul(this=plan.fitted(count, most), expression=integer(rule.each))
    else:
        total = plan.fitted(records.add_up(found, value=value, period=rule.each_period), most)
    if rule.at_most is None:
        return total
    return plan.fitted(exp.func("LEAST", total, plan.points(rule.at_most)), rule.at_most)


def _record_value(rule: RecordRule, each: int, on: date) -> Expression | None:
    """What one record is worth; None where it is enough to count them."""
    if rule.fade is not None:
        return _faded(each, rule.fade, on)
    value: Expression = integer(each)
    for before, step in zip((each, *(step.each for step in rule.decay)), rule.decay, strict=False):
        begins = cutoff(step.after, on)
        if begins is not None:  # else nothing is as old as that
            young = value if isinstance(value, exp.Case) else exp.case()
            value = young.when(after(begins), integer(before)).else_(integer(step.each))
    return value if rule.decay or rule.each_period is not None else None


def _faded(each: int, fade: Fade, on: date) -> Expression:
    oldest, youngest = days_before(on, fade.to_days), days_before(on, fade.from_days)
    if youngest is None:  # nothing is old enough to fade
        return integer(each)
    # Where 64 bits would be too narrow, 38 digits are not.
    kind = "BIGINT" if 4 * each * fade.to_days < SMALL else "DECIMAL(38, 0)"
    age = exp.DateDiff(this=written_day(on), expression=column("occurred_on"), unit=exp.var("DAY"))
    left = exp.paren(integer(fade.to_days) - exp.cast(age, exp.DataType.build(kind)))
    above = exp.Mul(this=integer(each - fade.to), expression=left)
    lighter = half_up(above, integer(fade.to_days - fade.from_days))
    case = exp.case().when(column("occurred_on") >= written_day(youngest), integer(each))
    if oldest is not None:
        case = case.when(column("occurred_on") <= written_day(oldest), integer(fade.to))
    return case.else_(integer(fade.to) + exp.paren(lighter))


def _banded(plan: Plan, figure: Expression, bands: Sequence[Band], *, hundredths: int = 100) -> Expression:
    """The points of the highest band reached; none where there is no figure. A count is no hundredths: 1."""
    case = exp.case()
    for band in reversed(bands):
        start = -(-band.at_least * hundredths // 100)
        case = case.when(figure.copy() >= integer(start), plan.points(band.points))
    return case.else_(plan.points(0))


def _graded(model: Model, points: Expression, *, unless: Expression | None = None, top: int | None = None) -> _Outcome:
    ladder = tuple(
        (points.copy() >= integer(grade.at_least), rank)
        for rank, grade in enumerate(model.grades[:-1])
        if grade.at_least is not None
    )
    return _Outcome(points, ladder, len(model.grades) - 1, unless, top)


def _classification(plan: Plan, model: Model, on: date) -> _Outcome:
    records = _Records(plan, model, on)
    ladder = []
    for rank in reversed(range(1, len(model.grades))):
        # Conditions that a single record fulfils need one count together.
        by_count: dict[int, list[list[Filter]]] = {}
        for condition in model.grades[rank].when:
            serious = [column("serious_consequence")] if condition.serious_consequence else []
            found = records.filter(model.groups[condition.group], condition.window, *serious)
            alike = by_count.setdefault(condition.at_least, [])
            if condition.at_least == 1 and alike:
                alike[0].append(found)
            else:
                alike.append([found])
        conditions = [
            records.add_up(*filters) >= integer(at_least) for at_least, alike in by_count.items() for filters in alike
        ]
        ladder.append((exp.or_(*conditions), rank))
    return _Outcome(None, tuple(ladder), 0)


def _composition(plan: Plan, model: Model, method: CompositionMethod, on: date) -> _Outcome:
    parts: list[tuple[Expression, Expression | None]] = []
    for part in method.parts:
        value: Expression
        weight: Expression | None = None
        if part.model is not None:
            inner = _outcome(plan, model.components[part.id], on)
            assert inner.points is not None  # noqa: S101  # checked when the model was read
            value = inner.points
        elif part.fact is not None and model.all_facts[part.fact].type == "weighted-scores":
            value, weight = plan.fact(part.fact, "product"), plan.fact(part.fact, "weight")
        else:
            value = plan.fact(part.fact or "", "value")
        parts.append((exp.Mul(this=plan.wide(value), expression=integer(part.percent)), weight))
    # Brought to the common denominator: 100 × the product of all sums of weights. A missing part makes it null.
    weights = [weight for _, weight in parts if weight is not None]
    above = [
        times([value, *(other for number, (_, other) in enumerate(parts) if other is not None and number != place)])
        for place, (value, _) in enumerate(parts)
    ]
    points = plan.define(half_up(plus(above), times([plan.wide(100), *weights])))
    return _graded(model, points, unless=points.copy().is_(exp.null()))


def _standing(plan: Plan, model: Model, method: StandingMethod, on: date) -> _Outcome:
    base = model.components["of"]
    ranks = []
    for year in range(max(on.year - method.years, date.min.year), on.year):
        outcome = _outcome(plan, base, date(year, 12, 31))
        ranks.append(plan.define(outcome.grade(integer)))
    # The ranks worse than what a grade demands; where there was no year yet, none.
    ladder = []
    for rank, grade in enumerate(model.grades[:-1]):
        demanded = base.rank(grade.every_year_at_least or base.grades[-1].code)
        met = [column.copy() <= integer(demanded) for column in ranks]
        ladder.append((exp.and_(*met) if met else exp.true(), rank))
    unless = exp.or_(*(column.copy().is_(exp.null()) for column in ranks)) if ranks else None
    return _Outcome(None, tuple(ladder), len(model.grades) - 1, unless)
