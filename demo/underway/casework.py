"""Cases of the demo city, as its people brought them. One thing to know: terms are counted in working days, so what is
due today, late or still far off is so on whatever day the city is built."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from demo.city import BODIES
from demo.underway.town import HUIZHOU, PAPER, SHAOYANG, Held, Story, Telling, Town, account_of
from partners.alarms import alarm_overdue
from scoring.cases.decisions import (
    Correction,
    Officer,
    ask_for_help,
    decide_case,
    pause_for_examination,
    withdraw_case,
)
from scoring.cases.opening import (
    SERIOUS_LIST,
    Ground,
    appeal_case,
    apply_for_repair,
    open_complaint,
    open_objection,
    open_statement,
)
from scoring.cases.papers import add_paper, store_paper
from scoring.cases.workflow import Outcome
from scoring.cases.worklist import note_overdue

FIRST, SECOND = Officer("reviewer-1", handles_all=True), Officer("reviewer-2", handles_all=True)
BODY = Officer("provider-2", body=BODIES["provider-2"][0], body_uscc=BODIES["provider-2"][1])
"""The body that gave the city's penalties."""


async def _object(
    town: Town, record: Held, days: int, statement: str, *, ground: Ground = Ground.WRONG, field: str | None = None
) -> UUID:
    """Somebody objects to a record, so many working days ago."""
    act = town.act(account_of(record.subject_id), town.before(days))
    async with town.database.transaction() as connection:
        case = await open_objection(
            connection, subject_id=record.subject_id, record_id=record.id, model=None, field=field, ground=ground,
            statement=statement, rules=town.rules, act=act,
        )  # fmt: skip
    return UUID(str(case.id))


async def _hand_in(town: Town, record: Held, case_id: UUID, at: datetime, title: str) -> None:
    act = town.act(account_of(record.subject_id), at)
    stored = await store_paper(town.files, title=title, content=PAPER)
    async with town.database.transaction() as connection:
        await add_paper(
            connection, subject_id=record.subject_id, case_id=case_id, title=title, stored=stored, act=act
        )  # fmt: skip


async def _decide(
    town: Town,
    case_id: UUID,
    days: int,
    officer: Officer,
    *,
    outcome: Outcome,
    reason: str,
    correction: Correction = Correction(),
) -> None:
    act = town.act(officer.account, town.before(days, 15), reason)
    async with town.database.transaction() as connection:
        await decide_case(
            connection, case_id=case_id, officer=officer, outcome=outcome, correction=correction, rules=town.rules,
            act=act,
        )  # fmt: skip


async def due_today(town: Town) -> Story:
    """An objection whose last day is today, or the next working day."""
    record = await town.record_of(SHAOYANG, "person", "administrative-penalty")
    yield town.before(5)
    case_id = await _object(town, record, 5, "处罚决定书已经复议撤销,复议决定书见附件,请核对后更正。")
    yield (at := town.before(5, 10, 5))
    await _hand_in(town, record, case_id, at, "复议决定书.png")


async def due_soon(town: Town) -> Story:
    """An objection with a day left."""
    record = await town.record_of(HUIZHOU, "person", "commitment-kept")
    yield town.before(2)
    await _object(town, record, 2, "漏写了履约的年份,请补全。", ground=Ground.INCOMPLETE, field="content")


async def overdue(town: Town) -> Story:
    """An objection that nobody decided in time; reported upward in the night after its last day."""
    record = await town.record_of(HUIZHOU, "enterprise", "abnormal-operation")
    yield town.before(7)
    await _object(town, record, 7, "已按时补报年报并申请移出,至今仍显示在经营异常名录中。", ground=Ground.PAST_TERM)
    yield (noted_at := town.before(3, 0, 30))
    await note_overdue(town.database, rules=town.rules, alarm=alarm_overdue, now=noted_at)


async def waits_for_help(town: Town) -> Story:
    """Another body was asked to check."""
    record = await town.record_of(SHAOYANG, "enterprise", "tax-arrears")
    yield town.before(3)
    case_id = await _object(town, record, 3, "税款已于公告前缴清,完税凭证可向税务机关核对。")
    yield (asked_at := town.before(2, 9, 20))
    act = town.act(FIRST.account, asked_at, "请核对该企业的缴款日期。")
    async with town.database.transaction() as connection:
        await ask_for_help(
            connection, case_id=case_id, body="演示市税务局", uscc=None, officer=FIRST, rules=town.rules, act=act
        )


async def examined(town: Town) -> Story:
    """The clock stands still while experts look at it."""
    record = await town.record_of(SHAOYANG, "person", "commitment-breach")
    yield town.before(4)
    case_id = await _object(town, record, 4, "承诺书上的签名不是本人所签,申请鉴定。")
    yield (paused_at := town.before(3, 16))
    act = town.act(SECOND.account, paused_at, "签名送司法鉴定机构鉴定,鉴定期间不计入办理期限。")
    async with town.database.transaction() as connection:
        await pause_for_examination(connection, case_id=case_id, officer=SECOND, rules=town.rules, act=act)


async def upheld(town: Town) -> Story:
    """An objection that was right: the record is gone."""
    record = await town.record_of(SHAOYANG, "person", "court-enforcement")
    yield town.before(15)
    case_id = await _object(town, record, 15, "判决的款项已在期限内履行完毕,法院已出具结案证明。")
    yield town.before(13, 15)
    reason = "经向法院核实,义务已按期履行,该信息不应列入,已撤下并通知使用单位。"
    await _decide(town, case_id, 13, FIRST, outcome=Outcome.UPHELD, reason=reason, correction=Correction(remove=True))


