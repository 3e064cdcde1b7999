"""The life of an offer: which move is allowed from where, and the steps that were taken. One thing to know: `MOVES` is
the whole workflow; steps are only ever added, and each names who, when, why and for which version.

A version waits as draft, submitted or changes-requested; the offer itself, once a version of it was approved, is
approved, paused or closed. While the first version waits, the offer has that version's status.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Any

from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core import audit
from core.database import announce
from core.errors import ExpectedError, FourEyes
from core.news import of_partner
from legal.guard import Refusal
from partners.catalogue import Catalogue, Offer, baseline_of, bump_catalogue, judged_offer, present_baseline
from partners.offers.content import OfferDraft, content_of, draft_of, draft_of_row, offer_values
from partners.quotas import EVER
from partners.tables import baselines, offer_steps, offer_versions, offers, quotas


class Status(StrEnum):
    """Of a version, and of an offer."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    CHANGES_REQUESTED = "changes-requested"
    APPROVED = "approved"
    PAUSED = "paused"
    CLOSED = "closed"
    WITHDRAWN = "withdrawn"


MOVES: Mapping[Status, frozenset[Status]] = {
    Status.DRAFT: frozenset({Status.DRAFT, Status.SUBMITTED, Status.WITHDRAWN}),
    Status.SUBMITTED: frozenset({Status.CHANGES_REQUESTED, Status.APPROVED, Status.WITHDRAWN}),
    Status.CHANGES_REQUESTED: frozenset({Status.DRAFT, Status.SUBMITTED, Status.WITHDRAWN}),
    Status.APPROVED: frozenset({Status.PAUSED, Status.CLOSED}),
    Status.PAUSED: frozenset({Status.APPROVED, Status.CLOSED}),
    Status.CLOSED: frozenset(),
    Status.WITHDRAWN: frozenset(),
}
"""Allowed moves; from draft to draft is an edit. Closed and withdrawn are the end: begin another offer."""
PENDING = frozenset({Status.DRAFT, Status.SUBMITTED, Status.CHANGES_REQUESTED})
"""A version that may yet be approved; an offer has one of these at most."""
STANDING = frozenset({Status.APPROVED, Status.PAUSED})
AUTHORED = frozenset({Status.DRAFT, Status.SUBMITTED})
"""Steps by which somebody becomes an author of a version."""
SIGNED, BASELINE = "review-signed", "baseline-recorded"
"""Steps that are no move."""
WORDS = {
    Status.DRAFT: "草稿",
    Status.SUBMITTED: "待审核",
    Status.CHANGES_REQUESTED: "已退回修改",
    Status.APPROVED: "已发布",
    Status.PAUSED: "已暂停",
    Status.CLOSED: "已结束",
    Status.WITHDRAWN: "已撤回",
}


class OfferUnlawful(ExpectedError):
    """The guard refuses the offer. `refusals` name each rule and its source."""

    code = "OFFER_UNLAWFUL"

    said = "该优惠不能发布"

    def __init__(self, refusals: Sequence[Refusal]) -> None:
        told = " ".join(f"[{refusal.rule}] {refusal.message}(依据:{refusal.source})" for refusal in refusals)
        super().__init__(f"{self.said}:{told}")
        self.refusals = tuple(refusals)


class OfferNeedsReview(OfferUnlawful):
    """Nothing forbids it, but a named reviewer has to judge and sign what a machine cannot."""

    code = "OFFER_NEEDS_REVIEW"
    said = "该优惠须由审核人员逐条审定、具名签署后才能发布"


def check_publishable(refusals: Sequence[Refusal]) -> None:
    """Refuse what the guard has anything against.

    Raises:
        OfferUnlawful: something is forbidden.
        OfferNeedsReview: nothing is, but something waits for a human.
    """
    if any(refusal.verdict == "unlawful" for refusal in refusals):
        raise OfferUnlawful(refusals)
    if refusals:
        raise OfferNeedsReview(refusals)


class OfferNotSubmitted(ExpectedError):
    """There is no such offer waiting for approval."""

    code = "OFFER_NOT_SUBMITTED"

    def __init__(self) -> None:
        super().__init__("没有处于待审核状态的这项优惠。它可能已被审核过,请刷新列表。")


