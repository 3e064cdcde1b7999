"""Do all servers give the same answers? One thing to know: each server is asked the same things by the same people, and
what it said is compared with what ours said, but for ids, instants and signatures, which are checked one by one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from secrets import token_hex
from typing import Any

from sqlalchemy import func, select

from api.ids import public_id
from benchmarks.wire import Ask, Dialect
from core.audit import audit_entries, leaf_of
from core.database import Database
from core.keys import Keys
from partners.codes import issue_code
from partners.receipts import check_receipt
from partners.tables import access_events, answers, security_events, verifications

Asking = Callable[[Ask], Awaitable[bytes]]
WRITTEN = (verifications, access_events, audit_entries, answers, security_events)


class Different(Exception):
    """Two servers disagree; the message says about what."""


@dataclass(frozen=True)
class Counter:
    """A partner's token, its offer, somebody else's offer, and people who come by. Ids are those of the database."""

    token: str
    offer_id: int
    foreign_offer_id: int
    visitors: Sequence[int]


async def profiles(asking: Asking, dialect: Dialect, tokens: Iterable[str]) -> list[dict[str, Any]]:
    """What each of these people reads about itself."""
    return [_instants(dialect.read_me(await asking(dialect.me(token)))) for token in tokens]


def _instants(profile: dict[str, Any]) -> dict[str, Any]:
    """One moment has several spellings."""
    scores = [score | {"evaluatedAt": datetime.fromisoformat(score["evaluatedAt"])} for score in profile["scores"]]
    return profile | {"scores": scores}


async def decisions(
    asking: Asking, dialect: Dialect, counters: Sequence[Counter], *, keys: Keys, now: datetime
) -> list[dict[str, Any]]:
    """What partners are told: each visitor once, and once each of the things that can be wrong with a scan."""
    told = []
    for counter in counters:
        for subject_id in counter.visitors:
            _, code = issue_code(keys, subject_id=subject_id, offer_id=None, now=now)
            scan = _scan(counter.offer_id, code)
            answer = dialect.read_verify(await asking(dialect.verify(counter.token, scan)))
            told.append(_checked(answer, counter, keys=keys, now=now))
        again = dialect.read_verify(await asking(dialect.verify(counter.token, scan)))
        if again != answer:
            raise Different(f"the same request got another answer: {answer} {again}")
        for wrong in _wrong_scans(counter, scan, keys=keys, now=now):
            problem = dialect.read_verify(await asking(dialect.verify(counter.token, wrong)))
            if set(problem) != {"code", "message"}:
                raise Different(f"not refused: {problem}")
            told.append(problem)
    return told


def _scan(offer_id: int, code: str) -> dict[str, Any]:
    return {"requestId": token_hex(12), "code": code, "offerId": public_id("Offer", offer_id), "site": "东门"}


def _wrong_scans(counter: Counter, used: dict[str, Any], *, keys: Keys, now: datetime) -> list[dict[str, Any]]:
    subject_id, foreign = counter.visitors[0], counter.foreign_offer_id
    _, fresh = issue_code(keys, subject_id=subject_id, offer_id=None, now=now)
    _, expired = issue_code(keys, subject_id=subject_id, offer_id=None, now=now - timedelta(minutes=2))
    _, bound = issue_code(keys, subject_id=subject_id, offer_id=foreign, now=now)
    forged = fresh[:-2] + ("AA" if fresh[-2:] != "AA" else "BA")
    return [
        used | {"site": "西门"},
        used | {"requestId": token_hex(12)},
        *(_scan(counter.offer_id, code) for code in (forged, expired, bound)),
        _scan(foreign, fresh),
    ]


def _checked(answer: dict[str, Any], counter: Counter, *, keys: Keys, now: datetime) -> dict[str, Any]:
    """What two servers must agree on in an answer; the rest is found to be in order here."""
    claims = check_receipt(keys, answer["receipt"])
    expires_at = datetime.fromisoformat(answer["expiresAt"])
    in_order = (
        set(answer) == {"id", "outcome", "benefit", "receipt", "expiresAt"}
        and answer["id"] == public_id("Verification", claims["jti"])
        and answer["outcome"] == claims["outcome"]
        and claims["offer"] == public_id("Offer", counter.offer_id)
        and timedelta(minutes=9) < expires_at - now < timedelta(minutes=11)
    )
    if not in_order:
        raise Different(f"the answer does not agree with itself: {answer} {claims}")
    named = {name: claims[name] for name in ("iss", "partner", "offer", "offerVersion")}
    return {"outcome": answer["outcome"], "benefit": answer["benefit"], **named}


async def rows_written(database: Database) -> dict[str, int]:
    """How many rows each table has that a verification writes to."""
    async with database.reading() as connection:
        return {
            table.name: int(await connection.scalar(select(func.count()).select_from(table)) or 0) for table in WRITTEN
        }


async def check_leaves(database: Database) -> None:
    """Every receipt kept in the access log names the leaf of an audit row that is there and unchanged.

    Raises:
        Different: one does not.
    """
    async with database.reading() as connection:
        leaves = {
            row.leaf
            for row in await connection.execute(select(audit_entries))
            if row.leaf == leaf_of(dict(row._mapping))
        }
        receipts = (
            await connection.scalars(select(access_events.c.receipt).where(access_events.c.receipt.is_not(None)))
        ).all()
    for receipt in receipts:
        if _leaf(receipt) not in leaves:
            raise Different("a receipt names an audit row that is not there")


def _leaf(receipt: str) -> str:
    import jwt

    leaf: str = jwt.decode(receipt, options={"verify_signature": False})["leaf"]
    return leaf


def check_same(name: str, ours: object, theirs: object) -> None:
    """Raises `Different` unless both said the same."""
    if ours != theirs:
        pairs = zip(ours, theirs, strict=False) if isinstance(ours, list) and isinstance(theirs, list) else ()
        first = next(((mine, other) for mine, other in pairs if mine != other), (ours, theirs))
        raise Different(f"{name} disagrees.\nours:   {first[0]}\ntheirs: {first[1]}")
