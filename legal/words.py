"""Reads an offer's free texts for harm written only there. One thing to know: a phrase is judged within its sentence,
and a denial («不加收») excuses it only within its own clause, so a denial in one clause hides nothing in the next."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator
from pydantic import Field as PydanticField

from core.datafile import Document, RuleFile
from core.places import Source
from legal.effects import Effect

FILE = "words.yaml"

Field = Literal["title", "standard_service", "benefit", "conditions"]
Verdict = Literal["unlawful", "review"]
Payer = Literal["outsiders", "public-budget", "third-party", "partner"]
"""Whom words for a payer name; `outsiders` are those who get nothing, all customers, or the one who is served."""


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"正则表达式有误:{error}") from None
    return pattern


Regex = Annotated[str, AfterValidator(_compiles)]


class Phrase(Document):
    """One way of writing harm, and the rule it breaks."""

    id: str
    rule: str
    protected_rule: str | None = None
    """The rule it breaks where the offer concerns a protected service."""
    loan_rule: str | None = None
    """The rule it breaks in an offer of kind `loan`."""
    verdict: Verdict = "unlawful"
    elsewhere: Verdict | None = None
    """The verdict where the sentence does not speak of those outside the offer, if it is another."""
    only_of_outsiders: bool = False
    """Count it only in a sentence that speaks of those outside the offer."""
    after_outsiders: bool = False
    """Count it only after the words for those outside, and only where nothing said of them is reassuring."""
    only_of_protected: bool = False
    """Count it only in an offer that concerns a protected service or right."""
    fields: tuple[Field, ...] = ("title", "standard_service", "benefit", "conditions")
    says: tuple[Regex, ...]
    unless: tuple[Regex, ...] = ()
    """What, in the same clause, makes it harmless."""
    not_of: tuple[Effect, ...] = ()
    """Additions that it is the ordinary word for, and that a rule of their own judges."""
    is_denial: bool = False
    """It is itself a denial («无需本人同意»), so a denial in its clause does not excuse it."""
    why: str
    remedy: str
    source: Source | None = None
    """Where it differs from the rule's own."""


class _File(Document):
    revised_on: date
    """Day of the last revision; the checksum in every proof pins the text."""
    outsiders: tuple[Regex, ...] = ()
    reassurance: tuple[Regex, ...] = ()
    denial: tuple[Regex, ...] = ()
    credit_words: tuple[Regex, ...] = ()
    differs: tuple[Regex, ...] = ()
    prices: tuple[Regex, ...] = ()
    figures: tuple[Regex, ...] = ()
    effect_words: dict[Effect, tuple[Regex, ...]] = PydanticField(default_factory=dict)
    effect_words_elsewhere: dict[Effect, tuple[Regex, ...]] = PydanticField(default_factory=dict)
    neutral_conditions: tuple[Regex, ...] = ()
    necessary_consents: tuple[Regex, ...] = ()
    publicity_consents: tuple[Regex, ...] = ()
    own_consent: tuple[Regex, ...] = ()
    tie_break_matters: tuple[Regex, ...] = ()
    tender_matters: tuple[Regex, ...] = ()
    unchanged: tuple[Regex, ...] = ()
    newly_added: tuple[Regex, ...] = ()
    payers: dict[Payer, tuple[Regex, ...]] = PydanticField(default_factory=dict)
    gives_way: tuple[Regex, ...] = ()
    ties: tuple[Regex, ...] = ()
    inspected_less: tuple[Regex, ...] = ()
    grades: tuple[Regex, ...] = ()
    excluded_fields: tuple[Regex, ...] = ()
    cited_lists: tuple[Regex, ...] = ()
    ordinary_documents: tuple[Regex, ...] = ()
    phrases: tuple[Phrase, ...] = ()


@dataclass(frozen=True)
class Reading:
    """A phrase found: where, in which words, and how it is judged."""

    phrase: Phrase
    field: Field
    quote: str
    verdict: Verdict


