"""Sessions: listed, renewed and ended, and over at the very next request once ended, in whichever process."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from factories import City, open_city
from sign_ins import sign_in
from signing_in import FIREFOX, Browser, ask, why
from sqlalchemy import update
from streaming import TICKS, Talk, serving

from api.app import create_app
from api.identity.bearer import issue_token
from api.identity.sessions import browser_of, device_of, tokens_of
from api.ids import public_id
from core.audit import audit_entries
from core.keys import new_key_file
from core.settings import Settings
from core.signing import sign
from partners.accounts import Role
from partners.sessions.opening import CODE_LIFETIME, open_for_page
from partners.sessions.tables import sessions
from partners.sessions.tickets import make_ticket
from partners.tables import accounts, notices

MINE = "{ mySessions { id provider device isCurrent } }"
END = """mutation ($input: EndSessionInput!) { endSession(input: $input) { __typename
  ... on EndedSessions { sessions { id } } ... on Problem { code message } } }"""
END_ALL = """mutation ($input: EndAllSessionsInput!) { endAllSessions(input: $input) { __typename
  ... on EndedSessions { sessions { id } } ... on Problem { code message } } }"""
SQLITE = pytest.mark.parametrize("city_url", ["sqlite"], indirect=True)


async def signed_in(city: City, account: str = "good", **given: Any) -> dict[str, Any]:
    """The tokens of a new session."""
    return tokens_of(city.state, await sign_in(city, account, **given), now=city.now)


async def is_in(city: City, tokens: dict[str, Any]) -> bool:
    """Whether an access token still works."""
    body = await ask(city, tokens["access_token"])
    assert ("errors" in body) == (body.get("data") is None)
    if "errors" in body:
        assert body["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    return "errors" not in body


async def post(city: City, path: str, **content: Any) -> httpx.Response:
    return await city.client.post(f"/sign-in/{path}", json=content)


async def refresh(city: City, tokens: dict[str, Any]) -> httpx.Response:
    return await post(city, "refresh", refresh_token=tokens["refresh_token"])


async def test_sessions_are_listed_and_the_one_of_the_request_is_marked(city: City) -> None:
    await signed_in(city, device="微信 · iPhone", provider="mini")
    city.wait(seconds=1)
    here = await signed_in(city)
    await signed_in(city, "plain")
    listed = (await ask(city, here["access_token"], MINE))["data"]["mySessions"]
    assert [(one["device"], one["provider"], one["isCurrent"]) for one in listed] == [
        ("Firefox · Linux", "city-id", True),
        ("微信 · iPhone", "mini", False),
    ]
    by_key = (await ask(city, city.token("good"), MINE))["data"]["mySessions"]
    assert [one["isCurrent"] for one in by_key] == [False, False]


async def test_an_ended_session_is_over_at_the_next_request_and_others_go_on(city: City) -> None:
    phone, desk = await signed_in(city), await signed_in(city)
    assert (await is_in(city, phone), await is_in(city, desk)) == (True, True)
    listed = (await ask(city, desk["access_token"], MINE))["data"]["mySessions"]
    (other,) = [one["id"] for one in listed if not one["isCurrent"]]
    for _ in range(2):
        body = await ask(city, desk["access_token"], END, {"input": {"sessionId": other}})
        assert len(body["data"]["endSession"]["sessions"]) == 1
    assert (await is_in(city, phone), await is_in(city, desk)) == (False, True)
    assert why(await refresh(city, phone)) == (401, "SESSION_ENDED", None)
    ended = [entry for entry in await city.rows(audit_entries) if entry.action == "endSession"]
    assert [(entry.subject_id, entry.actor) for entry in ended] == [(1, "good")]


async def test_all_sessions_or_all_others_are_ended_at_once(city: City) -> None:
    first, second, here = [await signed_in(city) for _ in range(3)]
    plain = await signed_in(city, "plain")
    await ask(city, here["access_token"], END_ALL, {"input": {"keepCurrent": True}})
    assert [await is_in(city, one) for one in (first, second, here, plain)] == [False, False, True, True]
    await ask(city, here["access_token"], END_ALL, {"input": {}})
    assert [await is_in(city, one) for one in (here, plain)] == [False, True]


async def test_nobody_ends_the_session_of_another(city: City) -> None:
    mine = await sign_in(city, "good")
    tokens = tokens_of(city.state, mine, now=city.now)
    plain = await signed_in(city, "plain")
    theirs = {"input": {"sessionId": public_id("Session", mine.id)}}
    never = {"input": {"sessionId": public_id("Session", UUID(int=0))}}
    answers = [await ask(city, plain["access_token"], END, one) for one in (theirs, never)]
    assert answers[0]["data"]["endSession"]["code"] == "UNKNOWN_SESSION"
    assert answers[0]["data"] == answers[1]["data"]
    assert await is_in(city, tokens)


async def test_it_is_over_for_files_too_and_for_who_acts_under_a_mandate_opened_from_it(city: City) -> None:
    operator, provider = await signed_in(city, "operator"), await signed_in(city, "provider")
    good = await sign_in(city, "good")
    # As `openMandate` makes it: the account of the one represented, the session of the one who acts.
    acting = issue_token(
        city.keys, issuer=city.settings.issuer, account="plain", role=Role.CITIZEN, now=city.now,
        lifetime=timedelta(minutes=30), session=good.id,
    )  # fmt: skip

    async def statuses() -> list[int]:
        asked = [("GET", "/settlement/none", operator["access_token"]), ("POST", "/intake", provider["access_token"])]
        heads = [(m, p, {"authorization": f"Bearer {token}"}) for m, p, token in asked]
        return [(await city.client.request(method, path, headers=head)).status_code for method, path, head in heads]

    assert (await statuses(), await is_in(city, {"access_token": acting})) == ([404, 400], True)
    await city.write(update(sessions).values(ended_at=city.now))
    assert (await statuses(), await is_in(city, {"access_token": acting})) == ([401, 401], False)


@pytest.mark.parametrize("city_url", ["postgresql"], indirect=True)
async def test_what_one_process_ends_is_over_in_the_other(city: City, city_url: str, keys_file: Path) -> None:
    async with open_city(database_url=city_url, keys_file=keys_file) as other:
        tokens, mine = await signed_in(city), await signed_in(city)
        assert (await is_in(city, tokens), await is_in(other, tokens)) == (True, True)
        await ask(city, mine["access_token"], END_ALL, {"input": {"keepCurrent": True}})
        assert (await is_in(other, tokens), await is_in(city, tokens)) == (False, False)
        renewed = await refresh(other, mine)
        assert renewed.status_code == 200
        assert (await is_in(city, renewed.json()), await is_in(city, mine)) == (True, True)


async def test_a_refresh_token_gives_the_next_one_and_works_once(city: City) -> None:
    first = await signed_in(city)
    city.wait(minutes=15)
    assert not await is_in(city, first)
    second = (await refresh(city, first)).json()
    assert await is_in(city, second)
    city.wait(seconds=11)
    assert why(await refresh(city, first)) == (401, "SESSION_ENDED", None)
    # Two hold it, and nobody knows who is the thief: it is over for both.
    assert not await is_in(city, second)
    assert why(await refresh(city, second)) == (401, "SESSION_ENDED", None)
    (row,) = await city.rows(sessions)
    assert row.end_reason == "stolen"
    assert [(notice.kind, notice.subject_id) for notice in await city.rows(notices)] == [("session-stolen", 1)]


async def test_a_client_whose_answer_was_lost_asks_again_and_goes_on(city: City) -> None:
    first = await signed_in(city)
    lost, again = (await refresh(city, first)).json(), (await refresh(city, first)).json()
    city.wait(minutes=1)
    third = (await refresh(city, again)).json()
    assert await is_in(city, third)
    city.wait(seconds=11)
    # What was lost on the way is the same token as what came: used now, it is one used twice.
    assert why(await refresh(city, lost))[1] == "SESSION_ENDED"
    assert not await is_in(city, third)


async def test_many_refreshes_at_once_leave_one_session_that_holds(city: City) -> None:
    first = await signed_in(city)
    answers = await asyncio.gather(*(refresh(city, first) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert await is_in(city, answers[0].json())
    city.wait(minutes=1)
    assert (await refresh(city, answers[3].json())).status_code == 200


async def test_a_process_that_dies_before_its_commit_has_renewed_nothing(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await signed_in(city)

    async def dies(*_: Any, **__: Any) -> None:
        raise RuntimeError("killed")

    with monkeypatch.context() as patched:
        patched.setattr("partners.sessions.opening._renew", dies)
        with pytest.raises(RuntimeError):
            await refresh(city, first)
    assert (await refresh(city, first)).status_code == 200


async def test_a_session_ends_by_itself_and_with_its_account(city: City) -> None:
    citizen, operator = await signed_in(city), await signed_in(city, "operator")
    city.wait(hours=12)
    assert why(await refresh(city, operator)) == (401, "SESSION_ENDED", None)
    renewed = (await refresh(city, citizen)).json()
    city.wait(days=29, hours=11, minutes=55)
    renewed = (await refresh(city, renewed)).json()
    assert renewed["expires_in"] == 300
    await city.end_account("good")
    assert "停用" in (await refresh(city, renewed)).json()["error"]["message"]
    assert not await is_in(city, renewed)


@SQLITE
async def test_what_is_no_refresh_token_of_ours_is_refused_and_ends_nothing(city: City) -> None:
    tokens = await signed_in(city)
    good = tokens["refresh_token"]
    other = make_ticket(city.keys, "code", {"session": "0", "secret": ""}, now=city.now)
    for wrong in ("", None, 7, good[:-1], good + "A", f"{good}=", good.swapcase(), tokens["access_token"], other, "号"):
        assert why(await post(city, "refresh", refresh_token=wrong)) == (401, "SESSION_ENDED", None)
        assert (await post(city, "end", refresh_token=wrong)).json() == {"ended": True}
    assert await is_in(city, tokens)


async def test_signing_out_ends_the_session_whichever_of_its_tokens_is_shown(city: City) -> None:
    first = await signed_in(city)
    second = (await refresh(city, first)).json()
    for _ in range(2):
        assert (await post(city, "end", refresh_token=first["refresh_token"])).status_code == 200
    assert not await is_in(city, second)
    (row,) = await city.rows(sessions)
    assert row.end_reason == "signed-out"


async def code_for(city: City, *, browser: str = "b") -> str:
    async with city.state.database.transaction() as connection:
        row = (await connection.execute(accounts.select().where(accounts.c.id == "good"))).one()
        return await open_for_page(
            connection,
            city.keys,
            account=row,
            provider="city-id",
            device="x",
            browser=browser_of(browser),
            now=city.now,
        )


async def claim(city: City, code: str, *, browser: str | None = "b") -> httpx.Response:
    page = Browser(city)
    if browser is not None:
        page.http.cookies.set("xinyi-sign-in", browser)
    return await page.claim(code)


async def test_a_one_time_code_is_good_once_in_its_browser_and_for_a_minute(city: City) -> None:
    code = await code_for(city)
    assert (await ask(city, city.token("good"), MINE))["data"]["mySessions"] == []
    assert why(await claim(city, code, browser="another")) == (401, "SESSION_ENDED", None)
    assert why(await claim(city, code, browser=None)) == (401, "SESSION_ENDED", None)
    tokens = (await claim(city, code)).json()
    assert await is_in(city, tokens)
    assert why(await claim(city, code)) == (401, "SESSION_ENDED", None)
    assert not await is_in(city, tokens), "who came with it twice has shown that it was read on the way"
    late = await code_for(city)
    city.now += CODE_LIFETIME
    assert why(await claim(city, late)) == (401, "SESSION_ENDED", None)


async def test_sessions_no_page_came_for_end_with_the_others(city: City) -> None:
    code = await code_for(city)
    await ask(city, city.token("good"), END_ALL, {"input": {}})
    assert why(await claim(city, code)) == (401, "SESSION_ENDED", None)


@SQLITE
@pytest.mark.parametrize("sid", ["", "x", 7, None, ["a"], str(UUID(int=0))], ids=repr)
async def test_a_token_of_a_session_that_never_was_is_refused(city: City, sid: Any) -> None:
    now = int(city.now.timestamp())
    claims = {"iss": city.settings.issuer, "aud": "xinyi-api", "sub": "good", "role": "citizen", "iat": now}
    assert not await is_in(city, {"access_token": sign(city.keys, "bearer", claims | {"exp": now + 60, "sid": sid})})


@SQLITE
async def test_a_body_that_is_no_json_object_is_refused(city: City) -> None:
    form, json = {"content-type": "text/plain"}, {"content-type": "application/json"}
    for content, headers, told in (
        (b"{}", form, (415, "WRONG_MEDIA_TYPE", None)),
        (b"code=x", form, (415, "WRONG_MEDIA_TYPE", None)),
        (b"[]", json, (400, "BAD_USER_INPUT", None)),
        (b"{", json, (400, "BAD_USER_INPUT", None)),
        (b"{" + b" " * 20_000 + b"}", json, (413, "TOO_LARGE", None)),
    ):
        for path in ("session", "refresh", "end", "demo"):
            response = await city.client.post(f"/sign-in/{path}", content=content, headers=headers)
            assert why(response) == told


async def test_tokens_without_a_session_look_at_no_session(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    async def looked(*_: Any) -> None:
        raise AssertionError

    monkeypatch.setattr("api.identity.holding.check_session", looked)
    assert (await ask(city, city.token("good")))["data"]["me"]["displayName"] == "测*"


@SQLITE
async def test_a_connection_that_stays_open_is_closed_when_its_session_ends(city: City) -> None:
    opened, other = await sign_in(city, "good"), await sign_in(city, "good")
    tokens, kept = (tokens_of(city.state, one, now=city.now) for one in (opened, other))
    async with serving(city) as served, served.socket() as socket, served.socket() as spared:
        talk, going_on = Talk(socket), Talk(spared)
        for one, held in ((talk, tokens), (going_on, kept)):
            await one.send(type="connection_init", payload={"authorization": f"Bearer {held['access_token']}"})
            assert await one.receive() == {"type": "connection_ack"}
            await one.subscribe(TICKS)
        await served.heard(2)
        headers = {"authorization": f"Bearer {tokens['access_token']}", "accept": "text/event-stream"}
        async with httpx.AsyncClient() as client:
            asked = client.stream("POST", served.url, json={"query": TICKS}, headers=headers, timeout=5)
            async with asked as events:
                assert events.status_code == 200
                await served.heard(3)
                await ask(city, kept["access_token"], END, {"input": {"sessionId": public_id("Session", opened.id)}})
                assert "UNAUTHENTICATED" in (await events.aread()).decode()
        assert await talk.closed() == (4401, "Unauthorized")
        served.say("one")
        assert (await going_on.receive())["payload"]["data"] == {"ticks": {"text": "one"}}


async def test_the_demo_city_lets_one_be_anybody_and_no_other_city_does(
    city: City, city_url: str, keys_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = {"user-agent": FIREFOX}
    response = await city.client.post("/sign-in/demo", json={"role": "citizen", "n": 2}, headers=agent)
    body = await ask(city, response.json()["access_token"], "{ me { displayName } mySessions { provider device } }")
    assert body["data"]["mySessions"] == [{"provider": "demo", "device": "Firefox · Linux"}]
    for n in (0, 99, "1", True, None):
        assert why(await post(city, "demo", role="citizen", n=n)) == (400, "BAD_USER_INPUT", None)
    assert why(await post(city, "demo", role="king")) == (400, "BAD_USER_INPUT", None)


@SQLITE
async def test_production_has_no_demo_sign_in(city_url: str, tmp_path: Path) -> None:
    new_key_file(tmp_path / "real.json", demo=False)
    settings = Settings(environment="production", database_url=city_url, keys_file=tmp_path / "real.json")
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            assert (await client.post("/sign-in/demo", json={"role": "citizen"})).status_code == 404
            assert (await client.post("/sign-in/refresh", json={})).status_code == 401


@pytest.mark.parametrize(
    ("agent", "device"),
    [
        (None, "其他设备"),
        ("x" * 9000 + "430502199003010010", "其他设备"),
        (FIREFOX, "Firefox · Linux"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) MicroMessenger/8.0.60", "微信 · iPhone"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/150.0 Safari/537.36 Edg/150.0", "Edge · Windows"),
        ("Mozilla/5.0 (Phone; OpenHarmony 6.0) Chrome/150.0", "Chrome · 鸿蒙"),
        ("curl/8.9", "其他设备"),
    ],
)
def test_a_device_is_named_by_its_families_alone(agent: str | None, device: str) -> None:
    assert device_of(agent) == device
