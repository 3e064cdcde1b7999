"""Asking outside providers over HTTP. One thing to know: whatever is wrong with their answer, late, huge, elsewhere or
no JSON, is `Unavailable` for whoever signs in, and names the provider; it says nothing about the person.

No redirects, no proxies of the environment, no compressed answers, few seconds and few bytes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

import httpx
import orjson

from api.identity.providers import is_allowed_address
from core.errors import Unavailable

SECONDS = 5.0
"""For a whole exchange, whatever it waits for."""
MOST_BYTES = 256_000
log = logging.getLogger("xinyi.sign-in")


class Answer(NamedTuple):
    """What came back, of whatever status below 500."""

    status: int
    body: dict[str, Any]


def down(name: str, why: str) -> Unavailable:
    """What whoever signs in is told of a provider that does not answer as it should; the log has `why`."""
    log.warning("provider unavailable", extra={"provider": name, "why": why})
    return Unavailable(f"登录服务方「{name}」暂时没有正常应答,无法核实身份,与您个人无关。请稍后重新登录。")


async def ask(
    method: str,
    url: str,
    *,
    name: str,
    is_demo: bool,
    headers: Mapping[str, str] | None = None,
    parameters: Mapping[str, str] | None = None,
    form: bytes | None = None,
) -> Answer:
    """Ask once; the JSON object that came back. `name` is the provider's, as people know it.

    Raises:
        Unavailable: there was no such answer.
    """
    if not is_allowed_address(url, is_demo=is_demo):
        raise down(name, "its address may not be asked")
    told = {"accept": "application/json", "accept-encoding": "identity", **(headers or {})}
    try:
        async with asyncio.timeout(SECONDS), httpx.AsyncClient(trust_env=False, timeout=SECONDS) as client:
            request = client.build_request(method, url, headers=told, params=parameters, content=form)
            response = await client.send(request, stream=True)
            try:
                status, content = response.status_code, await _read(response)
            finally:
                await response.aclose()
    # A message of the library may hold the address, and an address a secret.
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError, _Unusable) as error:
        raise down(name, type(error).__name__) from None
    if status >= 500 or 300 <= status < 400:
        raise down(name, f"status {status}")
    try:
        body = orjson.loads(content)
    except orjson.JSONDecodeError:
        raise down(name, f"status {status}, no JSON") from None
    if not isinstance(body, dict):
        raise down(name, f"status {status}, no JSON object")
    return Answer(status, body)


class _Unusable(Exception):
    """Longer than we read, or compressed though we asked for it plain."""


async def _read(response: httpx.Response) -> bytes:
    if response.headers.get("content-encoding", "identity") != "identity":
        raise _Unusable
    content = bytearray()
    async for piece in response.aiter_raw():
        content += piece
        if len(content) > MOST_BYTES:
            raise _Unusable
    return bytes(content)
