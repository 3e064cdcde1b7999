"""Which account an outside identity signs in to. One thing to know: a provider proves a person's or an enterprise's
number, or names an account; everything else, what that account may do among it, is ours.

What a provider merely calls its user (a WeChat openid) leads to an account only after the person proved who she is
elsewhere and said so: a link, which she can see and end. One outside identity is linked to one account at a time.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Row, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core import audit
from core.audit import NO_SUBJECT
from core.errors import ExpectedError
from core.identifiers import new_id
from core.keys import Keys
from core.sealing import keyed_hashes
from partners.accounts import Role
from partners.notices import tell
from partners.onboarding.tables import partner_keys
from partners.sessions.opening import end_sessions
from partners.sessions.tables import linked_identities
from partners.tables import accounts
from scoring.registry.identities import Number, find_by
from scoring.registry.subjects import Act, Registration, read_subject, register_subject
from scoring.subjects import SubjectKind, lock_subject

links = linked_identities.c


class NotRegistered(ExpectedError):
    """Whoever signed in has proved who it is, and is not on file here."""

    code = "NOT_REGISTERED"

    def __init__(self) -> None:
        super().__init__("您的身份已核实,但在本平台还没有登记。请到服务窗口,或联系运营人员登记后再登录。")


class AccountRefused(ExpectedError):
    """The account may not sign in this way, or not any more."""

    code = "ACCOUNT_REFUSED"

    def __init__(self) -> None:
        super().__init__("这个账号不能由此方式登录,或已经停用。请改用其他登录方式,或联系运营人员。")


class UnknownLink(ExpectedError):
    """No such link of this account."""

    code = "UNKNOWN_LINK"

    def __init__(self) -> None:
        super().__init__("没有找到这个绑定,或它不属于当前账号。请从自己的绑定列表中选择。")


class RegistersIn(NamedTuple):
    """Where a provider may put people on file who are not yet."""

    place: str
    name: str
    """Of the person, as the provider says."""
    served: Collection[str]


async def account_of_number(
    connection: AsyncConnection,
    keys: Keys,
    number: Number,
    *,
    provider: str,
    registers: RegistersIn | None,
    now: datetime,
) -> Row[Any]:
    """The own account (a row of `accounts`) of whoever has this number, opened where there is none yet.

    Raises:
        NotRegistered: nobody on file has it. AccountRefused: the subject, or its account, has ended.
        SubjectUnderReview, BadInput.
    """
    subject_id = await find_by(connection, keys, number)
    if subject_id is None:
        if registers is None:
            raise NotRegistered
        act = Act(f"sign-in:{provider}", "经实名登录服务核验身份后登记", now)
        given = Registration(registers.place, registers.name, number)
        subject_id, _ = await register_subject(connection, keys, given, served=registers.served, act=act)
    await lock_subject(connection, subject_id)  # two first sign-ins at once leave one account
    subject = await read_subject(connection, subject_id)
    if subject.ended_on is not None and subject.kind == SubjectKind.PERSON.value:
        raise AccountRefused
    role = Role.AGENT if subject.kind == SubjectKind.ENTERPRISE.value else Role.CITIZEN
    own = (accounts.c.subject_id == subject.id, accounts.c.basis.is_(None), accounts.c.role == role.value)
    rows = (await connection.execute(select(accounts).where(*own).order_by(accounts.c.id))).all()
    for row in rows:
        if row.ended_at is None or row.ended_at > now:
            return row
    if rows:  # somebody has ended it on purpose
        raise AccountRefused
    account = f"{role.value}-{new_id().hex[-24:]}"
    await connection.execute(insert(accounts).values(id=account, role=role.value, subject_id=subject.id))
    content = {"account": account, "provider": provider}
    await audit.record(
        connection, at=now, actor=f"sign-in:{provider}", action="openAccount", content=content, subject_id=subject.id
    )
    return (await connection.execute(select(accounts).where(accounts.c.id == account))).one()


async def account_named(
    connection: AsyncConnection, account: str, *, roles: Collection[Role], now: datetime
) -> Row[Any]:
    """The account that a provider names, if it is of a role that the provider may give.

    Raises:
        AccountRefused: there is none, it has ended, it is another's to act through, or of another role.
    """
    own = (accounts.c.basis.is_(None), or_(accounts.c.ended_at.is_(None), accounts.c.ended_at > now))
    of_no_key = accounts.c.id.not_in(select(partner_keys.c.account))
    row = (await connection.execute(select(accounts).where(accounts.c.id == account, *own, of_no_key))).one_or_none()
    if row is None or Role(row.role) not in roles:
        raise AccountRefused
    return row


async def linked_account(
    connection: AsyncConnection, keys: Keys, *, provider: str, identity: str, roles: Collection[Role], now: datetime
) -> Row[Any] | None:
    """The account that an outside identity is linked to; None where it is linked to none that may sign in."""
    hashes = keyed_hashes(keys, "lookup", _message(provider, identity))
    live = (links.provider == provider, links.external_hash.in_(hashes), links.ended_at.is_(None))
    row = (await connection.execute(select(linked_identities).where(*live))).one_or_none()
    if row is None:
        return None
    try:
        account = await account_named(connection, row.account, roles=roles, now=now)
    except AccountRefused:
        return None
    # Under the newest key from now on, so that the older ones can be dropped one day.
    values = {"used_at": now, "external_hash": hashes[0]}
    await connection.execute(update(linked_identities).where(links.id == row.id).values(values))
    return account


async def link_identity(
    connection: AsyncConnection,
    keys: Keys,
    *,
    account: Row[Any],
    provider: str,
    identity: str,
    shown: str,
    now: datetime,
) -> None:
    """Link an outside identity to this account; a link to another account ends. The holder is told.

    Raises:
        Conflict: somebody else was linking it; run it again.
    """
    hashes = keyed_hashes(keys, "lookup", _message(provider, identity))
    live = (links.provider == provider, links.external_hash.in_(hashes), links.ended_at.is_(None))
    for row in (await connection.execute(select(linked_identities).where(*live).with_for_update())).all():
        if row.account == account.id:
            return
        former = (await connection.execute(select(accounts).where(accounts.c.id == row.account))).one()
        await _end(connection, row, former, actor=account.id, now=now)
    made = {"id": new_id(), "provider": provider, "external_hash": hashes[0], "account": account.id}
    await connection.execute(insert(linked_identities).values(**made, linked_at=now, used_at=now))
    subject_id = account.subject_id or NO_SUBJECT
    content = {"link": str(made["id"]), "provider": provider}
    await audit.record(
        connection, at=now, actor=account.id, action="linkIdentity", content=content, subject_id=subject_id
    )
    if account.subject_id is not None:
        text = f"您的账号已绑定一个「{shown}」身份,今后可由它登录。如非本人操作,请立即解除绑定并终止登录。"
        await tell(connection, subject_id=account.subject_id, kind="identity-linked", text=text, now=now)


async def links_of(connection: AsyncConnection, account: str) -> Sequence[Row[Any]]:
    """The links of an account that hold, newest first."""
    mine = select(linked_identities).where(links.account == account, links.ended_at.is_(None))
    return (await connection.execute(mine.order_by(links.linked_at.desc(), links.id.desc()))).all()


async def end_link(connection: AsyncConnection, *, account: str, link_id: UUID, now: datetime) -> None:
    """End a link, and the sessions that were signed in through its provider. One that has ended stays as it is.

    Raises:
        UnknownLink: it is none of this account's.
    """
    found = select(linked_identities).where(links.id == link_id).with_for_update()
    row = (await connection.execute(found)).one_or_none()
    if row is None or row.account != account:
        raise UnknownLink
    if row.ended_at is None:
        holder = (await connection.execute(select(accounts).where(accounts.c.id == account))).one()
        await _end(connection, row, holder, actor=account, now=now)


async def _end(connection: AsyncConnection, row: Row[Any], holder: Row[Any], *, actor: str, now: datetime) -> None:
    await connection.execute(update(linked_identities).where(links.id == row.id).values(ended_at=now))
    await end_sessions(connection, account=row.account, provider=row.provider, now=now)
    content = {"link": str(row.id), "provider": row.provider}
    await audit.record(
        connection,
        at=now,
        actor=actor,
        action="unlinkIdentity",
        content=content,
        subject_id=holder.subject_id or NO_SUBJECT,
    )


def _message(provider: str, identity: str) -> bytes:
    return f"identity:{provider}:{identity}".encode()
