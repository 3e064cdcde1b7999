"""Taking a partner from one stage to the next, with what that rests on and what follows. One thing to know: what
follows - keys, name, offers - is in the transaction of the step, so there is never one without the other."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Row, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core.calendar import add_working_days
from core.clock import day_of
from partners.accounts import Role
from partners.onboarding.applications import application_of
from partners.onboarding.documents import DocumentKind
from partners.onboarding.keys import end_accounts, keys_of_partner, restore_accounts
from partners.onboarding.tables import partner_documents, partner_keys
from partners.onboarding.workflow import Act, EvidenceMissing, Status, check_move, hold_partner, steps_of, write_step
from partners.tables import accounts, partners
from partners.webhooks.events import emit

DAYS_TO_QUALIFY = 10
"""Working days for looking at an application (interpretation: no document sets one)."""
WINDING_UP = timedelta(days=30)
"""How long a partner that leaves may still redeem what was reserved and finish its orders (interpretation)."""
COUNTERS = (Role.PARTNER,)
"""What a suspension ends. The desk stays open: it has to read why, and to answer."""


@dataclass(frozen=True, slots=True)
class Grounds:
    """What a step rests on, as handed in by whoever takes it."""

    contract_number: str = ""
    document: str = ""
    """Name of a paper of the partner."""
    run: Mapping[str, Any] | None = field(default=None)
    """A passed conformance run, as the sandbox tells it."""


async def move_partner(
    connection: AsyncConnection, partner_id: int, *, to: Status, act: Act, grounds: Grounds = Grounds()
) -> Row[Any]:
    """Take a partner to its next stage. Returns its row before the step.

    Raises:
        UnknownPartner, StepNotAllowed, EvidenceMissing
        Forbidden: another role's step. FourEyes: another person's.
        Conflict: somebody else was quicker; run it again.
    """
    row = await hold_partner(connection, partner_id)
    steps, before = await steps_of(connection, partner_id), Status(row.status)
    check_move(before, to, steps=steps, act=act)
    evidence = await _evidence(connection, row, before, to, steps=steps, grounds=grounds)
    await write_step(connection, partner_id, to, number=len(steps) + 1, act=act, evidence=evidence)
    await _follow(connection, row, before, to, steps=steps, act=act)
    return row


async def _evidence(
    connection: AsyncConnection, row: Row[Any], before: Status, to: Status, *, steps: list[Row[Any]], grounds: Grounds
) -> dict[str, Any]:
    match to:
        case Status.SUBMITTED:
            papers = await _papers(connection, row.id, since=_began_at(steps))
            if not any(paper.kind == DocumentKind.LICENCE for paper in papers):
                raise EvidenceMissing("还没有上传营业执照或登记证书。请先上传材料,再提交申请。")
            return {"documents": [{"name": paper.name, "kind": paper.kind, "sha256": paper.sha256} for paper in papers]}
        case Status.CONTRACTED:
            papers = await _papers(connection, row.id, since=_began_at(steps))
            paper = next((one for one in papers if one.name == grounds.document), None)
            if not grounds.contract_number or paper is None or paper.kind != DocumentKind.CONTRACT:
                raise EvidenceMissing("登记协议须写明协议编号,并指明已上传的协议文本。请补充后重试。")
            return {"contract": grounds.contract_number, "document": paper.name, "sha256": paper.sha256}
        case Status.CERTIFIED:
            if grounds.run is None:
                raise EvidenceMissing("沙箱中还没有通过的符合性检查。请机构运行 xinyi partner check 并通过后再认证。")
            return {"run": dict(grounds.run)}
        case Status.LIVE | Status.OFFBOARDED:
            return {"from": before.value}
    return {}


async def _papers(connection: AsyncConnection, partner_id: int, *, since: datetime | None) -> list[Row[Any]]:
    """The papers of a partner that came in since it applied."""
    mine = select(partner_documents).where(partner_documents.c.partner_id == partner_id)
    if since is not None:
        mine = mine.where(partner_documents.c.at >= since)
    return list((await connection.execute(mine.order_by(partner_documents.c.at, partner_documents.c.name))).all())


def _began_at(steps: list[Row[Any]]) -> datetime | None:
    applied = application_of(steps)
    return None if applied is None else applied.at


async def _follow(
    connection: AsyncConnection, row: Row[Any], before: Status, to: Status, *, steps: list[Row[Any]], act: Act
) -> None:
    match before, to:
        case _, Status.QUALIFIED:
            await _recognise(connection, row.id, steps)
        case _, Status.SUSPENDED:
            await end_accounts(connection, row.id, roles=COUNTERS, at=act.now)
            payload = {"suspendedAt": act.now.isoformat()}
            lane = f"partner:{row.id}"
            await emit(connection, partner_id=row.id, type="partner.suspended", lane=lane, payload=payload, now=act.now)
        case Status.SUSPENDED, Status.LIVE:
            await restore_accounts(connection, row.id, ended_at=steps[-1].at)
        case _, Status.OFFBOARDED:
            # Before it was live it has nothing to wind up.
            ends = act.now + (WINDING_UP if before is Status.LIVE else timedelta())
            await end_accounts(connection, row.id, roles=Role, at=ends)
            later = (partner_keys.c.partner_id == row.id, partner_keys.c.expires_at > ends)
            await connection.execute(update(partner_keys).where(*later).values(expires_at=ends))


async def _recognise(connection: AsyncConnection, partner_id: int, steps: list[Row[Any]]) -> None:
    """From now on the applicant is the organisation: its name counts, and its account speaks for it."""
    applied = application_of(steps)
    if applied is None:
        return
    said = {name: applied.evidence["application"][name] for name in ("place", "sector", "name")}
    await connection.execute(update(partners).where(partners.c.id == partner_id).values(said))
    mine = (accounts.c.partner_id == partner_id, accounts.c.role == Role.APPLICANT.value)
    await connection.execute(update(accounts).where(*mine).values(role=Role.REPRESENTATIVE.value))


@dataclass(frozen=True, slots=True)
class Membership:
    """A partner with how it came where it stands."""

    row: Row[Any]
    steps: list[Row[Any]]
    keys: list[Row[Any]]

    @property
    def said(self) -> Mapping[str, str]:
        """Place, sector and name: an applicant's as it says, a partner's as recognised."""
        applied = application_of(self.steps)
        if applied is not None and self.row.status in {Status.DRAFT, Status.SUBMITTED}:
            return dict(applied.evidence["application"])
        return {"place": self.row.place, "sector": self.row.sector, "name": self.row.name}

    @property
    def due_on(self) -> date | None:
        """The last day for looking at an application that was handed in."""
        if self.row.status != Status.SUBMITTED or not self.steps:
            return None
        return add_working_days(self.steps[-1].at, DAYS_TO_QUALIFY).on

    def is_overdue(self, now: datetime) -> bool:
        """Whether that day has passed."""
        return self.due_on is not None and self.due_on < day_of(now)


async def read_membership(connection: AsyncConnection, row: Row[Any]) -> Membership:
    """All about a partner's row."""
    return Membership(row, await steps_of(connection, row.id), await keys_of_partner(connection, row.id))


async def partner_queue(
    connection: AsyncConnection, *, statuses: Collection[Status], search: str = "", after: int | None, size: int
) -> list[Row[Any]]:
    """Partners in these stages, all if none is named, by id: at most `size` after that id; with `search`, those whose
    name holds it or whose USCC begins with it."""
    found = select(partners).order_by(partners.c.id).limit(size)
    if statuses:
        found = found.where(partners.c.status.in_([status.value for status in statuses]))
    if search:
        in_name = partners.c.name.contains(search, autoescape=True)
        found = found.where(in_name | partners.c.uscc.startswith(search.upper(), autoescape=True))
    if after is not None:
        found = found.where(partners.c.id > after)
    return list((await connection.execute(found)).all())


async def count_partners(connection: AsyncConnection) -> list[tuple[Status, int]]:
    """How many partners stand at each stage; none where nobody does."""
    counted = select(partners.c.status, func.count()).group_by(partners.c.status)
    found = {Status(status): number for status, number in (await connection.execute(counted)).all()}
    return [(status, found[status]) for status in Status if status in found]
