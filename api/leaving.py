"""Leaving the scheme. One thing to know: it takes effect with the answer; what stays, and why, stands in it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import strawberry
from sqlalchemy import select

from api.context import Info
from api.errors import Problem
from api.mutations import mutation
from api.permissions import SUBJECT, access
from core.errors import ExpectedError
from partners.leaving import leave
from partners.tables import accounts
from scoring.leaving import ERASED, KEPT


class NotByMandate(ExpectedError):
    """Whoever acts by a mandate may not take the represented out of the scheme."""

    code = "NOT_BY_MANDATE"


class NotConfirmed(ExpectedError):
    """What is erased does not come back: that has to be said."""

    code = "NOT_CONFIRMED"


@strawberry.type(description="Something that leaving erased.", directives=access(SUBJECT))
class ErasedData:
    """Gone for good."""

    what: str = strawberry.field(description="What it was, in words.")
    count: int = strawberry.field(description="How many entries.")


@strawberry.type(description="Something that leaving does not erase.", directives=access(SUBJECT))
class KeptData:
    """Because law keeps it, or because the subject itself may need it."""

    what: str = strawberry.field(description="What it is, in words.")
    reason: str = strawberry.field(description="Why it stays.")


@strawberry.type(description="The subject takes part no more.", directives=access(SUBJECT))
class Departure:
    """Result of `leaveScheme`."""

    left_at: datetime = strawberry.field(description="Since when.")
    erased: list[ErasedData] = strawberry.field(description="What was erased.")
    kept: list[KeptData] = strawberry.field(description="What stays, and why.")
    tombstone: str = strawberry.field(
        description="SHA-256 of what was erased and of a nonce nobody keeps: proves that, not what, it was."
    )


@strawberry.input(description="Leaving the scheme.")
class LeaveSchemeInput:
    """For `leaveScheme`."""

    confirm: bool = strawberry.field(description="True: what is erased does not come back.")


LeaveSchemeResult = Annotated[
    Departure | Problem, strawberry.union("LeaveSchemeResult", description="What was done, or why not.")
]


@strawberry.type
class LeavingMutations:
    """For the subject itself."""

    @mutation(
        description="Leave: scoring stops, codes give the standard service, what no law keeps is erased. "
        "Doing so again changes nothing.",
        to=SUBJECT,
    )
    async def leave_scheme(self, info: Info, input: LeaveSchemeInput) -> LeaveSchemeResult:  # noqa: A002
        """A left subject still reads its own records, its log and its report."""
        if not input.confirm:
            raise NotConfirmed("退出后评价结果和经同意采集的信息会被删除,不能恢复。确认退出请把 confirm 设为 true。")
        context, state = info.context, info.context.state
        async with state.database.transaction() as connection:
            principal = await context.principal(connection)
            subject_id = principal.subject_id or 0
            basis = await connection.scalar(select(accounts.c.basis).where(accounts.c.id == principal.account))
            if basis == "mandate":
                raise NotByMandate("代理人不能代为退出。请由本人用自己的账号,或到服务窗口办理。")
            left = await leave(
                connection,
                subject_id=subject_id,
                rulebook=state.rulebook,
                issuing=state.verifier,
                actor=principal.account,
                now=context.now,
            )
        return Departure(
            left_at=left.at,
            erased=[ErasedData(what=ERASED[name], count=left.erased[name]) for name in ERASED if name in left.erased],
            kept=[KeptData(what=one.what, reason=one.reason) for one in KEPT],
            tombstone=left.tombstone,
        )
