"""Orders, loans, notices and partners' reports in the credit report. One thing to know: what a bank was told, and when,
is in it; and it is in the pages as well as in what was signed."""

from __future__ import annotations

import io
from base64 import b64decode
from typing import Any

import orjson
from factories import City
from loan_steps import BID, OFFER, add_farmers_offer, apply, bank, know
from loan_steps import theirs as banks_loans
from order_steps import completed
from pypdf import PdfReader
from test_report_of_mine import export, report_of

from partners.credit_report import check_report
from scoring.report.page import report_pdf

REPORT = """mutation ($input: ReportOutcomeInput!) { reportOutcome(input: $input) { __typename } }"""


async def deal(city: City) -> None:
    """Let «good» owe, apply, be answered about, and be reported on twice."""
    await completed(city)
    city.wait(days=1)
    await know(city, 1, {"power_paid_months": 24, "patents": 3})
    offer = await add_farmers_offer(city)
    asked = {"offerId": offer, "product": "农户小额贷款", "amountFen": 100, "indicators": ["power-paid"]}
    application = (await apply(city, "good", **asked))["id"]
    city.wait(hours=1)
    await banks_loans(city)
    city.wait(hours=1)
    await bank(city, OFFER, application, **BID | {"amountFen": 90})
    answer = await city.verify(await city.code("good"))
    for number, outcome in enumerate(("USED", "GIVEN_BACK")):
        city.wait(minutes=1)
        said = {"requestId": f"report-{number}", "receipt": answer["receipt"], "outcome": outcome}
        await city.do(REPORT, by="scenic", **said, satisfaction=4, note="退票")


def without(found: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in found.items() if name not in names}


async def test_the_report_tells_of_orders_loans_with_their_answers_notices_and_outcomes(city: City) -> None:
    await deal(city)
    found = await report_of(city)
    (order,) = found["orders"]
    assert without(order, "id", "steps") == {
        "institution": "测试hospital", "offer": "测试优惠", "title": "普通门诊", "state": "已完成待付款",
        "amount_fen": 10_000, "final_fen": 8_000, "paid_fen": None, "due_on": "2026-11-27",
        "created_at": "2026-11-20T12:00:00+08:00",
    }  # fmt: skip
    assert [(one["change"], one["by"]) for one in order["steps"]] == [
        ("待确认", "合作机构"), ("已确认", "本人"), ("服务中", "合作机构"), ("已完成待付款", "合作机构"),
    ]  # fmt: skip
    (loan,) = found["loans"]
    assert without(loan, "id", "steps", "answers", "told", "offer") == {
        "institution": "测试bank", "product": "农户小额贷款", "state": "待申请人答复", "amount_fen": 100, "months": 12,
        "use": "采购原料", "applied_at": "2026-11-21T12:00:00+08:00", "offered_fen": 90, "rate_bp": 385,
        "offered_months": 12, "secured": False, "decided_at": "2026-11-21T14:00:00+08:00", "decline_reason": None,
        "consented": ["近 12 个月电费无拖欠"], "reports": [],
    }  # fmt: skip
    answers = {one["label"]: one["answer"] for one in loan["answers"]}
    assert answers["近 12 个月电费无拖欠"] == "是"
    assert {answer for label, answer in answers.items() if label != "近 12 个月电费无拖欠"} == {"未授权或无数据"}
    assert loan["told"] == [{"at": "2026-11-21T13:00:00+08:00", "indicators": ["近 12 个月电费无拖欠"]}]
    assert [(one["change"], one["by"]) for one in loan["steps"]] == [
        ("待银行审查", "本人"),
        ("待申请人答复", "合作机构"),
    ]
    assert [(one["number"], one["outcome"], one["satisfaction"], one["note"]) for one in found["outcomes"]] == [
        (2, "使用后退回", 4, "退票"),
        (1, "已使用", 4, "退票"),
    ]
    assert {one["institution"] for one in found["outcomes"]} == {"测试scenic"}
    assert [one["text"][:8] for one in found["notices"]] == ["一笔贷款申请有了", "一笔先用后付的订", "有一笔先用后付的"]
    other = await report_of(city, "plain")
    assert other["orders"] == other["loans"] == other["notices"] == other["outcomes"] == []


async def test_both_files_carry_it_signed_and_the_pages_show_it(city: City) -> None:
    await deal(city)
    made = await export(city, written="PDF")
    file = b64decode(made["content"])
    claims, _ = check_report(city.keys, file)
    assert (len(claims["orders"]), len(claims["loans"]), len(claims["notices"])) == (1, 1, 3)
    signed = orjson.loads(b64decode((await export(city))["content"]))["report"]
    assert without(signed, "id", "made_at") == without(claims, "id", "made_at")
    for name, shown in SHOWN.items():
        # A section at a time: the reader that we test with knows no more than 255 signs of a font.
        picture = report_pdf({name: claims[name]}, check_url="https://x.example/reports", signed=made["signed"])
        pages = "".join(page.extract_text().replace("\0", "") for page in PdfReader(io.BytesIO(picture)).pages)
        pages = pages.replace("\0", "").replace("\n", "")
        assert [words for words in shown if words not in pages] == []
        assert [key for key in claims[name][0] if "_" in key and key in pages] == [], "every key has its label"


SHOWN = {
    "orders": ("先用后付订单", "测试hospital", "普通门诊", "已完成待付款", "结算金额(分)", "办理经过"),
    "loans": ("贷款申请", "农户小额贷款", "待申请人答复", "近 12 个月电费无拖欠", "银行查看经过"),
    "outcomes": ("机构对优惠使用情况的回报", "使用后退回", "满意度"),
    "notices": ("收到的消息", "有一笔先用后付的订单等您确认"),
}
"""What stands on the pages, by section."""
