"""The dated lists the guard goes by: protected services and rights, and words that give harm away. One thing to know:
a place adds to the lists of the places above it and can strike nothing from them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

from core.datafile import Document, RuleFile
from core.places import Places, Source
from legal.terms import Citation
from legal.words import Words, load_words

FILE = "protected.yaml"


class Entry(Document):
    """One protected service, right or field, with the key words by which an offer gives itself away."""

    id: str
    name: str
    examples: tuple[str, ...] = ()
    keywords: tuple[str, ...]
    kinds: tuple[str, ...] = ()
    """Of `papers_later_for_all`: the kinds of benefit in which a body of government handles applications."""
    in_force_from: date
    in_force_until: date | None = None
    """Exclusive."""
    source: Source

    def in_force(self, on: date) -> bool:
        """Whether the entry holds on this day."""
        return self.in_force_from <= on and (self.in_force_until is None or on < self.in_force_until)

    @property
    def citation(self) -> Citation:
        """The clause it rests on; for an interpretation, the reason."""
        return Citation(self.source.title or self.source.reason or self.name, self.source.clause or "")


class _File(Document):
    services: tuple[Entry, ...] = ()
    rights: tuple[Entry, ...] = ()
    danger_fields: tuple[Entry, ...] = ()
    pay_later_owed: tuple[Entry, ...] = ()
    papers_later_for_all: tuple[Entry, ...] = ()


@dataclass(frozen=True)
class ProtectedList:
    """The lists of one place, those of the places above it included."""

    place: str
    services: tuple[Entry, ...]
    """Basic public services (L5)."""
    rights: tuple[Entry, ...]
    """Statutory rights (L5)."""
    danger_fields: tuple[Entry, ...]
    """Where inspections are never made fewer (L7)."""
    pay_later_owed: tuple[Entry, ...]
    """Where payment later is owed by law to everybody (L9)."""
    papers_later_for_all: tuple[Entry, ...]
    """Laws that give papers-later to every applicant (L6)."""
    words: Words
    checksum: str
    """SHA-256 over the checksums of every file read, nearest place first."""


def named_in(entries: tuple[Entry, ...], text: str, *, on: date) -> Entry | None:
    """The first entry in force of which a key word stands in `text`."""
    return next((e for e in entries if e.in_force(on) and any(word in text for word in e.keywords)), None)


M = TypeVar("M", bound=Document)


def _read(path: Path, root: Path, model: type[M]) -> tuple[M, str]:
    file = RuleFile(path, root=root)
    return file.parse(model), file.checksum


def load_protected(places: Places, place: str) -> ProtectedList:
    """The lists for offers given in `place`.

    Raises:
        KeyError: there is no such place.
        DataFileError: a list is broken; names the file and the line. Also when no list of protected services is
            found at all: a guard without it would let everything pass.
    """
    folders = [places[code].folder for code in places[place].lineage]
    read = [_read(f / FILE, places.root, _File) for f in folders if (f / FILE).is_file()]
    if not any(lists.services for lists, _ in read):
        raise RuleFile(places[place].folder / "place.yaml", root=places.root).error(
            (),
            f"{place} 及其上级都没有 {FILE} 的 services",
            "请放入基本公共服务清单,或把 parent 指向有清单的地方",
        )
    words, word_checksums = load_words(folders, places.root)
    checksums = [checksum for _, checksum in read] + list(word_checksums)
    lists = [content for content, _ in read]
    return ProtectedList(
        place=place,
        services=tuple(e for one in lists for e in one.services),
        rights=tuple(e for one in lists for e in one.rights),
        danger_fields=tuple(e for one in lists for e in one.danger_fields),
        pay_later_owed=tuple(e for one in lists for e in one.pay_later_owed),
        papers_later_for_all=tuple(e for one in lists for e in one.papers_later_for_all),
        words=words,
        checksum=sha256("\n".join(checksums).encode()).hexdigest(),
    )
