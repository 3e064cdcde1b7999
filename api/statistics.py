"""Statistics, park indices and inspection suggestions in the API. One thing to know: no figure here is about fewer than
ten enterprises, and no partner reaches any but the parks' public ones."""

from __future__ import annotations

from datetime import date
from enum import Enum
from typing import Annotated, Any

import strawberry
from sqlalchemy import and_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from api.context import Info, State
from api.ids import key_of
from api.permissions import ANYONE, STAFF, Audience, access
from core import audit
from core.clock import day_of
from core.errors import BadInput
from partners.access import note_reading
from scoring.disclosure import SMALLEST, Dimension
from scoring.divisions import INDUSTRIES, district_name
from scoring.inspection import inspection_percent
from scoring.model import Model
from scoring.models import UnknownModel
from scoring.scores import SCORE_COLUMNS, current_scores
from scoring.statistics import EarlyWarning as Warned
from scoring.statistics import read_park_indices, read_statistics
from scoring.subjects import SubjectDataFault
from scoring.tables import enrollments, scores, subjects

READERS = (*STAFF, Audience.AUDITOR)
LONGEST_FIELD = 60


@strawberry.enum(description="By what statistics are told apart.")
class StatisticsDimension(Enum):
    """One at a time."""

    REGION = strawberry.enum_value("region", description="District, by its division code (GB/T 2260).")
    INDUSTRY = strawberry.enum_value("industry", description="Section of the industry (GB/T 4754).")


@strawberry.type(description="How many enterprises have a grade.", directives=access(READERS))
class StatisticsCell:
    """Never fewer than ten."""

    value: str | None = strawberry.field(description="The district or industry; null where it is not told apart.")
    name: str | None = strawberry.field(description="What that is called; null where it is not known.")
    grade: str = strawberry.field(description="Code of the grade.")
    count: int = strawberry.field(description="How many, rounded down to a multiple of ten; never fewer than ten.")
    earlier_count: int | None = strawberry.field(
        description="In the month compared with; null where that was not taken or had fewer than ten."
    )


@strawberry.type(description="A change that deserves attention.", directives=access(READERS))
class EarlyWarning:
    """Worked out from published figures alone."""

    rule: str = strawberry.field(description="Id of the rule.")
    value: str | None = strawberry.field(description="The district or industry; null for all together.")
    message: str = strawberry.field(description="What has changed, in plain Chinese.")
    source: str = strawberry.field(description="Where the rule comes from.")


@strawberry.type(description="Grades of a place's enterprises in one month.", directives=access(READERS))
class GradeStatistics:
    """Cells of ten or more, whose sums and differences tell of nobody either."""

    month: date = strawberry.field(description="First day of the month.")
    compared_with: date | None = strawberry.field(description="First day of the earlier month; null if not taken.")
    smallest: int = strawberry.field(description="No smaller count is shown.")
    cells: list[StatisticsCell] = strawberry.field(description="By value, then from the best grade on.")
    warnings: list[EarlyWarning] = strawberry.field(description="Early warnings of this month.")


@strawberry.type(description="The credit index of a park in one month (园区综合信用指数).", directives=access(ANYONE))
class ParkIndex:
    """Public."""

    month: date = strawberry.field(description="First day of the month.")
    park: str = strawberry.field(description="Code of the park.")
    name: str = strawberry.field(description="Its name.")
    points: int = strawberry.field(description="The index, in whole points.")
    enterprises: int = strawberry.field(description="Over how many enterprises, rounded down to a multiple of ten.")


@strawberry.type(description="How often to inspect an enterprise, for the inspecting body.", directives=access(STAFF))
class InspectionSuggestion:
    """Only ever lower than usual, and never where lives are at stake."""

    percent: int = strawberry.field(description="Percent of the standard rate, at most 100.")
    reason: str = strawberry.field(description="Why, with its source.")


Place = Annotated[str, strawberry.argument(description="Folder name of the place, for example hunan-shaoyang.")]
Month = Annotated[date | None, strawberry.argument(description="Any day of the month; left out, the newest taken.")]
Compared = Annotated[date | None, strawberry.argument(description="Any day of it; left out, the month before.")]


