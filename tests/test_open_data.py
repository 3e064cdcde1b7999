"""Open data in bulk: what is public of enterprises, for credit service agencies alone. One thing to know: each file is
compared with what the public look-up shows."""

from __future__ import annotations

from datetime import date
from typing import Any

import orjson
import pytest
from factories import City
from published import FIRM, LISTED, PENALTY, PROMISED, deliver
from sqlalchemy import update

from api import open_data
from core.audit import audit_entries
from scoring.tables import credit_records


async def fetch(city: City, path: str, by: str | None = "agency", **headers: str) -> Any:
    given = {"authorization": f"Bearer {city.token(by)}"} if by else {}
    return await city.client.get(path, headers=given | headers)


async def lines(city: City, path: str) -> list[dict[str, Any]]:
    response = await fetch(city, path)
    assert response.status_code == 200, response.text
    return [orjson.loads(line) for line in response.content.splitlines()]


async def test_a_list_says_its_day_and_terms_first_and_its_number_last(city: City) -> None:
    await deliver(city, FIRM, "promised", "credit-commitment", PROMISED)
    head, record, end = await lines(city, "/open-data/credit-commitment.jsonl")
    assert (head["list"], head["on"]) == ("credit-commitment", "2026-11-20")
    assert head["licence"].startswith("内容为依法公示")
    assert end == {"records": 1, "end": True}
    assert (record["uscc"], record["documentNumber"]) == ("91430502MA7YK0003R", "诺-001")
    assert record["fields"]["履行情况"] == "已履行"


async def test_no_person_and_nothing_personal_is_in_any_list(city: City) -> None:
    await deliver(city, 1, "mine", "administrative-penalty", PENALTY, removed_on=date(2029, 1, 1))
    await deliver(city, FIRM, "fined", "administrative-penalty", PENALTY, removed_on=date(2029, 1, 1))
    index = (await fetch(city, "/open-data")).json()
    assert {"red-list", "serious-list", "credit-commitment", "administrative-penalty"} <= {
        one["list"] for one in index["lists"]
    }
    everything = [line for one in index["lists"] for line in await lines(city, one["path"])]
    assert len([line for line in everything if line.get("uscc")]) == 1
    for secret in ("欧阳测", "43050219790130003X", "测good"):
        assert secret not in str(everything)


async def test_what_is_past_its_term_suspended_or_not_public_is_in_no_list(city: City) -> None:
    await deliver(city, FIRM, "old", "red-list", LISTED, removed_on=date(2026, 11, 20))
    await deliver(city, FIRM, "stopped", "red-list", LISTED | {"document-number": "2"}, suspended_at=city.now)
    assert (await lines(city, "/open-data/red-list.jsonl"))[1:] == [{"records": 0, "end": True}]
    assert (await fetch(city, "/open-data/contract-kept.jsonl")).status_code == 404, "open on query alone"


async def test_a_long_list_comes_in_pages_without_gap_or_double(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_data, "PAGE", 3)
    for number in range(10):
        await deliver(city, FIRM, f"r{number}", "red-list", LISTED | {"document-number": f"{number}号"})
    found = await lines(city, "/open-data/red-list.jsonl")
    assert sorted(line["documentNumber"] for line in found[1:-1]) == [f"{number}号" for number in range(10)]
    assert found[-1]["records"] == 10


async def test_what_has_not_changed_is_not_sent_again(city: City) -> None:
    await deliver(city, FIRM, "listed", "red-list", LISTED)
    first = await fetch(city, "/open-data/red-list.jsonl")
    tag = first.headers["etag"]
    again = await fetch(city, "/open-data/red-list.jsonl", **{"if-none-match": tag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    await city.write(
        update(credit_records).where(credit_records.c.id == "listed").values(removed_on=date(2026, 11, 20))
    )
    changed = await fetch(city, "/open-data/red-list.jsonl", **{"if-none-match": tag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != tag
    city.wait(days=1)
    assert (await fetch(city, "/open-data/red-list.jsonl", **{"if-none-match": tag})).status_code == 200


async def test_each_download_is_on_the_audit_trail(city: City) -> None:
    response = await fetch(city, "/open-data/red-list.jsonl")
    await fetch(city, "/open-data/red-list.jsonl", **{"if-none-match": response.headers["etag"]})
    rows = sorted((row for row in await city.rows(audit_entries) if row.action == "openData"), key=lambda row: row.id)
    assert [row.actor for row in rows] == ["agency", "agency"]
    assert [orjson.loads(row.content)["sent"] for row in rows] == [True, False]


async def test_agencies_alone_get_lists(city: City) -> None:
    for path in ("/open-data", "/open-data/red-list.jsonl"):
        for by, status in ((None, 401), ("good", 403), ("scenic", 403), ("operator", 403), ("agency", 200)):
            assert (await fetch(city, path, by)).status_code == status
    await city.end_account("agency")
    assert (await fetch(city, "/open-data/red-list.jsonl")).status_code == 401


async def test_a_place_narrows_a_list_and_an_unknown_one_has_none(city: City) -> None:
    await deliver(city, FIRM, "listed", "red-list", LISTED)
    assert len(await lines(city, "/open-data/red-list.jsonl?place=hunan-shaoyang")) == 3
    assert len(await lines(city, "/open-data/red-list.jsonl?place=hebei")) == 2
    for path in ("red-list.jsonl?place=nowhere", "nothing.jsonl", "red-list.csv", "red-list"):
        assert (await fetch(city, f"/open-data/{path}")).status_code == 404
