"""Who may push results, and the signed file they come in. One thing to know: nothing of a file is believed before its
signature has been checked with the key that this deployment keeps for that issuer.

The file is a JWS (EdDSA, `typ: xinyi-results+jwt`) over `iss iat jti aud model results`, each of `results` being
`{"subject", "points", "grade", "resultOn", "validUntil", "reference"}`; `subject` is an identity number or a USCC.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import orjson
from pydantic import ValidationError

from core.datafile import Document
from core.errors import ExpectedError, StartupError
from core.keys import Keys, load_public_keys
from core.signing import SignatureInvalid, unproved_claims, verify
from scoring.values import BadValue, read_day, read_number

MAX_LENGTH = 64_000_000
"""Characters of a signed file."""
CLOCKS_DIFFER = timedelta(minutes=5)
LONGEST_BATCH, LONGEST_REFERENCE = 128, 200
MOST_TOLD = 5
"""Faulty rows that a refusal names."""


class IssuerUnknown(ExpectedError):
    """Nobody whose results this deployment accepts."""

    code = "ISSUER_UNKNOWN"


class ResultsRefused(ExpectedError):
    """What was pushed is of a wrong shape; nothing of it was applied."""

    code = "RESULTS_REFUSED"


class RowFault(NamedTuple):
    """What is wrong with a row; `row` counts from 1."""

    row: int
    message: str


@dataclass(frozen=True, slots=True)
class PushedRow:
    """A result as it was pushed. `points` in hundredths."""

    subject: str
    points: int | None
    grade: str | None
    result_on: date
    valid_until: date | None
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class Push:
    """What one issuer pushed together; the same `batch` again changes nothing."""

    issuer: Issuer
    batch: str
    model: str
    rows: Sequence[PushedRow]


class _IssuerEntry(Document):
    name: str
    jwks: str | None = None
    models: tuple[str, ...]
    places: tuple[str, ...]
    accounts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Issuer:
    """A body whose results are accepted."""

    id: str
    name: str
    """As it is shown to people."""
    models: frozenset[str]
    places: frozenset[str]
    """Of subjects of these places and of those below them."""
    accounts: frozenset[str] = frozenset()
    """Accounts that push in its name through the API."""
    keys: Keys | None = None


def load_issuers(path: Path) -> dict[str, Issuer]:
    """The issuers by id, from JSON `{id: {"name", "jwks", "models", "places", "accounts"}}`; `jwks` is a file's name.

    Raises:
        StartupError: the file, or a key set that it names, is missing or broken.
    """
    try:
        content = orjson.loads(path.read_bytes())
        entries = {str(issuer): _IssuerEntry.model_validate(entry) for issuer, entry in content.items()}
    except OSError as error:
        raise StartupError(f"读不到推送方名单 {path}({error.strerror})。请检查 XINYI_ISSUERS。") from None
    except ValidationError as error:
        where = ".".join(str(step) for step in error.errors()[0]["loc"])
        raise StartupError(f"推送方名单 {path} 的 {where} 不对。请对照 docs/results.md 改正。") from None
    except (ValueError, AttributeError):
        raise StartupError(f"推送方名单 {path} 不是有效的 JSON 对象。请对照 docs/results.md 改正。") from None
    return {
        issuer: Issuer(
            id=issuer,
            name=entry.name,
            models=frozenset(entry.models),
            places=frozenset(entry.places),
            accounts=frozenset(entry.accounts),
            keys=load_public_keys(path.parent / entry.jwks) if entry.jwks else None,
        )
        for issuer, entry in entries.items()
    }


def issuer_of_account(issuers: Mapping[str, Issuer], account: str) -> Issuer:
    """The issuer in whose name an account pushes.

    Raises:
        IssuerUnknown: in nobody's.
    """
    for issuer in issuers.values():
        if account in issuer.accounts:
            return issuer
    raise IssuerUnknown("此账号没有登记为任何推送方。请联系运营人员,把账号登记到推送方名单。")


def open_push(
    token: str, issuers: Mapping[str, Issuer], *, audience: str, now: datetime, keys: Keys | None = None
) -> Push:
    """The push inside a signed file; `keys`, where given, stand in for the issuer's configured ones.

    Raises:
        IssuerUnknown: it comes from nobody we know.
        SignatureInvalid: it is not what that issuer signed, or not for us.
        ResultsRefused: it is of a wrong shape.
    """
    issuer = issuers.get(str(unproved_claims(token, max_length=MAX_LENGTH).get("iss")))
    if issuer is None:
        raise IssuerUnknown("文件的签发方不在推送方名单之中。请核对来源,或先把签发方登记到名单。")
    trusted = keys or issuer.keys
    if trusted is None:
        raise IssuerUnknown(f"推送方 {issuer.id} 没有登记公钥集。请在名单中写明 jwks。")
    claims = verify(trusted, "results", token, max_length=MAX_LENGTH)
    if claims.get("aud") != audience:
        raise SignatureInvalid(f"这份文件不是给本平台的(aud 应为 {audience})。请向推送方核对。")
    issued_at = claims.get("iat")
    if not isinstance(issued_at, int) or issued_at > (now + CLOCKS_DIFFER).timestamp():
        raise SignatureInvalid("签发时间 iat 缺失或在将来。请向推送方核对其时钟。")
    batch, model, results = claims.get("jti"), claims.get("model"), claims.get("results")
    if not isinstance(batch, str) or not 1 <= len(batch) <= LONGEST_BATCH or not batch.isprintable():
        raise ResultsRefused(f"批次号 jti 须为 1 到 {LONGEST_BATCH} 个可见字符。请推送方改正后重新签发。")
    if not isinstance(model, str) or not isinstance(results, list):
        raise ResultsRefused("缺少 model 或 results。请推送方改正后重新签发。")
    rows, faults = [], []
    for place, raw in enumerate(results, 1):
        try:
            rows.append(_read(raw))
        except BadValue as error:
            faults.append(RowFault(place, error.message))
    refuse_if(faults)
    return Push(issuer, batch, model, rows)


def refuse_if(faults: Sequence[RowFault]) -> None:
    """Refuse everything where any row is faulty.

    Raises:
        ResultsRefused: one is; the first few are named, by their row and never by whom they are about.
    """
    if faults:
        told = ";".join(f"第 {fault.row} 行:{fault.message}" for fault in faults[:MOST_TOLD])
        raise ResultsRefused(f"有 {len(faults)} 行不合要求,整批没有应用。{told}")


def _read(raw: object) -> PushedRow:
    if not isinstance(raw, dict) or not isinstance(raw.get("subject"), str):
        raise BadValue("BAD_LINE", "应为含 subject 的对象")
    points, until, reference = raw.get("points"), raw.get("validUntil"), raw.get("reference")
    if isinstance(points, float):
        points = Decimal(repr(points))  # the decimal that was written, not its binary neighbour
    for name in ("grade", "reference"):
        if not isinstance(raw.get(name), str | None):
            raise BadValue("BAD_LINE", f"{name} 应为文字")
    if reference is not None and not 1 <= len(reference) <= LONGEST_REFERENCE:
        raise BadValue("BAD_LINE", f"reference 须为 1 到 {LONGEST_REFERENCE} 个字符")
    return PushedRow(
        subject=raw["subject"],
        points=None if points is None else read_number(points, "points "),
        grade=raw.get("grade"),
        result_on=read_day(raw.get("resultOn"), "resultOn "),
        valid_until=None if until is None else read_day(until, "validUntil "),
        reference=reference,
    )
