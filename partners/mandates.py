"""Mandates: who may act for whom. One thing to know: a mandate is an account of its own, which acts for the one who is
represented and ends on a day, so all that a subject can do is done through it unchanged, and ending it works at once.

Nobody is left out for want of a phone or of age (《黑龙江省社会信用条例》第二十四条): an agent acts for an
organisation, a family member or guardian for a person. A representative cannot grant mandates in turn, nor act unseen:
what is done under a mandate is audited under its account and stands on the access log of the one represented.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core import audit
from core.clock import day_of, start_of, turns_adult_on
from core.errors import BadInput, ExpectedError, Forbidden
from core.identifiers import new_id
from partners.access import note_reading
from partners.accounts import Principal, Role
from partners.tables import accounts, mandates
from scoring.registry.ends import AlreadyEnded
from scoring.registry.subjects import read_subject
from scoring.subjects import SubjectKind, is_minor, lock_subject

LONGEST_TERM = timedelta(days=365)
SESSION = timedelta(minutes=30)
ACTING = ("mandate-", "assist-")
"""How the ids of accounts begin through which somebody acts for another; no other account may be called so."""
_SUBJECT_ROLES = (Role.CITIZEN, Role.AGENT)
_STAFF = (Role.OPERATOR, Role.REVIEWER)


class MandateKind(StrEnum):
    """As what the holder acts: an agent for an organisation, the others for a person."""

    AGENT = "agent"
    FAMILY = "family"
    GUARDIAN = "guardian"


class UnknownMandate(ExpectedError):
    """No such mandate, or not one of yours."""

    code = "UNKNOWN_MANDATE"

    def __init__(self) -> None:
        super().__init__("没有这份委托,或与您无关。请从自己的委托列表中选择。")


class MandateEnded(ExpectedError):
    """The mandate has run out or was ended."""

    code = "MANDATE_ENDED"


class MandateExists(ExpectedError):
    """The holder has one of this kind already."""

    code = "MANDATE_EXISTS"


class MandateRefused(ExpectedError):
    """This mandate cannot be given like that."""

    code = "MANDATE_REFUSED"


async def acting_as(connection: AsyncConnection, account: str) -> str | None:
    """On which basis an account acts for another than its holder: `mandate`, `assisted`, or None for one's own."""
    basis: str | None = await connection.scalar(select(accounts.c.basis).where(accounts.c.id == account))
    return basis


async def check_own_account(connection: AsyncConnection, account: str) -> None:
    """Refuse what only the subject itself may do, and nobody in its place: granting mandates, leaving the scheme.

    Raises:
        Forbidden: the account is a mandate's or an assisted session's.
    """
    if await acting_as(connection, account) is not None:
        raise Forbidden("代办账号不能办理此事。请由本人(或经审核人员)办理。")


async def grant_mandate(
    connection: AsyncConnection,
    *,
    principal: Principal,
    subject_id: int,
    kind: MandateKind,
    holder: str,
    evidence: str,
    ends_on: date,
    now: datetime,
) -> Row[Any]:
    """Let `holder` (an account) act for the subject until `ends_on`; the row.

    Raises:
        Forbidden: it is not for this account to grant this.
        MandateRefused: the kind, the holder or the term cannot be. MandateExists, AlreadyEnded.
    """
    await lock_subject(connection, subject_id)
    subject = await read_subject(connection, subject_id, follow=False)
    if subject.ended_on is not None:
        raise AlreadyEnded
    await _check_grantor(connection, principal, subject, kind=kind, now=now)
    if (kind is MandateKind.AGENT) != (subject.kind == SubjectKind.ENTERPRISE.value):
        raise MandateRefused("单位只能委托经办人,自然人只能由家人或监护人代办。请改正委托种类。")
    _check_term(subject, kind, ends_on, on=day_of(now))
    await _check_holder(connection, subject, kind, holder, now=now)
    mandate_id = new_id()
    account = f"{ACTING[0]}{mandate_id.hex}"
    row = {
        "subject_id": subject_id,
        "id": mandate_id,
        "kind": kind.value,
        "holder": holder,
        "account": account,
        "evidence": evidence,
        "granted_by": principal.account,
        "granted_at": now,
        "ends_on": ends_on,
    }
    await connection.execute(insert(mandates).values(row))
    role = Role.AGENT if kind is MandateKind.AGENT else Role.CITIZEN
    acts = {"subject_id": subject_id, "held_by": holder, "basis": "mandate", "ended_at": start_of(ends_on)}
    await connection.execute(insert(accounts).values(id=account, role=role.value, **acts))
    content = {"mandate": str(mandate_id), "kind": kind.value, "holder": holder, "until": ends_on, "evidence": evidence}
    await audit.record(
        connection, at=now, actor=principal.account, action="grantMandate", content=content, subject_id=subject_id
    )
    if principal.role in _STAFF:
        await note_reading(
            connection,
            subject_id=subject_id,
            reader=principal.account,
            role=principal.role.value,
            action="grantMandate",
            purpose=f"登记{_WORDS[kind]}代办",
            now=now,
        )
    return await _read(connection, mandate_id)


