"""Loading a department's file against a loader written by hand. One thing to know: both end with the same rows of
subjects, records and histories, checked, sealed and hashed; by hand nothing is looked up, counted or judged.

Each load runs in a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import asyncio
import csv
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from shutil import rmtree
from statistics import median
from tempfile import mkdtemp
from time import perf_counter, process_time
from typing import Any

import orjson
from sqlalchemy import func, insert, select
from stdnum.cn import uscc

from benchmarks.city import durable_postgres
from benchmarks.report import table
from core import audit
from core.clock import day_of, utc_now
from core.database import Database
from core.integrity import sealed_with
from core.keys import Keys, load_keys, new_key_file
from core.migrations import migrate
from core.places import ROOT
from core.sealing import seal
from partners.rulebook import load_rulebook
from scoring.intake.load import load_file
from scoring.subjects import SubjectKind, subject_row
from scoring.tables import credit_records, record_versions, subjects

SIZES = (30_000, 300_000)
ROWS_A_SECOND, FLAT, LINEAR = 3000, 1.4, 1.5
PLACE, ITEM, PIECE = "hunan-shaoyang", "administrative-penalty", 500
HEADER = (
    *("行政相对人名称", "行政相对人类别", "行政相对人代码_1(统一社会信用代码)", "法定代表人", "行政处罚决定文书号"),
    *("违法行为类型", "违法事实", "处罚依据", "处罚类别", "处罚内容", "罚款金额(万元)"),
    *("没收违法所得、没收非法财物的金额(万元)", "暂扣或吊销证照名称及编号", "处罚决定日期", "处罚有效期", "公示截止期"),
    *("处罚机关", "处罚机关统一社会信用代码", "数据来源单位", "数据来源单位统一社会信用代码", "备注"),
)


def make_file(path: Path, rows: int) -> None:
    """Penalties of as many enterprises, the same at every run."""
    authority = _code("114305000", 1)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        for n in range(rows):
            decided = date(2026, 1, 1) + timedelta(days=n % 300)
            firm = [f"测试企业{n}有限公司", "法人及非法人组织", _code("91430502M", n), "张某", f"测市监罚〔2026〕{n}号"]
            said = [
                "虚假宣传",
                "经查,当事人的宣传与事实不符",
                "《中华人民共和国广告法》第五十五条",
                "罚款",
                "罚款人民币壹万元",
            ]
            until = decided + timedelta(days=365)
            rest = ["1.00", "— —", "/", decided, "2099-12-31", until, "测试市场监督管理局", authority]
            writer.writerow([*firm, *said, *rest, "测试市场监督管理局", authority, "无"])


def _code(front: str, n: int) -> str:
    stem = f"{front}{n:0{17 - len(front)}}"
    return stem + str(uscc.calc_check_digit(stem))


async def load_ours(database: Database, keys: Keys, path: Path) -> None:
    """The product's way."""
    rulebook, now = load_rulebook(ROOT, ()), utc_now()
    summary = await load_file(
        database,
        path,
        item=rulebook.catalogues[PLACE].items[ITEM],
        place=PLACE,
        actor="bench",
        models_of=partial(rulebook.models_for, on=day_of(now)),
        quarantine=None,
        now=now,
    )
    if summary.accepted != summary.rows:
        raise RuntimeError(f"not all rows were accepted: {summary}")


async def load_by_hand(database: Database, keys: Keys, path: Path) -> None:
    """Straight from the file into the tables."""
    now, key = utc_now(), 0
    with path.open(encoding="utf-8", newline="") as file:
        for piece in _pieces(csv.DictReader(file)):
            firms, records, versions = [], [], []
            for row in piece:
                key += 1
                made = subject_row(
                    keys, kind=SubjectKind.ENTERPRISE, place=PLACE, name=row[HEADER[0]], number=row[HEADER[2]]
                )
                content = seal(keys, "seal", orjson.dumps(row))
                record = {
                    "subject_id": key,
                    "id": str(key),
                    "item": ITEM,
                    "occurred_on": date.fromisoformat(row["处罚决定日期"]),
                    "source": f"{row['处罚机关']} {row['行政处罚决定文书号']}",
                    "content_sealed": content,
                }
                firms.append({"id": key, **made})
                records.append(sealed_with(keys, credit_records, record))
                version = {"version": 1, "at": now, "actor": "bench", "change": "received", "reason": ""}
                versions.append({"subject_id": key, "record_id": str(key), **version, "state_sealed": content})
            async with database.transaction() as connection:
                for target, values in ((subjects, firms), (credit_records, records), (record_versions, versions)):
                    await connection.execute(insert(target), values)
                await audit.record(connection, at=now, actor="bench", action="intake", content={"rows": len(piece)})


