"""The audit trail's reads. What a page looks at is bounded, however long the log is and whatever is asked."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from operator import attrgetter
from typing import Any
from uuid import UUID

from api.evidence.proof_file import Stored
from api.service.reads import AuditReads, EventPage, Moment, Page, RefusalFilter
from api.service.seals import Seals
from api.store.audit_index import BLOCK, Whose, block_of, positions_of, wanted_keys
from api.store.mapper import to_recorded
from api.store.replayed import replayed
from api.store.sessions import Reader, first
from api.store.sql_digest import read_tile
from api.store.sql_reads import DETAIL, detail_pieces, sifted
from api.store.sqlite_session import SQLiteReader
from api.store.whole import check_whole
from domain.recorded import Recorded
from domain.times import Instant
from projections.audit import EventFilter, Sketch, matches, read_sketch
from projections.ledger import ENTRIES_PER_EVENT
from projections.times import iso

MAX_BLOCKS = 2_048
"""Blocks of the index that one page looks at."""
BLOCKS_AT_ONCE = 64
MAX_SCANNED = 4_096
"""Events that one page looks at; a page that has found too few by then is short, and the next one goes on."""

NEWEST = 2**63 - 1
_OCCURRED: Callable[[Sketch], Instant] = attrgetter("occurred_at")
_RECORDED: Callable[[Sketch], Instant] = attrgetter("recorded_at")
Row = tuple[int, str, int, str, bytes]
_EVENTS = "SELECT position, originator_id, originator_version, topic, state FROM stored_events "


class SQLAudit:
    """See AuditReads. Events are shown with their sealed texts open. Where some are missing it raises Unavailable."""

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
            self._look(search, wanted_keys(wanted), after, end)
        return EventPage(
            [self._seals.opened(_recorded(row)) for row in search.found], search.reached, search.reached < end
        )

    def _look(self, search: "_Search", keys: Sequence[int], after: int, end: int) -> None:
        """Look at what the index names, and then at all that is not in it yet. Raises _PageOver."""
        if keys:
            ((indexed,),) = self._reader.rows("SELECT position FROM digest")
            last = min(indexed, end)
            if after < last:
                search.take(self._named(keys, after + 1, last), last)
            after = max(after, indexed)
        search.take_all(after + 1, end)

    def _named(self, keys: Sequence[int], first: int, last: int) -> Iterator[tuple[list[int], int]]:
        """Block by block the positions that have all keys, and up to where these are all; MAX_BLOCKS at most."""
        others = "".join(
            " & coalesce((SELECT o.places FROM audit_index o WHERE o.key = ? AND o.block = d.block), 0)"
            for _ in keys[1:]
        )
        sql = (
            f"SELECT d.block, d.places{others} FROM (SELECT block, places FROM audit_index "
            "WHERE key = ? AND block >= ? AND block <= ? ORDER BY block LIMIT ?) d ORDER BY d.block"
        )
        begin, end = block_of(first), block_of(last)
        limit, left = min(BLOCKS_AT_ONCE, MAX_BLOCKS), MAX_BLOCKS
        while left > 0:
            rows = self._reader.rows(sql, (*keys[1:], keys[0], begin, end, limit))
            for block, places in rows:
                yield [at for at in positions_of(block, places) if first <= at <= last], (block + 1) * BLOCK
            if len(rows) < limit:
                yield [], last
                return
            begin, left = rows[-1][0] + 1, left - limit

    def rows_between(self, first: int, last: int) -> list[Row]:
        rows = self._reader.rows(_EVENTS + "WHERE position >= ? AND position <= ? ORDER BY position", (first, last))
        check_whole((row[0] for row in rows), range(first, last + 1))
        return rows

    def rows_at(self, positions: Sequence[int]) -> list[Row]:
        if not positions:
            return []
        marks = ", ".join("?" * len(positions))
        rows = self._reader.rows(f"{_EVENTS}WHERE position IN ({marks}) ORDER BY position", positions)
        check_whole((row[0] for row in rows), positions)
        return rows

    def is_wanted(self, wanted: EventFilter, row: Row) -> bool:
        _, stream, _, topic, state = row
        sketch = read_sketch(state)
        return matches(wanted, topic, stream, sketch, lambda: self._whose.of(topic, stream, sketch.event))

    def _first_at(self, time: Callable[[Sketch], Instant], instant: Instant, end: int) -> int:
        """The first position with a time at or after an instant: the log is in the order of both its times.

        Guessed from the times at both ends of what is left, and by turns halved, so that it never takes long: a guess
        costs about the same on a log of any length.
        """

        def time_at(position: int) -> Instant:
            ((*_, state),) = self.rows_at([position])
            return time(read_sketch(state))

        low, high = 1, end + 1
        earliest, latest = (time_at(1), time_at(end)) if end else (instant, instant)
        if end and latest < instant:
            return high
        is_guess = True
        while low < high:
            middle = (low + high) // 2
            if is_guess and latest > earliest:
                middle = low + min(max((instant - earliest) * (high - low) // (latest - earliest), 0), high - low - 1)
            is_guess = not is_guess
            found = time_at(middle)
            if found >= instant:
                high, latest = middle, found
            else:
                low, earliest = middle + 1, found
        return low

    def stream(self, stream: UUID, after_version: int, limit: int) -> Sequence[Recorded[Any]]:
        return [self._seals.opened(each) for each in self._sealed_stream(stream, after_version, limit)]

    def _sealed_stream(self, stream: UUID, after_version: int, limit: int) -> Sequence[Recorded[Any]]:
        rows = self._reader.rows(
            _EVENTS + "WHERE originator_id = ? AND originator_version > ? ORDER BY originator_version LIMIT ?",
            (stream.hex, after_version, limit),
        )
        check_whole((row[2] for row in rows), range(after_version + 1, after_version + 1 + len(rows)))
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
        ((at, stream, version, topic, state),) = self.rows_at([position])
        return Stored(at, UUID(stream), version, topic, bytes(state).decode())

    def tile(self, level: int, number: int) -> bytes:
        return read_tile(self._reader, level, number)

    def first_of_command(self, recorded: Recorded[Any]) -> Recorded[Any]:
        """A command's events lie together in the log, so that a binary search finds the first; those of a purchase do
        not, and its row names the first."""
        command = recorded.correlation_id
        purchase = first(self._reader.rows("SELECT position FROM purchases WHERE purchase_id = ?", (str(command),)))
        if purchase is not None:
            return self._opened_at(purchase[0])
        positions = range(recorded.position + 1)
        begin = bisect_left(positions, True, lo=1, key=lambda at: self._recorded_at(at).correlation_id == command)
        return self._opened_at(begin)

    def _opened_at(self, position: int) -> Recorded[Any]:
        return self._seals.opened(self._recorded_at(position))

    def _recorded_at(self, position: int) -> Recorded[Any]:
        (row,) = self.rows_at([position])
        return _recorded(row)

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
        among = "refusals WHERE number < ?"
        params: list[int | str] = [NEWEST if before is None else before]
        if wanted.actor_id is not None:
            among += " AND actor_id = ?"
            params.append(str(wanted.actor_id))
        # With the + no index on it is used, which would lead to all of a time, in another order.
        times = [("+at >= ?", wanted.from_instant), ("+at < ?", wanted.to_instant)]
        within = [(condition, instant) for condition, instant in times if instant is not None]
        rows, last = sifted(self._reader, among, params, "number", within, limit, newest_first=True)
        return Page([_refusal(row) for row in rows], last)

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
        self._at_once = limit + 1
        self._left = MAX_SCANNED
        self.found: list[Row] = []
        self.reached = after
        """Up to where everything has been looked at."""

    def take(self, named: Iterable[tuple[list[int], int]], last: int) -> None:
        """Look at what the index names, see ``_named``; it should reach a last position. Raises _PageOver."""
        waiting: list[int] = []
        reached = self.reached
        for positions, upto in named:
            waiting += positions
            reached = min(upto, last)
            if len(waiting) >= self._at_once:
                self._take(self._audit.rows_at(waiting))
                waiting = []
        self._take(self._audit.rows_at(waiting))
        self.reached = reached
        if reached < last:
            raise _PageOver

    def take_all(self, first: int, last: int) -> None:
        """Look at all events from one to another. Raises _PageOver."""
        while first <= last:
            upto = min(first + self._at_once - 1, last)
            self._take(self._audit.rows_between(first, upto))
            first = upto + 1
        self.reached = max(self.reached, last)

    def _take(self, rows: Sequence[Row]) -> None:
        for row in rows:
            if len(self.found) == self._limit or self._left == 0:
                raise _PageOver
            self._left -= 1
            self.reached = row[0]
            if self._audit.is_wanted(self._wanted, row):
                self.found.append(row)


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
