"""Identity numbers: by the standard, one sign wrong is seen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import BadInput
from core.identifiers import check_digit_of, check_resident_id

EXAMPLES = ("11010519491231002X", "440524188001010014")
"""Those in GB 11643 itself."""


@pytest.mark.parametrize("number", EXAMPLES)
def test_the_standards_own_examples_are_numbers(number: str) -> None:
    assert check_resident_id(number) == number
    assert check_resident_id(f" {number.lower()} ") == number


@given(st.sampled_from(EXAMPLES), st.integers(0, 16), st.integers(1, 9))
def test_one_digit_wrong_is_seen(number: str, at: int, by: int) -> None:
    wrong = f"{number[:at]}{(int(number[at]) + by) % 10}{number[at + 1 :]}"
    with pytest.raises(BadInput):
        check_resident_id(wrong)


@given(
    st.integers(0, 15),
    st.from_regex(r"[1-9][0-9]{5}19[5-9][0-9](0[1-9]|1[0-2])(0[1-9]|1[0-9])[0-9]{3}", fullmatch=True),
)
def test_two_neighbours_in_each_others_place_are_seen(at: int, front: str) -> None:
    turned = front[:at] + front[at + 1] + front[at] + front[at + 2 :]
    assert (check_digit_of(turned) == check_digit_of(front)) == (turned == front)