@strawberry.type
class StatisticsQueries:
    """Figures about many, and one suggestion about one."""

    @strawberry.field(
        description="Grades of enterprises by region or industry; null where that month was not taken.",
        directives=access(READERS),
    )
    async def statistics(  # noqa: PLR0917  # the arguments of a field
        self,
        info: Info,
        place: Place,
        model: Annotated[str, strawberry.argument(description="A model of enterprises that applies there.")],
        by: Annotated[StatisticsDimension, strawberry.argument(description="By what to tell apart.")],
        month: Month = None,
        compared_with: Compared = None,
    ) -> GradeStatistics | None:
        """From what was taken, never from the scores themselves."""
        state = info.context.state
        known = _enterprise_model(state, place, model, day_of(info.context.now))
        async with state.database.reading() as connection:
            await info.context.principal(connection)
            found = await read_statistics(
                connection,
                place=place,
                model=known,
                by=_DIMENSIONS[by],
                rules=state.rulebook.statistics,
                month=month,
                compared_with=compared_with,
            )
        if found is None:
            return None
        in_order = sorted(found.cells.items(), key=lambda cell: (cell[0][0] or "~", known.rank(cell[0][1])))
        return GradeStatistics(
            month=found.month,
            compared_with=found.earlier_month,
            smallest=SMALLEST,
            cells=[
                StatisticsCell(
                    value=value,
                    name=_name(by, value),
                    grade=grade,
                    count=count,
                    earlier_count=found.earlier_cells.get((value, grade)),
                )
                for (value, grade), count in in_order
            ],
            warnings=[_warning(warned) for warned in found.warnings],
        )

    @strawberry.field(
        description="The indices that a place's parks have published, newest first.", directives=access(ANYONE)
    )
    async def park_indices(self, info: Info, place: Place) -> list[ParkIndex]:
        """The newest 100."""
        state = info.context.state
        rules = state.rulebook.statistics.parks.get(place)
        if rules is None:
            return []
        names = {park.code: park.name for park in rules.parks}
        async with state.database.reading() as connection:
            found = await read_park_indices(connection, place=place)
        return [ParkIndex(name=names.get(one.park, one.park), **one._asdict()) for one in found]

    @strawberry.field(
        description="How often to inspect an enterprise in a field; null where there is no such rule or enterprise.",
        directives=access(STAFF),
    )
    async def inspection_suggestion(
        self,
        info: Info,
        subject_id: Annotated[strawberry.ID, strawberry.argument(description="The enterprise.")],
        field: Annotated[str, strawberry.argument(description="Code of the field, for example advertising.")],
    ) -> InspectionSuggestion | None:
        """That it was asked is kept (《关于进一步加快推进社会信用体系建设的实施方案》大委办发〔2019〕8号 二(二)4)."""
        context, state = info.context, info.context.state
        key, on = key_of(subject_id, "CreditSubject"), day_of(context.now)
        if not 1 <= len(field) <= LONGEST_FIELD:
            raise BadInput(f"field 应为 1 至 {LONGEST_FIELD} 个字符的领域代码。请改正后重试。")
        async with state.database.transaction() as connection:
            principal = await context.principal(connection)
            row = (
                await connection.execute(select(subjects.c.kind, subjects.c.place).where(subjects.c.id == key))
            ).first()
            rules = state.rulebook.inspections.get(row.place) if row and row.kind == "enterprise" else None
            if rules is None:
                return None
            model = state.rulebook.models.get(rules.model, on)
            grade = await _grade(connection, key, model, info)
            suggestion = inspection_percent(rules, grade=grade, field=field, on=on)
            content = {"field": field, "percent": suggestion.percent}
            await audit.record(
                connection,
                at=context.now,
                actor=principal.account,
                action="inspectionSuggestion",
                content=content,
                subject_id=key,
            )
            await note_reading(
                connection,
                subject_id=key,
                reader=principal.account,
                role=principal.role.value,
                action="inspectionSuggestion",
                purpose=f"确定 {field} 领域的抽查频次",
                now=context.now,
            )
        return InspectionSuggestion(percent=suggestion.percent, reason=suggestion.reason)


_DIMENSIONS: dict[StatisticsDimension, Dimension] = {
    StatisticsDimension.REGION: "region",
    StatisticsDimension.INDUSTRY: "industry",
}


def _name(by: StatisticsDimension, value: str | None) -> str | None:
    if value is None:
        return None
    return district_name(value) if by is StatisticsDimension.REGION else INDUSTRIES.get(value)


def _enterprise_model(state: State, place: str, model_id: str, on: date) -> Model:
    book = state.rulebook
    if place not in book.served:
        raise BadInput(f"本部署没有 {place[:40]} 这个地方。请核对 place。")
    try:
        model = book.models.get(model_id, on)
    except UnknownModel as error:
        raise BadInput(error.message) from None
    if model.place not in book.places[place].lineage or model.subject != "enterprise":
        raise BadInput(f"{model_id} 不是适用于该地的企业模型。请核对 model。")
    return model


async def _grade(connection: AsyncConnection, subject_id: int, model: Model, info: Info) -> str | None:
    """The grade that holds now; None for whoever is not enrolled, has none, or whose data is being checked."""
    current = and_(enrollments.c.subject_id == subject_id, enrollments.c.left_at.is_(None))
    if await connection.scalar(select(enrollments.c.subject_id).where(current)) is None:
        return None
    stored: Any = (await connection.execute(select(*SCORE_COLUMNS).where(scores.c.subject_id == subject_id))).all()
    try:
        found = await current_scores(
            connection, subject_id=subject_id, models=[model], stored=stored, now=info.context.now
        )
    except SubjectDataFault:
        return None
    return found[0].grade


def _warning(warned: Warned) -> EarlyWarning:
    rule, source = warned.rule, warned.rule.source
    where = "全部企业" if warned.value is None else warned.value
    return EarlyWarning(
        rule=rule.id,
        value=warned.value,
        message=(
            f"{where}:最低 {rule.lowest_grades} 级的占比 {rule.months} 个月内"
            f"由约 {warned.before}% 升至约 {warned.now}%。请分析原因,及早帮助企业改进。"
        ),
        source=f"{source.title or ''} {source.clause or ''} {source.reason or ''}".strip(),
    )
