"""Benefits where there is no network, in the API. One thing to know: a citizen is told that switching off reaches gates
only when they sync; a partner's side is told nothing of anybody but that its gate took a good pass."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import strawberry
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from api.context import Context, Info
from api.errors import Problem
from api.ids import key_of, public_id, uuid_of
from api.labels import OWNERS
from api.mutations import mutation
from api.offers import Offer, OfferConnection, current, offer_of, offer_page
from api.pagination import After, First
from api.permissions import ANYONE, PARTNER, SUBJECT, access
from api.verification import LONGEST_LABEL, LONGEST_REQUEST_ID, checked_text
from core.errors import BadInput, Forbidden
from core.keys import b64decode
from partners import answers
from partners.catalogue import Catalogue
from partners.offline import gates as offline_gates
from partners.offline.gate import MOST_USES
from partners.offline.gates import GATE, end_gate, make_bundle, offline_offers, partners_with_gates, register_gate
from partners.offline.issuing import choices_of, issue_pass, set_offline_use
from partners.offline.syncing import sync_uses

TOLD = (
    "开启后可在当天取一张离线凭证,在没有网络的设备上出示,凭证当天 24 时失效,每天一张。"
    "关闭、撤回授权或情况变化会立即生效于联网核验;离线设备要到下次联网同步(最长 24 小时)才知道,在此之前仍可能使用。"
    "每次离线使用同步后都会记入您的查询记录,并注明是离线。"
)
LONGEST_KEY = 64


@strawberry.type(description="Off-line use of an offer, as its holder has chosen.", directives=access(SUBJECT))
class OfflineChoice:
    """Result of `setOfflineUse`."""

    offer: Offer = strawberry.field(description="The offer.")
    on: bool = strawberry.field(description="Whether passes are given for it.")
    since: datetime | None = strawberry.field(description="Since when; null while it is off.")
    rests_since: datetime | None = strawberry.field(
        description="Since when no pass is given because one was used twice; switching on again ends it."
    )
    told: str = strawberry.field(
        description="What to show before switching on: among it, that gates learn of an end only when they sync."
    )


@strawberry.type(description="Today's pass for one offer and one phone.", directives=access(SUBJECT))
class OfflinePass:
    """Result of `issueOfflinePass`."""

    text: str = strawberry.field(
        description="The pass in base64url. The phone signs it anew with the instant each 30 to 60 seconds and shows "
        "both as a QR code (docs/offline.md)."
    )
    not_before: datetime = strawberry.field(description="From when it holds.")
    expires_at: datetime = strawberry.field(description="The end of the day (Asia/Shanghai).")
    server_time: datetime = strawberry.field(description="By which the phone may set its clock.")


@strawberry.type(description="Marks a line of the log as off line.", directives=access(SUBJECT))
class OfflineUse:
    """On an `AccessEvent`."""

    used_at: datetime = strawberry.field(description="When the gate took the code, by its own clock.")
    synced_at: datetime = strawberry.field(description="When the gate told of it.")
    double_use: bool = strawberry.field(
        description="Whether the pass had been used at another gate before. It counts in no score."
    )


@strawberry.type(description="A device that judges passes without network.", directives=access(OWNERS))
class OfflineGate:
    """Result of `registerGate` and `endGate`."""

    id: strawberry.ID = strawberry.field(description="Opaque id; the gate signs it into each use.")
    site: str = strawberry.field(description="Where it stands, by the partner's own label.")
    registered_at: datetime = strawberry.field(description="Since when.")
    ended_at: datetime | None = strawberry.field(description="From when on it gets no bundle; null while in use.")
    stolen_since: datetime | None = strawberry.field(description="From when on nothing it signed counts, if stolen.")


@strawberry.type(description="What a gate fetches once a day.", directives=access(PARTNER))
class OfflineBundle:
    """Result of `fetchOfflineBundle`."""

    text: str = strawberry.field(
        description="Signed (`xinyi-offline+jwt`): our public keys, your offers, hashes of ended passes, the time."
    )
    made_at: datetime = strawberry.field(description="When; a gate may set its clock by it.")
    expires_at: datetime = strawberry.field(description="A gate refuses to judge by it from then on.")


@strawberry.type(description="What became of one use.", directives=access(PARTNER))
class SyncedUse:
    """Says nothing of the person: a refusal is about the code, the gate or the time."""

    counter: int | None = strawberry.field(description="The gate's counter; null where the gate did not sign it.")
    accepted: bool = strawberry.field(description="Whether it counts as a redemption.")
    problem: str | None = strawberry.field(description="Stable code, where it does not count.")
    message: str | None = strawberry.field(description="The same in plain Chinese, with what to do.")
    receipt: str | None = strawberry.field(description="A signed receipt; the subject holds the same one.")
    redemption_id: strawberry.ID | None = strawberry.field(description="Give it to `reverseRedemption`.")


@strawberry.type(description="What became of a batch.", directives=access(PARTNER))
class OfflineSync:
    """Result of `syncOfflineUses`."""

    uses: list[SyncedUse] = strawberry.field(description="One for each use given, in order.")


@strawberry.input(description="Off-line use of an offer, on or off.")
class SetOfflineUseInput:
    """For `setOfflineUse`."""

    offer_id: strawberry.ID = strawberry.field(description="The offer.")
    on: bool = strawberry.field(
        description="On: passes may be taken, and a rest after a double use ends. Off: the pass that is out ends; "
        "gates learn of it when they next sync, within 24 hours."
    )


@strawberry.input(description="Which offer, and for which phone.")
class IssueOfflinePassInput:
    """For `issueOfflinePass`."""

    offer_id: strawberry.ID = strawberry.field(description="The offer.")
    device_key: str = strawberry.field(description="The phone's Ed25519 public key: 32 bytes in base64url.")


@strawberry.input(description="A device to register.")
class RegisterGateInput:
    """For `registerGate`."""

    site: str = strawberry.field(description="Where it stands: 1 to 40 characters, registered if you register sites.")
    public_key: str = strawberry.field(description="The device's Ed25519 public key: 32 bytes in base64url.")


@strawberry.input(description="A device that is used no more.")
class EndGateInput:
    """For `endGate`."""

    gate_id: strawberry.ID = strawberry.field(description="The device.")
    stolen_since: datetime | None = strawberry.field(
        default=None, description="If it was stolen: the earliest instant at which it may have been."
    )


@strawberry.input(description="Which device asks.")
class FetchOfflineBundleInput:
    """For `fetchOfflineBundle`."""

    gate_id: strawberry.ID = strawberry.field(description="The device.")


@strawberry.input(description="What a device did off line.")
class SyncOfflineUsesInput:
    """For `syncOfflineUses`."""

    request_id: str = strawberry.field(description="Your id of this request: 1 to 128 characters, the same on a retry.")
    gate_id: strawberry.ID = strawberry.field(description="The device.")
    uses: list[str] = strawberry.field(description="1 to 50 uses, each as the device signed it.")


def _union(name: str, what: str) -> Any:
    return strawberry.union(name, description=f"{what}, or why not.")


SetOfflineUseResult = Annotated[OfflineChoice | Problem, _union("SetOfflineUseResult", "The choice")]
IssueOfflinePassResult = Annotated[OfflinePass | Problem, _union("IssueOfflinePassResult", "The pass")]
RegisterGateResult = Annotated[OfflineGate | Problem, _union("RegisterGateResult", "The device")]
EndGateResult = Annotated[OfflineGate | Problem, _union("EndGateResult", "The device")]
FetchOfflineBundleResult = Annotated[OfflineBundle | Problem, _union("FetchOfflineBundleResult", "The bundle")]
SyncOfflineUsesResult = Annotated[OfflineSync | Problem, _union("SyncOfflineUsesResult", "What became of each")]


def offline_use(row: Any) -> OfflineUse | None:
    """The mark of a line of the log, whose row has `used_at`, `synced_at` and `double_use`; None where it has none."""
    if row.used_at is None:
        return None
    return OfflineUse(used_at=row.used_at, synced_at=row.synced_at, double_use=row.double_use)


def _choice(row: Row[Any], known: Catalogue) -> OfflineChoice:
    return OfflineChoice(
        offer=offer_of(known.offers[row.offer_id]),
        on=row.on_since is not None,
        since=row.on_since,
        rests_since=row.rests_since,
        told=TOLD,
    )


def _gate(row: Row[Any]) -> OfflineGate:
    return OfflineGate(
        id=strawberry.ID(public_id(GATE, row.id)),
        site=row.site,
        registered_at=row.registered_at,
        ended_at=row.ended_at,
        stolen_since=row.stolen_since,
    )


def _key(name: str, given: str) -> bytes:
    try:
        return b64decode(given) if len(given) <= LONGEST_KEY and given.isascii() else b""
    except ValueError:
        raise BadInput(f"{name} 不是规范的 base64url。请原样填写 32 字节的 Ed25519 公钥。") from None


async def _subject(context: Context, connection: AsyncConnection) -> tuple[str, int]:
    principal = await context.principal(connection)
    if principal.subject_id is None:
        raise Forbidden
    return principal.account, principal.subject_id


async def _partner(context: Context, connection: AsyncConnection) -> tuple[str, int]:
    principal = await context.principal(connection)
    if principal.partner_id is None:
        raise Forbidden
    return principal.account, principal.partner_id


@strawberry.type
class OfflineQueries:
    """What may be had off line, and by whom."""

    @strawberry.field(
        description="Open offers that can be had without network: their partner has a device for it.",
        directives=access(ANYONE),
    )
    async def offline_offers(self, info: Info, first: First = None, after: After = None) -> OfferConnection:
        """By id."""
        known = await current(info.context)
        async with info.context.state.database.reading() as connection:
            equipped = await partners_with_gates(connection)
        found = (offer for key in equipped for offer in offline_offers(known, key))
        return offer_page(tuple(sorted(found, key=lambda offer: offer.id)), first, after)

    @strawberry.field(description="What you have switched on or off for off-line use.", directives=access(SUBJECT))
    async def offline_uses(self, info: Info) -> list[OfflineChoice]:
        """By offer."""
        context = info.context
        async with context.state.database.reading() as connection:
            _, subject_id = await _subject(context, connection)
            known = await context.state.current_catalogue(connection)
            rows = await choices_of(connection, subject_id)
        return [_choice(row, known) for row in rows]

    @strawberry.field(description="Your devices without network, ended ones too.", directives=access(OWNERS))
    async def gates(self, info: Info) -> list[OfflineGate]:
        """By site."""
        async with info.context.state.database.reading() as connection:
            _, partner_id = await _partner(info.context, connection)
            return [_gate(row) for row in await offline_gates.gates_of(connection, partner_id)]


@strawberry.type
class OfflineMutations:
    """Choosing, carrying, judging, syncing."""

    @mutation(
        description="Switch off-line use of an offer on or off. An end reaches devices only when they sync.", to=SUBJECT
    )
    async def set_offline_use(self, info: Info, input: SetOfflineUseInput) -> SetOfflineUseResult:  # noqa: A002
        """Off by default, and offer by offer."""
        context, state = info.context, info.context.state
        offer_id = key_of(input.offer_id, "Offer")
        async with state.database.transaction() as connection:
            account, subject_id = await _subject(context, connection)
            known = await state.current_catalogue(connection)
            row = await set_offline_use(
                connection,
                subject_id=subject_id,
                offer=known.offers.get(offer_id),
                on=input.on,
                actor=account,
                now=context.now,
            )
        return _choice(row, known)

    @mutation(
        description="Today's pass of an offer for this phone: one a day, while the benefit applies to you.", to=SUBJECT
    )
    async def issue_offline_pass(self, info: Info, input: IssueOfflinePassInput) -> IssueOfflinePassResult:  # noqa: A002
        """The same phone gets the same pass again."""
        context, state = info.context, info.context.state
        offer_id, device_key = key_of(input.offer_id, "Offer"), _key("deviceKey", input.device_key)
        async with state.database.transaction() as connection:
            account, subject_id = await _subject(context, connection)
            known = await state.current_catalogue(connection)
            made = await issue_pass(
                connection,
                subject_id=subject_id,
                offer=known.offers.get(offer_id),
                device_key=device_key,
                keys=state.keys,
                lineage=state.rulebook.lineage,
                actor=account,
                now=context.now,
            )
        return OfflinePass(
            text=made.text, not_before=made.not_before, expires_at=made.expires_at, server_time=context.now
        )

    @mutation(description="Register a device that judges passes without network.", to=OWNERS)
    async def register_gate(self, info: Info, input: RegisterGateInput) -> RegisterGateResult:  # noqa: A002
        """By registering one you say that your offers may be had off line."""
        context, state = info.context, info.context.state
        site, public_key = checked_text("site", input.site, LONGEST_LABEL), _key("publicKey", input.public_key)
        async with state.database.transaction() as connection:
            account, partner_id = await _partner(context, connection)
            row = await register_gate(
                connection,
                partner_id=partner_id,
                site=site,
                public_key=public_key,
                catalogue=await state.current_catalogue(connection),
                actor=account,
                now=context.now,
            )
        return _gate(row)

    @mutation(description="End a device, or report it stolen. What it took before still syncs for 7 days.", to=OWNERS)
    async def end_gate(self, info: Info, input: EndGateInput) -> EndGateResult:  # noqa: A002
        """It gets no bundle any more."""
        context = info.context
        gate_id = uuid_of(input.gate_id, GATE)
        async with context.state.database.transaction() as connection:
            account, partner_id = await _partner(context, connection)
            row = await end_gate(
                connection,
                partner_id=partner_id,
                gate_id=gate_id,
                stolen_since=input.stolen_since,
                actor=account,
                now=context.now,
            )
        return _gate(row)

    @mutation(description="What a device needs for the next 24 hours.", to=PARTNER)
    async def fetch_offline_bundle(self, info: Info, input: FetchOfflineBundleInput) -> FetchOfflineBundleResult:  # noqa: A002
        """That it was fetched is kept: a use is judged by what its device could know."""
        context, state = info.context, info.context.state
        gate_id = uuid_of(input.gate_id, GATE)
        async with state.database.transaction() as connection:
            _, partner_id = await _partner(context, connection)
            made = await make_bundle(
                connection,
                partner_id=partner_id,
                gate_id=gate_id,
                catalogue=await state.current_catalogue(connection),
                lineage=state.rulebook.lineage,
                verifier=state.verifier,
                now=context.now,
            )
        return OfflineBundle(text=made.text, made_at=made.at, expires_at=made.expires_at)

    @mutation(description="Tell what a device did off line, within 7 days.", to=PARTNER)
    async def sync_offline_uses(self, info: Info, input: SyncOfflineUsesInput) -> SyncOfflineUsesResult:  # noqa: A002
        """All of a batch or nothing; the same use again gets the same answer."""
        context, state = info.context, info.context.state
        request_id = checked_text("requestId", input.request_id, LONGEST_REQUEST_ID)
        gate_id = uuid_of(input.gate_id, GATE)
        if not 1 <= len(input.uses) <= MOST_USES:
            raise BadInput(f"uses 每次 1 到 {MOST_USES} 条。请分几次同步。")
        async with state.database.transaction() as connection:
            account, partner_id = await _partner(context, connection)
            answer = await sync_uses(
                connection,
                account=account,
                partner_id=partner_id,
                request_id=request_id,
                gate_id=gate_id,
                uses=input.uses,
                catalogue=await state.current_catalogue(connection),
                verifier=state.verifier,
                now=context.now,
            )
        if isinstance(answer, answers.Problem):
            return Problem(code=answer.code, message=answer.message)
        return OfflineSync(uses=[_synced(one) for one in answer["uses"]])


def _synced(stored: dict[str, Any]) -> SyncedUse:
    redemption = stored["redemption"]
    return SyncedUse(
        counter=stored["counter"],
        accepted=stored["problem"] is None,
        problem=stored["problem"],
        message=stored["message"],
        receipt=stored["receipt"],
        redemption_id=strawberry.ID(public_id("Redemption", UUID(redemption))) if redemption else None,
    )
