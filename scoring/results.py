"""Results made elsewhere are received and applied as pushed; a corrected one is written here and goes back up. One
thing to know: the scores concerned are made afresh in the same transaction, so a push is applied whole or not at all.

《邵市发改财信〔2025〕30号》二、九;《黑龙江省社会信用条例》第二十一条.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

import orjson
from sqlalchemy import and_, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from core import audit
from core.clock import day_of
from core.errors import BadInput, ExpectedError
from core.identifiers import check_resident_id, check_uscc, new_id
from core.integrity import reseal, sealed
from core.keys import Keys
from core.sealing import keyed_hashes, unseal
from scoring.checks import top
from scoring.issuers import Issuer, Push, PushedRow, ResultsRefused, RowFault, refuse_if
from scoring.model import Model, PointsMethod
from scoring.models import Models
from scoring.outbox import enqueue
from scoring.scores import lock_subjects, refresh_many
from scoring.subjects import GOES_ON, SubjectKind, has_ended, identity_hashes, is_minor
from scoring.tables import enrollments, pushed_results, result_batches, subjects
from scoring.values import LIMIT, number_text

_T = TypeVar("_T")
CHUNK = 500
"""Subjects looked up and written at once."""
UPSTREAM = "upstream"
"""Topic and destination of corrected results in the outbox."""
CORRECTED_HERE = "本平台复核"
NOT_APPLIED, BAD_IDENTITY = "NOT_APPLIED", "BAD_IDENTITY"


class BatchConflict(ExpectedError):
    """The batch or request id was used for another content."""

    code = "REQUEST_CONFLICT"


class NotTheirModel(ExpectedError):
    """The issuer may not push results of this model."""

    code = "MODEL_NOT_ISSUERS"


class NotCorrectable(ExpectedError):
    """There is nobody under that id whose result of that model could be corrected."""

    code = "NOT_CORRECTABLE"


@dataclass(frozen=True, slots=True)
class Leftover:
    """A row that was not applied; `row` counts from 1.

    Unknown here, not taking part, a minor and another place's subject are one code, so that pushing tells nobody who
    takes part.
    """

    row: int
    code: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a push."""

    rows: int
    applied: int
    leftovers: Sequence[Leftover]
    repeated: bool
    """The batch had been received before, and nothing changed."""


@dataclass(frozen=True, slots=True)
class Correction:
    """A result corrected here."""

    id: UUID
    at: datetime
    repeated: bool = False
    """The request had come before; nothing was changed."""


async def receive_results(
    connection: AsyncConnection,
    push: Push,
    *,
    models: Models,
    keys: Keys,
    actor: str,
    now: datetime,
    tell: Callable[[int], object] = lambda _: None,
) -> Receipt:
    """Apply what an issuer pushed, in a transaction. `tell` hears of each so many rows done.

    Raises:
        BatchConflict: the batch id came before with another content.
        NotTheirModel, UnknownModel: it is no model of the issuer's, or none at all.
        ResultsRefused: a row is of a wrong shape, or a subject comes twice. Nothing was applied.
    """
    hashes = keyed_hashes(keys, "body", orjson.dumps({"model": push.model, "rows": [asdict(row) for row in push.rows]}))
    known = await _known_batch(connection, push.issuer.id, push.batch, hashes)
    if known is not None:
        return Receipt(known["rows"], known["applied"], [Leftover(**one) for one in known["leftovers"]], repeated=True)
    if push.model not in push.issuer.models:
        raise NotTheirModel(f"推送方 {push.issuer.name} 不能推送模型 {push.model[:60]} 的结果。请核对模型代码或名单。")
    model = models.get(push.model, day_of(now))
    rows = _checked(push.rows, model)
    numbers, leftovers = _identities(push.rows, model, keys)
    applied = 0
    for chunk in _chunks([*numbers.items()]):
        takers = await _takers(connection, dict(chunk), issuer=push.issuer, model=model, models=models, on=day_of(now))
        leftovers += [Leftover(place, NOT_APPLIED) for place, _ in chunk if place not in takers]
        applied += len(takers)
        await lock_subjects(connection, [taker.subject_id for taker in takers.values()])
        made = [_row(push, model, taker.subject_id, rows[place - 1], now) for place, taker in takers.items()]
        await _apply(connection, made, {taker.subject_id: taker.models for taker in takers.values()}, now=now)
        tell(len(chunk))
    leftovers.sort(key=lambda one: one.row)
    receipt = Receipt(len(push.rows), applied, leftovers, repeated=False)
    await _note_batch(connection, push.issuer.id, push.batch, hashes, _answer(receipt), now=now)
    content = {
        "issuer": push.issuer.id,
        "batch": push.batch,
        "model": model.id,
        "rows": receipt.rows,
        "applied": applied,
    }
    await audit.record(connection, at=now, actor=actor, action="pushResults", content=content)
    return receipt


