"""The file store, on a folder and on a real S3 server; what lies there is sealed, whole, or refused."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import obstore
import pytest
from pydantic import SecretStr

from core.clock import utc_now
from core.errors import StartupError, Unavailable
from core.files import PIECE, FileDamaged, FileMissing, Files, open_files
from core.keys import Keys, load_keys
from core.settings import Settings

SECRET = "not-a-secret-outside-this-test"


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an S3 server of our own, with an empty bucket `evidence`."""
    program = Path(sys.executable).with_name("rclone")
    assert program.exists(), "rclone is missing: make set-up-test installs it"
    folder = tmp_path_factory.mktemp("s3")
    (folder / "evidence").mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [program, "serve", "s3", "--config", os.devnull, "--addr", f"127.0.0.1:{port}"]
    server = subprocess.Popen(
        [*command, "--auth-key", f"tester,{SECRET}", folder], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def chosen(keys_file: Path, files: str | None, **more: object) -> Settings:
    return Settings(database_url="", keys_file=keys_file, files=files, **more)  # type: ignore[arg-type]


@pytest.fixture
def keys(keys_file: Path) -> Keys:
    return load_keys(keys_file)


@pytest.fixture(params=["folder", "s3"])
def files(request: pytest.FixtureRequest, tmp_path: Path, keys: Keys, keys_file: Path) -> Files:
    if request.param == "folder":
        return open_files(chosen(keys_file, str(tmp_path / "files")), keys)
    return open_files(
        chosen(
            keys_file,
            f"s3://evidence/{tmp_path.name}",
            files_endpoint=request.getfixturevalue("s3"),
            files_access_key_id="tester",
            files_secret_access_key=SecretStr(SECRET),
        ),
        keys,
    )


async def raw(files: Files, name: str) -> bytes:
    return bytes(await (await obstore.get_async(files._store, name)).bytes_async())


@pytest.mark.parametrize("size", [0, 1, PIECE, PIECE + 1, 2 * PIECE + 5])
async def test_what_is_put_comes_back(files: Files, size: int) -> None:
    content = os.urandom(size)
    stored = await files.put(content, media_type="image/png")
    assert (stored.size, stored.sha256, stored.media_type) == (size, hashlib.sha256(content).digest(), "image/png")
    assert await files.get(stored.name) == content


async def test_a_stream_of_any_parts_comes_back(files: Files) -> None:
    parts = [os.urandom(size) for size in (0, 3, PIECE, 7 * 1024 * 1024, 1, PIECE - 4)]

    async def stream() -> AsyncIterator[bytes]:
        for part in parts:
            yield part

    stored = await files.put(stream(), media_type="text/csv")
    assert stored.size == sum(map(len, parts))
    assert (
        hashlib.sha256(await files.get(stored.name)).digest()
        == stored.sha256
        == hashlib.sha256(b"".join(parts)).digest()
    )


async def test_nothing_of_the_content_can_be_read_in_the_store(files: Files) -> None:
    content = "张三 的举证材料".encode() * 1000
    stored = await files.put(content, media_type="text/plain")
    held = await raw(files, stored.name)
    assert "张三".encode() not in held
    assert len(held) > len(content)


async def test_a_name_says_nothing_and_is_never_used_twice(files: Files) -> None:
    names = {(await files.put(b"same", media_type="text/plain")).name for _ in range(5)}
    assert len(names) == 5
    assert all(len(name) == 32 and int(name, 16) >= 0 for name in names)


async def test_a_changed_byte_is_noticed_wherever_it_lies(files: Files) -> None:
    stored = await files.put(b"evidence" * 10, media_type="text/plain")
    good = await raw(files, stored.name)
    for place in (0, 3, 4, 12, 40, len(good) - 1):
        await obstore.put_async(files._store, stored.name, good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
        with pytest.raises(FileDamaged):
            await files.get(stored.name)


async def test_pieces_cannot_be_dropped_swapped_repeated_or_moved(files: Files) -> None:
    stored, other = [await files.put(os.urandom(3 * PIECE), media_type="x/y") for _ in range(2)]
    good, foreign = await raw(files, stored.name), await raw(files, other.name)
    cut = len(good) // 3
    pieces = [good[place * cut : (place + 1) * cut] for place in range(3)]
    spoilt = [
        b"",
        good[:-1],
        pieces[0] + pieces[1],
        pieces[0] + pieces[2],
        pieces[1] + pieces[0] + pieces[2],
        good + pieces[2],
        good + b"\0",
        foreign,
        pieces[0] + pieces[1] + foreign[2 * cut :],
    ]
    for content in spoilt:
        await obstore.put_async(files._store, stored.name, content)
        with pytest.raises(FileDamaged):
            await files.get(stored.name)


@pytest.mark.parametrize("name", ["0" * 32, "../keys.json", "", "A" * 32, "0" * 31, "٠" * 32])
async def test_a_name_we_never_gave_finds_nothing(files: Files, name: str) -> None:
    with pytest.raises(FileMissing):
        await files.get(name)
    await files.delete(name)


async def test_a_deleted_file_is_gone_and_deleting_it_again_is_no_error(files: Files) -> None:
    stored = await files.put(b"x", media_type="text/plain")
    await files.delete(stored.name)
    await files.delete(stored.name)
    with pytest.raises(FileMissing):
        await files.get(stored.name)


async def test_a_resealed_file_reads_the_same_and_looks_different(files: Files) -> None:
    content = os.urandom(PIECE + 9)
    stored = await files.put(content, media_type="x/y")
    before = await raw(files, stored.name)
    await files.reseal(stored.name)
    assert await raw(files, stored.name) != before
    assert await files.get(stored.name) == content


async def test_orphans_are_swept_and_the_known_and_the_young_stay(files: Files) -> None:
    known, orphan = [await files.put(b"x", media_type="x/y") for _ in range(2)]
    assert await files.sweep_orphans({known.name}, now=utc_now()) == []
    later = utc_now() + timedelta(days=1, seconds=5)
    assert await files.sweep_orphans({known.name}, now=later) == [orphan.name]
    assert await files.get(known.name) == b"x"
    with pytest.raises(FileMissing):
        await files.get(orphan.name)


async def test_an_upload_that_breaks_off_leaves_nothing(files: Files) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield os.urandom(3 * PIECE)
        raise ValueError("the client went away")

    with pytest.raises(ValueError, match="went away"):
        await files.put(broken(), media_type="x/y")
    later = utc_now() + timedelta(days=2)
    assert await files.sweep_orphans(set(), now=later) == []


async def test_a_process_killed_while_writing_leaves_nothing_that_can_be_read(
    tmp_path: Path, keys: Keys, keys_file: Path
) -> None:
    folder = tmp_path / "files"
    program = f"""
import asyncio, os, pathlib
from core.files import PIECE, open_files
from core.keys import load_keys
from core.settings import Settings

async def endless():
    yield os.urandom(6 * PIECE)
    while not any(pathlib.Path({str(folder)!r}).iterdir()):
        await asyncio.sleep(0.01)
    os.kill(os.getpid(), 9)
    yield b""

path = pathlib.Path({str(keys_file)!r})
files = open_files(Settings(database_url="", keys_file=path, files={str(folder)!r}), load_keys(path))
asyncio.run(files.put(endless(), media_type="x/y"))
"""
    ended = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", program], check=False)
    assert ended.returncode == -9
    left = list(folder.iterdir())
    assert left
    files = open_files(chosen(keys_file, str(folder)), keys)
    for path in left:
        with pytest.raises(FileMissing):
            await files.get(path.name)
    await files.sweep_orphans(set(), now=utc_now())
    assert list(folder.iterdir()) == left
    await files.sweep_orphans(set(), now=utc_now() + timedelta(days=2))
    assert list(folder.iterdir()) == []


async def test_a_store_that_does_not_answer_is_unavailable(keys: Keys, keys_file: Path, s3: str) -> None:
    wrong = chosen(
        keys_file,
        "s3://evidence",
        files_endpoint=s3,
        files_access_key_id="tester",
        files_secret_access_key=SecretStr("wrong"),
    )
    with pytest.raises(Unavailable):
        await open_files(wrong, keys).put(b"x", media_type="x/y")


async def test_a_folder_that_went_away_is_unavailable(tmp_path: Path, keys: Keys, keys_file: Path) -> None:
    files = open_files(chosen(keys_file, str(tmp_path / "files")), keys)
    shutil.rmtree(tmp_path / "files")
    (tmp_path / "files").write_text("a file where the folder was")
    with pytest.raises(Unavailable):
        await files.put(b"x", media_type="x/y")


def test_a_store_that_cannot_be_opened_is_told_at_the_start(tmp_path: Path, keys: Keys, keys_file: Path) -> None:
    (tmp_path / "taken").write_text("")
    for files in (None, "", "s3://", "s3:///prefix", str(tmp_path / "taken")):
        with pytest.raises(StartupError, match="XINYI_FILES"):
            open_files(chosen(keys_file, files), keys)


def test_the_secret_of_the_store_is_not_shown(keys_file: Path) -> None:
    assert SECRET not in repr(chosen(keys_file, "s3://evidence", files_secret_access_key=SecretStr(SECRET)))
