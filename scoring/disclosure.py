"""Counts that may be published. One thing to know: no sum or difference of what is published tells of 1 to 9 subjects.

Subjects are counted by (region, industry, grade). Everything published is a sum of the same disjoint blocks of ten or
more, so tables by region and by industry agree with each other and with every total, and differences between them are
blocks again. A count under ten is only ever published inside a block that also holds its smallest neighbour of ten or
more, so nobody can tell which of them is the small one. Each block is rounded down to a multiple of ten: two months,
or two versions of a table, differ by nothing when one enterprise moves, and a block that is made of small counts
alone looks like any other.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Literal, TypeAlias

SMALLEST = 10
"""No count below this is published; published counts are multiples of it."""

Dimension: TypeAlias = Literal["region", "industry"]
Atom: TypeAlias = tuple[str | None, str | None, str]
"""Region, industry, grade. None where it is not known, and in a block where it is not told."""


def publishable(counts: Mapping[Atom, int], *, first: Dimension = "region") -> dict[Atom, int]:
    """The blocks of `counts`, each rounded down to a multiple of ten; they may be published and added at will.

    Values of the dimension `first` are told apart where possible, those of the other one within them. A block that
    tells no value stands for several. What is left when a grade has fewer than ten subjects in all is in no block.
    """
    blocks: Counter[Atom] = Counter()
    columns: dict[str, dict[str | None, dict[str | None, int]]] = defaultdict(lambda: defaultdict(dict))
    for (region, industry, grade), count in counts.items():
        row, cell = (region, industry) if first == "region" else (industry, region)
        if count:
            columns[grade][row][cell] = count
    for grade, rows in columns.items():
        totals = {row: sum(cells.values()) for row, cells in rows.items()}
        hidden = _hidden(totals)
        blocks[None, None, grade] += sum(totals[row] for row in hidden)
        for row in totals.keys() - hidden:
            cells = rows[row]
            untold = _hidden(cells)
            blocks[row, None, grade] += sum(cells[cell] for cell in untold)
            for cell in cells.keys() - untold:
                blocks[row, cell, grade] += cells[cell]
    rounded = {atom: count - count % SMALLEST for atom, count in blocks.items()}
    turned = {atom if first == "region" else (atom[1], atom[0], atom[2]): count for atom, count in rounded.items()}
    return {atom: count for atom, count in turned.items() if count}


def _hidden(counts: Mapping[str | None, int]) -> set[str | None]:
    """Those under ten and, if there are any, the smallest of the others: the first by name where several are as
    small."""
    small = {value for value, count in counts.items() if count < SMALLEST}
    others = counts.keys() - small
    if small and others:
        small.add(min(others, key=lambda value: (counts[value], value or "")))
    return small


def table(blocks: Mapping[Atom, int], by: Dimension) -> dict[tuple[str | None, str], int]:
    """Published counts by (value, grade) of one dimension; the value None gathers those not told."""
    place = 0 if by == "region" else 1
    cells: Counter[tuple[str | None, str]] = Counter()
    for atom, count in blocks.items():
        cells[atom[place], atom[2]] += count
    return dict(cells)
