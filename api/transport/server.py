"""Runs the application under uvicorn. One thing to know: on a signal, running requests are finished first, and streams
are ended so that their clients connect anew."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import sys
from typing import Any, Literal

import uvicorn
from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.orjson import OrjsonFormatter
from starlette.applications import Starlette

from api.app import create_app
from api.transport.http import MAX_BODY
from api.transport.streams import Streams
from core.database import Database
from core.errors import StartupError
from core.identifiers import mask_text
from core.migrations import check_current
from core.settings import Settings

GRACE_SECONDS = 20
BACKLOG = 2048
UNREAD_MILLISECONDS = 60_000
"""After which the kernel gives up on a peer that takes nothing of what was sent (Linux)."""
QUIET = ("alembic", "aiosqlite", "httpx", "httpcore", "uvicorn.websocket")
"""Loggers heard from WARNING on alone, whatever the level: below it they tell what statements are called with, and what
addresses are asked, by us or of us: for WeChat, and with a careless client, these hold a secret."""


class MaskingFormatter(OrjsonFormatter):
    """JSON lines without identity numbers: the last net, should one ever get as far as a log, in a traceback or not."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        return mask_text(super().format(record))


def configure_logging(level: str) -> None:
    """JSON lines on standard error: time, level, logger, message and whatever fields a line carries."""
    # What the lines do not carry is not looked up for each of them.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        MaskingFormatter(
            "{levelname}{name}{message}",
            style="{",
            timestamp="time",
            rename_fields={"levelname": "level", "name": "logger"},
            reserved_attrs=[*RESERVED_ATTRS, "color_message"],
        )
    )
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("uvicorn.access").disabled = True
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


class Server(uvicorn.Server):
    """Uvicorn, ending what would never end by itself before it waits for the rest."""

    def __init__(self, config: uvicorn.Config, streams: Streams) -> None:
        super().__init__(config)
        self._streams = streams

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End streams, then all else."""
        await self._streams.close()
        await super().shutdown(sockets)


def server_of(app: Starlette, *, lifespan: Literal["on", "off"] = "on", proxies: str = "127.0.0.1") -> Server:
    """A server for the application; `lifespan="off"` where somebody else opens and closes it, `proxies` whose word is
    taken for a client's address."""
    try:
        from api.transport.slow_clients import HttpProtocol, WebSocketProtocol
    except ImportError:  # without httptools there is no patience to limit
        chosen: dict[str, Any] = {}
    else:
        chosen = {"http": HttpProtocol, "ws": WebSocketProtocol}
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan=lifespan,
        timeout_graceful_shutdown=GRACE_SECONDS,
        backlog=BACKLOG,
        server_header=False,
        forwarded_allow_ips=proxies,
        ws_max_size=MAX_BODY,
        # Messages are small, and what is compressed beside a secret tells of it by its length.
        ws_per_message_deflate=False,
        **chosen,
    )
    return Server(config, app.state.streams)


def listen_on(host: str, port: int) -> socket.socket:
    """A socket to serve on; port 0: any that is free.

    Raises:
        StartupError: the port is taken.
    """
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # handed on to each connection
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_MILLISECONDS)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise StartupError(f"无法监听 {host}:{port}({error.strerror})。请换一个端口,或先停止占用它的程序。") from None
    return listener


async def _check_database(settings: Settings) -> None:
    database = Database(settings.database_url)
    try:
        await check_current(database)
    finally:
        await database.close()


def serve(settings: Settings, *, host: str, port: int) -> None:
    """Serve until told to stop (SIGINT, SIGTERM).

    Raises:
        StartupError: the port is taken, or the configuration does not hold.
        Unavailable: the database does not answer.
    """
    configure_logging(settings.log_level)
    app = create_app(settings)
    asyncio.run(_check_database(settings))
    listener = listen_on(host, port)
    server = server_of(app, proxies=settings.proxies)
    with contextlib.suppress(KeyboardInterrupt):  # asked to stop, and stopped
        server.run(sockets=[listener])
    if not server.started:
        raise StartupError("未能启动。请看上面的日志说明。")