@dataclass(frozen=True)
class _Compiled:
    phrase: Phrase
    says: re.Pattern[str]
    unless: re.Pattern[str]


_NOTHING = re.compile(r"(?!)")
_YUAN = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*元")
_LETTER_GRADE = re.compile(r"[a-d]{1,3}[+-]?")
_INVISIBLE = re.compile(r"[\u00ad\u200b-\u200f\u2060\ufeff]")
_INNER_BLANK = re.compile(r"(?<=[^\x00-\x7f])[ \t\u3000·•._*-]+(?=[^\x00-\x7f])")
_SENTENCE = re.compile(r"[。;!?\n]+|\.(?=\s|$)")
_CLAUSE_END = re.compile(r"[,:]|(?<!不)但(?!是?不限于)|然而|不过|否则|却")


def _any_of(patterns: Sequence[str]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{p})" for p in patterns)) if patterns else _NOTHING


def normal(text: str) -> str:
    """`text` in one width, without invisible characters or fillers between Chinese characters (插 队 → 插队)."""
    return _INNER_BLANK.sub("", _INVISIBLE.sub("", unicodedata.normalize("NFKC", text))).lower()


def _clause_around(sentence: str, start: int, end: int) -> str:
    """The clause, or clauses, in which `sentence[start:end]` stands."""
    cuts = [0, *(m.end() for m in _CLAUSE_END.finditer(sentence)), len(sentence)]
    left = max(cut for cut in cuts if cut <= start)
    right = min(cut for cut in cuts if cut >= end)
    return sentence[left:right]


TEXTS_REMEMBERED = 65_536
"""How many texts of offers are not read a second time."""