async def correct_result(
    connection: AsyncConnection,
    *,
    subject_id: int,
    model_id: str,
    points: int | None,
    grade: str | None,
    valid_until: date | None,
    reason: str,
    request_id: str,
    models: Models,
    keys: Keys,
    actor: str,
    now: datetime,
) -> Correction:
    """Put a result right here, at once, and send it up, in a transaction.

    It holds from today until `valid_until`; without one until that of the pushed result it corrects, else until
    another result comes. The reason is shown to the subject. The same `request_id` again changes nothing.

    Raises:
        BatchConflict: the request id came before with another content.
        NotCorrectable: nobody's result of that model.
        UnknownModel: no such model.
        ResultsRefused: the result cannot be one of this model's.
    """
    on, issuer = day_of(now), f"account:{actor}"
    asked = [subject_id, model_id, points, grade, valid_until, reason]
    hashes = keyed_hashes(keys, "body", orjson.dumps(asked))
    known = await _known_batch(connection, issuer, request_id, hashes)
    if known is not None:
        return Correction(UUID(known["id"]), datetime.fromisoformat(known["at"]), repeated=True)
    model = models.get(model_id, on)
    await lock_subjects(connection, [subject_id])
    row = (await connection.execute(_PARTICIPANTS.where(subjects.c.id == subject_id))).one_or_none()
    concerned = [] if row is None else _concerned(row, model, models, on)
    if row is None or model.id not in {one.id for one in concerned}:
        raise NotCorrectable("没有可更正的结果:主体不存在、未参加,或不适用这个模型。请核对主体编号与模型。")
    until = valid_until or await _end_of_present(connection, subject_id, model, on)
    checked = PushedRow("", points, grade, on, until, reason)
    if fault := next(_faults(checked, model), None):
        raise ResultsRefused(f"更正没有应用:{fault}。请改正后重试。")
    checked = _with_grade(checked, model)
    push = Push(Issuer(issuer, CORRECTED_HERE, frozenset(), frozenset()), request_id, model.id, ())
    made = _row(push, model, subject_id, checked, now) | {"origin": "corrected"}
    await _apply(connection, [made], {subject_id: concerned}, now=now)
    number = unseal(keys, "seal", row.identity_sealed)
    payload = {
        "model": model.id,
        "subject": number.decode() if number else None,
        "points": None if checked.points is None else orjson.loads(number_text(checked.points)),
        "grade": checked.grade,
        "resultOn": on,
        "validUntil": until,
        "reason": reason,
    }
    await enqueue(connection, keys, topic="corrected-result", destination=UPSTREAM, payload=payload, now=now)
    await _note_batch(connection, issuer, request_id, hashes, {"id": str(made["id"]), "at": now.isoformat()}, now=now)
    content = {"model": model.id, "result": str(made["id"]), "reason": reason}
    await audit.record(connection, at=now, actor=actor, action="correctResult", content=content, subject_id=subject_id)
    return Correction(made["id"], now)


