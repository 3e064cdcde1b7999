"""Versions of models published in this deployment, joined to the founding ones in `jurisdictions/`. One thing to know:
a version begins and ends by its days alone; nothing has to run at midnight, and a rolled-back one leaves no trace in
what holds from that day on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from itertools import pairwise
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from core.datafile import RuleFile
from core.errors import StartupError
from core.places import Places
from scoring.model import Model
from scoring.models import Models, UnknownModel, read_models
from scoring.tables import model_versions


class PublishedVersion(NamedTuple):
    """A version that was published here, whether it still holds or not."""

    model: str
    version: str
    place: str
    content: str
    in_force_from: date
    in_force_until: date | None


async def published_versions(connection: AsyncConnection) -> tuple[PublishedVersion, ...]:
    """All versions ever published here, in the order in which they began."""
    table = model_versions.c
    statement = (
        select(table.model, table.version, table.place, table.content, table.in_force_from, table.in_force_until)
        .where(table.in_force_from.is_not(None))
        .order_by(table.in_force_from, table.model, table.version)
    )
    return tuple(PublishedVersion(*row) for row in await connection.execute(statement))


def join_versions(founding: Models, published: Sequence[PublishedVersion], places: Places) -> Models:
    """The founding versions and those published here as they hold from day to day.

    Raises:
        StartupError: a published version is broken under today's checks, or a file of the same version says something
            else.
    """
    known = list(founding.all)
    files = [(RuleFile.of_text(row.content, name=f"{row.model}-{row.version}"), row.place) for row in published]
    for model, row in zip(read_models(files, places=places, known=known), published, strict=True):
        try:
            shipped = founding.version(row.model, row.version)
        except UnknownModel:
            known.append(with_days(model, row.in_force_from, _earlier(model.in_force_until, row.in_force_until)))
            continue
        # Once a published version has been taken into its folder, the folder's days count.
        if shipped.checksum != model.checksum:
            raise StartupError(
                f"{row.model} 的 {row.version} 版已在本部署发布,法域目录中的同名文件内容却不同。请为文件另取版本号。"
            )
    by_id: dict[str, list[Model]] = {}
    for model in known:
        by_id.setdefault(model.id, []).append(model)
    return Models([stretch for versions in by_id.values() for stretch in timeline(versions)], places)


def timeline(versions: Sequence[Model]) -> list[Model]:
    """The versions of one model in the stretches of time in which each holds, oldest first.

    A later one supersedes an earlier one; where it was ended, the earlier one holds again and so stands twice.
    """
    in_order = sorted(versions, key=lambda version: version.in_force_from)
    days = {day for one in versions for day in (one.in_force_from, one.in_force_until) if day is not None}
    stretches: list[Model] = []
    for start, end in pairwise([*sorted(days), None]):
        holding = [version for version in in_order if start is not None and version.is_in_force(start)]
        if start is None or not holding:
            continue
        last = stretches[-1] if stretches else None
        if last is not None and last.checksum == holding[-1].checksum and last.in_force_until == start:
            stretches[-1] = with_days(last, last.in_force_from, end)
        else:
            stretches.append(with_days(holding[-1], start, end))
    return stretches


def in_force(models: Models, model_id: str, on: date) -> Model | None:
    """The version of a model that holds on that day, or None."""
    return next((model for model in models.all if model.id == model_id and model.is_in_force(on)), None)


def with_days(model: Model, start: date, end: date | None) -> Model:
    """The same version, in force from `start` until `end`, that day excluded."""
    return model.model_copy(update={"in_force_from": start, "in_force_until": end})


def _earlier(one: date | None, other: date | None) -> date | None:
    return min((day for day in (one, other) if day is not None), default=None)
