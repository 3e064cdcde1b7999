"""What is taken as evidence, with files as people and attackers make them."""

from __future__ import annotations

import io
import os
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pypdf import PdfWriter
from pypdf.generic import ArrayObject, DictionaryObject, NameObject, TextStringObject

from core.evidence import LARGEST, EvidenceTooLarge, EvidenceType, check_evidence


def image(kind: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (20, 30), "white").save(out, kind)
    return out.getvalue()


def pdf(change: Any = None) -> bytes:
    writer = PdfWriter()
    writer.add_blank_page(200, 200)
    if change:
        change(writer)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def with_action(kind: str) -> Any:
    def change(writer: PdfWriter) -> None:
        action = DictionaryObject({NameObject("/S"): NameObject(kind), NameObject("/F"): TextStringObject("calc.exe")})
        writer.root_object[NameObject("/OpenAction")] = action

    return change


def nested(writer: PdfWriter) -> None:
    inner = DictionaryObject({NameObject("/S"): NameObject("/ImportData")})
    writer.root_object[NameObject("/Odd")] = ArrayObject([ArrayObject([DictionaryObject({NameObject("/A"): inner})])])


PNG, JPEG, PDF = image("PNG"), image("JPEG"), pdf()


@pytest.mark.parametrize(
    ("filename", "data", "expected"),
    [
        ("照片.png", PNG, "image/png"),
        ("IMG_1.JPG", JPEG, "image/jpeg"),
        ("a.jpeg", JPEG, "image/jpeg"),
        ("决定书.pdf", PDF, "application/pdf"),
        ("决定书", PDF, "application/pdf"),
        ("C:\\证据\\决定书.PDF", PDF, "application/pdf"),
        ("发票.pdf", pdf(lambda one: one.add_attachment("发票.xml", "<发票/>".encode())), "application/pdf"),
    ],
)
def test_pdf_png_and_jpeg_are_taken(filename: str, data: bytes, expected: str) -> None:
    assert check_evidence(filename, data) == expected


@pytest.mark.parametrize(
    ("filename", "data"),
    [
        ("a.pdf", b""),
        ("a.pdf", PNG),
        ("a.png", PDF),
        ("a.pdf.exe", PDF),
        ("a.pdf", b"MZ" + bytes(100)),
        ("a.png", b"\x7fELF" + bytes(100)),
        ("a.docm", b"PK\x03\x04" + bytes(100)),
        ("a.doc", b"\xd0\xcf\x11\xe0" + bytes(100)),
        ("a.svg", b"<svg onload='x()'/>"),
        ("a.html", b"<!doctype html>"),
        ("a.pdf", b" " + PDF),
        ("a.gif", b"GIF89a" + bytes(20)),
        ("a.png", PNG[:60]),
        ("a.png", PNG[:40] + b"xx" + PNG[42:]),
        ("a.jpg", JPEG[:4]),
        ("a.pdf", PDF[:30]),
        ("a.pdf", b"%PDF-1.7\n"),
        ("a.pdf", pdf(with_action("/JavaScript"))),
        ("a.pdf", pdf(with_action("/Launch"))),
        ("a.pdf", pdf(with_action("/SubmitForm"))),
        ("a.pdf", pdf(nested)),
        ("a.pdf", pdf(lambda one: one.add_attachment("a.exe", b"MZ" + bytes(100)))),
        ("a.pdf", pdf(lambda one: one.add_attachment("a.xml", b"#!/bin/sh\nrm -r x"))),
        ("a.pdf", pdf(lambda one: one.add_attachment("a.docm", b"PK\x03\x04" + bytes(100)))),
        ("a.pdf", pdf(lambda one: one.encrypt("secret"))),
        ("a.pdf", pdf(lambda one: one.encrypt("", "secret"))),
    ],
)
def test_all_else_is_refused_with_one_code(filename: str, data: bytes) -> None:
    with pytest.raises(EvidenceType) as caught:
        check_evidence(filename, data)
    assert caught.value.code == "EVIDENCE_TYPE"
    assert "上传" in caught.value.message


def test_a_script_is_found_under_an_escaped_name() -> None:
    disguised = pdf(with_action("/Launch")).replace(b"/Launch", b"/L#61unch")
    with pytest.raises(EvidenceType, match="脚本"):
        check_evidence("a.pdf", disguised)


def test_ten_megabytes_are_taken_and_one_byte_more_is_not() -> None:
    assert check_evidence("a.png", PNG + bytes(LARGEST - len(PNG))) == "image/png"
    with pytest.raises(EvidenceTooLarge) as caught:
        check_evidence("a.png", PNG + bytes(LARGEST - len(PNG) + 1))
    assert caught.value.code == "EVIDENCE_TOO_LARGE"


@given(st.sampled_from([PNG, JPEG, PDF]), st.integers(0, 400), st.binary(max_size=20))
def test_a_damaged_file_is_taken_or_refused_and_never_breaks_the_check(good: bytes, place: int, dirt: bytes) -> None:
    try:
        assert check_evidence("a", good[:place] + dirt + good[place + len(dirt) :]) in {
            "application/pdf",
            "image/png",
            "image/jpeg",
        }
    except EvidenceType as error:
        assert error.message  # noqa: PT017  # both outcomes are allowed


def test_random_bytes_are_refused() -> None:
    with pytest.raises(EvidenceType):
        check_evidence("a", os.urandom(100_000))
