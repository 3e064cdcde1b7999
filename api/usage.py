"""The monthly report of use. One thing to know: what is shown are blocks of ten people or more, the same ones whoever
asks; a representative sees its own partner's alone."""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import date
from decimal import Decimal
from typing import Annotated

import strawberry
from starlette.requests import Request
from starlette.responses import Response

from api.context import Info, State
from api.downloads import NoSuchFile, attachment
from api.ids import key_of, public_id
from api.jobs.background import repeating
from api.offers import Partner, partner_of
from api.permissions import AUDITOR, OPERATOR, REPRESENTATIVE, access
from partners.accounts import Principal, Role
from partners.usage import Block, read_usage, take_usage_due
from scoring.intake.quarantine import shown
from scoring.values import parse_day

READERS = (Role.OPERATOR, Role.AUDITOR, Role.REPRESENTATIVE)
SECONDS_BETWEEN = 3600
COLUMNS = ("month", "partner", "partnerName", "kind", "people", "verifications", "redemptions", "reversed", "amountFen")
log = logging.getLogger("xinyi.usage")
_TO = (*OPERATOR, *AUDITOR, *REPRESENTATIVE)


@strawberry.type(description="How often something came of a benefit, as partners reported.", directives=access(_TO))
class OutcomeCount:
    """Told where it happened to ten people or more."""

    outcome: str = strawberry.field(description="Code of the outcome.")
    reports: int = strawberry.field(description="How often, rounded down to tens.")


@strawberry.type(description="How one partner's benefits of one kind were used in a month.", directives=access(_TO))
class UsageBlock:
    """Of ten people or more. Figures about fewer are 0; all are rounded down to tens, amounts to 100 元."""

    partner: Partner | None = strawberry.field(description="Null where several small ones are put together.")
    kind: str | None = strawberry.field(description="Code of the kind; null where several are put together.")
    people: int = strawberry.field(description="How many different people or enterprises.")
    verifications: int = strawberry.field(description="Verifications to which the benefit applied.")
    redemptions: int = strawberry.field(description="Benefits used.")
    reversed: int = strawberry.field(description="Uses taken back in the month.")
    amount_fen: Decimal = strawberry.field(description="Amount of the benefits used, in 分.")
    outcomes: list[OutcomeCount] = strawberry.field(description="What partners reported back.")


@strawberry.type(description="The report of use of one month.", directives=access(_TO))
class UsageReport:
    """Taken once, on the second day after the month."""

    month: date = strawberry.field(description="First day of the month.")
    blocks: list[UsageBlock] = strawberry.field(description="Its figures; what is too small to be told is in none.")


@strawberry.type
class UsageQueries:
    """For those who look after the alliance, and a partner's representative."""

    @strawberry.field(
        description="How benefits were used in a month; null where it is not over or was not taken.",
        directives=access(_TO),
    )
    async def usage(
        self,
        info: Info,
        month: Annotated[date, strawberry.argument(description="Any day of the month.")],
        partner_id: Annotated[strawberry.ID | None, strawberry.argument(description="Only of this partner.")] = None,
    ) -> UsageReport | None:
        """A representative gets its own partner's, whatever it asks for."""
        context = info.context
        asked = None if partner_id is None else key_of(partner_id, "Partner")
        async with context.state.database.reading() as connection:
            principal = await context.principal(connection)
            found = await read_usage(connection, month=month.replace(day=1), partner_id=_whose(principal, asked))
            known = (await context.state.current_catalogue(connection)).partners
        if found is None:
            return None
        partners = {key: partner_of(one) for key, one in known.items()}
        blocks = [_block(one, partners.get(one.partner_id or 0)) for one in found]
        return UsageReport(month=month.replace(day=1), blocks=blocks)


def _whose(principal: Principal, asked: int | None) -> int | None:
    return principal.partner_id if principal.role is Role.REPRESENTATIVE else asked


def _block(block: Block, partner: Partner | None) -> UsageBlock:
    figures = block.figures
    return UsageBlock(
        partner=partner,
        kind=block.kind,
        people=figures["people"],
        verifications=figures["verifications"],
        redemptions=figures["redemptions"],
        reversed=figures["reversed"],
        amount_fen=Decimal(figures["amountFen"]),
        outcomes=[OutcomeCount(outcome=code, reports=number) for code, number in figures["outcomes"].items()],
    )


async def fetch_usage(state: State, request: Request, principal: Principal) -> Response:
    """`GET /usage/{YYYY-MM}.csv`: the same figures for a spreadsheet."""
    stem, _, form = request.path_params["name"].rpartition(".")
    month = parse_day(f"{stem}-01") if form == "csv" else None
    found = None
    if month is not None:
        async with state.database.reading() as connection:
            found = await read_usage(connection, month=month, partner_id=_whose(principal, None))
            known = await state.current_catalogue(connection)
    if month is None or found is None:
        raise NoSuchFile("没有这个月的使用报告。请写成 /usage/2026-10.csv;每月的报告在次月 2 日生成。")
    names = {key: one.name for key, one in known.partners.items()}
    return attachment(_csv(month, found, names), name=f"usage-{stem}.csv", media_type="text/csv; charset=utf-8")


def _csv(month: date, blocks: Sequence[Block], names: dict[int, str]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for block in blocks:
        whose = ("", "") if block.partner_id is None else (
            public_id("Partner", block.partner_id), shown(names.get(block.partner_id, ""))
        )  # fmt: skip
        figures = [block.figures[name] for name in COLUMNS[4:]]
        writer.writerow([f"{month:%Y-%m}", *whose, block.kind or "", *figures])
    return b"\xef\xbb\xbf" + text.getvalue().encode()


def reporting_use(state: State) -> AbstractAsyncContextManager[None]:
    """Take the month before, when it is over, as long as the application runs."""

    async def take() -> None:
        month = await take_usage_due(state.database, now=state.clock())
        if month is not None:
            log.info("usage taken", extra={"month": month.isoformat()})

    return repeating(take, seconds=SECONDS_BETWEEN, log=log)
