"""What the code says to people, read from its source. One thing to know: only what is passed to an error (an
`ExpectedError`, a `GraphQLError`, an `HttpProblem`) or lies in `SAID` must have an English sentence; any other text of
the code may, where it becomes part of a message.
"""

from __future__ import annotations

import ast
import keyword
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = ("api", "core", "legal", "partners", "scoring")
"""Whose messages can reach a client. The command line's own are told in Chinese alone."""
SAID = (
    "api/errors.py",
    "legal/guard.py",
    "legal/listed.py",
    "partners/eligibility.py",
    "partners/limits.py",
    "partners/next_steps.py",
    "partners/offline/passes.py",
    "partners/onboarding/workflow.py",
    "partners/sandbox/judging.py",
)
"""Files whose sentences are told to people without being raised."""
_CHINESE = re.compile(r"[\u3400-\u9fff]")
_PLACE = re.compile(r"\{\w*\}")
_SENTENCE = re.compile(r"[。!?]")


@dataclass(frozen=True)
class Said:
    """A text of the code that has Chinese in it."""

    template: str
    """As `str.format` takes it; each place is named after what the code puts there."""
    file: str
    line: int
    raised: str
    """The error it is passed to, or empty."""
    codes: tuple[str, ...] = field(default=())
    """Texts in capitals beside it in the call, such as a code of its own."""

    @property
    def is_message(self) -> bool:
        """Whether clients are told it as it stands."""
        if self.file.startswith("cli/"):
            return False
        return bool(self.raised) or (self.file in SAID and bool(_SENTENCE.search(self.template)))


@cache
def said() -> tuple[Said, ...]:
    """Every text of the code that has Chinese in it, docstrings apart, in the order of the files."""
    trees = {
        str(path.relative_to(ROOT)): ast.parse(path.read_text(encoding="utf-8"))
        for package in (*PACKAGES, "cli")
        for path in sorted((ROOT / package).rglob("*.py"))
    }
    errors = _errors(trees)
    return tuple(text for file, tree in trees.items() for text in _said_in(tree, file, errors))


def template_of(node: ast.Constant | ast.JoinedStr) -> str:
    """A string of the source as a template for `str.format`."""
    if isinstance(node, ast.Constant):
        # Where a constant has places, the code itself gives it to `str.format`.
        return "".join(
            part.replace("{}", "{value}") if _PLACE.fullmatch(part) else _escaped(part)
            for part in re.split(rf"({_PLACE.pattern})", str(node.value))
        )
    used: list[str] = []
    return "".join(
        _escaped(str(part.value)) if isinstance(part, ast.Constant) else "{" + _name(part, used) + "}"
        for part in node.values
    )


def _escaped(literal: str) -> str:
    return literal.replace("{", "{{").replace("}", "}}")


def _name(place: ast.expr, used: list[str]) -> str:
    """The last word of an expression that is not quoted: `error.strerror` → strerror, `'、'.join(known)` → known."""
    assert isinstance(place, ast.FormattedValue)  # noqa: S101  # nothing else lies between the parts of an f-string
    bare = re.sub(r"'[^']*'|\"[^\"]*\"", "", ast.unparse(place.value))
    words = [word.strip("_").lower() for word in re.findall(r"[A-Za-z_]\w*", bare) if not keyword.iskeyword(word)]
    name = words[-1] if words else "value"
    used.append(name)
    return name if used.count(name) == 1 else f"{name}{used.count(name)}"


def _errors(trees: dict[str, ast.Module]) -> frozenset[str]:
    """Names of the classes that carry a message out of the house."""
    bases: dict[str, set[str]] = {}
    for tree in trees.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                bases.setdefault(node.name, set()).update(ast.unparse(base).split(".")[-1] for base in node.bases)
    known = {"ExpectedError", "GraphQLError", "HttpProblem"}
    while more := {name for name, above in bases.items() if above & known} - known:
        known |= more
    return frozenset(known)


def _said_in(tree: ast.Module, file: str, errors: frozenset[str]) -> Iterator[Said]:
    raised: dict[ast.AST, tuple[str, tuple[str, ...]]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and node.name in errors:
            raised |= dict.fromkeys(_texts(node), (node.name, ()))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (name := ast.unparse(node.func).split(".")[-1]) in errors:
            given = [*node.args, *(word.value for word in node.keywords)]
            codes = tuple(
                one.value
                for one in given
                if isinstance(one, ast.Constant) and isinstance(one.value, str) and re.fullmatch("[A-Z_]+", one.value)
            )
            raised |= dict.fromkeys((text for one in given for text in _texts(one)), (name, codes))
    silent = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for text in _texts(tree, inner=True):
        name, codes = raised.get(text, ("", ()))
        if text not in silent:
            yield Said(template_of(text), file, text.lineno, name, codes)


def _texts(node: ast.AST, *, inner: bool = False) -> Iterator[ast.Constant | ast.JoinedStr]:
    """The strings below a node that have Chinese signs; with `inner` also those within the places of another."""
    if isinstance(node, ast.JoinedStr):
        if _CHINESE.search(template_of(node)):
            yield node
        for part in node.values if inner else ():
            if isinstance(part, ast.FormattedValue):
                yield from _texts(part.value, inner=True)
    elif isinstance(node, ast.Constant):
        if isinstance(node.value, str) and _CHINESE.search(node.value):
            yield node
    else:
        for child in ast.iter_child_nodes(node):
            yield from _texts(child, inner=inner)