async def withdraw_batch(
    connection: AsyncConnection, *, issuer: str, batch: str, models: Models, actor: str, now: datetime
) -> int:
    """Take back all that a batch brought, in a transaction; how many results that were. The computed scores return."""
    mine = and_(pushed_results.c.issuer == issuer, pushed_results.c.batch == batch)
    gone = update(pushed_results).where(mine, pushed_results.c.withdrawn_at.is_(None)).values(withdrawn_at=now)
    found = (await connection.execute(gone.returning(pushed_results.c.subject_id, pushed_results.c.model))).all()
    await reseal(connection, pushed_results, mine)
    for chunk in _chunks(found):
        model_of = {row.subject_id: row.model for row in chunk}
        places = await connection.execute(
            select(subjects.c.id, subjects.c.place).where(subjects.c.id.in_(list(model_of)))
        )
        concerned = {row.id: models.concerned(model_of[row.id], place_code=row.place, on=day_of(now)) for row in places}
        await refresh_many(connection, concerned, now=now)
    content = {"issuer": issuer, "batch": batch, "results": len(found)}
    await audit.record(connection, at=now, actor=actor, action="withdrawResults", content=content)
    return len(found)


_PARTICIPANTS = (
    select(
        subjects.c.id,
        subjects.c.identity_sealed,
        subjects.c.kind,
        subjects.c.place,
        subjects.c.birth_on,
        subjects.c.ended_on,
    )
    .join(enrollments, and_(enrollments.c.subject_id == subjects.c.id, enrollments.c.left_at.is_(None)))
)  # fmt: skip
"""Subjects that take part."""


class _Taker(NamedTuple):
    """A subject that gets a result, and the models whose scores it may change."""

    subject_id: int
    models: list[Model]


def _concerned(row: Any, model: Model, models: Models, on: date) -> list[Model]:
    """The models of a subject that takes part whose scores a result of `model` may change; a minor has none, nor who
    has ended."""
    never = is_minor(row.birth_on, on=on) or has_ended(row, on=on)
    if row.kind != model.subject or not model.is_in_force(on) or never:
        return []
    return models.concerned(model.id, place_code=row.place, on=on)


def _checked(rows: Sequence[PushedRow], model: Model) -> list[PushedRow]:
    """The rows with their grades, each a result that the model could have.

    Raises:
        ResultsRefused: one is not.
    """
    faults = [RowFault(place, fault) for place, row in enumerate(rows, 1) for fault in _faults(row, model)]
    refuse_if(faults)
    return [_with_grade(row, model) for row in rows]


def _faults(row: PushedRow, model: Model) -> Iterator[str]:
    has_points = any(grade.at_least is not None for grade in model.grades)
    if row.valid_until is not None and row.valid_until <= row.result_on:
        yield "validUntil 应晚于 resultOn"
    if row.grade is None and row.points is None:
        yield "points 与 grade 至少写一个"
    if row.grade is not None and row.grade not in {grade.code for grade in model.grades}:
        yield f"grade 不在 {model.id} 的等级之中({'、'.join(grade.code for grade in model.grades)})"
    if row.points is None:
        return
    if not has_points:
        yield f"{model.id} 没有分数,points 应为空"
        return
    # The scale's own ends: an official result may lie where the local rules do not reach.
    method = model.method
    lowest, highest = (method.floor, method.ceiling) if isinstance(method, PointsMethod) else (0, top(model))
    highest = LIMIT if highest is None else highest
    if not lowest <= row.points <= highest:
        yield f"points 应在 {number_text(lowest)} 至 {number_text(highest)} 之间"


def _with_grade(row: PushedRow, model: Model) -> PushedRow:
    """The row with the grade that it says, else with that of its points."""
    points = row.points
    if row.grade is not None or points is None:
        return row
    return replace(row, grade=next(g.code for g in model.grades if g.at_least is None or points >= g.at_least))


def _identities(
    rows: Sequence[PushedRow], model: Model, keys: Keys
) -> tuple[dict[int, tuple[bytes, ...]], list[Leftover]]:
    """The keyed hashes by which the subject of each row may be found, by row; and rows whose number is none.

    Raises:
        ResultsRefused: a subject comes twice.
    """
    check = check_resident_id if model.subject == "person" else check_uscc
    found: dict[int, tuple[bytes, ...]] = {}
    leftovers, seen = [], dict[str, int]()
    for place, row in enumerate(rows, 1):
        try:
            canonical = check(row.subject)
        except BadInput:
            leftovers.append(Leftover(place, BAD_IDENTITY))
            continue
        if canonical in seen:
            raise ResultsRefused(
                f"第 {seen[canonical]} 行与第 {place} 行是同一主体。每批每个主体只能有一行。整批没有应用,请合并后重推。"
            )
        seen[canonical] = place
        found[place] = identity_hashes(keys, kind=SubjectKind(model.subject), number=canonical)
    return found, leftovers


