"""Errors of one answer, equal ones told once. One thing to know: a list of a thousand that fails a thousand times is
one mistake, so it comes as one error with its first path, and `extensions.count` says how often."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from graphql import GraphQLError

from api.context import Language
from api.errors import error_body

MOST_ERRORS = 20
"""Different errors in one answer."""


def error_bodies(errors: Iterable[GraphQLError], *, request_id: str, language: Language = "zh") -> list[dict[str, Any]]:
    """The first of each kind of error, as it leaves the house; at most 20, those beyond are left out.

    Only what is told is logged: a failing list does not fill the log.
    """
    firsts: dict[Any, tuple[GraphQLError, int]] = {}
    for error in errors:
        key = error.message, type(error.original_error)
        if key in firsts:
            first, times = firsts[key]
            firsts[key] = first, times + 1
        elif len(firsts) < MOST_ERRORS:
            firsts[key] = error, 1
    # Bugs of ours differ inside and read alike outside.
    told: dict[Any, dict[str, Any]] = {}
    for error, times in firsts.values():
        body = error_body(error, request_id=request_id, language=language)
        key = body["message"], body["extensions"]["code"]
        extensions = told.setdefault(key, body)["extensions"]
        extensions["count"] = extensions.get("count", 0) + times
    for body in told.values():
        if body["extensions"]["count"] == 1:
            del body["extensions"]["count"]
    return list(told.values())
