"""Partitions of one long log: their export, the check of their columns, and their fold, each with the floor beside it.

Goals are events per second, whatever the machine; ``ratio`` is the part of the goal that was reached. ``cpu_us`` is the
CPU time of all processes for one event, which other work on the machine moves least.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from api.columns import engines
from api.columns.checking import MEMORY, check_columns
from api.columns.exporting import GROUP_ROWS, export_partitions, parquet_writer
from api.columns.folding import fold_bucket
from api.columns.manifest import Folder, Manifest, PartitionFile, read_manifest, write_manifest
from api.columns.reading import buckets_of
from api.columns.schema import SCHEMA
from api.store.stored_log import StoredLog
from projections.columns.buckets import bucket_of
from projections.columns.totals import contradictions, merged
from tests.bench.histories import grow
from tests.bench.rounds import Say, compared, figures, interleaved
from tests.bench.settings import BenchFailed, Settings
from tests.bench.stores import database_at

EVENTS = 500_000
PAGE = 20_000
LARGE_COPIES = 80
"""So often the log is repeated, under other ids, for the large check: 40 million events."""
TIGHT = "256MiB"
MOST_MIB = 1_024

Rate = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Log:
    """A log, and its partitions."""

    source: StoredLog
    place: Path

    @property
    def folder(self) -> Folder:
        return Folder(str(self.place))

    @property
    def manifest(self) -> Manifest:
        return read_manifest(self.folder)

    def paths(self) -> list[str]:
        return [str(self.place / file.path) for file in self.manifest.files]


def run(name: str, settings: Settings, say: Say) -> dict[str, Any]:
    """Events per second of ours and of the floors, by turns, on one log."""
    case = CASES[name]
    with TemporaryDirectory(dir=settings.folder) as folder, settings.store.new(Path(folder)) as db:
        grow(database_at(db), case.events)
        say(f"a log of {case.events:,} events is there")
        log = exported(StoredLog(database_at(db).reader_elsewhere), Path(folder))
        if case.copies > 1:
            log = _repeated(log, Path(folder) / "repeated", case.copies, say)
        return measured(name, log, settings.rounds, say)


def exported(source: StoredLog, folder: Path) -> Log:
    """A log with its partitions in a folder."""
    log = Log(source, folder / "partitions")
    export_partitions(source, str(log.place), _unwatched)
    return log


def measured(name: str, log: Log, rounds: int, say: Say) -> dict[str, Any]:
    """One case on a log that is there."""
    case = CASES[name]
    cpu_us: dict[str, list[float]] = {each: [] for each in case.contestants}
    rates = {each: _rate_of(log, work, cpu_us[each]) for each, work in case.contestants.items()}
    told = _told(case.title, case.goal, interleaved(rates, rounds, say))
    used = {each: round(median(seen), 2) for each, seen in cpu_us.items()}
    return told | {"cpu_us": used, "events": log.manifest.position}


def _told(title: str, goal: int, samples: Mapping[str, list[float]]) -> dict[str, Any]:
    ours = samples["tallyhold"]
    return {
        "title": title,
        "unit": "events/s",
        **{each: figures(rates) for each, rates in samples.items()},
        **compared(ours, [float(goal)] * len(ours), 1.0),
    }


def _rate_of(log: Log, work: Callable[[Log], object], cpu_us: list[float]) -> Rate:
    def rate() -> float:
        began, before = time.perf_counter(), _cpu()
        work(log)
        seconds, used = time.perf_counter() - began, _cpu() - before
        cpu_us.append(used * 1e6 / log.manifest.position)
        return log.manifest.position / seconds

    return rate


def _cpu() -> float:
    """Seconds, of this process and of those that it has waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _unwatched(done: int, total: int) -> None:
    """Nobody looks at the progress."""


# What is measured


def _export(log: Log) -> None:
    place = log.place.with_name("again")
    export_partitions(log.source, str(place), _unwatched)
    rmtree(place)


