"""Uses that gates bring back. One thing to know: a use is judged by what its gate could know when it took the code, so
what was honoured in good faith is redeemed, and nothing that is answered here depends on how the person stands.

The written rules are in `judge`. One batch is one transaction; a use has its gate's counter, and the same again gets
the same answer for good. A pass is redeemed once. Where it was used at two gates the earliest use, by the gates'
clocks, is its use; the other is marked and not paid again, its holder is told, and off-line use of that offer rests
until the holder has looked. It is no mark against anybody: a photograph and a clock that is wrong look the same. The
same shown code at two gates is not the holder's doing, for the partner has the keys of both: only the first counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row, and_, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core import audit
from core.clock import SHANGHAI
from core.database import announce
from core.identifiers import new_id, public_id
from core.keys import Key
from core.news import of_subject
from partners.alarms import raise_alarm
from partners.answers import Problem, Request, answer_once, body_hashes
from partners.catalogue import Catalogue
from partners.decisions import Verifier
from partners.eligibility import Outcome
from partners.notices import tell
from partners.offline.gate import BUNDLE_SECONDS, Use, open_use
from partners.offline.gates import GATE, LATEST, find_gate
from partners.offline.issuing import end_passes
from partners.offline.passes import MESSAGES, SKEW, Refusal, Shown, is_timely, read_code
from partners.offline.tables import (
    offline_answers,
    offline_bundles,
    offline_choices,
    offline_gates,
    offline_passes,
    offline_uses,
)
from partners.receipts import sign_receipt
from partners.tables import access_events, redemptions, security_events, verifications

SYNC = "syncOfflineUses"
DOUBLE_USE = "offline-double-use"
"""Kind of the notice."""
CODE_SHARED = "OFFLINE_CODE_SHARED"
"""Kind of the alarm."""
_SKEW = timedelta(seconds=SKEW)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a use is judged by, beside the code itself."""

    gate: Row[Any]
    bundles: Sequence[datetime]
    """When the gate fetched one."""
    partner_id: int
    now: datetime


def judge(shown: Shown, *, used_at: datetime, found: Row[Any], taken: bool, seen: Seen) -> Refusal | None:
    """Whether a use of a genuine code is honoured, or why not. `found` is the pass; `taken`: a use of it by this gate
    counts already, or one of this very code by another gate of the partner.

    The gate must have been registered, neither ended nor stolen; a use comes within seven days; the code was shown
    within a minute and by a pass that held; the gate had a bundle of at most a day; and no bundle it had named the pass
    as ended. A bundle fetched less than two minutes before the use, by the clocks, is not held against it.
    """
    gate, bundles = seen.gate, seen.bundles
    out_of_use = min((one for one in (gate.ended_at, gate.stolen_since) if one is not None), default=None)
    known = [at for at in bundles if at <= used_at + _SKEW]
    knew_the_end = found.ended_at is not None and any(found.ended_at <= at <= used_at - _SKEW for at in bundles)
    against = (
        (found.partner_id != seen.partner_id, Refusal.CODE_OTHER_OFFER),
        (used_at < gate.registered_at - _SKEW, Refusal.GATE_ENDED),
        (out_of_use is not None and used_at >= out_of_use, Refusal.GATE_ENDED),
        (used_at < seen.now - LATEST, Refusal.OFFLINE_TOO_LATE),
        (used_at > seen.now + _SKEW or not is_timely(shown, at=used_at.timestamp()), Refusal.CODE_EXPIRED),
        (not known or max(known) < used_at - timedelta(seconds=BUNDLE_SECONDS) - _SKEW, Refusal.BUNDLE_STALE),
        (knew_the_end, Refusal.PASS_ENDED),
        (taken, Refusal.CODE_REPLAYED),
    )
    return next((code for is_so, code in against if is_so), None)


async def sync_uses(
    connection: AsyncConnection,
    *,
    account: str,
    partner_id: int,
    request_id: str,
    gate_id: UUID,
    uses: Sequence[str],
    catalogue: Catalogue,
    verifier: Verifier,
    now: datetime,
) -> Mapping[str, Any] | Problem:
    """Take over what a gate did off line, in a transaction. The answer has `uses`, one for each given, in order:
    `counter` (None where the gate did not sign it), `problem`, `receipt`, `redemption`.

    Raises:
        RequestConflict: the request id was used for another body. Nothing is written.
        Conflict: another request was quicker; run it again.
    """
    request = Request(partner_id, SYNC, request_id, body_hashes(verifier.keys, {"gate": str(gate_id), "uses": uses}))

    async def act() -> dict[str, Any]:
        gate = await find_gate(connection, partner_id=partner_id, gate_id=gate_id, locked=True)
        fetched = select(offline_bundles.c.at).where(offline_bundles.c.gate_id == gate_id)
        seen = Seen(gate, (await connection.scalars(fetched.order_by(offline_bundles.c.id))).all(), partner_id, now)
        batch = _Batch(connection, account, seen, catalogue, verifier)
        return {"uses": await batch.take(uses)}

    return await answer_once(connection, request, act, now=now)


