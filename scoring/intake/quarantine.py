"""The file to send back: what was refused, where it stood, and why. One thing to know: it leaves the house, so it has
no forbidden kind of data, no readable identity number, and no cell that a spreadsheet would run.
"""

from __future__ import annotations

import csv
import os
import re
import unicodedata
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from types import TracebackType

from core.identifiers import is_uscc, mask_number, mask_text
from scoring.intake.cells import Cell
from scoring.intake.columns import Columns
from scoring.intake.files import RawRow
from scoring.intake.rows import Rejected

OWN_COLUMNS = ("行号", "错误代码", "原因")


class Quarantine:
    """Where refused rows go, to be used in a `with` block: CSV in UTF-8 with BOM, whole at the end or not at all.

    Without a path, nowhere. Columns that the catalogue does not know and whose names give away a kind of data that may
    not be collected are left out.
    """

    def __init__(self, path: Path | None, columns: Columns) -> None:
        self.columns = columns
        self._path = path
        self._kept = tuple(i for i in range(len(columns.header)) if i in columns.fields or self._may_return(i))
        own = sum(name.strip() in OWN_COLUMNS for name in columns.header)
        self._nothing_left_out = len(self._kept) + own == len(columns.header)
        self._codes = {i for i, field in columns.fields.items() if field.type == "subject-code"}

    def __enter__(self) -> Quarantine:
        """Open it.

        Raises:
            OSError: it cannot be written there.
        """
        if self._path is not None:
            # Beside its place, so that moving it there is one step; readable by its owner alone.
            self._file = NamedTemporaryFile(
                "w",
                encoding="utf-8-sig",
                newline="",
                dir=self._path.parent,
                prefix=f".{self._path.name}.",
                delete=False,
            )
            self._writer = csv.writer(self._file)
            self._writer.writerow([*(shown(self.columns.header[i]) for i in self._kept), *OWN_COLUMNS])
        return self

    def add(self, row: RawRow, rejected: Rejected) -> None:
        """A row to send back."""
        if self._path is None:
            return
        # Where the cells are not those of the header, a forbidden one may stand under any name.
        cells = row.cells if row.flaw is None or self._nothing_left_out else ()
        back = [
            "" if i >= len(cells) else _shown_code(cells[i]) if i in self._codes else shown(cells[i])
            for i in self._kept
        ]
        hint = f"(可能应为 {rejected.suggestion})" if rejected.suggestion else ""
        self._writer.writerow([*back, row.number, rejected.code, f"{rejected.reason}{hint}"])

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, at: TracebackType | None
    ) -> None:
        if self._path is None:
            return
        try:
            with self._file:
                self._file.flush()
                os.fsync(self._file.fileno())
            if kind is None:
                Path(self._file.name).replace(self._path)
        finally:
            with suppress(FileNotFoundError):
                Path(self._file.name).unlink()

    def _may_return(self, place: int) -> bool:
        name = self.columns.header[place].strip()
        return name not in OWN_COLUMNS and not any(one.named_in("", name) for one in self.columns.item.forbidden)


def shown(cell: Cell) -> str:
    """A cell as it may leave the house: identity numbers masked, in one line, nothing that a spreadsheet would run."""
    text = _ROUNDED_NUMBER.sub("***", mask_text(_without_unseen(str(cell))))
    return f"'{text}" if text.lstrip()[:1] in _RUN else text


_RUN = frozenset("=+-@＝＋－＠")
_ROUNDED_NUMBER = re.compile(r"\d\.\d{8,}[eE]\+?1\d")


def _shown_code(cell: Cell) -> str:
    text = "".join(_without_unseen(str(cell)).split())
    folded = unicodedata.normalize("NFKC", text).upper()
    digits = sum(sign.isdecimal() or sign in "OIL" for sign in folded)
    # Nearly all digits: a person's number with a slip of the pen, whatever the slip was.
    if digits >= 12 and digits >= len(folded) - 2 and not (is_uscc(folded) and mask_text(folded) == folded):
        return shown(mask_number(text))
    return shown(text)


def _without_unseen(text: str) -> str:
    # What cannot be seen may part the digits of a number, or break out of the cell.
    return "".join(
        " " if sign.isspace() else sign for sign in text if sign.isspace() or unicodedata.category(sign)[0] != "C"
    )