def _read_rows(log: Log) -> None:
    """Nothing but fetching the rows that are exported."""
    with log.source.pages(0, log.manifest.position, PAGE) as pages:
        for _ in pages:
            pass


def _check(log: Log) -> None:
    check_columns(log.folder, log.manifest, _unwatched)


def _fold(log: Log) -> None:
    whole = merged(totals for _, totals in engines.pool()(fold_bucket, buckets_of(log.folder, log.manifest)))
    if list(contradictions(whole, log.manifest.position)):
        raise BenchFailed("The totals of the partitions contradict each other.")


def _scan(log: Log) -> None:
    """All columns decoded, on all cores."""
    for path in log.paths():
        pq.ParquetFile(path).read()


def _sum(log: Log) -> None:
    with closing(duckdb.connect()) as connection:
        connection.read_parquet(log.paths(), hive_partitioning=False).create_view("events")
        sums = ", ".join(f"sum({field.name})" for field in SCHEMA if field.name.endswith("_cents"))
        connection.execute(f"SELECT {sums} FROM events").fetchall()


FLOORS: Mapping[str, Callable[[Log], object]] = {"scan of the Parquet files": _scan, "DuckDB sum of the amounts": _sum}


@dataclass(frozen=True, slots=True)
class Case:
    """What is measured on partitions of a log of so many events, repeated so often under other ids.

    A month that is closed has millions of events: of few of them the start of processes is half the time.
    """

    title: str
    goal: int
    contestants: Mapping[str, Callable[[Log], object]]
    events: int = EVENTS
    copies: int = 1


CASES: Mapping[str, Case] = {
    "partitions-export": Case(
        "export of a million events to partitions",
        150_000,
        {"tallyhold": _export, "fetching the rows": _read_rows},
        events=1_000_000,
    ),
    "partitions-check": Case(
        "columns of 4 million events checked with DuckDB", 3_000_000, {"tallyhold": _check, **FLOORS}, copies=8
    ),
    "partitions-fold": Case(
        "a million events folded by a pool", 250_000, {"tallyhold": _fold, **FLOORS}, events=1_000_000
    ),
}


# 40 million events


def run_large(settings: Settings, say: Say) -> dict[str, Any]:
    """The columns of 40 million events, in a process of its own: its rate, and the most memory that it took."""
    with TemporaryDirectory(dir=settings.folder) as folder, settings.store.new(Path(folder)) as db:
        grow(database_at(db), EVENTS)
        log = exported(StoredLog(database_at(db).reader_elsewhere), Path(folder))
        return measured_large(log, Path(folder) / "large", LARGE_COPIES, settings.rounds, say)


def measured_large(log: Log, place: Path, copies: int, rounds: int, say: Say) -> dict[str, Any]:
    """The same of a log that is there; its copies are left in a folder."""
    large = _repeated(log, place, copies, say)
    peaks: dict[str, list[int]] = {"tallyhold": [], f"with {TIGHT}, spilling": []}
    rates = {
        each: _in_a_process(place, memory, peaks[each]) for each, memory in zip(peaks, (MEMORY, TIGHT), strict=True)
    }
    floor = {"DuckDB sum of the amounts": _rate_of(large, _sum, [])}
    told = _told("columns of 40 million events", 3_000_000, interleaved({**rates, **floor}, rounds, say))
    return told | {
        "met": told["met"] and max(peaks["tallyhold"]) <= MOST_MIB,
        "peak_mib": {each: max(seen) for each, seen in peaks.items()},
        "events": large.manifest.position,
    }


def _in_a_process(place: Path, memory: str, peaks: list[int]) -> Rate:
    def rate() -> float:
        done = subprocess.run(
            [sys.executable, "-m", "tests.bench.columns", str(place), memory],
            check=True,
            capture_output=True,
            text=True,
        )
        said = json.loads(done.stdout)
        peaks.append(said["peak_mib"])
        return float(said["rate"])

    return rate


