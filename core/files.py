"""Files that people hand in: evidence and uploads. One thing to know: a file is sealed before it leaves this process,
and put before the row that names it is committed. A crash between the two leaves an orphan for `sweep_orphans`.

A stored file is a row of pieces, each `length (4 bytes) · sealed value`; inside each seal stand the file's own name,
the piece's number and whether it is the last, so that pieces cannot be swapped, left out, or moved to another file.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import struct
from collections.abc import AsyncIterable, AsyncIterator, Container, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import LocalStore, S3Store

from core.errors import ExpectedError, StartupError, Unavailable
from core.keys import Keys
from core.sealing import seal, unseal
from core.settings import Settings

if TYPE_CHECKING:
    from obstore.store import ObjectStore, S3Config

PIECE = 4 * 1024 * 1024
"""Bytes of content in one piece: what is held in memory at a time."""
GRACE = timedelta(days=1)
"""How long a file may wait for its row before it is an orphan."""
_NAME = re.compile(r"[0-9a-f]{32}", re.ASCII)
_HEAD = struct.Struct(">16sQ?")
_LENGTH = struct.Struct(">I")
_OVERHEAD = 1024
_PATIENCE = timedelta(seconds=10)


class FileMissing(ExpectedError):
    """There is no file of that name."""

    code = "FILE_MISSING"

    def __init__(self) -> None:
        super().__init__("找不到该文件:它可能已被删除。请重新上传,或联系运营人员。")


class FileDamaged(ExpectedError):
    """A stored file is not as we stored it."""

    code = "FILE_DAMAGED"

    def __init__(self) -> None:
        super().__init__("该文件与存入时不一致,已停止读取。请重新上传;运营人员应从备份恢复并查明原因。")


@dataclass(frozen=True, slots=True)
class StoredFile:
    """What a row keeps of a file."""

    name: str
    """32 random hexadecimal digits; says nothing about whose it is."""
    sha256: bytes
    """Of the content before sealing."""
    size: int
    """Bytes of the content before sealing."""
    media_type: str


class Files:
    """The store of one deployment. Its owner is whoever has the name: what a name is for, rows say."""

    def __init__(self, store: ObjectStore, keys: Keys, *, folder: Path | None = None) -> None:
        self._store, self._keys, self._folder = store, keys, folder

    async def put(self, content: bytes | AsyncIterable[bytes], *, media_type: str) -> StoredFile:
        """Store `content` under a fresh name. Commit the row that names it afterwards, not before.

        Raises:
            Unavailable: the store does not answer.
        """
        name, digest, size = secrets.token_hex(16), sha256(), 0

        async def counted() -> AsyncIterator[bytes]:
            nonlocal size
            async for piece in _pieces(content):
                digest.update(piece)
                size += len(piece)
                yield piece

        await self._write(name, counted(), at_once=isinstance(content, bytes))
        return StoredFile(name, digest.digest(), size, media_type)

    async def read(self, name: str) -> AsyncIterator[bytes]:
        """The content of a file, a piece at a time; each has been checked when it is given.

        Raises:
            FileMissing: there is none of that name.
            FileDamaged: it was changed, cut short or lengthened, or its key is gone; known at the end at worst.
            Unavailable: the store does not answer.
        """
        with _answering():
            stored = (await obstore.get_async(self._store, _path(name))).stream(min_chunk_size=PIECE)
        waiting, number, is_last = bytearray(), 0, False
        while True:
            with _answering():
                received = await anext(aiter(stored), None)
            if received is None:
                break
            waiting += memoryview(received)
            while (sealed := _next_sealed(waiting)) is not None:
                piece, is_last = self._opened(name, number, sealed, after_last=is_last)
                number += 1
                yield piece
        if waiting or not is_last:
            raise FileDamaged

    async def get(self, name: str) -> bytes:
        """The whole content of a file; for those that are known to be small.

        Raises: as `read`.
        """
        return b"".join([piece async for piece in self.read(name)])

    async def delete(self, name: str) -> None:
        """Remove a file; that there is none is no error. Commit the end of its row first.

        Raises:
            Unavailable: the store does not answer.
        """
        try:
            with _answering():
                await obstore.delete_async(self._store, _path(name))
        except FileMissing:
            return

    async def reseal(self, name: str) -> None:
        """Seal a file anew with the key now in use, under the same name; for a key that is to be dropped.

        Raises: as `read`.
        """
        await self._write(name, _pieces(self.read(name)))

    async def sweep_orphans(self, known: Container[str], *, now: datetime, grace: timedelta = GRACE) -> list[str]:
        """Delete the files that no row names and that are older than `grace`; their names.

        `known` holds the names of all rows, read before this is called: what was put since is younger than `grace`.

        Raises:
            Unavailable: the store does not answer.
        """
        swept = []
        with _answering():
            async for batch in obstore.list(self._store):
                swept += [one["path"] for one in batch if one["last_modified"] < now - grace]
        swept = [name for name in swept if _NAME.fullmatch(name) and name not in known]
        for name in swept:
            await self.delete(name)
        if self._folder is not None:
            await asyncio.to_thread(_sweep_unfinished, self._folder, (now - grace).timestamp())
        return swept

    async def _write(self, name: str, pieces: AsyncIterator[bytes], *, at_once: bool = False) -> None:
        sealed = self._sealed(name, pieces)
        file = b"".join([part async for part in sealed]) if at_once else sealed
        with _answering():
            await obstore.put_async(self._store, name, file, use_multipart=not at_once)
        if self._folder is not None:
            await asyncio.to_thread(_flush, self._folder, name)

    async def _sealed(self, name: str, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        number, held = 0, await anext(pieces, b"")
        while True:
            following = await anext(pieces, None)
            head = _HEAD.pack(bytes.fromhex(name), number, following is None)
            sealed = seal(self._keys, "seal", head + held)
            yield _LENGTH.pack(len(sealed)) + sealed
            if following is None:
                return
            number, held = number + 1, following

    def _opened(self, name: str, number: int, sealed: bytes, *, after_last: bool) -> tuple[bytes, bool]:
        plain = unseal(self._keys, "seal", sealed)
        if plain is None or len(plain) < _HEAD.size or after_last:
            raise FileDamaged
        its_name, its_number, is_last = _HEAD.unpack_from(plain)
        if (its_name, its_number) != (bytes.fromhex(name), number):
            raise FileDamaged
        return plain[_HEAD.size :], is_last


def open_files(settings: Settings, keys: Keys) -> Files:
    """The store that the settings name; a folder is made where it is missing.

    Raises:
        StartupError: none is named, or it cannot be used.
    """
    if not settings.files:
        raise StartupError("没有设置 XINYI_FILES,不能存取文件。请设为一个文件夹,或 s3://桶名/前缀。")
    if settings.files.startswith("s3://"):
        return Files(_s3(settings), keys)
    folder = Path(settings.files).resolve()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StartupError(f"无法使用文件夹 {folder}({error.strerror})。请改正 XINYI_FILES。") from None
    return Files(LocalStore(folder), keys, folder=folder)


def _s3(settings: Settings) -> S3Store:
    bucket, _, prefix = (settings.files or "").removeprefix("s3://").partition("/")
    if not bucket:
        raise StartupError("XINYI_FILES 没有写桶名。请写成 s3://桶名/前缀。")
    secret, endpoint = settings.files_secret_access_key, settings.files_endpoint
    chosen: S3Config = {"region": settings.files_region}
    if endpoint:
        chosen["endpoint"] = endpoint
    if settings.files_access_key_id and secret:
        chosen["access_key_id"] = settings.files_access_key_id
        chosen["secret_access_key"] = secret.get_secret_value()
    return S3Store(
        bucket,
        prefix=prefix or None,
        config=chosen,
        client_options={"allow_http": bool(endpoint and endpoint.startswith("http://")), "timeout": 3 * _PATIENCE},
        retry_config={"max_retries": 2, "retry_timeout": _PATIENCE},
    )


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except (NotFoundError, FileNotFoundError):
        raise FileMissing from None
    except (BaseError, OSError):
        raise Unavailable("文件存储暂时不可用,与任何个人无关;请稍后重试。") from None


def _path(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise FileMissing
    return name


async def _pieces(content: bytes | AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """`content` in pieces of `PIECE` bytes, the last one shorter."""
    if isinstance(content, bytes):
        for start in range(0, len(content), PIECE):
            yield content[start : start + PIECE]
        return
    waiting = bytearray()
    async for part in content:
        waiting += part
        while len(waiting) >= PIECE:
            yield bytes(waiting[:PIECE])
            del waiting[:PIECE]
    if waiting:
        yield bytes(waiting)


def _next_sealed(waiting: bytearray) -> bytes | None:
    """The first sealed value in `waiting`, taken out of it, or None while it is not whole."""
    if len(waiting) < _LENGTH.size:
        return None
    [length] = _LENGTH.unpack_from(waiting)
    if length > PIECE + _OVERHEAD:
        raise FileDamaged
    end = _LENGTH.size + length
    if len(waiting) < end:
        return None
    sealed = bytes(waiting[_LENGTH.size : end])
    del waiting[:end]
    return sealed


def _sweep_unfinished(folder: Path, before: float) -> None:
    """Remove what a process that was killed in the middle of writing left behind, which the store does not list."""
    for path in folder.glob("*#*"):
        if path.stat().st_mtime < before:
            path.unlink(missing_ok=True)


def _flush(folder: Path, name: str) -> None:
    """See the file and its name on the disk, as the database sees its rows."""
    for path in (folder / name, folder):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
