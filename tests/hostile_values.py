"""Values that nobody means well by, for each type of the schema. One thing to know: those that graphql-core lets
through to our own code stand apart from those it stops, which need no field each."""

from __future__ import annotations

import gc
import re
import time
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any
from uuid import UUID

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    get_named_type,
    get_nullable_type,
    is_list_type,
)

QUICKLY = 1.0
"""Seconds of processor time for which one request may keep the server."""
INSIDE = re.compile(
    r"Traceback|File \"|line \d+, in|sqlite|asyncpg|sqlalchemy|strawberry|SELECT |INSERT |NoneType|object at 0x|"
    r"Did you mean|psycopg|constraint|decimal\.|datetime\.|InvalidOperation|ConversionSyntax|isoformat|"
    r"codec|surrogate|integer string conversion|\b\w+(?:Error|Exception)\b",
    re.IGNORECASE,
)
"""Words that only our own insides use."""

TEXTS = [
    "", " ", "\x00", "a\x00b", "\n", "\u202e\u200b", "\ufeff", "\ud7ff\ue000", "🀄", "é" * 300, "x" * 30_000,
    "9" * 5000, "-1", "NaN", "1e999", "' OR 1=1 --", "${7*7}{{7*7}}%s%n", "../../etc/passwd", "T2ZmZXI6MQ==",
    "T2ZmZXI6OTIyMzM3MjAzNjg1NDc3NTgwNw==", "VmVyaWZpY2F0aW9uOjE=", "null", "[]", "=cmd()",
]  # fmt: skip
LET_THROUGH: dict[str, list[Any]] = {
    "String": TEXTS,
    "ID": [*TEXTS, 2**31, -1],
    "Int": [0, -1, 2**31 - 1, -(2**31)],
    "Float": [0, -1.5, 1e308],
    "Boolean": [],
    "Fen": [1, 10**12],
    "Decimal": ["0", "-0", "1E+6000", "1e-6000", "9" * 4000, "0." + "0" * 4000 + "1", "-1.005", "١٢", " 1 ", "1_0"],
    "Date": ["0001-01-01", "9999-12-31", "2026-02-28", "1900-01-01"],
    "DateTime": ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "2026-11-20T00:00:00",
                 "1970-01-01T00:00:00Z"],
}  # fmt: skip
"""What may reach our code."""
STOPPED: dict[str, list[Any]] = {
    "String": [1, 1.5, True, {}, ["a", "b"]],
    "ID": [1.5, True, {}],
    "Int": ["1", 2**31, -(2**31) - 1, 2**63, 1.5, 1e308, True, [1, 2], {}],
    "Boolean": ["true", 1, 0, {}],
    "Fen": [0, -1, 2**63, 1.0, "1", True, {}],
    "Decimal": ["NaN", "sNaN", "Infinity", "-Infinity", "", "x", "\x00", "1,000", True, {}, [], "9" * 100_000],
    "Date": ["", "x", "\x00", "2026-13-01", "2026-02-30", "20261120", "0000-01-01", "10000-01-01", "２０２６-01-01",
             "2026-W01-1", 1, True, {}, "9" * 5000],
    "DateTime": ["", "x", "\x00", "2026-11-20T25:00:00", "2026-11-20T00:00:00+99:99", 1, True, {}, "9" * 5000],
}  # fmt: skip
"""What is refused before it gets there, or may be."""


FEWER = ["", "a\x00b", "\u202e", "x" * 30_000, "9" * 5000]
"""For texts deep inside large inputs."""


def spoilt(kind: Any, good: Any, depth: int = 0) -> Iterator[Any]:
    """Copies of a good value of this type, in each of which one leaf is hostile."""
    kind = get_nullable_type(kind)
    if is_list_type(kind):
        yield []
        items = good if isinstance(good, list) and good else [None]
        for value in spoilt(kind.of_type, items[0], depth):
            yield [value, *items[1:]]
        if items[0] is not None:
            yield items * 200
        return
    named = get_named_type(kind)
    if isinstance(named, GraphQLEnumType):
        yield from named.values
    elif isinstance(named, GraphQLInputObjectType):
        for name, field in named.fields.items():
            inner = good.get(name) if isinstance(good, dict) else None
            for value in spoilt(field.type, inner, depth + 1):
                copy = deepcopy(good) if isinstance(good, dict) else {}
                copy[name] = value
                yield copy
    else:
        yield from FEWER if depth > 1 and named.name == "String" else LET_THROUGH[named.name]
        if named.name == "ID" and isinstance(good, str):
            yield from far_away(good)


def far_away(good: str) -> Iterator[str]:
    """Ids of the same type, of keys that no table holds."""
    try:
        type_name = b64decode(good, validate=True).decode().partition(":")[0]
    except ValueError:
        return
    for key in (0, 2**31, 2**63 - 1, 2**63, UUID(int=2**128 - 1)):
        yield b64encode(f"{type_name}:{key}".encode()).decode()


@contextmanager
def quickly(what: object = "") -> Iterator[None]:
    """The block keeps its thread for less than a second of processor time. The collector rests meanwhile: in a process
    that has run thousands of tests it takes longer than what is asked about."""
    gc.collect(0)
    gc.disable()
    began = time.thread_time()
    try:
        yield
        took = time.thread_time() - began
    finally:
        gc.enable()
    assert took < QUICKLY, (took, what)
