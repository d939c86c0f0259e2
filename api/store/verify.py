"""The whole log held against its hashes and checkpoints, and the read models against a replay. Nothing is changed."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from tempfile import TemporaryDirectory, gettempdir
from typing import Any
from uuid import UUID

from eventsourcing.persistence import MapperDeserialisationError

from api.evidence import tree
from api.evidence.notes import Checkpoint
from api.evidence.tiles import WIDTH
from api.evidence.tree import HASH_BYTES
from api.service.ports import StoreFailed
from api.service.snapshots import DECIDERS, encoded
from api.store.application import NotOurs
from api.store.databases import Database
from api.store.findings import Finding, Row, side_by_side
from api.store.mapper import recorded_in, to_recorded
from api.store.rebuild import PAGE, Progress
from api.store.replayed import replayed
from api.store.schema import SELECT_EVENTS, stream_key
from api.store.sessions import Reader
from api.store.sql_digest import log_origin, read_tile
from api.store.verify_digest import Digested
from domain.recorded import Recorded
from projections.read_model import Table
from projections.replay import TABLES

MAX_FINDINGS = 100


@dataclass(slots=True)
class Verdict:
    """``events`` and ``rows`` were looked at and held against ``checkpoints``; with findings nothing is proved."""

    events: int
    root: bytes
    checkpoints: int
    rows: int = 0
    findings: list[Finding] = field(default_factory=list)


def verify(database: Database, checkpoints: Sequence[Checkpoint], progress: Progress) -> Verdict:
    """Check everything on one snapshot, beside a server too. ``progress`` is told events done, and all there are."""
    with closing(database.reader(broken_text=True)) as reader, reader.snapshot():
        log = _Log(reader, checkpoints)
        for done in log.read():
            progress(done, 2 * log.size)
        damage = list(log.findings())
        verdict = Verdict(log.count, tree.root(log.peaks), len(checkpoints), findings=[*log.of_others(), *damage])
        if damage:
            verdict.findings.append(Finding("The read models were not compared: the log itself is damaged."))
        else:
            _compare_views(reader, verdict, lambda done: progress(log.size + done, 2 * log.size))
            verdict.findings += _false_next_due(reader)
            verdict.findings += islice(_false_snapshots(reader), MAX_FINDINGS)
            verdict.findings += [Finding(f"The database is damaged: {said}.") for said in database.damage(MAX_FINDINGS)]
        return verdict


class _Log:
    """One reading of the log from its first event to its last."""

    def __init__(self, reader: Reader, checkpoints: Sequence[Checkpoint]) -> None:
        self._reader = reader
        ((secret, self.size, self._head_peaks),) = reader.rows("SELECT secret, position, peaks FROM head")
        self._origin = log_origin(secret)
        self._others = [one for one in checkpoints if one.origin != self._origin]
        ours = [one for one in checkpoints if one.origin == self._origin]
        self._checkpoints = sorted(ours, key=lambda one: one.size)
        self.count = 0
        self.peaks = b""
        self._gap: int | None = None
        self._unlike_tile: int | None = None
        self._without_tile: int | None = None
        self._tile = b""
        self._roots: dict[int, bytes] = {}

    def read(self) -> Iterator[int]:
        """Take every event in; yields how many were."""
        sizes = {one.size for one in self._checkpoints}
        self._note_root(0, sizes)
        with self._reader.stream(
            "SELECT position, originator_id, originator_version, topic, state FROM stored_events ORDER BY position"
        ) as rows:
            for position, *event in rows:
                if position != self.count + 1:
                    self._gap = self.count + 1
                    return
                self._take(position, _leaf(*event))
                self._note_root(position, sizes)
                if position % PAGE == 0:
                    yield position
        yield self.count

    def _take(self, position: int, leaf: bytes) -> None:
        number, place = divmod(self.count, WIDTH)
        if place == 0:
            self._tile = read_tile(self._reader, 0, number)
        kept = self._tile[place * HASH_BYTES : (place + 1) * HASH_BYTES]
        if not kept and self._without_tile is None:
            self._without_tile = position
        if self._unlike_tile is None and kept and kept != tree.leaf_hash(leaf):
            self._unlike_tile = position
        self.peaks = tree.append(self.count, self.peaks, [leaf])
        self.count = position

    def _note_root(self, size: int, sizes: set[int]) -> None:
        if size in sizes:
            self._roots[size] = tree.root(self.peaks)

    def of_others(self) -> Iterator[Finding]:
        """Checkpoints that say nothing of this log."""
        for one in self._others:
            yield Finding(f"The checkpoint of size {one.size} is of another log, {one.origin}; this is {self._origin}.")

    # -- what was found ----------------------------------------------------------------------------------------

    def findings(self) -> Iterator[Finding]:
        """What is wrong with the log, the first wrong position first."""
        if self._gap is not None:
            yield Finding(f"The event at position {self._gap} is missing.", self._gap)
            return
        yield from self._against_head()
        yield from self._against_checkpoints()

    def _against_head(self) -> Iterator[Finding]:
        at, is_whole = self._unlike_tile, self.count == self.size and self.peaks == self._head_peaks
        if at is not None and not is_whole:
            yield Finding(f"The event at position {at} is not the one that was recorded there.", at)
        elif self.count == self.size and not is_whole:
            yield self._within_peaks()
        if self.count < self.size:
            lost = f"positions {self.count + 1} to {self.size}"
            yield Finding(f"The events at {lost} are lost: the log's head counts them.", self.count + 1)
        if self.count > self.size:
            first = self.size + 1
            yield Finding(f"The event at position {first} was inserted: the log's head ends before it.", first)

    def _within_peaks(self) -> Finding:
        """Where no leaf was kept yet, the head's own subtrees tell how far the log is sound."""
        begin, heights = 0, [height for height in reversed(range(self.size.bit_length())) if self.size >> height & 1]
        for place, height in enumerate(heights if self._without_tile is not None else ()):
            own, kept = (peaks[place * HASH_BYTES :][:HASH_BYTES] for peaks in (self.peaks, self._head_peaks))
            first, last = max(begin + 1, self._without_tile or 0), begin + (1 << height)
            if own != kept and len(kept) == HASH_BYTES and first <= last:
                where = f"position {first}" if first == last else f"one of the positions {first} to {last}"
                return Finding(f"The event at {where} is not the one that was recorded there.", first)
            begin = last
        return Finding("The hash tree in the log's head was altered.", self.size)

    def _against_checkpoints(self) -> Iterator[Finding]:
        sound = 0
        for one in self._checkpoints:
            if one.size > self.count:
                lost = f"positions {self.count + 1} to {one.size}"
                yield Finding(f"The events at {lost} are lost: a checkpoint was signed over them.", self.count + 1)
            elif self._roots[one.size] != one.root:
                yield Finding(
                    f"History was rewritten: a checkpoint signs other events up to position {one.size}; "
                    f"the first wrong position lies between {sound + 1} and {one.size}.",
                    sound + 1,
                )
                return
            else:
                sound = one.size


