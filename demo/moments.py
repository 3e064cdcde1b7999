"""Rows of what has happened in the demo city, their ids and hours. One thing to know: they are the same for the same
seed, and ids lie in the order of time."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from random import Random
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import Table

from core.clock import start_of

Rows: TypeAlias = dict[Table, list[dict[str, Any]]]
"""What is to be written, by table."""


def row_id(random: Random, at: datetime) -> UUID:
    """An id that lies in time where one made `at` that moment would (a UUIDv7, see `core.identifiers.new_id`)."""
    millis = int(at.timestamp() * 1000)
    return UUID(int=millis << 80 | 7 << 76 | random.getrandbits(12) << 64 | 2 << 62 | random.getrandbits(62))


def in_hours(random: Random, day: date) -> datetime:
    """A moment of that day while counters are open."""
    return start_of(day) + timedelta(hours=9, seconds=random.randrange(8 * 3600))
