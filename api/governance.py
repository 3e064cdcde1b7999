"""Operators' and reviewers' work on score models: drafting, simulating, reviewing, publishing, rolling back. One thing
to know: nothing here is about a person; simulations count people in tens, and the page comes by command line."""

from __future__ import annotations

from datetime import date, datetime
from enum import Enum
from typing import Annotated, Any

import orjson
import strawberry
from sqlalchemy import Row, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from api.context import Info
from api.errors import Problem
from api.models import PublicScoreModel, model_of
from api.mutations import mutation
from api.pagination import After, First, PageInfo, cursor_of, key_after, page_info, page_size
from api.permissions import OPERATOR, STAFF, Audience, access
from api.verification import checked_text
from core.errors import BadInput
from partners.model_changes import publish_model, roll_back_model, run_version
from scoring.life.governance import (
    Act,
    BadModel,
    State,
    draft_version,
    drafted_model,
    retire_version,
    review_version,
    steps_of,
)
from scoring.life.publication import sign_disparity
from scoring.life.texts import text_of
from scoring.tables import model_steps, model_versions

MOST_SUBJECTS = 200_000
"""Subjects that one request simulates; more is work for the command line."""
LONGEST_CONTENT, LONGEST_REASON = 200_000, 500
READERS = (*STAFF, Audience.AUDITOR)


@strawberry.enum(description="Where a version stands: DRAFT → SIMULATED → REVIEWED → SHADOW → PUBLISHED → RETIRED.")
class ModelState(Enum):
    """`scoring.life.governance.State`, described."""

    DRAFT = strawberry.enum_value(State.DRAFT.value, description="Drafted, or drafted anew.")
    SIMULATED = strawberry.enum_value(State.SIMULATED.value, description="This content was simulated.")
    REVIEWED = strawberry.enum_value(State.REVIEWED.value, description="Somebody else has reviewed the simulation.")
    SHADOW = strawberry.enum_value(State.SHADOW.value, description="It was run beside the version in force.")
    PUBLISHED = strawberry.enum_value(State.PUBLISHED.value, description="In force by its days.")
    RETIRED = strawberry.enum_value(State.RETIRED.value, description="Withdrawn, rolled back, or followed by another.")


@strawberry.type(description="Something done with a version of a model; never changed.", directives=access(READERS))
class ModelStep:
    """One append-only step."""

    step: int = strawberry.field(description="Counts up from 1.")
    act: str = strawberry.field(
        description="draft, simulate, review, shadow, sign-disparity, publish, roll-back, retire."
    )
    state: ModelState = strawberry.field(description="Where the version stood afterwards.")
    actor: str = strawberry.field(description="The account that did it.")
    at: datetime = strawberry.field(description="When.")
    reason: str = strawberry.field(description="Why, in the actor's words.")
    checksum: str = strawberry.field(description="SHA-256 of the content that the act was about.")
    evidence: str = strawberry.field(
        description="JSON: a run's numbers and its report's SHA-256, a day, what was signed."
    )


@strawberry.type(description="A version of a model that was drafted here.", directives=access(READERS))
class ModelVersion:
    """With everything done to it."""

    model: str = strawberry.field(description="The model's stable name.")
    version: str = strawberry.field(description="Its version.")
    place: str = strawberry.field(description="Folder name of its place.")
    state: ModelState = strawberry.field(description="Where it stands.")
    checksum: str = strawberry.field(description="SHA-256 of its content and of what it is built on.")
    content: str = strawberry.field(description="The YAML exactly as drafted.")
    cases: str = strawberry.field(description="The YAML of its table of cases.")
    drafted_by: str = strawberry.field(description="The account that drafted this content.")
    drafted_at: datetime = strawberry.field(description="When.")
    in_force_from: date | None = strawberry.field(description="First day, once published.")
    in_force_until: date | None = strawberry.field(description="First day on which it was rolled back.")
    steps: list[ModelStep] = strawberry.field(description="What was done with it, oldest first.")

    @strawberry.field(description="Its rules in plain words; null where it no longer passes the checks.")
    async def told(self, info: Info) -> PublicScoreModel | None:
        """As anyone will read it once it is published."""
        state = info.context.state
        try:
            return model_of(drafted_model(self, models=state.rulebook.models, places=state.rulebook.places))
        except BadModel:
            return None


