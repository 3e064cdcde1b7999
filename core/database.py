"""The database behind one small port. One thing to know: a transaction is opened and committed here and nowhere else.

PostgreSQL for production, SQLite for a laptop; the same tables, statements and migrations on both.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import uuid4

import asyncpg
import orjson
from sqlalchemy import JSON, DateTime, Dialect, MetaData, event, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    DisconnectionError,
    IntegrityError,
    InterfaceError,
    OperationalError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.types import TypeDecorator

from core.errors import BadInput, StartupError, Unavailable
from core.keys import Keys
from core.news import News

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)
"""All tables of the project register here, each in its own package's `tables.py`."""


class Instant(TypeDecorator[datetime]):
    """A moment with its zone. SQLite forgets zones, so UTC is written there and put back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


Json = JSON().with_variant(JSONB(), "postgresql")


MOST_CONNECTIONS, POOL_SECONDS = 16, 5
"""PostgreSQL connections of one process, and how long a request waits for one."""


class Conflict(Exception):
    """A row that may exist once was written by two at the same time, or two waited for each other.

    Nothing was written: run the transaction again and it will see the other's row.
    """


class Database:
    """Connections for reading and transactions for writing."""

    def __init__(self, url: str, *, keys: Keys | None = None, patience: float | None = 10) -> None:
        """`keys`: what rows are sealed with; without them no sealed row can be read or written.
        `patience`: seconds after which a statement is given up; None for migrations, which may take long.
        """
        try:
            self.url = make_url(url)
        except ArgumentError:
            raise StartupError("XINYI_DATABASE_URL 不是数据库地址。请写成 postgresql+asyncpg://… 的形式。") from None
        self._keys = keys
        self.publish: Callable[[Sequence[News]], None] | None = None
        """Takes what a transaction announced, once it is committed; None where nobody listens."""
        self.is_sqlite = self.url.drivername == "sqlite+aiosqlite"
        shared: dict[str, Any] = {
            "hide_parameters": True,  # an error that is logged does not carry what was written
            "json_serializer": lambda value: orjson.dumps(value).decode(),
            # SQLite keeps a JSON column's bare numbers as numbers.
            "json_deserializer": lambda stored: orjson.loads(stored) if isinstance(stored, str) else stored,
        }
        if self.is_sqlite:
            # One writer, so that writers queue here and never meet SQLITE_BUSY; readers cannot write.
            self.writer = create_async_engine(self.url, pool_size=1, max_overflow=0, **shared)
            self.reader = create_async_engine(self.url, pool_size=4, max_overflow=0, **shared)
            _prepare_sqlite(self.writer, begin="BEGIN IMMEDIATE", query_only=False)
            _prepare_sqlite(self.reader, begin="BEGIN", query_only=True)
        elif self.url.drivername == "postgresql+asyncpg":
            # No implicit transactions: `transaction` begins one on the driver, so that prepared statements share it.
            self.writer = self.reader = create_async_engine(
                self.url,
                pool_size=MOST_CONNECTIONS,
                max_overflow=0,
                pool_timeout=POOL_SECONDS,
                isolation_level="AUTOCOMMIT",
                connect_args={"command_timeout": patience},
                **shared,
            )
            event.listen(self.writer.sync_engine, "checkout", _drop_closed)
            self._warm = _WarmConnections(self.writer)
        else:
            raise StartupError(
                f"不支持的数据库地址 {self.url.drivername}。请在 XINYI_DATABASE_URL 中使用 "
                "postgresql+asyncpg:// 或 sqlite+aiosqlite://。"
            )

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """One transaction, committed when the block ends and rolled back when it raises.

        Raises:
            Conflict: another transaction was quicker; run it again.
            Unavailable: the database cannot be reached or gave up.
        """
        async with self.statements() as connection, begun(connection):
            yield connection

    @asynccontextmanager
    async def statements(self) -> AsyncIterator[AsyncConnection]:
        """A connection for writing each statement of which commits by itself; `begun` joins several into one.

        For paths that need one statement to write all they write: two round trips fewer than a transaction. SQLite,
        where a trip costs nothing, makes the whole block one transaction.

        Raises:
            Conflict: another transaction was quicker; run it again.
            Unavailable: the database cannot be reached or gave up.
        """
        with _DriverErrors():
            taken = self.writer.begin() if self.is_sqlite else self._warm.take()
            async with _settled(taken, self.publish) as connection:
                carried(connection).keys = self._keys
                yield connection

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A connection for reading alone.

        Raises:
            Unavailable: the database cannot be reached.
        """
        with _DriverErrors():
            async with self.reader.connect() if self.is_sqlite else self._warm.take() as connection:
                carried(connection).keys = self._keys
                yield connection

    async def ping(self) -> None:
        """Ask the database for one row.

        Raises:
            Unavailable: it does not answer.
        """
        async with self.reading() as connection:
            await connection.execute(text("SELECT 1"))

    async def close(self) -> None:
        """Give all connections back."""
        if not self.is_sqlite:
            await self._warm.close()
        await self.writer.dispose()
        if self.is_sqlite:
            await self.reader.dispose()