def _leaf(stream: str, version: int, topic: str, state: Any) -> bytes:
    """An event's leaf; of values that no event has, something that cannot be any event's.

    An id in another spelling is no stream's: nobody who asks for the stream would find the event.
    """
    try:
        named = UUID(stream)
        return tree.leaf_bytes(named, version, topic, bytes(state)) if named.hex == stream else b""
    except (ValueError, TypeError, AttributeError, OverflowError):
        return b""


# -- read models -----------------------------------------------------------------------------------------------------


def _compare_views(reader: Reader, verdict: Verdict, progress: Any) -> None:
    """Replay the log into files of their own, and compare them row for row: neither side is held in memory.

    Raises NotOurs where there is no room for them.
    """
    with (
        _room_for_files(),
        TemporaryDirectory(prefix="tallyhold-verify-") as folder,
        closing(Digested(reader, verdict.events, f"{folder}/digested.sqlite")) as digested,
    ):
        try:
            with replayed(_pages(reader, digested), progress, f"{folder}/replayed.sqlite") as other:
                found = (each for table in TABLES for each in _differences(table, reader, other, verdict))
                verdict.findings += islice(found, MAX_FINDINGS)
        except MapperDeserialisationError as error:
            verdict.findings.append(Finding(f"The read models were not compared: {error}"))
            return
        for rows, finding in digested.unlike():
            verdict.rows += rows
            verdict.findings += [finding] if finding else []


@contextmanager
def _room_for_files() -> Iterator[None]:
    """Whoever verifies writes nothing to the database: the disk that is full is another one."""
    try:
        yield
    except (sqlite3.Error, StoreFailed) as error:
        cause = error.__cause__ if isinstance(error, StoreFailed) else error
        if getattr(cause, "sqlite_errorcode", None) != sqlite3.SQLITE_FULL:
            raise
        raise NotOurs(
            f"The folder for temporary files, {gettempdir()}, has no room for a replay of the log; "
            "TMPDIR may name another."
        ) from error


