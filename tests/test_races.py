"""Many at once. One thing to know: whatever the order in which they arrive, a code decides once, a unit of quota is
used once, and whoever loses a race gets a plain answer and never an error of ours."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Sequence
from pathlib import Path
from typing import Any

import pytest
from factories import REDEEM, REVERSE, VERIFY, City, offer_id, open_city
from sqlalchemy import delete, select

from partners.codes import issue_code
from partners.tables import answers, quotas, redemptions, verifications
from scoring.tables import enrollments

CROWD = 200


@pytest.fixture(params=["sqlite", "postgresql"])
def city_url(request: pytest.FixtureRequest) -> str:
    """As everywhere; stands here because `pair` below narrows it."""
    return str(request.getfixturevalue(f"{request.param}_city_url"))


@pytest.fixture
async def pair(postgres_city_url: str, keys_file: Path) -> AsyncIterator[tuple[City, City]]:
    """Two instances of the application over one PostgreSQL database."""
    async with (
        open_city(database_url=postgres_city_url, keys_file=keys_file) as one,
        open_city(database_url=postgres_city_url, keys_file=keys_file) as other,
    ):
        yield one, other