class _WarmConnections:
    """Open connections, kept at hand. SQLAlchemy's way of taking one and giving it back switches greenlets four times
    and starts a task; a scan's two statements together cost little more than that."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._idle: list[AsyncConnection] = []
        self._slots = asyncio.Semaphore(MOST_CONNECTIONS)
        self._unwanted: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def take(self) -> AsyncIterator[AsyncConnection]:
        """A connection for this block alone. One that was lost, or left in the middle of something, is not used again;
        that a request was refused or lost a race says nothing against its connection."""
        if self._slots.locked():
            async with asyncio.timeout(POOL_SECONDS):
                await self._slots.acquire()
        else:
            await self._slots.acquire()
        connection = None
        try:
            connection = await self._at_hand() or await self._connect()
            yield connection
        except BaseException as error:
            if connection is not None and _is_sound(connection, error):
                self._idle.append(connection)
            elif connection is not None:
                await asyncio.shield(_discard(connection))
            raise
        else:
            self._idle.append(connection)
        finally:
            self._slots.release()

    async def _at_hand(self) -> AsyncConnection | None:
        while self._idle:
            connection = self._idle.pop()
            if not driver_of(connection).is_closed():
                return connection
            await _discard(connection)
        return None

    async def _connect(self) -> AsyncConnection:
        """A new connection. Opening it is never cut off half way: the server would not hear that nobody wants it."""
        opening = asyncio.ensure_future(self._open())
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            task = asyncio.create_task(_discard_opened(opening))
            self._unwanted.add(task)
            task.add_done_callback(self._unwanted.discard)
            raise

    async def _open(self) -> AsyncConnection:
        return await self._engine.connect()

    async def close(self) -> None:
        """Close those at hand; nobody may be using one any more."""
        await asyncio.gather(*self._unwanted)
        while self._idle:
            await _discard(self._idle.pop())


@dataclass(slots=True)
class Carried:
    """What a connection carries for whoever writes through it, as long as it is open."""

    keys: Keys | None = None
    trail: Trail | None = None
    """Where this connection's chain of audit rows stands (`core.audit`)."""
    news: list[News] = field(default_factory=list)
    """What will be told once this transaction is committed."""


class Trail:
    """A chain of audit rows: its id, and its last row. Rows of a transaction that failed are not part of it."""

    def __init__(self) -> None:
        self.chain = uuid4()
        self.step, self.link = 0, sha256(self.chain.bytes).hexdigest()
        self.is_open = self.is_pending = False


def carried(connection: AsyncConnection) -> Carried:
    """What this connection carries."""
    held: dict[str, Any] = connection.sync_connection.info  # type: ignore[union-attr]
    found: Carried | None = held.get("xinyi")
    if found is None:
        found = held["xinyi"] = Carried()
    return found


def announce(connection: AsyncConnection, topic: str, text: str) -> None:
    """Tell whoever listens to `topic`, after this transaction's commit; nothing is told where it fails."""
    carried(connection).news.append(News(topic, text))


