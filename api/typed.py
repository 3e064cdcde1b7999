"""What people type, as it is kept. One thing to know: what nobody sees is left out, since nobody who is told of it
could find it and take it out."""

from __future__ import annotations

from unicodedata import category

_JOINERS = "\u200c\u200d"
"""They make one picture of several, such as a family, and some scripts cannot be written without them."""
_LINES = str.maketrans({"\r": "\n", "\u2028": "\n", "\u2029": "\n", "\t": " "})


def as_typed(given: str) -> str:
    """A text of several lines, without signs that show nothing or turn the order of others around. Spaces of every
    width stay: Chinese paragraphs begin with two wide ones."""
    lines = given.replace("\r\n", "\n").translate(_LINES)
    return "".join(sign for sign in lines if sign in _JOINERS or category(sign) != "Cf").strip()


def one_line(given: str) -> str:
    """A text of one line, such as a file's name: spaces of every width and number become one."""
    return " ".join("".join(sign for sign in as_typed(given) if sign not in _JOINERS).split())
