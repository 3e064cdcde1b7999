"""How a score came to be what it is, and what changed between two days. For the subject alone."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import strawberry

from api.grades import Grade, ScoreOrigin, difference, shown
from api.pagination import PageInfo, cursor_of, key_after, page_info, page_size
from api.permissions import SUBJECT, access
from core.errors import BadInput
from scoring.history import Entry, Timeline, changes_between
from scoring.values import parse_day

ONE_DAY = timedelta(days=1)


@strawberry.type(description="A stretch of days with one result.", directives=access(SUBJECT))
class ScoreHistoryEntry:
    """Made again from what was known then, under the version then in force."""

    from_day: date = strawberry.field(description="Its first day, or the first day asked for.")
    until_day: date | None = strawberry.field(description="First day on which it was another; null while it holds.")
    points: Decimal | None = strawberry.field(description="Points; null where the model has none or could not speak.")
    grade: Grade | None = strawberry.field(description="Grade; null where the model could not speak.")
    reason: str | None = strawberry.field(description="Why the model could not speak.")
    origin: ScoreOrigin = strawberry.field(description="Where it came from.")
    model_version: str = strawberry.field(description="The version of the model in force then.")
    changes: list[str] = strawberry.field(description="What changed against the entry before, in plain Chinese.")


@strawberry.type(description="An entry in a page (Relay).", directives=access(SUBJECT))
class ScoreHistoryEdge:
    """Relay's edge."""

    cursor: str = strawberry.field(description="Give it as `after` to go on from here.")
    node: ScoreHistoryEntry = strawberry.field(description="The entry.")


@strawberry.type(description="A page of a score's history, newest first (Relay).", directives=access(SUBJECT))
class ScoreHistoryConnection:
    """Relay's connection."""

    edges: list[ScoreHistoryEdge] = strawberry.field(description="The page.")
    page_info: PageInfo = strawberry.field(description="Where the page stands.")


@strawberry.type(description="What changed in a score between two days.", directives=access(SUBJECT))
class ScoreDifference:
    """The later day against the earlier one."""

    points: Decimal | None = strawberry.field(description="Points more on the later day; null where one has none.")
    from_points: Decimal | None = strawberry.field(description="Points on the earlier day.")
    to_points: Decimal | None = strawberry.field(description="Points on the later day.")
    from_grade: Grade | None = strawberry.field(description="Grade on the earlier day.")
    to_grade: Grade | None = strawberry.field(description="Grade on the later day.")
    changes: list[str] = strawberry.field(description="What changed, in plain Chinese.")


def history_page(
    timeline: Timeline, *, first: int | None, after: str | None, since: date | None, until: date | None, today: date
) -> ScoreHistoryConnection:
    """A page of the days from `since` to before `until`, newest first.

    Raises:
        BadInput: a size, a cursor or a pair of days that cannot be.
    """
    size, tomorrow = page_size(first), today + ONE_DAY
    end = min(tomorrow, until or tomorrow, _day_of(after) or tomorrow)
    begins_on = timeline.begins_on
    start = max(since or date.min, begins_on or date.min)
    if since is not None and until is not None and since >= until:
        raise BadInput("from 须早于 until。请改正后重试。")
    found = timeline.newest_first(since=start, until=end, most=size + 1)
    edges = []
    for place, entry in enumerate(found[:size]):
        edges.append(_edge(entry, _changes(timeline, entry, found[place + 1 : place + 2]), today=today))
    info = page_info([edge.cursor for edge in edges], more=len(found) > size, after=after)
    return ScoreHistoryConnection(edges=edges, page_info=info)


def difference_of(timeline: Timeline, *, since: date, until: date, today: date) -> ScoreDifference | None:
    """The day `until` against the day `since`; None where nothing is known of one of them.

    Raises:
        BadInput: the days are the wrong way round, or to come.
    """
    if not since <= until <= today:
        raise BadInput(f"from 不能晚于 to,to 不能晚于今天({today})。将来的情形请用 whatIf。")
    before, after = timeline.on(since), timeline.on(until)
    if before is None or after is None:
        return None
    old, new = shown(before), shown(after)
    return ScoreDifference(
        points=difference(old.points, new.points),
        from_points=old.points,
        to_points=new.points,
        from_grade=old.grade,
        to_grade=new.grade,
        changes=changes_between(before, after),
    )


def _changes(timeline: Timeline, entry: Entry, earlier: list[Entry]) -> list[str]:
    # The oldest one listed may have begun before the first day asked for; then nothing has changed.
    before = earlier[0].result if earlier else timeline.on(entry.from_on - ONE_DAY)
    return [] if before is None else changes_between(before, entry.result)


def _edge(entry: Entry, changes: list[str], *, today: date) -> ScoreHistoryEdge:
    result = shown(entry.result)
    node = ScoreHistoryEntry(
        from_day=entry.from_on,
        until_day=entry.until_on if entry.until_on <= today else None,
        points=result.points,
        grade=result.grade,
        reason=result.reason,
        origin=result.origin,
        model_version=entry.result.score.model.version,
        changes=changes,
    )
    return ScoreHistoryEdge(cursor=cursor_of(entry.from_on), node=node)


def _day_of(after: str | None) -> date | None:
    key = key_after(after)
    day = None if key is None else parse_day(key)
    if key is not None and day is None:
        raise BadInput("after 不是有效的游标。请原样使用上一页的 endCursor。")
    return day