class UnknownOffer(ExpectedError):
    """There is no such offer, or it is another partner's."""

    code = "OFFER_UNKNOWN"

    def __init__(self) -> None:
        super().__init__("没有这项优惠,或它不属于您所在的机构。请在优惠列表中核对编号。")


class UnknownVersion(ExpectedError):
    """The offer has no such version to go back to."""

    code = "VERSION_UNKNOWN"


class UnknownReview(ExpectedError):
    """Nothing with this key waits for a human."""

    code = "REVIEW_UNKNOWN"


class MoveNotAllowed(ExpectedError):
    """The offer is not where this could be done."""

    code = "OFFER_MOVE_NOT_ALLOWED"


@dataclass(frozen=True)
class Desk:
    """Where an act on offers is done: by whom, when, and beside which catalogue, read in this same transaction."""

    connection: AsyncConnection
    actor: str
    catalogue: Catalogue
    now: datetime
    partner_id: int | None = None
    """The one partner whose offers the actor may touch; None: any."""


@dataclass(frozen=True)
class OfferFile:
    """An offer with all its versions and steps, oldest first."""

    row: Row[Any]
    versions: tuple[Row[Any], ...]
    steps: tuple[Row[Any], ...]
    history: tuple[Row[Any], ...]
    """Rows of `baselines`, oldest first."""

    @property
    def id(self) -> int:
        return int(self.row.id)

    @property
    def status(self) -> Status:
        """Of the offer."""
        return Status(self.row.status)

    @cached_property
    def pending(self) -> Row[Any] | None:
        """The version that waits, if one does."""
        return next((v for v in reversed(self.versions) if v.status in PENDING), None)

    @property
    def was_approved(self) -> bool:
        """Whether a version of it ever was."""
        return self.status not in {*PENDING, Status.WITHDRAWN}

    def version(self, number: int) -> Row[Any] | None:
        """One of its versions."""
        return next((v for v in self.versions if v.version == number), None)

    def authors(self, version: int) -> frozenset[str]:
        """Everybody who wrote, edited or submitted it: none of them lets it pass."""
        wrote = {step.actor for step in self.steps if step.version == version and step.status in AUTHORED}
        return frozenset(wrote | {v.author for v in self.versions if v.version == version})

    def judged(self, draft: OfferDraft, catalogue: Catalogue, **known: Any) -> Offer:
        """The offer as it would be with this content, and what the guard has against it; `known` are columns of
        `offers` that stand otherwise by then, `crowd` for one."""
        row = _RowLike(dict(self.row._mapping) | offer_values(draft) | known)
        history = {baseline.in_force_from: baseline for baseline in map(baseline_of, self.history)}
        history.setdefault(draft.baseline.in_force_from, draft.baseline)
        stood = [baseline for _, baseline in sorted(history.items())]
        return judged_offer(row, catalogue, history=stood, limited=draft.quota is not None)


class _RowLike:
    """Columns as attributes, like a row."""

    def __init__(self, columns: Mapping[str, Any]) -> None:
        self.__dict__.update(columns)


async def read_files(connection: AsyncConnection, offer_ids: Sequence[int]) -> list[OfferFile]:
    """The files of these offers, in this order; those that do not exist are left out."""
    found = {row.id: row for row in await connection.execute(select(offers).where(offers.c.id.in_(offer_ids)))}
    parts: list[dict[int, list[Row[Any]]]] = []
    for table, order in (
        (offer_versions, offer_versions.c.version),
        (offer_steps, offer_steps.c.step),
        (baselines, baselines.c.in_force_from),
    ):
        held: dict[int, list[Row[Any]]] = {offer_id: [] for offer_id in found}
        for row in await connection.execute(select(table).where(table.c.offer_id.in_(list(found))).order_by(order)):
            held[row.offer_id].append(row)
        parts.append(held)
    return [OfferFile(found[i], *(tuple(part[i]) for part in parts)) for i in offer_ids if i in found]


