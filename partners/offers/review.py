"""Judging what others wrote: approve, send back, answer for what a machine cannot judge. One thing to know: approving
puts the version in force, with its quota, its budget, its baseline and its partner's grant, in one transaction."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, insert, select, update

from legal.guard import Refusal, review_key
from partners.catalogue import Offer
from partners.grants import Predicate, give_grant
from partners.limits import BUDGET, EVER
from partners.offers.content import OfferDraft, baseline_values, offer_values
from partners.offers.crowds import count_crowd
from partners.offers.life import (
    SIGNED,
    Desk,
    OfferFile,
    OfferNotSubmitted,
    Status,
    UnknownOffer,
    UnknownReview,
    check_four_eyes,
    check_move,
    check_publishable,
    content_in,
    open_file,
    set_offer,
    set_version,
    step,
)
from partners.tables import baselines, quotas


async def approve_offer(desk: Desk, offer_id: int) -> Offer:
    """Approve a version that somebody else submitted; the offer opens on its day, or is given on in its new form.

    Raises:
        OfferNotSubmitted: nothing waits under that id.
        FourEyes: the approver wrote, edited or submitted it.
        OfferUnlawful: the guard refuses it as things stand today.
        OfferNeedsReview: a reviewer has yet to answer for what a machine cannot judge.
    """
    try:
        file = await open_file(desk, offer_id)
    except UnknownOffer:
        raise OfferNotSubmitted from None
    waits = file.pending
    if waits is None or waits.status != Status.SUBMITTED:
        raise OfferNotSubmitted
    check_four_eyes(desk, file, waits.version, act="审核")
    offer = await put_in_force(desk, file, content_in(waits), version=waits.version)
    decided: dict[str, Any] = {"decided_by": desk.actor, "decided_at": desk.now}
    await set_version(desk, offer_id, waits.version, status=Status.APPROVED, **decided)
    await step(desk, offer_id, version=waits.version, status=Status.APPROVED, reason="审核通过")
    return offer


async def request_changes(desk: Desk, offer_id: int, *, reason: str) -> int:
    """Send a submitted version back to whoever wrote it.

    Raises:
        UnknownOffer, MoveNotAllowed, FourEyes
    """
    file = await open_file(desk, offer_id)
    waits = file.pending or file.versions[-1]
    if waits.status == Status.CHANGES_REQUESTED:
        return offer_id
    check_move(Status(waits.status), Status.CHANGES_REQUESTED)
    check_four_eyes(desk, file, waits.version, act="退回")
    await set_version(desk, offer_id, waits.version, status=Status.CHANGES_REQUESTED)
    if not file.was_approved:
        await set_offer(desk, offer_id, status=Status.CHANGES_REQUESTED)
    await step(desk, offer_id, version=waits.version, status=Status.CHANGES_REQUESTED, reason=reason)
    return offer_id


async def sign_review(desk: Desk, offer_id: int, *, key: str, reason: str) -> int:
    """Answer by name for one thing that a machine cannot judge, in the version that waits or else in the one in force.

    `key` is the one the refusal was shown with; it goes with these very terms, so whatever changes is judged again.

    Raises:
        UnknownOffer, FourEyes
        UnknownReview: nothing with this key waits for a human.
    """
    file = await open_file(desk, offer_id)
    if key in {review["key"] for review in file.row.signed_reviews}:
        return offer_id
    version = file.pending or file.version(file.row.version)
    if version is None:
        raise UnknownOffer
    draft = content_in(version)
    offer = await _judged(desk, file, draft)
    asked = next((r for r in offer.refusals if r.verdict == "review" and review_key(offer.terms, r) == key), None)
    if asked is None:
        raise UnknownReview("没有这一条待人审定的意见,或条款在此之后改动过。请刷新后按最新的 key 签署。")
    check_four_eyes(desk, file, version.version, act="审定")
    signed = {"key": key, "rule": asked.rule, "message": asked.message, "version": version.version}
    signed |= {"by": desk.actor, "at": desk.now.isoformat(), "reason": reason}
    await set_offer(desk, offer_id, signed_reviews=[*file.row.signed_reviews, signed])
    await step(desk, offer_id, version=version.version, status=SIGNED, reason=f"[{asked.rule}] {reason}")
    return offer_id


def keys_of(offer: Offer) -> list[tuple[Refusal, str]]:
    """What the guard has against an offer; with each `review` the key that a reviewer signs, else an empty text."""
    return [(r, review_key(offer.terms, r) if r.verdict == "review" else "") for r in offer.refusals]


async def put_in_force(desk: Desk, file: OfferFile, draft: OfferDraft, *, version: int) -> Offer:
    """Let a version be what the offer gives from now on, paused where the offer is.

    Raises:
        OfferUnlawful, OfferNeedsReview: the guard refuses it.
    """
    offer = await _judged(desk, file, draft)
    check_publishable(offer.refusals)
    status = Status.PAUSED if file.status is Status.PAUSED else Status.APPROVED
    values = offer_values(draft) | {"version": version, "status": status}
    values["crowd"] = await count_crowd(desk.connection, draft, desk.catalogue)
    await set_offer(desk, file.id, **values)
    if draft.baseline.in_force_from not in {row.in_force_from for row in file.history}:
        await desk.connection.execute(insert(baselines).values(baseline_values(file.id, draft.baseline)))
    await _set_cap(desk, file.id, EVER, draft.quota)
    await _set_cap(desk, file.id, BUDGET, draft.budget_fen)
    await _grant(desk, draft)
    terms = replace(offer.terms, published=status is Status.APPROVED)
    return replace(offer, version=version, status=status, terms=terms, is_granted=True)


async def _judged(desk: Desk, file: OfferFile, draft: OfferDraft) -> Offer:
    crowd = await count_crowd(desk.connection, draft, desk.catalogue)
    status = file.status if file.status is Status.PAUSED else Status.APPROVED
    known: dict[str, Any] = {"crowd": crowd, "status": status}
    return file.judged(draft, desk.catalogue, **known)


async def _set_cap(desk: Desk, offer_id: int, bucket: str, cap: int | None) -> None:
    """How much there is of an offer; what is taken already stays taken, and a lower cap leaves nothing more."""
    mine: ColumnElement[bool] = and_(quotas.c.offer_id == offer_id, quotas.c.bucket == bucket)
    if cap is None:
        await desk.connection.execute(delete(quotas).where(mine))
        return
    taken = await desk.connection.scalar(select(quotas.c.taken).where(mine).with_for_update())
    if taken is None:
        await desk.connection.execute(insert(quotas).values(offer_id=offer_id, bucket=bucket, cap=cap, taken=0))
    else:
        await desk.connection.execute(update(quotas).where(mine).values(cap=max(cap, taken)))


async def _grant(desk: Desk, draft: OfferDraft) -> None:
    """Let the partner ask what the offer asks for, where it may not yet."""
    asked = Predicate(draft.partner_id, draft.kind, draft.model, draft.threshold)
    await give_grant(desk.connection, asked, actor=desk.actor, now=desk.now)