def _pages(reader: Reader, digested: Digested) -> Iterator[list[Recorded[Any]]]:
    with reader.stream(f"{SELECT_EVENTS} ORDER BY position") as rows:
        while page := list(islice(rows, PAGE)):
            digested.take(page)
            yield list(recorded_in(page))


def _differences(table: Table, kept: Reader, replayed: sqlite3.Connection, verdict: Verdict) -> Iterator[Finding]:
    """Both tables in the order of their keys, side by side."""
    sql = f"SELECT {', '.join(table.columns)} FROM {table.name} ORDER BY {table.primary_key}"
    with kept.stream(sql) as rows:
        yield from _unlike_rows(table, map(tuple, rows), iter(replayed.execute(sql)), verdict)


def _unlike_rows(table: Table, ours: Iterator[Row], theirs: Iterator[Row], verdict: Verdict) -> Iterator[Finding]:
    place = list(table.columns).index(table.primary_key)
    for left, right in side_by_side(ours, theirs, slice(place, place + 1)):
        verdict.rows += 1
        if left is not None and right is not None:
            if left != right:
                yield Finding(_unlike(table, left, right))
        elif left is not None:
            yield Finding(f"The row {_named(table, left)} follows from no event.")
        elif right is not None:
            yield Finding(f"The row {_named(table, right)} is missing.")


def _named(table: Table, row: Row) -> str:
    return f"{table.name} {table.key}={row[list(table.columns).index(table.key)]}"


def _unlike(table: Table, left: Row, right: Row) -> str:
    column, told, true = next((name, a, b) for name, a, b in zip(table.columns, left, right, strict=True) if a != b)
    return f"The row {_named(table, right)} says {column} is {told!r}; by the log it is {true!r}."


# -- deadlines ---------------------------------------------------------------------------------------------------------

_NEXT_DUE = (
    "SELECT min(due_at), min(CASE WHEN due_at > ? THEN due_at END) FROM (SELECT min(due_at) AS due_at FROM ("
    "SELECT job_id, due_at FROM jobs WHERE due_at IS NOT NULL UNION ALL "
    "SELECT job_id, due_at FROM assignments WHERE due_at IS NOT NULL) AS deadlines GROUP BY job_id) AS of_jobs"
)
"""When the next deadline passes: of any job, and of those for which nothing was due by an instant."""


def _false_next_due(reader: Reader) -> Iterator[Finding]:
    """A job that is overdue may have been set aside, and then counts for nothing: the head may say a later time."""
    ((said, last_time),) = reader.rows("SELECT next_due, last_time FROM head")
    ((earliest, latest),) = reader.rows(_NEXT_DUE, (last_time,))
    if said is None:
        is_right = latest is None
    else:
        is_right = earliest is not None and isinstance(said, int) and earliest <= said and said <= (latest or said)
    if not is_right:
        yield Finding(
            f"The log's head says next_due is {said!r}; by the deadlines of all jobs it is {earliest!r}. "
            "tallyhold rebuild sets it right."
        )


# -- snapshots ---------------------------------------------------------------------------------------------------------


_SNAPSHOTS = (
    "SELECT stream, version, form, state, (SELECT topic FROM stored_events WHERE originator_id = stream "
    "AND originator_version = version) FROM snapshots WHERE stream > ? ORDER BY stream LIMIT ?"
)
"""With the name of the event that each is said to be of."""


def _false_snapshots(reader: Reader) -> Iterator[Finding]:
    """Those of another form count for nothing, and are not looked at."""
    after = ""
    while rows := reader.rows(_SNAPSHOTS, (after, PAGE)):
        for stream, version, form, state, topic in rows:
            if form in DECIDERS and not (_is_of(form, topic) and _adds_up(reader, UUID(stream), version, form, state)):
                yield Finding(f"The snapshot of stream {stream} is not what its events add up to.")
        after = rows[-1][0]


def _is_of(form: str, topic: str | None) -> bool:
    """Whether a form is that of a stream with such an event."""
    return topic is not None and topic.partition(".")[0] == form.partition("-")[0]


def _adds_up(reader: Reader, stream: UUID, version: int, form: str, state: bytes) -> bool:
    with reader.stream(
        "SELECT originator_version, position, topic, state FROM stored_events "
        "WHERE originator_id = ? AND originator_version <= ? ORDER BY originator_version",
        (stream_key(stream), version),
    ) as rows:
        whole = DECIDERS[form].fold(to_recorded(stream, *row).event for row in rows)
    return whole is not None and encoded(whole) == (form, state)
