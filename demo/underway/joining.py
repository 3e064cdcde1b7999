"""Organisations on their way into the demo city's alliance. One thing to know: each stands at another stage, and what
needs a second person has been left to one."""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm
from sqlalchemy import Row

from demo.people import CITY_NAMES, COUNTIES, make_uscc
from demo.underway.town import HUIZHOU, KEY_LIFE, PAPER, SHAOYANG, Story, Telling, Town
from partners.accounts import Role
from partners.onboarding.applications import Applicant, apply_for_partnership
from partners.onboarding.documents import DocumentKind, add_document, store_document
from partners.onboarding.keys import PublicKey, read_public_key
from partners.onboarding.membership import Grounds, move_partner
from partners.onboarding.workflow import Act, Status, hold_partner

FIRST_CODE = 95_001
"""Numbers of the applicants' computed USCCs begin here, beyond everybody else's."""


def fresh_key() -> PublicKey:
    """The public half of a key whose other half nobody has kept: who holds it cannot sign in, an operator can look."""
    return read_public_key(str(OKPAlgorithm.to_jwk(Ed25519PrivateKey.generate().public_key())))


async def _apply(town: Town, days: int, *, number: int, place: str, sector: str, name: str) -> Row[Any]:
    """An organisation applies, so many working days ago, and hands in its licence; the row of its key."""
    given = Applicant(
        place=place,
        sector=sector,
        name=f"{CITY_NAMES[place]}{name}(演示)",
        uscc=make_uscc("91", COUNTIES[place][0], FIRST_CODE + number),
        contact="综合办公室(演示)",
    )
    async with town.database.transaction() as connection:
        key = await apply_for_partnership(
            connection, given=given, key=fresh_key(), rulebook=town.rulebook,
            longest=KEY_LIFE, now=town.before(days, 9),
        )  # fmt: skip
    act = Act(key.account, Role.APPLICANT, town.before(days, 9, 20))
    await _hand_in(town, key.partner_id, DocumentKind.LICENCE, "营业执照.png", act)
    return key


async def _hand_in(town: Town, partner_id: int, kind: DocumentKind, title: str, act: Act) -> str:
    stored = await store_document(town.files, title=title, content=PAPER)
    async with town.database.transaction() as connection:
        await hold_partner(connection, partner_id)
        await add_document(connection, partner_id, kind=kind, title=title, stored=stored, act=act)
    return stored.name


async def _move(town: Town, partner_id: int, to: Status, act: Act, grounds: Grounds = Grounds()) -> None:
    async with town.database.transaction() as connection:
        await move_partner(connection, partner_id, to=to, act=act, grounds=grounds)


async def _submit(town: Town, key: Row[Any], days: int) -> None:
    await _move(town, key.partner_id, Status.SUBMITTED, Act(key.account, Role.APPLICANT, town.before(days, 11)))


async def handed_in(town: Town) -> Story:
    """An application that waits to be looked at."""
    yield town.before(3, 9)
    key = await _apply(town, 3, number=1, place=SHAOYANG, sector="household", name="长塘家政服务")
    yield town.before(3, 11)
    await _submit(town, key, 3)


async def handed_in_long_ago(town: Town) -> Story:
    """An application that nobody looked at in time."""
    yield town.before(13, 9)
    key = await _apply(town, 13, number=2, place=HUIZHOU, sector="transport", name="云岭旅运")
    yield town.before(13, 11)
    await _submit(town, key, 13)


async def sent_back(town: Town) -> Story:
    """An application that lacked something."""
    yield town.before(8, 9)
    key = await _apply(town, 8, number=3, place=HUIZHOU, sector="shop", name="晨光书店")
    yield town.before(8, 11)
    await _submit(town, key, 8)
    yield (at := town.before(6, 14))
    reason = "营业执照的复印件缺第二页,请补齐后重新提交。"
    await _move(town, key.partner_id, Status.DRAFT, Act("operator-2", Role.OPERATOR, at, reason))


async def waits_for_the_contract(town: Town) -> Story:
    """Qualified by an operator; a reviewer has yet to enter the contract."""
    yield town.before(10, 9)
    key = await _apply(town, 10, number=4, place=SHAOYANG, sector="hotel", name="白鹭酒店管理")
    yield town.before(10, 11)
    await _submit(town, key, 10)
    yield (at := town.before(7, 15))
    await _move(town, key.partner_id, Status.QUALIFIED, Act("operator-1", Role.OPERATOR, at, "证照齐全,名称与登记一致"))
    yield (at := town.before(2, 16))
    act = Act(key.account, Role.REPRESENTATIVE, at)
    await _hand_in(town, key.partner_id, DocumentKind.CONTRACT, "合作协议(双方盖章).png", act)


async def in_tests(town: Town) -> Story:
    """Under contract, and trying out the sandbox."""
    yield town.before(20, 9)
    key = await _apply(town, 20, number=5, place=SHAOYANG, sector="scenic", name="松坡湿地公园")
    yield town.before(20, 11)
    await _submit(town, key, 20)
    yield (at := town.before(16, 10))
    await _move(town, key.partner_id, Status.QUALIFIED, Act("operator-2", Role.OPERATOR, at, "证照齐全"))
    yield (at := town.before(12, 10))
    act = Act(key.account, Role.REPRESENTATIVE, at)
    contract = await _hand_in(town, key.partner_id, DocumentKind.CONTRACT, "合作协议.png", act)
    yield (at := town.before(11, 10))
    act = Act("reviewer-1", Role.REVIEWER, at, "协议文本与范本一致")
    number = f"XY-{at.year}-031"
    await _move(town, key.partner_id, Status.CONTRACTED, act, Grounds(number, contract))
    yield (at := town.before(10, 10))
    await _move(town, key.partner_id, Status.SANDBOX, Act("operator-1", Role.OPERATOR, at, "已开通沙箱"))


JOINING: tuple[Telling, ...] = (handed_in, handed_in_long_ago, sent_back, waits_for_the_contract, in_tests)
