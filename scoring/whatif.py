"""What would the score be, if? One thing to know: the answer comes from the very function that makes the real score, so
when the change comes true, the score does too (a test holds the two together)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import NamedTuple

from core.errors import BadInput
from scoring.engine import Record
from scoring.inputs import Inputs, Result, result_on
from scoring.model import Model
from scoring.values import BadValue

MOST_ADDED = 50
FARTHEST = timedelta(days=3653)
"""Ten years."""


class Change(NamedTuple):
    """What is supposed: the day, records that are gone by then (expired or repaired), records and facts that are new.

    `facts` as stored in JSON; None takes a fact away.
    """

    day: date
    without: frozenset[str] = frozenset()
    add: tuple[Record, ...] = ()
    facts: Mapping[str, object] = {}


def changed(inputs: Inputs, change: Change) -> Inputs:
    """What would be known."""
    records = (record for record in inputs.records if record.id not in change.without)
    facts = {name: value for name, value in {**inputs.facts, **change.facts}.items() if value is not None}
    return inputs._replace(records=(*records, *change.add), facts=facts)


def what_if(model: Model, inputs: Inputs, change: Change) -> Result:
    """The result on the day supposed. A pushed result in force on that day stays the answer.

    Raises:
        ValueError, LookupError, TypeError, ArithmeticError: the data cannot be evaluated.
    """
    return result_on(model, changed(inputs, change), on=change.day)


def check_change(model: Model, inputs: Inputs, change: Change, *, today: date, others: Sequence[Model] = ()) -> None:
    """Refuse what makes no sense for this subject.

    An item or a fact has to be known to the model, or to one of the `others` that apply to the subject: what is
    supposed is put to all of them, and what does not concern one changes nothing there.

    Raises:
        BadInput: a record, item, fact or day that cannot be.
    """
    if not today <= change.day <= today + FARTHEST:
        raise BadInput(f"day 须在今天({today})到 {today + FARTHEST} 之间。请改正后重试。")
    unknown = change.without - {record.id for record in inputs.records}
    if unknown:
        raise BadInput("without 中有不属于您的记录编号。请原样使用得分明细 records 中的编号。")
    if len(change.add) > MOST_ADDED:
        raise BadInput(f"add 一次最多 {MOST_ADDED} 条。请减少后重试。")
    for place, record in enumerate(change.add, 1):
        _check_record((model, *others), record, place, change.day)
    known = dict.fromkeys(name for one in (model, *others) for name in one.all_facts)
    for name in change.facts:
        if name not in known:
            raise BadInput(f"评分模型不看 {name[:60]!r} 这项数据。可用的有:{'、'.join(known) or '无'}。")
    try:
        model.read_facts(change.facts)
    except BadValue as error:
        raise BadInput(f"{error.message}。") from None


def _check_record(models: Sequence[Model], record: Record, place: int, day: date) -> None:
    where = f"add 的第 {place} 条:"
    known = dict.fromkeys(item for model in models for item in model.all_items)
    if record.item not in known:
        raise BadInput(f"{where}评分模型没有 {record.item[:60]!r} 这个项目。可用的有:{'、'.join(known) or '无'}。")
    if record.occurred_on > day:
        raise BadInput(f"{where}occurredOn 不能晚于 day({day})。请改正后重试。")
    carries_points = any(record.item in model.own_points_items for model in models)
    if carries_points and record.points is None:
        raise BadInput(f"{where}{record.item} 的分值由记录自带,请填写 points。")
    if not carries_points and record.points is not None:
        raise BadInput(f"{where}{record.item} 的分值由模型规定,请不要填写 points。")
