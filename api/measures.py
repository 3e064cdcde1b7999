"""The list of incentive measures that a place has published. One thing to know: an offer is of one of these, or it is
not lawful; so whoever writes one looks here first."""

from __future__ import annotations

from datetime import date
from enum import Enum
from typing import Annotated

import strawberry

from api.context import Info
from api.permissions import ANYONE, access
from core.clock import day_of
from core.errors import BadInput
from legal.measures import Measure as Found


@strawberry.enum(description="How well founded a measure is.")
class SourceStatus(Enum):
    """Of a rule in the folders of rules."""

    OFFICIAL = strawberry.enum_value("official", description="A document says so.")
    INTERPRETATION = strawberry.enum_value("interpretation", description="A reading of a document, with the reason.")
    ILLUSTRATIVE = strawberry.enum_value("illustrative", description="An example for the place to replace.")


@strawberry.type(description="An incentive measure of a place's published list.", directives=access(ANYONE))
class Measure:
    """What may be added, in which kinds, at whose cost."""

    id: str = strawberry.field(description="Give it as `measure` of an offer.")
    name: str = strawberry.field(description="Its name in the list.")
    kinds: list[str] = strawberry.field(description="Codes of the benefit kinds it is for.")
    adds: list[str] = strawberry.field(description="What an offer under it may add.")
    subjects: list[str] = strawberry.field(description="For whom: person, enterprise.")
    payers: list[str] = strawberry.field(description="Who may bear the cost.")
    relative: bool = strawberry.field(description="A tie-break or bonus points: listed apart from the theorem.")
    in_force_from: date = strawberry.field(description="First day.")
    in_force_until: date | None = strawberry.field(description="First day on which it no longer holds.")
    source: str = strawberry.field(description="Title and clause of the document; the reason of an interpretation.")
    source_status: SourceStatus = strawberry.field(description="Whether a document says so.")


def _measure(found: Found) -> Measure:
    return Measure(
        id=found.id,
        name=found.name,
        kinds=list(found.kinds),
        adds=[str(effect) for effect in found.effects],
        subjects=list(found.subjects),
        payers=list(found.payers),
        relative=found.relative,
        in_force_from=found.in_force_from,
        in_force_until=found.in_force_until,
        source=str(found.citation),
        source_status=SourceStatus(found.source.status),
    )


@strawberry.type
class MeasureQueries:
    """Public: what is given has been published."""

    @strawberry.field(
        description="The measures in force today of a place's published list, its own first.", directives=access(ANYONE)
    )
    async def measures(
        self,
        info: Info,
        place: Annotated[str, strawberry.argument(description="Folder name of the place, for example hunan-shaoyang.")],
        kind: Annotated[str | None, strawberry.argument(description="Only those for this kind.")] = None,
    ) -> list[Measure]:
        """Those of the places above it included."""
        listed = info.context.state.rulebook.measures.get(place)
        if listed is None:
            raise BadInput("没有这个地方。请核对 place。")
        on = day_of(info.context.now)
        return [_measure(one) for one in listed.measures if one.in_force(on) and kind in {None, *one.kinds}]
