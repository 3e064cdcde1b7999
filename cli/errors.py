"""`xinyi errors`: the table of codes in docs/errors.md. One thing to know: it is made from the code alone: a code from
the class that carries it, what it means from that class's docstring, what people are told from where it is raised.
"""

from __future__ import annotations

import ast
import pkgutil
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib import import_module

import click

from cli.messages import PACKAGES, ROOT, Said, said, template_of

MOST_TOLD = 3
"""Messages shown of one code; the others are of the same sort."""
ALONE = ("core.checkpoints", "core.calendar", "legal.described", "scoring.population")
"""Modules that only commands call."""
_CODE = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)+|[A-Z]{4,}")
_HEAD = """# Codes of errors

Made by `xinyi errors > docs/errors.md`; a test says when it is out of date. A code is stable: it may be added, never
renamed or removed. A message is for people and may change. `{name}` stands for what was given.

Messages are in Chinese. English is told to whoever asks for it: `Accept-Language: en` on every HTTP request (with
q-values; in a draw the first named counts), and over WebSocket in the handshake or as `acceptLanguage` in the payload
of `connection_init`. What has no English, such as a name, stays as it is.

```sh
curl -s 127.0.0.1:8000/graphql -H 'Content-Type: application/json' -H 'Accept-Language: en' \\
    -d '{"query": "{ me { id } }"}'
```
"""


@dataclass
class Code:
    """One code, and all that is said with it."""

    code: str
    means: list[str] = field(default_factory=list)
    where: set[str] = field(default_factory=set)
    messages: list[str] = field(default_factory=list)


@click.command()
def errors() -> None:
    """输出错误代码表(docs/errors.md 的内容)。"""
    click.echo(page(), nl=False)


def page() -> str:
    """The table of all codes as Markdown."""
    from api.messages import in_english
    from partners.eligibility import MESSAGES

    parts = [_HEAD]
    chapters = (
        (
            "GraphQL and HTTP",
            "`Problem`: the member of a mutation's result; the same code stands at the top level where a query fails. "
            "HTTP statuses are those of `application/graphql-response+json`.",
            _carried(is_alone=False),
        ),
        ("`POST /oauth/token`", "`xinyi_code`, finer than the `error` of RFC 6749.", _sign_in()),
        ("Lines and rows", "In `error.code` of a line, a row or a cell that cannot be used.", _values()),
        (
            "The command line",
            "On standard error, `CODE: message`; exit code 1 for bad input, 2 for wrong use.",
            _alone(),
        ),
    )
    for title, text, codes in chapters:
        parts.append(f"## {title}\n\n{text}\n")
        parts.append(_table(codes))
    parts.append("## Reasons for the standard service\n\n`WhyNot`, told to the subject alone.\n")
    rows = ((f"`{reason.value}`", told, in_english(told)) for reason, told in MESSAGES.items())
    parts.append(_rows(("code", "中文", "English"), rows))
    return "\n".join(parts)


def all_codes() -> set[str]:
    """Every code that somebody outside can meet."""
    from partners.eligibility import WhyNot

    found = (*_carried(is_alone=False), *_sign_in(), *_values(), *_alone())
    return {one.code for one in found} | {reason.value for reason in WhyNot}


def _carried(*, is_alone: bool) -> list[Code]:
    """The codes of exceptions; those that only commands raise, or the others."""
    from api.errors import MASKED, TOP_LEVEL
    from api.transport.http import STATUS
    from core.errors import StartupError

    codes: dict[str, Code] = {}
    for kind in _classes():
        module = kind.__module__
        alone = module.startswith(("cli.", *ALONE)) or issubclass(kind, StartupError)
        if alone is not is_alone or not hasattr(kind, "code"):
            continue
        one = codes.setdefault(kind.code, Code(kind.code))
        meaning = _first_sentence(kind.__doc__ or "")
        if meaning not in one.means:
            one.means.append(meaning)
        if not alone:
            status = f", HTTP {STATUS[kind.code]}" if kind.code in STATUS else ""
            top = "top level" if kind.code in TOP_LEVEL else "`Problem` or top level"
            one.where.add(f"{top}{status}")
        one.messages += [text.template for text in said() if text.raised == kind.__name__]
    if not is_alone:
        masked = Code(
            "INTERNAL_SERVER_ERROR", ["A bug of ours, logged under its `requestId`."], {"top level, HTTP 500"}
        )
        codes[masked.code] = Code(masked.code, masked.means, masked.where, [MASKED])
    return sorted(codes.values(), key=lambda one: one.code)


