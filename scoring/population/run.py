"""Score everybody at once. One thing to know: the results appear whole or not at all.

A run works in a folder beside its output, shard by shard. A finished shard is kept, so that the same run, started
again after whatever stopped it, goes on from there; the old output stays until the new one replaces it in one act.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from errno import EDQUOT, EFBIG, ENOSPC
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from core.errors import ExpectedError
from scoring.model import Model
from scoring.population.engines import (
    DuckDB,
    EngineName,
    OutOfResources,
    ResultTooLarge,
    Shard,
    open_duckdb,
    open_engine,
)
from scoring.population.inputs import GLOB_SIGNS, Sources, check_rows, open_sources, quoted
from scoring.population.sql import compile_model
from scoring.values import BadValue

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


FULL = (os.strerror(ENOSPC), os.strerror(EFBIG), os.strerror(EDQUOT))
"""How the system says that nothing more can be written."""


@dataclass(frozen=True)
class Run:
    """A finished run."""

    run_id: str
    """The same for the same model, day, engine and files; also in the output's metadata."""
    rows: int
    seconds: float
    resumed: int
    """How many shards an earlier attempt had left."""


class RunInProgress(ExpectedError):
    """Somebody else is writing the same output."""

    code = "RUN_IN_PROGRESS"


class DiskFull(ExpectedError):
    """There is no room for the results."""

    code = "DISK_FULL"


class InputChanged(ExpectedError):
    """A file changed while it was being read."""

    code = "INPUT_CHANGED"


FULL = (os.strerror(ENOSPC), os.strerror(EFBIG), os.strerror(EDQUOT))
"""How the system says that nothing more can be written."""