class Words:
    """The word lists of a place, ready to read with."""

    def __init__(self, files: Sequence[_File]) -> None:
        denial = [p for f in files for p in f.denial]
        self.phrases = tuple(p for f in files for p in f.phrases)
        self._compiled = tuple(
            _Compiled(p, _any_of(p.says), _any_of([*p.unless, *([] if p.is_denial else denial)])) for p in self.phrases
        )
        self._denial = _any_of(denial)
        self._credit_words = _any_of([p for f in files for p in f.credit_words])
        self._outsiders = _any_of([p for f in files for p in f.outsiders])
        self._differs = _any_of([p for f in files for p in f.differs])
        self._effect_words = {e: _any_of(p) for f in reversed(files) for e, p in f.effect_words.items()}
        self._elsewhere = {e: _any_of(p) for f in reversed(files) for e, p in f.effect_words_elsewhere.items()}
        self._prices = _any_of([p for f in files for p in f.prices])
        self._figures = _any_of([p for f in files for p in f.figures])
        self._reassurance = _any_of([p for f in files for p in f.reassurance])
        self._neutral_conditions = _any_of([p for f in files for p in f.neutral_conditions])
        self._necessary_consents = _any_of([p for f in files for p in f.necessary_consents])
        self._publicity_consents = _any_of([p for f in files for p in f.publicity_consents])
        self.own_consent = _any_of([p for f in files for p in f.own_consent])
        """Words by which somebody is praised in public only after agreeing."""
        self.tie_break_matters = _any_of([p for f in files for p in f.tie_break_matters])
        """What the law allows a tie-break in: funds, projects, awards (L4)."""
        self.tender_matters = _any_of([p for f in files for p in f.tender_matters])
        """What the law allows bonus points in: tenders and the like (L8)."""
        self.unchanged = _any_of([p for f in files for p in f.unchanged])
        """A text saying that what everybody uses stays as it is (L4)."""
        self.newly_added = _any_of([p for f in files for p in f.newly_added])
        """A text saying that capacity is new, not taken out of what there was (L4)."""
        self._payers = {who: _any_of([p for f in files for p in f.payers.get(who, ())]) for who in get_args(Payer)}
        self.gives_way = _any_of([p for f in files for p in f.gives_way])
        """A text saying that the benefit gives way as soon as somebody else is waiting (L5)."""
        self.ties = _any_of([p for f in files for p in f.ties])
        """A text saying that the grade counts only between equals (L4)."""
        self.inspected_less = _any_of([p for f in files for p in f.inspected_less])
        """A text saying that somebody is inspected less, whatever the benefit is called (L7)."""
        self._excluded_fields = _any_of([p for f in files for p in f.excluded_fields])
        self._grades = _any_of([p for f in files for p in f.grades])
        self.cited_lists = _any_of([p for f in files for p in f.cited_lists])
        """A published list or tender notice named in a text (L4, L8)."""
        self._ordinary_documents = _any_of([p for f in files for p in f.ordinary_documents])
        # A catalogue is judged again each day and after each change, and most of its texts stay as they were.
        self._read_once = lru_cache(maxsize=TEXTS_REMEMBERED)(lambda field, text: tuple(self._read_field(field, text)))

    def read(self, texts: Mapping[Field, str]) -> tuple[Reading, ...]:
        """Every phrase found, each once per field."""
        return tuple(r for field, text in texts.items() for r in self._read_once(field, normal(text)))

    def _read_field(self, field: Field, text: str) -> Iterator[Reading]:
        found: set[str] = set()
        for sentence in filter(None, _SENTENCE.split(text)):
            of_outsiders = bool(self._outsiders.search(sentence))
            for one in self._compiled:
                phrase = one.phrase
                if field not in phrase.fields or phrase.id in found:
                    continue
                if phrase.only_of_outsiders and not of_outsiders:
                    continue
                apart = self._set_apart(sentence) if phrase.after_outsiders else 0
                if apart is None:
                    continue
                for match in one.says.finditer(sentence, apart):
                    if one.unless.search(_clause_around(sentence, *match.span())):
                        continue
                    verdict = phrase.elsewhere if phrase.elsewhere and not of_outsiders else phrase.verdict
                    found.add(phrase.id)
                    yield Reading(phrase, field, match.group(), verdict)
                    break

    def _set_apart(self, sentence: str) -> int | None:
        """Where the words for those outside end, if nothing from there on says that the standard service stays."""
        for match in self._outsiders.finditer(sentence):
            if not self._denied(sentence, match) and not self._reassurance.search(sentence, match.start()):
                return match.end()
        return None

    def _denied(self, sentence: str, match: re.Match[str]) -> bool:
        """Whether a denial in the same clause begins before the words found («不因信用靠后»)."""
        clause = _clause_around(sentence, *match.span())
        return any(sentence.find(clause) + denial.start() < match.start() for denial in self._denial.finditer(clause))

    def outsiders_left_open(self, text: str) -> str | None:
        """A sentence that treats those outside apart without saying that the standard service stays; else None."""
        sentences: list[str] = _SENTENCE.split(normal(text))
        for sentence in sentences:
            apart = any(not self._denied(sentence, match) for match in self._outsiders.finditer(sentence))
            if apart and not self._reassurance.search(sentence):
                return sentence
        return None

    def credit_named(self, text: str) -> tuple[str, str] | None:
        """A word about credit in a text that should have none, not denied and not reassuring, and its sentence."""
        sentences: list[str] = _SENTENCE.split(normal(text))
        for sentence in sentences:
            for match in self._credit_words.finditer(sentence):
                clause = _clause_around(sentence, *match.span())
                if not self._denial.search(clause) and not self._reassurance.search(sentence):
                    return match.group(), sentence
        return None

    def says_who_gets_what(self, sentence: str) -> bool:
        """Whether a sentence that divides people by credit also says that it goes differently for them."""
        without = self._credit_words.sub("", self._outsiders.sub("", sentence))
        return bool(self._differs.search(without))

    def other_figures(self, text: str, standard: str) -> str | None:
        """A figure named for those outside the offer that the standard service does not have; else None."""
        usual = set(self._figures.findall(normal(standard)))
        sentences: list[str] = _SENTENCE.split(normal(text))
        for sentence in sentences:
            for match in self._outsiders.finditer(sentence):
                rest = re.split("[,:]", sentence[match.end() :])[0]
                for figure in self._figures.finditer(rest):
                    if figure.group() not in usual and not self._denial.search(rest):
                        return match.group() + rest
        return None

    def shows(self, effect: Effect, text: str, *, is_protected: bool) -> bool:
        """Whether the words of a benefit show that it is what it is called."""
        wanted = [self._effect_words.get(effect), None if is_protected else self._elsewhere.get(effect)]
        return not any(wanted) or any(one.search(text) for one in wanted if one)

    def sentences(self, text: str) -> tuple[str, ...]:
        """The sentences of a text, as they are read."""
        return tuple(filter(None, _SENTENCE.split(normal(text))))

    def leaves_alone(self, sentence: str) -> bool:
        """Whether a sentence says that something stays as it is, comes on top, or does not happen."""
        said = (self._reassurance, self._denial, self.unchanged, self.newly_added, self.gives_way, self.own_consent)
        return any(pattern.search(sentence) for pattern in said)

    def payer(self, said: str) -> Payer | None:
        """Whom the words for a payer name, harm first; None where they name nobody that is known."""
        text = normal(said)
        return next((who for who, pattern in self._payers.items() if pattern.search(text)), None)

    def other_grade(self, text: str, threshold: str) -> str | None:
        """A grade that a text gives something for and that is not the threshold (both Latin letters); else None."""
        wanted = normal(threshold).strip()
        if not _LETTER_GRADE.fullmatch(wanted):
            return None
        sentences: list[str] = _SENTENCE.split(normal(text))
        for sentence in sentences:
            for match in self._grades.finditer(sentence):
                grade = next(filter(None, match.groups()))
                if grade != wanted and not self._reassurance.search(sentence):
                    return str(grade)
        return None

    def without_exclusions(self, text: str) -> str:
        """A text without what it says is left out («食品企业除外»)."""
        return self._excluded_fields.sub("", normal(text))

    def dearer(self, text: str, standard: str) -> str | None:
        """A price in a text above every sum of the standard service; None also where that names no sum."""
        usual = [float(match[1]) for match in _YUAN.finditer(normal(standard))]
        asked = (next(filter(None, match.groups())) for match in self._prices.finditer(normal(text)))
        return next((price for price in asked if usual and float(price) > max(usual)), None)

    def is_neutral_condition(self, condition: str) -> bool:
        """Whether a condition in plain words is one of those anybody can meet (a ticket, a booking, an age)."""
        text = normal(condition).strip()
        return any(self._neutral_conditions.fullmatch(one) for one in (text, text.replace(" ", "")))

    def is_necessary_consent(self, purpose: str) -> bool:
        """Whether a consent is for checking this very offer, and for nothing else."""
        return bool(self._necessary_consents.fullmatch(normal(purpose)))

    def is_ordinary_document(self, document: str) -> bool:
        """Whether it takes no more than showing it to be handed the benefit (a ticket, an identity card)."""
        return bool(self._ordinary_documents.fullmatch(normal(document)))

    def is_consent_to_publicity(self, purpose: str) -> bool:
        """Whether a consent is to being praised in public."""
        return bool(self._publicity_consents.fullmatch(normal(purpose)))


def load_words(folders: Sequence[Path], root: Path) -> tuple[Words, tuple[str, ...]]:
    """The word lists in `folders`, nearest place first, and the checksum of each file.

    Raises:
        DataFileError: a list is broken; names the file and the line.
    """
    read = [RuleFile(folder / FILE, root=root) for folder in folders if (folder / FILE).is_file()]
    files = [file.parse(_File) for file in read]
    for file, content in zip(read, files, strict=True):
        ids = [p.id for p in content.phrases]
        for index, phrase in enumerate(content.phrases):
            if phrase.id in ids[:index]:
                raise file.error(("phrases", index, "id"), f"词条 {phrase.id} 重复", "请改名或合并")
    return Words(files), tuple(file.checksum for file in read)
