"""Numbers by which a subject is known, and finding a subject by one. One thing to know: a subject is keyed by one
number; every other that it has or had is in `subject_identifiers`, and leads to the same subject.

A person is keyed by the citizen identity number, or by another valid document where there is none; an organisation by
its unified social credit code, or by an old code until that is known (《黑龙江省社会信用条例》第十九条). Residence
permits of Hong Kong, Macao and Taiwan residents (81…, 82…, 83…) and foreigners' cards of 2023 (9…) carry numbers built
like citizens' (GB 11643) and are given as such.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection
from stdnum.exceptions import ValidationError
from stdnum.iso7064 import mod_11_10

from core.clock import day_of
from core.errors import BadInput
from core.identifiers import birth_date, check_digit_of, check_resident_id, check_uscc
from core.keys import Keys
from core.sealing import keyed_hashes, seal, unseal
from scoring.subjects import GOES_ON, SubjectKind, identity_hashes
from scoring.tables import subject_identifiers, subjects

MERGED = "merged"
"""`end_reason` of a subject that turned out to be another one; whatever asks for it is answered about that one."""


class Scheme(StrEnum):
    """What kind of number it is."""

    RESIDENT_ID = "resident-id"
    RESIDENT_ID_15 = "resident-id-15"
    PASSPORT = "passport"
    HK_MACAO_PERMIT = "hk-macao-permit"
    TAIWAN_PERMIT = "taiwan-permit"
    PERMANENT_RESIDENCE = "permanent-residence"
    USCC = "uscc"
    ORGANISATION_CODE = "organisation-code"
    REGISTRATION_NUMBER = "registration-number"
    TAX_NUMBER = "tax-number"


class Number(NamedTuple):
    """A number that was checked, in canonical form."""

    scheme: Scheme
    text: str

    @property
    def kind(self) -> SubjectKind:
        """Of whom it may be."""
        return SubjectKind.ENTERPRISE if self.scheme in _OF_ENTERPRISES else SubjectKind.PERSON

    @property
    def key(self) -> str:
        """How a subject is keyed by it: by itself, or with its scheme before it where it is not the usual one."""
        return self.text if self.scheme in _USUAL else f"{self.scheme.value}:{self.text}"

    @property
    def born_on(self) -> date | None:
        """The birth date inside it, where there is a whole one."""
        if self.scheme is Scheme.RESIDENT_ID_15:
            return birth_date(_to_18(self.text))
        return birth_date(self.text) if self.scheme is Scheme.RESIDENT_ID else None


_USUAL = frozenset({Scheme.RESIDENT_ID, Scheme.USCC})
_OF_ENTERPRISES = frozenset({Scheme.USCC, Scheme.ORGANISATION_CODE, Scheme.REGISTRATION_NUMBER, Scheme.TAX_NUMBER})


def check_number(scheme: Scheme, number: str) -> Number:
    """The number in canonical form.

    Raises:
        BadInput: it is none of that scheme, as far as its standard lets that be seen. The message does not repeat it.
    """
    return Number(scheme, _CHECKS[scheme](number.strip().upper()))


def number_of(kind: str, key: str) -> Number:
    """The number that a subject of this kind is keyed by, from what is sealed in its row."""
    scheme, found, text = key.partition(":")
    if found:
        return Number(Scheme(scheme), text)
    return Number(Scheme.USCC if kind == SubjectKind.ENTERPRISE.value else Scheme.RESIDENT_ID, key)


def related(number: Number) -> Iterator[Number]:
    """Other numbers that follow from this one: the organisation code at positions 9 to 17 of a USCC and in an old tax
    number, the 15-digit number of a person born in 19xx, and the other way round."""
    match number.scheme:
        case Scheme.USCC if _is_organisation_code(number.text[8:17]):
            yield Number(Scheme.ORGANISATION_CODE, number.text[8:17])
        case Scheme.TAX_NUMBER:
            yield Number(Scheme.ORGANISATION_CODE, number.text[6:])
        case Scheme.RESIDENT_ID if number.text[6:8] == "19":
            yield Number(Scheme.RESIDENT_ID_15, number.text[:6] + number.text[8:17])
        case Scheme.RESIDENT_ID_15:
            yield Number(Scheme.RESIDENT_ID, _to_18(number.text))


def contradicts(one: Number, other: Number) -> bool:
    """Whether the two cannot belong to one subject, because one contains the other's like and it is different."""
    known = {found.scheme: found.text for held in (one, other) for found in (held, *related(held))}
    return any(known[found.scheme] != found.text for held in (one, other) for found in (held, *related(held)))


