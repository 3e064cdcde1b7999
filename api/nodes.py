"""`node` and `nodes`: objects by their ids. One thing to know: whatever the caller could not reach otherwise is null,
exactly like what does not exist; and many ids cost as many trips to the database as they have types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import strawberry

from api.context import Context, Info
from api.ids import any_key
from api.node import Node
from api.offers import find_offers, find_partners
from api.permissions import ANYONE, SUBJECT, Audience, access
from api.registered import leads_to
from api.running.sizes import MOST_IDS
from api.subjects import CreditSubject, signed_in_subject
from core.errors import BadInput, Unauthenticated


@strawberry.type
class NodeQueries:
    """Relay's node, and several at once."""

    @strawberry.field(
        description="An object by its id; null for whatever the caller could not reach otherwise.",
        directives=access(ANYONE),
    )
    async def node(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="An id that this interface gave out.")],  # noqa: A002
    ) -> Node | None:
        """Relay's node."""
        return (await _find(info.context, [id]))[0]

    @strawberry.field(
        description="Objects by their ids, in their order; null for each that the caller could not reach otherwise.",
        directives=access(ANYONE),
    )
    async def nodes(
        self,
        info: Info,
        ids: Annotated[list[strawberry.ID], strawberry.argument(description="At most 100 ids.")],
    ) -> list[Node | None]:
        """The same id twice gives the same object twice."""
        if len(ids) > MOST_IDS:
            raise BadInput(f"ids 有 {len(ids)} 个,最多 {MOST_IDS} 个。请分成几次请求。")
        return await _find(info.context, ids)


async def _find(context: Context, ids: Sequence[str]) -> list[Node | None]:
    named = [_named(one) for one in ids]
    wanted: dict[str, set[int]] = {}
    for type_name, key in named:
        wanted.setdefault(type_name, set()).add(key)
    found: dict[tuple[str, int], Node] = {}
    if keys := wanted.get("Offer"):
        found |= {("Offer", key): offer for key, offer in (await find_offers(context, keys)).items()}
    if keys := wanted.get("Partner"):
        found |= {("Partner", key): partner for key, partner in (await find_partners(context, keys)).items()}
    if keys := wanted.get("CreditSubject"):
        found |= {("CreditSubject", key): subject for key, subject in (await _subjects(context, keys)).items()}
    return [found.get(name) for name in named]


def _named(given: str) -> tuple[str, int]:
    try:
        return any_key(given)
    except BadInput:
        return "", 0


async def _subjects(context: Context, keys: set[int]) -> dict[int, CreditSubject]:
    """The caller's own subject, also by the id of an entry that was merged into it."""
    if context.claims is None or Audience(context.claims.role.value) not in SUBJECT:
        return {}
    try:
        own = await signed_in_subject(context)
    except Unauthenticated:
        return {}
    others = keys - {own.held.id}
    merged = await leads_to(context, others, own.held.id) if others else set()
    return {key: own for key in keys if key == own.held.id or key in merged}
