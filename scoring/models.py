"""The score models of all places, read from their folders. One thing to know: a broken file stops the start.

`<place>/models/<id>-<version>.yaml` is a model, `….tests.yaml` beside it the table that its tests run. A version
that has been in force is never edited: a change is a new file with a new date.
"""

from __future__ import annotations

from datetime import date
from itertools import pairwise

from core.datafile import RuleFile
from core.errors import ExpectedError
from core.places import Places
from scoring.checks import faults
from scoring.model import Model, ModelFile


class UnknownModel(ExpectedError):
    """No place has a model of that name."""

    code = "UNKNOWN_MODEL"

    def __init__(self, model_id: str) -> None:
        shown = model_id[:60].encode(errors="backslashreplace").decode()
        super().__init__(f"没有名为 {shown} 的评分模型。运行 xinyi models 可列出全部模型")


class Models:
    """Every version of every model; `all` is ordered by id, then by the day from which it is in force."""

    def __init__(self, models: list[Model], places: Places) -> None:
        self.all = tuple(sorted(models, key=lambda model: (model.id, model.in_force_from)))
        self._places = places
        self._versions: dict[str, list[Model]] = {}
        for model in self.all:
            self._versions.setdefault(model.id, []).append(model)

    def get(self, model_id: str, on: date | None = None) -> Model:
        """The version in force on that day, else the last that began before it, else the first; no day: the newest.

        Raises:
            UnknownModel: there is none of that name.
        """
        versions = self._versions.get(model_id)
        if versions is None:
            raise UnknownModel(model_id)
        if on is None:
            return versions[-1]
        begun = [version for version in versions if version.in_force_from <= on]
        return begun[-1] if begun else versions[0]

    def in_force(self, place_code: str, on: date) -> list[Model]:
        """The models that apply in a place on that day: its own first, then those it inherits."""
        return [
            model
            for place in self._places[place_code].lineage
            for model in self.all
            if model.place == place and model.is_in_force(on)
        ]


def load_models(places: Places) -> Models:
    """Read the models of every place.

    Raises:
        DataFileError: the first fault found, with file and line.
    """
    found = [
        (RuleFile(path, root=places.root), place.code)
        for place in places.values()
        for path in sorted(place.folder.glob("models/*.yaml"))
        if not path.name.endswith(".tests.yaml")
    ]
    read = [(_read(file, place), file) for file, place in found]
    _check_versions(read)
    return Models([model for model, _ in read], places)


def _read(file: RuleFile, place: str) -> Model:
    parsed = file.parse(ModelFile)
    for path, problem, remedy in faults(parsed):
        raise file.error(path, problem, remedy)
    if file.path.stem != f"{parsed.id}-{parsed.version}":
        raise file.error(("id",), "文件名与 id、version 不符", f"请改名为 {parsed.id}-{parsed.version}.yaml")
    # Everything is validated already, and validating again would take hundredths for points.
    return Model.model_construct(**dict(parsed), place=place, checksum=file.checksum)


def _check_versions(read: list[tuple[Model, RuleFile]]) -> None:
    ordered = sorted(read, key=lambda pair: (pair[0].id, pair[0].in_force_from))
    for (older, _), (newer, file) in pairwise(ordered):
        if older.id != newer.id:
            continue
        if older.place != newer.place:
            raise file.error(("id",), f"模型 {newer.id} 已属于 {older.place}", "每个模型只属于一地,请另取 id")
        if older.in_force_until is None or older.in_force_until > newer.in_force_from:
            raise file.error(
                ("in_force_from",),
                f"与 {older.version} 版同时生效",
                "请为较早的版本写明 in_force_until,它不得晚于本版的 in_force_from",
            )