@strawberry.type(description="The files of a version of a model.", directives=access(READERS))
class ModelText:
    """Exactly as they were written."""

    content: str = strawberry.field(description="The model's YAML.")
    cases: str = strawberry.field(description="The YAML of its table of cases.")


@strawberry.type(description="A version in a page (Relay).", directives=access(READERS))
class ModelVersionEdge:
    """Relay's edge."""

    cursor: str = strawberry.field(description="Give it as `after` to go on from here.")
    node: ModelVersion = strawberry.field(description="The version.")


@strawberry.type(description="A page of versions, by model and version (Relay).", directives=access(READERS))
class ModelVersionConnection:
    """Relay's connection."""

    edges: list[ModelVersionEdge] = strawberry.field(description="The page.")
    page_info: PageInfo = strawberry.field(description="Where the page stands.")


@strawberry.input(description="A version of a model, drafted or drafted anew.")
class DraftScoreModelInput:
    """For `draftScoreModel`."""

    content: str = strawberry.field(description="The model's YAML, as in docs/models.md.")
    cases: str = strawberry.field(description="Its table of cases: all pass, and every grade is reached.")
    place: str | None = strawberry.field(default=None, description="Folder name of its place, for a new model.")
    reason: str = strawberry.field(default="", description="Why.")


@strawberry.input(description="Which version.")
class _VersionInput:
    model: str = strawberry.field(description="The model's stable name.")
    version: str = strawberry.field(description="The version.")
    reason: str = strawberry.field(default="", description="Why.")


@strawberry.input(description="Which version to simulate over this deployment's people.")
class SimulateScoreModelInput(_VersionInput):
    """For `simulateScoreModel`."""


@strawberry.input(description="Which simulation to approve.")
class ReviewScoreModelInput(_VersionInput):
    """For `reviewScoreModel`."""


@strawberry.input(description="Which version to run beside the one in force.")
class ShadowScoreModelInput(_VersionInput):
    """For `shadowScoreModel`."""


@strawberry.input(description="Which version to publish, and from which day.")
class PublishScoreModelInput(_VersionInput):
    """For `publishScoreModel`."""

    in_force_from: date | None = strawberry.field(default=None, description="First day; left out: tomorrow.")


@strawberry.input(description="Which version to withdraw, or to close the book on.")
class RetireScoreModelInput(_VersionInput):
    """For `retireScoreModel`."""


@strawberry.input(description="Why the unequal shares of the newest run are right.")
class SignDisparityInput(_VersionInput):
    """For `signDisparity`; the reason has at least 20 characters."""


@strawberry.input(description="Of which model to end the newest published version.")
class RollBackScoreModelInput:
    """For `rollBackScoreModel`."""

    model: str = strawberry.field(description="The model's stable name.")
    reason: str = strawberry.field(description="Why.")


def _union(name: str, what: str) -> Any:
    return strawberry.union(name, description=f"{what}, or why not.")


DraftScoreModelResult = Annotated[ModelVersion | Problem, _union("DraftScoreModelResult", "The version drafted")]
SimulateScoreModelResult = Annotated[ModelVersion | Problem, _union("SimulateScoreModelResult", "The version run")]
ReviewScoreModelResult = Annotated[ModelVersion | Problem, _union("ReviewScoreModelResult", "The version reviewed")]
ShadowScoreModelResult = Annotated[ModelVersion | Problem, _union("ShadowScoreModelResult", "The version run")]
PublishScoreModelResult = Annotated[ModelVersion | Problem, _union("PublishScoreModelResult", "The version published")]
RollBackScoreModelResult = Annotated[ModelVersion | Problem, _union("RollBackScoreModelResult", "The version ended")]
RetireScoreModelResult = Annotated[ModelVersion | Problem, _union("RetireScoreModelResult", "The version retired")]
SignDisparityResult = Annotated[ModelVersion | Problem, _union("SignDisparityResult", "The version signed for")]


async def _act(info: Info, connection: AsyncConnection, given: _VersionInput) -> Act:
    context = info.context
    principal = await context.principal(connection)
    return Act(principal.account, given.model, given.version, context.now, _reason(given.reason))


