"""What may be handed in as evidence. One thing to know: a file is what its content is, and its name may not disagree.

PDF, PNG and JPEG up to 10 MB. A PDF may carry attachments of plain text (electronic invoices carry XML), but nothing
that runs. What passes is still given back only as a download of the type found here, never shown in a page of ours.
"""

from __future__ import annotations

import io
import logging
from pathlib import PurePosixPath
from typing import Any, Literal, TypeAlias

from core.errors import ExpectedError

MediaType: TypeAlias = Literal["application/pdf", "image/png", "image/jpeg"]
LARGEST = 10 * 1024 * 1024
"""Bytes."""
MOST_OBJECTS = 50_000
"""Objects of a PDF that are looked at; a scan of a hundred pages has under a thousand."""
MOST_TEXT = 50 * 1024 * 1024
"""Bytes of a PDF's attachments, unpacked."""
_SIGNS: tuple[tuple[bytes, MediaType], ...] = (
    (b"%PDF-", "application/pdf"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
)
_ENDINGS: dict[MediaType, tuple[str, ...]] = {
    "application/pdf": (".pdf",),
    "image/png": (".png",),
    "image/jpeg": (".jpg", ".jpeg", ".jpe", ".jfif"),
}
_REFUSED = (
    (b"MZ", "可执行程序"),
    (b"\x7fELF", "可执行程序"),
    (b"\xcf\xfa\xed\xfe", "可执行程序"),
    (b"#!", "可执行脚本"),
    (b"PK\x03\x04", "压缩包或 Office 文档"),
    (b"\xd0\xcf\x11\xe0", "Office 文档"),
    (b"Rar!", "压缩包"),
    (b"7z\xbc\xaf", "压缩包"),
)
_ACTIVE_KEYS = frozenset({"/JavaScript", "/JS", "/RichMediaContent", "/XFA"})
_ACTIVE_ACTIONS = frozenset({"/JavaScript", "/Launch", "/SubmitForm", "/ImportData"})


class EvidenceTooLarge(ExpectedError):
    """More bytes than we take."""

    code = "EVIDENCE_TOO_LARGE"


class EvidenceType(ExpectedError):
    """Not a PDF, PNG or JPEG, not the one its name says, broken, or with something in it that runs."""

    code = "EVIDENCE_TYPE"


def check_evidence(filename: str, data: bytes) -> MediaType:
    """The type of `data`, by its content. Takes up to seconds for a hostile PDF: call it in a thread.

    Raises:
        EvidenceTooLarge: over `LARGEST`.
        EvidenceType: see there; the message says which.
    """
    if len(data) > LARGEST:
        raise EvidenceTooLarge(f"文件超过 {LARGEST // 1024 // 1024} MB。请压缩或分成几个文件后重新上传。")
    found = next((media for sign, media in _SIGNS if data.startswith(sign)), None)
    if found is None:
        seems = next((f"看起来是{kind}" for sign, kind in _REFUSED if data.startswith(sign)), "不是这几种")
        raise EvidenceType(f"只收 PDF、PNG、JPEG 文件,这个文件{seems}。请转换格式(如打印为 PDF 或拍照)后重新上传。")
    ending = PurePosixPath(filename.replace("\\", "/")).suffix.lower()
    if ending and ending not in _ENDINGS[found]:
        raise EvidenceType(f"文件名的后缀与内容不符:内容是 {found}。请核对是否选错了文件,或改正后缀后重新上传。")
    if found == "application/pdf":
        _check_pdf(data)
    else:
        _check_image(data, found)
    return found


def _check_image(data: bytes, media: MediaType) -> None:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=("PNG",) if media == "image/png" else ("JPEG",)) as image:
            image.verify()
    except Exception as error:  # a decoder may fail in any way on what is not an image
        raise EvidenceType("图片打不开:文件不完整或已损坏。请重新导出或拍照后上传。") from error


def _check_pdf(data: bytes) -> None:
    from pypdf import PdfReader

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # what it thinks of a stranger's file is not our log's matter
    try:
        reader = PdfReader(io.BytesIO(data), strict=False)
        encrypted = reader.is_encrypted
        active = encrypted or _is_active(reader) or any(sign.encode() in data for sign in ("/JavaScript", "/Launch"))
        pages = 0 if active else len(reader.pages)
    except EvidenceType:
        raise
    except Exception as error:  # as above; RecursionError is among them
        raise EvidenceType("PDF 打不开:文件不完整或已损坏。请重新导出后上传。") from error
    if encrypted:
        raise EvidenceType("PDF 设有密码或权限限制,无法检查。请另存为不加密的 PDF 后重新上传。")
    if active:
        raise EvidenceType("PDF 含有脚本、可启动的程序或非文本附件。请用“打印为 PDF”另存后重新上传。")
    if not pages:
        raise EvidenceType("PDF 没有任何一页。请核对后重新上传。")


def _is_active(reader: Any) -> bool:
    from pypdf.generic import IndirectObject

    numbers = {(number, generation) for generation, found in reader.xref.items() for number in found}
    numbers |= {(number, 0) for number in reader.xref_objStm}
    if len(numbers) > MOST_OBJECTS:
        raise EvidenceType("PDF 结构过于复杂,无法检查。请用“打印为 PDF”另存后重新上传。")
    unpacked = 0
    for number, generation in sorted(numbers):
        for entry in _dictionaries(reader.get_object(IndirectObject(number, generation, reader))):
            if _ACTIVE_KEYS & entry.keys() or entry.get("/S") in _ACTIVE_ACTIONS:
                return True
            if entry.get("/Type") == "/EmbeddedFile":
                content = entry.get_data()
                unpacked += len(content)
                if unpacked > MOST_TEXT or not _is_text(content):
                    return True
    return False


def _dictionaries(value: Any) -> list[Any]:
    """All dictionaries directly inside `value`; what it refers to is an object of its own."""
    found, left = [], [value]
    while left:
        one = left.pop()
        if isinstance(one, dict):
            found.append(one)
            left += [dict.__getitem__(one, key) for key in one]
        elif isinstance(one, list):
            left += list.__iter__(one)
    return found


def _is_text(content: bytes) -> bool:
    try:
        return "\0" not in content.decode() and not any(content.startswith(sign) for sign, _ in _REFUSED)
    except UnicodeDecodeError:
        return False
