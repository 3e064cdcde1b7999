"""Partners' keys: what is taken, how long it lasts, how it ends."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from factories import City
from joining import (
    REGISTER_KEY,
    REVOKE_KEY,
    KeyPair,
    applied,
    ask_with,
    brought_to,
    client_of,
    do_with,
    key_id,
    move,
    sign_in,
    token_of,
)

from core.errors import BadInput
from core.identifiers import new_id
from partners.onboarding.expiry import tell_of_expiring_keys
from partners.onboarding.keys import PrivateKeyGiven, read_public_key
from partners.onboarding.tables import partner_keys
from partners.onboarding.workflow import Status
from partners.tables import accounts, security_events
from partners.webhooks.tables import webhook_endpoints, webhook_events


def test_a_thumbprint_is_as_the_standard_has_it() -> None:
    # RFC 8037, appendix A.3.
    text = '{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}'
    assert read_public_key(text).kid == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256"])
def test_a_public_key_is_read_and_what_else_stands_in_it_is_left_out(algorithm: str) -> None:
    key = KeyPair(algorithm)
    read = read_public_key(key.text[:-1] + ',"kid":"mine","use":"sig","x5u":"http://127.0.0.1"}')
    assert (read.algorithm, read.kid) == (algorithm, key.public.kid)
    assert set(read.jwk) == {"crv", "kty", "x"} | ({"y"} if algorithm == "ES256" else set())


@pytest.mark.parametrize("member", ["d", "p", "k", "oth"])
def test_a_private_half_is_refused_loudly(member: str) -> None:
    with pytest.raises(PrivateKeyGiven, match="作废"):
        read_public_key(KeyPair().text[:-1] + f',"{member}":"AA"}}')


SHORT = '{"kty":"OKP","crv":"Ed25519","x":"AAAA"}'
OFF_CURVE = f'{{"kty":"EC","crv":"P-256","x":"{"A" * 42}E","y":"{"A" * 42}E"}}'


@pytest.mark.parametrize(
    "text",
    [
        "", "null", "[]", "5", '"x"', "{", "{}", SHORT, OFF_CURVE, "[" * 1999,
        '{"kty":"RSA","n":"AQAB","e":"AQAB"}', '{"kty":"EC","crv":"P-384","x":"AA","y":"AA"}',
        '{"kty":"OKP","crv":"X25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}',
        '{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo="}',
        '{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","alg":"HS256"}',
        '{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","use":"enc"}',
        '{"kty":"OKP","crv":"Ed25519","x":5}', KeyPair().text + " " * 2000,
    ],
)  # fmt: skip
def test_what_is_no_key_of_the_two_sorts_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        read_public_key(text)


async def desk(city: City, status: Status = Status.LIVE) -> tuple[Any, KeyPair, str]:
    """A partner at that stage: its desk key's row, its key, a token."""
    key = KeyPair()
    row = await brought_to(city, status, key)
    return row, key, await token_of(city, key, client_of(row))


async def test_a_live_key_verifies_and_a_second_one_ends_the_first_within_a_week(city: City) -> None:
    row, _, token = await desk(city)
    first, second, third = KeyPair(), KeyPair("ES256"), KeyPair()
    done = await do_with(city, token, REGISTER_KEY, use="LIVE", publicKey=first.text)
    assert datetime.fromisoformat(done["expiresAt"]) == city.now + timedelta(days=398)
    response = await sign_in(city, first, client_of(row))
    assert response.json()["scope"] == "partner"
    assert (await ask_with(city, response.json()["access_token"], "{ partner { id } }"))["data"] == {
        "partner": {"id": client_of(row)}
    }
    await do_with(city, token, REGISTER_KEY, use="LIVE", publicKey=second.text)
    refused = await do_with(city, token, REGISTER_KEY, use="LIVE", publicKey=third.text)
    assert refused["code"] == "TOO_MANY_KEYS"
    for key in (first, second):
        assert (await sign_in(city, key, client_of(row))).status_code == 200
    city.wait(days=7)
    assert (await sign_in(city, first, client_of(row))).json()["xinyi_code"] == "KEY_ENDED"
    assert (await sign_in(city, second, client_of(row))).status_code == 200
    token = await token_of(city, *(await desk_key(city, row)))
    assert (await do_with(city, token, REGISTER_KEY, use="LIVE", publicKey=third.text))["__typename"] == "PartnerKey"


