"""Partitions written from the log: once, and afterwards only what is new. Several processes write side by side."""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, ExitStack, suppress
from hashlib import sha256
from itertools import pairwise
from queue import Empty
from typing import Any, NamedTuple, Protocol

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from api.columns.manifest import (
    MAX_FILES,
    Folder,
    Manifest,
    PartitionFile,
    manifest_if_any,
    write_manifest,
)
from api.columns.pages import StoredRow, by_bucket, table_of
from api.columns.schema import FORM, REPEATED, SCHEMA, footer_of
from api.columns.wrong import WrongPartitions
from api.service.garbage import rarely_collected

BUCKETS = 64
PAGE_ROWS = 20_000
GROUP_ROWS = 400_000
GROUP_BYTES = 512 * 1024 * 1024
"""So much is gathered and sorted, whichever is reached first, before each bucket gets its rows of it: of usual events
about 300 MB a process."""
ALONE_ROWS = 100_000
"""A process more is not worth its while for fewer."""
SAY_SECONDS = 0.2

Told = Callable[[int, int], None]
Say = Callable[[int], None]


class Source(Protocol):
    """A log to be exported. It can be handed to another process."""

    def head(self) -> tuple[str, int]:
        """The name of the log, and its position now."""

    def leaf(self, position: int) -> str | None:
        """The hash of an event in the log's hash tree; null where there is no such event."""

    def pages(self, after: int, upto: int, rows: int) -> AbstractContextManager[Iterator[Sequence[StoredRow]]]:
        """The events after a position up to another, so many at a time."""


def export_partitions(source: Source, url: str, told: Told, processes: int | None = None) -> Manifest:
    """Export what is new in a log, up to where it stands when this begins. Raises WrongPartitions.

    Whatever fails, the manifest tells of what was there before.
    """
    folder = Folder(url)
    (log, position), before = source.head(), manifest_if_any(folder)
    after = 0 if before is None else _position_to_go_on_from(source, log, folder, before)
    if before is not None and after == position:
        return before
    leaf = source.leaf(position)
    if not position:
        raise WrongPartitions("There is nothing to export: the log is empty.")
    if leaf is None:
        raise _missing(position)
    buckets = BUCKETS if before is None else before.buckets
    parts = _parts(after, position, processes or os.cpu_count() or 1)
    made = _written(source, [Part(folder.from_anywhere, log, buckets, *edges) for edges in parts], told)
    try:
        files = (*(before.files if before else ()), *made)
        if len(files) > MAX_FILES:
            raise WrongPartitions(f"{folder.url} would have more than {MAX_FILES:,} files: export into a new folder.")
        if manifest_if_any(folder) != before:
            raise WrongPartitions(f"Somebody else has exported to {folder.url} meanwhile; call this again.")
        manifest = Manifest(FORM, log, buckets, position, leaf, files)
        write_manifest(folder, manifest)
    except (OSError, WrongPartitions) as error:
        _remove(folder, [file.path for file in made])
        raise _unwritable(folder.url, error) from error
    return manifest


def _unwritable(url: str, error: Exception) -> Exception:
    if isinstance(error, OSError):
        return WrongPartitions(f"{url} cannot be written: {error.strerror or error}.")
    return error


def _remove(folder: Folder, names: list[str]) -> None:
    for name in names:
        with suppress(OSError):
            folder.files.rm_file(folder.path(name))


def _position_to_go_on_from(source: Source, log: str, folder: Folder, before: Manifest) -> int:
    if before.log != log:
        raise WrongPartitions(f"{folder.url} has partitions of the log {before.log}; this is {log}.")
    if source.leaf(before.position) != before.leaf:
        raise WrongPartitions(
            f"{folder.url} has partitions of another history: the log has another event at position {before.position}, "
            "or none. Call tallyhold verify; or export into a new folder."
        )
    return before.position