async def _takers(
    connection: AsyncConnection,
    wanted: Mapping[int, tuple[bytes, ...]],
    *,
    issuer: Issuer,
    model: Model,
    models: Models,
    on: date,
) -> dict[int, _Taker]:
    """The subjects that the rows are about, by row: those that take part, may have the result, and are the issuer's.
    What is about an entry that was merged is about the one that goes on."""
    places = {held: place for place, hashes in wanted.items() for held in hashes}
    named = select(subjects.c.identity_hash, GOES_ON.label("goes_on")).where(subjects.c.identity_hash.in_(list(places)))
    place_of = {row.goes_on: places[row.identity_hash] for row in await connection.execute(named)}
    return {
        place_of[row.id]: _Taker(row.id, concerned)
        for row in await connection.execute(_PARTICIPANTS.where(subjects.c.id.in_(list(place_of))))
        if (concerned := _concerned(row, model, models, on)) and not issuer.places.isdisjoint(models.lineage(row.place))
    }


def _chunks(rows: Sequence[_T]) -> Iterator[Sequence[_T]]:
    return (rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK))


def _row(push: Push, model: Model, subject_id: int, row: PushedRow, now: datetime) -> dict[str, Any]:
    return {
        "subject_id": subject_id,
        "model": model.id,
        "id": new_id(),
        "origin": "pushed",
        "points": row.points,
        "grade": row.grade,
        "result_on": row.result_on,
        "valid_until": row.valid_until,
        "issuer": push.issuer.id,
        "issuer_name": push.issuer.name,
        "reference": row.reference,
        "batch": push.batch,
        "received_at": now,
        "withdrawn_at": None,
    }


async def _apply(
    connection: AsyncConnection,
    rows: Sequence[dict[str, Any]],
    concerned: Mapping[int, Sequence[Model]],
    *,
    now: datetime,
) -> None:
    if rows:
        await connection.execute(insert(pushed_results), [sealed(connection, pushed_results, row) for row in rows])
        await refresh_many(connection, concerned, now=now)


async def _end_of_present(connection: AsyncConnection, subject_id: int, model: Model, on: date) -> date | None:
    """Until when the pushed result in force holds."""
    held = pushed_results.c
    statement = (
        select(held.valid_until)
        .where(held.subject_id == subject_id, held.model == model.id, held.withdrawn_at.is_(None))
        .where(held.result_on <= on, (held.valid_until.is_(None)) | (held.valid_until > on))
        .order_by(held.result_on.desc(), held.received_at.desc())
        .limit(1)
    )
    end: date | None = await connection.scalar(statement)
    return end


def _answer(receipt: Receipt) -> dict[str, Any]:
    stored = asdict(receipt)
    del stored["repeated"]
    return stored


async def _known_batch(
    connection: AsyncConnection, issuer: str, batch: str, hashes: Sequence[bytes]
) -> dict[str, Any] | None:
    mine = and_(result_batches.c.issuer == issuer, result_batches.c.batch == batch)
    row = (await connection.execute(select(result_batches).where(mine))).one_or_none()
    if row is None:
        return None
    if row.body_hash not in hashes:
        raise BatchConflict("这个批次号(requestId、jti)已用于另一份内容不同的结果。请换一个新的编号。")
    answer: dict[str, Any] = row.answer
    return answer


async def _note_batch(
    connection: AsyncConnection,
    issuer: str,
    batch: str,
    hashes: Sequence[bytes],
    answer: dict[str, Any],
    *,
    now: datetime,
) -> None:
    """Two at once: the second breaks the primary key, is run again, and finds the first."""
    values = {"issuer": issuer, "batch": batch, "body_hash": hashes[0], "answer": answer, "received_at": now}
    await connection.execute(insert(result_batches).values(values))
