"""The files of a version, wherever they lie. One thing to know: a version drafted here lies in the database, a founding
one in its place's folder, and both are given exactly as they were written."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from scoring.models import Models, UnknownModel
from scoring.tables import model_versions


class ModelText(NamedTuple):
    """A model's YAML and that of its table of cases."""

    content: str
    cases: str


async def text_of(connection: AsyncConnection, founding: Models, *, model: str, version: str) -> ModelText | None:
    """The files of a version; None where there is none of that name."""
    table = model_versions.c
    statement = select(table.content, table.cases).where(table.model == model, table.version == version)
    row = (await connection.execute(statement)).one_or_none()
    if row is not None:
        return ModelText(row.content, row.cases)
    try:
        return ModelText(*founding.texts(model, version))
    except UnknownModel:
        return None