def _reason(text: str) -> str:
    return checked_text("reason", text, LONGEST_REASON) if text else ""


async def _told(connection: AsyncConnection, row: Row[Any]) -> ModelVersion:
    return _version_of(row, list(await steps_of(connection, row.model, row.version)))


def _version_of(row: Row[Any], steps: list[Row[Any]]) -> ModelVersion:
    return ModelVersion(
        model=row.model,
        version=row.version,
        place=row.place,
        state=ModelState(row.state),
        checksum=row.checksum,
        content=row.content,
        cases=row.cases,
        drafted_by=row.drafted_by,
        drafted_at=row.drafted_at,
        in_force_from=row.in_force_from,
        in_force_until=row.in_force_until,
        steps=[
            ModelStep(
                step=one.step,
                act=one.act,
                state=ModelState(one.state),
                actor=one.actor,
                at=one.at,
                reason=one.reason,
                checksum=one.checksum,
                evidence=orjson.dumps(one.evidence, option=orjson.OPT_SORT_KEYS).decode(),
            )
            for one in steps
        ],
    )


@strawberry.type
class GovernanceQueries:
    """Versions and their steps, for those who work on them and those who look on."""

    @strawberry.field(description="Versions drafted here, in one state where given.", directives=access(READERS))
    async def model_versions(  # noqa: PLR0917  # the arguments of a field
        self,
        info: Info,
        state: Annotated[ModelState | None, strawberry.argument(description="Those in this state alone.")] = None,
        first: First = None,
        after: After = None,
        model: Annotated[str | None, strawberry.argument(description="Those of this model alone.")] = None,
        version: Annotated[str | None, strawberry.argument(description="Those of this version alone.")] = None,
    ) -> ModelVersionConnection:
        """By model and version."""
        table, size = model_versions.c, page_size(first)
        statement = select(model_versions).order_by(table.model, table.version).limit(size + 1)
        if state is not None:
            statement = statement.where(table.state == state.value)
        if model is not None:
            statement = statement.where(table.model == model)
        if version is not None:
            statement = statement.where(table.version == version)
        if (key := key_after(after)) is not None:
            model, separator, version = key.partition("/")
            if not separator:
                raise BadInput("after 不是有效的游标。请原样使用上一页的 endCursor。")
            statement = statement.where(tuple_(table.model, table.version) > tuple_(model, version))
        async with info.context.state.database.reading() as connection:
            await info.context.principal(connection)
            found = (await connection.execute(statement)).all()
            wanted = tuple_(model_steps.c.model, model_steps.c.version)
            keys = [(row.model, row.version) for row in found[:size]]
            done = select(model_steps).where(wanted.in_(keys)).order_by(model_steps.c.step)
            steps: dict[tuple[str, str], list[Row[Any]]] = {key: [] for key in keys}
            for step in (await connection.execute(done)).all() if keys else ():
                steps[step.model, step.version].append(step)
        edges = [
            ModelVersionEdge(
                cursor=cursor_of(f"{row.model}/{row.version}"), node=_version_of(row, steps[row.model, row.version])
            )
            for row in found[:size]
        ]
        info_ = page_info([edge.cursor for edge in edges], more=len(found) > size, after=after)
        return ModelVersionConnection(edges=edges, page_info=info_)

    @strawberry.field(
        description="The files of a version, to draft another from; null where there is none.",
        directives=access(READERS),
    )
    async def score_model_text(
        self,
        info: Info,
        model: Annotated[str, strawberry.argument(description="The model's stable name.")],
        version: Annotated[str, strawberry.argument(description="The version.")],
    ) -> ModelText | None:
        """As drafted here, or as it came with this deployment."""
        async with info.context.state.database.reading() as connection:
            await info.context.principal(connection)
            found = await text_of(connection, info.context.state.rulebook.founding, model=model, version=version)
        return None if found is None else ModelText(content=found.content, cases=found.cases)


