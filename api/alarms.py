"""Alarms, for those who look after the alliance. One thing to know: an alarm stays, and what was done about it is
written beside it."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Annotated, Any

import orjson
import strawberry

from api.context import Info
from api.errors import Problem
from api.ids import public_id, uuid_of
from api.memberships import OVERSEERS
from api.mutations import mutation
from api.pagination import After, First, PageInfo, cursor_of, id_after, page_info, page_size
from api.permissions import STAFF, access
from api.verification import checked_text
from core.errors import BadInput
from core.identifiers import mask_text
from partners.alarms import Alarm as Found
from partners.alarms import AlarmState, handle_alarm, list_alarms

LONGEST_REASON, MOST_KINDS = 500, 50


@strawberry.enum(description="What one may say of an alarm.")
class AlarmStep(Enum):
    """States that a step leads to."""

    SEEN = strawberry.enum_value("SEEN", description="Somebody is looking after it.")
    CLOSED = strawberry.enum_value("CLOSED", description="Nothing is left to do.")


_state: Any = strawberry.enum(AlarmState, description="What has been done about an alarm.")
for _value, _text in zip(
    _state.__strawberry_definition__.values,
    ("Nobody has looked at it.", "Somebody is looking after it.", "Nothing is left to do."),
    strict=True,
):
    _value.description = _text


@strawberry.type(description="What was done about an alarm.", directives=access(OVERSEERS))
class AlarmAction:
    """One step."""

    state: AlarmState = strawberry.field(description="The state after it.")
    actor: str = strawberry.field(description="The account that did it.")
    at: datetime = strawberry.field(description="When.")
    remark: str = strawberry.field(description="What was done, and why.")


@strawberry.type(description="Something that somebody should look at.", directives=access(OVERSEERS))
class Alarm:
    """It names no person."""

    id: strawberry.ID = strawberry.field(description="Opaque id.")
    at: datetime = strawberry.field(description="When it was raised.")
    kind: str = strawberry.field(description="Stable code: STOLEN_KEY, SIGN_IN_LOCKED, KEY_EXPIRING …")
    partner_id: strawberry.ID | None = strawberry.field(description="The partner concerned, where there is one.")
    detail: str = strawberry.field(description="What is known, as JSON.")
    state: AlarmState = strawberry.field(description="What has been done about it.")
    actions: list[AlarmAction] = strawberry.field(description="Step by step, oldest first.")


@strawberry.type(description="An alarm in a page (Relay).", directives=access(OVERSEERS))
class AlarmEdge:
    """Relay's edge."""

    cursor: str = strawberry.field(description="Give it as `after` to go on from here.")
    node: Alarm = strawberry.field(description="The alarm.")


@strawberry.type(description="A page of alarms, newest first (Relay).", directives=access(OVERSEERS))
class AlarmConnection:
    """Relay's connection."""

    edges: list[AlarmEdge] = strawberry.field(description="The page.")
    page_info: PageInfo = strawberry.field(description="Where the page stands.")


@strawberry.input(description="What was done about an alarm.")
class HandleAlarmInput:
    """For `handleAlarm`."""

    alarm_id: strawberry.ID = strawberry.field(description="The alarm.")
    state: AlarmStep = strawberry.field(description="What to note.")
    reason: str = strawberry.field(description=f"What was done, and why, in 1 to {LONGEST_REASON} characters.")


HandleAlarmResult = Annotated[
    Alarm | Problem, strawberry.union("HandleAlarmResult", description="The alarm, or why not.")
]
StateGiven = Annotated[AlarmState | None, strawberry.argument(description="In this state alone.")]
KindsGiven = Annotated[list[str] | None, strawberry.argument(description="Of these kinds alone.")]


@strawberry.type
class AlarmQueries:
    """What should be looked at."""

    @strawberry.field(description="Alarms, newest first.", directives=access(OVERSEERS))
    async def alarms(
        self,
        info: Info,
        state: StateGiven = None,
        kinds: KindsGiven = None,
        first: First = None,
        after: After = None,
    ) -> AlarmConnection:
        """A page of them."""
        context, size = info.context, page_size(first)
        if len(kinds or ()) > MOST_KINDS:
            raise BadInput(f"kinds 最多 {MOST_KINDS} 项。请删减。")
        async with context.state.database.reading() as connection:
            await context.principal(connection)
            found = await list_alarms(connection, state=state, kinds=kinds or (), before=id_after(after), size=size + 1)
        edges = [AlarmEdge(cursor=cursor_of(one.event.id), node=_shown(one)) for one in found[:size]]
        where = page_info([edge.cursor for edge in edges], more=len(found) > size, after=after)
        return AlarmConnection(edges=edges, page_info=where)


@strawberry.type
class AlarmMutations:
    """What is done about them."""

    @mutation(description="Note that an alarm was seen, or is closed.", to=STAFF)
    async def handle_alarm(self, info: Info, input: HandleAlarmInput) -> HandleAlarmResult:  # noqa: A002
        """Onward only."""
        context = info.context
        reason = checked_text("reason", input.reason, LONGEST_REASON)
        async with context.state.database.transaction() as connection:
            principal = await context.principal(connection)
            found = await handle_alarm(
                connection,
                uuid_of(input.alarm_id, "Alarm"),
                state=AlarmState(input.state.name),
                actor=principal.account,
                reason=reason,
                now=context.now,
            )
        return _shown(found)


def _shown(found: Found) -> Alarm:
    event = found.event
    return Alarm(
        id=strawberry.ID(public_id("Alarm", event.id)),
        at=event.at,
        kind=event.kind,
        partner_id=None if event.partner_id is None else strawberry.ID(public_id("Partner", event.partner_id)),
        detail=mask_text(orjson.dumps(event.detail, option=orjson.OPT_SORT_KEYS).decode()),
        state=found.state,
        actions=[
            AlarmAction(state=AlarmState(step.state), actor=step.actor, at=step.at, remark=step.reason)
            for step in found.steps
        ],
    )