async def desk_key(city: City, row: Any) -> tuple[KeyPair, str]:
    """Another desk key, as an operator registers it for whoever has lost the first."""
    key = KeyPair()
    done = await city.do(REGISTER_KEY, by="operator", partnerId=client_of(row), use="DESK", publicKey=key.text)
    assert done["__typename"] == "PartnerKey", done
    return key, client_of(row)


async def test_three_keys_at_once_leave_two(city: City) -> None:
    _, _, token = await desk(city)
    done = await asyncio.gather(
        *(do_with(city, token, REGISTER_KEY, use="LIVE", publicKey=KeyPair().text) for _ in range(3))
    )
    assert sorted(one.get("code", "") for one in done) == ["", "", "TOO_MANY_KEYS"]


async def test_a_key_serves_one_partner_one_use_and_one_environment_and_never_again(city: City) -> None:
    row, _, token = await desk(city)
    _, _, other = await desk(city)
    key = KeyPair()
    done = await do_with(city, token, REGISTER_KEY, use="LIVE", publicKey=key.text)
    for who, use in ((token, "LIVE"), (token, "SANDBOX"), (token, "DESK"), (other, "LIVE"), (other, "SANDBOX")):
        assert (await do_with(city, who, REGISTER_KEY, use=use, publicKey=key.text))["code"] == "KEY_IN_USE"
    await do_with(city, token, REVOKE_KEY, keyId=done["id"], reason="更换")
    assert (await do_with(city, token, REGISTER_KEY, use="LIVE", publicKey=key.text))["code"] == "KEY_IN_USE"
    assert row.use == "desk"


async def test_the_same_key_of_two_partners_at_once_is_registered_for_one(city: City) -> None:
    (_, _, one), (_, _, other) = [await desk(city) for _ in range(2)]
    text = KeyPair().text
    done = await asyncio.gather(*(do_with(city, who, REGISTER_KEY, use="LIVE", publicKey=text) for who in (one, other)))
    assert sorted(one.get("code", "") for one in done) == ["", "KEY_IN_USE"]


