"""The exception tree. One thing to know: an `ExpectedError` is part of the interface, anything else is our bug."""

from __future__ import annotations

from typing import ClassVar


class ExpectedError(Exception):
    """Something that a caller can meet and act on. `code` is public and never renamed.

    The message says, in plain Chinese, what happened, why, and what to do next.
    """

    code: ClassVar[str]

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Unavailable(ExpectedError):
    """The system cannot answer just now. Says nothing about a person and is never recorded as an answer."""

    code = "UNAVAILABLE"

    def __init__(self, message: str = "系统暂时无法作答,与任何个人无关;请稍后用同一 requestId 重试。") -> None:
        super().__init__(message)


class BadInput(ExpectedError):
    """The request itself is malformed: the client has to be mended. `field` is what of the input is meant, by its name
    there, where it is one."""

    code = "BAD_USER_INPUT"

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class Unauthenticated(ExpectedError):
    """Nobody is signed in, or the sign-in is no longer good."""

    code = "UNAUTHENTICATED"

    def __init__(self, message: str = "需要登录:请在 Authorization 头中提供有效的 Bearer 令牌。") -> None:
        super().__init__(message)


class Forbidden(ExpectedError):
    """Signed in, but without this right."""

    code = "FORBIDDEN"

    def __init__(self, message: str = "当前账号没有此项权限;如确有需要,请联系运营人员。") -> None:
        super().__init__(message)


class FourEyes(ExpectedError):
    """Whoever prepared something may not be the one who lets it pass."""

    code = "FOUR_EYES"


class StartupError(ExpectedError):
    """The program cannot start as configured. Printed in one line, exit code 1."""

    code = "STARTUP"


class DataFileError(StartupError):
    """A file of rules is broken. Names the file, the line, what is wrong and what to do."""

    code = "DATA_FILE"

    def __init__(self, *, file: str, line: int, problem: str, remedy: str) -> None:
        super().__init__(f"{file}:{line}: {problem}。{remedy}")
        self.file, self.line = file, line
