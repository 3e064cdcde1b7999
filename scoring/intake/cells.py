"""Single cells in normal form. One thing to know: a reader answers with a `Flaw` and never raises, so that a bad cell
costs no more than a good one; nothing is guessed, at most suggested.

Readers are cached: the same few thousand dates, bodies and categories come again in every row of a file.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache, wraps
from typing import NamedTuple, TypeAlias, TypeVar, cast

from core.errors import BadInput
from core.identifiers import check_resident_id, is_uscc, mask_text

Cell: TypeAlias = str | date
"""What a file holds in one place: text, or the day of a date cell."""
NO_END = date.max
"""How a term without end is held."""
NO_END_TEXT = "长期"
FIRST_DAY = date(1949, 10, 1)
LONGEST_NAME, LONGEST_NUMBER, LONGEST_TEXT = 200, 120, 20_000
CACHED = 1 << 14


class Flaw(NamedTuple):
    """What is wrong with a cell. `code` is public and never renamed; `problem` says what to correct."""

    code: str
    problem: str
    suggestion: str | None = None


Reader = TypeVar("Reader", bound=Callable[[Cell], object])


def _remembered(longest: int) -> Callable[[Reader], Reader]:
    """Cache a reader, but for cells so long that no honest file repeats them and the cache would swell."""

    def remember(reader: Reader) -> Reader:
        cached = lru_cache(CACHED)(reader)

        def read(raw: Cell) -> object:
            return cached(raw) if not isinstance(raw, str) or len(raw) <= longest else reader(raw)

        return cast(Reader, wraps(reader)(read))

    return remember


_ODD = re.compile(
    "[\x00-\x1f\x7f-\xa0\xad\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ud800-\udfff\ufe00-\ufe0f\ufeff"
    "\uff01-\uff5e\uffe0-\uffe6\ufffd-\uffff]|  "
)
_UNSTORABLE = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ud800-\udfff\ufffd-\uffff]")
_UNSEEN = re.compile("[\xad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]")
_NARROW = {0xFF01 + i: 0x21 + i for i in range(94)} | {0xFFE5: "¥", 0xFFE0: "¢", 0xFFE1: "£"}
_NOTHING = re.compile(r"[-‐-―−_/\\|~*.·。… ]+")
_NOTHING_WORDS = frozenset(
    (
        "无",
        "空",
        "暂无",
        "无数据",
        "(无)",
        "(空)",
        "null",
        "(null)",
        "<null>",
        "none",
        "nil",
        "n/a",
        "#n/a",
        "na",
        "nan",
    )
)
_SPREADSHEET_ERRORS = frozenset({"#REF!", "#NAME?", "#VALUE!", "#DIV/0!", "#NULL!", "#NUM!"})


def read_text(raw: Cell) -> str | Flaw | None:
    """Text in half width, single blanks, None where it says in one of the usual ways that there is nothing."""
    if not isinstance(raw, str):
        return str(raw)[:10]
    text: str = raw
    if _ODD.search(text) is not None:
        if _UNSTORABLE.search(text) is not None:
            return Flaw("BAD_CHARACTER", "含有控制字符或乱码,无法保存。请以正确的编码重新导出或删去该字符")
        text = " ".join(_UNSEEN.sub("", text).translate(_NARROW).split())
    text = text.strip()
    if len(text) <= 12 and is_nothing(text):
        return None
    if text[0] == "=" or text in _SPREADSHEET_ERRORS:
        return Flaw("FORMULA", "是公式或公式的错误值,不是内容。请粘贴为数值或文字")
    if len(text) > LONGEST_TEXT:
        return Flaw("TOO_LONG", f"超过 {LONGEST_TEXT} 字。请精简后重新填写")
    return text


def is_nothing(text: str) -> bool:
    """Whether a cleaned text stands for an empty cell: blank, dashes, slashes, 无, null …"""
    return not text or _NOTHING.fullmatch(text) is not None or text.casefold() in _NOTHING_WORDS


def read_free_text(raw: Cell) -> str | Flaw | None:
    """Text with identity numbers masked: facts of a case often quote one, and nobody needs it there."""
    text = read_text(raw)
    return mask_text(text) if isinstance(text, str) else text


read_category = _remembered(100)(read_free_text)
"""The same for what comes in few different ways."""

_DATE = re.compile(
    r"([0-9]{4})(?:([-/.])([0-9]{1,2})\2([0-9]{1,2})|年([0-9]{1,2})月([0-9]{1,2})日?|([0-9]{2})([0-9]{2}))"
)
_TIME = re.compile(
    r"[T ]?(?:[01]?[0-9]|2[0-4])[:时][0-5]?[0-9](?:(?:[:分][0-5]?[0-9](?:\.[0-9]{1,9})?)?秒?|分)?(?:\+08:?00)?"
)
_SERIAL = re.compile(r"[0-9]{5}(?:\.[0-9]+)?")
_FOREVER = frozenset({"长期", "永久", "长期有效", "永久有效", "无固定期限", "无期限", "不限期", "无限期"})
_EPOCH = date(1899, 12, 30)


@_remembered(60)
def _day(raw: Cell) -> date | Flaw | None:
    if not isinstance(raw, str):
        return raw.date() if isinstance(raw, datetime) else raw
    text = read_text(raw)
    if not isinstance(text, str):
        return text
    tight = re.sub(r" ?([-/.年月]) ?| (?=日)", r"\1", text)
    if tight in _FOREVER:
        return NO_END
    if (found := _DATE.match(tight)) is None or (found.end() < len(tight) and not _TIME.fullmatch(tight, found.end())):
        return _no_date(tight)
    year, _, *rest = found.groups()
    month, day = (int(part) for part in rest if part is not None)
    try:
        return date(int(year), month, day)
    except ValueError:
        return Flaw("IMPOSSIBLE_DATE", f"没有 {tight[:20]} 这一天。请核对后改正")


def _no_date(text: str) -> Flaw:
    if _SERIAL.fullmatch(text):
        day = _EPOCH + timedelta(days=int(text[:5]))
        return Flaw("SERIAL_DATE", f"是电子表格的日期序列号而不是日期。请改写为年月日(如为序列号,则是 {day})")
    return Flaw("BAD_DATE", "不是年月日。请写作 2022-09-01 的形式")


def read_day(raw: Cell) -> date | Flaw | None:
    """A day that is over or soon to come."""
    day = _day(raw)
    if isinstance(day, date):
        if day >= _NO_END_FROM:
            return Flaw("BAD_DATE", "不能是长期或 2099 年以后的日子。请写明实际的日期")
        if day < FIRST_DAY:
            return Flaw("BAD_DATE", f"早于 {FIRST_DAY}。请核对年份")
    return day


_NO_END_FROM = date(2099, 1, 1)


def read_end(raw: Cell) -> date | Flaw | None:
    """The last day of something; `NO_END` for 长期, and for 2099 and later."""
    day = _day(raw)
    return NO_END if isinstance(day, date) and day >= _NO_END_FROM else day


_AMOUNT = re.compile(r"(?:[0-9]{1,12}|[0-9]{1,3}(?:,[0-9]{3}){1,3})(?:\.[0-9]+)?")


@_remembered(60)
def read_amount(raw: Cell) -> str | Flaw | None:
    """An amount in 万元, exactly, with at most six decimals (a cent is 0.000001), without needless zeros."""
    text = read_text(raw)
    if not isinstance(text, str):
        return text
    if not isinstance(raw, str) or _AMOUNT.fullmatch(text) is None:
        return Flaw("BAD_AMOUNT", "不是以万元计的数字。请只写数字,不写单位和文字(3 万 5 千元写作 3.5)")
    amount = Decimal(text.replace(",", ""))
    if amount != round(amount, 6):
        return Flaw("BAD_AMOUNT", "以万元计,小数超过六位(不足一分钱)。请核对单位")
    plain = f"{amount:f}"
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


_POINTS = re.compile(r"[0-9]{1,8}(?:\.[0-9]{1,2}0*)?")


def read_points(raw: Cell) -> int | Flaw | None:
    """Points in hundredths, at most two decimals, never negative."""
    text = read_text(raw)
    if not isinstance(text, str):
        return text
    if not isinstance(raw, str) or _POINTS.fullmatch(text) is None:
        return Flaw("BAD_POINTS", "不是分值。请写不带正负号的数字,最多两位小数")
    return int(Decimal(text) * 100)


_FLAGS = {"是": True, "有": True, "y": True, "yes": True, "true": True, "1": True} | dict.fromkeys(
    ("否", "没有", "n", "no", "false", "0"), False
)


def read_flag(raw: Cell) -> bool | Flaw | None:
    """是 or 否."""
    text = read_text(raw)
    if not isinstance(text, str):
        return text
    flag = _FLAGS.get(text.casefold())
    return Flaw("BAD_FLAG", "既不是「是」也不是「否」。请填其中一个") if flag is None else flag


_KINDS = dict.fromkeys(("自然人", "个人"), "person") | dict.fromkeys(
    (
        *("法人", "非法人组织", "法人及非法人组织", "法人和非法人组织", "法人或非法人组织", "法人、非法人组织"),
        *("法人或其他组织", "法人和其他组织", "法人及其他组织", "法人或者其他组织", "其他组织", "社会组织", "组织"),
        *("企业", "企业法人", "非法人企业", "机关法人", "事业单位", "事业单位法人", "社会团体", "社会团体法人", "单位"),
        *("个体工商户", "个体户", "个体", "农民专业合作社"),
    ),
    "enterprise",
)


@_remembered(60)
def read_kind(raw: Cell) -> str | Flaw | None:
    """`person` or `enterprise`; an individual business (个体工商户) is an enterprise."""
    text = read_text(raw)
    if not isinstance(text, str):
        return text
    return _KINDS.get(text) or Flaw("BAD_KIND", "不是相对人的类别。请填「法人及非法人组织」「自然人」或「个体工商户」")


_LETTER = re.compile(r"[^\W\d_]")


def read_name(raw: Cell) -> str | Flaw | None:
    """The name of a subject or a body: no date, no number, no code."""
    name = read_text(raw)
    if not isinstance(name, str):
        return name
    return _wrong_name(raw, name) or name


def _wrong_name(raw: Cell, name: str) -> Flaw | None:
    if not isinstance(raw, str) or (name[0] in "12" and isinstance(_day(raw), date)):
        return Flaw("DATE_AS_NAME", "填的是日期,不是名称。请核对各列是否错位")
    if mask_text(name) != name:
        return Flaw("NUMBER_IN_NAME", "含有身份证件号码。号码只填在代码列,请从此处删去")
    if _LETTER.search(name) is None:
        return Flaw("NUMBER_AS_NAME", "填的是数字或符号,不是名称。请核对各列是否错位")
    if len(name) == 18 and is_uscc(name):
        return Flaw("CODE_AS_NAME", "填的是统一社会信用代码,不是名称。请核对各列是否错位")
    return Flaw("TOO_LONG", f"超过 {LONGEST_NAME} 字。请核对各列是否错位") if len(name) > LONGEST_NAME else None


read_body = _remembered(400)(read_name)
"""The name of a body: as a subject's, and remembered, because a file knows few of them."""

