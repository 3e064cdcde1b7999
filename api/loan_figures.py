"""Figures of lending in the API. One thing to know: no line is about fewer than ten borrowers, and periods are whole
quarters, so that no two questions differ by a few people."""

from __future__ import annotations

from datetime import date
from enum import Enum
from typing import Annotated

import strawberry

from api.context import Info
from api.offers import Partner, partner_of
from api.permissions import STAFF, Audience, access
from api.scalars import Fen
from core.errors import BadInput
from partners import catalogue
from partners.lending import figures
from partners.lending.figures import MOST_QUARTERS, loan_figures, published_blocks, quarter_of, quarters_between
from scoring.disclosure import SMALLEST

READERS = (*STAFF, Audience.AUDITOR)


@strawberry.enum(description="By what figures of lending are told apart.")
class LoanFigureDimension(Enum):
    """One at a time."""

    BANK = strawberry.enum_value("bank", description="By bank.")
    CITY = strawberry.enum_value("city", description="By the borrower's city.")


@strawberry.enum(description="Whose loans.")
class LoanSegment(Enum):
    """Told apart in all figures."""

    ENTERPRISES = strawberry.enum_value("enterprises", description="Of enterprises.")
    FARMERS = strawberry.enum_value("farmers", description="Small loans to farmers and rural organisations.")


@strawberry.type(description="Lending of one bank or city in a quarter or year.", directives=access(READERS))
class LoanFigure:
    """Never about fewer than ten borrowers."""

    period: str = strawberry.field(description="2026-Q3, or 2026 for a year that lies wholly in the period.")
    bank: Partner | None = strawberry.field(description="The bank; null by city, and for banks not told apart.")
    city: str | None = strawberry.field(description="Folder name of the city; null by bank.")
    segment: LoanSegment = strawberry.field(description="Whose loans.")
    number: int = strawberry.field(description="Borrowers, in tens rounded down quarter by quarter.")
    amount_fen: Fen | None = strawberry.field(
        description="Paid out, in 分, to two figures; null if it may tell of one."
    )
    growth_percent: int | None = strawberry.field(description="Of the amount, against the same period a year before.")
    unsecured_percent: int | None = strawberry.field(description="Borrowers without security, of all.")
    meets_growth: bool | None = strawberry.field(description="Whether the target is met; null where it is not known.")
    meets_unsecured: bool | None = strawberry.field(description="Whether the target is met; null if not known.")


@strawberry.type(description="Lending in a place.", directives=access(READERS))
class LoanFigures:
    """Worked out from published figures alone."""

    smallest: int = strawberry.field(description="No line is about fewer borrowers.")
    growth_target_percent: int | None = strawberry.field(description="The published target.")
    unsecured_target_percent: int | None = strawberry.field(description="The published target.")
    targets_source: str | None = strawberry.field(description="The document that sets them.")
    lines: list[LoanFigure] = strawberry.field(description="By period, then by segment and bank or city.")


@strawberry.type
class LoanFigureQueries:
    """How lending goes (信易贷, 农户小额贷款)."""

    @strawberry.field(description="Lending per bank or city, in whole quarters.", directives=access(READERS))
    async def loan_figures(
        self,
        info: Info,
        place: Annotated[str, strawberry.argument(description="Folder name of the place; its cities are included.")],
        since: Annotated[date, strawberry.argument(name="from", description="First day of a quarter.")],
        until: Annotated[date, strawberry.argument(description="First day of a later quarter, which is left out.")],
        by: Annotated[LoanFigureDimension, strawberry.argument(description="By what to tell apart.")],
    ) -> LoanFigures:
        """For those who look after the alliance."""
        context, state = info.context, info.context.state
        book = state.rulebook
        if place not in book.places:
            raise BadInput(f"本部署没有 {place[:40]} 这个地方。请核对 place。")
        if not (since < until and {quarter_of(since), quarter_of(until)} == {since, until} and since.year > 1):
            raise BadInput("from 与 until 须为季度的第一天(如 2026-07-01),且 from 在前。请改正。")
        if (until.year - since.year) * 4 > MOST_QUARTERS or len(quarters_between(since, until)) > MOST_QUARTERS:
            raise BadInput(f"一次至多查询 {MOST_QUARTERS} 个季度。请缩短区间。")
        cities = [code for code, one in book.places.items() if place in one.lineage]
        async with state.database.reading() as connection:
            await context.principal(connection)
            known = await state.current_catalogue(connection)
            back = since.replace(year=since.year - 1)
            loans = await figures.read_loans(connection, cities=cities, since=back, until=until)
        targets = book.lending[place].targets
        found = loan_figures(published_blocks(loans), since=since, until=until, by=_DIMENSIONS[by])
        return LoanFigures(
            smallest=SMALLEST,
            growth_target_percent=targets.growth_percent if targets else None,
            unsecured_target_percent=targets.unsecured_percent if targets else None,
            targets_source=f"{targets.source.title}{targets.source.clause}" if targets else None,
            lines=[
                LoanFigure(
                    period=one.period,
                    bank=_bank(one.value, known.partners) if by is LoanFigureDimension.BANK else None,
                    city=one.value if by is LoanFigureDimension.CITY else None,
                    segment=_SEGMENTS[one.segment],
                    number=one.number,
                    amount_fen=None if one.amount_fen is None else Fen(one.amount_fen),
                    growth_percent=one.growth_percent,
                    unsecured_percent=one.unsecured_percent,
                    meets_growth=_meets(one.growth_percent, targets.growth_percent if targets else None),
                    meets_unsecured=_meets(one.unsecured_percent, targets.unsecured_percent if targets else None),
                )
                for one in found
            ],
        )


_DIMENSIONS: dict[LoanFigureDimension, figures.By] = {
    LoanFigureDimension.BANK: "bank",
    LoanFigureDimension.CITY: "city",
}
_SEGMENTS: dict[figures.Segment, LoanSegment] = {
    "enterprises": LoanSegment.ENTERPRISES,
    "farmers": LoanSegment.FARMERS,
}


def _bank(key: str | None, partners: dict[int, catalogue.Partner]) -> Partner | None:
    return None if key is None else partner_of(partners[int(key)])


def _meets(figure: int | None, target: int | None) -> bool | None:
    return None if figure is None or target is None else figure >= target