async def find_subject(connection: AsyncConnection, keys: Keys, *, scheme: Scheme, number: str) -> int | None:
    """The id of the subject that has this number; of one that was merged, the id of the one that goes on.

    Raises:
        BadInput: it is no number of that scheme.
    """
    return await find_by(connection, keys, check_number(scheme, number))


async def find_by(connection: AsyncConnection, keys: Keys, number: Number) -> int | None:
    """`find_subject` by a number that was checked: itself first, then what follows from it."""
    for one in (number, *related(number)):
        found = await _holder(connection, keys, one)
        if found is not None:
            return found
    return None


async def _holder(connection: AsyncConnection, keys: Keys, number: Number) -> int | None:
    keyed = identity_hashes(keys, kind=number.kind, number=number.key)
    found: int | None = await connection.scalar(select(GOES_ON).where(subjects.c.identity_hash.in_(keyed)))
    if found is not None:
        return found
    noted = select(GOES_ON).join(subject_identifiers, subject_identifiers.c.subject_id == subjects.c.id)
    still = subject_identifiers.c.until_on.is_(None)
    mine = subject_identifiers.c.identity_hash.in_(_hashes(keys, number))
    return (await connection.execute(noted.where(mine, still))).scalar_one_or_none()


async def note_number(
    connection: AsyncConnection, keys: Keys, *, subject_id: int, number: Number, actor: str, now: datetime
) -> bool:
    """Note one more number of a subject; whether it was not noted before. The caller has made sure that nobody else has
    it."""
    taken = select(subject_identifiers.c.subject_id).where(
        subject_identifiers.c.identity_hash.in_(_hashes(keys, number))
    )
    if (await connection.execute(taken)).first() is not None:
        return False
    await connection.execute(
        insert(subject_identifiers).values(
            identity_hash=_hashes(keys, number)[0],
            subject_id=subject_id,
            scheme=number.scheme.value,
            identity_sealed=seal(keys, "seal", number.text.encode()),
            noted_at=now,
            noted_by=actor,
        )
    )
    return True


class NotedNumber(NamedTuple):
    """A number besides the one that a subject is keyed by."""

    number: Number
    noted_at: datetime
    is_current: bool
    """False from the day on which it was another's or nobody's."""


async def noted_numbers(
    connection: AsyncConnection, keys: Keys, subject_id: int, *, now: datetime
) -> list[NotedNumber]:
    """All of them, oldest first."""
    mine = select(subject_identifiers).where(subject_identifiers.c.subject_id == subject_id)
    found = await connection.execute(mine.order_by(subject_identifiers.c.noted_at, subject_identifiers.c.scheme))
    return [
        NotedNumber(
            Number(Scheme(row.scheme), (unseal(keys, "seal", row.identity_sealed) or b"").decode()),
            row.noted_at,
            row.until_on is None or day_of(now) < row.until_on,
        )
        for row in found
    ]


def _hashes(keys: Keys, number: Number) -> tuple[bytes, ...]:
    return keyed_hashes(keys, "lookup", f"{number.scheme.value}:{number.text}".encode())


def _to_18(number: str) -> str:
    """The 18-digit number of a 15-digit one, which was given to people born in 19xx (GB 11643)."""
    front = f"{number[:6]}19{number[6:]}"
    return front + check_digit_of(front)


def _check_15(number: str) -> str:
    if not re.fullmatch(r"[1-9]\d{14}", number, re.ASCII):
        raise BadInput("旧居民身份证号码应为 15 位数字。请核对后重新填写。")
    try:
        birth_date(_to_18(number))
    except ValueError:
        raise BadInput("旧居民身份证号码中的出生日期不存在。请核对后重新填写。") from None
    return number


