"""Opening, renewing and ending sessions. One thing to know: a refresh token signs in once; the one before it, shown
again, means that two hold it, and ends the session for both.

A session has one secret at a time. Renewing makes the next one out of it with a key of ours, so that a client whose
answer was lost may ask again within `RETRY` and gets the same one; what is stored is a keyed hash of the newest. What
the browser is sent back with is a one-time code, the session's first secret, good for a minute: who came with it twice
has shown that it was read on the way.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple
from uuid import UUID

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core import audit
from core.audit import NO_SUBJECT
from core.database import announce
from core.errors import ExpectedError, Unauthenticated
from core.identifiers import new_id
from core.keys import Keys, b64decode, b64encode
from core.sealing import keyed_hash, keyed_hashes
from partners.accounts import Role
from partners.notices import tell
from partners.sessions.tables import sessions
from partners.sessions.tickets import make_ticket, open_ticket
from partners.tables import accounts

OF_SUBJECTS, OF_OTHERS = timedelta(days=30), timedelta(hours=12)
"""How long a session of a citizen or of who acts for an enterprise may last, and any other."""
CODE_LIFETIME = timedelta(minutes=1)
RETRY = timedelta(seconds=10)
KEPT = timedelta(days=90)
"""Sessions that ended so long ago are forgotten; what was done stays in the audit trail."""
SECRET_BYTES = 32
EndReason = Literal["signed-out", "ended", "stolen", "account-ended"]


class SessionEnded(ExpectedError):
    """The session cannot be renewed: it has ended, or the token is none of its tokens."""

    code = "SESSION_ENDED"

    def __init__(self, message: str = "登录已失效:已退出、已到期,或凭据不再有效。请重新登录。") -> None:
        super().__init__(message)


class SessionStolen(SessionEnded):
    """A token came twice, so the session was ended."""

    def __init__(self) -> None:
        super().__init__("这份登录凭据已经用过,可能被他人截获,本次登录已全部终止。请重新登录。")


class UnknownSession(ExpectedError):
    """No such session of this account."""

    code = "UNKNOWN_SESSION"

    def __init__(self) -> None:
        super().__init__("没有找到这个登录,或它不属于当前账号。请从自己的登录列表中选择。")


class Opened(NamedTuple):
    """A session whose tokens may be given out now."""

    id: UUID
    account: str
    role: Role
    expires_at: datetime
    refresh_token: str


class Stolen(NamedTuple):
    """A session that was ended because a token of it came twice."""

    id: UUID


async def open_session(
    connection: AsyncConnection, keys: Keys, *, account: Row[Any], provider: str, device: str, now: datetime
) -> Opened:
    """Sign an account (a row of `accounts`) in."""
    session_id, secret, expires_at = await _open(
        connection, keys, account, provider=provider, device=device, claimed_at=now, now=now
    )
    token = _token(keys, session_id, secret, now=now)
    return Opened(session_id, account.id, Role(account.role), expires_at, token)


async def open_for_page(
    connection: AsyncConnection,
    keys: Keys,
    *,
    account: Row[Any],
    provider: str,
    device: str,
    browser: str,
    now: datetime,
) -> str:
    """Sign an account in, for a page that is to come for its tokens; the one-time code it comes with. `browser` is what
    that browser has to show besides."""
    session_id, secret, _ = await _open(
        connection, keys, account, provider=provider, device=device, claimed_at=None, now=now
    )
    content = {"session": session_id.hex, "secret": b64encode(secret), "browser": browser}
    return make_ticket(keys, "code", content, now=now, lifetime=CODE_LIFETIME)


async def claim_session(
    connection: AsyncConnection, keys: Keys, *, code: object, browser: str | None, now: datetime
) -> Opened | Stolen:
    """What the one-time code stands for. Used twice, it ends the session.

    Raises:
        SessionEnded: it is no code of ours, has expired, or comes from another browser.
    """
    shown = open_ticket(keys, "code", code, now=now)
    if shown is None or browser is None or not hmac.compare_digest(shown["browser"], browser):
        raise SessionEnded("登录码无效、已过期,或不是这个浏览器取得的。请重新登录。")
    row = await _held(connection, UUID(shown["session"]), now=now)
    if row.claimed_at is not None:
        return await _end_stolen(connection, row, now=now)
    return await _renew(connection, keys, row, _successor(keys, b64decode(shown["secret"])), now=now)


async def renew_session(connection: AsyncConnection, keys: Keys, *, token: object, now: datetime) -> Opened | Stolen:
    """The next tokens for a refresh token. One that was used before ends the session: `Stolen`, to be committed.

    Raises:
        SessionEnded: it is no refresh token of ours, or its session has ended.
    """
    shown = open_ticket(keys, "refresh", token, now=now)
    if shown is None:
        raise SessionEnded
    row, secret = await _held(connection, UUID(shown["session"]), now=now), b64decode(shown["secret"])
    following = _successor(keys, secret)
    if _is_current(keys, row, secret):
        return await _renew(connection, keys, row, following, now=now)
    if _is_current(keys, row, following) and now <= row.used_at + RETRY:
        return Opened(row.id, row.account, Role(row.role), row.expires_at, _token(keys, row.id, following, now=now))
    return await _end_stolen(connection, row, now=now)


async def sign_out(connection: AsyncConnection, keys: Keys, *, token: object, now: datetime) -> None:
    """End the session that a refresh token belongs to, used before or not. What is no token of ours ends nothing."""
    shown = open_ticket(keys, "refresh", token, now=now)
    if shown is None:
        return
    row = await _read(connection, UUID(shown["session"]))
    if row is not None and row.ended_at is None:
        await _end(connection, row, reason="signed-out", actor=row.account, now=now)


async def sessions_of(connection: AsyncConnection, account: str, *, now: datetime) -> Sequence[Row[Any]]:
    """The sessions of an account that hold, the one last used first."""
    live = (sessions.c.ended_at.is_(None), sessions.c.expires_at > now, sessions.c.claimed_at.is_not(None))
    mine = select(sessions).where(sessions.c.account == account, *live)
    return (await connection.execute(mine.order_by(sessions.c.used_at.desc(), sessions.c.id.desc()))).all()


async def end_session(connection: AsyncConnection, *, account: str, session_id: UUID, now: datetime) -> None:
    """End a session of this account. One that has ended stays as it is.

    Raises:
        UnknownSession: it is none of this account's.
    """
    row = await _read(connection, session_id)
    if row is None or row.account != account:
        raise UnknownSession
    if row.ended_at is None:
        await _end(connection, row, reason="ended", actor=account, now=now)


async def end_sessions(
    connection: AsyncConnection,
    *,
    account: str,
    now: datetime,
    but: UUID | None = None,
    provider: str | None = None,
) -> int:
    """End what sessions this account has, `but` one, or those through one provider; how many."""
    mine = [sessions.c.account == account, sessions.c.ended_at.is_(None), sessions.c.expires_at > now]
    if but is not None:
        mine.append(sessions.c.id != but)
    if provider is not None:
        mine.append(sessions.c.provider == provider)
    ended = 0
    # Those that no page has come for yet end with the others.
    for found in (await connection.scalars(select(sessions.c.id).where(*mine).order_by(sessions.c.id))).all():
        row = await _read(connection, found)
        if row is not None and row.ended_at is None:
            await _end(connection, row, reason="ended", actor=account, now=now)
            ended += row.claimed_at is not None
    return ended


async def check_session(connection: AsyncConnection, session_id: UUID) -> None:
    """Refuse a token whose session has ended: one look by primary key.

    Raises:
        Unauthenticated: it has.
    """
    ended = select(sessions.c.ended_at).where(sessions.c.id == session_id)
    row = (await connection.execute(ended)).one_or_none()
    if row is None or row.ended_at is not None:
        raise Unauthenticated("这次登录已被终止。请重新登录。")


def topic_of(session_id: UUID) -> str:
    """Where it is announced that a session has ended."""
    return f"session:{session_id}"


async def _open(
    connection: AsyncConnection,
    keys: Keys,
    account: Row[Any],
    *,
    provider: str,
    device: str,
    claimed_at: datetime | None,
    now: datetime,
) -> tuple[UUID, bytes, datetime]:
    long_ago = sessions.c.expires_at <= now - KEPT
    await connection.execute(delete(sessions).where(sessions.c.account == account.id, long_ago))
    session_id, secret = new_id(), secrets.token_bytes(SECRET_BYTES)
    expires_at = now + (OF_SUBJECTS if account.subject_id is not None else OF_OTHERS)
    row = {"account": account.id, "provider": provider, "device": device, "expires_at": expires_at}
    row |= {"created_at": now, "used_at": now, "claimed_at": claimed_at}
    held = keyed_hash(keys, "lookup", _SECRET + secret)
    await connection.execute(insert(sessions).values(**row, id=session_id, refresh_hash=held))
    content = {"session": str(session_id), "provider": provider, "device": device}
    await audit.record(
        connection,
        at=now,
        actor=account.id,
        action="signIn",
        content=content,
        subject_id=account.subject_id or NO_SUBJECT,
    )
    return session_id, secret, expires_at


_SECRET, _NEXT = b"session:", b"session-next:"


def _successor(keys: Keys, secret: bytes) -> bytes:
    """The secret after this one: the same whenever it is asked for, and of use to nobody who lacks the key."""
    return keyed_hash(keys, "lookup", _NEXT + secret)


def _is_current(keys: Keys, row: Row[Any], secret: bytes) -> bool:
    made = keyed_hashes(keys, "lookup", _SECRET + secret)
    return any(hmac.compare_digest(row.refresh_hash, one) for one in made)


def _token(keys: Keys, session_id: UUID, secret: bytes, *, now: datetime) -> str:
    return make_ticket(keys, "refresh", {"session": session_id.hex, "secret": b64encode(secret)}, now=now)


async def _read(connection: AsyncConnection, session_id: UUID) -> Row[Any] | None:
    """The session with what its account is now, held until the transaction ends."""
    account = (accounts.c.role, accounts.c.subject_id, accounts.c.ended_at.label("account_ended_at"))
    found = select(sessions, *account).join(accounts, accounts.c.id == sessions.c.account)
    wanted = found.where(sessions.c.id == session_id).with_for_update(of=sessions)
    return (await connection.execute(wanted)).one_or_none()


async def _held(connection: AsyncConnection, session_id: UUID, *, now: datetime) -> Row[Any]:
    row = await _read(connection, session_id)
    if row is None or row.ended_at is not None or row.expires_at <= now:
        raise SessionEnded
    if row.account_ended_at is not None and row.account_ended_at <= now:
        raise SessionEnded("此账号已停用,登录随之失效。如有疑问,请联系运营人员。")
    return row


async def _renew(connection: AsyncConnection, keys: Keys, row: Row[Any], secret: bytes, *, now: datetime) -> Opened:
    held = keyed_hash(keys, "lookup", _SECRET + secret)
    values = {"refresh_hash": held, "used_at": now, "claimed_at": row.claimed_at or now}
    await connection.execute(update(sessions).where(sessions.c.id == row.id).values(values))
    return Opened(row.id, row.account, Role(row.role), row.expires_at, _token(keys, row.id, secret, now=now))


async def _end_stolen(connection: AsyncConnection, row: Row[Any], *, now: datetime) -> Stolen:
    await _end(connection, row, reason="stolen", actor=row.account, now=now)
    if row.subject_id is not None:
        text = (
            f"您在「{row.device}」上的一次登录出现重复使用的凭据,可能被他人截获,已为您终止。"
            "如非本人操作,请查看并终止其他登录。"
        )
        await tell(connection, subject_id=row.subject_id, kind="session-stolen", text=text, now=now)
    return Stolen(row.id)


async def _end(connection: AsyncConnection, row: Row[Any], *, reason: EndReason, actor: str, now: datetime) -> None:
    await connection.execute(update(sessions).where(sessions.c.id == row.id).values(ended_at=now, end_reason=reason))
    content = {"session": str(row.id), "provider": row.provider, "reason": reason}
    await audit.record(
        connection,
        at=now,
        actor=actor,
        action="endSession",
        content=content,
        subject_id=row.subject_id or NO_SUBJECT,
    )
    announce(connection, topic_of(row.id), "ended")
