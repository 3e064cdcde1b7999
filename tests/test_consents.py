"""Consent: asked for, given, refused, held back, taken back, ended. One thing to know: what is withheld holds from the
next check on, and a no costs nobody anything."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import jwt
import pytest
from factories import City, offer_id
from sqlalchemy import delete, update

from api.ids import public_id
from core.audit import audit_entries
from core.clock import day_of
from core.signing import SignatureInvalid
from partners.tables import security_events
from scoring.consent.consents import MOVES, Move, State, active_consents, use_consent
from scoring.consent.receipts import check_consent_receipt
from scoring.tables import consent_steps, consents

FIELDS = """id state recipient scope frequency endsOn eraseBy usedAt receipt purpose { id version name }
  partner { name } offer { id } steps { act state actor reason }"""
GIVE, ANSWER, PAUSE, RESUME, REVOKE = (
    f"""mutation ($input: {name[0].upper()}{name[1:]}Input!) {{ {name}(input: $input) {{ __typename
      ... on Consent {{ {FIELDS} }} ... on Problem {{ code message }} }} }}"""
    for name in ("giveConsent", "answerConsent", "pauseConsent", "resumeConsent", "revokeConsent")
)
REQUEST = """mutation ($input: RequestConsentInput!) { requestConsent(input: $input) { __typename
  ... on RequestedConsent { id state requestedAt endsOn eraseBy } ... on Problem { code message } } }"""
MINE = f"{{ me {{ consents {{ edges {{ node {{ {FIELDS} }} }} pageInfo {{ hasNextPage }} }} }} }}"
ASKED = "{ requestedConsents { edges { node { id state endsOn } } } }"
BENEFITS = "{ me { benefits { edges { node { offer { id } available whyNot { code } } } } } }"
CHECK = {"purpose": "benefit-check", "purposeVersion": "2026-11", "frequency": "PER_USE"}
SCENIC = public_id("Partner", 1)


def days(city: City, number: int) -> str:
    return (day_of(city.now) + timedelta(days=number)).isoformat()


async def give(city: City, by: str = "good", **given: Any) -> dict[str, Any]:
    """A standing consent to being verified by the scenic site."""
    return await city.do(GIVE, by=by, **(CHECK | {"partnerId": SCENIC, "endsOn": days(city, 30)} | given))


async def ask(city: City, person: str = "good", *, by: str = "scenic", **given: Any) -> dict[str, Any]:
    """A partner asks somebody who stands before it."""
    wanted = {"code": await city.code(person), "purpose": "benefit-check", "frequency": "PER_USE"}
    return await city.do(REQUEST, by=by, **(wanted | {"endsOn": days(city, 30)} | given))


async def mine(city: City, by: str = "good") -> list[dict[str, Any]]:
    body = await city.ask(MINE, by=by)
    return [edge["node"] for edge in body["data"]["me"]["consents"]["edges"]]


async def outcome(city: City, person: str = "good", offer: str = "museum", *, by: str = "scenic") -> str:
    return str((await city.verify(await city.code(person), offer, by=by))["outcome"])


async def why(city: City, person: str = "good") -> list[str]:
    return [reason["code"] for reason in (await city.log(person))[0]["whyNot"]]


# The states


def test_the_table_of_moves_leads_from_request_to_end_and_never_back() -> None:
    steps = {(begin.value, end.value) for begins, end in MOVES.values() for begin in begins}
    assert steps == {
        ("REQUESTED", "ACTIVE"), ("REQUESTED", "REFUSED"), ("ACTIVE", "PAUSED"), ("PAUSED", "ACTIVE"),
        ("ACTIVE", "REVOKED"), ("PAUSED", "REVOKED"), ("ACTIVE", "EXPIRED"),
    }  # fmt: skip


async def test_a_consent_is_asked_for_accepted_paused_resumed_and_revoked_each_a_step(city: City) -> None:
    asked = await ask(city, offerId=offer_id("museum"))
    assert (asked["state"], asked["endsOn"], asked["eraseBy"]) == ("REQUESTED", days(city, 30), days(city, 60))
    (seen,) = await mine(city)
    assert (seen["id"], seen["recipient"], seen["offer"]["id"]) == (asked["id"], "测试scenic", offer_id("museum"))
    assert seen["receipt"] is None
    done = await city.do(ANSWER, by="good", consentId=asked["id"], accept=True)
    for mutation in (PAUSE, RESUME, REVOKE):
        done = await city.do(mutation, by="good", consentId=asked["id"], reason="试一试")
    assert [(step["act"], step["state"], step["actor"]) for step in done["steps"]] == [
        ("request", "REQUESTED", "scenic"),
        ("accept", "ACTIVE", "good"),
        ("pause", "PAUSED", "good"),
        ("resume", "ACTIVE", "good"),
        ("revoke", "REVOKED", "good"),
    ]
    assert {row.action for row in await city.rows(audit_entries)} == {
        "requestConsent", "acceptConsent", "pauseConsent", "resumeConsent", "revokeConsent",
    }  # fmt: skip
    for mutation in (PAUSE, RESUME):
        assert (await city.do(mutation, by="good", consentId=asked["id"]))["code"] == "WRONG_STATE"
    again = await city.do(REVOKE, by="good", consentId=asked["id"])
    assert len(again["steps"]) == 5, "doing it again changes nothing"


async def test_refusing_is_one_act_like_accepting_and_has_no_consequence(city: City) -> None:
    asked = await ask(city)
    refused = await city.do(ANSWER, by="good", consentId=asked["id"], accept=False)
    assert (refused["state"], len(refused["steps"]), refused["receipt"]) == ("REFUSED", 2, None)
    assert await outcome(city) == "BENEFIT_APPLIES"
    assert (await city.do(ANSWER, by="good", consentId=asked["id"], accept=True))["code"] == "WRONG_STATE"


async def test_a_request_that_nobody_answers_ends_by_itself_and_has_no_consequence(city: City) -> None:
    await ask(city, endsOn=days(city, 1))
    city.wait(days=1)
    assert [one["state"] for one in await mine(city)] == ["EXPIRED"]
    assert await outcome(city) == "BENEFIT_APPLIES"


# What may be asked


@pytest.mark.parametrize(("number", "answer"), [(0, "CONSENT_TERMS"), (1, None), (365, None), (366, "CONSENT_TERMS")])
async def test_a_consent_ends_within_a_year(city: City, number: int, answer: str | None) -> None:
    assert (await give(city, endsOn=days(city, number))).get("code") == answer


async def test_an_end_has_to_be_given(city: City) -> None:
    body = await city.ask(GIVE, {"input": CHECK | {"partnerId": SCENIC}}, by="good")
    assert body["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


@pytest.mark.parametrize("city_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "given",
    [
        {"frequency": "ONCE"},
        {"scope": ["everything"]},
        {"partnerId": None},
        {"partnerId": public_id("Partner", 4711)},
        {"offerId": offer_id("clinic")},
    ],
)
async def test_what_nobody_may_ask_for_is_refused_and_nothing_is_written(city: City, given: dict[str, Any]) -> None:
    assert (await give(city, **given))["code"] == "CONSENT_TERMS"
    assert await city.rows(consents) == []


async def test_a_consent_is_to_the_text_that_was_shown(city: City) -> None:
    assert (await give(city, purposeVersion="2025-01"))["code"] == "NOTICE_OUTDATED"


# The partner's side


async def test_a_partner_learns_the_same_of_everybody_there_is(city: City) -> None:
    answers = []
    for person in ("good", "poor", "minor", "plain"):
        answer = await ask(city, person)
        answers.append(answer | {"id": "", "requestedAt": ""})
    assert answers == [answers[0]] * 4


async def test_a_partner_needs_a_fresh_code_of_whoever_stands_before_it(city: City) -> None:
    assert (await ask(city, code="forged"))["code"] == "CODE_INVALID"
    used = await city.code("good")
    await city.verify(used)
    assert (await ask(city, code=used))["code"] == "CODE_REPLAYED"
    old = await city.code("good")
    city.wait(seconds=61)
    assert (await ask(city, code=old))["code"] == "CODE_EXPIRED"
    assert (await ask(city, offerId=offer_id("clinic")))["code"] == "OFFER_NOT_YOURS"
    assert await city.rows(consents) == []
    log = await city.log("good")
    assert [event["problem"] for event in log[:3]] == ["OFFER_NOT_YOURS", "CODE_EXPIRED", "CODE_REPLAYED"]
    assert [row.kind for row in await city.rows(security_events)] == ["CODE_INVALID"]


async def test_one_code_asks_once_for_each_purpose_and_stays_good_for_a_verification(city: City) -> None:
    code = await city.code("good")
    first = await ask(city, code=code)
    assert await ask(city, code=code) == first
    body = await city.ask(
        REQUEST,
        {"input": {"code": code, "purpose": "benefit-check", "frequency": "PER_USE", "endsOn": days(city, 60)}},
        by="scenic",
    )
    assert body["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    assert len(await city.rows(consents)) == 1
    assert (await city.verify(code))["outcome"] == "BENEFIT_APPLIES"


async def test_a_partner_reads_state_and_days_of_what_it_asked_for_alone(city: City) -> None:
    asked = await ask(city)
    await give(city)  # of its own accord
    await city.do(ANSWER, by="good", consentId=asked["id"], accept=True)
    body = await city.ask(ASKED, by="scenic")
    assert [edge["node"] for edge in body["data"]["requestedConsents"]["edges"]] == [
        {"id": asked["id"], "state": "ACTIVE", "endsOn": days(city, 30)}
    ]
    assert (await city.ask(ASKED, by="hospital"))["data"]["requestedConsents"]["edges"] == []


async def test_nobody_answers_for_somebody_else(city: City) -> None:
    asked = await ask(city)
    for mutation, more in ((ANSWER, {"accept": True}), (PAUSE, {}), (REVOKE, {})):
        assert (await city.do(mutation, by="plain", consentId=asked["id"], **more))["code"] == "UNKNOWN_CONSENT"
    assert [row.state for row in await city.rows(consents)] == ["REQUESTED"]


# What follows at the counter


async def test_without_any_consent_showing_the_code_is_consent_to_this_one_check(city: City) -> None:
    assert await outcome(city) == "BENEFIT_APPLIES"


@pytest.mark.parametrize("end", ["pause", "revoke", "expire"])
async def test_a_consent_withheld_means_standard_service_at_the_next_check_and_the_subject_reads_why(
    city: City, end: str
) -> None:
    given = await give(city, endsOn=days(city, 1))
    applies = await city.verify(await city.code("good"))
    assert applies["outcome"] == "BENEFIT_APPLIES"
    if end == "expire":
        city.wait(days=1)
    else:
        await city.do(PAUSE if end == "pause" else REVOKE, by="good", consentId=given["id"])
    answer = await city.verify(await city.code("good"))
    assert (answer["outcome"], answer["benefit"], set(answer)) == ("STANDARD_SERVICE", None, set(applies))
    assert await why(city) == ["NO_CONSENT"]
    body = await city.ask(BENEFITS, by="good")
    shown = {e["node"]["offer"]["id"]: e["node"] for e in body["data"]["me"]["benefits"]["edges"]}
    assert [reason["code"] for reason in shown[offer_id("museum")]["whyNot"]] == ["NO_CONSENT"]
    assert shown[offer_id("clinic")]["available"], "another partner's offer"
    assert await outcome(city, offer="clinic", by="hospital") == "BENEFIT_APPLIES"
    if end == "pause":
        await city.do(RESUME, by="good", consentId=given["id"])
    else:
        await give(city)
    assert await outcome(city) == "BENEFIT_APPLIES"


async def test_a_consent_for_one_offer_says_nothing_of_the_others(city: City) -> None:
    given = await give(city, offerId=offer_id("museum"))
    await city.do(REVOKE, by="good", consentId=given["id"])
    assert await outcome(city, offer="museum") == "STANDARD_SERVICE"
    assert await outcome(city, offer="garden") == "BENEFIT_APPLIES"


async def test_a_consent_changed_by_hand_is_standard_service_and_an_alarm(city: City) -> None:
    given = await give(city)
    await city.do(REVOKE, by="good", consentId=given["id"])
    for state in ("ACTIVE", "REFUSED"):
        await city.write(update(consents).values(state=state), by_hand=True)
        assert await outcome(city) == "STANDARD_SERVICE"
        assert await why(city) == ["UNDER_REVIEW"]
    assert [row.kind for row in await city.rows(security_events)] == ["SUBJECT_DATA_FAULT"] * 2
    await city.write(update(consents).values(state="PAUSED"), by_hand=True)
    assert (await city.do(RESUME, by="good", consentId=given["id"]))["code"] == "UNDER_REVIEW"
    assert (await city.do(REVOKE, by="good", consentId=given["id"]))["state"] == "REVOKED", "a way out there always is"


# Receipts


async def test_what_was_given_and_revoked_is_receipted_and_pins_its_audit_row(city: City) -> None:
    given = await give(city)
    claims = check_consent_receipt(city.keys, given["receipt"])
    assert (claims["act"], claims["purpose"], claims["partner"], claims["endsOn"]) == (
        "given", "benefit-check", SCENIC, days(city, 30),
    )  # fmt: skip
    assert jwt.get_unverified_header(given["receipt"])["typ"] == "xinyi-consent+jwt"
    revoked = await city.do(REVOKE, by="good", consentId=given["id"])
    ended = check_consent_receipt(city.keys, revoked["receipt"])
    assert (ended["act"], ended["jti"], ended["subject"]) == ("revoked", claims["jti"], claims["subject"])
    leaves = {row.action: row.leaf for row in await city.rows(audit_entries)}
    assert (claims["leaf"], ended["leaf"]) == (leaves["giveConsent"], leaves["revokeConsent"])
    head, body, signature = given["receipt"].split(".")
    with pytest.raises(SignatureInvalid):
        check_consent_receipt(city.keys, f"{head}.{body}A.{signature}")
    verified = await city.verify(await city.code("plain"))
    with pytest.raises(SignatureInvalid):
        check_consent_receipt(city.keys, verified["receipt"])


# Collecting, for intake


async def collecting(city: City, *, person: int = 1, frequency: str = "per-use", item: str = "volunteering") -> None:
    """A consent to collecting, as it is given where the catalogue has such an item."""
    from core.identifiers import new_id
    from scoring.consent.consents import give_consent
    from scoring.consent.terms import Terms

    purpose = city.state.rulebook.purposes["hunan-shaoyang"].versions["collect", "2026-11"]
    terms = Terms(
        purpose=purpose, recipient="公共信用工作机构", frequency=frequency,  # type: ignore[arg-type]
        ends_on=day_of(city.now) + timedelta(days=10), scope=(item,),
    )  # fmt: skip
    async with city.state.database.transaction() as connection:
        await give_consent(
            connection, consent_id=new_id(), subject_id=person, terms=terms, statement=None, actor="good",
            issuing=city.state.verifier, now=city.now,
        )  # fmt: skip


async def allowed(city: City, on: date | None = None) -> dict[int, set[str]]:
    async with city.state.database.reading() as connection:
        return await active_consents(connection, range(1, 9), "collect", on or day_of(city.now))


async def test_intake_learns_of_many_at_once_who_consents_to_which_items(city: City) -> None:
    await collecting(city)
    await collecting(city, item="training")
    await collecting(city, person=2)
    assert await allowed(city) == {1: {"volunteering", "training"}, 2: {"volunteering"}}
    assert await allowed(city, day_of(city.now) + timedelta(days=10)) == {}
    await city.write(update(consents).where(consents.c.subject_id == 2).values(scope=["all"]), by_hand=True)
    assert await allowed(city) == {1: {"volunteering", "training"}}


async def test_a_consent_given_for_once_is_used_up_by_its_use(city: City) -> None:
    await collecting(city, frequency="once")

    async def use() -> bool:
        async with city.state.database.transaction() as connection:
            return await use_consent(
                connection, subject_id=1, purpose="collect", item="volunteering", actor="provider", now=city.now
            )

    assert [await use(), await use()] == [True, False]
    assert [one["state"] for one in await mine(city)] == [State.EXPIRED.value]
    assert [(row.act, row.actor) for row in await city.rows(consent_steps)] == [("give", "good"), ("use", "provider")]
    await collecting(city)
    assert [await use(), await use()] == [True, True]


@pytest.mark.parametrize("city_url", ["sqlite"], indirect=True)
async def test_what_needs_writing_needs_its_words_and_names_the_harm(city: City) -> None:
    purpose = city.state.rulebook.purposes["hunan-shaoyang"].in_force(day_of(city.now))["collect-written"]
    assert purpose.written
    assert purpose.harm
    asked = {"purpose": "collect-written", "purposeVersion": "2026-11", "frequency": "ONCE", "scope": ["nothing"]}
    answer = await city.do(GIVE, by="good", endsOn=days(city, 30), statement=purpose.statement, **asked)
    assert answer["code"] == "CONSENT_TERMS", "no such item in the catalogue"


async def test_a_minors_consent_is_given_through_the_account_that_acts_for_it(city: City) -> None:
    assert (await give(city, by="minor"))["state"] == "ACTIVE"
    assert await outcome(city, "minor") == "STANDARD_SERVICE"
    assert await why(city, "minor") == ["MINOR"]


async def test_moves_name_every_act_of_a_subject() -> None:
    assert {move.value for move in Move} == {"accept", "refuse", "pause", "resume", "revoke", "use"}


async def test_a_consent_deleted_by_hand_is_found_by_the_audit_and_by_its_receipt(city: City) -> None:
    given = await give(city)
    await city.write(delete(consent_steps), delete(consents))
    leaf = check_consent_receipt(city.keys, given["receipt"])["leaf"]
    assert leaf in {row.leaf for row in await city.rows(audit_entries)}
