"""Reading what comes in a request. One thing to know: nothing is read without an end, in bytes and in seconds."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar
from urllib.parse import parse_qsl

import orjson
from starlette.requests import Request

from core.errors import BadInput, ExpectedError

SECONDS = 10
"""How long a client may take to send its request."""
JSON, FORM = "application/json", "application/x-www-form-urlencoded"


class BodyRefused(ExpectedError):
    """A body that is not read to its end. `status` is the HTTP status that says why."""

    status: ClassVar[int]


class WrongMediaType(BodyRefused):
    """It is of another media type."""

    code, status = "WRONG_MEDIA_TYPE", 415


class BodyTooLarge(BodyRefused):
    """It is longer than this address takes."""

    code, status = "TOO_LARGE", 413


class BodyTooSlow(BodyRefused):
    """It did not come in time."""

    code, status = "TOO_SLOW", 408


def check_media(request: Request, wanted: str) -> None:
    """Raises `WrongMediaType` where a request says that it carries something else."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != wanted:
        raise WrongMediaType(f"请求体须为 {wanted}。请修改 Content-Type 头。")


async def read_body(request: Request, *, most: int) -> bytes:
    """The body, of at most `most` bytes.

    Raises:
        BodyTooLarge, BodyTooSlow: it is longer, or did not come in time.
    """
    chunks, size = [], 0
    try:
        async with asyncio.timeout(SECONDS):
            async for chunk in request.stream():
                size += len(chunk)
                if size > most:
                    raise BodyTooLarge(f"请求体超过 {most} 字节。请缩短请求。")
                chunks.append(chunk)
    except TimeoutError:
        raise BodyTooSlow(f"{SECONDS} 秒内没有收齐请求体。请检查网络后重试。") from None
    return b"".join(chunks)


async def read_json(request: Request, *, most: int) -> dict[str, Any]:
    """The body as a JSON object. JSON alone: a page of another site cannot send it unasked.

    Raises:
        BadInput: it is no JSON object.
        BodyRefused: it was not read to its end.
    """
    check_media(request, JSON)
    try:
        content = orjson.loads(await read_body(request, most=most))
    except orjson.JSONDecodeError:
        raise BadInput("请求体不是有效的 JSON。请检查编码和括号。") from None
    if not isinstance(content, dict):
        raise BadInput("请求体须为 JSON 对象。请改正后重试。")
    return content


async def read_form(request: Request, *, most: int, fields: int) -> dict[str, str]:
    """The body as a form of at most so many fields, each written once.

    Raises:
        BadInput: it is no form, or repeats a field.
        BodyRefused: it was not read to its end.
    """
    check_media(request, FORM)
    body = await read_body(request, most=most)
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=fields)
    except ValueError:
        raise BadInput("请求体不是表单。请检查编码。") from None
    form = dict(pairs)
    if len(form) != len(pairs):
        raise BadInput("表单中有重复的参数。请每个参数只写一次。")
    return form