async def open_file(desk: Desk, offer_id: int) -> OfferFile:
    """The file of an offer, kept for this transaction alone.

    Raises:
        UnknownOffer: there is none, or it is not this desk's.
    """
    lock = select(offers.c.partner_id).where(offers.c.id == offer_id).with_for_update()
    owner = await desk.connection.scalar(lock)
    if owner is None or (desk.partner_id is not None and owner != desk.partner_id):
        raise UnknownOffer
    (file,) = await read_files(desk.connection, [offer_id])
    if file.version(file.row.version) is None:
        # Written before versions were kept, or by an import: what stands is its first version.
        await _keep_first(desk, file)
        (file,) = await read_files(desk.connection, [offer_id])
    return file


async def _keep_first(desk: Desk, file: OfferFile) -> None:
    on = desk.catalogue.on
    baseline = present_baseline([baseline_of(row) for row in file.history], on)
    cap = select(quotas.c.cap).where(quotas.c.offer_id == file.id, quotas.c.bucket == EVER)
    draft = draft_of_row(file.row, baseline, await desk.connection.scalar(cap))
    first = next((step for step in file.steps if step.status in AUTHORED), None)
    approved = next((step for step in file.steps if step.status == Status.APPROVED), None)
    values = {
        "status": Status.APPROVED if file.was_approved else file.status,
        "author": first.actor if first else "",
        "created_at": first.at if first else desk.now,
        "decided_by": approved.actor if approved else None,
        "decided_at": approved.at if approved else None,
    }
    await add_version(desk, file.id, file.row.version, draft, **values)


async def add_version(desk: Desk, offer_id: int, version: int, draft: OfferDraft, **values: Any) -> None:
    """A row of `offer_versions`, by this desk's actor and now where `values` does not say otherwise."""
    row = {"offer_id": offer_id, "version": version, "content": content_of(draft)}
    row |= {"author": desk.actor, "created_at": desk.now} | values
    await desk.connection.execute(insert(offer_versions).values(row))


async def set_version(desk: Desk, offer_id: int, version: int, **values: Any) -> None:
    """Change a version that waits."""
    of_version = (offer_versions.c.offer_id == offer_id, offer_versions.c.version == version)
    await desk.connection.execute(update(offer_versions).where(*of_version).values(values))


async def set_offer(desk: Desk, offer_id: int, **values: Any) -> None:
    """Change columns of the offer."""
    await desk.connection.execute(update(offers).where(offers.c.id == offer_id).values(values))


def check_move(now: Status, to: Status) -> None:
    """Refuse what `MOVES` does not have.

    Raises:
        MoveNotAllowed
    """
    if to not in MOVES[now]:
        allowed = "、".join(WORDS[one] for one in Status if one in MOVES[now]) or "无(请另起一项优惠)"
        raise MoveNotAllowed(f"优惠现为“{WORDS[now]}”,不能改为“{WORDS[to]}”。由此可改为:{allowed}。请刷新后再试。")


def check_four_eyes(desk: Desk, file: OfferFile, version: int, *, act: str) -> None:
    """Refuse an act on one's own work.

    Raises:
        FourEyes: the actor wrote, edited or submitted this version.
    """
    if desk.actor in file.authors(version):
        raise FourEyes(f"提交人不能{act}自己提交或修改过的优惠。请由另一位工作人员办理。")


async def step(desk: Desk, offer_id: int, *, version: int, status: str, reason: str) -> None:
    """Add a step, with its audit row, and tell all processes."""
    last = select(func.max(offer_steps.c.step)).where(offer_steps.c.offer_id == offer_id)
    number = int(await desk.connection.scalar(last) or 0) + 1
    row = {"offer_id": offer_id, "step": number, "version": version, "status": status}
    await desk.connection.execute(insert(offer_steps).values(**row, actor=desk.actor, at=desk.now, reason=reason))
    content = {"offer": offer_id, "version": version, "status": status}
    await audit.record(desk.connection, at=desk.now, actor=desk.actor, action="offer", content=content)
    await bump_catalogue(desk.connection)
    owner = await desk.connection.scalar(select(offers.c.partner_id).where(offers.c.id == offer_id))
    announce(desk.connection, of_partner(owner or 0), f"offer:{offer_id}:{number}")


def content_in(version: Row[Any]) -> OfferDraft:
    """What a version says."""
    return draft_of(version.content)
