"""The audit trail's reads. What a page looks at is bounded, however long the log is and whatever is asked."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from itertools import chain
from operator import attrgetter
from typing import Any
from uuid import UUID

from api.evidence.proof_file import Stored
from api.service.reads import AuditReads, EventPage, Moment, Page, RefusalFilter
from api.service.seals import Seals
from api.store.audit_index import BLOCK, Whose, block_of, wanted_keys
from api.store.mapper import to_recorded
from api.store.replayed import replayed
from api.store.sessions import Reader, first
from api.store.sql_digest import read_tile
from api.store.sql_reads import DETAIL, detail_pieces
from api.store.sqlite_session import SQLiteReader
from domain.recorded import Recorded
from domain.times import Instant
from projections.audit import EventFilter, Sketch, matches, read_sketch
from projections.ledger import ENTRIES_PER_EVENT
from projections.times import iso

MAX_BLOCKS = 2_048
"""Blocks of the index that one page looks at."""
BLOCKS_AT_ONCE = 64
MAX_OF_COMMAND = 1_000
"""Events among which the first one of a command is looked for."""
MAX_SCANNED = 4_096
"""Events that one page looks at; a page that has found too few by then is short, and the next one goes on."""

NEWEST = 2**63 - 1
_OCCURRED: Callable[[Sketch], Instant] = attrgetter("occurred_at")
_RECORDED: Callable[[Sketch], Instant] = attrgetter("recorded_at")
Row = tuple[int, str, int, str, bytes]
_EVENTS = "SELECT position, originator_id, originator_version, topic, state FROM stored_events "


class SQLAudit:
    """See AuditReads. Events are shown with their sealed texts open."""

    def __init__(self, reader: Reader, seals: Seals) -> None:
        self._reader = reader
        self._seals = seals
        self._whose = Whose(reader)

    def close(self) -> None:
        self._reader.close()

    def events(self, wanted: EventFilter, after: int, upto: int | None, limit: int) -> EventPage:
        with self._reader.snapshot():
            return self._page(wanted, after, upto, limit)

    def _page(self, wanted: EventFilter, after: int, upto: int | None, limit: int) -> EventPage:
        ((end,),) = self._reader.rows("SELECT position FROM head")
        end = end if upto is None else min(upto, end)
        if wanted.to_instant is not None:
            end = min(end, self._first_at(_OCCURRED, wanted.to_instant, end) - 1)
        if wanted.from_instant is not None:
            after = max(after, self._first_at(_OCCURRED, wanted.from_instant, end) - 1)
        search = _Search(self, wanted, after, limit)
        with suppress(_PageOver):
            for begin, last in self._runs(wanted_keys(wanted), after, end):
                search.take(begin, last)
            search.reached = max(search.reached, end)
        return EventPage(
            [self._seals.opened(_recorded(row)) for row in search.found], search.reached, search.reached < end
        )

    def _runs(self, keys: Sequence[int], after: int, end: int) -> Iterator[tuple[int, int]]:
        """What is to be looked at: runs of positions, from the first to the last of each, in order."""
        if not keys:
            yield after + 1, end
            return
        ((indexed,),) = self._reader.rows("SELECT position FROM digest")
        if after < indexed:
            for block, has_all in self._blocks(keys, block_of(after + 1), block_of(min(indexed, end))):
                last = min(block * BLOCK + BLOCK, end, indexed)
                first = max(block * BLOCK + 1, after + 1)
                yield (first, last) if has_all else (last + 1, last)
        yield max(after, indexed) + 1, end

    def _blocks(self, keys: Sequence[int], first: int, last: int) -> Iterator[tuple[int, bool]]:
        """Blocks of the first key, and whether they have all the others too; a few at a time, as many as are used."""
        others = " AND ".join(
            "EXISTS (SELECT 1 FROM audit_index o WHERE o.key = ? AND o.block = d.block)" for _ in keys[1:]
        )
        sql = (
            f"SELECT d.block, {others or '1'} FROM (SELECT block FROM audit_index "
            "WHERE key = ? AND block >= ? AND block <= ? ORDER BY block LIMIT ?) d ORDER BY d.block"
        )
        limit, left = min(BLOCKS_AT_ONCE, MAX_BLOCKS), MAX_BLOCKS
        while left > 0:
            rows = self._reader.rows(sql, (*keys[1:], keys[0], first, last, limit))
            for block, has_all in rows:
                yield block, bool(has_all)
            if len(rows) < limit:
                return
            first, left = rows[-1][0] + 1, left - limit
        raise _PageOver

    def rows_between(self, first: int, last: int, limit: int) -> list[Row]:
        return self._reader.rows(
            _EVENTS + "WHERE position >= ? AND position <= ? ORDER BY position LIMIT ?", (first, last, limit)
        )

    def is_wanted(self, wanted: EventFilter, row: Row) -> bool:
        _, stream, _, topic, state = row
        return matches(wanted, topic, UUID(stream), read_sketch(state), self._whose.of(topic, stream))

    def _first_at(self, time: Callable[[Sketch], Instant], instant: Instant, end: int) -> int:
        """The first position with a time at or after an instant: the log is in the order of both its times."""
        low, high = 1, end + 1
        while low < high:
            middle = (low + high) // 2
            ((state,),) = self._reader.rows("SELECT state FROM stored_events WHERE position = ?", (middle,))
            if time(read_sketch(state)) >= instant:
                high = middle
            else:
                low = middle + 1
        return low

    def stream(self, stream: UUID, after_version: int, limit: int) -> Sequence[Recorded[Any]]:
        return [self._seals.opened(each) for each in self._sealed_stream(stream, after_version, limit)]

    def _sealed_stream(self, stream: UUID, after_version: int, limit: int) -> Sequence[Recorded[Any]]:
        rows = self._reader.rows(
            _EVENTS + "WHERE originator_id = ? AND originator_version > ? ORDER BY originator_version LIMIT ?",
            (stream.hex, after_version, limit),
        )
        return [_recorded(row) for row in rows]

    def position_at(self, at: Moment) -> int:
        end: int = self._reader.rows("SELECT position FROM head")[0][0]
        for time, instant in ((_OCCURRED, at.as_of), (_RECORDED, at.known_at)):
            if instant is not None:
                end = self._first_at(time, instant + 1, end) - 1
        return end

    def job_at(self, job_id: UUID, version: int) -> bytes:
        events = self._sealed_stream(job_id, 0, version)
        with replayed([events], lambda done: None) as connection:
            reader = SQLiteReader(connection)
            (row,) = reader.rows(DETAIL, (str(job_id),))
            return b"".join(detail_pieces(reader, row, events[0].event, None, self._seals.open))

    def billing_at(self, owner_id: UUID, position: int) -> tuple[int, int]:
        credits_of, escrows = f"owner:{owner_id}:credits", f"owner:{owner_id}:escrow:%"
        sums = self._reader.rows(
            "SELECT CAST(coalesce(sum(CASE WHEN credit_account = ? THEN amount_cents WHEN debit_account = ? "
            "THEN -amount_cents ELSE 0 END), 0) AS BIGINT), CAST(coalesce(sum(CASE WHEN credit_account LIKE ? "
            "THEN amount_cents WHEN debit_account LIKE ? THEN -amount_cents ELSE 0 END), 0) AS BIGINT) "
            "FROM journal WHERE owner_id = ? AND entry < ?",
            (credits_of, credits_of, escrows, escrows, str(owner_id), (position + 1) * ENTRIES_PER_EVENT),
        )[0]
        return sums[0], sums[1]

    def event(self, position: int) -> Recorded[Any] | None:
        row = first(self._reader.rows(_EVENTS + "WHERE position = ?", (position,)))
        return self._seals.opened(_recorded(row)) if row else None

    def stored(self, position: int) -> Stored:
        row: Row = self._reader.rows(_EVENTS + "WHERE position = ?", (position,))[0]
        at, stream, version, topic, state = row
        return Stored(at, UUID(stream), version, topic, bytes(state).decode())

    def tile(self, level: int, number: int) -> bytes:
        return read_tile(self._reader, level, number)

    def first_of_command(self, recorded: Recorded[Any]) -> Recorded[Any]:
        """The events of a command lie together in the log; of a purchase, which takes two, in its owner's stream."""
        if recorded.event_id == recorded.correlation_id:
            return recorded
        before = self._reader.rows(
            _EVENTS + "WHERE position < ? ORDER BY position DESC LIMIT ?", (recorded.position, MAX_OF_COMMAND)
        )
        in_stream = self._reader.rows(
            _EVENTS + "WHERE originator_id = ? AND originator_version < ? ORDER BY originator_version DESC LIMIT ?",
            (recorded.stream.hex, recorded.version, MAX_OF_COMMAND),
        )
        same = [
            one for one in map(_recorded, chain(before, in_stream)) if one.correlation_id == recorded.correlation_id
        ]
        return min(same, key=attrgetter("position"), default=recorded)

    def name_of(self, principal_id: UUID) -> str | None:
        row = first(self._reader.rows("SELECT name FROM principals WHERE principal_id = ?", (str(principal_id),)))
        return row[0] if row else None

    def owner_of_entry(self, entry: int) -> tuple[bool, UUID | None]:
        row = first(self._reader.rows("SELECT owner_id FROM journal WHERE entry = ?", (entry,)))
        return row is not None, UUID(row[0]) if row and row[0] else None

    @contextmanager
    def apart(self) -> Iterator[AuditReads]:
        with closing(SQLAudit(self._reader.another(), self._seals)) as other:
            yield other

    def refusals(self, wanted: RefusalFilter, before: int | None, limit: int) -> Page:
        where: list[tuple[str, int | str]] = [("number < ?", NEWEST if before is None else before)]
        conditions: tuple[tuple[str, int | str | None], ...] = (
            ("actor_id = ?", None if wanted.actor_id is None else str(wanted.actor_id)),
            ("at >= ?", wanted.from_instant),
            ("at < ?", wanted.to_instant),
        )
        where += [(condition, value) for condition, value in conditions if value is not None]
        rows = self._reader.rows(
            "SELECT number, at, actor_kind, actor_id, key_id, operation, path, status, code, detail, request_id "
            f"FROM refusals WHERE {' AND '.join(condition for condition, _ in where)} ORDER BY number DESC LIMIT ?",
            (*(value for _, value in where), limit + 1),
        )
        return Page([_refusal(row) for row in rows[:limit]], rows[limit - 1][0] if len(rows) > limit else None)

    def refusals_dropped(self) -> int:
        dropped: int = self._reader.rows("SELECT dropped FROM digest")[0][0]
        return dropped


