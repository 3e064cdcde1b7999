"""Names of gates and people on duty, as a partner registers them. One thing to know: once it has registered any of a
kind, a scan with another name of that kind is the client's mistake."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from typing import Annotated, Any

import strawberry
from sqlalchemy import Row

from api.context import Context, Info
from api.errors import Problem
from api.mutations import mutation
from api.offers import current
from api.permissions import PARTNER, REPRESENTATIVE, access
from api.verification import LONGEST_LABEL, checked_text
from core.errors import BadInput, Forbidden
from partners import labels as partner_labels
from partners.accounts import Principal

OWNERS = (*PARTNER, *REPRESENTATIVE)
MOST_AT_ONCE = 100


@strawberry.enum(description="What a label names.")
class LabelKind(Enum):
    """A place or a person on duty."""

    SITE = strawberry.enum_value("site", description="A gate, window or counter; never a hospital's department.")
    CLERK = strawberry.enum_value("clerk", description="A person on duty, by a number or name of the partner's own.")


@strawberry.type(description="A name that a partner has registered.", directives=access(OWNERS))
class Label:
    """For `site` or `clerk` of a scan."""

    kind: LabelKind = strawberry.field(description="What it names.")
    label: str = strawberry.field(description="The name.")
    registered_at: datetime = strawberry.field(description="Since when.")
    ended_at: datetime | None = strawberry.field(description="From when on it is refused; null while it is in use.")


@strawberry.type(description="A partner's labels.", directives=access(OWNERS))
class Labels:
    """Result of `registerLabels` and `endLabel`."""

    labels: list[Label] = strawberry.field(description="All of them, ended ones too, by kind and name.")


@strawberry.input(description="Names to register; those registered already stay.")
class RegisterLabelsInput:
    """For `registerLabels`."""

    kind: LabelKind = strawberry.field(description="What they name.")
    labels: list[str] = strawberry.field(description="1 to 100 names of 1 to 40 characters.")


@strawberry.input(description="A name that is used no more.")
class EndLabelInput:
    """For `endLabel`."""

    kind: LabelKind = strawberry.field(description="What it names.")
    label: str = strawberry.field(description="The name.")


RegisterLabelsResult = Annotated[
    Labels | Problem, strawberry.union("RegisterLabelsResult", description="The labels, or why not.")
]
EndLabelResult = Annotated[Labels | Problem, strawberry.union("EndLabelResult", description="The labels, or why not.")]


def _label(row: Row[Any]) -> Label:
    return Label(kind=LabelKind(row.kind), label=row.label, registered_at=row.registered_at, ended_at=row.ended_at)


def _labels(rows: Sequence[Row[Any]]) -> Labels:
    return Labels(labels=[_label(row) for row in rows])


async def _owner(context: Context, connection: Any) -> tuple[Principal, int]:
    principal = await context.principal(connection)
    if principal.partner_id is None:
        raise Forbidden
    return principal, principal.partner_id


@strawberry.type
class LabelQueries:
    """A partner's own."""

    @strawberry.field(description="The labels of your partner, ended ones too.", directives=access(OWNERS))
    async def labels(self, info: Info) -> list[Label]:
        """By kind and name."""
        async with info.context.state.database.reading() as connection:
            _, partner_id = await _owner(info.context, connection)
            return [_label(row) for row in await partner_labels.labels_of(connection, partner_id)]


@strawberry.type
class LabelMutations:
    """Registering and ending."""

    @mutation(description="Register names of gates or people on duty.", to=OWNERS)
    async def register_labels(self, info: Info, input: RegisterLabelsInput) -> RegisterLabelsResult:  # noqa: A002
        """From the next scan on, only registered names of the kind are taken."""
        context = info.context
        if not 1 <= len(input.labels) <= MOST_AT_ONCE:
            raise BadInput(f"labels 每次 1 到 {MOST_AT_ONCE} 个。请分几次登记。")
        found = [checked_text("label", label, LONGEST_LABEL) for label in input.labels]
        sectors = (await current(context)).partners
        async with context.state.database.transaction() as connection:
            principal, partner_id = await _owner(context, connection)
            rows = await partner_labels.register_labels(
                connection,
                partner_id=partner_id,
                sector=sectors[partner_id].sector,
                kind=partner_labels.LabelKind(str(input.kind.value)),
                labels=found,
                actor=principal.account,
                now=context.now,
            )
        return _labels(rows)

    @mutation(description="End a name: scans that give it are refused.", to=OWNERS)
    async def end_label(self, info: Info, input: EndLabelInput) -> EndLabelResult:  # noqa: A002
        """Ending it again changes nothing; registering it again takes it up."""
        context = info.context
        label = checked_text("label", input.label, LONGEST_LABEL)
        async with context.state.database.transaction() as connection:
            principal, partner_id = await _owner(context, connection)
            rows = await partner_labels.end_label(
                connection,
                partner_id=partner_id,
                kind=partner_labels.LabelKind(str(input.kind.value)),
                label=label,
                actor=principal.account,
                now=context.now,
            )
        return _labels(rows)