def _parts(after: int, upto: int, processes: int) -> list[tuple[int, int]]:
    """Ranges of positions, first and last, of about one size."""
    count = max(1, min(processes, (upto - after) // ALONE_ROWS))
    edges = [after + (upto - after) * n // count for n in range(count + 1)]
    return [(first + 1, last) for first, last in pairwise(edges)]


class Part(NamedTuple):
    """A range of positions that one process exports."""

    url: str
    log: str
    buckets: int
    first: int
    last: int


def _written(source: Source, parts: list[Part], told: Told) -> list[PartitionFile]:
    """All files of all parts. Raises WrongPartitions; then none of them is left."""
    total = sum(part.last - part.first + 1 for part in parts)
    if len(parts) == 1:
        return write_part(source, parts[0], lambda done: told(done, total))
    context = multiprocessing.get_context("spawn")
    counts = context.Queue()
    done = dict.fromkeys([part.first for part in parts], 0)
    with ProcessPoolExecutor(len(parts), context, _say_to, (counts,)) as pool:
        futures = [pool.submit(_write_and_say, source, part) for part in parts]
        for first, count in _until_done(futures, counts):
            done[first] = count
            told(sum(done.values()), total)
    failed = [error for future in futures if (error := future.exception())]
    made = [file for future in futures if not future.exception() for file in future.result()]
    if not failed:
        return made
    _remove(Folder(parts[0].url), [file.path for file in made])
    if isinstance(failed[0], BrokenProcessPool):
        raise WrongPartitions("A process that was exporting was ended from outside; call this again.")
    raise failed[0]


def _until_done(futures: list["Future[Any]"], counts: Any) -> Iterator[tuple[int, int]]:
    """How far each process is, until all have ended."""
    while True:
        finished = not wait(futures, SAY_SECONDS).not_done
        with suppress(Empty):
            while True:
                yield counts.get_nowait()
        if finished:
            return


_counts: Any = None


def _say_to(counts: Any) -> None:
    """In the processes of a pool: where to say how far they are."""
    global _counts  # noqa: PLW0603  (the one way to hand a queue to the processes of a pool)
    _counts = counts


def _write_and_say(source: Source, part: Part) -> list[PartitionFile]:
    return write_part(source, part, lambda done: _counts.put((part.first, done)))


@rarely_collected()
def write_part(source: Source, part: Part, say: Say) -> list[PartitionFile]:
    """The files of one range of positions. Raises WrongPartitions; then none of them is left."""
    folder = Folder(part.url)
    writers = _Writers(folder, part)
    done = 0
    try:
        with writers, source.pages(part.first - 1, part.last, PAGE_ROWS) as pages:
            gathered: list[pa.Table] = []
            for rows in pages:
                _check_positions(rows, part.first + done)
                gathered.append(table_of(rows, part.buckets))
                done += len(rows)
                if sum(map(len, gathered)) >= GROUP_ROWS or sum(page.nbytes for page in gathered) >= GROUP_BYTES:
                    writers.write(gathered)
                say(done)
            writers.write(gathered)
        _check_end(part, done)
        return writers.files()
    except BaseException as error:
        writers.remove()
        if isinstance(error, msgspec.MsgspecError):
            where = f"An event after position {part.first + done - 1}"
            raise WrongPartitions(f"{where} cannot be read: {error}. Call tallyhold verify.") from error
        if isinstance(error, OSError):
            raise _unwritable(part.url, error) from error
        raise


def _check_positions(rows: Sequence[StoredRow], first: int) -> None:
    if rows[0][0] != first or rows[-1][0] != first + len(rows) - 1:
        missing = next(expected for expected, row in enumerate(rows, first) if row[0] != expected)
        raise _missing(missing)


def _check_end(part: Part, done: int) -> None:
    if part.first + done - 1 != part.last:
        raise _missing(part.first + done)


def _missing(position: int) -> WrongPartitions:
    return WrongPartitions(f"The log has no event at position {position}: call tallyhold verify.")


def parquet_writer(file: Any, schema: pa.Schema) -> pq.ParquetWriter:
    """Writes a partition's file in the form that partitions have."""
    return pq.ParquetWriter(file, schema, compression="zstd", use_dictionary=list(REPEATED))


class _Hashed:
    """A file that is written once, with the hash of its bytes."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.hash = sha256()
        self.bytes = 0
        self.closed = False

    def write(self, data: Any) -> int:
        self._file.write(data)
        self.hash.update(data)
        self.bytes += len(data)
        return len(data)

    def tell(self) -> int:
        return self.bytes

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self._file.close()


class _Writers:
    """One file for each bucket that has rows."""

    def __init__(self, folder: Folder, part: Part) -> None:
        self._folder = folder
        self._part = part
        self._open = ExitStack()
        self._made: dict[int, tuple[str, _Hashed, Any]] = {}
        self._rows: dict[int, int] = {}

    def __enter__(self) -> None:
        self._open.__enter__()

    def __exit__(self, *error: Any) -> None:
        self._open.__exit__(*error)

    def write(self, pages: list[pa.Table]) -> None:
        """Takes the pages over."""
        if not pages:
            return
        for bucket, rows in by_bucket(pages):
            if bucket not in self._made:
                self._begin(bucket)
            self._made[bucket][2].write_table(rows)
            self._rows[bucket] = self._rows.get(bucket, 0) + len(rows)

    def _begin(self, bucket: int) -> None:
        part = self._part
        name = f"bucket={bucket:04d}/{part.first:012d}-{part.last:012d}.parquet"
        path = self._folder.path(name)
        self._folder.files.makedirs(path.rpartition("/")[0], exist_ok=True)
        file = _Hashed(self._folder.files.open(path, "wb"))
        self._open.callback(file.close)
        writer = self._open.enter_context(parquet_writer(file, SCHEMA.with_metadata(footer_of(part.log, bucket))))
        self._made[bucket] = name, file, writer

    def files(self) -> list[PartitionFile]:
        """What was written, once all is closed."""
        part = self._part
        return [
            PartitionFile(name, bucket, part.first, part.last, self._rows[bucket], file.bytes, file.hash.hexdigest())
            for bucket, (name, file, _) in sorted(self._made.items())
        ]

    def remove(self) -> None:
        _remove(self._folder, [name for name, _, _ in self._made.values()])
