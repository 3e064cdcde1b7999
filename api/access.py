"""Who looked at whom: a subject's own log, and the register of all queries for those who review them. One thing to
know: the register shows a pseudonym, never a subject, and looking at the register is itself written to the audit trail.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from functools import lru_cache
from typing import Annotated, Any, NamedTuple
from uuid import UUID

import strawberry
from sqlalchemy import Row, Select, and_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from api.context import Context, Info
from api.ids import any_key
from api.offers import Offer, Partner, offer_of, partner_of
from api.offline import OfflineUse, offline_use
from api.outcomes import PartnerReport, shown_report
from api.pagination import After, First, PageInfo, cursor_of, id_after, page_info, page_size
from api.permissions import SUBJECT, Audience, access
from api.scalars import Fen, Outcome
from core import audit
from core.clock import start_of
from core.errors import BadInput
from partners.access import VERIFICATION, VERIFICATION_PURPOSE, reader_in_words, register_pseudonym
from partners.catalogue import Catalogue
from partners.eligibility import MESSAGES
from partners.eligibility import WhyNot as Reason
from partners.offline.tables import offline_uses
from partners.outcomes import reports_of
from partners.past_verifications import uses_of
from partners.receipts import verification_named_in
from partners.tables import access_events, accounts

REVIEWERS = (Audience.REVIEWER, Audience.AUDITOR)
LONGEST_READER = 200
FromDay = Annotated[date | None, strawberry.argument(name="from", description="First day, Asia/Shanghai.")]
UntilDay = Annotated[date | None, strawberry.argument(description="First day that is left out.")]


@strawberry.type(description="Why a benefit does not apply. For the subject alone.", directives=access(SUBJECT))
class WhyNot:
    """A reason in plain words."""

    code: str = strawberry.field(description="Stable code.")
    message: str = strawberry.field(description="The reason, and what to do.")


@lru_cache(maxsize=64)
def why_not_of(reason: Reason) -> WhyNot:
    """A reason as the subject reads it."""
    return WhyNot(code=reason.value, message=MESSAGES[reason])


@strawberry.type(description="That a benefit was used, as its holder reads it.", directives=access(SUBJECT))
class BenefitUse:
    """A redemption, told to the one whose it is."""

    at: datetime = strawberry.field(description="When it was used.")
    amount_fen: Fen | None = strawberry.field(description="Amount in 分, where there was one.")
    reversed_at: datetime | None = strawberry.field(description="When the partner took it back, if it did.")


@strawberry.type(description="Somebody asked about the subject, and what was answered.", directives=access(SUBJECT))
class AccessEvent:
    """One line of «who looked at me», refused requests included."""

    at: datetime = strawberry.field(description="When.")
    partner: Partner | None = strawberry.field(description="Which partner asked; null where it was no partner.")
    reader: str | None = strawberry.field(description="Who asked or looked, in words.")
    action: str = strawberry.field(description="What was asked, read or done: a field's or command's name.")
    purpose: str | None = strawberry.field(description="What for.")
    offer: Offer | None = strawberry.field(description="About which offer.")
    outcome: Outcome | None = strawberry.field(description="What was answered; null where the request was refused.")
    problem: str | None = strawberry.field(description="Code of the Problem the partner got, if any.")
    why_not: list[WhyNot] = strawberry.field(description="Why the benefit did not apply; told to nobody else.")
    receipt: str | None = strawberry.field(description="The same signed receipt that the partner holds.")
    site: str | None = strawberry.field(description="The gate or counter the partner named.")
    offline: OfflineUse | None = strawberry.field(
        description="Set where a gate without network took a pass: when, and when it told. `at` is when it told."
    )
    use: BenefitUse | None = strawberry.field(description="What was made of the benefit; null while it was not used.")
    reports: list[PartnerReport] = strawberry.field(
        description="What the partner said came of the benefit, oldest first; it counts in no score."
    )


@strawberry.type(description="An access event in a page (Relay).", directives=access(SUBJECT))
class AccessEventEdge:
    """Relay's edge."""

    cursor: str = strawberry.field(description="Give it as `after` to go on from here.")
    node: AccessEvent = strawberry.field(description="The event.")


