"""Scores in the API: what a subject, and nobody else, sees of an evaluation."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import strawberry

from api.permissions import SUBJECT, access
from scoring.model import Model
from scoring.scores import SubjectScore


@strawberry.type(description="A score model in force.", directives=access(SUBJECT))
class ScoreModel:
    """Which rules a score was made by."""

    id: strawberry.ID = strawberry.field(description="The model's stable name.")
    name: str = strawberry.field(description="Its Chinese name.")
    version: str = strawberry.field(description="The version in force.")


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


@strawberry.type(description="The result of one model about one subject.", directives=access(SUBJECT))
class Score:
    """For the subject alone."""

    model: ScoreModel = strawberry.field(description="The model.")
    points: Decimal | None = strawberry.field(description="Points; null where the model has none or could not speak.")
    grade: Grade | None = strawberry.field(description="Grade; null where the model could not speak.")
    reason: str | None = strawberry.field(description="Why the model could not speak; it never counts against anybody.")
    lines: list[ScoreLine] = strawberry.field(description="Every rule that contributed.")
    evaluated_at: datetime = strawberry.field(description="When it was made.")


def points_of(hundredths: int | None) -> Decimal | None:
    """Hundredths of a point as points."""
    return None if hundredths is None else Decimal(hundredths).scaleb(-2)


def score_of(score: SubjectScore, model: Model) -> Score:
    """A stored score as the subject sees it."""
    grade = next((grade for grade in model.grades if grade.code == score.grade), None)
    return Score(
        model=ScoreModel(id=strawberry.ID(model.id), name=model.name, version=model.version),
        points=points_of(score.points),
        grade=Grade(code=grade.code, name=grade.name) if grade else None,
        reason=score.reason,
        lines=[
            ScoreLine(
                rule=line["rule"],
                label=line["label"],
                points=Decimal(line["points"]).scaleb(-2),
                basis=line["basis"],
                records=list(line["records"]),
            )
            for line in score.lines
        ],
        evaluated_at=score.evaluated_at,
    )
