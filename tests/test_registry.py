"""Who is on file: numbers, names, ends. One thing to know: each outcome is told as it is seen from outside."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import Any

import pytest
from factories import NOON, PEOPLE, City, resident_id
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert
from stdnum.cn import uscc
from stdnum.iso7064 import mod_11_10

from api.ids import public_id
from core.errors import BadInput
from core.integrity import is_intact
from core.sealing import unseal
from partners.tables import accounts
from scoring.registry.identities import Scheme, check_number, contradicts, related
from scoring.registry.subjects import changes_of, name_of
from scoring.tables import (
    credit_records,
    subject_changes,
    subjects,
)

SHOWN = """ __typename ... on RegisteredSubject { id kind displayName endedOn endReason successorId
  numbers { scheme masked } changes { change actor reason } } ... on Problem { code message } } }"""


def mutation(name: str) -> str:
    kind = f"{name[0].upper()}{name[1:]}Input"
    return f"mutation ($input: {kind}!) {{ {name}(input: $input) {{ {SHOWN}"


async def do(city: City, act: str, /, *, by: str = "operator", **given: Any) -> dict[str, Any]:
    return await city.do(mutation(act), by=by, **given)


def sid(number: int) -> str:
    return public_id("CreditSubject", number)


def organisation_code(front: str) -> str:
    total = sum(w * int(sign, 36) for w, sign in zip((3, 7, 9, 10, 5, 8, 4, 2), front, strict=True))
    return front + "0123456789X0"[11 - total % 11]


CODE = organisation_code("MA8QK0T1")
USCC = f"91430502{CODE}" + uscc.calc_check_digit(f"91430502{CODE}")
REGISTRATION = "43050000012345" + mod_11_10.calc_check_digit("43050000012345")
PERSON = {"place": "hunan-shaoyang", "scheme": "RESIDENT_ID", "name": "测新人"}
FIRM = {"place": "hunan-shaoyang", "name": "测试老厂"}
ME = "{ me { id displayName enrolled scores { points grade { code } } ended { reason successor } } }"


async def me(city: City, account: str) -> dict[str, Any]:
    return dict((await city.ask(ME, by=account))["data"]["me"])


@pytest.mark.parametrize(
    ("scheme", "number", "canonical"),
    [
        (Scheme.RESIDENT_ID, " 43050219900101001x ", None),
        (Scheme.RESIDENT_ID, resident_id(date(1990, 1, 1), 1, county="810000"), "same"),
        (Scheme.RESIDENT_ID, resident_id(date(1990, 1, 1), 1, county="911124"), "same"),
        (Scheme.RESIDENT_ID, "430502900101001", None),
        (Scheme.RESIDENT_ID_15, "430502900101001", "same"),
        (Scheme.RESIDENT_ID_15, "430502901301001", None),
        (Scheme.PASSPORT, "xxx12345678", "XXX12345678"),
        (Scheme.PASSPORT, "87654321", None),
        (Scheme.PASSPORT, "XXXABCDEFG", None),
        (Scheme.HK_MACAO_PERMIT, "h1234567801", "H12345678"),
        (Scheme.HK_MACAO_PERMIT, "H1234567", None),
        (Scheme.TAIWAN_PERMIT, "01234567", "same"),
        (Scheme.TAIWAN_PERMIT, "0123456789A", None),
        (Scheme.PERMANENT_RESIDENCE, "XXX110090010112", "same"),
        (Scheme.PERMANENT_RESIDENCE, "XXX110090130112", None),
        (Scheme.USCC, USCC.lower(), USCC),
        (Scheme.USCC, USCC[:17] + ("0" if USCC[17] != "0" else "1"), None),
        (Scheme.ORGANISATION_CODE, f"{CODE[:8]}-{CODE[8]}", CODE),
        (Scheme.ORGANISATION_CODE, CODE[:8] + ("0" if CODE[8] != "0" else "1"), None),
        (Scheme.REGISTRATION_NUMBER, REGISTRATION, "same"),
        (Scheme.REGISTRATION_NUMBER, REGISTRATION[:14] + str((int(REGISTRATION[14]) + 1) % 10), None),
        (Scheme.TAX_NUMBER, f"430502{CODE}", "same"),
        (Scheme.TAX_NUMBER, "430502900101001", None),
    ],
)
def test_a_number_is_checked_as_far_as_its_standard_allows_and_never_repeated(
    scheme: Scheme, number: str, canonical: str | None
) -> None:
    if canonical is None:
        with pytest.raises(BadInput) as refused:
            check_number(scheme, number)
        assert number.strip() not in refused.value.message
    else:
        assert check_number(scheme, number).text == (number if canonical == "same" else canonical)


@given(born=st.dates(date(1900, 1, 1), date(1999, 12, 31)), number=st.integers(0, 999))
def test_an_old_citizen_number_and_the_new_one_lead_to_each_other(born: date, number: int) -> None:
    new = check_number(Scheme.RESIDENT_ID, resident_id(born, number))
    (old,) = related(new)
    assert len(old.text) == 15
    assert list(related(old)) == [new]
    assert old.born_on == born
    assert not contradicts(old, new)


async def test_registering_twice_is_one_subject_with_an_account_that_works(city: City) -> None:
    number = resident_id(date(1995, 5, 5), 77)
    first = await do(city, "registerSubject", **PERSON, number=number, account="citizen-900")
    assert (first["displayName"], first["numbers"]) == (
        "测*",
        [{"scheme": "RESIDENT_ID", "masked": f"430{'*' * 13}{number[-2:]}"}],
    )
    before = await city.tally()
    again = await do(city, "registerSubject", **PERSON | {"name": "别名"}, number=number.lower(), account="citizen-900")
    assert again == first
    assert {name: n - before[name] for name, n in (await city.tally()).items() if n != before[name]} == {
        "access_events": 1
    }
    assert (await me(city, "citizen-900"))["displayName"] == "测*"
    taken = await do(city, "registerSubject", **PERSON, number=number, account="good")
    assert taken["code"] == "ACCOUNT_TAKEN"
    for reserved in ("mandate-x", "assist-x"):
        body = await city.ask(
            mutation("registerSubject"), {"input": PERSON | {"number": number, "account": reserved}}, by="operator"
        )
        assert body["errors"][0]["extensions"] == {"code": "BAD_USER_INPUT"}


async def test_a_wrong_number_writes_nothing_and_is_not_repeated(city: City) -> None:
    before, number = await city.tally(), "430502199001010019"
    body = await city.ask(mutation("registerSubject"), {"input": PERSON | {"number": number}}, by="operator")
    assert body["errors"][0]["extensions"] == {"code": "BAD_USER_INPUT"}
    assert number not in repr(body)
    assert await city.tally() == before


async def test_ten_registrations_of_one_number_at_once_make_one_subject(city: City) -> None:
    number = resident_id(date(1995, 5, 5), 78)
    found = await asyncio.gather(*(do(city, "registerSubject", **PERSON, number=number) for _ in range(10)))
    assert len({one["id"] for one in found}) == 1
    assert len(await city.rows(subjects)) == len(PEOPLE) + 2


async def test_a_passport_holder_is_scored_like_anybody_and_needs_a_birth_date(city: City) -> None:
    asked = PERSON | {"scheme": "PASSPORT", "number": "XXX12345678", "account": "citizen-901"}
    body = await city.ask(mutation("registerSubject"), {"input": asked}, by="operator")
    assert "出生日期" in body["errors"][0]["message"]
    await do(city, "registerSubject", **asked, bornOn="1990-01-01")
    enroll = "mutation ($input: EnrollInput!) { enroll(input: $input) { __typename } }"
    await city.do(enroll, by="citizen-901", noticeVersion=city.state.rulebook.notice.version)
    assert (await me(city, "citizen-901"))["scores"] == [{"points": "600.00", "grade": {"code": "B"}}]
    row = (await city.rows(subjects))[-1]
    assert unseal(city.keys, "seal", row.identity_sealed) == b"passport:XXX12345678"
    found = await do(city, "findSubject", by="reviewer", scheme="PASSPORT", number="xxx12345678", purpose="核对")
    assert found["numbers"] == [{"scheme": "PASSPORT", "masked": "XXX******78"}]


async def test_an_old_code_leads_to_the_unified_one_which_becomes_the_key(city: City) -> None:
    old = await do(city, "registerSubject", **FIRM, scheme="ORGANISATION_CODE", number=CODE)
    other = await do(city, "registerSubject", **FIRM, scheme="REGISTRATION_NUMBER", number=REGISTRATION)
    assert other["id"] != old["id"]
    now = await do(city, "registerSubject", **FIRM, scheme="USCC", number=USCC)
    assert now["id"] == old["id"]
    assert [one["scheme"] for one in now["numbers"]] == ["USCC", "ORGANISATION_CODE"]
    assert [one["change"] for one in now["changes"]] == ["corrected"]
    tax = {"subjectId": now["id"], "scheme": "TAX_NUMBER", "reason": "旧证"}
    wrong = organisation_code("12345678")
    assert (await do(city, "addSubjectNumber", **tax, number=f"430502{wrong}"))["code"] == "NUMBER_CONTRADICTS"
    assert len((await do(city, "addSubjectNumber", **tax, number=f"430502{CODE}"))["numbers"]) == 3
    taken = tax | {"scheme": "REGISTRATION_NUMBER", "number": REGISTRATION}
    assert (await do(city, "addSubjectNumber", **taken))["code"] == "NUMBER_TAKEN"
    for scheme, number in (("ORGANISATION_CODE", CODE), ("TAX_NUMBER", f"430502{CODE}"), ("USCC", USCC)):
        found = await do(city, "findSubject", scheme=scheme, number=number, purpose="核对")
        assert found["id"] == now["id"], scheme
    row = next(row for row in await city.rows(subjects) if sid(row.id) == now["id"])
    async with city.state.database.reading() as connection:
        assert is_intact(connection, subjects, row._asdict(), row.mac)


async def test_whoever_is_looked_up_reads_of_it_and_a_stranger_to_the_file_is_a_problem(city: City) -> None:
    number = resident_id(PEOPLE["good"]["birth"], 1)
    await do(city, "findSubject", by="reviewer", scheme="RESIDENT_ID", number=number, purpose="群众来访")
    log = "{ me { accessLog { edges { node { reader action purpose } } } } }"
    (edge,) = (await city.ask(log, by="good"))["data"]["me"]["accessLog"]["edges"]
    assert (edge["node"]["action"], edge["node"]["purpose"]) == ("findSubject", "群众来访")
    assert "reviewer" in edge["node"]["reader"]
    unknown = resident_id(date(1970, 1, 1), 999)
    answer = await do(city, "findSubject", scheme="RESIDENT_ID", number=unknown, purpose="群众来访")
    assert answer["code"] == "UNKNOWN_SUBJECT"


async def test_a_new_name_is_shown_at_once_and_the_old_one_is_kept_sealed(city: City) -> None:
    asked = {"subjectId": sid(1), "name": "欧阳测", "reason": "户口簿变更页"}
    assert (await do(city, "renameSubject", **asked))["displayName"] == "欧*"
    await do(city, "renameSubject", **asked)
    assert (await me(city, "good"))["displayName"] == "欧*"
    (change,) = await city.rows(subject_changes)
    assert "测good".encode() not in change.before_sealed
    async with city.state.database.reading() as connection:
        (told,) = await changes_of(connection, city.keys, 1)
    assert (told.change, told.before, told.actor) == ("renamed", {"name": "测good"}, "operator")
    (row,) = [row for row in await city.rows(subjects) if row.id == 1]
    assert name_of(city.keys, row.name_sealed) == "欧阳测"


async def test_a_dead_person_gets_the_standard_service_and_a_mistake_is_taken_back_with_a_trace(city: City) -> None:
    code, before = await city.code("good"), await me(city, "good")
    ended = {"subjectId": sid(1), "endReason": "DECEASED", "endedOn": "2026-11-19", "reason": "死亡证明"}
    told = await do(city, "endSubject", **ended)
    assert (told["endedOn"], told["endReason"]) == ("2026-11-19", "deceased")
    assert (await city.verify(code))["outcome"] == "STANDARD_SERVICE"
    assert (await city.ask(ME, by="good"))["errors"][0]["extensions"] == {"code": "UNAUTHENTICATED"}
    assert (await do(city, "endSubject", **ended))["code"] == "ALREADY_ENDED"
    city.wait(minutes=5)
    again = await do(city, "reinstateSubject", by="reviewer", subjectId=sid(1), reason="同名同姓,登记有误")
    assert [one["change"] for one in again["changes"]] == ["deceased", "reinstated"]
    assert await me(city, "good") == before
    assert (await city.verify(await city.code("good")))["outcome"] == "BENEFIT_APPLIES"


async def test_an_account_that_had_ended_before_a_death_does_not_come_back_with_the_correction(city: City) -> None:
    await city.write(insert(accounts).values(id="citizen-old", role="citizen", subject_id=1, ended_at=NOON))
    ended = {"subjectId": sid(1), "endReason": "DECEASED", "endedOn": "2026-11-20", "reason": "死亡证明"}
    city.wait(seconds=1)
    await do(city, "endSubject", **ended)
    await do(city, "reinstateSubject", by="reviewer", subjectId=sid(1), reason="登记有误")
    assert {row.id: row.ended_at for row in await city.rows(accounts) if row.subject_id == 1} == {
        "good": None,
        "citizen-old": NOON,
    }


@pytest.mark.parametrize(
    ("subject", "reason", "on"),
    [(1, "STRUCK_OFF", "2026-11-01"), (8, "DECEASED", "2026-11-01"), (1, "DECEASED", "2026-11-21"),
     (1, "DECEASED", "1989-01-01")],
)  # fmt: skip
async def test_an_end_that_cannot_be_is_refused(city: City, subject: int, reason: str, on: str) -> None:
    asked = {"subjectId": sid(subject), "endReason": reason, "endedOn": on, "reason": "证明"}
    body = await city.ask(mutation("endSubject"), {"input": asked}, by="operator")
    assert body["errors"][0]["extensions"] == {"code": "BAD_USER_INPUT"}
    assert [row.ended_on for row in await city.rows(subjects)] == [None] * 8


async def test_a_company_that_was_taken_over_keeps_its_records_names_its_successor_and_gets_no_benefit(
    city: City,
) -> None:
    await city.write(
        insert(credit_records).values(
            subject_id=8, id="tax", item="tax-arrears", occurred_on=date(2026, 6, 1), source="测试"
        )
    )
    heir = await do(city, "registerSubject", **FIRM, scheme="USCC", number=USCC)
    code = await city.code("firm")
    assert (await city.verify(await city.code("firm"), "loan", by="bank"))["outcome"] == "BENEFIT_APPLIES"
    ended = {"subjectId": sid(8), "endReason": "STRUCK_OFF", "endedOn": "2026-11-18", "successorId": heir["id"]}
    told = await do(city, "endSubject", **ended, reason="准予注销登记通知书")
    assert (told["endReason"], told["successorId"]) == ("struck-off", heir["id"])
    assert (await city.verify(code, "loan", by="bank"))["outcome"] == "STANDARD_SERVICE"
    told = await me(city, "firm")
    assert (told["scores"], told["ended"]) == ([], {"reason": "struck-off", "successor": "测试老厂"})
    assert [row.subject_id for row in await city.rows(credit_records) if row.id == "tax"] == [8]
    found = await do(city, "findSubject", scheme="USCC", number="91430502MA7YK0003R", purpose="核对")
    assert found["id"] == sid(8), "the old code still leads to the old company"


async def test_a_minor_is_scored_from_the_eighteenth_birthday_on_and_not_a_day_before(city: City) -> None:
    city.now = NOON.replace(year=2028, month=5, day=4)
    assert (await me(city, "minor"))["scores"] == []
    assert (await city.verify(await city.code("minor")))["outcome"] == "STANDARD_SERVICE"
    city.wait(days=1)
    assert len((await me(city, "minor"))["scores"]) == 1
    assert (await city.verify(await city.code("minor")))["outcome"] == "BENEFIT_APPLIES"
