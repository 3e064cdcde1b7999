"""The places a deployment serves: one folder under `jurisdictions/` each, a parent's rules inherited."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

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


class _PlaceFile(Document):
    name: str
    parent: str | None = None


class Place:
    """A place: its folder, and the chain of places whose rules it inherits, itself first."""

    def __init__(self, code: str, name: str, folder: Path, lineage: tuple[str, ...]) -> None:
        self.code, self.name, self.folder, self.lineage = code, name, folder, lineage


class Places(Mapping[str, Place]):
    """All places by code (the folder's name)."""

    def __init__(self, places: dict[str, Place], root: Path) -> None:
        self._places, self.root = places, root

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
        DataFileError: a place's file is broken, its parent is missing, or parents run in a circle.
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
    places = {}
    for code, file in files.items():
        lineage = [code]
        while (parent := parsed[lineage[-1]].parent) is not None:
            if parent not in parsed:
                raise file.error(("parent",), f"上级地方 {parent} 不存在", "请建立该文件夹或改正 parent")
            if parent in lineage:
                raise file.error(("parent",), "上级关系成环", "请改正 parent,使其最终没有上级")
            lineage.append(parent)
        places[code] = Place(code, parsed[code].name, file.path.parent, tuple(lineage))
    return Places(places, root)