_ONE_BRACKET = str.maketrans("〔〕【】[]{}〈〉〖〗「」", "()()()()()()()")


def document_key(number: str) -> str:
    """A cleaned document number as it is compared: without spaces, width and style of brackets, upper case."""
    return "".join(number.translate(_ONE_BRACKET).split()).upper()


def read_document_number(raw: Cell) -> str | Flaw | None:
    """A document's number, as it may be shown."""
    text = read_text(raw)
    if not isinstance(text, str):
        return text
    number: str = text
    if not isinstance(raw, str):
        return Flaw("DATE_AS_NUMBER", "填的是日期,不是文书号。请核对各列是否错位")
    if len(number) > LONGEST_NUMBER:
        return Flaw("TOO_LONG", f"超过 {LONGEST_NUMBER} 字。请核对各列是否错位")
    if mask_text(number) != number:
        return Flaw("NUMBER_IN_DOCUMENT", "含有身份证件号码,不能作文书号。号码只填在代码列")
    return number


_CODE = re.compile(r"[0-9]{8}[0-9A-HJ-NPQRTUWXY]{10}")
_LONG_CELL = re.compile(r"[0-9](?:\.[0-9]+)?[eE]\+?[0-9]{2}")
_TWINS = str.maketrans("OISZV", "0152U")
_ALIKE = (*"0D", *"0Q", *"8B", *"1L", *"6G", *"UY")