def _classes() -> Iterator[type]:
    from core.errors import ExpectedError

    for package in (*PACKAGES, "cli"):
        for module in pkgutil.walk_packages(import_module(package).__path__, f"{package}."):
            if not module.name.endswith("__main__"):
                import_module(module.name)
    waiting: list[type] = [ExpectedError]
    seen: set[type] = set()
    while waiting:
        kind = waiting.pop()
        seen.add(kind)
        waiting += set(type.__subclasses__(kind)) - seen
    yield from sorted(
        (kind for kind in seen if kind.__module__.partition(".")[0] in (*PACKAGES, "cli")),
        key=lambda kind: (kind.__module__, kind.__name__),
    )


def _sign_in() -> list[Code]:
    return _coded(text for text in said() if text.raised == "SignInRefused")


def _coded(texts: Iterable[Said]) -> list[Code]:
    codes: dict[str, Code] = {}
    for text in texts:
        for code in text.codes:
            codes.setdefault(code, Code(code)).messages.append(text.template)
    return sorted(codes.values(), key=lambda one: one.code)


def _values() -> list[Code]:
    """Codes that stand first in a call, with a message beside them: `BadValue("BAD_DATE", …)`."""
    return _called({"BadValue", "Rejected", "Flaw"}, PACKAGES)


def _alone() -> list[Code]:
    called = {one.code: one for one in _called({"WrongUse", "complain"}, ("cli",))}
    for carried in _carried(is_alone=True):
        known = called.setdefault(carried.code, carried)
        if known is not carried:
            known.means, known.messages = carried.means, [*known.messages, *carried.messages]
    return sorted(called.values(), key=lambda one: one.code)


def _called(names: set[str], packages: Iterable[str]) -> list[Code]:
    codes: dict[str, Code] = {}
    for package in packages:
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if not isinstance(node, ast.Call) or ast.unparse(node.func).split(".")[-1] not in names:
                    continue
                texts = [one for one in node.args[:2] if isinstance(one, ast.Constant | ast.JoinedStr)]
                if len(texts) == 2 and isinstance(texts[0], ast.Constant) and _CODE.fullmatch(str(texts[0].value)):
                    code = str(texts[0].value)
                    codes.setdefault(code, Code(code)).messages.append(template_of(texts[1]))
    return sorted(codes.values(), key=lambda one: one.code)


def _first_sentence(docstring: str) -> str:
    paragraph = " ".join(docstring.partition("\n\n")[0].split())
    return re.split(r"(?<=\.) (?=[A-Z`])", paragraph)[0]


def _table(codes: list[Code]) -> str:
    from api.messages import english_of

    known = english_of()
    is_placed = any(one.where for one in codes)
    has_english = any(text in known for one in codes for text in one.messages)
    has_meaning = any(one.means for one in codes)
    head = ["code", *(["where"] if is_placed else []), *(["means"] if has_meaning else []), "中文"]
    rows = []
    for one in codes:
        shown = list(dict.fromkeys(one.messages))[:MOST_TOLD]
        told = [known.get(text, "") for text in shown]
        rows.append(
            [
                f"`{one.code}`",
                *([" · ".join(sorted(one.where))] if is_placed else []),
                *([" ".join(one.means)] if has_meaning else []),
                "<br>".join(shown),
                *(["<br>".join(text for text in told if text)] if has_english else []),
            ]
        )
    return _rows([*head, *(["English"] if has_english else [])], rows)


def _rows(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    lines = [head, ["---"] * len(head), *(list(row) for row in rows)]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"
