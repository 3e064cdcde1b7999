"""What a listener can make the server do, and what it pays for that."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import pytest
from factories import City, role_of
from subscribing import OPERATIONS

from api.context import Context
from api.identity import Claims
from api.running.execution import GraphQLRequest
from api.running.limits import Limits
from core.cache import LocalCache
from core.news import BENEFITS, News, of_subject

SQLITE = pytest.mark.parametrize("city_url", ["sqlite"], indirect=True)
HEAVY = """subscription { benefitsChanged { benefits(first: 100) { edges { node { available whyNot { code message }
  offer { id title kind { code name } partner { id name } } } } } } }"""
GOOD = 1
"""The subject."""
LIGHT = "subscription { benefitsChanged { id } }"


async def events(city: City, query: str, *, burst: int, most: int) -> list[dict[str, Any]]:
    """What somebody hears who may spend so much and no more, at most so many answers."""
    limits = Limits(LocalCache(clock=lambda: 0.0), per_second=1, burst=burst)
    claims = Claims("good", role_of("good"), int(city.now.timestamp()) + 3600)
    allowance = await limits.check(claims, "")
    context = Context(city.state, claims, city.now, "request", allowance=allowance)
    heard: list[dict[str, Any]] = []
    async with aclosing(OPERATIONS.subscribe(GraphQLRequest(query), context)) as answers:
        while len(heard) < most:
            task = asyncio.ensure_future(anext(answers))
            await asyncio.sleep(0.05)
            city.state.cache.publish([News(of_subject(GOOD), BENEFITS)])
            try:
                heard.append((await task).body)
            except StopAsyncIteration:
                break
    return heard


@SQLITE
async def test_each_event_is_paid_for_by_what_it_brings(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.subscriptions.SECONDS_BETWEEN", 0.0)
    heard = await events(city, HEAVY, burst=7, most=8)
    assert "data" in heard[0]
    assert heard[0]["extensions"]["cost"]["requestedQueryCost"] == 2, "what this event cost"
    assert heard[-1]["errors"][0]["extensions"]["code"] == "THROTTLED"
    assert len(heard) == 3
    assert all("data" in body for body in await events(city, LIGHT, burst=7, most=8)), "what is small is free"
