"""Ways of signing in, one file each. Every one ends in `Claims`; what an account may do is read from the database."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from core.errors import ExpectedError
from partners.accounts import Role


@dataclass(frozen=True, slots=True)
class Claims:
    """What a checked token says: which account, in which role, until when (seconds since 1970)."""

    account: str
    role: Role
    expires_at: int
    session: UUID | None = None
    """The sign-in it came from, which may have ended since; None for keys and demo tokens."""


class SignInFailed(ExpectedError):
    """What came back from a provider does not sign in. `why` is a stable word for the check it failed."""

    code = "SIGN_IN_FAILED"

    def __init__(
        self, why: str, message: str = "登录没有通过核对:登录服务方返回的内容与本次登录不符。请重新登录。"
    ) -> None:
        super().__init__(message)
        self.why = why
