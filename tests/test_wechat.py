"""A WeChat mini-program: who holds the phone, and whose account that is once she has said so."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from factories import City
from signing_in import STRANGER, Deployment, ask, deployment, why

from core.audit import audit_entries
from partners.sessions.tables import linked_identities, sessions
from partners.tables import notices

PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) MicroMessenger/8.0.60"
LINKS = "{ myLinkedIdentities { id provider linkedAt } }"
UNBIND = """mutation ($input: EndLinkedIdentityInput!) { endLinkedIdentity(input: $input) { __typename
  ... on EndedSessions { sessions { provider } } ... on Problem { code } } }"""
SQLITE = pytest.mark.parametrize("city_url", ["sqlite"], indirect=True)


@pytest.fixture
async def here(city_url: str, keys_file: Path, tmp_path: Path) -> AsyncIterator[Deployment]:
    """A deployment with its providers."""
    async with deployment(city_url, keys_file, tmp_path) as opened:
        yield opened


async def log_in(here: Deployment, openid: str = "openid-1", *, code: str = "code-1") -> httpx.Response:
    """What the mini-program does with the code of `wx.login`."""
    here.wechat.codes[code] = openid
    return await here.browser(agent=PHONE).http.post("/sign-in/wechat", json={"code": code})


async def bind(here: Deployment, binding: dict[str, Any], *, number: str | None = None) -> httpx.Response:
    """What the person does in a browser with the address and the number that her mini-program shows."""
    browser = here.browser()
    asked = await browser.come_back(bind=binding["ticket"])
    assert (asked.status_code, "校验数字" in asked.text) == (200, True), asked.text
    return await browser.http.post("/sign-in/bind", data={"number": number or binding["number"]})


async def bound(here: Deployment, openid: str = "openid-1") -> httpx.Response:
    """A WeChat bound to whoever the provider says is there."""
    return await bind(here, (await log_in(here, openid)).json()["binding"])


async def test_a_wechat_that_is_bound_to_nobody_is_bound_by_who_proves_herself_and_then_signs_in(
    here: Deployment,
) -> None:
    first = await log_in(here)
    assert why(first) == (403, "BINDING_REQUIRED", None)
    binding = first.json()["binding"]
    assert len(binding["number"]) == 6
    assert binding["address"].startswith("http://127.0.0.1/sign-in/city-id?bind=")
    done = await bind(here, binding)
    assert (done.status_code, "已绑定" in done.text) == (200, True)
    assert here.idp.begun["prompt"] == "login"
    tokens = (await log_in(here)).json()
    assert (await ask(here.city, tokens["access_token"]))["data"]["me"]["displayName"] == "测*"
    (row,) = await here.city.rows(sessions)
    assert (row.account, row.provider, row.device) == ("good", "mini", "微信 · iPhone")
    assert [notice.kind for notice in await here.city.rows(notices)] == ["identity-linked"]
    actions = {entry.action for entry in await here.city.rows(audit_entries) if entry.subject_id == 1}
    assert {"linkIdentity", "signIn"} <= actions


async def test_whoever_is_sent_somebody_elses_address_has_no_number_to_type_and_binds_nothing(here: Deployment) -> None:
    thief = (await log_in(here)).json()["binding"]
    wrong = "000000" if thief["number"] != "000000" else "000001"
    assert why(await bind(here, thief, number=wrong)) == (401, "SIGN_IN_FAILED", "NUMBER")
    assert await here.city.rows(linked_identities) == []
    assert why(await log_in(here)) == (403, "BINDING_REQUIRED", None)


@SQLITE
async def test_wrong_numbers_lock_the_account_for_binding_and_say_until_when(here: Deployment) -> None:
    binding = (await log_in(here)).json()["binding"]
    browser = here.browser()
    await browser.come_back(bind=binding["ticket"])
    wrong = "000000" if binding["number"] != "000000" else "000001"
    for _ in range(9):
        assert why(await browser.http.post("/sign-in/bind", data={"number": wrong}))[1] == "SIGN_IN_FAILED"
    locked = await browser.http.post("/sign-in/bind", data={"number": wrong})
    assert why(locked) == (429, "LOCKED", None)
    assert locked.headers["retry-after"] == "900"
    assert why(await browser.http.post("/sign-in/bind", data={"number": binding["number"]})) == (429, "LOCKED", None)
    assert await here.city.rows(linked_identities) == []


async def test_a_link_is_seen_and_ended_and_its_sessions_with_it(here: Deployment) -> None:
    await bound(here)
    phone = (await log_in(here)).json()["access_token"]
    desk = (await here.sign_in())["access_token"]
    (held,) = (await ask(here.city, desk, LINKS))["data"]["myLinkedIdentities"]
    assert held["provider"] == "mini"
    body = await ask(here.city, desk, UNBIND, {"input": {"linkedIdentityId": held["id"]}})
    assert body["data"]["endLinkedIdentity"]["sessions"] == [{"provider": "city-id"}]
    assert (await ask(here.city, phone))["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert why(await log_in(here)) == (403, "BINDING_REQUIRED", None)
    other = here.city.token("plain")
    again = await ask(here.city, other, UNBIND, {"input": {"linkedIdentityId": held["id"]}})
    assert again["data"]["endLinkedIdentity"]["code"] == "UNKNOWN_LINK"


async def test_another_person_who_binds_the_same_wechat_takes_it_over(here: Deployment) -> None:
    await bound(here)
    before = (await log_in(here)).json()["access_token"]
    ticket = await unbound_ticket(here)
    here.idp.person = {"sub": "user-5", "id_number": STRANGER}
    await bind(here, ticket)
    assert (await ask(here.city, before))["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    await log_in(here)
    live = [row for row in await here.city.rows(linked_identities) if row.ended_at is None]
    assert [row.account for row in live] == ["stranger"]


async def unbound_ticket(here: Deployment) -> dict[str, Any]:
    """A ticket of the same WeChat from before it was bound."""
    from partners.sessions.tickets import make_ticket

    content = {"provider": "mini", "identity": "openid-1", "number": "123456"}
    return {"ticket": make_ticket(here.city.keys, "bind", content, now=here.city.now), "number": "123456"}


@SQLITE
@pytest.mark.parametrize(
    ("error", "told"),
    [
        (40029, (401, "WECHAT_CODE_INVALID", None)),
        (40163, (401, "WECHAT_CODE_INVALID", None)),
        (40226, (403, "WECHAT_RISK", None)),
        (45011, (429, "THROTTLED", None)),
        (-1, (503, "UNAVAILABLE", None)),
        (40013, (503, "UNAVAILABLE", None)),
    ],
)
async def test_what_wechat_says_is_said_on(here: Deployment, error: int, told: tuple[int, str, str | None]) -> None:
    here.wechat.error = error
    assert why(await log_in(here)) == told


@SQLITE
@pytest.mark.parametrize("code", ["", None, 7, "c" * 129, "号", ["code-1"]], ids=repr)
async def test_a_code_that_can_be_none_is_not_sent_on(here: Deployment, code: object) -> None:
    response = await here.browser().http.post("/sign-in/wechat", json={"code": code})
    assert why(response) == (401, "WECHAT_CODE_INVALID", None)
    assert here.wechat.asked.total() == 0


@SQLITE
async def test_a_code_works_once_and_many_wrong_ones_lock_the_address(here: Deployment) -> None:
    await log_in(here)
    http = here.browser().http
    for _ in range(49):
        assert why(await http.post("/sign-in/wechat", json={"code": "code-1"}))[1] == "WECHAT_CODE_INVALID"
    assert why(await http.post("/sign-in/wechat", json={"code": "code-1"})) == (429, "LOCKED", None)
    asked = here.wechat.asked.total()
    assert why(await http.post("/sign-in/wechat", json={"code": "code-1"})) == (429, "LOCKED", None)
    assert here.wechat.asked.total() == asked
    here.city.wait(minutes=15)
    assert why(await log_in(here)) == (403, "BINDING_REQUIRED", None)


@SQLITE
@pytest.mark.parametrize(
    "instead", [(500, {}, b"{}"), (200, {}, b"<html>"), (200, {}, b"{}"), (200, {}, b"{" * 300_000)]
)
async def test_a_wechat_that_does_not_answer_as_it_should_is_named(
    here: Deployment, instead: tuple[int, dict[str, str], bytes]
) -> None:
    here.wechat.instead["/sns/jscode2session"] = instead
    response = await log_in(here)
    assert why(response) == (503, "UNAVAILABLE", None)
    assert "信易小程序" in response.json()["error"]["message"]


@SQLITE
@pytest.mark.parametrize("ticket", ["", "x", "bm90IG91cnM"])
async def test_a_ticket_that_is_none_begins_nothing(here: Deployment, ticket: str) -> None:
    response = await here.browser().http.get("/sign-in/city-id", params={"bind": ticket})
    assert why(response) == (401, "SIGN_IN_FAILED", "TICKET")


@SQLITE
async def test_a_ticket_is_good_for_ten_minutes_and_with_the_provider_it_is_for(here: Deployment) -> None:
    binding = (await log_in(here)).json()["binding"]
    http = here.browser().http
    assert why(await http.get("/sign-in/firm-id", params={"bind": binding["ticket"]}))[2] == "TICKET"
    here.city.wait(minutes=10)
    assert why(await http.get("/sign-in/city-id", params={"bind": binding["ticket"]}))[2] == "TICKET"


@SQLITE
async def test_a_number_is_taken_from_our_own_page_in_the_same_browser_alone(here: Deployment) -> None:
    binding = (await log_in(here)).json()["binding"]
    browser = here.browser()
    await browser.come_back(bind=binding["ticket"])
    form = {"number": binding["number"]}
    elsewhere = await browser.http.post("/sign-in/bind", data=form, headers={"sec-fetch-site": "cross-site"})
    assert why(elsewhere) == (401, "SIGN_IN_FAILED", "TICKET")
    assert why(await here.browser().http.post("/sign-in/bind", data=form))[2] == "TICKET"
    assert await here.city.rows(linked_identities) == []


async def test_openid_session_key_and_secret_are_nowhere(
    here: Deployment, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level("DEBUG")
    await bound(here, "openid-secret")
    await log_in(here, "openid-secret")
    await log_in(here, code="")
    stored = await everything(here.city) + bytes_below(tmp_path)
    # What the client library logs is silenced where the server runs (`api.transport.server.QUIET`).
    ours = [record for record in caplog.records if not record.name.startswith("http")]
    logged = "".join(f"{record.getMessage()}{record.__dict__}" for record in ours)
    for secret in ("openid-secret", "a-session-key-that-nobody-keeps", "a mini-program's secret"):
        assert secret not in logged
        assert secret.encode() not in stored


async def everything(city: City) -> bytes:
    rows = [await city.rows(table) for table in (sessions, linked_identities, audit_entries, notices)]
    return repr(rows).encode()


def bytes_below(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob("city.db*"))
