"""The ground of each rule, and how a refusal is made of it. One thing to know: no refusal is without a source."""

from __future__ import annotations

from collections.abc import Iterable

from legal.case import Refusal
from legal.effects import Effect
from legal.terms import Citation
from legal.words import Verdict

HEILONGJIANG = "黑龙江省社会信用条例"

SOURCES: dict[str, Citation] = {
    "L0": Citation(HEILONGJIANG, "第二十六条第一款"),
    "L1": Citation("中华人民共和国价格法", "第十三条"),
    "L2": Citation(HEILONGJIANG, "第二十六条第二款"),
    "L3": Citation(HEILONGJIANG, "第二十六条第二款"),
    "L4": Citation(HEILONGJIANG, "第二十六条第二款"),
    "L5": Citation(HEILONGJIANG, "第二十六条第二款"),
    "L6": Citation(HEILONGJIANG, "第四十五条"),
    "L7": Citation("河北省人民政府办公厅关于推进企业信用分级分类监管工作的实施意见", "六(二)、六(三)"),
    "L8": Citation(HEILONGJIANG, "第二十六条第一款第(二)项"),
    "L9": Citation("中华人民共和国基本医疗卫生与健康促进法", "第二十七条"),
    "L10": Citation(HEILONGJIANG, "第二十六条第三款"),
    "L11": Citation(HEILONGJIANG, "第三十条"),
    "L12": Citation("中华人民共和国个人信息保护法", "第六条"),
    "L13": Citation("中华人民共和国消费者权益保护法", "第十四条"),
}
"""Where a rule comes from, unless a refusal names a source of its own."""


def refuse(rule: str, message: str, verdict: Verdict = "unlawful", *, source: Citation | None = None) -> Refusal:
    """A refusal under `rule`."""
    return Refusal(rule, message, source or SOURCES[rule], verdict)


def listed(effects: Iterable[Effect]) -> str:
    """Effects in one line, in order."""
    return "、".join(sorted(effects))