@strawberry.type(description="A page of access events, newest first (Relay).", directives=access(SUBJECT))
class AccessEventConnection:
    """Relay's connection."""

    edges: list[AccessEventEdge] = strawberry.field(description="The page.")
    page_info: PageInfo = strawberry.field(description="Where the page stands.")


@strawberry.type(description="One query about somebody, for those who review queries.", directives=access(REVIEWERS))
class RegisteredQuery:
    """Never what was answered, and never about whom."""

    at: datetime = strawberry.field(description="When.")
    reader: str = strawberry.field(description="Who, in words.")
    partner: Partner | None = strawberry.field(description="The partner that asked, if one did.")
    action: str = strawberry.field(description="What was asked, read or done.")
    purpose: str | None = strawberry.field(description="What for.")
    offer: Offer | None = strawberry.field(description="About which offer.")
    subject: str = strawberry.field(description="A pseudonym: the same for the same subject; it names nobody.")


@strawberry.type(description="A query in a page (Relay).", directives=access(REVIEWERS))
class RegisteredQueryEdge:
    """Relay's edge."""

    cursor: str = strawberry.field(description="Give it as `after` to go on from here.")
    node: RegisteredQuery = strawberry.field(description="The query.")


@strawberry.type(description="A page of the query register, newest first (Relay).", directives=access(REVIEWERS))
class RegisteredQueryConnection:
    """Relay's connection."""

    edges: list[RegisteredQueryEdge] = strawberry.field(description="The page.")
    page_info: PageInfo = strawberry.field(description="Where the page stands.")


def between(statement: Select[Any], at: Any, since: date | None, until: date | None) -> Select[Any]:
    """The statement for these days alone, `until` left out."""
    if since is not None:
        statement = statement.where(at >= start_of(since))
    return statement if until is None else statement.where(at < start_of(until))


async def access_log(context: Context, subject_id: int, first: int | None, after: str | None) -> AccessEventConnection:
    """A page of a subject's own log."""
    size, last = page_size(first), id_after(after)
    statement = _events().where(access_events.c.subject_id == subject_id).limit(size + 1)
    if last is not None:
        statement = statement.where(access_events.c.id < last)
    async with context.state.database.reading() as connection:
        rows = (await connection.execute(statement)).all()
        known = await context.state.current_catalogue(connection)
        came = await _what_came(connection, subject_id, rows[:size])
    edges = [AccessEventEdge(cursor=cursor_of(row.id), node=_event(row, known, came)) for row in rows[:size]]
    info = page_info([edge.cursor for edge in edges], more=len(rows) > size, after=after)
    return AccessEventConnection(edges=edges, page_info=info)


async def access_event(connection: AsyncConnection, context: Context, subject_id: int, key: UUID) -> AccessEvent | None:
    """One line of a subject's own log; None where it is not there."""
    statement = _events().where(access_events.c.subject_id == subject_id, access_events.c.id == key)
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        return None
    came = await _what_came(connection, subject_id, [row])
    return _event(row, await context.state.current_catalogue(connection), came)


def _events() -> Select[Any]:
    marks = (offline_uses.c.used_at, offline_uses.c.synced_at, offline_uses.c.double_use)
    found = select(access_events, accounts.c.body, *marks)
    found = found.outerjoin(accounts, accounts.c.id == access_events.c.reader)
    its_mark = and_(offline_uses.c.subject_id == access_events.c.subject_id, offline_uses.c.id == access_events.c.id)
    return found.outerjoin(offline_uses, its_mark).order_by(access_events.c.id.desc())


class _Came(NamedTuple):
    """What came of the benefits that some events are about, by verification."""

    verified: Mapping[UUID, UUID]
    """Event → verification."""
    uses: Mapping[UUID, Row[Any]]
    reports: Mapping[UUID, Sequence[Row[Any]]]


