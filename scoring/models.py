"""The score models of all places, read from their folders. One thing to know: a broken file stops the start.

`<place>/models/<id>-<version>.yaml` is a model, `….tests.yaml` beside it the table that its tests run. A version
that has been in force is never edited: a change is a new file with a new date.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from hashlib import sha256
from itertools import chain, pairwise
from pathlib import Path
from typing import NamedTuple, TypeAlias

from core.datafile import RuleFile
from core.errors import ExpectedError
from core.places import Places
from scoring.checks import faults
from scoring.indicators import load_indicators
from scoring.model import CompositionMethod, Model, ModelFile, Recognition, StandingMethod, Version


class UnknownModel(ExpectedError):
    """No place has a model of that name."""

    code = "UNKNOWN_MODEL"

    def __init__(self, model_id: str) -> None:
        shown = model_id[:60].encode(errors="backslashreplace").decode()
        super().__init__(f"没有名为 {shown} 的评分模型。请运行 xinyi models 列出全部模型,再核对名称")


class Models:
    """Every version of every model; `all` is ordered by id, then by the day from which it is in force."""

    def __init__(self, models: Iterable[Model], places: Places) -> None:
        self.all = _follow(sorted(models, key=lambda model: (model.id, model.in_force_from)))
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

    def version(self, model_id: str, version: str) -> Model:
        """Exactly that version.

        Raises:
            UnknownModel: there is none.
        """
        for model in self._versions.get(model_id, ()):
            if model.version == version:
                return model
        raise UnknownModel(f"{model_id}-{version}")

    def texts(self, model_id: str, version: str) -> tuple[str, str]:
        """The file of a version that lies in its place's folder, and the table of cases beside it.

        Raises:
            UnknownModel: there is no such version.
        """
        model = self.version(model_id, version)
        stem = self._places[model.place].folder / "models" / f"{model.id}-{model.version}"
        return Path(f"{stem}.yaml").read_text(encoding="utf-8"), Path(f"{stem}.tests.yaml").read_text(encoding="utf-8")

    def lineage(self, place_code: str) -> tuple[str, ...]:
        """The place and those it inherits from; empty where there is no such place."""
        place = self._places.get(place_code)
        return () if place is None else place.lineage

    def recognising(self, tables: Iterable[Recognition]) -> Models:
        """The same models, each with the tables that are about it."""
        of_model: dict[str, tuple[Recognition, ...]] = {}
        for table in tables:
            of_model[table.model] = (*of_model.get(table.model, ()), table)
        found = (model.model_copy(update={"recognitions": of_model.get(model.id, ())}) for model in self.all)
        return Models(found, self._places)

    def concerned(self, model_id: str, *, place_code: str, on: date) -> list[Model]:
        """The models that apply in a place on that day and look at results of `model_id`: itself, or those that
        recognise it."""
        return [
            model
            for model in self.in_force(place_code, on)
            if model.id == model_id or any(table.of == model_id for table in model.recognitions)
        ]

    def in_force(self, place_code: str, on: date) -> list[Model]:
        """The models that apply in a place on that day: its own first, then those it inherits."""
        return [
            model
            for place in self.lineage(place_code)
            for model in self.all
            if model.place == place and model.is_in_force(on)
        ]


def _follow(ordered: list[Model]) -> tuple[Model, ...]:
    """The same models, each with the version that it took over from on its first day."""
    made: list[Model] = []
    for model in ordered:
        last = made[-1] if made else None
        follows = last is not None and (last.id, last.in_force_until) == (model.id, model.in_force_from)
        made.append(model.model_copy(update={"before": last if follows else None}))
    return tuple(made)


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
    drafts = [_Draft(file, place, _parse(file)) for file, place in found]
    _check_versions(drafts)
    return Models(_build(drafts, places), places)


def read_models(files: Iterable[tuple[RuleFile, str]], *, places: Places, known: Iterable[Model]) -> list[Model]:
    """Models that lie in no place's folder, each with its place, under the same checks; they may be built on each
    other and on `known`.

    Raises:
        DataFileError: the first fault found, with its line.
    """
    drafts = [_Draft(file, place, file.parse(ModelFile)) for file, place in files]
    given = {(draft.parsed.id, draft.parsed.version) for draft in drafts}
    return _build(drafts, places, [model for model in known if (model.id, model.version) not in given])


class _Draft(NamedTuple):
    """A model's file, read and not yet joined with those that it is built on."""

    file: RuleFile
    place: str
    parsed: ModelFile