def _pieces(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    while piece := list(islice(rows, PIECE)):
        yield piece


WAYS = {"ours": load_ours, "by hand": load_by_hand}


async def _run(way: str, url: str, folder: Path, rows: int) -> dict[str, float]:
    keys = load_keys(folder / "keys.json")
    database = Database(url, keys=keys, patience=None)
    await migrate(database)
    began, processor = perf_counter(), process_time()
    await WAYS[way](database, keys, folder / f"{rows}.csv")
    took, processor = perf_counter() - began, process_time() - processor
    async with database.reading() as connection:
        for written in (subjects, credit_records, record_versions):
            if await connection.scalar(select(func.count()).select_from(written)) != rows:
                raise RuntimeError(f"{way} left another number of rows in {written.name}")
    await database.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"rate": rows / took, "processor": rows / processor, "peak": peak}


def bench_intake(say: Callable[[str], None], *, rounds: int) -> bool:
    """Print rows a second, the ratio to by hand, whether time is linear and memory flat; whether targets are met."""
    folder, postgres = Path(mkdtemp(prefix="xinyi-intake-bench-", dir="/tmp")), durable_postgres()
    try:
        new_key_file(folder / "keys.json", demo=True)
        for rows in SIZES:
            make_file(folder / f"{rows}.csv", rows)
        found: dict[tuple[str, str, int], list[dict[str, float]]] = {}
        number = 0
        for rows, times in ((SIZES[0], rounds), (SIZES[1], 1)):
            for _ in range(times):
                for store in ("SQLite", "PostgreSQL"):
                    for way in WAYS:
                        number += 1
                        url = f"sqlite+aiosqlite:///{folder}/{number}.db"
                        if store == "PostgreSQL":
                            url = postgres.create_database(f"intake_{number}")
                        asked = [sys.executable, "-m", "benchmarks.intake", way, url, str(folder), str(rows)]
                        told = subprocess.run(asked, check=True, capture_output=True).stdout
                        found.setdefault((store, way, rows), []).append(orjson.loads(told))
    finally:
        postgres.stop()
        rmtree(folder, ignore_errors=True)
    return _told(say, found)


def _told(say: Callable[[str], None], found: dict[tuple[str, str, int], list[dict[str, float]]]) -> bool:
    def middle(store: str, way: str, rows: int, name: str) -> float:
        return median(one[name] for one in found[store, way, rows])

    lines, met = [], True
    for store in ("SQLite", "PostgreSQL"):
        small, large = SIZES
        rate = middle(store, "ours", small, "rate")
        ratio = rate / middle(store, "by hand", small, "rate")
        processor = middle(store, "ours", small, "processor") / middle(store, "by hand", small, "processor")
        linear = middle(store, "ours", small, "processor") / middle(store, "ours", large, "processor")
        by_hand = middle(store, "by hand", small, "processor") / middle(store, "by hand", large, "processor")
        peaks = [middle(store, "ours", rows, "peak") for rows in SIZES]
        met = met and rate >= ROWS_A_SECOND and linear <= LINEAR and peaks[1] <= FLAT * peaks[0]
        figures = (f"{rate:.0f}", f"{ratio:.2f}", f"{processor:.2f}", f"{linear:.2f}", f"{by_hand:.2f}")
        lines.append([store, *figures, " / ".join(f"{peak:.0f}" for peak in peaks)])
    say("Loading a file of 30,000 rows (and 300,000, for linearity: processor time per row, large ÷ small)")
    head = ["store", "rows/s", "÷ by hand", "by processor", "linear", "by hand's", "peak MB, 30k / 300k"]
    say(table([head, *lines]))
    asked = f"≥ {ROWS_A_SECOND} rows/s, time linear within {LINEAR}, memory within {FLAT}"
    say(f"asked: {asked}: {'met' if met else 'NOT met'}")
    return met


if __name__ == "__main__":
    chosen, address, place, count = sys.argv[1:]
    sys.stdout.buffer.write(orjson.dumps(asyncio.run(_run(chosen, address, Path(place), int(count)))))