class _Batch:
    """The uses of one gate, taken one after the other in one transaction."""

    def __init__(
        self, connection: AsyncConnection, account: str, seen: Seen, catalogue: Catalogue, verifier: Verifier
    ) -> None:
        self._connection, self._account, self._seen = connection, account, seen
        self._catalogue, self._verifier = catalogue, verifier
        self._shared: list[UUID] = []

    async def take(self, uses: Sequence[str]) -> list[dict[str, Any]]:
        gate = self._seen.gate
        opened = [open_use(text, gate=public_id(GATE, gate.id), public_key=gate.public_key) for text in uses]
        known = await self._answered([use.counter for use in opened if use is not None])
        tags: dict[bytes, Key] = {key.tag: key for key in self._verifier.keys.of("offline")}
        shown = [
            read_code(use.code, lambda tag: tags[tag].public_key if tag in tags else None) if use else None
            for use in opened
        ]
        passes = await self._passes([one for one in shown if one is not None])
        answers = []
        for text, use, code in zip(uses, opened, shown, strict=True):
            digest = sha256(text.encode()).digest()
            if use is None:
                answers.append(await self._unattributed(None))
                continue
            if use.counter in known:
                kept, answer = known[use.counter]
                answers.append(answer if kept == digest else _answer(use.counter, Refusal.REQUEST_CONFLICT))
                continue
            found = passes.get(UUID(bytes=code.found.id)) if code is not None else None
            if code is None or found is None:
                answer = await self._unattributed(use.counter)
            else:
                answer = await self._attributed(use, code, found)
            row = {"gate_id": gate.id, "counter": use.counter, "digest": digest, "answer": answer}
            await self._connection.execute(insert(offline_answers).values(**row, at=self._seen.now))
            known[use.counter] = (digest, answer)
            answers.append(answer)
        if self._shared:
            await self._tell_of_shared_codes()
        return answers

    async def _answered(self, counters: Sequence[int]) -> dict[int, tuple[bytes, dict[str, Any]]]:
        wanted = select(offline_answers).where(
            offline_answers.c.gate_id == self._seen.gate.id, offline_answers.c.counter.in_(counters)
        )
        rows = await self._connection.execute(wanted)
        return {row.counter: (row.digest, row.answer) for row in rows}

    async def _passes(self, shown: Sequence[Shown]) -> dict[UUID, Row[Any]]:
        """The passes of these codes, locked in one order, so that two gates' batches never wait in a circle."""
        ids = [UUID(bytes=one.found.id) for one in shown]
        wanted = select(offline_passes).where(offline_passes.c.id.in_(ids)).order_by(offline_passes.c.id)
        return {row.id: row for row in await self._connection.execute(wanted.with_for_update())}

    async def _unattributed(self, counter: int | None) -> dict[str, Any]:
        """Nobody's pass: for those who look after security."""
        detail = {"gate": str(self._seen.gate.id), "counter": counter}
        event = {"id": new_id(), "at": self._seen.now, "kind": f"OFFLINE_{Refusal.CODE_INVALID.value}"}
        await self._connection.execute(
            insert(security_events).values(**event, partner_id=self._seen.partner_id, detail=detail)
        )
        return _answer(counter, Refusal.CODE_INVALID)

    async def _attributed(self, use: Use, code: Shown, found: Row[Any]) -> dict[str, Any]:
        mine = and_(offline_uses.c.subject_id == found.subject_id, offline_uses.c.pass_id == found.id)
        counted = select(offline_uses).where(mine, offline_uses.c.problem.is_(None))
        its_answer = and_(
            offline_answers.c.gate_id == offline_uses.c.gate_id, offline_answers.c.counter == offline_uses.c.counter
        )
        answered = counted.join(offline_answers, its_answer).add_columns(offline_answers.c.answer)
        earlier = (await self._connection.execute(answered)).all()
        used_at, shown = datetime.fromtimestamp(use.at, UTC), _digest(use.code)
        here = [one for one in earlier if one.gate_id == self._seen.gate.id]
        elsewhere = [one for one in earlier if one not in here and one.answer.get("shown") == shown]
        # The pass as this transaction has it: a use before it in the batch may have ended it.
        pass_row = (await self._connection.execute(select(offline_passes).where(_is(found)))).one()
        taken = bool(here or elsewhere)
        refusal = judge(code, used_at=used_at, found=pass_row, taken=taken, seen=self._seen)
        if refusal is not None:
            if refusal is Refusal.CODE_REPLAYED:
                self._shared += [one.gate_id for one in elsewhere]
            await self._log(use, found, used_at, problem=refusal)
            return _answer(use.counter, refusal)
        paid = next((one.redemption_id for one in earlier if one.redemption_id is not None), None)
        verification = await self._verification(use, found, used_at, is_first=not earlier)
        redemption_id = paid or await self._redeem(verification, used_at)
        receipt = await self._receipt(verification, redemption_id, used_at, use)
        await self._log(use, found, used_at, receipt=receipt)
        uses = (await self._connection.execute(counted)).all()
        first = min(uses, key=lambda one: (one.used_at, one.gate_id, one.counter))
        # The redemption is the pass's, whichever gate told first: it stands with the use that stands.
        marks = update(offline_uses).where(mine, offline_uses.c.problem.is_(None))
        await self._connection.execute(marks.values(double_use=True, redemption_id=None))
        stands = marks.where(offline_uses.c.id == first.id).values(double_use=False, redemption_id=redemption_id)
        await self._connection.execute(stands)
        ended = {"ended_at": pass_row.ended_at or self._seen.now, "used_at": first.used_at}
        await self._connection.execute(update(offline_passes).where(_is(found)).values(ended))
        if earlier:
            await self._tell_of_double_use(found, uses)
        return _answer(use.counter, None, receipt=receipt, redemption=redemption_id, shown=shown)

    async def _verification(self, use: Use, found: Row[Any], used_at: datetime, *, is_first: bool) -> Row[Any]:
        """What was reserved when the pass was issued; of a further use, one of its own that holds nothing and redeems
        nothing."""
        said = {"account": self._account, "site": self._seen.gate.site}
        its = and_(verifications.c.subject_id == found.subject_id, verifications.c.id == found.verification_id)
        if is_first:
            mine = update(verifications).where(its).values(said).returning(verifications)
            reserved: Row[Any] = (await self._connection.execute(mine)).one()
            return reserved
        row = (await self._connection.execute(select(verifications).where(its))).one()
        digest = sha256(found.id.bytes + self._seen.gate.id.bytes + use.counter.to_bytes(8, "big")).digest()
        over = min(used_at, self._seen.now)  # a gate's clock may be ahead
        new = dict(row._mapping) | said | {"id": uuid4(), "code_id": digest[:16], "at": used_at, "expires_at": over}
        new |= {"reserved": False, "lapsed": False, "holds": None, "voided_at": None}
        added = insert(verifications).values(new).returning(verifications)
        made: Row[Any] = (await self._connection.execute(added)).one()
        return made

    async def _redeem(self, row: Row[Any], used_at: datetime) -> UUID:
        """Take what the verification holds; the redemption's id."""
        redemption_id, its = uuid4(), verifications.c.subject_id == row.subject_id
        its = and_(its, verifications.c.id == row.id)
        await self._connection.execute(update(verifications).where(its).values(reserved=False))
        redeemed = {"subject_id": row.subject_id, "id": redemption_id, "verification_id": row.id, "holds": row.holds}
        redeemed |= {"partner_id": row.partner_id, "took_quota": row.reserved, "at": used_at, "site": row.site}
        await self._connection.execute(insert(redemptions).values(redeemed))
        return redemption_id

    async def _receipt(self, row: Row[Any], redemption_id: UUID, used_at: datetime, use: Use) -> str:
        """The receipt of a use, and the audit row that it vouches for."""
        seen = self._seen
        content = {"verification": str(row.id), "redemption": str(redemption_id), "offer": row.offer_id}
        content |= {"outcome": row.outcome, "gate": str(seen.gate.id), "counter": use.counter}
        entry = await audit.new_entry(
            self._connection,
            at=seen.now,
            actor=self._account,
            action=SYNC,
            content=content | {"usedAt": used_at.isoformat()},
            subject_id=row.subject_id,
        )
        await self._connection.execute(insert(audit.audit_entries).values(entry))
        return sign_receipt(
            self._verifier.keys,
            issuer=self._verifier.issuer,
            verification_id=row.id,
            partner=self._verifier.partner_public_id(row.partner_id),
            offer=self._verifier.offer_public_id(row.offer_id),
            offer_version=row.offer_version,
            outcome=row.outcome,
            subject_id=row.subject_id,
            leaf=entry["leaf"],
            at=used_at,
        )

    async def _log(
        self,
        use: Use,
        found: Row[Any],
        used_at: datetime,
        *,
        problem: Refusal | None = None,
        receipt: str | None = None,
    ) -> None:
        """The line on the subject's access log, with the mark that it was off line."""
        event, seen = {"subject_id": found.subject_id, "id": new_id()}, self._seen
        line = {"at": seen.now, "partner_id": seen.partner_id, "offer_id": found.offer_id, "why_not": []}
        line |= {"outcome": None if problem else Outcome.BENEFIT_APPLIES.value, "site": seen.gate.site}
        line |= {"problem": problem.value if problem else None, "receipt": receipt}
        await self._connection.execute(insert(access_events).values(event | line))
        mark = {"pass_id": found.id, "gate_id": seen.gate.id, "counter": use.counter, "used_at": used_at}
        mark |= {"synced_at": seen.now, "problem": line["problem"]}
        await self._connection.execute(insert(offline_uses).values(event | mark | {"double_use": False}))
        announce(self._connection, of_subject(found.subject_id), f"scan:{event['id']}")

    async def _tell_of_shared_codes(self) -> None:
        """Raise one alarm for the batch. It says what was seen, which a friend at the next turnstile explains too."""
        gates = select(offline_gates.c.id, offline_gates.c.site).where(
            offline_gates.c.id.in_({*self._shared, self._seen.gate.id})
        )
        rows = await self._connection.execute(gates.order_by(offline_gates.c.id))
        detail = {"gates": [{"gate": str(row.id), "site": row.site} for row in rows], "uses": len(self._shared)}
        await raise_alarm(
            self._connection, kind=CODE_SHARED, detail=detail, now=self._seen.now, partner_id=self._seen.partner_id
        )

    async def _tell_of_double_use(self, found: Row[Any], uses: Sequence[Row[Any]]) -> None:
        """Tell its holder what was seen, and let off-line use of this offer rest."""
        offer, partner = self._catalogue.offers[found.offer_id], self._catalogue.partners[found.partner_id]
        when = "、".join(f"{at:%m-%d %H:%M}" for at in sorted(one.used_at.astimezone(SHANGHAI) for one in uses))
        text = (
            f"您在{partner.name}“{offer.terms.title}”的一张离线凭证被用了 {len(uses)} 次({when})。"
            "可能是截图或手机被别人使用,也可能是设备时钟有误;您的评价不受影响,机构也不会因此得知任何情况。"
            "这项优惠的离线使用已暂停:若无问题,重新开启即可;若不是您本人使用,请提出投诉,联网出示信用码照常。"
        )
        its = {"partner_id": found.partner_id, "offer_id": found.offer_id}
        await tell(self._connection, subject_id=found.subject_id, kind=DOUBLE_USE, text=text, now=self._seen.now, **its)
        mine = (offline_choices.c.subject_id == found.subject_id, offline_choices.c.offer_id == found.offer_id)
        await self._connection.execute(update(offline_choices).where(*mine).values(rests_since=self._seen.now))
        await end_passes(self._connection, found.subject_id, offer_id=found.offer_id, now=self._seen.now)


def _is(found: Row[Any]) -> Any:
    return and_(offline_passes.c.subject_id == found.subject_id, offline_passes.c.id == found.id)


def _digest(code: str) -> str:
    """By which a shown code is known again: each has one spelling, in which its phone has signed the instant."""
    return sha256(code.encode()).hexdigest()


def _answer(
    counter: int | None,
    problem: Refusal | None,
    *,
    receipt: str | None = None,
    redemption: UUID | None = None,
    shown: str | None = None,
) -> dict[str, Any]:
    """What is kept of an answer. `shown` is told to nobody: by it the same code at another gate is known."""
    return {
        "counter": counter,
        "problem": problem.value if problem else None,
        "message": MESSAGES[problem] if problem else None,
        "receipt": receipt,
        "redemption": str(redemption) if redemption else None,
        "shown": shown,
    }
