"""Trusted documents: what a client may send in place of a text, and in production must. One thing to know: a document
is named by the hash of its text (`sha256:` and 64 hex digits), so a client that sends the text itself is served alike.

Three sorts are trusted: those that come with the release (`api/operations/`, for partners, and what the built pages of
`web/` send), those that an operator has registered, and, of a partner that an operator freed from this, all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import orjson
from graphql import GraphQLError, GraphQLSchema, OperationDefinitionNode, parse

from api.context import Context
from api.running.documents import Documents, Rejected
from core.errors import BadInput, ExpectedError
from partners.clients.documents import id_of, is_free, trusted_text

FOLDER = Path(__file__).parent.parent / "operations"
PAGES = Path(__file__).parents[2] / "web" / "dist" / "documents.json"
"""What the same build that made the pages says they send."""
REMEMBERED_SECONDS = 30
"""How long a process goes by what it has read: a retired document may be answered that long."""
MOST_REMEMBERED = 5_000
MOST_AT_ONCE = 500
"""Documents of one manifest."""
_ID = re.compile("(?:sha256:)?([0-9a-f]{64})")


class DocumentNotFound(ExpectedError):
    """The document is not registered, or not any more."""

    code = "DOCUMENT_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("没有登记过 documentId 所指的文档,或它已停用。请核对编号,或请运营人员登记后重试。")


class DocumentRequired(ExpectedError):
    """A text that nobody registered, where only registered ones are answered."""

    code = "DOCUMENT_REQUIRED"

    def __init__(self) -> None:
        super().__init__("这里只执行登记过的文档,这份文档没有登记。请改发 documentId,或请运营人员登记后重试。")


@cache
def shipped() -> Mapping[str, str]:
    """The documents that come with the release, by id."""
    texts = (path.read_text() for path in sorted(FOLDER.glob("*/*.graphql")))
    return {id_of(text): text for text in texts}


@cache
def sent_by_pages() -> Mapping[str, str]:
    """The documents of the built pages, by id; none where none are built."""
    return {id_of(text): text for text in read_manifest(PAGES.read_bytes())} if PAGES.is_file() else {}


def checked_id(given: str) -> str:
    """The hash in a `documentId`, in hex.

    Raises:
        BadInput: it is no id of a document.
    """
    found = _ID.fullmatch(given)
    if found is None:
        raise BadInput("documentId 须为 sha256: 加 64 位小写十六进制。请核对后重试。")
    return found[1]


class TrustedDocuments:
    """Finds the text that a request means."""

    def __init__(self, *, is_open: bool) -> None:
        """`is_open`: whether any text is answered (in the demo, and in the sandbox)."""
        self._is_open = is_open
        self._texts: dict[str, tuple[str, float]] = {}
        self._freed: dict[str, tuple[bool, float]] = {}

    async def text_of(self, query: str | None, document_id: str | None, context: Context) -> str:
        """The document to run, of a request that gave its text, its id, or both.

        Raises:
            BadInput: the id is malformed, or another text's.
            DocumentNotFound: nothing is registered under the id.
            DocumentRequired: only registered documents are answered here.
        """
        if document_id is not None:
            wanted = checked_id(document_id)
            if query is not None and id_of(query) != wanted:
                raise BadInput("documentId 与 query 不是同一份文档。请只发其中之一,或改正后重试。")
            found = await self._find(wanted, context)
            if found is None and (query is None or not self._is_open):
                raise DocumentNotFound
            return found or query or ""
        if query is None:
            raise BadInput("query 与 documentId 须有其一。请补上后重试。")
        if self._is_open:
            return query
        if await self._find(id_of(query), context) is not None or await self._is_freed(context):
            return query
        raise DocumentRequired

    async def _find(self, sha256: str, context: Context) -> str | None:
        known = shipped().get(sha256) or sent_by_pages().get(sha256)
        if known is not None:
            return known
        at = context.now.timestamp()
        held = self._texts.get(sha256)
        if held is not None and at < held[1]:
            return held[0]
        async with context.state.database.reading() as connection:
            text = await trusted_text(connection, sha256)
        if text is not None:
            _remember(self._texts, sha256, (text, at + REMEMBERED_SECONDS))
        return text

    async def _is_freed(self, context: Context) -> bool:
        if context.claims is None:
            return False
        account, at = context.claims.account, context.now.timestamp()
        held = self._freed.get(account)
        if held is not None and at < held[1]:
            return held[0]
        async with context.state.database.reading() as connection:
            freed = await is_free(connection, account)
        _remember(self._freed, account, (freed, at + REMEMBERED_SECONDS))
        return freed


ANY_DOCUMENT = TrustedDocuments(is_open=True)
"""Where any document is answered."""


def _remember(held: dict[str, Any], key: str, value: Any) -> None:
    held.pop(key, None)
    held[key] = value
    if len(held) > MOST_REMEMBERED:
        del held[next(iter(held))]


def read_manifest(given: bytes | str) -> list[str]:
    """The documents of a manifest, as relay-compiler and GraphQL Code Generator write it (`{id: text}`), or Apollo
    (`operations` with `id` and `body`).

    Raises:
        BadInput: it is neither, or an id is not the SHA-256 of its text.
    """
    try:
        content = orjson.loads(given)
    except orjson.JSONDecodeError:
        raise BadInput(
            "清单不是有效的 JSON。请使用 relay-compiler、GraphQL Code Generator 或 Apollo 生成的清单。"
        ) from None
    if isinstance(content, dict) and isinstance(content.get("operations"), list):
        named = [(one.get("id"), one.get("body")) for one in content["operations"] if isinstance(one, dict)]
    else:
        named = list(content.items()) if isinstance(content, dict) else []
    if not 1 <= len(named) <= MOST_AT_ONCE:
        raise BadInput(f"清单须为 JSON 对象,含 1 到 {MOST_AT_ONCE} 份文档。请核对文件。")
    texts = []
    for key, text in named:
        if not isinstance(key, str) or not isinstance(text, str) or checked_id(key) != id_of(text):
            shown = str(key)[:80]
            raise BadInput(f"清单中 {shown} 不是其文档的 SHA-256。请把生成工具的散列算法设为 sha256 后重新生成。")
        texts.append(text)
    return texts


def check_documents(schema: GraphQLSchema, texts: list[str]) -> None:
    """Judge documents as a request with them would be.

    Raises:
        BadInput: one is not valid, asks for too much, or introspects; the message names its operation.
    """
    documents = Documents(schema, introspection=False)
    for text in texts:
        try:
            documents.find(text)
        except Rejected as rejected:
            raise BadInput(
                f"文档 {_name_of(text)} 不可用:{rejected.errors[0].message} 请改正后重新生成清单。"
            ) from None


def _name_of(text: str) -> str:
    try:
        definitions = parse(text, max_tokens=2_000).definitions
    except (GraphQLError, RecursionError):
        return id_of(text)[:12]
    names = [one.name.value for one in definitions if isinstance(one, OperationDefinitionNode) and one.name]
    return names[0][:60] if names else id_of(text)[:12]
