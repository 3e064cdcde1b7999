"""Scores in the API: what a subject, and nobody else, sees of an evaluation. One thing to know: a score is read with
its subject; what else is known of the subject is read only where a field asks for it, once in a request."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, TypeVar

import strawberry
from sqlalchemy.ext.asyncio import AsyncConnection

from api.context import Context
from api.grades import Grade, ScoreLine, ScoreModel, ScoreOrigin, grade_of, model_of, points_of
from api.history import ScoreDifference, ScoreHistoryConnection, difference_of, history_page
from api.pagination import After, First
from api.permissions import SUBJECT, access
from api.whatif import WhatIf, WhatIfInput, answer_what_if
from core.clock import day_of
from core.errors import BadInput, ExpectedError
from scoring.headlines import headlines
from scoring.history import Timeline
from scoring.inputs import Inputs, Snapshot, read_snapshots, result_on
from scoring.model import Model
from scoring.scores import SubjectScore, as_result, known_of
from scoring.subjects import SubjectDataFault

T = TypeVar("T")
MOST_EVALUATIONS = 50
"""How often a request may ask about the past and the possible."""


class UnderReview(ExpectedError):
    """The subject's data cannot be read just now; those who look after it have been told."""

    code = "UNDER_REVIEW"


class Known:
    """What is known of one subject: read when first asked for, however many fields ask."""

    def __init__(self, context: Context, subject_id: int, models: Sequence[Model]) -> None:
        self.context, self.subject_id, self.models = context, subject_id, models
        self.today = day_of(context.now)
        self._inputs: asyncio.Future[Inputs] | None = None
        self._snapshots: asyncio.Future[list[Snapshot]] | None = None
        self._timelines: dict[str, Timeline] = {}
        self._evaluations = 0

    def count_evaluation(self) -> None:
        """Note that the past or the possible is asked about once more: each time is up to a year's worth of work.

        Raises:
            BadInput: too often in one request.
        """
        self._evaluations += 1
        if self._evaluations > MOST_EVALUATIONS:
            raise BadInput(f"history、difference、whatIf 在一次请求中合计最多 {MOST_EVALUATIONS} 次。请分几次查询。")

    async def inputs(self) -> Inputs:
        """What scores are made from now."""
        if self._inputs is None:
            self._inputs = asyncio.ensure_future(self._read(known_of))
        return await self._inputs

    async def timeline(self, model: Model) -> Timeline:
        """What it was made from on every day until now."""
        if self._snapshots is None:
            self._snapshots = asyncio.ensure_future(self._read(read_snapshots))
        snapshots = await self._snapshots
        if model.id not in self._timelines:
            self._timelines[model.id] = Timeline(snapshots, self.context.state.rulebook.models, model.id)
        return self._timelines[model.id]

    async def _read(self, read: Callable[[AsyncConnection, int], Awaitable[T]]) -> T:
        async with self.context.state.database.reading() as connection:
            return await read(connection, self.subject_id)


@strawberry.type(description="The result of one model about one subject.", directives=access(SUBJECT))
class Score:
    """For the subject alone."""

    held: strawberry.Private[SubjectScore]
    by: strawberry.Private[Model]
    known: strawberry.Private[Known]
    model: ScoreModel = strawberry.field(description="The model.")
    points: Decimal | None = strawberry.field(description="Points; null where the model has none or could not speak.")
    grade: Grade | None = strawberry.field(description="Grade; null where the model could not speak.")
    benefit_grade: Grade | None = strawberry.field(
        description="The grade that counts for benefits, where it is better than `grade`."
    )
    benefit_grade_reason: str | None = strawberry.field(description="Why that one counts.")
    reason: str | None = strawberry.field(description="Why the model could not speak; it never counts against anybody.")
    lines: list[ScoreLine] = strawberry.field(description="Every rule that contributed.")
    evaluated_at: datetime = strawberry.field(description="When it was made.")
    origin: ScoreOrigin = strawberry.field(description="Computed here, or made elsewhere.")
    issuer: str | None = strawberry.field(description="Who made it, where it was not computed here.")
    result_on: date | None = strawberry.field(description="The day of a result that was not computed here.")
    valid_until: date | None = strawberry.field(
        description="First day on which time alone may change it; null where it never will."
    )

    @strawberry.field(description="At most four sentences that say why, in plain Chinese.")
    async def headlines(self) -> list[str]:
        """The largest contributions up and down."""
        try:
            records = (await self.known.inputs()).records
        except SubjectDataFault:
            records = ()
        return list(headlines(as_result(self.held, self.by), records=records))

    @strawberry.field(
        description="How it came to be what it is, newest first, from the day on which it was first noted."
    )
    async def history(
        self,
        first: First = None,
        after: After = None,
        from_: Annotated[
            date | None, strawberry.argument(name="from", description="First day to look at; from the beginning.")
        ] = None,
        until: Annotated[
            date | None, strawberry.argument(description="First day not to look at any more; up to today.")
        ] = None,
    ) -> ScoreHistoryConnection:
        """Made again from what was known, a page at a time."""
        self.known.count_evaluation()
        timeline = await self.known.timeline(self.by)
        return history_page(timeline, first=first, after=after, since=from_, until=until, today=self.known.today)

    @strawberry.field(description="What changed between two days; null where nothing was known of one of them.")
    async def difference(
        self,
        from_: Annotated[date, strawberry.argument(name="from", description="The earlier day.")],
        to: Annotated[date, strawberry.argument(description="The later day, not after today.")],
    ) -> ScoreDifference | None:
        """Against the same model, each day under its version."""
        self.known.count_evaluation()
        timeline = await self.known.timeline(self.by)
        return difference_of(timeline, since=from_, until=to, today=self.known.today)

    @strawberry.field(description="What it would be, if. Nothing is written.")
    async def what_if(
        self,
        input: Annotated[WhatIfInput, strawberry.argument(description="What is supposed.")],  # noqa: A002
    ) -> WhatIf:
        """By the same rules as the score itself."""
        self.known.count_evaluation()
        models = self.known.context.state.rulebook.models
        try:
            inputs = await self.known.inputs()
            now = result_on(self.by, inputs, on=self.known.today)
            return answer_what_if(inputs, now, input, others=self.known.models, models=models, today=self.known.today)
        except SubjectDataFault:
            raise UnderReview("您的数据正在核对,暂时不能试算。请过些时候再试。") from None


def score_of(score: SubjectScore, model: Model, known: Known) -> Score:
    """A stored score as the subject sees it."""
    ladder = {grade.code: grade for grade in model.grades}
    return Score(
        held=score,
        by=model,
        known=known,
        model=model_of(model),
        points=points_of(score.points),
        grade=grade_of(ladder.get(score.grade or "")),
        benefit_grade=grade_of(ladder.get(score.better_grade or "")),
        benefit_grade_reason=score.better_why,
        reason=score.reason,
        lines=[
            ScoreLine(
                rule=line["rule"],
                label=line["label"],
                points=Decimal(line["points"]).scaleb(-2),
                basis=line["basis"],
                records=list(line["records"]),
            )
            for line in score.lines
        ],
        evaluated_at=score.evaluated_at,
        origin=ScoreOrigin(score.origin),
        issuer=score.issuer,
        result_on=score.result_on,
        valid_until=score.valid_until,
    )
