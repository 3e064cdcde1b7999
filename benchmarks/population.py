"""Population scoring against the same models written by hand. One thing to know: nothing is timed before every row of
every engine has been compared; a ratio is the median over rounds in which all take turns."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from statistics import median
from tempfile import mkdtemp
from time import monotonic, perf_counter, process_time
from typing import NamedTuple

import duckdb

from benchmarks.city import durable_postgres
from benchmarks.population_rivals import GENERAL, ON, RIVALS, SERIOUS, zen_grades
from benchmarks.report import table
from core.places import load_places
from scoring.engine import Record, Score, evaluate
from scoring.model import Model
from scoring.models import load_models
from scoring.population.run import score_population
from scoring.population.spark import start_spark

MILLION = 1_000_000
SIZES = (100_000, 300_000, MILLION, 3 * MILLION)
SAMPLE = 20_000
ZEN_SAMPLE = 4_000
PEAK_MB = 600
TARGETS = {"DuckDB by hand": 0.85, "Polars by hand": 0.6}
ZEN_TARGET, ONE_PERSON_TARGET = 200, 60
BUSY = 0.75
"""Whoever gets less of the cores than this while it needs them all has been held up by others."""
LAUNCH = """
import os, sys
process = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
status, usage = os.wait4(process, 0)[1:]
print(usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""
MODELS = ("hebei-enterprise", "changxing-accountant")

_SUBJECT = "'91430502' || lpad(CAST({} AS VARCHAR), 10, '0')"
_HEBEI_ITEM = f"""CASE WHEN hash(i + 1) % 1000 < 900 THEN {GENERAL}[CAST(1 + hash(i + 2) % 9 AS INTEGER)]
    WHEN hash(i + 1) % 1000 < 995 THEN {SERIOUS}[CAST(1 + hash(i + 2) % 7 AS INTEGER)]
    WHEN hash(i + 1) % 1000 < 999 THEN 'serious-list' ELSE 'business-licence-revoked' END"""
_CHANGXING_ITEM = """CASE WHEN hash(i + 1) % 1000 < 600 THEN 'incentive'
    WHEN hash(i + 1) % 1000 < 990 THEN 'constraint' ELSE 'veto' END"""
_CHANGXING_POINTS = "CASE WHEN hash(i + 1) % 1000 < 990 THEN CAST(hash(i + 7) % 20000 / 100 AS DECIMAL(18, 2)) END"


def make_files(folder: Path, subjects: int) -> None:
    """Subjects and five records each, the same at every run; four years of records, a fifth of them with an end."""
    made = {
        "subjects": f"SELECT {_SUBJECT.format(f'(i * 7919) % {subjects}')} AS subject FROM range({subjects}) t(i)",
        "hebei-enterprise": _records(subjects, _HEBEI_ITEM, "CAST(NULL AS DECIMAL(18, 2))"),
        "changxing-accountant": _records(subjects, _CHANGXING_ITEM, _CHANGXING_POINTS),
    }
    with duckdb.connect() as connection:
        for name, query in made.items():
            connection.execute(f"COPY ({query}) TO '{folder}/{name}-{subjects}.parquet'")


def _records(subjects: int, item: str, points: str) -> str:
    return f"""SELECT {_SUBJECT.format(f"hash(i) % {subjects}")} AS subject, {item} AS item,
        DATE '{ON}' - CAST(hash(i + 3) % 1500 AS INTEGER) AS occurred_on,
        CASE WHEN hash(i + 4) % 10 < 2 THEN DATE '{ON}' - CAST(hash(i + 5) % 1000 AS INTEGER) + 300 END AS removed_on,
        CASE WHEN hash(i + 6) % 100 < 3 THEN true WHEN hash(i + 6) % 100 < 50 THEN false END AS serious_consequence,
        {points} AS points
        FROM range({5 * subjects}) t(i)"""


class Bench:
    """The files, the models, and what they gave."""

    def __init__(self, folder: Path, say: Callable[[str], None], *, subjects: int = MILLION) -> None:
        self.folder, self.say, self.subjects = folder, say, subjects
        models = load_models(load_places())
        self.models: dict[str, Model] = {name: models.get(name, ON) for name in MODELS}
        self.met = True

    def file(self, name: str, subjects: int | None = None) -> Path:
        """A file of that size."""
        return self.folder / f"{name}-{subjects or self.subjects}.parquet"

    def score(self, name: str, **given: str) -> Path:
        """Ours; where the results are."""
        out = self.folder / f"out-{given.get('engine', 'duckdb')}.parquet"
        score_population(
            self.models[name],
            records=self.file(name),
            subjects=self.file("subjects"),
            out=out,
            on=ON,
            **given,  # type: ignore[arg-type]  # an engine and its address
        )
        return out

    def target(self, what: str, found: float, wanted: float, *, at_most: bool = False, unit: str = "") -> None:
        """Say whether a target is met."""
        met = found <= wanted if at_most else found >= wanted
        self.met = self.met and met
        sign = "≤" if at_most else "≥"
        self.say(f"  {what} {sign} {wanted:g}{unit}: {found:.3g}{unit}  {'met' if met else 'MISSED'}")


def differences(one: Path, other: Path) -> int:
    """How many subjects have not the same row in both files."""
    with duckdb.connect() as connection:
        row = connection.execute(
            f"""SELECT count(*) FROM '{one}' a FULL JOIN '{other}' b ON a.subject = b.subject
            WHERE a.subject IS NULL OR b.subject IS NULL
                OR a.points IS DISTINCT FROM b.points OR a.grade IS DISTINCT FROM b.grade"""
        ).fetchone()
    assert row is not None
    return int(row[0])


def people(bench: Bench, name: str, number: int) -> dict[str, list[Record]]:
    """The records of the first so many subjects."""
    with duckdb.connect() as connection:
        rows = connection.execute(
            f"""SELECT s.subject, item, occurred_on, removed_on, coalesce(serious_consequence, false), points
            FROM (FROM '{bench.file("subjects")}' ORDER BY subject LIMIT {number}) s
            LEFT JOIN '{bench.file(name)}' r ON s.subject = r.subject"""
        ).fetchall()
    found: dict[str, list[Record]] = {}
    for subject, item, occurred_on, removed_on, serious, points in rows:
        records = found.setdefault(subject, [])
        if item is not None:
            worth = None if points is None else int(points * 100)
            records.append(Record(item, occurred_on, removed_on, serious, worth))
    return found


def compare(bench: Bench) -> dict[str, dict[str, float]]:
    """Every engine and rival against ours, row by row; seconds of each other engine by model."""
    took: dict[str, dict[str, float]] = {name: {} for name in MODELS}
    with ExitStack() as stack:
        postgres = durable_postgres()
        stack.callback(postgres.stop)
        address = postgres.create_database("population")
        stack.enter_context(start_spark(bench.folder / "spark"))
        for name in MODELS:
            ours = bench.score(name)
            others: dict[str, Path] = {}
            for rival, run in RIVALS[name].items():
                others[rival] = bench.folder / "rival.parquet"
                run(bench.file("subjects"), bench.file(name), others[rival])
                _same(bench, name, rival, ours, others[rival])
            for engine, given in (("spark", {}), ("postgres", {"database_url": address})):
                began = perf_counter()
                theirs = bench.score(name, engine=engine, **given)
                took[name][engine] = perf_counter() - began
                _same(bench, name, engine, ours, theirs)
            _same_as_alone(bench, name, ours)
    return took


def _same(bench: Bench, name: str, other: str, ours: Path, theirs: Path) -> None:
    found = differences(ours, theirs)
    bench.say(f"  {name}: {found} of {MILLION:,} rows differ from {other}")
    if found:
        raise SystemExit("benchmarks: the engines disagree")


def _same_as_alone(bench: Bench, name: str, ours: Path) -> None:
    asked = people(bench, name, SAMPLE)
    with duckdb.connect() as connection:
        rows = connection.execute(f"SELECT subject, points, grade FROM '{ours}' ORDER BY subject LIMIT {SAMPLE}")
        population = {subject: (points, grade) for subject, points, grade in rows.fetchall()}
    found = 0
    for subject, records in asked.items():
        result = evaluate(bench.models[name], records=records, facts={}, on=ON)
        assert isinstance(result, Score)
        points = None if result.points is None else Decimal(result.points).scaleb(-2)
        found += population[subject] != (points, result.grade and result.grade.code)
    bench.say(f"  {name}: {found} of {SAMPLE:,} rows differ from the engine for one person")
    if found:
        raise SystemExit("benchmarks: the engines disagree")


def measure(bench: Bench, rounds: int, took: dict[str, dict[str, float]]) -> float:
    """Ours and the rivals in turns; ours on the first model, in subjects a second."""
    speed = 0.0
    for name in MODELS:
        turns = {"ours": lambda n=name: bench.score(n)} | {
            rival: lambda r=run, n=name: r(bench.file("subjects"), bench.file(n), bench.folder / "rival.parquet")
            for rival, run in RIVALS[name].items()
        }
        spent: dict[str, list[Spent]] = {entrant: [] for entrant in turns}
        for _ in range(rounds):
            for entrant, run in turns.items():
                spent[entrant].append(spend(run))
        rows = [["", "seconds", "subjects/s", "ours to it", "processor s", "by processor"]]
        for entrant, found in spent.items():
            seconds, busy = median(one.seconds for one in found), median(one.processor for one in found)
            by_time, by_processor = (_ratio(found, spent["ours"], part) for part in ("seconds", "processor"))
            speeds = [f"{seconds:.2f}", f"{MILLION / seconds:,.0f}", f"{by_time:.2f}"]
            rows.append([entrant, *speeds, f"{busy:.2f}", f"{by_processor:.2f}"])
        ours = median(one.seconds for one in spent["ours"])
        rows += [
            [engine, f"{once:.1f}", f"{MILLION / once:,.0f}", f"{once / ours:.1f}", "", ""]
            for engine, once in took[name].items()
        ]
        title = f"{name}: {MILLION:,} subjects, {5 * MILLION:,} records"
        bench.say(f"\n{title}; {rounds} rounds, Spark and PostgreSQL once, their start included")
        bench.say(table(rows))
        starved = median(one.processor / one.seconds for one in spent["DuckDB by hand"]) < BUSY * (os.cpu_count() or 1)
        # Where other programs held the cores, seconds compare whom they were taken from.
        part, how = ("processor", ", by processor time") if starved else ("seconds", "")
        for rival, wanted in TARGETS.items():
            bench.target(f"ours × {rival} on {name}{how}", _ratio(spent[rival], spent["ours"], part), wanted)
        speed = speed or MILLION / ours
    return speed


class Spent(NamedTuple):
    """What one turn took, on the clock and of all cores."""

    seconds: float
    processor: float


def spend(run: Callable[[], object]) -> Spent:
    """One turn."""
    clock, processor = perf_counter(), process_time()
    run()
    return Spent(perf_counter() - clock, process_time() - processor)


def _ratio(theirs: Sequence[Spent], ours: Sequence[Spent], part: str) -> float:
    return median(getattr(one, part) / getattr(mine, part) for one, mine in zip(theirs, ours, strict=True))


def peak(bench: Bench, name: str, subjects: int) -> tuple[float, float]:
    """The command in a process of its own: seconds, and its highest memory in MB."""
    command = [str(Path(sys.executable).parent / "xinyi"), "population", "score", name, "--on", ON.isoformat()]
    for option, path in (
        ("--records", bench.file(name, subjects)),
        ("--subjects", bench.file("subjects", subjects)),
        ("--out", bench.folder / "out.parquet"),
    ):
        command += [option, str(path)]
    # A small process starts it: what the system reports of a child includes the memory of whoever started it.
    began = perf_counter()
    done = subprocess.run([sys.executable, "-ISc", LAUNCH, *command], check=True, capture_output=True, text=True)
    return perf_counter() - began, int(done.stdout.split()[-1]) / 1024


def growth(bench: Bench) -> None:
    """Time and memory by size, of the whole command with its start."""
    rows = [["", "subjects", "seconds", "µs a subject", "peak MB"]]
    peaks, by_size = [], {}
    for name in MODELS:
        for subjects in SIZES:
            found = [peak(bench, name, subjects) for _ in range(2)]
            seconds, highest = min(one for one, _ in found), max(one for _, one in found)
            peaks.append(highest)
            by_size[name, subjects] = seconds
            each = seconds / subjects * 1e6
            rows.append([name, f"{subjects:,}", f"{seconds:.2f}", f"{each:.2f}", f"{highest:.0f}"])
    bench.say("\nThe command, its start included")
    bench.say(table(rows))
    for name in MODELS:
        first, last = (
            by_size[name, MILLION] - by_size[name, SIZES[0]],
            by_size[name, SIZES[-1]] - by_size[name, MILLION],
        )
        bench.target(f"a subject from 1 to 3 million ÷ one from 0.1 to 1 million on {name}",
                     last / (SIZES[-1] - MILLION) / (first / (MILLION - SIZES[0])), 1.5, at_most=True)  # fmt: skip
    bench.target("peak memory", max(peaks), PEAK_MB, at_most=True, unit=" MB")


def one_person(bench: Bench, speed: float) -> None:
    """One evaluation in process, and the rule engine's."""
    for name in MODELS:
        model = bench.models[name]
        records = [record for one in people(bench, name, 40).values() for record in one][:20]
        best = min(_seconds(lambda r=records, m=model: evaluate(m, records=r, facts={}, on=ON)) for _ in range(5))  # type: ignore[misc]
        bench.say(f"  one person with 20 records on {name}: {best * 1e6:.1f} µs, {1 / best:,.0f} a second on one core")
        bench.target(f"one person on {name}", best * 1e6, ONE_PERSON_TARGET, at_most=True, unit=" µs")
    name = MODELS[0]
    asked = people(bench, name, ZEN_SAMPLE)
    grades, per_second = zen_grades(list(asked.values()))
    for records, grade in zip(asked.values(), grades, strict=True):
        result = evaluate(bench.models[name], records=records, facts={}, on=ON)
        if not isinstance(result, Score) or result.grade is None or result.grade.code != grade:
            raise SystemExit("benchmarks: zen-engine disagrees")
    bench.say(f"  zen-engine {version('zen-engine')} on {name}: {per_second:,.0f} subjects/s on all cores")
    bench.target("ours × zen-engine, subjects/s", speed / per_second, ZEN_TARGET)


def _seconds(run: Callable[[], object], times: int = 500) -> float:
    began = perf_counter()
    for _ in range(times):
        run()
    return (perf_counter() - began) / times


def bench_population(say: Callable[[str], None], *, rounds: int, sizes: Sequence[int] = SIZES) -> bool:
    """Make the files, compare, measure, print; whether all targets were met."""
    began = monotonic()
    folder = Path(mkdtemp(prefix="xinyi-bench-", dir="/tmp"))
    try:
        bench = Bench(folder, say)
        shown = ", ".join(f"{name} {version(name)}" for name in ("duckdb", "polars", "pyspark", "zen-engine"))
        say(f"Population scoring: {os.cpu_count()} cores; {shown}")
        for subjects in sizes:
            make_files(folder, subjects)
        speed = measure(bench, rounds, compare(bench))
        growth(bench)
        say("")
        one_person(bench, speed)
        say(f"\n{monotonic() - began:.0f} s in all")
        return bench.met
    finally:
        shutil.rmtree(folder, ignore_errors=True)
