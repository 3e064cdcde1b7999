"""What all mutations share. One thing to know: an expected failure becomes the `Problem` of the result union, a lost
race is run again, and a client's mistake stays a top-level error."""

from __future__ import annotations

import functools
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import strawberry
from strawberry.utils.str_converters import to_camel_case

from api.context import Context
from api.errors import TOP_LEVEL, problem_of
from api.permissions import Audience, access
from core.database import Conflict
from core.errors import ExpectedError, Unavailable
from partners.mandates import ACTING, note_act

ATTEMPTS = 5
log = logging.getLogger("xinyi.api")


def _answered(resolver: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    @functools.wraps(resolver)
    async def run(*args: Any, **kwargs: Any) -> Any:
        try:
            await _note_acting(kwargs["info"].context, resolver.__name__)
            for _ in range(ATTEMPTS):
                try:
                    return await resolver(*args, **kwargs)
                except Conflict as conflict:
                    # Another request wrote first. Seen again from the start, its row is there to be found.
                    lost = conflict
            raise Unavailable from lost
        except ExpectedError as error:
            if error.code in TOP_LEVEL:
                raise
            if isinstance(error, Unavailable):
                log.warning("unavailable", exc_info=error)
            return problem_of(error)

    @functools.wraps(resolver)
    async def rehearsed(*args: Any, **kwargs: Any) -> Any:
        context: Context = kwargs["info"].context
        if context.state.rehearsal is None:
            return await run(*args, **kwargs)
        answering = functools.partial(run, *args, **kwargs)
        return await context.state.rehearsal.around(context, resolver.__name__, kwargs["input"], answering)

    return rehearsed


async def _note_acting(context: Context, action: str) -> None:
    """Let whoever is represented read of an act before it is done: one that could not be noted is not done."""
    if context.claims is None or not context.claims.account.startswith(ACTING):
        return
    async with context.state.database.transaction() as connection:
        principal = await context.principal(connection)
        await note_act(connection, account=principal.account, action=to_camel_case(action), now=context.now)


def mutation(*, description: str, to: Iterable[Audience]) -> Callable[[Callable[..., Awaitable[Any]]], Any]:
    """A mutation field with one `input`, a result union of two, and who may call it."""

    def declare(resolver: Callable[..., Awaitable[Any]]) -> Any:
        field = strawberry.mutation(resolver=_answered(resolver), description=description, directives=access(to))
        (argument,) = field.arguments
        argument.description = "What to do, and to what."
        return field

    return declare
