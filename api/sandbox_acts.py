"""What partners can do in the sandbox and nowhere else: codes and test events with faults on demand, their own clock,
the person's part of an order, another receipt key. One thing to know: on the live endpoint each of these answers
`SANDBOX_ONLY`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import strawberry
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from api.context import Context, Info
from api.errors import Problem
from api.ids import public_id, uuid_of
from api.mutations import mutation
from api.orders import Order, shown_order
from api.permissions import PARTNER, access
from api.sandbox_state import SandboxState
from core.errors import ExpectedError, Forbidden, Unavailable
from partners.accounts import find_principal
from partners.orders.acts import act_as_holder
from partners.orders.tables import orders
from partners.orders.workflow import OrderAction, Side
from partners.sandbox import clock, exercises, faults
from partners.sandbox.deliveries import WebhookFault, rehearse
from partners.sandbox.personas import Persona
from partners.sandbox.synthetic import Role

_PERSONAS = {
    Persona.BENEFIT: "The benefit applies.",
    Persona.STANDARD: "Takes part, and does not reach the grade.",
    Persona.NOT_ENROLLED: "Does not take part.",
    Persona.MINOR: "Is under age.",
    Persona.NO_CONSENT: "Has taken the consent back.",
    Persona.DATA_FAULT: "Has a fault in the data kept about it.",
    Persona.LIMIT_REACHED: "Has had its share of the offer.",
    Persona.ENTERPRISE: "An enterprise to which the benefit applies.",
}
_FAULTS = {
    faults.Fault.NONE: "A good code.",
    faults.Fault.EXPIRED: "Past its minute.",
    faults.Fault.REPLAYED: "Has decided before.",
    faults.Fault.FORGED: "Changed by somebody.",
    faults.Fault.OTHER_OFFER: "Bound to another offer.",
    faults.Fault.UNAVAILABLE: "The first time it is scanned the system is not available.",
    faults.Fault.SLOW: "The first answer takes six seconds.",
    faults.Fault.QUOTA_EXHAUSTED: "Nothing is left of the offer.",
}
_ROLES = {
    Role.MAIN: "For whatever has no offer of its own here.",
    Role.ENTERPRISE: "For enterprises.",
    Role.LAST_ONE: "Has one unit of quota.",
    Role.EXHAUSTED: "Has none left.",
    Role.CLOSED: "Has ended.",
    Role.CLOSES_SOON: "Ends thirty days after the partner came.",
    Role.LIMITED: "Once for each person.",
    Role.PAY_LATER: "Treat first, pay later.",
}


_WEBHOOK_FAULTS = {
    WebhookFault.NONE: "Comes as it should.",
    WebhookFault.LATE: "Held back for some seconds; test events rehearsed after it wait for it.",
    WebhookFault.TWICE: "Comes twice under one id.",
    WebhookFault.FORGED: "Comes once, under signatures that are not ours.",
}


def _declare(kind: Any, *, name: str, description: str, words: dict[Any, str]) -> None:
    """Make an enum one of the schema, with words for each value."""
    declared = strawberry.enum(kind, name=name, description=description)
    for value in declared.__strawberry_definition__.values:
        value.description = words[kind(value.value)]


_declare(Persona, name="SandboxPersona", description="Who shows the code.", words=_PERSONAS)
_declare(faults.Fault, name="SandboxFault", description="What goes wrong.", words=_FAULTS)
_declare(Role, name="SandboxOfferRole", description="What an offer is there to show.", words=_ROLES)
_declare(WebhookFault, name="SandboxWebhookFault", description="How a test event comes.", words=_WEBHOOK_FAULTS)


class SandboxOnly(ExpectedError):
    """This is the live endpoint."""

    code = "SANDBOX_ONLY"

    def __init__(self) -> None:
        super().__init__("这项操作只在沙箱里有。请改向 /sandbox/graphql 提交,并用沙箱的令牌。")


@strawberry.type(description="A code of a synthetic person.", directives=access(PARTNER))
class SandboxCode:
    """Result of `sandboxCode`."""

    token: str = strawberry.field(description="Scan this.")
    expires_at: datetime = strawberry.field(description="When it runs out.")
    offer_id: strawberry.ID = strawberry.field(description="At which offer it does what was asked for.")


@strawberry.type(description="A partner's own time in the sandbox.", directives=access(PARTNER))
class SandboxTime:
    """Result of `moveSandboxClock` and `resetSandboxClock`."""

    now: datetime = strawberry.field(description="What time it is for this partner.")
    ahead_seconds: int = strawberry.field(description="How far that is ahead.")


@strawberry.type(description="A test event on its way.", directives=access(PARTNER))
class RehearsedWebhook:
    """Result of `rehearseWebhook`."""

    event_id: strawberry.ID = strawberry.field(description="Its webhook-id, as in the log.")
    deliveries: int = strawberry.field(description="How many deliveries there will be, to all endpoints together.")


@strawberry.type(description="The sandbox's receipt key.", directives=access(PARTNER))
class SandboxKey:
    """Result of `changeSandboxKey`."""

    kid: str = strawberry.field(description="The `kid` of receipts from now on; look it up in the sandbox's jwks.json.")
    changed_at: datetime = strawberry.field(description="When it was changed.")


@strawberry.input(description="Whose code, and what goes wrong with it.")
class SandboxCodeInput:
    """For `sandboxCode`."""

    persona: Persona = strawberry.field(default=Persona.BENEFIT, description="Who.")
    fault: faults.Fault = strawberry.field(default=faults.Fault.NONE, description="What.")


@strawberry.input(description="How far.")
class MoveSandboxClockInput:
    """For `moveSandboxClock`."""

    seconds: int = strawberry.field(description="Forward; 400 days in all at most.")


@strawberry.input(description="Nothing to say.")
class ResetSandboxClockInput:
    """For `resetSandboxClock`."""

    confirm: bool = strawberry.field(default=True, description="Leave it as it is.")


@strawberry.input(description="Which order.")
class ConfirmSandboxOrderInput:
    """For `confirmSandboxOrder`."""

    order_id: strawberry.ID = strawberry.field(description="The order.")


@strawberry.input(description="How a test event is to come.")
class RehearseWebhookInput:
    """For `rehearseWebhook`."""

    fault: WebhookFault = strawberry.field(default=WebhookFault.NONE, description="What goes wrong.")
    seconds: int = strawberry.field(default=10, description="How long a late one is held back: 1 to 30.")


@strawberry.input(description="Nothing to say.")
class ChangeSandboxKeyInput:
    """For `changeSandboxKey`."""

    confirm: bool = strawberry.field(default=True, description="Leave it as it is.")


SandboxCodeResult = Annotated[
    SandboxCode | Problem, strawberry.union("SandboxCodeResult", description="A code, or why not.")
]
MoveSandboxClockResult = Annotated[
    SandboxTime | Problem, strawberry.union("MoveSandboxClockResult", description="The time, or why not.")
]
ResetSandboxClockResult = Annotated[
    SandboxTime | Problem, strawberry.union("ResetSandboxClockResult", description="The time, or why not.")
]
ConfirmSandboxOrderResult = Annotated[
    Order | Problem, strawberry.union("ConfirmSandboxOrderResult", description="The order, or why not.")
]
RehearseWebhookResult = Annotated[
    RehearsedWebhook | Problem, strawberry.union("RehearseWebhookResult", description="The event, or why not.")
]
ChangeSandboxKeyResult = Annotated[
    SandboxKey | Problem, strawberry.union("ChangeSandboxKeyResult", description="The key, or why not.")
]


@dataclass(frozen=True, slots=True)
class Desk:
    """A partner in the sandbox."""

    state: SandboxState
    account: str
    partner_id: int
    now: datetime
    """The real time: a run's day does not pass sooner, and a key does not end, because a clock was moved."""

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        async with self.state.database.transaction() as connection:
            yield connection