async def revoke_mandate(
    connection: AsyncConnection, *, principal: Principal, mandate_id: UUID, now: datetime
) -> Row[Any]:
    """End a mandate at once; the row. One that has ended stays as it is.

    By the one who is represented, by its holder, or by a reviewer.

    Raises:
        UnknownMandate: it is not for this account.
    """
    row = await _read(connection, mandate_id)
    await lock_subject(connection, row.subject_id)
    row = await _read(connection, mandate_id)
    is_own = principal.subject_id == row.subject_id and await acting_as(connection, principal.account) != "mandate"
    if not (is_own or principal.account in (row.holder, row.account) or principal.role is Role.REVIEWER):
        raise UnknownMandate
    if has_ended(row, on=day_of(now)):
        return row
    await end_mandates(connection, mandates.c.id == mandate_id, actor=principal.account, now=now)
    return await _read(connection, mandate_id)


async def open_mandate(
    connection: AsyncConnection, *, principal: Principal, mandate_id: UUID, now: datetime
) -> tuple[str, Role, datetime]:
    """Begin to act under a mandate: its account, that account's role, and until when the sign-in may last.

    The one who is represented reads of it on its access log, in the same transaction.

    Raises:
        UnknownMandate: not the caller's.
        MandateEnded: it holds no more.
    """
    row = await _read(connection, mandate_id)
    if row.holder != principal.account:
        raise UnknownMandate
    subject = await read_subject(connection, row.subject_id, follow=False)
    if has_ended(row, on=day_of(now)) or subject.ended_on is not None:
        raise MandateEnded("这份委托已到期或已被解除,不能再代办。如仍需代办,请由委托人重新授权。")
    await note_reading(
        connection,
        subject_id=row.subject_id,
        reader=principal.account,
        role=row.kind,
        action="openMandate",
        purpose="代办登录",
        now=now,
    )
    content = {"mandate": str(mandate_id), "account": row.account}
    await audit.record(
        connection, at=now, actor=principal.account, action="openMandate", content=content, subject_id=row.subject_id
    )
    role = Role.AGENT if row.kind == MandateKind.AGENT else Role.CITIZEN
    return row.account, role, min(now + SESSION, start_of(row.ends_on))


async def end_mandates(connection: AsyncConnection, which: ColumnElement[bool], *, actor: str, now: datetime) -> None:
    """End the mandates that are still in force, and the accounts through which they act, in a transaction."""
    live = (which, mandates.c.revoked_at.is_(None), mandates.c.ends_on > day_of(now))
    for row in (await connection.execute(select(mandates).where(*live))).all():
        its_key = (mandates.c.subject_id == row.subject_id, mandates.c.id == row.id)
        await connection.execute(update(mandates).where(*its_key).values(revoked_at=now, revoked_by=actor))
        await connection.execute(update(accounts).where(accounts.c.id == row.account).values(ended_at=now))
        content = {"mandate": str(row.id)}
        await audit.record(
            connection, at=now, actor=actor, action="revokeMandate", content=content, subject_id=row.subject_id
        )


async def note_act(connection: AsyncConnection, *, account: str, action: str, now: datetime) -> None:
    """Write on the access log of the one who is represented that something is being done in its place: by whom, as
    what, through which account. Of an account of one's own nothing is written."""
    found = select(accounts).where(accounts.c.id == account)
    row = (await connection.execute(found)).one_or_none()
    if row is None or row.basis is None or row.subject_id is None:
        return
    kind = "clerk"
    if row.basis == "mandate":
        kind = await connection.scalar(select(mandates.c.kind).where(mandates.c.account == account)) or row.basis
    await note_reading(
        connection,
        subject_id=row.subject_id,
        reader=row.held_by,
        role=kind,
        action=action,
        purpose=f"代办(经由 {account})",
        now=now,
    )


async def mandates_of(connection: AsyncConnection, subject_id: int) -> list[Row[Any]]:
    """All mandates to act for this subject, newest first."""
    mine = select(mandates).where(mandates.c.subject_id == subject_id)
    return list((await connection.execute(mine.order_by(mandates.c.granted_at.desc(), mandates.c.id))).all())


