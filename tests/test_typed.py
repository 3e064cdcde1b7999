"""What people type is taken as people type it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.case_requests import LONGEST_STATEMENT, statement_text
from api.typed import as_typed, one_line
from core.errors import BadInput
from core.identifiers import holds_resident_id

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"


def test_a_paragraph_begins_with_two_wide_spaces_and_may_have_tabs_and_lines() -> None:
    assert (
        statement_text("  情况如下:\r\n\u3000\u3000第一\t处。\r第二处。\n")
        == "情况如下:\n\u3000\u3000第一 处。\n第二处。"
    )


def test_signs_that_show_nothing_or_turn_others_around_are_left_out() -> None:
    assert statement_text("\ufeff不\u200b是\u202e我\u2066。") == "不是我。"


def test_a_family_a_rare_letter_and_another_script_stay_what_they_are() -> None:
    said = f"{FAMILY} \U00031350\ue000 ئۇيغۇر"
    assert statement_text(said) == said


@pytest.mark.parametrize(
    "said", ["", " \u3000\n", "\u200b", "一\x00二", "一\x1b[31m二", "\ud800", "长" * (LONGEST_STATEMENT + 1)]
)
def test_nothing_too_much_and_signs_of_machines_are_refused(said: str) -> None:
    with pytest.raises(BadInput):
        statement_text(said)


def test_a_file_may_be_named_as_telephones_name_them() -> None:
    assert one_line("截屏\u00a02026-11-22\u202f3.00.00\u3000PM.png") == "截屏 2026-11-22 3.00.00 PM.png"
    assert one_line(f"{FAMILY}.png") == "\U0001f468\U0001f469\U0001f467.png"


@given(st.text())
def test_what_was_made_plain_once_is_plain(said: str) -> None:
    assert as_typed(as_typed(said)) == as_typed(said)
    assert one_line(one_line(said)) == one_line(said)


@given(st.text(alphabet="\u200b\u2060\ufeff", min_size=1, max_size=3), st.integers(min_value=1, max_value=17))
def test_nobodys_number_hides_behind_what_is_not_seen(unseen: str, at: int) -> None:
    number = "11010519491231002X"
    assert holds_resident_id(one_line(number[:at] + unseen + number[at:]))
