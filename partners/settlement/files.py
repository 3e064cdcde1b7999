"""A settlement file as it is written, signed and checked. Pure: one thing to know is that the same lines always make
the same bytes, so that both hashes in the statement can be computed again by whoever holds a file.

Amounts are whole 分. A CSV is UTF-8 with a byte order mark, which Excel needs to read Chinese, and its lines end with
CRLF; the figures of the JSON stand in it in the same order.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from hashlib import sha256
from typing import Any, Literal, NamedTuple
from uuid import UUID

import orjson

from core.clock import SHANGHAI
from core.errors import ExpectedError
from core.keys import Keys
from core.signing import sign, verify
from scoring.intake.quarantine import shown

FORMAT = "xinyi-settlement/1"
COLUMNS = ("line", "kind", "redemption", "receipt", "offer", "offerVersion", "site", "amountFen", "at")
_BOM = b"\xef\xbb\xbf"

PublicId = Callable[[str, int | UUID], str]
"""How the id of a row is written for those outside."""


class SettlementInvalid(ExpectedError):
    """A settlement file is not the one that was signed. The message says which check it failed."""

    code = "SETTLEMENT_INVALID"


class Line(NamedTuple):
    """A use of a benefit, or a correction that takes an earlier one back with an amount below zero (or of zero)."""

    kind: Literal["use", "correction"]
    redemption_id: UUID
    receipt: str
    """The `jti` of the receipt of its verification."""
    offer_id: int
    offer_version: int
    site: str | None
    amount_fen: int
    at: datetime
    """When it was redeemed; of a correction, when it was reversed."""


class Head(NamedTuple):
    """Whose lines they are."""

    id: UUID
    issuer: str
    partner: str
    """Public id."""
    partner_name: str
    funder: str
    day: date
    made_at: datetime


class Written(NamedTuple):
    """One file in its two forms, with the statement over both."""

    csv: bytes
    json: bytes
    sha256_csv: str
    sha256_json: str
    total_fen: int
    statement: str


def write_file(keys: Keys, head: Head, lines: Sequence[Line], *, public_id: PublicId) -> Written:
    """Both forms of a file, and a JWS (`xinyi-settlement+jwt`) over day, partner, funder, total and both hashes."""
    rows = [_row(number, line, public_id) for number, line in enumerate(lines, 1)]
    total = sum(line.amount_fen for line in lines)
    said = {
        "id": str(head.id),
        "partner": head.partner,
        "partnerName": head.partner_name,
        "funder": head.funder,
        "day": head.day.isoformat(),
    }
    content = {"format": FORMAT, **said, "count": len(rows), "totalFen": total, "lines": rows}
    as_json, as_csv = orjson.dumps(content), _csv(rows)
    hashes = {"csv": sha256(as_csv).hexdigest(), "json": sha256(as_json).hexdigest()}
    claims = {
        "iss": head.issuer,
        "iat": int(head.made_at.timestamp()),
        "jti": said["id"],
        "partner": head.partner,
        "funder": head.funder,
        "day": said["day"],
        "lines": len(rows),
        "totalFen": total,
        "sha256": hashes,
    }
    return Written(as_csv, as_json, hashes["csv"], hashes["json"], total, sign(keys, "settlement", claims))


def check_file(keys: Keys, content: bytes, statement: str) -> dict[str, Any]:
    """What the statement says of a file in either form: nothing of it was changed, and its lines add up.

    Raises:
        SignatureInvalid: the statement is not ours.
        SettlementInvalid: the file is not the one it speaks of.
    """
    claims = verify(keys, "settlement", statement)
    hashes = claims.get("sha256")
    if not isinstance(hashes, dict) or sha256(content).hexdigest() not in hashes.values():
        raise SettlementInvalid("文件与签名声明中的校验值不符:内容被改动过,或不是同一份文件。请重新下载文件和声明。")
    amounts = _amounts(content)
    if len(amounts) != claims.get("lines") or sum(amounts) != claims.get("totalFen"):
        raise SettlementInvalid("各行相加与声明的笔数或合计不符。请联系平台运营人员核对。")
    return claims


def _row(number: int, line: Line, public_id: PublicId) -> dict[str, Any]:
    return {
        "line": number,
        "kind": line.kind,
        "redemption": public_id("Redemption", line.redemption_id),
        "receipt": line.receipt,
        "offer": public_id("Offer", line.offer_id),
        "offerVersion": line.offer_version,
        "site": line.site,
        "amountFen": line.amount_fen,
        "at": line.at.astimezone(SHANGHAI).isoformat(timespec="seconds"),
    }


def _csv(rows: Sequence[Mapping[str, Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for row in rows:
        # The label of a gate is the only free text; all else is ours.
        writer.writerow([shown(row["site"] or "") if name == "site" else row[name] for name in COLUMNS])
    return _BOM + text.getvalue().encode()


def _amounts(content: bytes) -> list[int]:
    if not content.startswith(_BOM):
        return [line["amountFen"] for line in orjson.loads(content)["lines"]]
    return [int(row["amountFen"]) for row in csv.DictReader(io.StringIO(content[3:].decode(), newline=""))]
