"""By when a case is answered, told before one is opened. One thing to know: it is reckoned as if one were opened now;
what holds for a case stands on the case."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import strawberry

from api.cases import rules_of
from api.context import Info
from api.models import ModelSource, source_of
from api.permissions import ANYONE, access
from core.errors import BadInput
from scoring.cases.workflow import Kind, terms_of


@strawberry.type(description="By when a case of one kind is answered in a place.", directives=access(ANYONE))
class CaseTerm:
    """A term of the place, and its last day."""

    kind: Kind = strawberry.field(description="What the case would be.")
    working_days: int = strawberry.field(description="Working days from the day after it comes in.")
    answered_by: date = strawberry.field(description="The last day of the term for a case that comes in now.")
    provisional: bool = strawberry.field(description="The holidays of that year are not published yet.")
    source: ModelSource = strawberry.field(description="Where the term comes from.")


@strawberry.type
class CaseTermQueries:
    """Terms, for everybody."""

    @strawberry.field(
        description="By when a case that came in now would be answered; kinds without a term are left out.",
        directives=access(ANYONE),
    )
    def case_terms(
        self,
        info: Info,
        place: Annotated[str, strawberry.argument(description="Folder name of the place, for example hunan-shaoyang.")],
    ) -> list[CaseTerm]:
        """Nothing is opened by asking."""
        state = info.context.state
        if place not in state.rulebook.places:
            raise BadInput(f"本部署没有 {place[:40]} 这个地方。请核对 place。")
        return [
            CaseTerm(
                kind=kind,
                working_days=term.working_days,
                answered_by=due.on,
                provisional=due.provisional,
                source=source_of(term.source),
            )
            for kind, term, due in terms_of(place, rules_of(state), now=info.context.now)
        ]
