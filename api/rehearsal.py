"""Makes things go wrong on demand in the sandbox, and watches what a partner does then. One thing to know: on the live
side there is none, and all it costs there is asking whether there is one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from hashlib import sha256
from typing import Any

import orjson
from strawberry.utils.str_converters import to_camel_case

from api.context import Context
from api.errors import problem_of
from api.ids import any_key
from core.database import Conflict, Database
from core.errors import BadInput, ExpectedError, Unavailable
from core.keys import Keys
from partners.quotas import QuotaExhausted
from partners.sandbox import judging
from partners.sandbox.conformance import note
from partners.sandbox.faults import SLOW_SECONDS, Fault, Scanned, scanned
from partners.sandbox.judging import Seen
from partners.sandbox.synthetic import role_of

WATCHED = {judging.VERIFY, judging.REDEEM, judging.REVERSE, judging.RELEASE, judging.PROPOSE, judging.PAY}
Answering = Callable[[], Awaitable[Any]]


class Rehearsal:
    """Stands around each mutation of the sandbox."""

    def __init__(self, database: Database, keys: Keys, clock: Callable[[], datetime]) -> None:
        self._database, self._keys, self._clock = database, keys, clock

    async def around(self, context: Context, name: str, given: Any, answering: Answering) -> Any:
        """The answer to a mutation, with the fault that was asked for; written down where a run is open."""
        act = to_camel_case(name)
        if act not in WATCHED or context.claims is None:
            return await answering()
        async with self._database.reading() as connection:
            try:
                partner_id = (await context.principal(connection)).partner_id
            except ExpectedError:
                return await answering()  # it says itself what is wrong
        if partner_id is None:
            return await answering()
        found, answer = None, None
        if act == judging.VERIFY:
            found, happens = await self._scanned(partner_id, given.code)
            if happens and found.fault is Fault.SLOW:
                await asyncio.sleep(SLOW_SECONDS)
            elif happens:
                answer = problem_of(_trouble(found.fault))
        if answer is None:
            answer = await answering()
        await self._note(partner_id, _seen(act, given, found, answer))
        return answer

    async def _scanned(self, partner_id: int, token: str) -> tuple[Scanned, bool]:
        async with self._database.transaction() as connection:
            return await scanned(connection, self._keys, partner_id=partner_id, token=token)

    async def _note(self, partner_id: int, seen: Seen) -> None:
        for _ in range(3):
            try:
                async with self._database.transaction() as connection:
                    await note(connection, partner_id=partner_id, seen=seen, now=self._clock())
            except Conflict:
                continue
            break


def _trouble(fault: Fault) -> ExpectedError:
    if fault is Fault.QUOTA_EXHAUSTED:
        return QuotaExhausted("这项优惠的名额已满,请按标准服务办理。名额退回后可再试。")
    return Unavailable()


_ABOUT = ("verification_id", "redemption_id", "order_id")
"""What a request may be about."""


def _seen(act: str, given: Any, found: Scanned | None, answer: Any) -> Seen:
    body = {name: value for name, value in vars(given).items() if name != "request_id"}
    of = next((getattr(given, name) for name in _ABOUT if hasattr(given, name)), None)
    outcome = getattr(answer, "outcome", None)
    return Seen(
        act=act,
        request=_hashed(given.request_id),  # nothing a partner wrote is kept as it is
        body=_hashed(body),
        code=found.key if found else "",
        persona=found.persona.value if found and found.persona else "",
        fault=found.fault.value if found else Fault.NONE.value,
        offer=_offer(getattr(given, "offer_id", None)),
        outcome=outcome.value if outcome is not None else "",
        problem=str(getattr(answer, "code", "")),
        id=str(getattr(answer, "id", "")),
        of=str(of or ""),
    )


def _hashed(given: Any) -> str:
    return sha256(orjson.dumps(given, default=str, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]


def _offer(given: str | None) -> str:
    try:
        type_name, key = any_key(given or "")
    except BadInput:
        return ""
    role = role_of(key) if type_name == "Offer" else None
    return role.value if role else ""