def score_population(
    model: Model,
    *,
    records: Path,
    subjects: Path,
    out: Path,
    on: date,
    facts: Path | None = None,
    engine: EngineName = "duckdb",
    database_url: str | None = None,
    on_shard: Callable[[int, int], None] = lambda done, of: None,
) -> Run:
    """Write `subject`, `points`, `grade` of every subject to `out`; the files are described in docs/population.md.

    `database_url` is for `postgres`. `on_shard` hears how many shards are done, and of how many.

    Raises:
        BadValue: a file or a row is bad; nothing is written.
        RunInProgress: another run is writing the same output.
        EngineMissing: the engine is not installed or not reachable.
        DiskFull, InputChanged, OutOfResources, ResultTooLarge: the old output is whole, and a new start goes on where
            this one ended.
    """
    began = monotonic()
    inputs = tuple(path for path in (subjects, records, facts) if path is not None)
    _check_out(out, inputs)
    with _work_folder(out) as folder, _plain_failures():
        statement = compile_model(model, on=on, dialect=engine, with_facts=facts is not None)
        with open_duckdb(folder / "spill") as connection:
            sources = open_sources(connection, subjects=subjects, records=records, facts=facts)
            before = [_identity(path) for path in inputs]
            run_id = _run_id(model, statement, engine, before)
            _clear(folder, keep=run_id)
            marks = {"run_id": run_id, "model": model.id, "version": model.version, "day": on.isoformat()}
            local = DuckDB(connection, sources, marks)
            with (
                _checking(connection, model, sources, folder) as refuse_if_bad,
                open_engine(engine, local, folder / "scratch", database_url=database_url) as chosen,
            ):
                listed = _count(connection, [subjects])
                shards = max(1, -(-listed // chosen.subjects_at_once))
                parts = [folder / f"{run_id}-{number}-of-{shards}.parquet" for number in range(shards)]
                resumed = sum(part.exists() for part in parts)
                for number, part in enumerate(parts):
                    if not part.exists():
                        refuse_if_bad()
                        partial = part.with_suffix(".partial")
                        chosen.score(statement, Shard(number, shards), partial)
                        partial.replace(part)
                    on_shard(number + 1, shards)
            rows = _count(connection, parts)
            if [_identity(path) for path in inputs] != before:
                raise InputChanged("输入文件在计算期间被改动。原有结果未动,请在文件写完后重新运行")
            whole = parts[0]
            if shards > 1:
                whole = folder / f"{run_id}.whole"
                local.write(f"SELECT * FROM read_parquet({_file_list(parts)})", whole)  # noqa: S608
            _publish(whole, out)
        _clear(folder, keep=None)
    return Run(run_id, rows, monotonic() - began, resumed)


def _check_out(out: Path, inputs: tuple[Path, ...]) -> None:
    if out.is_dir() or not out.parent.is_dir():
        raise BadValue("BAD_OUTPUT", f"结果不能写到 {out}:它是目录,或所在目录不存在。请改用已有目录中的文件名")
    if set(str(out)) & GLOB_SIGNS:
        raise BadValue("BAD_OUTPUT", f"结果路径 {out} 含有 * ? [ ] 等符号。请换一个路径")
    if any(path.exists() and out.exists() and path.samefile(out) for path in inputs):
        raise BadValue("BAD_OUTPUT", f"结果文件 {out} 同时是输入文件。请换一个文件名")


def _identity(path: Path) -> tuple[str, int, int]:
    found = path.stat()
    return str(path.resolve()), found.st_size, found.st_mtime_ns


def _run_id(model: Model, statement: str, engine: EngineName, inputs: list[tuple[str, int, int]]) -> str:
    # Shards are cut by DuckDB's hash, which another version of it may change.
    parts = (model.checksum, statement, engine, version("duckdb"), *inputs)
    return sha256(repr(parts).encode()).hexdigest()[:16]


@contextmanager
def _work_folder(out: Path) -> Iterator[Path]:
    """The run's own folder beside its output, locked; gone after a run that succeeded.

    Raises:
        RunInProgress: another process holds it.
    """
    folder = out.parent / f".{out.name}.run"
    lock = -1
    while lock < 0:
        folder.mkdir(mode=0o700, exist_ok=True)
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            raise RunInProgress(f"另一次运行正在写 {out}。请等它结束,或换一个结果文件名") from None
        # Whoever held it before may have finished, and taken the folder away, in between.
        if not folder.exists() or not os.path.samestat(os.fstat(lock), folder.stat()):
            os.close(lock)
            lock = -1
    try:
        yield folder
    finally:
        # Finished shards stay for the next start; a run that succeeded has published them, or thrown them away.
        if not any(folder.glob("*.parquet")):
            shutil.rmtree(folder)
        os.close(lock)


def _clear(folder: Path, *, keep: str | None) -> None:
    """Throw away all but the finished shards of the run to keep."""
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif keep is None or not (path.name.startswith(keep) and path.suffix == ".parquet"):
            path.unlink()


@contextmanager
def _checking(
    connection: DuckDBPyConnection, model: Model, sources: Sources, folder: Path
) -> Iterator[Callable[[], None]]:
    """Check the rows meanwhile, on what the scoring leaves of the cores; nothing counts before the check is through.

    What it finds comes before whatever bad rows did to the scoring.
    """
    with ThreadPoolExecutor(1) as pool, connection.cursor() as cursor:
        checked = pool.submit(check_rows, cursor, model, sources)

        def refuse_if_bad(*, wait: bool = False) -> None:
            if wait or checked.done():
                try:
                    checked.result()
                except BadValue:
                    _clear(folder, keep=None)
                    raise

        try:
            yield refuse_if_bad
        finally:
            refuse_if_bad(wait=True)


@contextmanager
def _plain_failures() -> Iterator[None]:
    """Say in plain words what stopped the engine."""
    import duckdb

    try:
        yield
    except duckdb.OutOfMemoryException:
        raise OutOfResources from None
    except (duckdb.OutOfRangeException, duckdb.ConversionException):
        raise ResultTooLarge from None
    except (duckdb.Error, OSError) as error:
        if any(sign in str(error) for sign in FULL):
            raise DiskFull(
                "磁盘空间不足,结果没有写完。原有结果未动,请腾出空间后重新运行,已完成的部分不会重算"
            ) from None
        if isinstance(error, OSError):
            raise
        reason = str(error).splitlines()[0][:200]
        raise BadValue("UNREADABLE_FILE", f"输入文件有一部分读不出来({reason})。请重新导出后重试") from None


def _publish(whole: Path, out: Path) -> None:
    """Put the finished file in the place of the old one, in one act that also a power cut leaves whole."""
    _flush(whole, os.O_RDONLY)
    whole.replace(out)
    _flush(out.parent, os.O_RDONLY | os.O_DIRECTORY)


def _flush(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _count(connection: DuckDBPyConnection, files: Sequence[Path]) -> int:
    """Rows of Parquet files, as their footers say."""
    row = connection.execute(f"SELECT count(*) FROM read_parquet({_file_list(files)})").fetchone()  # noqa: S608
    return 0 if row is None else int(row[0])


def _file_list(files: Sequence[Path]) -> str:
    return f"[{', '.join(quoted(str(path)) for path in files)}]"
