"""Runs the application under uvicorn. One thing to know: on a signal, running requests are finished first."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import sys

import uvicorn
from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.orjson import OrjsonFormatter

from api.app import create_app
from core.database import Database
from core.errors import StartupError
from core.identifiers import mask_text
from core.migrations import check_current
from core.settings import Settings

GRACE_SECONDS = 20
BACKLOG = 2048
QUIET = ("alembic", "aiosqlite")
"""Loggers heard from WARNING on alone, whatever the level: below it they tell what statements are called with."""


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
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        raise StartupError(f"无法监听 {host}:{port}({error.strerror})。请换一个端口,或先停止占用它的程序。") from None
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="on",
        timeout_graceful_shutdown=GRACE_SECONDS,
        backlog=BACKLOG,
        server_header=False,
    )
    server = uvicorn.Server(config)
    with contextlib.suppress(KeyboardInterrupt):  # asked to stop, and stopped
        server.run(sockets=[listener])
    if not server.started:
        raise StartupError("未能启动。请看上面的日志说明。")