def main() -> None:
    """Check partitions within so much memory of DuckDB's."""
    import resource  # noqa: PLC0415  (of this process alone)

    place, memory = sys.argv[1:]
    folder = Folder(place)
    manifest = read_manifest(folder)
    began = time.perf_counter()
    whole = check_columns(folder, manifest, _unwatched, memory)
    rate = manifest.position / (time.perf_counter() - began)
    if found := list(contradictions(whole, manifest.position)):
        raise BenchFailed(f"The totals of the columns contradict each other: {found[0]}.")
    print(json.dumps({"rate": rate, "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1_024}))


class _Grouped:
    """One bucket's file, in groups of as many rows as the export of a long log gives it at a time."""

    def __init__(self, name: str, writer: pq.ParquetWriter, least: int) -> None:
        self.name = name
        self.rows = 0
        self._writer = writer
        self._least = least
        self._gathered: list[pa.Table] = []

    def add(self, rows: pa.Table) -> None:
        self.rows += len(rows)
        self._gathered.append(rows)
        if sum(map(len, self._gathered)) >= self._least:
            self.write()

    def write(self) -> None:
        if self._gathered:
            whole = pa.concat_tables(self._gathered)
            self._writer.write_table(whole, row_group_size=len(whole))
            self._gathered.clear()


def _repeated(log: Log, place: Path, copies: int, say: Say) -> Log:
    """Streams of other ids at later positions, so many times. CRC-32 is linear: what was one bucket is one again.

    Only columns are changed: the facts that lie beside them as JSON keep their ids, so that this is not to be folded.
    """
    manifest, schema = log.manifest, None
    made: dict[int, _Grouped] = {}
    with ExitStack() as stack:
        for copy in range(copies):
            for file in manifest.files:
                rows = pq.ParquetFile(log.place / file.path).read()
                schema = schema or rows.schema
                rows = _under_other_ids(rows, copy, copy * manifest.position)
                bucket = bucket_of(rows["stream"][0].as_py(), manifest.buckets)
                if bucket not in made:
                    name = f"bucket={bucket:04d}/all.parquet"
                    (place / name).parent.mkdir(parents=True, exist_ok=True)
                    writer = stack.enter_context(parquet_writer(place / name, schema))
                    made[bucket] = _Grouped(name, writer, GROUP_ROWS // manifest.buckets)
                made[bucket].add(rows.cast(schema))
            say(f"{copy + 1} of {copies} copies are written")
        for each in made.values():
            each.write()
    position = copies * manifest.position
    files = tuple(
        PartitionFile(each.name, bucket, 1, position, each.rows, (place / each.name).stat().st_size, "")
        for bucket, each in made.items()
    )
    write_manifest(Folder(str(place)), msgspec.structs.replace(manifest, position=position, files=files))
    return Log(log.source, place)


def _under_other_ids(rows: pa.Table, copy: int, later: int) -> pa.Table:
    mask = UUID(int=copy << 32).bytes
    for number, field in enumerate(rows.schema):
        if field.type == pa.uuid():
            changed = pa.chunked_array(list(_changed(rows[field.name].chunks, mask)), pa.uuid())
            rows = rows.set_column(number, field, changed)
        elif field.name == "position":
            rows = rows.set_column(number, field, pa.compute.add(rows[field.name], later))
    return rows


def _changed(chunks: list[Any], mask: bytes) -> Iterator[pa.Array]:
    for chunk in chunks:
        ids = pa.concat_arrays([chunk.storage])  # from its first byte on
        valid, data = ids.buffers()
        size = len(ids) * len(mask)
        number = int.from_bytes(memoryview(data)[:size]) ^ int.from_bytes(mask * len(ids))
        buffers = [valid, pa.py_buffer(number.to_bytes(size))]
        yield pa.ExtensionArray.from_storage(
            pa.uuid(), pa.FixedSizeBinaryArray.from_buffers(ids.type, len(ids), buffers, offset=ids.offset)
        )


if __name__ == "__main__":
    main()
