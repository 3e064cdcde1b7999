"""What people are told: every message says what to do, and every one has its English; codes stay what they are."""

from __future__ import annotations

import re
from itertools import count
from pathlib import Path
from string import Formatter

import pytest

from api.messages import english_of, graphql_sentences, in_english
from cli.errors import all_codes, page
from cli.messages import ROOT, Said, said

ENGLISH = english_of()
MESSAGES = tuple({text.template: text for text in said() if text.is_message}.values())
WHAT_TO_DO = re.compile("请|可以|可选|可用|可再|可在|即可|无需|不需要|须由|付清即恢复|重新报送|按标准服务办理")
PARTS = frozenset({"DataFileError", "EvidenceType", "TrailBroken"})
"""Errors whose constructors put a message together, the remedy among its parts."""
NEXT_STEPS = "partners/next_steps.py"
ONE_LANGUAGE = re.compile(r"[\u3400-\u9fff]")


def places(template: str) -> set[str]:
    return {name for _, name, *_ in Formatter().parse(template) if name is not None}


def filled(template: str, values: dict[str, str]) -> str:
    return template.format(**values)


def last_sentence(template: str) -> str:
    return [part for part in re.split("(?<=。)", template) if part.strip()][-1]


def test_every_message_of_the_code_has_an_english_sentence() -> None:
    missing = [f'{text.file}:{text.line} "{text.template}": ""' for text in MESSAGES if text.template not in ENGLISH]
    missing += [f'"{told}": ""' for told in graphql_sentences().values() if told not in ENGLISH and told != "{detail}"]
    assert not missing, "add to api/messages/en/:\n" + "\n".join(missing)


def test_no_english_sentence_is_left_of_a_message_that_is_gone() -> None:
    known = {text.template for text in said()} | set(graphql_sentences().values())
    assert [template for template in ENGLISH if template not in known] == []


@pytest.mark.parametrize("template", ENGLISH)
def test_an_english_sentence_keeps_to_its_places_and_its_language(template: str) -> None:
    told = ENGLISH[template]
    assert told.strip()
    assert places(told) <= places(template)
    quoted = re.sub(r"《[^》]*》[^)]*|[「“(][^」”)]*[」”)]", "", told)  # titles and words that are quoted
    assert not ONE_LANGUAGE.search(quoted)


@pytest.mark.parametrize("text", MESSAGES, ids=lambda text: f"{text.file}:{text.line}")
def test_every_message_says_what_to_do(text: Said) -> None:
    end = last_sentence(text.template)
    if text.raised in PARTS or text.file == NEXT_STEPS or "。" not in end or end.endswith("}。"):
        return  # a part of a message, one that ends in a part, or nothing but what to do
    assert WHAT_TO_DO.search(end), f"{text.file}:{text.line} {text.template}"


def test_a_finished_message_is_told_with_its_own_values() -> None:
    numbers = count(1)
    other = []
    for template, told in ENGLISH.items():
        values = {name: f"<{next(numbers)}>" for name in places(template)}
        if "}{" in template or not ONE_LANGUAGE.search(template):
            continue  # where one place follows another, what lies between is anybody's guess
        answer = in_english(filled(template, values))
        if answer != filled(told, values):
            other.append((template, answer))
    assert other == []


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("没有 xyz 这个地方。请核对 place。", "There is no place xyz. Check place."),
        (  # a message in a message, and its parts
            "有 2 行不合要求,整批没有应用。第 1 行:reference 须为 1 到 40 个字符;第 2 行:应为含 subject 的对象",
            "2 rows are not as they should be, so nothing of the batch was applied. "
            "row 1: reference must have 1 to 40 characters; row 2: should be an object with subject",
        ),
        (  # states by their names
            "优惠现为“草稿”,不能改为“已发布”。由此可改为:待审核、已撤回。请刷新后再试。",
            "The offer is “draft” and cannot become “published”. "
            "From here it can become: waiting for review, withdrawn. Refresh and try again.",
        ),
        (  # the command line's message with the full stop of the interface
            "facts.x 超出范围。应在 0 至 100 之间。",
            "facts.x is out of range. It should lie in 0 to 100.",
        ),
        (  # a name that is a list itself
            "有 4 条「近三年的纳税信用 A 级、守信激励对象名单与守合同」记录,让贵单位多了 20 分。",
            "4 record(s) of “近三年的纳税信用 A 级, 守信激励对象名单与守合同”, brought your organisation 20 points.",
        ),
        ("models/x.yaml:3: 嵌套超过 20 层。请检查此处多余的括号或缩进",
         "models/x.yaml:3: nested more than 20 levels deep. Check for brackets or indents too many here"),
        ("张三的店", "张三的店"),
        ("没有人译过的一句。请重试。", "没有人译过的一句。请重试。"),
        ("没有" * 3000, "没有" * 3000),
    ],
)  # fmt: skip
def test_a_message_is_told_in_english(message: str, told: str) -> None:
    assert in_english(message) == told


def test_released_codes_are_still_there() -> None:
    released = set((Path(__file__).parent / "released_codes.txt").read_text().split())
    assert released - all_codes() == set()


def test_the_table_of_codes_is_fresh() -> None:
    written = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    assert written == page(), "run .venv/bin/xinyi errors > docs/errors.md"
