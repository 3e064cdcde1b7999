"""What those look after who watch over the demo city: alarms, query rights, double entries, a model's next version. One
thing to know: an alarm is raised by what happened, never written by itself."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

from sqlalchemy import select

from core.calendar import add_months
from demo.city import BODIES
from demo.people import FOREMOST, PERSONS
from demo.underway.joining import fresh_key
from demo.underway.town import HUIZHOU, KEY_LIFE, SHAOYANG, Story, Telling, Town
from partners.accounts import Principal, Role
from partners.alarms import AlarmState, handle_alarm, list_alarms
from partners.assisted import MISS, Presented, open_session
from partners.model_changes import run_version
from partners.onboarding.expiry import tell_of_expiring_keys
from partners.onboarding.keys import KeyUse, register_key
from partners.onboarding.theft import report_stolen_key
from partners.onboarding.workflow import Act, hold_partner
from scoring.life import governance
from scoring.queries.rights import Asking, decide_right, request_right
from scoring.registry.identities import Scheme, check_number
from scoring.registry.merging import propose_merge
from scoring.registry.subjects import Act as Entering
from scoring.registry.subjects import Registration, UnknownSubject, key_number_of, name_of, register_subject
from scoring.tables import subjects

MODEL = "xiangxinfen"
RAISED = {
    "      each: 4\n      at_most: 20\n": "      each: 4\n      at_most: 24\n",
    "kept contracts stop at 20": "kept contracts stop at 24",
    "times: 6}]\n  expect: {points: 620, grade: B}": "times: 6}]\n  expect: {points: 624, grade: B}",
}
"""What the next version of the model and its table of cases say instead: kept contracts bring 24 points at most."""


async def _handled(town: Town, kind: str, days: int, *, actor: str, state: AlarmState, reason: str) -> None:
    """Somebody looks after the newest alarm of a kind, so many working days ago."""
    async with town.database.transaction() as connection:
        [alarm] = await list_alarms(connection, state=None, kinds=[kind], before=None, size=1)
        at = town.before(days, 16, 30)
        await handle_alarm(connection, alarm.event.id, state=state, actor=actor, reason=reason, now=at)


async def misread_numbers(town: Town) -> Story:
    """At a window, numbers are typed that are nobody's: one alarm is closed, one is new."""
    clerk = Principal("clerk-1", Role.CLERK)
    for days, number in ((6, "UTO1000001"), (1, "UTO1000002")):
        yield (at := town.before(days, 15, 5))
        shown = Presented(Scheme.PASSPORT, number, "一号窗口", "查询本人信用信息")
        with suppress(UnknownSubject):
            await open_session(town.database, town.keys, principal=clerk, shown=shown, now=at)
        if days > 1:
            yield town.before(days, 16, 30)
            note = "已电话询问窗口:护照号码看错一位,已请本人到场更正。"
            await _handled(town, MISS, days, actor="operator-1", state=AlarmState.CLOSED, reason=note)


async def key_ends_soon(town: Town) -> Story:
    """A partner's key of last year ends soon, and no other goes on after it."""
    partner = town.members["bank-3"]
    ends = town.now + timedelta(days=9)
    yield (at := ends - KEY_LIFE)
    async with town.database.transaction() as connection:
        await register_key(
            connection, await hold_partner(connection, partner.id), use=KeyUse.LIVE, key=fresh_key(), expires_at=ends,
            act=Act("bank-3-desk", Role.REPRESENTATIVE, at), longest=KEY_LIFE,
        )  # fmt: skip
    yield (at := town.before(1, 0, 20))
    await tell_of_expiring_keys(town.database, now=at)


async def key_was_stolen(town: Town) -> Story:
    """A partner reports a key as stolen; an operator is looking after it."""
    partner = town.members["hotel-2"]
    yield (at := town.before(40, 10))
    act = Act("hotel-2-desk", Role.REPRESENTATIVE, at)
    async with town.database.transaction() as connection:
        held = await hold_partner(connection, partner.id)
        key = await register_key(
            connection, held, use=KeyUse.LIVE, key=fresh_key(), expires_at=None, act=act, longest=KEY_LIFE
        )
    yield (at := town.before(2, 9, 10))
    act = Act("hotel-2-desk", Role.REPRESENTATIVE, at, "前台电脑送修后发现密钥文件不见了")
    async with town.database.transaction() as connection:
        await hold_partner(connection, partner.id)
        await report_stolen_key(connection, key, since=town.before(4, 18), act=act)
    yield town.before(2, 16, 30)
    note = "已联系该机构,新密钥正在登记;期间没有核验发生。"
    await _handled(town, "STOLEN_KEY", 2, actor="operator-2", state=AlarmState.SEEN, reason=note)