async def desk_of(context: Context) -> Desk:
    """Whoever is asking, at the real time.

    Raises:
        SandboxOnly: this is not the sandbox.
        Unauthenticated, Forbidden: nobody who acts for a partner.
    """
    if context.state.rehearsal is None:
        raise SandboxOnly
    state: Any = context.state
    now, claims = state.clock.real(), context.signed_in()
    async with state.database.reading() as connection:
        found = await find_principal(connection, account=claims.account, role=claims.role, now=now)
    if found.partner_id is None:
        raise Forbidden
    return Desk(state, found.account, found.partner_id, now)


@strawberry.type
class SandboxMutations:
    """The sandbox's own acts."""

    @mutation(description="Sandbox: a code of a synthetic person, with a fault on demand.", to=PARTNER)
    async def sandbox_code(self, info: Info, input: SandboxCodeInput) -> SandboxCodeResult:  # noqa: A002
        """At the partner's own time, so that it can be scanned at once."""
        desk = await desk_of(info.context)
        async with desk.transaction() as connection:
            code = await faults.sandbox_code(
                connection, partner_id=desk.partner_id, persona=input.persona, fault=input.fault, now=info.context.now
            )
        return SandboxCode(
            token=code.token, expires_at=code.expires_at, offer_id=strawberry.ID(public_id("Offer", code.offer_id))
        )

    @mutation(description="Sandbox: move the partner's own clock on.", to=PARTNER)
    async def move_sandbox_clock(self, info: Info, input: MoveSandboxClockInput) -> MoveSandboxClockResult:  # noqa: A002
        """From the next request on."""
        desk = await desk_of(info.context)
        async with desk.transaction() as connection:
            ahead = await clock.move_clock(connection, partner_id=desk.partner_id, seconds=input.seconds)
        return SandboxTime(now=desk.now + ahead, ahead_seconds=int(ahead.total_seconds()))

    @mutation(description="Sandbox: set the partner's own clock back to the present.", to=PARTNER)
    async def reset_sandbox_clock(self, info: Info, input: ResetSandboxClockInput) -> ResetSandboxClockResult:  # noqa: A002
        """From the next request on."""
        desk = await desk_of(info.context)
        async with desk.transaction() as connection:
            await clock.reset_clock(connection, partner_id=desk.partner_id)
        return SandboxTime(now=desk.now, ahead_seconds=0)

    @mutation(description="Sandbox: let the synthetic person confirm a pay-later order.", to=PARTNER)
    async def confirm_sandbox_order(self, info: Info, input: ConfirmSandboxOrderInput) -> ConfirmSandboxOrderResult:  # noqa: A002
        """What the person does on its phone."""
        desk, order_id = await desk_of(info.context), uuid_of(input.order_id, "Order")
        async with desk.transaction() as connection:
            mine = select(orders.c.subject_id).where(orders.c.id == order_id, orders.c.partner_id == desk.partner_id)
            order = await act_as_holder(
                connection,
                account="sandbox",
                subject_id=await connection.scalar(mine) or 0,
                order_id=order_id,
                action=OrderAction.CONFIRM,
                now=info.context.now,
            )
            known = await desk.state.current_catalogue(connection)
        return shown_order(order, Side.PARTNER, known, [])

    @mutation(description="Sandbox: have a test event sent to the partner's endpoints, with a fault.", to=PARTNER)
    async def rehearse_webhook(self, info: Info, input: RehearseWebhookInput) -> RehearseWebhookResult:  # noqa: A002
        """It goes out with the next pass, within seconds."""
        desk = await desk_of(info.context)
        async with desk.transaction() as connection:
            event_id, sent = await rehearse(
                connection,
                partner_id=desk.partner_id,
                actor=desk.account,
                fault=input.fault,
                seconds=input.seconds,
                happened_at=info.context.now,
                now=desk.now,
            )
        return RehearsedWebhook(event_id=strawberry.ID(str(event_id)), deliveries=sent)

    @mutation(description="Sandbox: change the receipt key, for all partners, now.", to=PARTNER)
    async def change_sandbox_key(self, info: Info, input: ChangeSandboxKeyInput) -> ChangeSandboxKeyResult:  # noqa: A002
        """The former one stays in jwks.json. Other processes follow within a second."""
        desk = await desk_of(info.context)
        keys = desk.state.keys
        before = keys.active("receipt").kid
        async with desk.transaction() as connection:
            await exercises.note_key_change(connection, partner_id=desk.partner_id, actor=desk.account, now=desk.now)
        kid = await exercises.change_receipt_key(keys, older_than=0)
        if kid == before:  # the file cannot be written
            raise Unavailable
        return SandboxKey(kid=kid, changed_at=desk.now)