async def mandates_held(connection: AsyncConnection, account: str) -> list[Row[Any]]:
    """All mandates under which this account may act or could, newest first."""
    mine = select(mandates).where(mandates.c.holder == account)
    return list((await connection.execute(mine.order_by(mandates.c.granted_at.desc(), mandates.c.id))).all())


def has_ended(row: Any, *, on: date) -> bool:
    """Whether a mandate (a row of `mandates`) holds no more."""
    return row.revoked_at is not None or row.ends_on <= on


_WORDS = {MandateKind.AGENT: "经办人", MandateKind.FAMILY: "家人", MandateKind.GUARDIAN: "监护人"}


async def _read(connection: AsyncConnection, mandate_id: UUID) -> Row[Any]:
    row = (await connection.execute(select(mandates).where(mandates.c.id == mandate_id))).one_or_none()
    if row is None:
        raise UnknownMandate
    return row


async def _check_grantor(
    connection: AsyncConnection, principal: Principal, subject: Row[Any], *, kind: MandateKind, now: datetime
) -> None:
    """The subject itself; for a company also an operator; for a person who cannot, a reviewer with the document."""
    if principal.role in _SUBJECT_ROLES:
        if principal.subject_id != subject.id:
            raise Forbidden("只能为本人(本单位)授权代办。请改正委托人。")
        await check_own_account(connection, principal.account)
        if is_minor(subject.birth_on, on=day_of(now)) or kind is MandateKind.GUARDIAN:
            raise MandateRefused("监护关系和未成年人的代办,须由审核人员凭证明文件登记。请到服务窗口办理。")
        return
    is_company = subject.kind == SubjectKind.ENTERPRISE.value
    if principal.role is not Role.REVIEWER and not (principal.role is Role.OPERATOR and is_company):
        raise Forbidden("自然人的代办只能由本人授权,或由审核人员凭证明文件登记。请由本人办理,或到服务窗口办理。")


def _check_term(subject: Row[Any], kind: MandateKind, ends_on: date, *, on: date) -> None:
    if not on < ends_on <= on + LONGEST_TERM:
        raise MandateRefused("委托的终止日期须晚于今天,最长一年。到期后可以重新授权。")
    if is_minor(subject.birth_on, on=on):
        grown = turns_adult_on(subject.birth_on)
        if kind is not MandateKind.GUARDIAN:
            raise MandateRefused("未成年人只能由监护人代办。请按监护人登记。")
        if ends_on > grown:
            raise MandateRefused(f"被监护人于 {grown} 年满十八周岁,监护代办最晚到这一天为止。请改正终止日期。")


async def _check_holder(
    connection: AsyncConnection, subject: Row[Any], kind: MandateKind, holder: str, *, now: datetime
) -> None:
    own = (
        accounts.c.id == holder,
        accounts.c.basis.is_(None),
        or_(accounts.c.ended_at.is_(None), accounts.c.ended_at > now),
    )
    found = (await connection.execute(select(accounts).where(*own))).one_or_none()
    can = () if found is None or found.subject_id is None else _roles_for(kind)
    if found is None or Role(found.role) not in can or found.subject_id == subject.id:
        raise MandateRefused("代办人账号不存在、已停用,或不能代办。请核对账号;代办人须用自己本人的账号。")
    person = await read_subject(connection, found.subject_id)
    if person.ended_on is not None or is_minor(person.birth_on, on=day_of(now)):
        raise MandateRefused("代办人须是已成年的在册主体。请核对代办人账号。")
    live = (mandates.c.subject_id == subject.id, mandates.c.holder == holder, mandates.c.kind == kind.value)
    in_force = (mandates.c.revoked_at.is_(None), mandates.c.ends_on > day_of(now))
    if (await connection.execute(select(mandates.c.id).where(*live, *in_force))).first() is not None:
        raise MandateExists("此代办人已有一份有效的同类委托。需要改变期限的,请先解除原委托。")


def _roles_for(kind: MandateKind) -> tuple[Role, ...]:
    return _SUBJECT_ROLES if kind is MandateKind.AGENT else (Role.CITIZEN,)


def check_account_id(account: str) -> str:
    """An id that a new account of one's own may have.

    Raises:
        BadInput: it is too long, or reserved for acting in another's place.
    """
    allowed = account.isascii() and account.replace("-", "").replace("_", "").isalnum()
    if not 1 <= len(account) <= 40 or not allowed or account.startswith(ACTING):
        raise BadInput("账号编号须为 1 到 40 个字母、数字、- 或 _,且不能以 mandate- 或 assist- 开头。请改正后重试。")
    return account
