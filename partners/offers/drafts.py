"""Writing offers: a draft, an edit, a submission, a revision, a withdrawal. One thing to know: what is open stays as it
is; a revision of it is another version, which waits like a new offer."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, delete, insert, select

from core.errors import BadInput, ExpectedError
from legal.guard import Refusal
from partners.catalogue import Offer, baseline_of
from partners.offers.content import OfferDraft, baseline_values, check_draft, content_of, offer_values
from partners.offers.crowds import count_crowd
from partners.offers.life import (
    STANDING,
    Desk,
    MoveNotAllowed,
    OfferFile,
    OfferUnlawful,
    Status,
    UnknownOffer,
    add_version,
    check_move,
    content_in,
    open_file,
    set_offer,
    set_version,
    step,
)
from partners.tables import baselines, offer_versions, offers


class NotTheAuthor(ExpectedError):
    """Only who wrote a version takes it back."""

    code = "NOT_THE_AUTHOR"


class RevisionWaits(ExpectedError):
    """One revision of an offer at a time."""

    code = "REVISION_WAITS"


async def draft_offer(desk: Desk, draft: OfferDraft) -> int:
    """Keep a draft, lawful or not; its offer's id. The same draft kept twice by one author is one.

    Raises:
        BadInput: it names something that does not exist.
        UnknownOffer: the partner is not this desk's.
    """
    _check(desk, draft)
    content = content_of(draft)
    mine = select(offer_versions.c.offer_id, offer_versions.c.content).where(
        offer_versions.c.author == desk.actor, offer_versions.c.status == Status.DRAFT, offer_versions.c.version == 1
    )
    for row in await desk.connection.execute(mine):
        if row.content == content:
            return int(row.offer_id)
    return await _begin(desk, draft, Status.DRAFT, reason="起草")


async def edit_offer(desk: Desk, offer_id: int, draft: OfferDraft) -> int:
    """Change the version that waits, all of it; whoever edits is one of its authors.

    Raises:
        UnknownOffer, MoveNotAllowed: nothing of it waits, or it lies with the reviewers.
        BadInput
    """
    file = await open_file(desk, offer_id)
    waits = _waiting(file)
    if Status(waits.status) is Status.DRAFT and waits.content == content_of(draft):
        return offer_id
    check_move(Status(waits.status), Status.DRAFT)
    _check(desk, draft, file)
    await set_version(desk, offer_id, waits.version, status=Status.DRAFT, content=content_of(draft))
    if not file.was_approved:
        await _rewrite(desk, file, draft, Status.DRAFT)
    await step(desk, offer_id, version=waits.version, status=Status.DRAFT, reason="修改")
    return offer_id


async def submit_offer(desk: Desk, draft: OfferDraft) -> Offer:
    """Submit an offer for approval by somebody else.

    Raises:
        BadInput: it names something that does not exist.
        OfferUnlawful: the guard refuses it; nothing is kept.
    """
    _check(desk, draft)
    offer_id = await _begin(desk, draft, Status.SUBMITTED, reason="提交审核")
    offer, crowd = await _look(desk, offer_id, draft)
    _check_lawful(offer.refusals)
    await set_offer(desk, offer_id, crowd=crowd)
    return offer


async def submit_draft(desk: Desk, offer_id: int) -> int:
    """Submit the version that waits; once submitted, this does nothing more.

    Raises:
        UnknownOffer, MoveNotAllowed
        OfferUnlawful: the guard refuses it; it stays a draft.
    """
    file = await open_file(desk, offer_id)
    waits = _waiting(file)
    if Status(waits.status) is Status.SUBMITTED:
        return offer_id
    check_move(Status(waits.status), Status.SUBMITTED)
    draft = content_in(waits)
    _check(desk, draft, file)
    offer, crowd = await _look(desk, offer_id, draft)
    _check_lawful(offer.refusals)
    await set_version(desk, offer_id, waits.version, status=Status.SUBMITTED)
    if not file.was_approved:
        await set_offer(desk, offer_id, status=Status.SUBMITTED, crowd=crowd)
    await step(desk, offer_id, version=waits.version, status=Status.SUBMITTED, reason="提交审核")
    return offer_id


async def revise_offer(desk: Desk, offer_id: int, draft: OfferDraft, *, reason: str) -> int:
    """Begin another version of an offer; the one in force is given as before until the new one is approved.

    Raises:
        UnknownOffer, BadInput
        MoveNotAllowed: it was never approved (edit it), or has ended.
        RevisionWaits: another revision waits already.
    """
    file = await open_file(desk, offer_id)
    if file.status not in STANDING:
        raise MoveNotAllowed("只有已发布或已暂停的优惠才能修订。尚未发布的请直接修改,已结束的请另起一项。")
    if file.pending is not None:
        if file.pending.content == content_of(draft):
            return offer_id
        raise RevisionWaits(f"第 {file.pending.version} 版修订尚未办结。请先修改、撤回或审核它。")
    _check(desk, draft, file)
    number = file.versions[-1].version + 1
    await add_version(desk, offer_id, number, draft, status=Status.DRAFT)
    await step(desk, offer_id, version=number, status=Status.DRAFT, reason=reason)
    return offer_id


async def withdraw_offer(desk: Desk, offer_id: int, *, reason: str) -> int:
    """Take back the version that waits; what is in force stays so.

    Raises:
        UnknownOffer, MoveNotAllowed
        NotTheAuthor: the actor wrote nothing of it, and is not of its partner.
    """
    file = await open_file(desk, offer_id)
    if file.pending is None and file.versions[-1].status == Status.WITHDRAWN:
        return offer_id
    waits = _waiting(file)
    if desk.partner_id is None and desk.actor not in file.authors(waits.version):
        raise NotTheAuthor("只有起草或提交的人能撤回。如需退回修改,请审核人员使用“退回修改”。")
    check_move(Status(waits.status), Status.WITHDRAWN)
    await set_version(desk, offer_id, waits.version, status=Status.WITHDRAWN)
    if not file.was_approved:
        await set_offer(desk, offer_id, status=Status.WITHDRAWN)
    await step(desk, offer_id, version=waits.version, status=Status.WITHDRAWN, reason=reason)
    return offer_id


async def _begin(desk: Desk, draft: OfferDraft, status: Status, *, reason: str) -> int:
    row = offer_values(draft) | {"version": 1, "status": status}
    offer_id = int((await desk.connection.execute(insert(offers).values(row).returning(offers.c.id))).scalar_one())
    await desk.connection.execute(insert(baselines).values(baseline_values(offer_id, draft.baseline)))
    await add_version(desk, offer_id, 1, draft, status=status)
    await step(desk, offer_id, version=1, status=status, reason=reason)
    return offer_id


async def _rewrite(desk: Desk, file: OfferFile, draft: OfferDraft, status: Status) -> None:
    """The row of an offer that was never given follows its draft."""
    await set_offer(desk, file.id, **offer_values(draft), status=status, crowd=None)
    await desk.connection.execute(delete(baselines).where(baselines.c.offer_id == file.id))
    await desk.connection.execute(insert(baselines).values(baseline_values(file.id, draft.baseline)))


async def _look(desk: Desk, offer_id: int, draft: OfferDraft) -> tuple[Offer, dict[str, Any] | None]:
    """The offer as it would be, judged with a fresh count of its crowd; and that count."""
    file = await open_file(desk, offer_id)
    crowd = await count_crowd(desk.connection, draft, desk.catalogue)
    return file.judged(draft, desk.catalogue, crowd=crowd), crowd


def _waiting(file: OfferFile) -> Row[Any]:
    if file.pending is None:
        raise MoveNotAllowed("这项优惠没有待办的版本。要改动已发布的优惠,请先修订(reviseOffer)。")
    return file.pending


def _check(desk: Desk, draft: OfferDraft, file: OfferFile | None = None) -> None:
    if desk.partner_id is not None and draft.partner_id != desk.partner_id:
        raise UnknownOffer
    check_draft(draft, desk.catalogue)
    if file is None:
        return
    if draft.partner_id != file.row.partner_id or (file.was_approved and draft.kind != file.row.kind):
        raise BadInput("修改不能换合作机构;已发布的优惠也不能换种类。请另起一项优惠。")
    if file.was_approved:
        history = {baseline.in_force_from: baseline for baseline in map(baseline_of, file.history)}
        known = history.get(draft.baseline.in_force_from)
        if known != draft.baseline and draft.baseline.in_force_from <= max(history):
            raise BadInput("标准服务已有登记,不能改写。请照原样填写,或写明新标准服务的施行日(须晚于已登记的)。")


def _check_lawful(refusals: tuple[Refusal, ...]) -> None:
    """At submitting: what a human may yet sign does not stand in the way."""
    if any(refusal.verdict == "unlawful" for refusal in refusals):
        raise OfferUnlawful(refusals)
