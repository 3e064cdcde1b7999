"""What people are told, in two languages. One thing to know: a message is made in Chinese, where it is raised; its
English is found for the finished sentence, and only when it is asked for.

`en/*.yaml` hold a line for each template of the code, `Chinese: English`, with the same `{names}` in both; a test
gathers the templates from the code and fails where one has no English. Words of rule files come from `english.yaml`
beside them (`core.places.english_words`). `graphql.yaml` has Chinese for what graphql-core says.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache, cached_property, lru_cache
from pathlib import Path
from string import Formatter
from typing import Literal

from core.datafile import RuleFile

HERE = Path(__file__).parent
LONGEST = 4_000
"""Characters of a message that is looked up; a longer one stays as it is."""
UNKNOWN = "请求不合 GraphQL 的规定。请对照模式和 GraphQL 规范检查。"
"""For what graphql-core says and `graphql.yaml` does not know."""
MOST_SENTENCES = 12
"""Sentences of a message that is taken apart."""
_PLACE = re.compile(r"(?<!\{)\{\w+\}")
_CHINESE = re.compile(r"[\u3400-\u9fff]")
_SENTENCE = re.compile(r"[^。]*。|[^。]+$")
_FINDINGS = re.compile(r"(?<=\)) (?=\[)")
_JOINTS = ((";", "; "), (" 或 ", " or "), ("、", ", "))
"""What the parts of a value are joined by, in Chinese and in English."""
_UNQUOTED = "(?![^「」]*」)"
"""Not within a name, which may be a list itself."""
_CLAUSE = re.compile(",?(?:「[^」]*」|[^,])+")
_LINE = re.compile(r"(?P<name>\S+):(?P<line>\d+): (?P<told>.+)", re.DOTALL)
"""Where in a file something is wrong, before what."""
_QUOTED = re.compile("「(?P<name>[^「」]*)」")
_QUOTED_FIRST = re.compile("(?P<name>「[^「」]*」)(?P<rest>[^、,].*)")
_CITED = re.compile(r"(?P<said>[^《]+)\((?P<source>《.+)\)")
"""What is said, and in brackets the document that says so."""
_MEANT = re.compile(r" Did you mean (?P<names>[^?]+)\?")
_SCALAR = re.compile(r"(Expected|Within|Int|Float|String|Boolean|ID|Enum|Value) ")


_CLAUSE_AT_MOST = "(?:「[^」]*」|[^。,;])*?"
Held = Literal["tight", "strict", "loose"]
"""What places may hold: no more than a clause, no more than a sentence, or anything."""


class _Open:
    """A template with places left open; made a pattern when it is first needed, as most never are."""

    def __init__(self, said: str, told: str) -> None:
        self._parts = list(Formatter().parse(said))
        self.told = told
        self.longest = max((literal for literal, *_ in self._parts), key=len)
        """The longest of its pieces: where that is not found, nothing need be tried."""

    @cached_property
    def tight(self) -> re.Pattern[str]:
        """The same where no place holds a clause either, unless it is quoted."""
        return self._pattern(_CLAUSE_AT_MOST)

    @cached_property
    def strict(self) -> re.Pattern[str]:
        """What it matches, each place by its name, where no place holds a sentence."""
        return self._pattern("[^。]*?")

    @cached_property
    def loose(self) -> re.Pattern[str]:
        """The same where they may, all but the first: that would be a message before this one."""
        return self._pattern(".*?")

    def _pattern(self, place: str) -> re.Pattern[str]:
        pattern = ""
        for literal, name, *_ in self._parts:
            held = place if pattern or literal or place == _CLAUSE_AT_MOST else "[^。]*?"
            if place == _CLAUSE_AT_MOST and literal.endswith("「"):
                held = "[^「」]*"
            pattern += re.escape(literal) + (f"(?P<{name}>{held})" if name is not None else "")
        # Where a place stands last, the full stop is its own.
        return re.compile(f"{pattern[:-1]}。?)" if pattern.endswith(f"{place})") else pattern, re.DOTALL)


class Templates:
    """Sentences, some with places left open, found again in finished ones; the earlier is tried first."""

    def __init__(self, pairs: Mapping[str, str]) -> None:
        self._closed = {said.format(): told.format() for said, told in pairs.items() if not _PLACE.search(said)}
        self._open = [_Open(said, told) for said, told in pairs.items() if _PLACE.search(said)]

    def find(self, sentence: str, value: Callable[[str], str], *, held: Held = "loose") -> str | None:
        """The other half of the first template that makes the sentence, its values passed through `value`.

        The code puts a full stop after some messages that have none of their own: these are found as well.
        """
        bare = sentence.removesuffix("。")
        if sentence in self._closed or bare in self._closed:
            return self._closed.get(sentence) or f"{self._closed[bare]}."
        for one in self._open:
            if one.longest not in sentence:
                continue
            for given, end in ((sentence, ""), (bare, ".")):
                if found := getattr(one, held).fullmatch(given):
                    told = one.told.format(**{name: value(text) for name, text in found.groupdict().items()})
                    return told + (end if given != sentence else "")
        return None


def english_of() -> dict[str, str]:
    """All templates of ours: Chinese → English."""
    return {said: told for path in sorted(HERE.glob("en/*.yaml")) for said, told in _lines(path).items()}


def graphql_sentences() -> dict[str, str]:
    """Templates of what graphql-core says → Chinese."""
    return _lines(HERE / "graphql.yaml")


def _lines(path: Path) -> dict[str, str]:
    content = RuleFile(path, root=HERE).content
    return dict(content or {})


@cache
def _english() -> Templates:
    # The one that says most of itself is the most special.
    return Templates(dict(sorted(english_of().items(), key=lambda pair: -len(_PLACE.sub("", pair[0])))))


@cache
def _graphql() -> Templates:
    return Templates(graphql_sentences())


class English:
    """English for finished messages, and for the words of a deployment's rule files."""

    def __init__(self, words: Mapping[str, str]) -> None:
        """`words`: Chinese → English of what rule files name and say."""
        self._words = words
        self.tell = lru_cache(maxsize=4000)(self._tell)
        """A message, name or text in English; what has no English, such as a name, stays as it is."""
        self._by_sentences = lru_cache(maxsize=1000)(self._sentences)

    def _tell(self, text: str) -> str:
        if len(text) > LONGEST:
            return text
        if "\n" in text and self._find(text) is None:  # a text of several lines: each by itself
            told = "\n".join(map(self._value, text.split("\n")))
        else:
            told = self._value(text)
        if _CHINESE.findall(told) == _CHINESE.findall(text) != []:
            return text  # where no word was told, its punctuation is not ours either
        return told.replace("  ", " ")  # where a place turned out empty, two blanks meet

    def _find(self, text: str, *, held: Held = "loose") -> str | None:
        return self._words.get(text) or _english().find(text, self._value, held=held)

    def _value(self, text: str) -> str:
        """A message, or a value in one: itself a message, several of them, or a name."""
        if not _CHINESE.search(text):
            return text.replace("、", ", ")
        if text in self._words:
            return self._words[text]
        if _FINDINGS.search(text):
            head, colon, rest = text.partition(":")
            findings = " ".join(self._value(part) for part in _FINDINGS.split(rest if colon else text))
            return f"{self._value(head)}: {findings}" if colon and not head.startswith("[") else findings
        sentences = tuple(_SENTENCE.findall(text))
        told = self._by_sentences(sentences) if len(sentences) <= MOST_SENTENCES else None
        return self._by_parts(text) if told is None else " ".join(told)

    def _sentences(self, sentences: tuple[str, ...]) -> tuple[str, ...] | None:
        """One message, or several that were put together, each the longest that is known; None where one is unknown."""
        if not sentences:
            return ()
        if len(sentences) == 1 and (tight := self._tight(sentences[0])):
            return (tight,)
        for held in ("strict", "loose"):
            for end in range(len(sentences), 0, -1):
                found = self._find("".join(sentences[:end]), held=held)
                rest = self._by_sentences(sentences[end:]) if found is not None else None
                if found is not None and rest is not None:
                    return (found.strip(), *rest) if rest else (found.lstrip(),)
        return None

    def _tight(self, sentence: str) -> str | None:
        """A sentence told as one, or else in runs of clauses, where each of them is known by itself."""
        if found := self._find(sentence, held="tight"):
            return found.lstrip()
        told = self._runs(tuple(_CLAUSE.findall(sentence.removesuffix("。"))))
        return told and told.lstrip() + ("." if sentence.endswith("。") else "")

    def _runs(self, clauses: tuple[str, ...]) -> str | None:
        if not clauses:
            return ""
        for end in range(len(clauses), 0, -1):
            found = self._run("".join(clauses[:end]))
            rest = self._runs(clauses[end:]) if found is not None else None
            if found is not None and rest is not None:
                return found + rest
        return None

    def _run(self, run: str) -> str | None:
        bare = run.removeprefix(",")
        if found := self._find(run, held="tight"):
            return found
        found = self._find(bare, held="tight") or (self._find(f"{bare}。", held="tight") or "").removesuffix(".")
        return (f", {found}" if bare != run else found) if found else None

    def _by_parts(self, text: str) -> str:
        """What was put together from parts, with those told that are known."""
        if formed := self._by_form(text):
            return formed
        head, colon, rest = text.partition(":")
        if colon and (known := self._find(head)):
            return f"{known}: {self._value(rest)}"
        for joint, told in _JOINTS:
            if len(parts := re.split(f"{joint}{_UNQUOTED}", text)) > 1:
                return told.join(map(self._value, parts))
        clauses = _CLAUSE.findall(text.removesuffix("。"))
        if len(clauses) > 1:
            return "".join(map(self._clause, clauses)).lstrip() + ("." if text.endswith("。") else "")
        return " ".join(self._find(word) or word for word in text.split(" "))

    def _by_form(self, text: str) -> str | None:
        if found := _LINE.fullmatch(text):
            return f"{self._find(found['name']) or found['name']}:{found['line']}: {self._value(found['told'])}"
        if found := _QUOTED.fullmatch(text):
            return f"“{self._value(found['name'])}”"
        if found := _QUOTED_FIRST.fullmatch(text):
            return f"{self._value(found['name'])} {self._value(found['rest'])}"
        if found := _CITED.fullmatch(text):
            return f"{self._value(found['said'])} ({found['source']})"
        return None

    def _clause(self, text: str) -> str:
        if found := self._find(text):
            return found
        return f", {self._value(text[1:])}" if text.startswith(",") else self._value(text)


@cache
def _without_words() -> English:
    return English({})


def in_english(message: str) -> str:
    """A message of the code in English, where no rule file's words are at hand."""
    return _without_words().tell(message)


@lru_cache(maxsize=1000)
def in_chinese(sentence: str) -> str:
    """What graphql-core says, in Chinese; our own messages are in Chinese already and stay as they are.

    Of the values that were given nothing is repeated but names.
    """
    if len(sentence) > LONGEST:
        return UNKNOWN
    meant = _MEANT.search(sentence)
    found = _graphql().find(_MEANT.sub("", sentence), _graphql_value)
    if found is None:
        return sentence if _CHINESE.search(sentence) else UNKNOWN
    names = "、".join(re.findall(r"'([^']+)'", meant["names"])) if meant else ""
    return f"{found}可能想写的是 {names}。" if names else found


def _graphql_value(value: str) -> str:
    """A value in a sentence of graphql-core: the finding of a scalar, or a name."""
    return in_chinese(value) if _SCALAR.match(value) else value