class _PageOver(Exception):
    """The page is full, or has looked at as much as it may."""


class _Search:
    """Looks events through, up to a page of those that are wanted or to the bound of what a page looks at."""

    def __init__(self, audit: SQLAudit, wanted: EventFilter, after: int, limit: int) -> None:
        self._audit = audit
        self._wanted = wanted
        self._limit = limit
        self._left = MAX_SCANNED
        self.found: list[Row] = []
        self.reached = after
        """Up to where everything has been looked at."""

    def take(self, first: int, last: int) -> None:
        """Look a run through. Raises _PageOver."""
        if first > last:  # nothing in it
            self.reached = max(self.reached, last)
        while first <= last:
            rows = self._audit.rows_between(first, last, min(self._limit + 1, self._left))
            for row in rows:
                if len(self.found) == self._limit:
                    raise _PageOver
                self.reached = row[0]
                if self._audit.is_wanted(self._wanted, row):
                    self.found.append(row)
            self._left -= len(rows)
            first += len(rows)
            if self._left <= 0:
                raise _PageOver


def _recorded(row: Row) -> Recorded[Any]:
    position, stream, version, topic, state = row
    return to_recorded(UUID(stream), version, position, topic, state)


def _refusal(row: tuple[Any, ...]) -> dict[str, Any]:
    _, at, kind, actor_id, key_id, operation, path, status, code, detail, request_id = row
    return {
        "at": iso(at),
        "actor": {"kind": kind, "id": actor_id, "keyId": key_id},
        "operation": operation,
        "path": path,
        "status": status,
        "code": code,
        "detail": detail,
        "requestId": request_id,
    }
