"""Settlement files: the list, the files themselves, and their making in the background. One thing to know: a partner
finds its own files alone, and another's answers like one that never was."""

from __future__ import annotations

import logging
from contextlib import AbstractAsyncContextManager
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import strawberry
from sqlalchemy import Select, select
from starlette.requests import Request
from starlette.responses import Response

from api.context import Info, State
from api.downloads import NoSuchFile, attachment
from api.ids import key_of, public_id
from api.jobs.background import repeating
from api.offers import Partner, partner_of
from api.pagination import After, First, PageInfo, cursor_of, id_after, page_info, page_size
from api.permissions import OPERATOR, PARTNER, REPRESENTATIVE, access
from partners.accounts import Principal, Role
from partners.settlement.making import Making, settle_due
from partners.settlement.tables import settlement_files

READERS = (Role.REPRESENTATIVE, Role.PARTNER, Role.OPERATOR)
SECONDS_BETWEEN = 300
FORMS = {
    "csv": (settlement_files.c.csv, "text/csv; charset=utf-8"),
    "json": (settlement_files.c.json, "application/json"),
    "jws": (settlement_files.c.statement, "application/jose"),
}
log = logging.getLogger("xinyi.settlement")
_TO = (*REPRESENTATIVE, *PARTNER, *OPERATOR)


@strawberry.type(
    description="What one funder owes, or is given back, for one partner's benefits of one day. Never changes.",
    directives=access(_TO),
)
class SettlementFile:
    """Amounts in 分."""

    id: strawberry.ID = strawberry.field(description="Opaque id.")
    partner: Partner = strawberry.field(description="Whose benefits.")
    funder: str = strawberry.field(description="Who bears them: the partner itself, or a budget or sponsor by name.")
    day: date = strawberry.field(description="The day that was settled, in Asia/Shanghai.")
    lines: int = strawberry.field(description="How many lines there are: uses, and corrections of earlier files.")
    total_fen: Decimal = strawberry.field(description="Sum in whole 分; below zero where more was reversed.")
    sha256_csv: str = strawberry.field(description="SHA-256 of the CSV, in hex.")
    sha256_json: str = strawberry.field(description="SHA-256 of the JSON, in hex.")
    statement: str = strawberry.field(description="JWS over day, partner, funder, total and both hashes.")
    made_at: datetime = strawberry.field(description="When it was made.")
    csv_path: str = strawberry.field(description="Where the CSV is fetched, with the same bearer token.")
    json_path: str = strawberry.field(description="Where the JSON is fetched.")
    statement_path: str = strawberry.field(description="Where the statement is fetched as a file.")


@strawberry.type(description="A settlement file in a page (Relay).", directives=access(_TO))
class SettlementFileEdge:
    """Relay's edge."""

    cursor: str = strawberry.field(description="Give it as `after` to go on from here.")
    node: SettlementFile = strawberry.field(description="The file.")


@strawberry.type(description="A page of settlement files, newest first (Relay).", directives=access(_TO))
class SettlementFileConnection:
    """Relay's connection."""

    edges: list[SettlementFileEdge] = strawberry.field(description="The page.")
    page_info: PageInfo = strawberry.field(description="Where the page stands.")


@strawberry.type
class SettlementQueries:
    """For partners and operators."""

    @strawberry.field(
        description="Settlement files, the newest made first: a partner's own; for operators, all or one partner's.",
        directives=access(_TO),
    )
    async def settlement_files(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        partner_id: Annotated[strawberry.ID | None, strawberry.argument(description="Operators: only of this.")] = None,
    ) -> SettlementFileConnection:
        """In the order in which they were made."""
        context, size, last = info.context, page_size(first), id_after(after)
        heads = [column for column in settlement_files.c if column.name not in ("csv", "json")]
        wanted = select(*heads).order_by(settlement_files.c.id.desc()).limit(size + 1)
        if last is not None:
            wanted = wanted.where(settlement_files.c.id < last)
        if partner_id is not None:
            wanted = wanted.where(settlement_files.c.partner_id == key_of(partner_id, "Partner"))
        async with context.state.database.reading() as connection:
            wanted = _own(wanted, await context.principal(connection))
            rows = (await connection.execute(wanted)).all()
            known = (await context.state.current_catalogue(connection)).partners
        edges = [
            SettlementFileEdge(cursor=cursor_of(row.id), node=_file(row, partner_of(known[row.partner_id])))
            for row in rows[:size]
        ]
        info_ = page_info([edge.cursor for edge in edges], more=len(rows) > size, after=after)
        return SettlementFileConnection(edges=edges, page_info=info_)


def _own(wanted: Select[Any], principal: Principal) -> Select[Any]:
    if principal.role is Role.OPERATOR:
        return wanted
    return wanted.where(settlement_files.c.partner_id == principal.partner_id)


def _file(row: Any, partner: Partner) -> SettlementFile:
    paths = {f"{name}_path": f"/settlement/{row.id}.{form}" for name, form in _PATHS.items()}
    return SettlementFile(
        id=strawberry.ID(public_id("SettlementFile", row.id)),
        partner=partner,
        funder=row.funder,
        day=row.day,
        lines=row.lines,
        total_fen=Decimal(row.total_fen),
        sha256_csv=row.sha256_csv,
        sha256_json=row.sha256_json,
        statement=row.statement,
        made_at=row.made_at,
        **paths,
    )


_PATHS = {"csv": "csv", "json": "json", "statement": "jws"}


async def fetch_file(state: State, request: Request, principal: Principal) -> Response:
    """`GET /settlement/{id}.csv|.json|.jws`: the bytes whose hashes were signed, or the statement over them."""
    name = request.path_params["name"]
    stem, _, form = name.rpartition(".")
    try:
        file_id = UUID(stem)
    except ValueError:
        form = ""
    if form not in FORMS:
        raise NoSuchFile("没有这份结算文件。请使用 settlementFiles 给出的路径(.csv、.json 或 .jws)。")
    column, media_type = FORMS[form]
    wanted = _own(select(column, settlement_files.c.day).where(settlement_files.c.id == file_id), principal)
    async with state.database.reading() as connection:
        row = (await connection.execute(wanted)).one_or_none()
    if row is None:
        raise NoSuchFile("没有这份结算文件。请使用 settlementFiles 给出的路径。")
    content = row[0].encode() if isinstance(row[0], str) else bytes(row[0])
    return attachment(content, name=f"settlement-{row.day}-{file_id}.{form}", media_type=media_type)


def making_of(state: State) -> Making:
    """What making files takes, of a running process."""
    return Making(keys=state.keys, issuer=state.settings.issuer, public_id=public_id)


def settling(state: State) -> AbstractAsyncContextManager[None]:
    """Make the files of days that are over as long as the application runs; they are due by 10:00 of the next day."""

    async def settle() -> None:
        made = await settle_due(state.database, making_of(state), now=state.clock())
        if made:
            log.info("settlement", extra={"files": len(made), "lines": sum(one.lines for one in made)})

    return repeating(settle, seconds=SECONDS_BETWEEN, log=log)