@strawberry.type
class GovernanceMutations:
    """Two different people, and no publishing without a simulation of exactly this content."""

    @mutation(description="Draft a version of a model; what breaks a check is not kept.", to=OPERATOR)
    async def draft_score_model(self, info: Info, input: DraftScoreModelInput) -> DraftScoreModelResult:  # noqa: A002
        """New content puts the version back to DRAFT."""
        context, state = info.context, info.context.state
        for name, text in (("content", input.content), ("cases", input.cases)):
            if not 1 <= len(text) <= LONGEST_CONTENT or "\0" in text:
                raise BadInput(f"{name} 须为 1 到 {LONGEST_CONTENT} 个字符的文本。请核对后重试。")
        async with state.database.transaction() as connection:
            principal = await context.principal(connection)
            book = (await state.current_catalogue(connection)).rulebook
            row = await draft_version(
                connection,
                actor=principal.account,
                content=input.content,
                cases=input.cases,
                place=input.place,
                models=book.models,
                places=book.places,
                reason=_reason(input.reason),
                now=context.now,
            )
            return await _told(connection, row)

    @mutation(description="Simulate a version over the people of this deployment. Touches nobody.", to=STAFF)
    async def simulate_score_model(
        self,
        info: Info,
        input: SimulateScoreModelInput,  # noqa: A002
    ) -> SimulateScoreModelResult:
        """In a thread beside the requests; more than 200,000 subjects is work for the command line."""
        return await _run(info, input, State.SIMULATED)

    @mutation(description="Approve a simulation; by somebody who did not draft the version.", to=STAFF)
    async def review_score_model(self, info: Info, input: ReviewScoreModelInput) -> ReviewScoreModelResult:  # noqa: A002
        """Two different people."""
        async with info.context.state.database.transaction() as connection:
            row = await review_version(connection, await _act(info, connection, input))
            return await _told(connection, row)

    @mutation(description="Run a reviewed version beside the one in force. Touches nobody.", to=STAFF)
    async def shadow_score_model(self, info: Info, input: ShadowScoreModelInput) -> ShadowScoreModelResult:  # noqa: A002
        """With the people as they are now; may be run again."""
        return await _run(info, input, State.SHADOW)

    @mutation(description="Publish a version; it begins by itself on its day.", to=STAFF)
    async def publish_score_model(self, info: Info, input: PublishScoreModelInput) -> PublishScoreModelResult:  # noqa: A002
        """By somebody who did not draft it."""
        state = info.context.state
        async with state.database.transaction() as connection:
            act = await _act(info, connection, input)
            row = await publish_model(connection, state.rulebook, act, in_force_from=input.in_force_from)
            return await _told(connection, row)

    @mutation(description="End the newest published version as of today; the one before holds again.", to=STAFF)
    async def roll_back_score_model(
        self,
        info: Info,
        input: RollBackScoreModelInput,  # noqa: A002
    ) -> RollBackScoreModelResult:
        """One act, by one person: it has to be quick."""
        context, state = info.context, info.context.state
        async with state.database.transaction() as connection:
            principal = await context.principal(connection)
            row = await roll_back_model(
                connection,
                state.rulebook,
                actor=principal.account,
                model=input.model,
                reason=checked_text("reason", input.reason, LONGEST_REASON),
                now=context.now,
            )
            return await _told(connection, row)

    @mutation(description="Withdraw a version before it is published, or retire one that was followed.", to=STAFF)
    async def retire_score_model(self, info: Info, input: RetireScoreModelInput) -> RetireScoreModelResult:  # noqa: A002
        """One in force is rolled back instead."""
        state = info.context.state
        async with state.database.transaction() as connection:
            act = await _act(info, connection, input)
            book = (await state.current_catalogue(connection)).rulebook
            return await _told(connection, await retire_version(connection, act, models=book.models))

    @mutation(description="Sign, by name, why the unequal shares of the newest run are right.", to=STAFF)
    async def sign_disparity(self, info: Info, input: SignDisparityInput) -> SignDisparityResult:  # noqa: A002
        """By somebody who did not draft the version."""
        async with info.context.state.database.transaction() as connection:
            row = await sign_disparity(connection, await _act(info, connection, input))
            return await _told(connection, row)


async def _run(info: Info, given: _VersionInput, to: State) -> ModelVersion:
    state = info.context.state
    async with state.database.reading() as connection:
        act = await _act(info, connection, given)
    row = await run_version(state.database, state.rulebook, act, to=to, most=MOST_SUBJECTS)
    async with state.database.reading() as connection:
        return await _told(connection, row)
