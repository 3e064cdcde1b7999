"""Acts on an offer that was approved: pause, resume, close, roll back, another standard service. One thing to know:
each holds at the next request everywhere, and whoever was verified before keeps what was told."""

from __future__ import annotations

from sqlalchemy import insert

from core.errors import ExpectedError
from legal.terms import Baseline
from partners.catalogue import baseline_of
from partners.offers.content import baseline_values
from partners.offers.life import (
    BASELINE,
    STANDING,
    WORDS,
    Desk,
    MoveNotAllowed,
    Status,
    UnknownVersion,
    add_version,
    check_move,
    check_publishable,
    content_in,
    open_file,
    set_offer,
    set_version,
    step,
)
from partners.offers.review import put_in_force
from partners.tables import baselines


class BaselineNotLater(ExpectedError):
    """Standard services are added in the order of their days; what was registered is never rewritten."""

    code = "BASELINE_NOT_LATER"


async def pause_offer(desk: Desk, offer_id: int, *, reason: str) -> int:
    """Give the offer no more until it is resumed.

    Raises:
        UnknownOffer, MoveNotAllowed
    """
    return await _move(desk, offer_id, Status.PAUSED, reason=reason)


async def close_offer(desk: Desk, offer_id: int, *, reason: str) -> int:
    """End the offer for good; a revision of it that waits is withdrawn.

    Raises:
        UnknownOffer, MoveNotAllowed
    """
    return await _move(desk, offer_id, Status.CLOSED, reason=reason)


async def resume_offer(desk: Desk, offer_id: int, *, reason: str) -> int:
    """Give a paused offer again; the guard looks first.

    Raises:
        UnknownOffer, MoveNotAllowed
        OfferUnlawful, OfferNeedsReview: it would not be lawful today.
    """
    return await _move(desk, offer_id, Status.APPROVED, reason=reason)


async def _move(desk: Desk, offer_id: int, to: Status, *, reason: str) -> int:
    file = await open_file(desk, offer_id)
    if file.status is to:
        return offer_id
    if file.status not in STANDING:
        raise MoveNotAllowed(f"优惠现为“{WORDS[file.status]}”,不是已发布或已暂停,不能改为“{WORDS[to]}”。请刷新列表。")
    check_move(file.status, to)
    version = file.version(file.row.version)
    if to is Status.APPROVED and version is not None:
        check_publishable(file.judged(content_in(version), desk.catalogue, status=to).refusals)
    if to is Status.CLOSED and file.pending is not None:
        await set_version(desk, offer_id, file.pending.version, status=Status.WITHDRAWN)
    await set_offer(desk, offer_id, status=to)
    await step(desk, offer_id, version=file.row.version, status=to, reason=reason)
    return offer_id


async def roll_back_offer(desk: Desk, offer_id: int, *, to_version: int, reason: str) -> int:
    """Put an earlier approved version back in force, as a new version; a revision that waits is withdrawn.

    The standard service is a fact and is not rolled back. One person does it: two had approved that version.

    Raises:
        UnknownOffer, MoveNotAllowed
        UnknownVersion: there is no such approved version before the one in force.
        OfferUnlawful, OfferNeedsReview: as things stand today it may not be given.
    """
    file = await open_file(desk, offer_id)
    if file.status not in STANDING:
        raise MoveNotAllowed(f"优惠现为“{WORDS[file.status]}”,没有在用的版本可供回退。请刷新列表。")
    standing, wanted = file.version(file.row.version), file.version(to_version)
    if standing is not None and standing.from_version == to_version:
        return offer_id
    if wanted is None or wanted.status != Status.APPROVED or to_version == file.row.version:
        earlier = [
            str(v.version) for v in file.versions if v.status == Status.APPROVED and v.version != file.row.version
        ]
        raise UnknownVersion(f"第 {to_version} 版不是可回退的已发布版本。可选:{'、'.join(earlier) or '无'}。")
    number = file.versions[-1].version + 1
    draft = content_in(wanted)
    await put_in_force(desk, file, draft, version=number)
    if file.pending is not None:
        await set_version(desk, offer_id, file.pending.version, status=Status.WITHDRAWN)
    decided = {"status": Status.APPROVED, "decided_by": desk.actor, "decided_at": desk.now, "from_version": to_version}
    await add_version(desk, offer_id, number, draft, **decided)
    await step(desk, offer_id, version=number, status=Status.APPROVED, reason=f"回退到第 {to_version} 版:{reason}")
    return offer_id


async def record_baseline(desk: Desk, offer_id: int, baseline: Baseline) -> int:
    """Register the standard service as it stands from a day on. A worse one closes the offer on that day, by the guard.

    Raises:
        UnknownOffer
        BaselineNotLater: one that begins on that day, or later, is registered already.
    """
    file = await open_file(desk, offer_id)
    history = [baseline_of(row) for row in file.history]
    if baseline in history:
        return offer_id
    if baseline.in_force_from <= history[-1].in_force_from:
        raise BaselineNotLater(
            f"已登记自 {history[-1].in_force_from} 起的标准服务,不能改写或补在其前。请填写更晚的施行日。"
        )
    await desk.connection.execute(insert(baselines).values(baseline_values(offer_id, baseline)))
    reason = f"登记自 {baseline.in_force_from} 起的标准服务(《{baseline.source.title}》)"
    await step(desk, offer_id, version=file.row.version, status=BASELINE, reason=reason)
    return offer_id
