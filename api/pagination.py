"""Keyset pages (Relay connections). One thing to know: a cursor names a row, not an offset, so pages stay right while
rows come and go."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Annotated
from uuid import UUID

import strawberry

from api.permissions import ANYONE, access
from api.running.sizes import DEFAULT_PAGE, LARGEST_PAGE
from core.errors import BadInput

First = Annotated[
    int | None, strawberry.argument(description=f"Size of the page: 1 to {LARGEST_PAGE}, {DEFAULT_PAGE} if left out.")
]
"""The `first` of a connection."""
After = Annotated[str | None, strawberry.argument(description="The endCursor of the page before.")]
"""The `after` of a connection."""


@strawberry.type(description="Where a page stands (Relay).", directives=access(ANYONE))
class PageInfo:
    """Relay's PageInfo."""

    has_next_page: bool = strawberry.field(description="Whether there is more after this page.")
    has_previous_page: bool = strawberry.field(description="Whether this page began after a cursor.")
    start_cursor: str | None = strawberry.field(description="Cursor of the first edge.")
    end_cursor: str | None = strawberry.field(description="Cursor of the last edge; give it as `after`.")


def page_info(cursors: list[str], *, more: bool, after: str | None) -> PageInfo:
    """PageInfo for the cursors of a page."""
    return PageInfo(
        has_next_page=more,
        has_previous_page=after is not None,
        start_cursor=cursors[0] if cursors else None,
        end_cursor=cursors[-1] if cursors else None,
    )


def page_size(first: int | None) -> int:
    """The size asked for.

    Raises:
        BadInput: not between 1 and 100.
    """
    size = DEFAULT_PAGE if first is None else first
    if not 1 <= size <= LARGEST_PAGE:
        raise BadInput(f"first 须在 1 到 {LARGEST_PAGE} 之间。请改正后重试。")
    return size


def cursor_of(key: object) -> str:
    """An opaque cursor for a row's key."""
    return urlsafe_b64encode(str(key).encode()).decode()


def key_after(cursor: str | None) -> str | None:
    """The key inside a cursor.

    Raises:
        BadInput: it is no cursor of ours.
    """
    if cursor is None:
        return None
    try:
        key = urlsafe_b64decode(cursor.encode()).decode()
    except ValueError:
        key = None
    if key is None or cursor_of(key) != cursor:
        raise BadInput("after 不是有效的游标。请原样使用上一页的 endCursor。")
    return key


def number_after(cursor: str | None) -> int | None:
    """Like `key_after`, where keys are numbers."""
    key = key_after(cursor)
    if key is None:
        return None
    if not (key.isascii() and key.isdecimal() and len(key) < 20):
        raise BadInput("after 不是有效的游标。请原样使用上一页的 endCursor。")
    return int(key)


def id_after(after: str | None) -> UUID | None:
    """The row id inside a cursor.

    Raises:
        BadInput: it is no cursor of ours.
    """
    key = key_after(after)
    try:
        return None if key is None else UUID(key)
    except ValueError:
        raise BadInput("after 不是有效的游标。请原样使用上一页的 endCursor。") from None