def _check_resident_id(number: str) -> str:
    if re.fullmatch(r"\d{15}", number, re.ASCII):
        raise BadInput("这是 15 位旧号码。请填写现用的 18 位公民身份号码;确实只有旧号码的,请选择「旧居民身份证」。")
    return check_resident_id(number)


def _check_permanent_residence(number: str) -> str:
    """Nationality, four digits of the issuing place, birth date, one digit, check digit. How the last is reckoned has
    not been published; the shape and the date are looked at."""
    found = re.fullmatch(r"[A-Z]{3}\d{4}(\d{6})\d{2}", number, re.ASCII)
    if found is None or not any(_is_day(century + found[1]) for century in ("19", "20")):
        raise BadInput(
            "外国人永久居留身份证号码应为 3 位字母加 12 位数字且含真实出生日期。18 位新号码请按公民身份号码填写。"
        )
    return number


def _is_day(text: str) -> bool:
    try:
        date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        return False
    return True


def _matching(pattern: str, problem: str) -> Callable[[str], str]:
    """A check of shape alone; what is kept is the first group, where there is one."""

    def check(number: str) -> str:
        found = re.fullmatch(pattern, number, re.ASCII)
        if found is None:
            raise BadInput(f"{problem}。请核对后重新填写。")
        return str(found[found.re.groups])

    return check


_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)


def _is_organisation_code(code: str) -> bool:
    """GB 11714: eight signs and a check digit, modulus 11."""
    if not re.fullmatch(r"[0-9A-Z]{8}[0-9X]", code, re.ASCII):
        return False
    total = sum(weight * int(sign, 36) for weight, sign in zip(_WEIGHTS, code, strict=False))
    return code[8] == "0123456789X0"[11 - total % 11]


def _check_organisation_code(number: str) -> str:
    code = number.replace("-", "")
    if not _is_organisation_code(code):
        raise BadInput("组织机构代码不正确(应为 8 位本体代码加 1 位校验码)。请核对后重新填写。")
    return code


def _check_registration_number(number: str) -> str:
    """15 digits, the last one by ISO 7064 MOD 11,10."""
    try:
        checked = str(mod_11_10.validate(number)) if re.fullmatch(r"\d{15}", number, re.ASCII) else ""
    except ValidationError:
        checked = ""
    if not checked:
        raise BadInput("工商注册号不正确(应为 15 位数字且校验码相符)。请核对后重新填写。")
    return checked


def _check_tax_number(number: str) -> str:
    """Division code and organisation code. Those of individual businesses were a person's number and are refused."""
    if not re.fullmatch(r"\d{6}[0-9A-Z]{8}[0-9X]", number, re.ASCII) or not _is_organisation_code(number[6:]):
        raise BadInput("税务登记号不正确(应为 6 位行政区划代码加 9 位组织机构代码)。请核对后重新填写。")
    return number


_CHECKS: dict[Scheme, Callable[[str], str]] = {
    Scheme.RESIDENT_ID: _check_resident_id,
    Scheme.RESIDENT_ID_15: _check_15,
    # Two states may give out one number, so the state stands before it; the check digits are in the machine-readable
    # lines alone.
    Scheme.PASSPORT: _matching(
        r"[A-Z]{3}(?=.*\d)[A-Z0-9]{6,9}", "护照号码应写成 3 位国家或地区代码加 6 至 9 位号码,例如 XXX12345678"
    ),
    # The last two digits count renewals; the first nine signs are the holder's for life.
    Scheme.HK_MACAO_PERMIT: _matching(
        r"([HM]\d{8})(?:\d{2})?", "港澳居民来往内地通行证号码应以 H 或 M 开头,后接 8 位或 10 位数字"
    ),
    Scheme.TAIWAN_PERMIT: _matching(r"\d{8}", "台湾居民来往大陆通行证号码应为 8 位数字"),
    Scheme.PERMANENT_RESIDENCE: _check_permanent_residence,
    Scheme.USCC: check_uscc,
    Scheme.ORGANISATION_CODE: _check_organisation_code,
    Scheme.REGISTRATION_NUMBER: _check_registration_number,
    Scheme.TAX_NUMBER: _check_tax_number,
}