async def _what_came(connection: AsyncConnection, subject_id: int, rows: Sequence[Any]) -> _Came:
    applied = (row for row in rows if row.outcome == Outcome.BENEFIT_APPLIES.value)
    verified = {row.id: key for row in applied if (key := verification_named_in(row.receipt)) is not None}
    if not verified:
        return _Came({}, {}, {})
    these = list(verified.values())
    uses = await uses_of(connection, subject_id, these)
    return _Came(verified, uses, await reports_of(connection, subject_id, these))


def _event(row: Any, known: Catalogue, came: _Came) -> AccessEvent:
    partner, offer = known.partners.get(row.partner_id), known.offers.get(row.offer_id)
    verified = came.verified.get(row.id)
    use = came.uses.get(verified) if verified else None
    return AccessEvent(
        at=row.at,
        partner=partner_of(partner) if partner else None,
        reader=_reader(row, known),
        action=row.action or VERIFICATION,
        purpose=row.purpose if row.action else VERIFICATION_PURPOSE,
        offer=offer_of(offer) if offer else None,
        outcome=Outcome(row.outcome) if row.outcome else None,
        problem=row.problem,
        why_not=[why_not_of(Reason(code)) for code in row.why_not],
        receipt=row.receipt,
        site=row.site,
        offline=offline_use(row),
        use=BenefitUse(at=use.at, amount_fen=use.amount_fen, reversed_at=use.reversed_at) if use else None,
        reports=[shown_report(one) for one in came.reports.get(verified, ())] if verified else [],
    )


def _reader(row: Any, known: Catalogue) -> str | None:
    if row.reader is not None:
        return reader_in_words(role=row.reader_role or "", body=row.body, account=row.reader)
    partner = known.partners.get(row.partner_id)
    return partner.name if partner else None


@strawberry.type
class AccessQueries:
    """The query register."""

    @strawberry.field(
        description="Every query about anybody, newest first; that it was read is on the audit trail.",
        directives=access(REVIEWERS),
    )
    async def query_register(  # noqa: PLR0917  # the arguments of a field
        self,
        info: Info,
        first: First = None,
        after: After = None,
        reader: Annotated[str | None, strawberry.argument(description="An account's, or a partner's id.")] = None,
        since: FromDay = None,
        until: UntilDay = None,
    ) -> RegisteredQueryConnection:
        """《关于进一步加快推进社会信用体系建设的实施方案》大委办发〔2019〕8号 二(二)4."""
        context, state = info.context, info.context.state
        size, last = page_size(first), id_after(after)
        statement = between(_events(), access_events.c.at, since, until).limit(size + 1)
        if last is not None:
            statement = statement.where(access_events.c.id < last)
        if reader is not None:
            statement = statement.where(_by(reader))
        async with state.database.transaction() as connection:
            principal = await context.principal(connection)
            rows = (await connection.execute(statement)).all()
            known = await state.current_catalogue(connection)
            asked = {"reader": reader, "from": since, "until": until, "after": after, "rows": len(rows[:size])}
            await audit.record(
                connection, at=context.now, actor=principal.account, action="queryRegister", content=asked
            )
        edges = [
            RegisteredQueryEdge(
                cursor=cursor_of(row.id),
                node=RegisteredQuery(
                    at=row.at,
                    reader=_reader(row, known) or "",
                    partner=partner_of(known.partners[row.partner_id]) if row.partner_id in known.partners else None,
                    action=row.action or VERIFICATION,
                    purpose=row.purpose if row.action else VERIFICATION_PURPOSE,
                    offer=offer_of(known.offers[row.offer_id]) if row.offer_id in known.offers else None,
                    subject=register_pseudonym(state.keys, row.subject_id),
                ),
            )
            for row in rows[:size]
        ]
        info_ = page_info([edge.cursor for edge in edges], more=len(rows) > size, after=after)
        return RegisteredQueryConnection(edges=edges, page_info=info_)


def _by(reader: str) -> Any:
    if not 1 <= len(reader) <= LONGEST_READER or not reader.isprintable():
        raise BadInput("reader 应为账号,或合作机构的 id。请改正后重试。")
    try:
        kind, key = any_key(reader)
    except BadInput:
        kind, key = "", 0
    return access_events.c.partner_id == key if kind == "Partner" else access_events.c.reader == reader