async def rejected_and_appealed(town: Town) -> Story:
    """An objection that was not right, and that another person looks at again."""
    record = await town.record_of(SHAOYANG, "enterprise", "contract-breach")
    yield town.before(9)
    case_id = await _object(town, record, 9, "合同纠纷已经和解,不应再认定为违约。")
    yield town.before(6, 15)
    await _decide(
        town, case_id, 6, FIRST, outcome=Outcome.REJECTED, reason="和解发生在判决生效之后,判决书认定的事实没有改变。"
    )
    yield (at := town.before(4))
    act = town.act(account_of(record.subject_id), at)
    async with town.database.transaction() as connection:
        await appeal_case(
            connection, subject_id=record.subject_id, case_id=case_id, rules=town.rules, act=act,
            statement="和解协议约定双方撤回主张,请重新核对法院的裁定。",
        )  # fmt: skip


async def withdrawn(town: Town) -> Story:
    """An objection that was taken back."""
    record = await town.record_of(HUIZHOU, "person", "administrative-penalty")
    yield town.before(11)
    case_id = await _object(town, record, 11, "罚款金额似乎不对。")
    yield (at := town.before(10, 9))
    act = town.act(account_of(record.subject_id), at, "已与处罚机关核对清楚。")
    async with town.database.transaction() as connection:
        await withdraw_case(connection, subject_id=record.subject_id, case_id=case_id, act=act)


async def _apply(town: Town, record: Held, days: int, way: str, statement: str) -> UUID:
    act = town.act(account_of(record.subject_id), town.before(days, 14))
    async with town.database.transaction() as connection:
        case = await apply_for_repair(
            connection, subject_id=record.subject_id, record_id=record.id, way=way, statement=statement,
            rules=town.rules, act=act,
        )  # fmt: skip
    return UUID(str(case.id))


async def repaired(town: Town) -> Story:
    """A repair that the body itself granted."""
    record = await town.record_of(SHAOYANG, "enterprise", "administrative-penalty", nth=1)
    yield town.before(18, 14)
    case_id = await _apply(town, record, 18, "put-right", "罚款已缴清,违法行为已改正,整改报告已提交处罚机关。")
    yield town.before(14, 15)
    await _decide(
        town, case_id, 14, BODY, outcome=Outcome.GRANTED, reason="整改经现场复核合格,准予修复,即日起停止公示和使用。"
    )


async def not_repaired(town: Town) -> Story:
    """A repair that was refused."""
    record = await town.record_of(HUIZHOU, "enterprise", "administrative-penalty", nth=1)
    yield town.before(12, 14)
    case_id = await _apply(town, record, 12, "training", "已参加信用修复培训。")
    yield town.before(8, 15)
    await _decide(
        town, case_id, 8, SECOND, outcome=Outcome.REFUSED, reason="罚款尚未缴清。缴清后可以再次申请,培训记录仍然有效。"
    )


async def repair_waits(town: Town) -> Story:
    """A repair that waits for its body."""
    record = await town.record_of(SHAOYANG, "enterprise", "administrative-penalty", nth=2)
    yield town.before(4, 14)
    case_id = await _apply(town, record, 4, "commitment", "已签署信用承诺书,承诺一年内不再发生同类行为。")
    yield (at := town.before(4, 14, 30))
    await _hand_in(town, record, case_id, at, "信用承诺书.png")


async def states_its_case(town: Town) -> Story:
    """An enterprise that was listed defends itself; the listing came in a delivery before."""
    yield town.before(1)
    record = await town.listed(SERIOUS_LIST)
    act = town.act(account_of(record.subject_id), town.before(1))
    async with town.database.transaction() as connection:
        await open_statement(
            connection, subject_id=record.subject_id, record_id=record.id, rules=town.rules, act=act,
            statement="列入决定所依据的处罚正在行政复议中,请暂缓列入,并听取本单位的陈述。",
        )  # fmt: skip


async def _complain(town: Town, subject_id: int, days: int, statement: str) -> UUID:
    act = town.act(account_of(subject_id), town.before(days, 11))
    async with town.database.transaction() as connection:
        case = await open_complaint(
            connection, subject_id=subject_id, statement=statement, rules=town.rules, act=act
        )  # fmt: skip
    return UUID(str(case.id))


async def complains(town: Town) -> Story:
    """A complaint with a few days left."""
    record = await town.record_of(HUIZHOU, "person", "contract-kept", nth=3)
    yield town.before(16, 11)
    await _complain(town, record.subject_id, 16, "酒店的押金优惠写着随时可用,前台却说周末不办,请核实。")


async def complained(town: Town) -> Story:
    """A complaint that was answered."""
    record = await town.record_of(SHAOYANG, "person", "contract-kept", nth=3)
    yield town.before(30, 11)
    case_id = await _complain(town, record.subject_id, 30, "景区售票窗口要求先出示信用码才肯卖票。")
    yield town.before(21, 15)
    reason = "投诉属实:标准服务不需要任何信用码。已要求该景区更正窗口告示并培训人员,结果已公布。"
    await _decide(town, case_id, 21, SECOND, outcome=Outcome.UPHELD, reason=reason)


CASES: tuple[Telling, ...] = (
    due_today,
    due_soon,
    overdue,
    waits_for_help,
    examined,
    upheld,
    rejected_and_appealed,
    withdrawn,
    repaired,
    not_repaired,
    repair_waits,
    states_its_case,
    complains,
    complained,
)
