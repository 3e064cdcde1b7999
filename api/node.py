"""Relay's Node: any object by its id. One thing to know: what the caller could not reach otherwise is null, exactly
like what does not exist."""

from __future__ import annotations

import strawberry


@strawberry.interface(description="An object with an opaque, stable id (Relay).")
class Node:
    """Relay's Node."""

    id: strawberry.ID = strawberry.field(description="Opaque id.")
