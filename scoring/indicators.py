"""What a model may look at: the catalogue of indicators. One thing to know: what is not listed cannot enter a model.

`<place>/indicators.yaml` lists items and facts, inherited from the place's parents, and the kinds of data that no
model may use. A code has one meaning along a lineage. Data that needs written consent never enters a natural
person's score.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from core.datafile import Document, RuleFile
from core.places import Places, Source
from scoring.checks import Fault
from scoring.model import ModelFile

Collection: TypeAlias = Literal["published", "consent", "written-consent"]
Nature: TypeAlias = Literal["honour", "adverse", "neutral"]
"""`neutral` is on record and counts neither for nor against anybody: no model may use it."""


class _Indicator(Document):
    label: str
    provider: str
    """The sort of body that provides it."""
    collection: Collection
    source: Source


class ItemIndicator(_Indicator):
    """A sort of record."""

    nature: Nature


class FactIndicator(_Indicator):
    """A figure about the subject."""


class ForbiddenKind(Document):
    """Data that no model may use; `words` give it away in a code or a label."""

    id: str
    label: str
    applies_to: Literal["person", "everyone"]
    words: Annotated[tuple[str, ...], Field(min_length=1)]
    catalogued_with: Collection | None = None
    """It may be collected where an item is collected in this way; no model may use it all the same."""
    source: Source

    def named_in(self, code: str, label: str) -> str | None:
        """The first of its words found in the code or the label, or None."""
        latin = _latin(f"{code} {label}")
        chinese = _without_blanks(label)
        for word in self.words:
            if word.isascii():
                # Whole words: `gene` is not found in `general`.
                if re.search(rf"(?<![a-z]){re.escape(word)}s?(?![a-z])", latin):
                    return word
            elif word in chinese:
                return word
        return None


class IndicatorFile(Document):
    """One place's `indicators.yaml`."""

    items: dict[str, ItemIndicator] = Field(default_factory=dict)
    facts: dict[str, FactIndicator] = Field(default_factory=dict)
    forbidden: tuple[ForbiddenKind, ...] = ()


@dataclass(frozen=True, slots=True)
class Indicators:
    """What the models of one place may and may not use, inherited entries included."""

    items: Mapping[str, ItemIndicator]
    facts: Mapping[str, FactIndicator]
    forbidden: tuple[ForbiddenKind, ...]

    def faults(self, model: ModelFile) -> Iterator[Fault]:
        """Every item and fact of the model that it may not use: where, what and why, what to do instead."""
        for code, item in model.items.items():
            listed = self.items.get(code)
            yield from self._faults(model, ("items", code), item.label, listed)
            if listed is not None and listed.nature == "neutral":
                problem = f"项目 {code} 在指标目录中是中性信息(neutral),只作记录,不能加分也不能减分"
                yield ("items", code), problem, "请从模型中删去它"
            elif listed is not None and listed.nature != item.nature:
                yield (
                    ("items", code, "nature"),
                    f"项目 {code} 在指标目录中的性质是 {listed.nature},这里写成 {item.nature}",
                    "守信信息只能加分,失信信息只能减分,请按目录改正 nature",
                )
        for code, fact in model.facts.items():
            yield from self._faults(model, ("facts", code), fact.label, self.facts.get(code))

    def _faults(
        self, model: ModelFile, path: tuple[str, str], label: str, listed: _Indicator | None
    ) -> Iterator[Fault]:
        what, code = ("项目" if path[0] == "items" else "事实"), path[1]
        for kind in self.forbidden:
            # The catalogue's label too: another name in the model does not make it other data.
            said = f"{label} {listed.label}" if listed else label
            word = kind.named_in(code, said) if kind.applies_to in ("everyone", model.subject) else None
            if word is not None:
                problem = f"{what} {code} 含有「{word}」,属于不得用于评价的{kind.label}({_cited(kind.source)})"
                yield path, problem, "请从模型中删去它"
        if listed is None:
            problem = f"{what} {code} 不在指标目录中,目录之外的信息不得采集和使用(《黑龙江省社会信用条例》第十八条)"
            yield path, problem, f"请先把它连同来源列入本地的 indicators.yaml 的 {path[0]},或改用目录中的代码"
        elif listed.collection == "written-consent" and model.subject == "person":
            problem = f"{what} {code} 须取得本人书面同意方可采集(《黑龙江省社会信用条例》第二十条第二款)"
            yield path, problem, "自然人的评价不使用这类信息,请从模型中删去它"


def load_indicators(places: Places) -> dict[str, Indicators]:
    """The indicators of every place, by its code.

    Raises:
        DataFileError: a file is broken, or lists a code that a parent lists already, with its line.
    """
    files = {
        place.code: RuleFile(path, root=places.root)
        for place in places.values()
        if (path := place.folder / "indicators.yaml").exists()
    }
    parsed = {code: file.parse(IndicatorFile) for code, file in files.items()}
    for code, file in files.items():
        inherited = [parsed[parent] for parent in places[code].lineage[1:] if parent in parsed]
        _check_entries(file, parsed[code], inherited)
    return {code: _merged([parsed[one] for one in place.lineage if one in parsed]) for code, place in places.items()}


def _check_entries(file: RuleFile, own: IndicatorFile, inherited: list[IndicatorFile]) -> None:
    never = [kind for one in (own, *inherited) for kind in one.forbidden if kind.applies_to == "everyone"]
    entries: list[tuple[str, str, _Indicator]] = [("items", code, item) for code, item in own.items.items()]
    entries += [("facts", code, fact) for code, fact in own.facts.items()]
    for section, code, entry in entries:
        if any(code in getattr(parent, section) for parent in inherited):
            problem = f"{code} 已列在上级的指标目录中"
            raise file.error((section, code), problem, "一个代码只有一个含义,请删去或另取代码")
        for kind in never:
            if (word := kind.named_in(code, entry.label)) is not None:
                problem = f"{code} 含有「{word}」,{kind.label}不得列入目录({_cited(kind.source)})"
                raise file.error((section, code), problem, "请从目录中删去它")


def _merged(files: list[IndicatorFile]) -> Indicators:
    return Indicators(
        items={code: item for file in files for code, item in file.items.items()},
        facts={code: fact for file in files for code, fact in file.facts.items()},
        forbidden=tuple(kind for file in files for kind in file.forbidden),
    )


def _latin(text: str) -> str:
    return re.sub(r"[^a-z]+", " ", unicodedata.normalize("NFKC", text).casefold())


def _without_blanks(text: str) -> str:
    return "".join(
        sign
        for sign in unicodedata.normalize("NFKC", text)
        if not sign.isspace() and unicodedata.category(sign) != "Cf"
    )


def _cited(source: Source) -> str:
    return f"{source.title or ''}{source.clause or ''}"
