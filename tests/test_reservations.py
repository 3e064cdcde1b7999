"""From reserving to giving back. One thing to know: whatever happens, and wherever a process dies, what is taken is
what the rows say they hold."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from contextvars import ContextVar
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from counted_offers import RELEASE, books, change, check_books, key_of, limit, outcome, release, scan
from factories import REDEEM, REVERSE, VERIFY, City, offer_id, open_city
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core.audit import audit_entries
from core.database import metadata
from core.statements import Prepared, PreparedInserts
from partners.codes import issue_code
from partners.tables import access_events, answers, quotas, redemptions, verifications

LIMITS = [limit("offer", "day", 3), limit("site", "month", 2), limit("person", "day", 2)]


async def test_a_release_frees_everything_at_once_and_redeems_no_more(city: City) -> None:
    await change(city, "tower", limits=LIMITS, budget_fen=500, most_fen=500)
    answer = await scan(city, "tower", site="东门")
    assert await outcome(city, "tower", site="东门") == "QUOTA_EXHAUSTED"
    city.wait(minutes=1)
    released = await release(city, answer["id"])
    assert released == {"__typename": "ReleasedVerification", "id": answer["id"], "releasedAt": city.now.isoformat()}
    assert await books(city) == ({}, {})
    again = await scan(city, "tower", site="东门")
    assert again["outcome"] == "BENEFIT_APPLIES"
    assert (await city.redeem(answer["id"], amountFen=1))["code"] == "NOT_REDEEMABLE"
    city.wait(minutes=1)
    assert (await release(city, answer["id"]))["releasedAt"] == released["releasedAt"], "the first one counts"
    await check_books(city)


async def test_a_release_is_answered_alike_for_one_request_and_refused_to_others(city: City) -> None:
    answer = await scan(city, "tower")
    first = await release(city, answer["id"], requestId="r")
    city.wait(minutes=5)
    assert await release(city, answer["id"], requestId="r") == first
    other = await scan(city, "tower")
    assert (await release(city, other["id"], requestId="r"))["code"] == "REQUEST_CONFLICT"
    assert (await release(city, other["id"], by="hospital"))["code"] == "NOT_REDEEMABLE"
    standard = await scan(city, "tower", "plain")
    assert (await release(city, standard["id"]))["code"] == "NOT_REDEEMABLE"
    await city.redeem(other["id"])
    assert (await release(city, other["id"]))["code"] == "ALREADY_REDEEMED"
    await check_books(city)


async def test_what_ran_out_is_released_as_of_its_end_and_its_unit_comes_back_once(city: City) -> None:
    answer = await scan(city, "tower")
    city.wait(minutes=30)
    assert (await release(city, answer["id"]))["releasedAt"] == answer["expiresAt"]
    assert await books(city) == ({}, {})
    assert (await release(city, answer["id"]))["releasedAt"] == answer["expiresAt"]
    await scan(city, "tower")
    await check_books(city)


async def test_a_release_gives_a_person_its_own_use_back(city: City) -> None:
    first = await scan(city, "garden")
    assert await outcome(city, "garden") == "STANDARD_SERVICE"
    await release(city, first["id"])
    assert await outcome(city, "garden") == "BENEFIT_APPLIES"


async def test_what_was_verified_with_a_stolen_key_redeems_no_more(city: City) -> None:
    answer = await scan(city)
    await city.write(update(verifications).values(voided_at=city.now))
    refused = await city.redeem(answer["id"])
    assert refused["code"] == "NOT_REDEEMABLE"
    assert "报失" in refused["message"]
    assert await city.rows(redemptions) == []


async def test_what_was_reserved_before_there_were_buckets_is_given_back_as_one_unit(city: City) -> None:
    kept, used, lapsed = [await scan(city, "tower") for _ in range(3)]
    redeemed = await city.redeem(used["id"])
    await city.write(update(verifications).values(holds=None), update(redemptions).values(holds=None))
    await release(city, kept["id"])
    await city.reverse(redeemed["id"])
    assert [row.taken for row in await city.rows(quotas)] == [1]
    city.wait(minutes=10)
    await release(city, lapsed["id"])
    assert [row.taken for row in await city.rows(quotas)] == [0]


class Killed(Exception):
    """The process is gone."""


IN_THE_ACT: ContextVar[bool] = ContextVar("in_the_act", default=False)
"""What the application does in the background meanwhile is neither counted nor killed."""


async def post(city: City, query: str, given: dict[str, Any]) -> dict[str, Any]:
    headers = {"authorization": f"Bearer {city.token('scenic')}"}
    response = await city.client.post("/graphql", json={"query": query, "variables": {"input": given}}, headers=headers)
    return dict(response.json())


async def everything(city: City) -> dict[str, list[str]]:
    return {
        table.name: sorted(map(repr, await city.rows(table)))
        for table in (*metadata.sorted_tables,)
        if table.name in {"verifications", "redemptions", "quotas", "answers", "access_events", "audit_entries"}
    }


async def dies_everywhere(
    city: City, act: Callable[[], Awaitable[dict[str, Any]]], patching: pytest.MonkeyPatch
) -> dict[str, Any]:
    """Kill an act before and after each statement it makes: nothing stays. Then let it go through."""
    before, seen = await everything(city), [0]
    dying: list[tuple[int, bool]] = [(0, False)]

    def watched(run: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def dies(*args: Any, **named: Any) -> Any:
            if not IN_THE_ACT.get():
                return await run(*args, **named)
            seen[0] += 1
            number, after = dying[0]
            if seen[0] == number and not after:
                raise Killed
            result = await run(*args, **named)
            if seen[0] == number and after:
                raise Killed
            return result

        return dies

    with patching.context() as patched:
        for owner, name in ((AsyncConnection, "execute"), (Prepared, "all"), (PreparedInserts, "run")):
            patched.setattr(owner, name, watched(getattr(owner, name)))
        for number in range(1, 60):
            for after in (False, True):
                seen[0], dying[0] = 0, (number, after)
                in_the_act = IN_THE_ACT.set(True)
                body = await act()
                IN_THE_ACT.reset(in_the_act)
                if seen[0] < number:
                    assert number > 5, "there was something to die at"
                    return body
                assert body["errors"][0]["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
                assert await everything(city) == before, (number, after)
    raise AssertionError("it never went through")


async def test_a_process_that_dies_at_any_statement_leaves_counts_as_rows_say(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    await change(city, "tower", limits=LIMITS, budget_fen=900, most_fen=600)
    # One that has run out lies there to be swept.
    await scan(city, "tower", site="东门")
    city.wait(minutes=10)

    async def done(query: str, **given: Any) -> str:
        asked = {"requestId": city.next_request()} | given
        body = await dies_everywhere(city, lambda: post(city, query, asked), monkeypatch)
        await check_books(city)
        (answer,) = body["data"].values()
        return str(answer["id"])

    first = await done(VERIFY, code=await city.code("good"), offerId=offer_id("tower"), site="东门")
    redeemed = await done(REDEEM, verificationId=first, amountFen=300)
    second = await done(VERIFY, code=await city.code("good"), offerId=offer_id("tower"), site="东门")
    await done(RELEASE, verificationId=second)
    await done(REVERSE, redemptionId=redeemed, reason="顾客退票")
    await done(VERIFY, code=await city.code("plain"), offerId=offer_id("tower"), site="东门")
    assert await books(city) == ({}, {})


STEPS = st.one_of(
    st.tuples(st.just("verify"), st.sampled_from(["good", "plain"]), st.sampled_from(["东门", "西门"])),
    st.tuples(st.just("redeem"), st.integers(0, 9), st.sampled_from([1, 299, 300, 301])),
    st.tuples(st.just("release"), st.integers(0, 9), st.none()),
    st.tuples(st.just("reverse"), st.integers(0, 9), st.none()),
    st.tuples(st.just("wait"), st.sampled_from([1.0, 299.0, 600.0, 40_000.0]), st.none()),
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STEPS, max_size=25))
async def test_whatever_happens_what_is_taken_is_what_live_rows_hold(
    city: City, steps: list[tuple[str, Any, Any]]
) -> None:
    city.now += timedelta(days=1)
    await city.write(*(delete(table) for table in (redemptions, verifications, access_events, answers, audit_entries)))
    await city.write(delete(quotas).where(quotas.c.bucket != "ever"), update(quotas).values(taken=0))
    await change(city, "tower", limits=LIMITS, budget_fen=700, most_fen=300)
    verified: list[str] = []
    used: list[str] = []
    for step, what, more in steps:
        if step == "wait":
            city.wait(seconds=what)
        elif step == "verify":
            subject = {"good": 1, "plain": 2}[what]
            _, code = issue_code(city.keys, subject_id=subject, offer_id=None, now=city.now)
            answer = await city.verify(code, "tower", site=more)
            verified += [answer["id"]] if answer["__typename"] == "Verification" else []
        elif step == "redeem" and verified:
            answer = await city.redeem(verified[what % len(verified)], amountFen=more)
            used += [answer["id"]] if answer["__typename"] == "Redemption" else []
        elif step == "release" and verified:
            await release(city, verified[what % len(verified)])
        elif step == "reverse" and used:
            await city.reverse(used[what % len(used)])
        await check_books(city)
        taken, _ = await books(city)
        assert taken.get((key_of("tower"), "budget"), 0) <= 700
        assert all(units <= 3 for (_, bucket), units in taken.items() if bucket.startswith("day:"))


@pytest.mark.parametrize(
    ("city_url", "instances"),
    [("sqlite", 1), ("postgresql", 2)],
    ids=["sqlite", "two-instances-one-postgresql"],
    indirect=["city_url"],
)
async def test_two_hundred_at_once_on_a_quota_of_ten_redeem_ten_while_reservations_run_out(
    city_url: str, keys_file: Path, instances: int
) -> None:
    async with AsyncExitStack() as stack:
        cities = [
            await stack.enter_async_context(open_city(database_url=city_url, keys_file=keys_file, rate_burst=10_000))
            for _ in range(instances)
        ]
        await change(cities[0], "tower", limits=[limit("offer", "day", 10)], budget_fen=3000, most_fen=300)
        kept = [await scan(cities[0], "tower") for _ in range(10)]
        assert {answer["outcome"] for answer in kept} == {"BENEFIT_APPLIES"}
        for city in cities:
            city.wait(minutes=9, seconds=59, milliseconds=900)
        codes = [await cities[0].code("good") for _ in range(200)]
        redeemed = []

        async def use(number: int) -> None:
            city = cities[number % instances]
            if number == 100:  # from here on those that were kept have run out, in the midst of it
                for one in cities:
                    one.wait(milliseconds=200)
            for _ in range(20):
                asked = {"requestId": f"v{number}", "code": codes[number], "offerId": offer_id("tower")}
                answer = await city.do(VERIFY, by="scenic", **asked)
                if answer.get("code") != "UNAVAILABLE":
                    break
            if answer["__typename"] == "Verification":
                for _ in range(20):
                    done = await city.do(
                        REDEEM, by="scenic", requestId=f"u{number}", verificationId=answer["id"], amountFen=300
                    )
                    if done.get("code") != "UNAVAILABLE":
                        break
                assert done["__typename"] == "Redemption", done
                redeemed.append(done["id"])
            else:
                assert answer["code"] == "QUOTA_EXHAUSTED"

        await asyncio.gather(*(use(number) for number in range(200)))
        assert len(redeemed) == len(await cities[0].rows(redemptions)) == 10
        await check_books(cities[0])
        buckets = {row.bucket: row.taken for row in await cities[0].rows(quotas)}
        assert buckets == {"ever": 10, "day:2026-11-20": 10, "budget": 3000}
