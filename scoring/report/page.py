"""The credit report (信用报告) as a PDF. One thing to know: the signed report travels inside the file, and only that is
proof; the pages are its picture.

Pure: the same report gives the same bytes. One ink and one grey, no colours, no icons: nothing on the page judges.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pypdf import PdfReader
from pypdf.errors import PyPdfError

from core.clock import SHANGHAI
from core.errors import ExpectedError
from scoring.report.canvas import Canvas, Row

logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # what it thinks of a stranger's file is nobody's matter
ATTACHMENT = "credit-report.jws"
LARGEST_SIGNED = 50_000_000
"""Bytes of a signed report; ten thousand records make a tenth of it."""
KINDS = {"PERSON": "自然人", "ENTERPRISE": "法人和非法人组织"}
LABELS = {
    "amount_fen": "金额(分)",
    "answer": "答复",
    "answers": "现有答复",
    "applied_at": "申请时间",
    "at": "时间",
    "basis": "依据",
    "by": "办理单位",
    "change": "变更",
    "closed_at": "办结时间",
    "consented": "同意答复的指标",
    "created_at": "提出时间",
    "decided_at": "决定时间",
    "decline_reason": "银行的理由",
    "disbursed_fen": "放款金额(分)",
    "disbursed_on": "放款日期",
    "due_on": "办理期限",
    "ends_on": "到期日",
    "final_fen": "结算金额(分)",
    "given_at": "授权时间",
    "ground": "理由",
    "id": "编号",
    "indicators": "有答复的指标",
    "institution": "机构",
    "item": "信息项目",
    "kind": "类型",
    "label": "指标",
    "method": "方式",
    "months": "期限(月)",
    "note": "说明",
    "number": "次序",
    "offer": "优惠",
    "offered_fen": "报价金额(分)",
    "offered_months": "报价期限(月)",
    "opened_at": "提出时间",
    "outcome": "结果",
    "paid_fen": "已付金额(分)",
    "partner": "使用方",
    "product": "产品",
    "purpose": "用途",
    "rate_bp": "年利率(基点)",
    "read_at": "阅读时间",
    "reason": "原因",
    "record": "信用信息",
    "repayment": "还款情况",
    "reports": "银行的回报",
    "satisfaction": "满意度(1—5)",
    "secured": "是否要求担保",
    "source": "来源",
    "state": "状态",
    "steps": "办理经过",
    "text": "内容",
    "title": "名称",
    "told": "银行查看经过",
    "until": "到期日",
    "use": "贷款用途",
    "verification": "核验编号",
    "what": "内容",
    "withdrawn_at": "撤回时间",
}
"""What the keys of entries and of their histories are called on the page; another key is printed as it stands."""


class ReportUnreadable(ExpectedError):
    """A file is not a credit report of ours."""

    code = "REPORT_UNREADABLE"


def report_pdf(report: Mapping[str, Any], *, check_url: str, signed: str) -> bytes:
    """The report as an A4 file. `signed` is the JWS over it, put inside as `credit-report.jws`; `check_url` becomes the
    QR code and should name the report's id and nothing about the person. Sections that are missing are left out; empty
    ones say so.
    """
    made_at = _instant(report.get("made_at"))
    number = _text(report.get("id"))
    canvas = Canvas(title="信用报告", foot=f"信用报告 {number}", made_at=made_at or datetime(1970, 1, 1, tzinfo=UTC))
    canvas.opening(
        "信用报告",
        [f"报告编号 {number}", f"生成时间 {_text(report.get('made_at'))} 北京时间"],
        check_url,
        "扫码核对",
    )
    sections = (
        ("subject", "基本信息", _subject),
        ("scores", "评价结果及其构成", _scores),
        ("records", "信用信息记录", _records),
        ("consents", "授权", _entries),
        ("access", "谁查询过我", _access),
        ("cases", "异议与修复", _entries),
        ("orders", "先用后付订单", _entries),
        ("loans", "贷款申请", _entries),
        ("outcomes", "机构对优惠使用情况的回报", _entries),
        ("notices", "收到的消息", _entries),
        ("rights", "权利告知", _rights),
    )
    for key, heading, draw in sections:
        if (content := report.get(key)) is not None:
            canvas.section(heading)
            if content:
                draw(canvas, content)
            else:
                canvas.note("没有记录。")
    canvas.closing(
        f"本文件内附有签名的报告原文(附件 {ATTACHMENT}),以它为准。任何人可以用 xinyi report verify 核对本文件,"
        "不必联系任何服务器;也可以扫描首页的二维码。".translate(_FULL_WIDTH)
    )
    return canvas.finish({ATTACHMENT: signed.encode()})


def read_signed(pdf: bytes) -> str:
    """The signed report inside a PDF made by `report_pdf`. Its signature is not checked here.

    Raises:
        ReportUnreadable: not a PDF, or none with exactly one such attachment.
    """
    try:
        found = PdfReader(io.BytesIO(pdf)).attachments.get(ATTACHMENT, [])
        signed = [content.decode("ascii") for content in found if len(content) <= LARGEST_SIGNED]
    except (PyPdfError, ValueError, KeyError, TypeError, AttributeError, RecursionError, OSError):
        raise ReportUnreadable("这不是完好的 PDF 文件。请提供下载时的原文件,不要用打印或截图。") from None
    if len(signed) != 1:
        raise ReportUnreadable("文件里没有签名的报告原文。请提供下载时的原文件,不要用打印或另存的文件。")
    return signed[0]


def _subject(canvas: Canvas, subject: Mapping[str, Any]) -> None:
    kind = _text(subject.get("kind"))
    canvas.pairs(
        [
            ("名称", _text(subject.get("display_name"))),
            ("主体类型", KINDS.get(kind.upper(), kind)),
            ("证件号码", _text(subject.get("number_masked"))),
        ]
    )


def _scores(canvas: Canvas, scores: Sequence[Mapping[str, Any]]) -> None:
    for score in scores:
        points, grade = _text(score.get("points")), _text(score.get("grade"))
        result = " · ".join(
            part for part in (f"{points} 分" if points != NONE else "", grade) if part not in {"", NONE}
        )
        canvas.block(_text(score.get("model")), result or "未评价", f"版本 {_text(score.get('version'))}")
        if not score.get("lines"):
            continue
        canvas.table(
            (Row("得分项目", 0.34), Row("分值", 0.12, right=True), Row("依据", 0.38), Row("所据信息", 0.16)),
            (
                (
                    _text(line.get("label")),
                    _points(line.get("points")),
                    _text(line.get("basis")),
                    _text(line.get("records")),
                )
                for line in score["lines"]
            ),
        )


def _records(canvas: Canvas, records: Sequence[Mapping[str, Any]]) -> None:
    canvas.note(f"共 {len(records)} 条。")
    for number, record in enumerate(records, start=1):
        canvas.block(f"{number}. {_text(record.get('label') or record.get('item'))}", _text(record.get("state")), "")
        canvas.pairs(
            [
                ("文书号", _text(record.get("document_number"))),
                ("认定机关", _text(record.get("authority"))),
                ("认定日期", _text(record.get("decided_on"))),
                ("公示至", _text(record.get("published_until"))),
                *(
                    ("" if place else "变更经过", _one_line(step))
                    for place, step in enumerate(record.get("history") or ())
                ),
            ]
        )


def _entries(canvas: Canvas, entries: Sequence[object]) -> None:
    for number, entry in enumerate(entries, start=1):
        if isinstance(entry, Mapping):
            canvas.pairs(
                [(LABELS.get(str(key), str(key)), _text(value)) for key, value in entry.items() if value is not None],
                number=number,
            )
        else:
            canvas.pairs([("内容", _text(entry))], number=number)


def _access(canvas: Canvas, events: Sequence[Mapping[str, Any]]) -> None:
    canvas.table(
        (Row("时间", 0.2), Row("查询方", 0.26), Row("查询内容", 0.34), Row("结果", 0.2)),
        (tuple(_text(event.get(key)) for key in ("at", "by", "what", "outcome")) for event in events),
    )


def _rights(canvas: Canvas, rights: Sequence[object]) -> None:
    for number, right in enumerate(rights, start=1):
        text, source = (right.get("text"), right.get("source")) if isinstance(right, Mapping) else (right, None)
        canvas.paragraph(f"{number}. {_text(text)}", _text(source) if source else "")


NONE = "—"
_FULL_WIDTH = str.maketrans(",;()", "\uff0c\uff1b\uff08\uff09")


def _text(value: object) -> str:
    """`value` as a reader of Chinese expects it; a dash for nothing."""
    if value is None or value == "":
        return NONE
    if isinstance(value, bool):
        return "是" if value else "否"
    if (instant := _instant(value)) is not None:
        return f"{instant.astimezone(SHANGHAI):%Y-%m-%d %H:%M}"
    if isinstance(value, Mapping):
        return _one_line(value)
    if isinstance(value, Iterable) and not isinstance(value, str):
        return "\u3001".join(_text(one) for one in value) or NONE
    return str(value)


def _points(value: object) -> str:
    text = _text(value)
    return f"+{text}" if text[:1].isdigit() and text.strip("0.") else text


def _one_line(entry: object) -> str:
    if not isinstance(entry, Mapping):
        return _text(entry)
    return "\uff0c".join(
        _text(value) if key in {"at", "text", "what", "change"} else f"{LABELS.get(key, key)} {_text(value)}"
        for key, value in entry.items()
        if value is not None
    )


def _instant(value: object) -> datetime | None:
    """The instant that a text such as 2026-01-31T09:00:00+08:00 names, if it is one."""
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or len(value) < 20 or value[10] != "T":
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    return found if found.tzinfo else None
