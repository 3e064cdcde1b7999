"""One objection from end to end, over New Year and a Saturday that is worked, with an authority that is late; and a
repair after which the old value no longer applies."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson
import pytest
from case_steps import APPEAL, APPLY, BODY, CASES, DECIDE, OBJECT, OPEN_CASE, WORKLIST, give_record, make_provider
from factories import City
from sqlalchemy import insert, update

from api.jobs.sending import send_once
from core.signing import verify
from partners.tables import offers, security_events
from scoring.cases.tables import record_receivers
from scoring.outbox import Pass
from scoring.tables import outbox

SCORE = (
    "{ me { scores { model { id } points grade { code } } benefits { edges { node { available offer { id } } } } } }"
)


class Receiver:
    """Somebody who was given a record: keeps what it is told."""

    def __init__(self) -> None:
        self.got = list[str]()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.got.append(self.rfile.read(int(self.headers["content-length"])).decode())
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/notices"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    thread = threading.Thread(target=made.server.serve_forever, daemon=True)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


async def begin(city: City) -> None:
    """At the end of 2025: a body that provides records, an offer that is open, an honour that earns it."""
    city.now = at("2025-12-30")
    await make_provider(city)
    await give_record(city, "good", "honour", "rescue-honour", date(2025, 6, 1))
    await city.write(update(offers).values(opens_on=date(2025, 1, 1)))


async def standing(city: City, person: str) -> tuple[str, bool]:
    """The grade that the person sees, and whether the museum's gift applies."""
    me = (await city.ask(SCORE, by=person))["data"]["me"]
    grade = next(one["grade"]["code"] for one in me["scores"] if one["model"]["id"] == "xiangxinfen")
    return grade, me["benefits"]["edges"][0]["node"]["available"]


async def mine(city: City, person: str) -> list[dict[str, Any]]:
    body = await city.ask(CASES, by=person)
    return [edge["node"] for edge in body["data"]["me"]["cases"]["edges"]]


def at(day: str, hour: int = 10) -> datetime:
    """That hour of the day in Asia/Shanghai."""
    return datetime.fromisoformat(f"{day}T{hour:02d}:00:00+08:00").astimezone(UTC)


async def test_an_objection_over_new_year_with_a_late_authority_ends_with_the_record_corrected(
    city: City, receiver: Receiver
) -> None:
    await begin(city)
    await give_record(city, "good", "penalty", "administrative-penalty", date(2025, 11, 3))
    told = {"subject_id": 1, "record_id": "penalty", "receiver": "bank-platform", "at": city.now}
    await city.write(insert(record_receivers).values(told))
    object.__setattr__(city.settings, "receivers", {"bank-platform": receiver.url, "overseer": receiver.url})
    assert await standing(city, "good") == ("B", False)

    # The citizen objects: marked and out of use at once, five working days in Shaoyang.
    case = await city.do(OBJECT, by="good", recordId="penalty", ground="WRONG", statement="罚的不是我,\n案卷号对不上。")
    assert (case["__typename"], case["state"], case["routedTo"]) == ("CreditCase", "OPEN", BODY["body"])
    assert case["markedAt"] == "2025-12-30T02:00:00+00:00"
    # 31 December; 1 to 3 January are holidays, Sunday 4 January is worked; 5, 6 and 7 January.
    assert (case["markDueOn"], case["dueOn"], case["dueIsProvisional"]) == ("2025-12-31", "2026-01-07", False)
    assert await standing(city, "good") == ("A", True)
    assert (await city.verify(await city.code("good")))["outcome"] == "BENEFIT_APPLIES"

    # A body's own account sees it, another body's does not; that it looked stands in the citizen's log.
    work = (await city.ask(WORKLIST, {"due": "ALL"}, by="provider"))["data"]["caseWorklist"]
    assert [edge["node"]["id"] for edge in work["edges"]] == [case["id"]]
    assert (work["dueToday"], work["overdue"]) == (0, 0)
    opened = await city.ask(OPEN_CASE, {"id": case["id"]}, by="provider")
    assert opened["data"]["creditCase"]["statement"] == "罚的不是我,\n案卷号对不上。"
    log = (await city.ask("{ me { accessLog(first: 1) { edges { node { action } } } } }", by="good"))["data"]
    assert log["me"]["accessLog"]["edges"][0]["node"]["action"] == "readCase"

    # The last day ends at midnight in Shanghai.
    city.now = at("2026-01-07", 23)
    work = (await city.ask(WORKLIST, {"due": "TODAY"}, by="reviewer"))["data"]["caseWorklist"]
    assert (len(work["edges"]), work["dueToday"], work["overdue"]) == (1, 1, 0)
    assert (await mine(city, "good"))[0]["escalatedAt"] is None
    city.now = at("2026-01-08", 0)
    (seen,) = await mine(city, "good")
    assert (seen["overdue"], seen["escalatedAt"]) == (True, "2026-01-07T16:00:00+00:00")
    assert [step["act"] for step in seen["steps"]] == ["open", "escalate"]
    assert await standing(city, "good") == ("A", True), "overdue, and still out of use"
    (alarm,) = [row for row in await city.rows(security_events) if row.kind == "CASE_OVERDUE"]
    assert (alarm.detail["kind"], alarm.detail["routedTo"]) == ("objection", BODY["body"])

    # The late decision works, says that it is late, and corrects the record.
    city.now = at("2026-01-12")
    work = (await city.ask(WORKLIST, {"due": "OVERDUE"}, by="provider"))["data"]["caseWorklist"]
    assert (len(work["edges"]), work["overdue"]) == (1, 1)
    correction = {"fields": [{"field": "decided-on", "value": "2021-11-03"}]}
    asked = {"caseId": case["id"], "outcome": "UPHELD", "reason": "决定日期录入有误", "correction": correction}
    decided = await city.do(DECIDE, by="provider", **asked)
    assert (decided["state"], decided["outcome"], decided["answer"]) == ("DECIDED", "UPHELD", "决定日期录入有误")
    evidence = orjson.loads(decided["steps"][-1]["evidence"])
    assert evidence == {
        "late": True,
        "dueOn": "2026-01-07",
        "receivers": [{"name": "bank-platform", "dueOn": "2026-01-15"}],
        "corrected": ["decided-on", "occurred_on"],
    }
    assert (await standing(city, "good"))[1], "the corrected record is too old to count"
    assert (await city.do(DECIDE, by="provider", **asked))["code"] == "WRONG_STATE", "decided once"

    # Receivers are told, signed, with their own term; the overseer hears that it was late.
    sent = await send_once(city.state.database, city.keys, city.settings, now=city.now)
    assert sent == Pass(3, 0, 0)
    notices = [verify(city.keys, "results", token) for token in receiver.got]
    changes = [(n["topic"], n["notice"].get("change"), n["notice"].get("correctBy")) for n in notices]
    assert sorted(changes, key=str) == [
        ("case-overdue", None, None),
        ("record-changed", "corrected", "2026-01-15"),
        ("record-changed", "suspended", "2026-01-05"),
    ]
    assert len(await city.rows(outbox)) == 3


