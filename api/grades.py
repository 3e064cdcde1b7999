"""The parts of a score as they are shown: model, grade, lines, where it comes from. For the subject alone."""

from __future__ import annotations

from decimal import Decimal
from enum import Enum
from functools import lru_cache
from typing import NamedTuple

import strawberry

from api.permissions import SUBJECT, access
from scoring.engine import NotAssessed
from scoring.engine import ScoreLine as Line
from scoring.inputs import Result
from scoring.model import Grade as ModelGrade
from scoring.model import Model


@strawberry.enum(description="Where a score comes from.")
class ScoreOrigin(Enum):
    """Computed here, or made elsewhere."""

    COMPUTED = strawberry.enum_value("computed", description="Computed here from what is on record.")
    PUSHED = strawberry.enum_value("pushed", description="Made and pushed by a competent body; it takes precedence.")
    CORRECTED = strawberry.enum_value("corrected", description="Put right here after review, and sent up.")


@strawberry.type(description="A score model in force.", directives=access(SUBJECT))
class ScoreModel:
    """Which rules a score was made by."""

    id: strawberry.ID = strawberry.field(description="The model's stable name.")
    name: str = strawberry.field(description="Its Chinese name.")
    version: str = strawberry.field(description="The version in force.")
    status: str = strawberry.field(description="official, interpretation or illustrative: its least official rule's.")


@strawberry.type(description="A grade of a model. Codes and names are neutral.", directives=access(SUBJECT))
class Grade:
    """One step of a model's ladder."""

    code: str = strawberry.field(description="Stable code within the model.")
    name: str = strawberry.field(description="Its name.")


@strawberry.type(description="One line of a score. The lines add up to the score exactly.", directives=access(SUBJECT))
class ScoreLine:
    """What one rule contributed."""

    rule: str = strawberry.field(description="Id of the rule; `rounding` closes the sum.")
    label: str = strawberry.field(description="The rule in plain words.")
    points: Decimal = strawberry.field(description="Points, to the hundredth.")
    basis: str = strawberry.field(description="Title and clause of the rule's source, or why it was chosen.")
    records: list[str] = strawberry.field(description="The subject's records that counted.")


class Shown(NamedTuple):
    """The parts of a result that every view of it has."""

    points: Decimal | None
    grade: Grade | None
    reason: str | None
    origin: ScoreOrigin


def shown(result: Result) -> Shown:
    """A result as it is shown."""
    score, origin = result.score, ScoreOrigin(result.origin)
    if isinstance(score, NotAssessed):
        return Shown(None, None, score.reason, origin)
    return Shown(points_of(score.points), grade_of(score.grade), None, origin)


def points_of(hundredths: int | None) -> Decimal | None:
    """Hundredths of a point as points."""
    return None if hundredths is None else Decimal(hundredths).scaleb(-2)


def difference(before: Decimal | None, after: Decimal | None) -> Decimal | None:
    """How many points more; None where either has none."""
    return None if before is None or after is None else after - before


@lru_cache(maxsize=1024)
def grade_of(grade: ModelGrade | None) -> Grade | None:
    """A grade as it is shown."""
    return None if grade is None else Grade(code=grade.code, name=grade.name)


@lru_cache(maxsize=256)
def model_of(model: Model) -> ScoreModel:
    """A model as it is shown."""
    return ScoreModel(id=strawberry.ID(model.id), name=model.name, version=model.version, status=model.status)


def line_of(line: Line) -> ScoreLine:
    """A line as it is shown."""
    return ScoreLine(
        rule=line.rule,
        label=line.label,
        points=Decimal(line.points).scaleb(-2),
        basis=line.basis,
        records=list(line.records),
    )
