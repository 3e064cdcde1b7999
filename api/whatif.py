"""What would the score be, if? For the subject alone; nothing is written."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import strawberry

from api.grades import Grade, ScoreLine, ScoreOrigin, difference, line_of, shown
from api.permissions import SUBJECT, access
from core.errors import BadInput
from scoring.engine import Record, Score
from scoring.headlines import headlines
from scoring.history import changes_between, version_on
from scoring.inputs import Inputs, Result
from scoring.model import Model
from scoring.models import Models
from scoring.subjects import SubjectDataFault
from scoring.values import BadValue, number_text, read_number
from scoring.whatif import Change, changed, check_change, what_if


@strawberry.input(description="A record that is supposed to be added.")
class WhatIfRecordInput:
    """For `whatIf`."""

    item: str = strawberry.field(description="An item that the model knows.")
    occurred_on: date = strawberry.field(description="When; not after the day supposed.")
    points: Decimal | None = strawberry.field(
        default=None, description="Only for items whose records carry points of their own."
    )
    serious_consequence: bool = strawberry.field(default=False, description="Whether it had serious consequence.")


@strawberry.input(description="A weighted score of an industry.")
class WhatIfIndustryInput:
    """For `whatIf`."""

    industry: str = strawberry.field(description="The industry.")
    score: Decimal = strawberry.field(description="Its score.")
    weight: Decimal = strawberry.field(description="Its weight, above 0.")


@strawberry.input(
    description="A figure that is supposed to be another; neither value nor industries: that is not known."
)
class WhatIfFactInput:
    """For `whatIf`."""

    name: str = strawberry.field(description="A fact that the model knows.")
    value: Decimal | None = strawberry.field(default=None, description="Its value.")
    industries: list[WhatIfIndustryInput] | None = strawberry.field(
        default=None, description="For a fact that is made of weighted scores."
    )


@strawberry.input(description="What is supposed.")
class WhatIfInput:
    """For `whatIf`."""

    day: date | None = strawberry.field(
        default=None, description="A day from today to ten years on; today if left out."
    )
    without: list[str] = strawberry.field(
        default_factory=list, description="Ids of records that have expired or are repaired by then."
    )
    add: list[WhatIfRecordInput] = strawberry.field(default_factory=list, description="At most 50 new records.")
    facts: list[WhatIfFactInput] = strawberry.field(default_factory=list, description="Figures that are another.")


@strawberry.type(description="The score as it would be.", directives=access(SUBJECT))
class WhatIf:
    """Made by the same rules as the score itself."""

    day: date = strawberry.field(description="The day supposed.")
    points: Decimal | None = strawberry.field(description="Points; null where the model has none or could not speak.")
    grade: Grade | None = strawberry.field(description="Grade; null where the model could not speak.")
    reason: str | None = strawberry.field(description="Why the model could not speak.")
    origin: ScoreOrigin = strawberry.field(
        description="PUSHED or CORRECTED where such a result is in force on the day."
    )
    model_version: str = strawberry.field(description="The version of the model in force on the day.")
    lines: list[ScoreLine] = strawberry.field(description="Every rule that would contribute.")
    headlines: list[str] = strawberry.field(description="At most four sentences that say why.")
    difference: Decimal | None = strawberry.field(description="Points more than now; null where either has none.")
    changes: list[str] = strawberry.field(description="What would change against now, in plain Chinese.")


def answer_what_if(
    inputs: Inputs, now: Result, given: WhatIfInput, *, others: Sequence[Model], models: Models, today: date
) -> WhatIf:
    """The score of `now`'s model under what is supposed; `others` apply to the subject too.

    Raises:
        BadInput: something supposed cannot be.
        SubjectDataFault: the subject's data cannot be evaluated.
    """
    change = Change(
        day=given.day or today,
        without=frozenset(given.without),
        add=tuple(_record(record, place) for place, record in enumerate(given.add, 1)),
        facts={fact.name: _fact(fact) for fact in given.facts},
    )
    model = version_on(models, now.score.model.id, change.day)
    if model is None:
        raise BadInput(f"{change.day} 没有已发布的模型版本,无法试算。请选一个较近的日子。")
    check_change(model, inputs, change, others=others, today=today)
    try:
        result = what_if(model, inputs, change)
    except (ValueError, LookupError, TypeError, ArithmeticError) as error:
        raise SubjectDataFault(f"{model.id}: {type(error).__name__}") from error
    score, then, present = result.score, shown(result), shown(now)
    return WhatIf(
        day=change.day,
        points=then.points,
        grade=then.grade,
        reason=then.reason,
        origin=then.origin,
        model_version=model.version,
        lines=[line_of(line) for line in score.lines] if isinstance(score, Score) else [],
        headlines=list(headlines(score, records=changed(inputs, change).records)),
        difference=difference(present.points, then.points),
        changes=changes_between(now, result),
    )


def _record(given: WhatIfRecordInput, place: int) -> Record:
    points = None if given.points is None else _number(given.points, f"add 第 {place} 条的 points ")
    return Record(given.item, given.occurred_on, None, given.serious_consequence, points, f"added-{place}")


def _fact(given: WhatIfFactInput) -> Any:
    """As it would be stored."""
    if given.industries is None:
        return None if given.value is None else number_text(_number(given.value, f"facts.{given.name} "))
    if given.value is not None:
        raise BadInput(f"facts.{given.name[:60]} 的 value 与 industries 只能填一个。请删去其中之一。")
    return [
        {
            "industry": one.industry,
            "score": number_text(_number(one.score, f"facts.{given.name}.score ")),
            "weight": number_text(_number(one.weight, f"facts.{given.name}.weight ")),
        }
        for one in given.industries
    ]


def _number(value: Decimal, name: str) -> int:
    try:
        return read_number(value, name)
    except BadValue as error:
        raise BadInput(f"{error.message}。") from None
