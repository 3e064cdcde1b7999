"""Exact values out of JSON and YAML. One thing to know: points and numbers are integers of hundredths.

87.5 is held as 8750. What cannot be held exactly is refused, never rounded; the one place that rounds is
`half_up`, which a model calls once, at its end.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Annotated

from pydantic import BeforeValidator

LIMIT = 10**16
"""Numbers stay below this, so that each fits a column of 18 digits, two of them decimals."""


class BadValue(ValueError):
    """A value that cannot be used. `code` is public and never renamed; the message says what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


def half_up(numerator: int, denominator: int) -> int:
    """The integer nearest to the fraction, halves upwards. `denominator` > 0."""
    return (2 * numerator + denominator) // (2 * denominator)


def hundredths(value: object) -> int:
    """`value` (int or Decimal) times 100, exactly.

    Raises:
        ValueError: not a number, negative, 10¹⁶ or more, or with more than two decimals.
    """
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError("应为数字")
    # Compare before computing: 1e999999999 is cheap to compare and ruinous to expand.
    if isinstance(value, Decimal) and not value.is_finite():
        raise ValueError("应为有限的数字")
    if value < 0:
        raise ValueError("不能为负数")
    if value >= LIMIT:
        raise ValueError("数值过大,应小于 10 的 16 次方")
    scaled = int(value * 100)
    # The product may have been rounded to the context's 28 digits; this comparison is exact.
    if Decimal(scaled).scaleb(-2) != value:
        raise ValueError("最多只能有两位小数")
    return scaled


Points = Annotated[int, BeforeValidator(hundredths)]
"""In a file: a number with at most two decimals, never negative. Held in hundredths."""


def number_text(points: int) -> str:
    """Hundredths as a JSON number with at most two decimals: 8750 → "87.5", −200 → "-2"."""
    sign, (whole, rest) = "-" if points < 0 else "", divmod(abs(points), 100)
    return f"{sign}{whole}" + (f".{rest:02d}".rstrip("0") if rest else "")


def read_number(value: object, name: str) -> int:
    """`hundredths` of a JSON value.

    Raises:
        BadValue: `BAD_NUMBER`.
    """
    try:
        return hundredths(value)
    except ValueError as error:
        raise BadValue("BAD_NUMBER", f"{name}{error}。请填写不带引号、不超过两位小数的数字") from None


def read_flag(value: object, name: str) -> bool:
    """true or false; none is false.

    Raises:
        BadValue: `BAD_BOOLEAN`.
    """
    if value is None or isinstance(value, bool):
        return bool(value)
    raise BadValue("BAD_BOOLEAN", f"{name}只能是 true 或 false。请改正后重试")


def read_day(value: object, name: str) -> date:
    """A day written YYYY-MM-DD and in no other way.

    Raises:
        BadValue: `BAD_DATE`.
    """
    day = parse_day(value) if isinstance(value, str) else None
    if day is None:
        raise BadValue("BAD_DATE", f"{name}不是有效日期。请写成 YYYY-MM-DD 且确有这一天")
    return day


@lru_cache(maxsize=4096)
def parse_day(text: str) -> date | None:
    """The day that `text` names as YYYY-MM-DD, or None."""
    # `fromisoformat` also takes 20240229 and 2024-W09-4; the dashes' places leave one spelling.
    if len(text) != 10 or text[4] != "-" or text[7] != "-":
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