@pytest.mark.parametrize("city_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("status", [Status.QUALIFIED, Status.CONTRACTED, Status.SANDBOX, Status.CERTIFIED, Status.LIVE])
async def test_a_use_is_open_from_its_stage_on(city: City, status: Status) -> None:
    _, _, token = await desk(city, status)
    found = {}
    for use in ("DESK", "SANDBOX", "LIVE"):
        done = await do_with(city, token, REGISTER_KEY, use=use, publicKey=KeyPair().text)
        found[use] = done.get("code", "ok")
    begun, late = list(Status).index(status), "STEP_NOT_ALLOWED"
    assert found == {
        "DESK": "ok",
        "SANDBOX": "ok" if begun >= list(Status).index(Status.SANDBOX) else late,
        "LIVE": "ok" if begun >= list(Status).index(Status.CERTIFIED) else late,
    }


@pytest.mark.parametrize("city_url", ["sqlite"], indirect=True)
async def test_a_sandbox_key_opens_nothing_here(city: City) -> None:
    row, _, token = await desk(city)
    key = KeyPair()
    await do_with(city, token, REGISTER_KEY, use="SANDBOX", publicKey=key.text)
    assert (await sign_in(city, key, client_of(row))).json()["xinyi_code"] == "UNKNOWN_KEY"


@pytest.mark.parametrize("city_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("ends", ["2026-11-20T04:00:00Z", "2020-01-01T00:00:00Z", "2027-12-24T00:00:00Z"])
async def test_a_key_that_lasts_too_long_or_not_at_all_is_refused(city: City, ends: str) -> None:
    _, _, token = await desk(city)
    given = {"use": "LIVE", "publicKey": KeyPair().text, "expiresAt": ends}
    body = await ask_with(city, token, REGISTER_KEY, {"input": given})
    assert body["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


@pytest.mark.parametrize("city_url", ["sqlite"], indirect=True)
async def test_a_private_half_handed_in_is_kept_nowhere(city: City) -> None:
    _, _, token = await desk(city)
    before = await city.tally()
    text = KeyPair().text[:-1] + ',"d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}'
    assert (await do_with(city, token, REGISTER_KEY, use="LIVE", publicKey=text))["code"] == "PRIVATE_KEY_GIVEN"
    assert await city.tally() == before


@pytest.mark.parametrize("city_url", ["sqlite"], indirect=True)
async def test_an_operator_registers_desk_keys_alone_and_an_alarm_says_so(city: City) -> None:
    row, _, _ = await desk(city)
    for use in ("LIVE", "SANDBOX"):
        given = {"partnerId": client_of(row), "use": use, "publicKey": KeyPair().text}
        body = await city.ask(REGISTER_KEY, {"input": given}, by="operator")
        assert body["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    await desk_key(city, row)
    assert [one.kind for one in await city.rows(security_events)] == ["DESK_KEY_BY_OPERATOR"]


@pytest.mark.parametrize("city_url", ["sqlite"], indirect=True)
async def test_nobody_deals_with_the_keys_of_another_partner(city: City) -> None:
    row, _, token = await desk(city)
    _, _, other = await desk(city)
    assert (await do_with(city, other, REVOKE_KEY, keyId=key_id(row), reason="x"))["code"] == "UNKNOWN_KEY"
    given = {"partnerId": client_of(row), "use": "LIVE", "publicKey": KeyPair().text}
    body = await ask_with(city, other, REGISTER_KEY, {"input": given})
    assert body["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    assert (await do_with(city, token, REVOKE_KEY, keyId=key_id(row), reason="更换"))["live"] is False


@pytest.mark.parametrize("city_url", ["sqlite"], indirect=True)
async def test_a_key_is_revoked_once(city: City) -> None:
    row, _, _ = await desk(city)
    done = await city.do(REVOKE_KEY, by="reviewer", keyId=key_id(row), reason="离职")
    assert (done["live"], done["remark"]) == (False, "离职")
    assert (await city.do(REVOKE_KEY, by="operator", keyId=key_id(row), reason="x"))["code"] == "KEY_ENDED"


async def test_a_suspension_ends_live_keys_and_resuming_restores_those_not_revoked_meanwhile(city: City) -> None:
    row, desk_, token = await desk(city)
    kept, lost = KeyPair(), KeyPair()
    await do_with(city, token, REGISTER_KEY, use="LIVE", publicKey=kept.text)
    done = await do_with(city, token, REGISTER_KEY, use="LIVE", publicKey=lost.text)
    city.wait(minutes=1)
    await move(city, row.partner_id, Status.SUSPENDED, by="operator", reason="核查")
    for key in (kept, lost):
        assert (await sign_in(city, key, client_of(row))).json()["xinyi_code"] == "KEY_ENDED"
    token = await token_of(city, desk_, client_of(row))
    await do_with(city, token, REVOKE_KEY, keyId=done["id"], reason="更换")
    city.wait(minutes=1)
    await move(city, row.partner_id, Status.LIVE, by="reviewer", reason="查清")
    assert (await sign_in(city, kept, client_of(row))).status_code == 200
    assert (await sign_in(city, lost, client_of(row))).status_code == 401
    [ends] = [one for one in await city.rows(partner_keys) if one.kid == kept.public.kid]
    [account] = [one for one in await city.rows(accounts) if one.id == ends.account]
    assert account.ended_at == ends.expires_at


async def test_a_partner_is_told_once_that_a_key_ends_and_not_where_another_goes_on(city: City) -> None:
    row = await applied(city, KeyPair())
    await city.write(webhook_endpoints.insert().values(
        id=new_id(), partner_id=row.partner_id, url="https://x.example", events=[], secret_sealed=b"x",
        status="ACTIVE", created_by="x", created_at=city.now,
    ))  # fmt: skip
    assert await tell_of_expiring_keys(city.state.database, now=city.now) == 0
    city.wait(days=384)
    assert await tell_of_expiring_keys(city.state.database, now=city.now) == 1
    city.wait(days=13)
    assert await tell_of_expiring_keys(city.state.database, now=city.now) == 0
    [alarm], [event] = await city.rows(security_events), await city.rows(webhook_events)
    assert (alarm.kind, alarm.detail["kid"], event.type) == ("KEY_EXPIRING", row.kid, "key.expiring")
    second = await applied(city, KeyPair())
    await city.write(partner_keys.insert().values(
        **row._asdict() | {"id": new_id(), "partner_id": second.partner_id, "kid": "other",
                           "expires_at": city.now + timedelta(days=1)}
    ))  # fmt: skip
    assert await tell_of_expiring_keys(city.state.database, now=city.now) == 0, "its other key goes on"