async def overdue_is_seen(town: Town) -> Story:
    """Somebody asks why a case is late."""
    yield town.before(2, 16, 30)
    note = "已请复核人员说明原因并尽快决定。"
    await _handled(town, "CASE_OVERDUE", 2, actor="operator-3", state=AlarmState.SEEN, reason=note)


async def query_rights(town: Town) -> Story:
    """One right that opened by itself, one that was refused, and one that waits."""
    asked = (
        (21, "provider-3", HUIZHOU, "tax-arrears", "supervision", "《黑龙江省社会信用条例》第四十八条"),
        (13, "provider-2", SHAOYANG, "utility-arrears", "节日慰问名单核对", "单位内部安排"),
        (2, "provider-3", HUIZHOU, "commitment-breach", "食品摊贩备案专项整治", "《黑龙江省社会信用条例》第二十二条"),
    )
    for days, account, place, code, matter, basis in asked:
        yield (at := town.before(days, 11, 30))
        asking, item = Asking(account, *BODIES[account]), town.rulebook.catalogues[place].items[code]
        async with town.database.transaction() as connection:
            right = await request_right(
                connection, asking, place=place, item=item, matter=matter, matters=town.rulebook.matters[place],
                basis=basis, now=at,
            )  # fmt: skip
        if days == 13:
            yield (at := town.before(11, 9, 50))
            reason = "不属于法定职责中应当查询信用信息的事项。"
            async with town.database.transaction() as connection:
                await decide_right(
                    connection, right.id, opens=False, months=12, reason=reason, actor="reviewer-1", now=at
                )


async def _twin(town: Town, place: str, kind: str, nth: int) -> tuple[int, Registration]:
    """Somebody on file, and the same once more under another number."""
    first = FOREMOST if kind == "person" else PERSONS + FOREMOST
    wanted = select(subjects).where(subjects.c.place == place, subjects.c.kind == kind, subjects.c.id > first)
    async with town.database.reading() as connection:
        row = (await connection.execute(wanted.order_by(subjects.c.id).offset(nth).limit(1))).one()
    name = name_of(town.keys, row.name_sealed)
    if kind == "person":
        other = check_number(Scheme.PASSPORT, "UTO2000001")
        return row.id, Registration(place, name, other, born_on=row.birth_on)
    # An organisation code is positions 9 to 17 of the unified code that replaced it (GB 11714, GB 32100).
    other = check_number(Scheme.ORGANISATION_CODE, key_number_of(town.keys, row).text[8:17])
    return row.id, Registration(place, name, other, industry=row.industry)


async def double_entries(town: Town) -> Story:
    """An enterprise that is on file under its old code too, proposed to be made one; and a person who may be two."""
    yield (at := town.before(17, 10, 50))
    kept, firm = await _twin(town, SHAOYANG, "enterprise", 30)
    _, person = await _twin(town, HUIZHOU, "person", 30)
    act = Entering("operator-2", "依纸质档案补录", at)
    async with town.database.transaction() as connection:
        served = town.rulebook.served
        double, _ = await register_subject(connection, town.keys, firm, served=served, act=act)
        await register_subject(connection, town.keys, person, served=served, act=act)
    yield (at := town.before(2, 14, 20))
    act = Entering("operator-1", "组织机构代码证与营业执照核对一致,为同一企业", at)
    async with town.database.transaction() as connection:
        await propose_merge(connection, town.keys, keep=kept, drop=double, act=act)


async def next_version(town: Town) -> Story:
    """The next version of a model, drafted and simulated; a second person has yet to look at its report."""
    yield (at := town.before(5, 10, 30))
    shipped = town.rulebook.founding.in_force(SHAOYANG, town.on)
    now_in_force = next(model for model in shipped if model.id == MODEL).version
    texts = town.rulebook.founding.texts(MODEL, now_in_force)
    version = f"{add_months(town.on, 1):%Y-%m}"
    content, cases = (_raised(text, now_in_force, version) for text in texts)
    reason = "履行合同的加分上限由 20 分调为 24 分"
    async with town.database.transaction() as connection:
        book = town.rulebook
        await governance.draft_version(
            connection, actor="operator-1", content=content, cases=cases, place=None, models=book.models,
            places=book.places, now=at, reason=reason,
        )  # fmt: skip
    yield (at := town.before(4, 14))
    act = governance.Act("operator-1", MODEL, version, at, "看各等级的变动")
    await run_version(town.database, town.rulebook, act, to=governance.State.SIMULATED)


def _raised(text: str, version: str, to: str) -> str:
    for before, after in {f'version: "{version}"': f'version: "{to}"', **RAISED}.items():
        text = text.replace(before, after)
    return text


OVERSIGHT: tuple[Telling, ...] = (
    misread_numbers,
    key_ends_soon,
    key_was_stolen,
    overdue_is_seen,
    query_rights,
    double_entries,
    next_version,
)
