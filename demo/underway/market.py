"""Offers of the demo city that wait, and what partners ask to be allowed to ask. One thing to know: what the
guard would not pass without a human is among them; nothing here is open, so nobody gets anything by it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select

from demo import desk as writing
from demo.underway.town import Story, Telling, Town
from legal.effects import Effect
from partners.grants import Predicate, request_grant, revoke_grant
from partners.offers.content import OfferDraft
from partners.offers.drafts import draft_offer, revise_offer, submit_draft, submit_offer
from partners.offers.life import Desk, content_in, open_file
from partners.offers.review import request_changes
from partners.offline.gates import register_gate
from partners.tables import offers

SOON = timedelta(days=30)


@asynccontextmanager
async def _desk(town: Town, actor: str, at: datetime, *, member: str | None = None) -> AsyncIterator[Desk]:
    """Where somebody works on offers: of every partner, or of one's own alone."""
    async with town.database.transaction() as connection:
        partner_id = town.members[member].id if member else None
        yield Desk(connection, actor, await town.catalogue(connection), at, partner_id)


def _writing(town: Town, account: str) -> writing.Desk:
    return writing.Desk(town.members[account], town.on)


def _annual_ticket(town: Town) -> OfferDraft:
    desk = _writing(town, "scenic-9")
    return desk.offer(
        "tourism",
        "person",
        baseline=desk.baseline("公示年票价", price_fen=20_000, queue="first-come"),
        title="年票八五折",
        standard_service="按公示价 200 元购买年票,所有游客同价。",
        benefit="年票按公示价打八五折。",
        effects=(Effect.FEE_REDUCTION,),
        details={"discount_percent": 15},
        limit_per_person=1,
        opens_on=town.on + SOON,
    )


def _gift_beside_a_visit(town: Town) -> OfferDraft:
    desk = _writing(town, "scenic-11")
    return desk.offer(
        "tourism",
        "person",
        baseline=desk.baseline("展馆免费开放公告", documents=("身份证",), queue="first-come"),
        title="展馆赠送导览手册",
        standard_service="展馆对所有人免费开放,凭身份证先到先入。",
        benefit="参观时赠送导览手册一册。",
        effects=(Effect.GIFT,),
        basic_public_service=True,
        opens_on=town.on + SOON,
    )


def _left_luggage(town: Town) -> OfferDraft:
    desk = _writing(town, "shop-2")
    return desk.offer(
        "service",
        "person",
        baseline=desk.baseline("停车和寄存公示", price_fen=1_000),
        title="物品寄存免费",
        standard_service="物品寄存每件 10 元,所有顾客同价。",
        benefit="物品寄存每日首件免费。",
        effects=(Effect.FEE_WAIVER,),
        details={"service": "物品寄存", "discount_percent": 100},
        opens_on=town.on + SOON,
    )


def _cleaning(town: Town) -> OfferDraft:
    desk = _writing(town, "household-1")
    return desk.offer(
        "household",
        "person",
        baseline=desk.baseline("深度保洁价目", price_fen=36_000, queue="appointment"),
        title="深度保洁九折",
        standard_service="深度保洁每次 360 元,先约先排。",
        benefit="深度保洁按公示价目打九折。",
        effects=(Effect.FEE_REDUCTION,),
        details={"work": "cleaning", "discount_percent": 10},
        opens_on=town.on + SOON,
    )


async def annual_ticket(town: Town) -> Story:
    """Submitted by a partner's own desk; nothing speaks against it."""
    yield (at := town.before(4, 10, 40))
    async with _desk(town, "scenic-9-desk", at, member="scenic-9") as desk:
        await submit_offer(desk, _annual_ticket(town))


async def gift_beside_a_visit(town: Town) -> Story:
    """A gift beside a basic public service, at the partner's own cost: a human has to judge it."""
    yield (at := town.before(3, 15, 10))
    async with _desk(town, "operator-2", at) as desk:
        await submit_offer(desk, _gift_beside_a_visit(town))


async def longer_morning(town: Town) -> Story:
    """A revision of an offer that is open: the same with an hour more."""
    yield (at := town.before(2, 11, 20))
    async with _desk(town, "hotel-1-desk", at, member="hotel-1") as desk:
        theirs = (offers.c.partner_id == desk.partner_id, offers.c.title == "延迟两小时退房")
        offer_id = (await desk.connection.execute(select(offers.c.id).where(*theirs))).scalar_one()
        file = await open_file(desk, offer_id)
        draft = content_in(file.versions[-1])
        more = replace(
            draft,
            title="延迟三小时退房",
            benefit="退房时间可延后三小时,不另收费。",
            details={**draft.details, "late_checkout_hours": 3},
        )
        await revise_offer(desk, offer_id, more, reason="旺季过后客房宽裕")
        await submit_draft(desk, offer_id)


async def cleaning_sent_back(town: Town) -> Story:
    """Sent back by a reviewer."""
    yield (at := town.before(9, 14))
    async with _desk(town, "household-1-desk", at, member="household-1") as desk:
        offer = await submit_offer(desk, _cleaning(town))
    yield (at := town.before(7, 10))
    async with _desk(town, "reviewer-2", at) as desk:
        await request_changes(desk, offer.id, reason="请写明深度保洁包含哪些房间,并附公示价目的网址。")


async def being_written(town: Town) -> Story:
    """A draft."""
    yield (at := town.before(1, 17))
    async with _desk(town, "shop-2-desk", at, member="shop-2") as desk:
        await draft_offer(desk, _left_luggage(town))


def _predicate(town: Town, account: str, service: str) -> Predicate:
    desk = _writing(town, account)
    return Predicate(desk.member.id, service, writing.MODELS[desk.member.place, "person"], desk.threshold("person"))


async def asks_to_ask(town: Town) -> Story:
    """Two requests that wait, one of them for long."""
    for days, account, service in ((6, "hotel-1", "tourism"), (1, "property-2", "parking")):
        yield (at := town.before(days, 10, 15))
        asked = _predicate(town, account, service)
        async with town.database.transaction() as connection:
            await request_grant(connection, asked, actor=f"{account}-desk", now=at)


async def asked_too_much(town: Town) -> Story:
    """A request that was refused."""
    yield (at := town.before(8, 10, 15))
    asked = _predicate(town, "parking-1", "rental")
    async with town.database.transaction() as connection:
        grant_id = await request_grant(connection, asked, actor="parking-1-desk", now=at)
    yield (at := town.before(6, 9, 30))
    reason = "停车场没有租赁业务,与用途不符。"
    async with town.database.transaction() as connection:
        await revoke_grant(connection, grant_id=grant_id, reason=reason, actor="operator-3", now=at)


async def a_gate_without_network(town: Town) -> Story:
    """A scenic spot has an entrance that no network reaches. Its key's other half nobody has kept."""
    yield (at := town.before(15, 8, 45))
    member = town.members["scenic-3"]
    async with town.database.transaction() as connection:
        await register_gate(
            connection,
            partner_id=member.id,
            site="竹海入口",
            public_key=Ed25519PrivateKey.generate().public_key().public_bytes_raw(),
            catalogue=await town.catalogue(connection),
            actor=f"{member.account}-desk",
            now=at,
        )


MARKET: tuple[Telling, ...] = (
    annual_ticket,
    gift_beside_a_visit,
    longer_morning,
    cleaning_sent_back,
    being_written,
    asks_to_ask,
    asked_too_much,
    a_gate_without_network,
)
