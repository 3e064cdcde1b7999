"""Partners' keys: registering, revoking, reporting one as stolen. One thing to know: a representative deals with its
own partner's keys; an operator helps whoever has lost the desk's, and an alarm says that it did."""

from __future__ import annotations

import logging
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Annotated

import strawberry

from api.context import Info, State
from api.errors import Problem
from api.ids import public_id, uuid_of
from api.jobs.background import repeating
from api.memberships import OVERSEERS, PartnerKey, key_shown
from api.mutations import mutation
from api.onboarding import act_of, check_live_side, longest_key, partner_meant
from api.pagination import After, First, PageInfo, cursor_of, id_after, page_info, page_size
from api.permissions import OPERATOR, REPRESENTATIVE, STAFF, access
from api.scalars import Fen
from api.verification import checked_text
from core.errors import Forbidden
from partners.accounts import Role
from partners.alarms import raise_alarm
from partners.onboarding.expiry import tell_of_expiring_keys
from partners.onboarding.keys import KeyUse, UnknownKey, find_key, read_public_key, register_key, revoke_key
from partners.onboarding.theft import doubtful_redemptions, report_stolen_key
from partners.onboarding.workflow import hold_partner
from partners.sandbox.admission import admit, wanting_in

HOLDERS = (*REPRESENTATIVE, *OPERATOR)
LONGEST_REASON = 500
A_DAY = 86_400
log = logging.getLogger("xinyi.partner-keys")


@strawberry.type(description="What a stolen key had done, and what was undone.", directives=access(HOLDERS))
class StolenKeyReport:
    """Result of `reportStolenKey`."""

    key: PartnerKey = strawberry.field(description="The key, at an end.")
    keys_revoked: int = strawberry.field(description="Keys that ended: this one, and those registered with it since.")
    verifications_voided: int = strawberry.field(description="Verifications that are void now.")
    redeemed: int = strawberry.field(description="Of these, redeemed before; see `doubtfulRedemptions`.")
    subjects_told: int = strawberry.field(description="Subjects who found a notice in their inbox.")


@strawberry.type(
    description="A redemption of what a stolen key verified.", directives=access(REPRESENTATIVE, OVERSEERS)
)
class DoubtfulRedemption:
    """It stays; somebody has to look at it."""

    id: strawberry.ID = strawberry.field(description="Id of the redemption.")
    offer_id: strawberry.ID = strawberry.field(description="Of which offer.")
    redeemed_at: datetime = strawberry.field(description="When.")
    amount_fen: Fen | None = strawberry.field(description="Amount in 分, where there is one.")
    reversed_at: datetime | None = strawberry.field(description="When it was taken back, if it was.")


@strawberry.type(description="A redemption in a page (Relay).", directives=access(REPRESENTATIVE, OVERSEERS))
class DoubtfulRedemptionEdge:
    """Relay's edge."""

    cursor: str = strawberry.field(description="Give it as `after` to go on from here.")
    node: DoubtfulRedemption = strawberry.field(description="The redemption.")


@strawberry.type(description="A page of redemptions (Relay).", directives=access(REPRESENTATIVE, OVERSEERS))
class DoubtfulRedemptionConnection:
    """Relay's connection."""

    edges: list[DoubtfulRedemptionEdge] = strawberry.field(description="The page.")
    page_info: PageInfo = strawberry.field(description="Where the page stands.")


@strawberry.input(description="A public key of a partner.")
class RegisterPartnerKeyInput:
    """For `registerPartnerKey`."""

    partner_id: strawberry.ID | None = strawberry.field(default=None, description="For operators: whose key.")
    use: KeyUse = strawberry.field(description="What it is for. Operators register desk keys alone.")
    public_key: str = strawberry.field(description="A public JWK (Ed25519, or P-256 for ES256) as text.")
    expires_at: datetime | None = strawberry.field(default=None, description="At most 398 days from now, the default.")


@strawberry.input(description="A key to end.")
class RevokePartnerKeyInput:
    """For `revokePartnerKey`."""

    key_id: strawberry.ID = strawberry.field(description="The key.")
    reason: str = strawberry.field(description=f"Why, in 1 to {LONGEST_REASON} characters.")


@strawberry.input(description="A key that may have been stolen.")
class ReportStolenKeyInput:
    """For `reportStolenKey`."""

    key_id: strawberry.ID = strawberry.field(description="The key.")
    since: datetime = strawberry.field(description="From when on somebody else may have used it.")
    reason: str = strawberry.field(description=f"What happened, in 1 to {LONGEST_REASON} characters.")


RegisterPartnerKeyResult = Annotated[
    PartnerKey | Problem, strawberry.union("RegisterPartnerKeyResult", description="The key, or why not.")
]
RevokePartnerKeyResult = Annotated[
    PartnerKey | Problem, strawberry.union("RevokePartnerKeyResult", description="The key at an end, or why not.")
]
ReportStolenKeyResult = Annotated[
    StolenKeyReport | Problem, strawberry.union("ReportStolenKeyResult", description="What was done, or why not.")
]
KeyGiven = Annotated[strawberry.ID, strawberry.argument(description="The key that was stolen.")]