async def test_a_repair_after_the_shortest_term_ends_the_old_value_and_the_code_gives_the_benefit(city: City) -> None:
    await begin(city)
    await give_record(city, "good", "penalty", "administrative-penalty", date(2025, 10, 31))
    asked = {"recordId": "penalty", "way": "put-right", "statement": "罚款已缴,违法行为已改正。"}
    early = await city.do(APPLY, by="good", **asked)
    assert early["code"] == "TOO_EARLY"
    assert "2026-02-01" in early["message"], "three months from 31 October end with 31 January"
    city.now = at("2026-01-31", 23)
    assert (await city.do(APPLY, by="good", **asked))["code"] == "TOO_EARLY"
    city.now = at("2026-02-01", 0)
    case = await city.do(APPLY, by="good", **asked)
    assert (case["kind"], case["way"], case["markedAt"]) == ("REPAIR", "put-right", None)
    assert await standing(city, "good") == ("B", False), "it counts until it is granted"
    code = await city.code("good")
    granted = await city.do(DECIDE, by="reviewer", caseId=case["id"], outcome="GRANTED", reason="已改正,准予修复")
    evidence = orjson.loads(granted["steps"][-1]["evidence"])
    assert [one["grade"] for one in evidence["before"] if one["model"] == "xiangxinfen"] == ["B"]
    assert [one["grade"] for one in evidence["after"] if one["model"] == "xiangxinfen"] == ["A"]
    assert await standing(city, "good") == ("A", True)
    assert (await city.verify(code))["outcome"] == "BENEFIT_APPLIES", "the code issued before shows the new value"
    ledger = """{ repairLedger { edges { node { recordId way outcome decidedBy before { model grade }
      after { model grade } } } } }"""
    (line,) = (await city.ask(ledger, by="reviewer"))["data"]["repairLedger"]["edges"]
    assert (line["node"]["recordId"], line["node"]["outcome"], line["node"]["decidedBy"]) == (
        "penalty",
        "GRANTED",
        "reviewer",
    )
    again = await city.do(APPLY, by="good", **asked)
    assert again["code"] == "RECORD_ENDED"
    assert (await city.do(APPEAL, by="good", caseId=case["id"], statement="再看看"))["code"] == "NOT_APPEALABLE"
