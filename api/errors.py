"""How failures reach a client. One thing to know: what is expected is a `Problem` in the answer; a client's mistake is
a top-level error with a code; our bug is masked, logged with a request id, and says nothing else."""

from __future__ import annotations

import logging
import re
from typing import Any

import strawberry
from graphql import GraphQLError

from api.context import Language
from api.language import tell
from api.messages import in_chinese
from api.permissions import ANYONE, REPRESENTATIVE, STAFF, access
from core.errors import BadInput, ExpectedError, Unavailable
from core.identifiers import mask_text
from partners.offers.life import OfferUnlawful

log = logging.getLogger("xinyi.api")


@strawberry.type(description="A rule of the guard that an offer breaks.", directives=access(STAFF, REPRESENTATIVE))
class Refusal:
    """For those who prepare offers."""

    rule: str = strawberry.field(description="Id of the rule, L1 to L13.")
    message: str = strawberry.field(description="What is wrong and what to do.")
    source: str = strawberry.field(description="Title and clause of the document the rule rests on.")


@strawberry.type(
    description="An expected failure. The code is stable; the message is for people.", directives=access(ANYONE)
)
class Problem:
    """The other half of every mutation's answer."""

    code: str = strawberry.field(description="Stable code, never renamed.")
    message: str = strawberry.field(description="What happened, why, and what to do next.")
    refusals: list[Refusal] = strawberry.field(
        default_factory=list,
        description="With OFFER_UNLAWFUL or OFFER_NEEDS_REVIEW: each rule.",
        directives=access(STAFF, REPRESENTATIVE),
    )


def problem_of(error: ExpectedError) -> Problem:
    """An expected failure as a member of a result union."""
    refusals = []
    if isinstance(error, OfferUnlawful):
        refusals = [Refusal(rule=r.rule, message=mask_text(r.message), source=str(r.source)) for r in error.refusals]
    return Problem(code=error.code, message=shortened(mask_text(error.message)), refusals=refusals)


LONGEST_MESSAGE = 500


def shortened(message: str) -> str:
    """A message that repeats too much of what was given, its middle left out: what to do next stands at the end."""
    if len(message) <= LONGEST_MESSAGE:
        return message
    return f"{message[: LONGEST_MESSAGE // 2]}……{message[-LONGEST_MESSAGE // 2 :]}"


MASKED = "系统内部错误,已记录。请稍后重试;如持续出现,请提供 requestId 联系运营人员。"
"""All that anybody outside learns of a bug of ours."""
TOP_LEVEL = frozenset({"UNAUTHENTICATED", "FORBIDDEN", "BAD_USER_INPUT"})
"""Expected failures that say the client is wrong, not that the act failed: never a `Problem`."""


def error_body(error: GraphQLError, *, request_id: str, language: Language = "zh") -> dict[str, Any]:
    """A top-level error as it leaves the house, told in the reader's language."""
    body = _body_of(error, request_id)
    body["message"] = tell(body["message"], language)
    return body


def _body_of(error: GraphQLError, request_id: str) -> dict[str, Any]:
    cause = error.original_error
    if isinstance(cause, GraphQLError):
        cause = cause.original_error
    if isinstance(cause, Unavailable):
        log.warning("unavailable", exc_info=cause, extra={"request_id": request_id})
    if isinstance(cause, ExpectedError):
        about = {"field": cause.field} if isinstance(cause, BadInput) and cause.field else {}
        return _body(error, cause.message, {"code": cause.code, **about, **(error.extensions or {})})
    if cause is None or isinstance(cause, BadInput):
        return _body(
            error, _NUMBER.sub("…", in_chinese(error.message)), {"code": "BAD_USER_INPUT", **(error.extensions or {})}
        )
    log.error("unexpected error", exc_info=cause, extra={"request_id": request_id, "path": str(error.path)})
    return _body(error, MASKED, {"code": "INTERNAL_SERVER_ERROR", "requestId": request_id})


_NUMBER = re.compile(r"\d{15,}[\dXx]?")
"""What may be an identity number; a message does not repeat it."""


def variable_error(error: GraphQLError) -> GraphQLError:
    """graphql-core's finding about a variable in plain words, without the value it came with."""
    return GraphQLError(in_chinese(error.message), error.nodes)


def _body(error: GraphQLError, message: str, extensions: dict[str, Any]) -> dict[str, Any]:
    # A message may repeat what was given, and an alias may be anything.
    body: dict[str, Any] = {"message": shortened(mask_text(message)), "extensions": extensions}
    if error.locations:
        body["locations"] = [{"line": at.line, "column": at.column} for at in error.locations]
    if error.path:
        body["path"] = [mask_text(step) if isinstance(step, str) else step for step in error.path]
    return body