@asynccontextmanager
async def _settled(
    taken: AbstractAsyncContextManager[AsyncConnection], publish: Callable[[Sequence[News]], None] | None
) -> AsyncIterator[AsyncConnection]:
    """Keep the audit rows of a block that went through, and tell its news. After one that failed nobody knows which of
    its rows were written, so the connection begins another chain."""
    held: Carried | None = None
    news: list[News] = []
    try:
        async with taken as connection:
            held = carried(connection)
            # A list of its own: by the time this block is settled, the connection may be another one's.
            held.news = news = []
            yield connection
    except BaseException:
        if held is not None and held.trail is not None and held.trail.is_pending:
            held.trail = None
        raise
    if held is not None and held.trail is not None:
        held.trail.is_pending = False
    if news and publish is not None:
        publish(news)


async def _discard_opened(opening: asyncio.Future[AsyncConnection]) -> None:
    with suppress(Exception):  # one that could not be opened need not be closed
        await _discard(await opening)


async def _discard(connection: AsyncConnection) -> None:
    await connection.invalidate()
    await connection.close()


def _is_sound(connection: AsyncConnection, error: BaseException) -> bool:
    """Whether a connection can be used again after `error`; a cancellation may have come in mid-statement."""
    if connection.invalidated:  # SQLAlchemy has seen it go
        return False
    driver = driver_of(connection)
    is_ours = isinstance(error, Exception) and not isinstance(error, _DOWN)
    return is_ours and not driver.is_closed() and not driver.is_in_transaction()


def driver_of(connection: AsyncConnection) -> Any:
    """The asyncpg connection underneath; it is in the transaction that `begun` began."""
    return connection.sync_connection.connection.driver_connection  # type: ignore[union-attr]


@asynccontextmanager
async def begun(connection: AsyncConnection) -> AsyncIterator[None]:
    """One transaction on a connection of `Database.statements`."""
    if connection.dialect.name == "sqlite":
        yield  # it has been one all along
        return
    transaction = driver_of(connection).transaction()
    await transaction.start()
    try:
        yield
    except asyncio.CancelledError:
        # Cut off in mid-statement it cannot be asked to roll back; its connection is thrown away, and it with it.
        raise
    except BaseException:
        await transaction.rollback()
        raise
    else:
        await transaction.commit()


_CONFLICTS = (
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
)
_DOWN = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    # During a fail-over a server turns connections away, or is a standby that only reads.
    asyncpg.ObjectNotInPrerequisiteStateError,
    asyncpg.ReadOnlySQLTransactionError,
    OperationalError,
    InterfaceError,
    PoolTimeout,
    OSError,
)


_NOT_TEXT = (asyncpg.CharacterNotInRepertoireError, asyncpg.UntranslatableCharacterError)
"""PostgreSQL has no text with a NUL in it; SQLite has."""


class _DriverErrors:
    """Say in two words of our own what drivers say in many; all else passes."""

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if error is None or isinstance(error, (Conflict, Unavailable)):
            return
        said = [error]
        if isinstance(error, DBAPIError):
            said += [error.orig, getattr(error.orig, "__cause__", None)]  # type: ignore[list-item]  # None is no error
        if any(isinstance(one, _NOT_TEXT) for one in said):
            raise BadInput("文本中含有空字符(NUL),无法处理。请删去后重试。") from None
        if any(isinstance(one, (IntegrityError, *_CONFLICTS)) for one in said):
            raise Conflict from error
        if any(isinstance(one, _DOWN) for one in said) or getattr(error, "connection_invalidated", False):
            raise Unavailable from error


def _drop_closed(connection: Any, _record: object, _proxy: object) -> None:
    """A connection that the server has closed is replaced before use; asking costs no round trip."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError


def _prepare_sqlite(engine: AsyncEngine, *, begin: str, query_only: bool) -> None:
    @event.listens_for(engine.sync_engine, "connect")
    def _connect(connection: Any, _: object) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        # A receipt leaves the house after the commit, so the commit has to be on disk.
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA busy_timeout=10000")
        # Keyed hashes lie scattered: with the usual 2 MB of pages at hand, a long load reads most of them again.
        cursor.execute("PRAGMA cache_size=-65536")
        if query_only:
            cursor.execute("PRAGMA query_only=ON")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Any) -> None:
        connection.exec_driver_sql(begin)
