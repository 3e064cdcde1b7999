"""Identity numbers and row ids. One thing to know: an identity number is checked here, sealed at once, never logged."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from stdnum.cn import ric, uscc
from stdnum.exceptions import ValidationError
from uuid_utils.compat import uuid7

from core.errors import BadInput


def new_id() -> UUID:
    """A fresh row id: UUIDv7, so that rows lie in the order in which they were made."""
    return uuid7()


def check_resident_id(number: str) -> str:
    """`number` in canonical form if it is a citizen identity number (GB 11643).

    The check digit and the birth date are looked at, not the county: counties come and go, numbers stay.

    Raises:
        BadInput: it is not one. The message does not repeat it.
    """
    canonical = number.strip().upper()
    if len(canonical) != 18 or not canonical[:17].isdecimal() or not canonical.isascii():
        raise BadInput("公民身份号码应为 18 位。请核对后重新填写。")
    try:
        birth_date(canonical)
    except ValueError:
        raise BadInput("公民身份号码中的出生日期不存在。请核对后重新填写。") from None
    if ric.calc_check_digit(canonical[:17]) != canonical[17]:
        raise BadInput("公民身份号码的校验码不对。请核对后重新填写。")
    return canonical


def birth_date(resident_id: str) -> date:
    """The birth date inside a citizen identity number."""
    return date(int(resident_id[6:10]), int(resident_id[10:12]), int(resident_id[12:14]))


def sex_of(resident_id: str) -> str:
    """`M` or `F`, as the sequence code inside a citizen identity number says."""
    return "M" if int(resident_id[16]) % 2 else "F"


def check_uscc(number: str) -> str:
    """`number` in canonical form if it is a unified social credit code (GB 32100).

    Raises:
        BadInput: it is not one.
    """
    try:
        return str(uscc.validate(number.strip().upper()))
    except ValidationError:
        raise BadInput("统一社会信用代码不正确(应为 18 位且校验码相符)。请核对后重新填写。") from None


def mask_name(name: str) -> str:
    """A person's name as it may be shown: the first character and a star (张*)."""
    return name[:1] + "*"
