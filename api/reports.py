"""Everything about me in one signed file, and checking one that somebody was handed. One thing to know: the file comes
in the answer itself, since nothing is kept here that could be fetched later; only its hash is.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from enum import Enum
from functools import partial
from typing import Annotated
from uuid import UUID

import strawberry
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from api.context import Info, State
from api.errors import Problem
from api.mutations import mutation
from api.permissions import ANYONE, SUBJECT, access
from api.records import under_review
from api.running.limits import Limits
from core.clock import SHANGHAI
from core.errors import ExpectedError
from partners.credit_report import Format, made_at, note_report, read_report, report_file, sign_report
from scoring.subjects import SubjectDataFault

_PRINTER = ThreadPoolExecutor(1, thread_name_prefix="report")
"""One report at a time in a process, so that printing never takes the machine from those who scan."""
LONGEST_DIGEST = 64


@strawberry.enum(description="How a report is written.")
class ReportFormat(Enum):
    """Both hold the same signed text."""

    JSON = strawberry.enum_value("json", description="For programs: the report, and its signature.")
    PDF = strawberry.enum_value("pdf", description="For people: pages in Chinese, the signed report attached inside.")


_WRITTEN = {ReportFormat.JSON: Format.JSON, ReportFormat.PDF: Format.PDF}


@strawberry.type(description="A credit report, as it is handed to its subject.", directives=access(SUBJECT))
class ExportedReport:
    """Not kept here."""

    id: strawberry.ID = strawberry.field(description="The report's number.")
    made_at: datetime = strawberry.field(description="When it was made.")
    sha256: str = strawberry.field(description="SHA-256, in hex, of the signed text: give it to `checkReport`.")
    content: str = strawberry.field(description="The file, in base64.")
    signed: str = strawberry.field(description="The report as a JWS of type xinyi-report+jwt.")


@strawberry.type(description="Whether a report is one of ours.", directives=access(ANYONE))
class ReportCheck:
    """And nothing about whom it is about."""

    genuine: bool = strawberry.field(description="Whether we made a report of this number with this hash.")
    made_at: datetime | None = strawberry.field(description="When; null where we did not.")


@strawberry.input(description="What to export.")
class ExportMineInput:
    """For `exportMine`."""

    format: ReportFormat = strawberry.field(description="How it is written.")


ExportMineResult = Annotated[
    ExportedReport | Problem, strawberry.union("ExportMineResult", description="The report, or why not.")
]


@strawberry.type
class ReportQueries:
    """For whoever was handed a report."""

    @strawberry.field(
        description="Whether a report is one of ours. The file itself is checked by `xinyi report verify`.",
        directives=access(ANYONE),
    )
    async def check_report(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="The report's number.")],  # noqa: A002
        sha256: Annotated[str, strawberry.argument(description="SHA-256, in hex, of the signed text.")],
    ) -> ReportCheck:
        """Both have to be right."""
        found = await _made_at(info.context.state, str(id), sha256)
        return ReportCheck(genuine=found is not None, made_at=found)


@strawberry.type
class ReportMutations:
    """For the subject."""

    @mutation(description="Everything about me in one signed file. Free, and as often as one likes.", to=SUBJECT)
    async def export_mine(self, info: Info, input: ExportMineInput) -> ExportMineResult:  # noqa: A002
        """Also for one that has left. The hash is kept before the report is handed out."""
        context, state = info.context, info.context.state
        claims, settings = context.signed_in(), state.settings
        try:
            async with state.database.reading() as connection:
                await state.current_catalogue(connection)
                subject_id, held = await read_report(
                    connection, account=claims.account, role=claims.role, rulebook=state.rulebook, now=context.now
                )
        except SubjectDataFault as fault:
            raise under_review(fault) from None
        report = sign_report(state.keys, issuer=settings.issuer, held=held, now=context.now)
        print_it = partial(report_file, report, written=_WRITTEN[input.format], check_url=f"{settings.issuer}/reports")
        file = await asyncio.get_running_loop().run_in_executor(_PRINTER, print_it)
        async with state.database.transaction() as connection:
            principal = await context.principal(connection)
            await note_report(connection, report, subject_id=subject_id, actor=principal.account)
        return ExportedReport(
            id=strawberry.ID(str(report.id)),
            made_at=report.made_at,
            sha256=report.sha256,
            content=b64encode(file).decode(),
            signed=report.signed,
        )


def check_page(state: State, limits: Limits) -> Callable[[Request], Awaitable[Response]]:
    """What the QR code of a report leads to: the answer of `checkReport` in one sentence."""

    async def page(request: Request) -> Response:
        try:
            await limits.check(None, request.client.host if request.client else "")
            found = await _made_at(state, request.path_params["id"], request.path_params["sha256"])
        except ExpectedError as error:
            return PlainTextResponse(error.message, 429 if error.code == "THROTTLED" else 503)
        if found is None:
            return PlainTextResponse("核对结果:不是本平台生成的报告,或编号、校验值有误。请向出示人索取原文件。", 404)
        told = f"{found.astimezone(SHANGHAI):%Y-%m-%d %H:%M}"
        return PlainTextResponse(
            f"核对结果:本平台于 {told}(北京时间)生成过这份报告。"
            "二维码可以被复制,报告内容请用 xinyi report verify 核对原文件。"
        )

    return page


async def _made_at(state: State, number: str, digest: str) -> datetime | None:
    try:
        key = UUID(number)
    except ValueError:
        return None
    if len(digest) != LONGEST_DIGEST or str(key) != number.lower():
        return None
    async with state.database.reading() as connection:
        return await made_at(connection, report_id=key, digest=digest)