_Pinned: TypeAlias = tuple[str, str]


def _parse(file: RuleFile) -> ModelFile:
    parsed = file.parse(ModelFile)
    if file.path.stem != f"{parsed.id}-{parsed.version}":
        raise file.error(("id",), "文件名与 id、version 不符", f"请改名为 {parsed.id}-{parsed.version}.yaml")
    return parsed


def _build(drafts: list[_Draft], places: Places, known: Iterable[Model] = ()) -> list[Model]:
    """The models of `drafts`, each after those that it is built on; these may also be among `known`."""
    waiting = {(draft.parsed.id, draft.parsed.version): draft for draft in drafts}
    done: dict[_Pinned, Model] = {(model.id, model.version): model for model in known}
    indicators = load_indicators(places)

    def build(key: _Pinned, above: tuple[_Pinned, ...]) -> Model:
        if key in done:
            return done[key]
        file, place, parsed = waiting[key]
        components = {}
        for name, path, pinned in _built_on(parsed):
            wanted = pinned.id, pinned.version
            if wanted in (key, *above):
                raise file.error(path, f"{pinned.id} {pinned.version} 又引用了本模型,引用成环", "请去掉其中一处引用")
            if wanted not in done and wanted not in waiting:
                raise file.error(path, f"没有模型 {pinned.id} 的 {pinned.version} 版", "请改正 id 与 version")
            component = build(wanted, (key, *above))
            if component.place not in places[place].lineage:
                raise file.error(path, f"{pinned.id} 属于 {component.place}", "只能引用本地或上级地方的模型")
            components[name] = component
        for where, problem, remedy in chain(faults(parsed, components), indicators[place].faults(parsed)):
            raise file.error(where, problem, remedy)
        done[key] = _join(parsed, place=place, checksum=file.checksum, components=components)
        return done[key]

    return [build((draft.parsed.id, draft.parsed.version), ()) for draft in drafts]


def _built_on(parsed: ModelFile) -> Iterator[tuple[str, tuple[int | str, ...], Version]]:
    """What a model is built on: the component's name, where that stands in the file, and the version."""
    match parsed.method:
        case CompositionMethod() as method:
            for i, part in enumerate(method.parts):
                if part.model is not None:
                    yield part.id, ("method", "parts", i, "model"), part.model
        case StandingMethod() as method:
            yield "of", ("method", "of"), method.of


def _join(parsed: ModelFile, *, place: str, checksum: str, components: dict[str, Model]) -> Model:
    if components:
        below = [components[name].checksum for name in sorted(components)]
        checksum = sha256("\n".join([checksum, *below]).encode()).hexdigest()
    # Everything is validated already, and validating again would take hundredths for points.
    return Model.model_construct(**dict(parsed), place=place, checksum=checksum, components=components)


def _check_versions(drafts: list[_Draft]) -> None:
    ordered = sorted(drafts, key=lambda draft: (draft.parsed.id, draft.parsed.in_force_from))
    for older, newer in pairwise(ordered):
        if older.parsed.id != newer.parsed.id:
            continue
        if older.place != newer.place:
            problem = f"模型 {newer.parsed.id} 已属于 {older.place}"
            raise newer.file.error(("id",), problem, "每个模型只属于一地,请另取 id")
        until = older.parsed.in_force_until
        if until is None or until > newer.parsed.in_force_from:
            raise newer.file.error(
                ("in_force_from",),
                f"与 {older.parsed.version} 版同时生效",
                "请为较早的版本写明 in_force_until,它不得晚于本版的 in_force_from",
            )
