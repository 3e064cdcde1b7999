"""What commands say to people. One thing to know: an error is one line, `CODE: sentence`, on standard error."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import date

import click

from scoring.values import parse_day


class WrongUse(click.UsageError):
    """The command was called in a wrong way: exit code 2, with a stable code of its own."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.stable_code = code


def day_given(text: str, option: str) -> date:
    """The day that an option names.

    Raises:
        WrongUse: `BAD_DATE`.
    """
    day = parse_day(text)
    if day is None:
        raise WrongUse("BAD_DATE", f"{option} {text[:40]} 不是有效日期。请写成 YYYY-MM-DD 且确有这一天")
    return day


def complain(code: str, message: str, *, exit_code: int) -> int:
    """Print the error; the exit code, for the caller to return."""
    line = " ".join(f"{code}: {message}".split())
    # Through the buffer: an argument may hold bytes that are no text.
    sys.stderr.buffer.write(line.encode(errors="backslashreplace") + b"\n")
    sys.stderr.flush()
    return exit_code


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Rows in columns, two blanks apart; a Chinese character is two wide."""
    cells = [head, *rows]
    widths = [max(_width(row[column]) for row in cells) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    )


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text)
