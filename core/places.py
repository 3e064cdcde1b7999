"""The places a deployment serves: one folder under `jurisdictions/` each, a parent's rules inherited."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from core.datafile import Document, RuleFile
from core.errors import StartupError

ROOT = Path(__file__).resolve().parent.parent / "jurisdictions"


class Source(Document):
    """Where a rule comes from. `official`: the document says it; `interpretation`: we had to choose, `reason`
    says why; `illustrative`: a number made up for the place to replace, `reason` says so."""

    status: Literal["official", "interpretation", "illustrative"]
    title: str | None = None
    """Official title of the document."""
    clause: str | None = None
    reason: str | None = None

    def model_post_init(self, _: object) -> None:
        if self.status == "official" and not (self.title and self.clause):
            raise ValueError("official 的规则必须写明 title 与 clause")
        if self.status != "official" and not self.reason:
            raise ValueError(f"{self.status} 的规则必须写明 reason")


DistrictCode = Annotated[str, StringConstraints(pattern=r"^\d{6}$")]
"""A division code (GB/T 2260)."""


class _PlaceFile(Document):
    name: str
    parent: str | None = None
    districts: dict[DistrictCode, str] = Field(default_factory=dict)
    """Names by code, in the order in which people are shown them; functional areas too, under codes of their own."""


class Place:
    """A place: its folder, the chain of places whose rules it inherits, itself first, and its districts by code."""

    def __init__(
        self,
        code: str,
        name: str,
        folder: Path,
        lineage: tuple[str, ...],
        districts: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.code, self.name, self.folder, self.lineage, self.districts = code, name, folder, lineage, districts


class Places(Mapping[str, Place]):
    """All places by code (the folder's name)."""

    def __init__(self, places: dict[str, Place], root: Path) -> None:
        self._places, self.root = places, root
        self.of_district = {district: place for place in places.values() for district in place.districts}
        """The place that lists a district, by the district's code."""
        self.district_names = {code: place.districts[code] for code, place in self.of_district.items()}

    def __getitem__(self, code: str) -> Place:
        return self._places[code]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def load_places(root: Path = ROOT) -> Places:
    """Read every `<place>/place.yaml` below `root`.

    Raises:
        StartupError: there is no such folder, or it holds no place.
        DataFileError: a place's file is broken, its parent is missing, parents run in a circle, or two places list the
            same district.
    """
    if not root.is_dir():
        raise StartupError(f"找不到法域目录 {root}。请设置 XINYI_JURISDICTIONS 指向含有各地目录的文件夹。")
    files = {path.parent.name: RuleFile(path, root=root) for path in sorted(root.glob("*/place.yaml"))}
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        if folder.name not in files and not folder.name.startswith((".", "_")):
            RuleFile(folder / "place.yaml", root=root)  # says which file is missing
    if not files:
        raise StartupError(f"法域目录 {root} 中没有任何地方。请至少放入一个含 place.yaml 的文件夹。")
    parsed = {code: file.parse(_PlaceFile) for code, file in files.items()}
    places: dict[str, Place] = {}
    listed: dict[str, str] = {}
    for code, file in files.items():
        lineage = [code]
        while (parent := parsed[lineage[-1]].parent) is not None:
            if parent not in parsed:
                raise file.error(("parent",), f"上级地方 {parent} 不存在", "请建立该文件夹或改正 parent")
            if parent in lineage:
                raise file.error(("parent",), "上级关系成环", "请改正 parent,使其最终没有上级")
            lineage.append(parent)
        for district in parsed[code].districts:
            if (other := listed.setdefault(district, code)) != code:
                raise file.error(("districts", district), f"{other} 已列出这个区县", "请只在一处列出")
        places[code] = Place(code, parsed[code].name, file.path.parent, tuple(lineage), parsed[code].districts)
    return Places(places, root)


def english_words(places: Places) -> dict[str, str]:
    """What the places' files name and say, in English (`english.yaml` of each folder that has one): Chinese → English.

    Kept beside the rules and not in them: a published model's file never changes, and its checksum with it.

    Raises:
        DataFileError: a file is broken, or has another English than one read before it.
    """
    words: dict[str, str] = {}
    # Parents first, so that the place that differs is the one that is named.
    for place in sorted(places.values(), key=lambda one: len(one.lineage)):
        if not (path := place.folder / "english.yaml").exists():
            continue
        file = RuleFile(path, root=places.root)
        if not isinstance(file.content, dict):
            raise file.error((), "不是中文与英文的对应", "请每行写“中文: English”,或删去这个文件")
        for said, told in file.content.items():
            if not (isinstance(said, str) and isinstance(told, str) and told.strip()):
                raise file.error((said,), f"“{said}”的英文不是文字", "请写“中文: English”;是、否、数字等请加引号")
            if words.setdefault(said, told) != told:
                raise file.error((said,), f"“{said}”已有另一种英文“{words[said]}”", "请采用同一种英文,或删去这一行")
    return words