@strawberry.type
class PartnerKeyMutations:
    """Keys begin and end."""

    @mutation(description="Register a public key; the one before it lasts a week at most.", to=HOLDERS)
    async def register_partner_key(self, info: Info, input: RegisterPartnerKeyInput) -> RegisterPartnerKeyResult:  # noqa: A002
        """At most two live ones for each use."""
        context, state = info.context, info.context.state
        check_live_side(state)
        key = read_public_key(input.public_key)
        async with state.database.transaction() as connection:
            principal = await context.principal(connection)
            partner = await hold_partner(connection, partner_meant(principal, input.partner_id))
            by_operator = principal.role is Role.OPERATOR
            if by_operator and input.use is not KeyUse.DESK:
                raise Forbidden
            row = await register_key(
                connection,
                partner,
                use=input.use,
                key=key,
                expires_at=input.expires_at,
                act=act_of(principal, context),
                longest=longest_key(state),
            )
            if by_operator:
                said = {"kid": key.kid, "operator": principal.account}
                await raise_alarm(
                    connection, kind="DESK_KEY_BY_OPERATOR", detail=said, now=context.now, partner_id=partner.id
                )
        if input.use is KeyUse.SANDBOX:
            await _tell_sandbox(state, row.partner_id, now=context.now)
        return key_shown(row, now=context.now)

    @mutation(description="End a key at once.", to=(*REPRESENTATIVE, *STAFF))
    async def revoke_partner_key(self, info: Info, input: RevokePartnerKeyInput) -> RevokePartnerKeyResult:  # noqa: A002
        """From the next request on it opens nothing."""
        context, state = info.context, info.context.state
        check_live_side(state)
        reason, key_id = checked_text("reason", input.reason, LONGEST_REASON), uuid_of(input.key_id, "PartnerKey")
        async with state.database.transaction() as connection:
            principal = await context.principal(connection)
            key = await find_key(connection, key_id, partner_id=principal.partner_id)
            await revoke_key(connection, key, act=act_of(principal, context, reason))
            ended = await find_key(connection, key_id, partner_id=principal.partner_id)
        if ended.use == KeyUse.SANDBOX:
            await _tell_sandbox(state, ended.partner_id, now=context.now)
        return key_shown(ended, now=context.now)

    @mutation(description="End a stolen key, void what it verified, and tell those concerned.", to=HOLDERS)
    async def report_stolen_key(self, info: Info, input: ReportStolenKeyInput) -> ReportStolenKeyResult:  # noqa: A002
        """One act."""
        context, state = info.context, info.context.state
        check_live_side(state)
        reason, key_id = checked_text("reason", input.reason, LONGEST_REASON), uuid_of(input.key_id, "PartnerKey")
        async with state.database.transaction() as connection:
            principal = await context.principal(connection)
            key = await find_key(connection, key_id, partner_id=principal.partner_id)
            act = act_of(principal, context, reason)
            damage = await report_stolen_key(connection, key, since=input.since, act=act)
            ended = await find_key(connection, key_id, partner_id=principal.partner_id)
        if ended.use == KeyUse.SANDBOX:
            await _tell_sandbox(state, ended.partner_id, now=context.now)
        return StolenKeyReport(
            key=key_shown(ended, now=context.now),
            keys_revoked=damage.revoked,
            verifications_voided=damage.voided,
            redeemed=damage.redeemed,
            subjects_told=damage.told,
        )


@strawberry.type
class PartnerKeyQueries:
    """What stolen keys left behind."""

    @strawberry.field(
        description="Redemptions of what a stolen key verified, for somebody to look at.",
        directives=access(REPRESENTATIVE, OVERSEERS),
    )
    async def doubtful_redemptions(
        self, info: Info, key_id: KeyGiven, first: First = None, after: After = None
    ) -> DoubtfulRedemptionConnection:
        """Empty where the key is unknown."""
        context, size, row_id = info.context, page_size(first), uuid_of(key_id, "PartnerKey")
        async with context.state.database.reading() as connection:
            principal = await context.principal(connection)
            try:
                key = await find_key(connection, row_id, partner_id=principal.partner_id, hold=False)
                rows = await doubtful_redemptions(connection, key, after=id_after(after), size=size + 1)
            except UnknownKey:
                rows = []
        edges = [
            DoubtfulRedemptionEdge(
                cursor=cursor_of(row.id),
                node=DoubtfulRedemption(
                    id=strawberry.ID(public_id("Redemption", row.id)),
                    offer_id=strawberry.ID(public_id("Offer", row.offer_id)),
                    redeemed_at=row.at,
                    amount_fen=row.amount_fen,
                    reversed_at=row.reversed_at,
                ),
            )
            for row in rows[:size]
        ]
        found = page_info([edge.cursor for edge in edges], more=len(rows) > size, after=after)
        return DoubtfulRedemptionConnection(edges=edges, page_info=found)


async def _tell_sandbox(state: State, partner_id: int, *, now: datetime) -> None:
    """Let the sandbox know of a key at once; it is told again and again anyway, so nothing depends on it."""
    if state.sandbox is None:
        return
    try:
        async with state.database.reading() as connection:
            wanting = [one for one in await wanting_in(connection) if one.id == partner_id]
        await state.sandbox.ready()
        for one in wanting:
            await admit(state.sandbox.database, one, now=now)
    except Exception:
        log.exception("sandbox not told of a key")


def watching_keys(state: State) -> AbstractAsyncContextManager[None]:
    """Tell of keys that are to end, once a day, as long as the application runs."""
    return repeating(
        lambda: tell_of_expiring_keys(state.database, now=state.clock()), seconds=A_DAY, log=log, at_once=True
    )
