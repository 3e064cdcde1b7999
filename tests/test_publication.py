"""Public look-up, lists and the archive. One thing to know: what is asked is never who may see it, but what the law
opens today."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from factories import NOON, City, build_city, open_city
from published import FIRM, LISTED, PENALTY, PROMISED, UNLISTED, deliver
from sqlalchemy import update

from api.ids import public_id
from core.audit import audit_entries
from core.database import Database
from core.keys import load_keys
from partners.tables import access_events
from scoring.tables import credit_records

LOOK_UP = """query ($uscc: String, $name: String, $item: String, $first: Int, $after: String) { publicRecords(
  uscc: $uscc, name: $name, item: $item, first: $first, after: $after) { pageInfo { hasNextPage endCursor }
  edges { node { name uscc place item label nature documentNumber authority decidedOn publishedUntil
    fields { id label value } } } } }"""
LIST = """query ($list: ListKind!, $place: String, $first: Int, $after: String) { publicList(
  list: $list, place: $place, first: $first, after: $after) { pageInfo { hasNextPage endCursor } edges { node {
  name uscc documentNumber authority decidedOn reason basis listedUntil wayOut remedies } } } }"""
ARCHIVE = """query ($id: ID!, $purpose: String!) { archivedRecords(subjectId: $id, purpose: $purpose) { edges { node {
  removal record { documentNumber publishedUntil fields { id value } } } } } }"""
USCC = "91430502MA7YK0003R"


async def found(city: City, **given: Any) -> list[dict[str, Any]]:
    body = await city.ask(LOOK_UP, {"uscc": USCC} | given if "name" not in given else given)
    assert "errors" not in body, body
    return [edge["node"] for edge in body["data"]["publicRecords"]["edges"]]


async def numbers(city: City, **given: Any) -> list[str]:
    return [record["documentNumber"] for record in await found(city, **given)]


async def listed(city: City, kind: str, **given: Any) -> list[dict[str, Any]]:
    body = await city.ask(LIST, {"list": kind} | given)
    assert "errors" not in body, body
    return [edge["node"] for edge in body["data"]["publicList"]["edges"]]


async def test_anybody_finds_an_enterprises_penalty_without_personal_data(city: City) -> None:
    await deliver(city, FIRM, "p1", "administrative-penalty", PENALTY, removed_on=date(2029, 10, 2))
    (record,) = await found(city)
    fields = {field["id"]: field["value"] for field in record.pop("fields")}
    assert record == {
        "name": "测试企业",
        "uscc": USCC,
        "place": "hunan-shaoyang",
        "item": "administrative-penalty",
        "label": "行政处罚",
        "nature": "adverse",
        "documentNumber": "邵市监罚〔2026〕7号",
        "authority": "测试市场监管局",
        "decidedOn": "2026-10-01",
        "publishedUntil": "2029-10-01",
    }
    assert "legal-representative" not in fields
    assert "43050219790130" not in str(fields)
    assert fields["offence"].startswith("经营者欧*(430"), "named as a person in another field, masked in this one"
    assert fields["fine"] == "0.5"


async def test_it_is_found_by_its_exact_name_or_code_and_by_nothing_less(city: City) -> None:
    await deliver(city, FIRM, "p1", "administrative-penalty", PENALTY)
    assert len(await numbers(city, name="测试企业")) == 1
    assert len(await numbers(city, uscc=USCC.lower())) == 1
    for given in ({"name": "测试"}, {"name": "测试企业%"}, {"uscc": UNLISTED}, {"name": "不存在的企业"}):
        assert await numbers(city, **given) == []
    for wrong in (
        {},
        {"uscc": USCC, "name": "测试企业"},
        {"uscc": "123"},
        {"name": "测"},
        {"uscc": "43050219900301001X"},
    ):
        body = await city.ask(LOOK_UP, wrong)
        assert body["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_a_natural_person_is_never_found(city: City) -> None:
    await deliver(city, 2, "p1", "administrative-penalty", PENALTY)
    await deliver(city, 2, "p2", "serious-list", LISTED)
    for name in ("测plain", "测*"):
        assert await numbers(city, name=name) == []
    assert await listed(city, "SERIOUS") == []


async def test_only_what_the_catalogue_opens_shows(city: City) -> None:
    await deliver(city, FIRM, "p1", "tax-arrears", PENALTY)
    await deliver(city, FIRM, "p2", "no-such-item", PENALTY)
    assert await numbers(city) == []
    await deliver(city, FIRM, "p3", "licence-revoked", PENALTY, catalogued_as="administrative-penalty")
    assert [record["label"] for record in await found(city)] == ["吊销许可证件"]
    assert (
        len(await numbers(city, item="administrative-penalty")) == len(await numbers(city, item="licence-revoked")) == 1
    )
    assert await numbers(city, item="administrative-permit") == []


async def test_a_record_shows_until_the_last_day_of_its_term_and_then_is_in_the_archive(city: City) -> None:
    await deliver(city, FIRM, "p1", "administrative-penalty", PENALTY, removed_on=date(2026, 11, 21))
    city.now = NOON.replace(hour=15, minute=59, second=59)
    assert len(await numbers(city)) == 1
    city.wait(seconds=1)  # midnight in Shanghai; no job has run
    assert await numbers(city) == []
    asked = {"id": public_id("CreditSubject", FIRM), "purpose": "监督检查"}
    (record,) = (await city.ask(ARCHIVE, asked, by="auditor"))["data"]["archivedRecords"]["edges"]
    assert record["node"]["record"]["publishedUntil"] == "2026-11-20"
    assert "legal-representative" not in str(record)
    (entry,) = [row for row in await city.rows(audit_entries) if row.action == "readArchive"]
    assert (entry.actor, entry.subject_id, entry.content) == ("auditor", FIRM, '{"records":["p1"]}')
    (event,) = await city.rows(access_events)
    assert (event.subject_id, event.reader, event.action, event.purpose) == (FIRM, "auditor", "readArchive", "监督检查")
    refused = await city.ask(ARCHIVE, asked, by="operator")
    assert refused["errors"][0]["extensions"]["code"] == "FORBIDDEN"


async def test_a_suspended_record_and_a_hidden_honour_do_not_show(city: City) -> None:
    await deliver(city, FIRM, "p1", "administrative-penalty", PENALTY)
    await deliver(city, FIRM, "h1", "honour-award", PENALTY | {"document-number": "荣-1"})
    assert sorted(await numbers(city)) == ["荣-1", "邵市监罚〔2026〕7号"]
    await city.write(update(credit_records).where(credit_records.c.id == "p1").values(suspended_at=NOON))
    hide = 'mutation { hideHonour(input: {recordId: "h1"}) { __typename } }'
    assert (await city.ask(hide, by="firm"))["data"]["hideHonour"]["__typename"] == "CreditRecord"
    assert await numbers(city) == []
    await city.write(update(credit_records).where(credit_records.c.id == "p1").values(suspended_at=None))
    assert await numbers(city) == ["邵市监罚〔2026〕7号"]


async def test_a_record_changed_by_hand_does_not_show_and_hides_no_other(
    city: City, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(3):
        await deliver(city, FIRM, f"p{number}", "administrative-penalty", PENALTY | {"document-number": f"罚-{number}"},
                      occurred_on=date(2026, 10, 1 + number))  # fmt: skip
    await city.write(
        update(credit_records).where(credit_records.c.id == "p1").values(authority="别的机关"), by_hand=True
    )
    assert await numbers(city) == ["罚-2", "罚-0"]
    assert "record not as it was written" in caplog.text


@pytest.mark.parametrize(("kind", "item"), [("RED", "red-list"), ("SERIOUS", "serious-list")])
async def test_a_list_names_the_written_decision_and_the_way_out(city: City, kind: str, item: str) -> None:
    await deliver(city, FIRM, "l1", item, LISTED, removed_on=date(2027, 10, 2))
    assert await listed(city, kind) == [
        {
            "name": "测试企业",
            "uscc": USCC,
            "documentNumber": "邵名单〔2026〕1号",
            "authority": "测试发展改革局",
            "decidedOn": "2026-10-01",
            "reason": LISTED["reason"],
            "basis": LISTED["basis"],
            "listedUntil": "2027-10-01",
            "wayOut": LISTED["way-out"],
            "remedies": LISTED["remedies"],
        }
    ]
    assert len(await listed(city, kind, place="hunan-shaoyang")) == len(await listed(city, kind, place="cn")) == 1
    assert await listed(city, kind, place="hebei") == []
    assert await listed(city, "SERIOUS" if kind == "RED" else "RED") == []
    city.wait(days=400)
    assert await listed(city, kind) == []
    wrong = await city.ask(LIST, {"list": kind, "place": "atlantis"})
    assert wrong["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_commitments_show_with_whether_they_were_kept(city: City) -> None:
    await deliver(city, FIRM, "c1", "credit-commitment", PROMISED)
    query = '{ publicCommitments(place: "hunan-shaoyang") { edges { node { label fields { id value } } } } }'
    (edge,) = (await city.ask(query))["data"]["publicCommitments"]["edges"]
    assert edge["node"]["label"] == "信用承诺"
    assert {"id": "fulfilment", "value": "已履行"} in edge["node"]["fields"]
    assert await numbers(city, item="credit-commitment") == ["诺-001"]


async def test_pages_of_look_ups_and_lists_miss_nothing_and_repeat_nothing(city: City) -> None:
    for number in range(5):
        content = LISTED | {"document-number": f"单-{number}"}
        await deliver(city, FIRM, f"l{number}", "red-list", content, occurred_on=date(2026, 10, 1 + number // 2))
    for query, name, given in ((LIST, "publicList", {"list": "RED"}), (LOOK_UP, "publicRecords", {"uscc": USCC})):
        seen: list[str] = []
        after = None
        for _ in range(3):
            page = (await city.ask(query, {"first": 2, "after": after} | given))["data"][name]
            seen += [edge["node"]["documentNumber"] for edge in page["edges"]]
            after = page["pageInfo"]["endCursor"]
        assert sorted(seen) == [f"单-{number}" for number in range(5)]
        assert page["pageInfo"]["hasNextPage"] is False
        wrong = await city.ask(query, given | {"after": "eA=="})
        assert wrong["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_one_document_cannot_look_up_many(city: City) -> None:
    aliases = " ".join(f'a{n}: publicRecords(uscc: "{USCC}") {{ edges {{ cursor }} }}' for n in range(6))
    body = await city.ask(f"{{ {aliases} }}")
    assert body["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_a_client_that_is_not_signed_in_has_an_allowance_too(sqlite_url: str, keys_file: Path) -> None:
    database = Database(sqlite_url, keys=load_keys(keys_file))
    await build_city(database, load_keys(keys_file))
    await database.close()
    async with open_city(database_url=sqlite_url, keys_file=keys_file, rate_burst=4, rate_per_second=1) as city:
        query = {"query": f'{{ publicRecords(uscc: "{USCC}") {{ edges {{ cursor }} }} }}'}
        statuses = [(await city.client.post("/graphql", json=query)).status_code for _ in range(8)]
    assert statuses[:4] == [200] * 4
    assert 429 in statuses[4:] or statuses.count(200) < 8
