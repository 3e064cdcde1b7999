"""How a partner comes in, works and leaves: a table of allowed moves and append-only steps. One thing to know: who does
the next move is never who did the one it looks over, and an account is taken to be one person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core import audit
from core.errors import ExpectedError, Forbidden, FourEyes
from partners.accounts import Role
from partners.catalogue import bump_catalogue
from partners.onboarding.tables import partner_steps
from partners.tables import partners


class Status(StrEnum):
    """Where a partner stands."""

    DRAFT = "DRAFT"
    SUBMITTED = "SUBMITTED"
    QUALIFIED = "QUALIFIED"
    CONTRACTED = "CONTRACTED"
    SANDBOX = "SANDBOX"
    CERTIFIED = "CERTIFIED"
    LIVE = "LIVE"
    SUSPENDED = "SUSPENDED"
    OFFBOARDED = "OFFBOARDED"


class UnknownPartner(ExpectedError):
    """No partner under that id."""

    code = "UNKNOWN_PARTNER"


class StepNotAllowed(ExpectedError):
    """From where the partner stands that step does not lead on."""

    code = "STEP_NOT_ALLOWED"


class EvidenceMissing(ExpectedError):
    """What the step rests on has not been handed in."""

    code = "EVIDENCE_MISSING"


@dataclass(frozen=True, slots=True)
class Act:
    """Who does something, in which role, why and when."""

    actor: str
    role: Role
    now: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Move:
    """A step that may be taken."""

    by: frozenset[Role]
    other_than: tuple[Status, ...] = ()
    """The last steps into these were another person's."""
    needs_reason: bool = False


APPLICANT, OPERATOR, REVIEWER = frozenset({Role.APPLICANT}), frozenset({Role.OPERATOR}), frozenset({Role.REVIEWER})
DESK = frozenset({Role.APPLICANT, Role.REPRESENTATIVE})
STAFF = OPERATOR | REVIEWER
_LEAVING = Move(STAFF, needs_reason=True)

MOVES: Mapping[tuple[Status, Status], Move] = {
    # An operator submits what it drafted on a partner's behalf; another one then qualifies it.
    (Status.DRAFT, Status.SUBMITTED): Move(DESK | OPERATOR),
    (Status.SUBMITTED, Status.DRAFT): Move(OPERATOR, needs_reason=True),
    (Status.SUBMITTED, Status.QUALIFIED): Move(OPERATOR, other_than=(Status.DRAFT, Status.SUBMITTED)),
    (Status.QUALIFIED, Status.CONTRACTED): Move(REVIEWER, other_than=(Status.QUALIFIED,)),
    (Status.CONTRACTED, Status.SANDBOX): Move(OPERATOR),
    (Status.SANDBOX, Status.CERTIFIED): Move(REVIEWER, other_than=(Status.SANDBOX,)),
    (Status.CERTIFIED, Status.LIVE): Move(OPERATOR, other_than=(Status.CERTIFIED,)),
    (Status.LIVE, Status.SUSPENDED): Move(STAFF, needs_reason=True),
    (Status.SUSPENDED, Status.LIVE): Move(STAFF, other_than=(Status.SUSPENDED,), needs_reason=True),
    **{
        (before, Status.OFFBOARDED): _LEAVING
        for before in Status
        if before not in {Status.DRAFT, Status.OFFBOARDED}
    },
}  # fmt: skip
"""Every allowed move, from and to."""

NEXT_STEP: Mapping[Status, str] = {
    Status.DRAFT: "请上传营业执照(或登记证书)等材料,然后提交申请。",
    Status.SUBMITTED: "运营人员正在核对材料;如需补正会退回并说明原因。请等待。",
    Status.QUALIFIED: "资格已通过,请与运营人员签订合作协议,由审核人员登记协议编号和文本。",
    Status.CONTRACTED: "协议已登记。请等待运营人员开通沙箱。",
    Status.SANDBOX: "请登记沙箱公钥,在沙箱中运行符合性检查(xinyi partner check),通过后由审核人员认证。",
    Status.CERTIFIED: "已认证。请登记正式公钥,等待另一位运营人员开通。",
    Status.LIVE: "已开通。请留意密钥到期日,并及时更换。",
    Status.SUSPENDED: "已暂停:正式密钥和优惠都停用。请按暂停原因处理后联系运营人员恢复。",
    Status.OFFBOARDED: "已退出联盟。如需重新加入,请重新申请。",
}
"""What happens next, in words for the partner."""


async def hold_partner(connection: AsyncConnection, partner_id: int) -> Row[Any]:
    """The partner's row, held until the transaction ends: two people may act on it at once.

    Raises:
        UnknownPartner: there is none.
    """
    mine = select(partners).where(partners.c.id == partner_id).with_for_update()
    row = (await connection.execute(mine)).one_or_none()
    if row is None:
        raise UnknownPartner("没有这家机构。请核对机构编号,或从机构列表中重新选择。")
    return row


async def steps_of(connection: AsyncConnection, partner_id: int) -> list[Row[Any]]:
    """The steps of a partner, oldest first."""
    mine = select(partner_steps).where(partner_steps.c.partner_id == partner_id).order_by(partner_steps.c.step)
    return list((await connection.execute(mine)).all())


def check_move(before: Status, after: Status, *, steps: list[Row[Any]], act: Act) -> None:
    """Whether this person may take this step now.

    Raises:
        StepNotAllowed, Forbidden, FourEyes, EvidenceMissing
    """
    move = MOVES.get((before, after))
    if move is None:
        raise StepNotAllowed("这家机构现在不在这一步,所以没有办;可能同事刚刚办过。请刷新后按现在的状态办理。")
    if act.role not in move.by:
        raise Forbidden
    if move.needs_reason and not act.reason:
        raise EvidenceMissing(f"转为 {after} 须写明原因。请补充 reason 后重试。")
    for status in move.other_than:
        # Who sent an application back did not write it: a step back has no evidence.
        of_status = [step for step in steps if step.status == status and (step.evidence or status is not Status.DRAFT)]
        if of_status and of_status[-1].actor == act.actor:
            raise FourEyes(f"{status} 这一步由您本人办理,转为 {after} 须由另一人办理。请交给同事。")


async def write_step(
    connection: AsyncConnection,
    partner_id: int,
    after: Status,
    *,
    number: int,
    act: Act,
    evidence: Mapping[str, Any],
) -> None:
    """Write a step that has been found right, and where the partner stands after it."""
    step = {"partner_id": partner_id, "step": number, "status": after.value, "actor": act.actor, "at": act.now}
    await connection.execute(insert(partner_steps).values(**step, reason=act.reason, evidence=dict(evidence)))
    await connection.execute(update(partners).where(partners.c.id == partner_id).values(status=after.value))
    if after not in {Status.DRAFT, Status.SUBMITTED}:
        # What a stranger does must not make every process read its catalogue again.
        await bump_catalogue(connection)
    content = {"partner": partner_id, "status": after.value, "reason": act.reason, "evidence": dict(evidence)}
    await audit.record(connection, at=act.now, actor=act.actor, action="movePartner", content=content)
