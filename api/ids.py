"""Opaque ids (Relay global object identification). One thing to know: the type is inside and checked on decoding."""

from __future__ import annotations

from base64 import b64decode
from uuid import UUID

from core.errors import BadInput
from core.identifiers import public_id

__all__ = ["any_key", "key_of", "public_id", "uuid_of"]


def _decode(given: str) -> tuple[str, str]:
    try:
        text = b64decode(given, validate=True).decode()
    except ValueError:
        text = ""
    type_name, found, key = text.partition(":")
    if not found or public_id(type_name, key) != given:  # type: ignore[arg-type]  # any text round-trips the same
        raise BadInput("编号格式不对。请原样使用接口返回的 id。")
    return type_name, key


def any_key(given: str) -> tuple[str, int]:
    """The type and key inside an id of any type.

    Raises:
        BadInput: it is no id of ours.
    """
    type_name, key = _decode(given)
    return type_name, _number(key)


def _number(key: str) -> int:
    if not (key.isascii() and key.isdecimal() and str(int(key[:20])) == key and int(key) < 2**63):
        raise BadInput("编号格式不对。请原样使用接口返回的 id。")
    return int(key)


def key_of(given: str, type_name: str) -> int:
    """The key inside an id of `type_name`.

    Raises:
        BadInput: it is no id of ours, or of another type.
    """
    return _number(_key_text(given, type_name))


def uuid_of(given: str, type_name: str) -> UUID:
    """Like `key_of`, where keys are UUIDs."""
    key = _key_text(given, type_name)
    try:
        found = UUID(key)
    except ValueError:
        found = None
    if found is None or str(found) != key:
        raise BadInput("编号格式不对。请原样使用接口返回的 id。")
    return found


def _key_text(given: str, type_name: str) -> str:
    found, key = _decode(given)
    if found != type_name:
        raise BadInput(f"此处需要 {type_name} 的 id,收到的是另一种对象的 id。请核对参数。")
    return key
