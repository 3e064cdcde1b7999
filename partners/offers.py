"""Offers from submission to approval. One thing to know: two different people, and the guard at both steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core import audit
from core.clock import day_of
from core.errors import BadInput, ExpectedError, FourEyes
from legal.effects import Effect
from legal.guard import Refusal
from legal.terms import PAYERS, Baseline
from partners.catalogue import Catalogue, Offer, bump_catalogue, load_catalogue
from partners.rulebook import Rulebook
from partners.tables import baselines, offer_steps, offers, quotas

MOVES = {"submitted": {"approved", "refused"}, "approved": {"closed"}, "refused": set[str](), "closed": set[str]()}
"""Allowed moves of an offer; each is one append-only row of `offer_steps`."""


class OfferUnlawful(ExpectedError):
    """The guard refuses the offer. `refusals` name each rule and its source."""

    code = "OFFER_UNLAWFUL"

    def __init__(self, refusals: Sequence[Refusal]) -> None:
        told = " ".join(f"[{refusal.rule}] {refusal.message}(依据:{refusal.source})" for refusal in refusals)
        super().__init__(f"该优惠不能发布:{told}")
        self.refusals = tuple(refusals)


class OfferNotSubmitted(ExpectedError):
    """There is no such offer waiting for approval."""

    code = "OFFER_NOT_SUBMITTED"


@dataclass(frozen=True)
class OfferDraft:
    """What an operator submits for a partner."""

    partner_id: int
    kind: str
    model: str
    threshold: str
    title: str
    standard_service: str
    benefit: str
    effects: tuple[str, ...]
    baseline: Baseline
    opens_on: date
    closes_on: date | None = None
    payer: str = "partner"
    budget: str = ""
    standard_lanes_unchanged: bool = False
    also_open_to: tuple[str, ...] = ()
    quota: int | None = None
    limit_per_person: int | None = None


def _check_draft(draft: OfferDraft, catalogue: Catalogue, rulebook: Rulebook) -> None:
    """What the guard need not be asked about: does everything named exist?"""
    if draft.partner_id not in catalogue.partners:
        raise BadInput("没有这个合作机构。请先登记机构,再提交优惠。")
    kind = rulebook.kinds.get(draft.kind)
    if kind is None:
        raise BadInput(f"没有 {draft.kind} 这种优惠类型。可选:{'、'.join(rulebook.kinds)}。")
    place = catalogue.partners[draft.partner_id].place
    model = next((m for m in rulebook.models.in_force(place, draft.opens_on) if m.id == draft.model), None)
    if model is None:
        known = "、".join(m.id for m in rulebook.models.in_force(place, draft.opens_on))
        raise BadInput(f"{place} 在开放日没有名为 {draft.model} 的评价模型。可选:{known}。")
    if draft.threshold not in {grade.code for grade in model.grades}:
        raise BadInput(f"模型 {model.id} 没有等级 {draft.threshold}。可选:{'、'.join(g.code for g in model.grades)}。")
    unknown = [effect for effect in draft.effects if effect not in set(Effect)]
    if unknown or not draft.effects:
        raise BadInput(f"优惠效果只能从下列增益中选一项以上:{'、'.join(Effect)}。不存在任何减损类效果。")
    if draft.payer not in PAYERS:
        raise BadInput(f"费用承担方只能是:{'、'.join(sorted(PAYERS))}。")
    if draft.closes_on is not None and draft.closes_on <= draft.opens_on:
        raise BadInput("结束日必须晚于开始日(结束日当天不再开放)。")
    strangers = [place for place in draft.also_open_to if place not in rulebook.places]
    if strangers:
        raise BadInput(f"没有这些地方:{'、'.join(strangers)}。可选:{'、'.join(rulebook.places)}。")
    if (draft.quota is not None and draft.quota < 1) or (
        draft.limit_per_person is not None and draft.limit_per_person < 1
    ):
        raise BadInput("名额和个人次数上限须为正整数;不限则留空。")


def _offer_values(draft: OfferDraft) -> dict[str, Any]:
    return {
        "partner_id": draft.partner_id,
        "version": 1,
        "status": "submitted",
        "kind": draft.kind,
        "model": draft.model,
        "threshold": draft.threshold,
        "title": draft.title,
        "standard_service": draft.standard_service,
        "benefit": draft.benefit,
        "effects": list(draft.effects),
        "payer": draft.payer,
        "budget": draft.budget,
        "standard_lanes_unchanged": draft.standard_lanes_unchanged,
        "also_open_to": list(draft.also_open_to),
        "limit_per_person": draft.limit_per_person,
        "opens_on": draft.opens_on,
        "closes_on": draft.closes_on,
    }


def _baseline_values(offer_id: int, baseline: Baseline) -> dict[str, Any]:
    return {
        "offer_id": offer_id,
        "in_force_from": baseline.in_force_from,
        "price_fen": baseline.price_fen,
        "deposit_fen": baseline.deposit_fen,
        "days": baseline.days,
        "documents": list(baseline.documents),
        "queue": baseline.queue,
        "code_required": baseline.code_required,
        "source_title": baseline.source.title,
        "source_clause": baseline.source.clause,
    }


async def submit_offer(
    connection: AsyncConnection,
    *,
    actor: str,
    draft: OfferDraft,
    catalogue: Catalogue,
    rulebook: Rulebook,
    now: datetime,
) -> Offer:
    """Submit an offer for approval by somebody else.

    Raises:
        BadInput: it names something that does not exist.
        OfferUnlawful: the guard refuses it; nothing is kept.
    """
    _check_draft(draft, catalogue, rulebook)
    statement = insert(offers).values(_offer_values(draft)).returning(offers.c.id)
    offer_id = int((await connection.execute(statement)).scalar_one())
    await connection.execute(insert(baselines).values(_baseline_values(offer_id, draft.baseline)))
    if draft.quota is not None:
        await connection.execute(insert(quotas).values(offer_id=offer_id, cap=draft.quota, taken=0))
    offer = await _lawful(connection, offer_id, rulebook=rulebook, now=now)
    await _step(connection, offer_id, status="submitted", actor=actor, reason="提交审核", now=now)
    return offer


async def approve_offer(
    connection: AsyncConnection, *, actor: str, offer_id: int, rulebook: Rulebook, now: datetime
) -> Offer:
    """Approve an offer that somebody else submitted; it opens on its day.

    Raises:
        OfferNotSubmitted: nothing waits under that id.
        FourEyes: the approver submitted it.
        OfferUnlawful: the guard refuses it as things stand today.
    """
    statement = select(offers.c.status).where(offers.c.id == offer_id).with_for_update()
    status = await connection.scalar(statement)
    if status is None or "approved" not in MOVES[status]:
        raise OfferNotSubmitted("没有处于待审核状态的这项优惠。它可能已被审核过,请刷新列表。")
    submitted_by = await connection.scalar(
        select(offer_steps.c.actor)
        .where(offer_steps.c.offer_id == offer_id, offer_steps.c.status == "submitted")
        .order_by(offer_steps.c.step.desc())
        .limit(1)
    )
    if submitted_by == actor:
        raise FourEyes("提交人不能审核自己提交的优惠。请由另一位工作人员审核。")
    await connection.execute(update(offers).where(offers.c.id == offer_id).values(status="approved"))
    offer = await _lawful(connection, offer_id, rulebook=rulebook, now=now)
    await _step(connection, offer_id, status="approved", actor=actor, reason="审核通过", now=now)
    return offer


async def _lawful(connection: AsyncConnection, offer_id: int, *, rulebook: Rulebook, now: datetime) -> Offer:
    """The offer as the catalogue will have it, judged by the guard beside all others."""
    judged = await load_catalogue(connection, rulebook, on=day_of(now))
    offer = judged.offers[offer_id]
    if offer.refusals:
        raise OfferUnlawful(offer.refusals)
    return offer


async def _step(
    connection: AsyncConnection, offer_id: int, *, status: str, actor: str, reason: str, now: datetime
) -> None:
    count = select(func.count()).select_from(offer_steps).where(offer_steps.c.offer_id == offer_id)
    step = int(await connection.scalar(count) or 0) + 1
    await connection.execute(
        insert(offer_steps).values(offer_id=offer_id, step=step, status=status, actor=actor, at=now, reason=reason)
    )
    content = {"offer": offer_id, "status": status}
    await audit.record(connection, at=now, actor=actor, action="offer", content=content)
    await bump_catalogue(connection)
