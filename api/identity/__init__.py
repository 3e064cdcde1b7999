"""Ways of signing in, one file each. Every one ends in `Claims`; what an account may do is read from the database."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from partners.accounts import Role


@dataclass(frozen=True, slots=True)
class Claims:
    """What a checked token says: which account, in which role, until when (seconds since 1970)."""

    account: str
    role: Role
    expires_at: int
    session: UUID | None = None
    """The sign-in it came from, which may have ended since; None for keys and demo tokens."""