def is_resident_id(code: str) -> bool:
    """Whether it is a citizen identity number, check digit included."""
    if len(code) != 18:
        return False
    try:
        check_resident_id(code)
    except BadInput:
        return False
    return True


def read_code(raw: Cell) -> str | Flaw | None:
    """A subject's code in half width and upper case, not yet checked: another cell says of which kind it has to be."""
    text = read_text(raw)
    if not isinstance(text, str):
        return text
    code = text.upper()
    if not isinstance(raw, str):
        return Flaw("BAD_CODE", "填的是日期,不是代码。请核对各列是否错位")
    if _LONG_CELL.fullmatch(code):
        return Flaw("ROUNDED_CODE", "单元格是数值格式,末几位已丢失。请设为文本格式后重新填写完整的代码")
    return code


@_remembered(60)
def read_body_code(raw: Cell) -> str | Flaw | None:
    """A body's USCC."""
    code = read_code(raw)
    if not isinstance(code, str):
        return code
    return check_enterprise_code(code)


def check_enterprise_code(code: str) -> str | Flaw:
    """The USCC itself, or why it is none."""
    if is_uscc(code):
        return code
    if _CODE.fullmatch(code) is not None:
        if is_resident_id(code):
            return Flaw("PERSON_CODE", "是公民身份号码,不是统一社会信用代码。请核对相对人类别和代码")
        return Flaw("WRONG_CHECK_DIGIT", "统一社会信用代码的校验码不对。请按证照核对", suggested_uscc(code))
    if len(code) == 15 and code.isdecimal():
        return Flaw("OLD_CODE", "是 15 位的旧号码。请换成 18 位统一社会信用代码")
    if len(code) != 18:
        problem = f"统一社会信用代码应为 18 位,现为 {len(code)} 位。请按证照核对"
        return Flaw("BAD_CODE", problem, suggested_uscc(code))
    return Flaw(
        "BAD_CODE", "含有统一社会信用代码中没有的字符(没有字母 I、O、S、V、Z)。请按证照核对", suggested_uscc(code)
    )


def check_person_code(code: str) -> str | Flaw:
    """The citizen identity number itself, or why it is none; the number is not repeated."""
    if len(code) == 15 and code.isdecimal():
        return Flaw("OLD_CODE", "是 15 位的旧身份证号码。请换成 18 位公民身份号码")
    try:
        return check_resident_id(code)
    except BadInput as error:
        return Flaw("BAD_CODE", error.message.removesuffix("。"))


def suggested_uscc(code: str) -> str | None:
    """The one USCC that differs from `code` by blanks, letters taken for digits, one lookalike or two neighbours
    swapped; None where there is none or more than one."""
    tight = re.sub(r"[\s\-]", "", code)
    if len(tight) != 18:
        return None
    candidates = {tight, tight.translate(_TWINS)}
    for i, sign in enumerate(tight):
        for one, other in zip(_ALIKE[::2], _ALIKE[1::2], strict=True):
            if sign in (one, other):
                candidates.add(tight[:i] + (other if sign == one else one) + tight[i + 1 :])
        if i:
            candidates.add(tight[: i - 1] + sign + tight[i - 1] + tight[i + 1 :])
    valid = {one for one in candidates - {code} if is_uscc(one) and mask_text(one) == one}
    return valid.pop() if len(valid) == 1 else None
