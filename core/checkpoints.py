"""Signed checkpoints of the audit trail, and its verification. One thing to know: a checkpoint says where every chain
stood; once it is published, whoever rewrites rows before it has to explain the checkpoint and every receipt away.

What only a published checkpoint or a receipt gives away is the loss of rows at the end of a chain, written after the
last checkpoint. The server makes one every few seconds while there is something to sign.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Column, Row, Table, Text, Uuid, and_, bindparam, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core.audit import audit_chains, audit_entries, leaf_of, link_of
from core.database import Instant, driver_of, metadata
from core.errors import ExpectedError
from core.keys import Keys
from core.signing import SignatureInvalid, sign, verify

audit_checkpoints = Table(
    "audit_checkpoints",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False, comment="from 1, without a gap"),
    Column("at", Instant, nullable=False),
    Column("statement", Text, nullable=False, comment="JWS; its heads are the chains that moved since the last one"),
)

PAGE = 2000
LONGEST = 4_000_000
"""Characters of a checkpoint; one that follows a restart of many processes names many chains."""
Heads = dict[str, tuple[int, str]]
"""Chain → (step, link)."""


class TrailBroken(ExpectedError):
    """The trail does not hold. The message names the first row that is not what it should be, and says in which way."""

    code = "AUDIT_BROKEN"

    def __init__(self, finding: str) -> None:
        super().__init__(f"{finding}请从备份恢复,并查明原因。")


@dataclass(frozen=True, slots=True)
class Verified:
    """The trail holds."""

    rows: int
    checkpoints: int
    signed_rows: int
    """Rows that a checkpoint stands behind; the others are newer than the last one."""


async def make_checkpoint(connection: AsyncConnection, keys: Keys, *, issuer: str, now: datetime) -> int | None:
    """Sign where the chains stand, in a transaction; the checkpoint's number, or None where nothing has moved.

    Raises:
        Conflict: another process has just made one.
    """
    last = (await connection.execute(_LAST)).one_or_none()
    moved = await _moved(connection)
    if not moved:
        return None
    number = 1 if last is None else last.number + 1
    claims = {
        "iss": issuer,
        "iat": int(now.timestamp()),
        "number": number,
        "previous": None if last is None else sha256(last.statement.encode()).hexdigest(),
        "heads": {chain: [*head] for chain, head in sorted(moved.items())},
    }
    row = {"number": number, "at": now, "statement": sign(keys, "audit", claims)}
    await connection.execute(insert(audit_checkpoints).values(row))
    signed = [{"its_chain": UUID(chain), "signed_step": step} for chain, (step, _) in moved.items()]
    of_chain = update(audit_chains).where(audit_chains.c.chain == bindparam("its_chain", type_=Uuid))
    await connection.execute(of_chain.values(signed_step=bindparam("signed_step")), signed)
    return number


async def published_checkpoints(connection: AsyncConnection, *, after: int, most: int) -> list[Row[Any]]:
    """Checkpoints with a number above `after`, in order."""
    wanted = select(audit_checkpoints).where(audit_checkpoints.c.number > after)
    return list((await connection.execute(wanted.order_by(audit_checkpoints.c.number).limit(most))).all())


def as_published(row: Row[Any]) -> dict[str, Any]:
    """A checkpoint as it is given to whoever keeps one; what `verify_trail` is to be given later is its `statement`."""
    return {"number": row.number, "at": row.at, "statement": row.statement}


async def verify_trail(
    connection: AsyncConnection,
    keys: Keys,
    *,
    kept: Sequence[str] = (),
    tell: Callable[[int], object] = lambda _: None,
) -> Verified:
    """Check every row, every chain and every checkpoint. `kept` are checkpoints from elsewhere, for one who suspects
    those in the database; `tell` hears how many rows were checked since it was last told.

    Raises:
        TrailBroken: a row or a checkpoint was changed, put in, or taken away.
    """
    anchors: dict[tuple[str, int], tuple[str, int]] = {}
    count, previous = 0, None
    async for statement in _statements(connection):
        count += 1
        try:
            claims = verify(keys, "audit", statement, max_length=LONGEST)
        except SignatureInvalid as error:
            raise TrailBroken(f"第 {count} 号检查点的签名不成立:{error.message}") from None
        if claims["number"] != count or claims["previous"] != previous:
            raise TrailBroken(f"第 {count} 号检查点缺失,或其后的检查点与它不相接。")
        previous = sha256(statement.encode()).hexdigest()
        anchors |= {(chain, step): (link, count) for chain, (step, link) in _heads(claims).items()}
    for statement in kept:
        claims = verify(keys, "audit", statement, max_length=LONGEST)
        for chain, (step, link) in _heads(claims).items():
            if anchors.setdefault((chain, step), (link, claims["number"])) != (link, claims["number"]):
                raise TrailBroken(f"第 {claims['number']} 号检查点与另行保存的不一致。")
    signed: dict[str, int] = {}
    for chain, step in anchors:
        signed[chain] = max(step, signed.get(chain, 0))
    return await _check_rows(connection, anchors, signed, count, tell)


@asynccontextmanager
async def snapshot(connection: AsyncConnection) -> AsyncIterator[None]:
    """Read what was committed at one instant, however much is written meanwhile; around `verify_trail`."""
    if connection.dialect.name == "sqlite":
        yield  # a reading connection's transaction is one snapshot
        return
    async with driver_of(connection).transaction(isolation="repeatable_read", readonly=True):
        yield


async def check_leaf(connection: AsyncConnection, leaf: str) -> None:
    """Look for the row that a receipt in somebody's hands pins; after `verify_trail`, in the same snapshot.

    Raises:
        TrailBroken: there is none, so it was taken away or rewritten.
    """
    if await connection.scalar(select(audit_entries.c.id).where(audit_entries.c.leaf == leaf).limit(1)) is None:
        raise TrailBroken(f"回执所指的审计记录(leaf {leaf})不存在:它被删除或改写过。")


async def _check_rows(
    connection: AsyncConnection,
    anchors: dict[tuple[str, int], tuple[str, int]],
    signed: dict[str, int],
    checkpoints: int,
    tell: Callable[[int], object],
) -> Verified:
    rows = behind = 0
    chain, step, link = "", 0, ""
    seen: set[str] = set()
    opened = {str(one) for one in (await connection.execute(select(audit_chains.c.chain))).scalars()}
    async for row in _entries(connection):
        if str(row.chain) != chain:
            if chain and step < signed.get(chain, 0):
                raise TrailBroken(_missing(chain, step + 1))
            chain, step, link = str(row.chain), 0, sha256(row.chain.bytes).hexdigest()
            seen.add(chain)
            if chain not in opened:
                raise TrailBroken(f"{_named(row)} 所在的链没有登记,是后来放进去的。")
        if row.step != step + 1:
            raise TrailBroken(_missing(chain, step + 1))
        if leaf_of(row._asdict()) != row.leaf:
            raise TrailBroken(f"{_named(row)} 的内容被改动过。")
        step, link = row.step, link_of(link, row.leaf)
        if link != row.link:
            raise TrailBroken(f"{_named(row)} 与前一行不相接:这一行或它前面的一行被换过。")
        anchor = anchors.get((chain, step))
        if anchor is not None and anchor[0] != link:
            raise TrailBroken(f"{_named(row)} 与第 {anchor[1]} 号检查点所签的不一致:它或它前面的行被重写过。")
        rows, behind = rows + 1, behind + (step <= signed.get(chain, 0))
        if rows % PAGE == 0:
            tell(PAGE)
    if chain and step < signed.get(chain, 0):
        raise TrailBroken(_missing(chain, step + 1))
    gone = next(iter(sorted(set(signed) - seen)), None)
    if gone is not None:
        raise TrailBroken(_missing(gone, 1))
    tell(rows % PAGE)
    return Verified(rows, checkpoints, behind)


async def _entries(connection: AsyncConnection) -> AsyncIterator[Row[Any]]:
    """All rows by chain and step, a page at a time, so that memory stays flat."""
    entries, at = audit_entries, audit_entries.c
    page = select(entries).order_by(at.chain, at.step).limit(PAGE)
    found = (await connection.execute(page)).all()
    while found:
        for row in found:
            yield row
        last = found[-1]
        further = or_(at.chain > last.chain, and_(at.chain == last.chain, at.step > last.step))
        found = (await connection.execute(page.where(further))).all()


async def _statements(connection: AsyncConnection) -> AsyncIterator[str]:
    number = 0
    while found := await published_checkpoints(connection, after=number, most=200):
        for row in found:
            yield row.statement
        number = found[-1].number


async def _moved(connection: AsyncConnection) -> Heads:
    """The last row of each chain that has grown since it was last signed."""
    newest = select(func.max(audit_entries.c.step)).where(audit_entries.c.chain == audit_chains.c.chain)
    standing = select(audit_chains, newest.scalar_subquery().label("step")).subquery()
    grown = standing.c.step > standing.c.signed_step
    found = await connection.execute(
        select(audit_entries.c.chain, audit_entries.c.step, audit_entries.c.link)
        .join(standing, and_(audit_entries.c.chain == standing.c.chain, audit_entries.c.step == standing.c.step))
        .where(grown)
    )
    return {str(row.chain): (row.step, row.link) for row in found}


def _heads(claims: dict[str, Any]) -> Heads:
    return {str(UUID(chain)): (int(step), str(link)) for chain, (step, link) in claims["heads"].items()}


def _named(row: Any) -> str:
    return f"审计记录 {row.id}({row.at:%Y-%m-%d %H:%M:%S} {row.action},链 {row.chain} 第 {row.step} 行)"


def _missing(chain: str, step: int) -> str:
    return f"链 {chain} 缺少第 {step} 行:它被删除过。"


_LAST = select(audit_checkpoints).order_by(audit_checkpoints.c.number.desc()).limit(1)
