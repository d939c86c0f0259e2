"""What the read models of the ledger tell at one position, while the platform goes on."""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any

from eventsourcing.persistence import MapperDeserialisationError

from api.evidence import tree
from api.service.ports import StoreFailed
from api.store.mapper import recorded_in
from api.store.sessions import Reader
from api.store.sql_reads import BALANCES_OF_ALL_ACCOUNTS
from api.store.whole import whole_page
from domain.recorded import Recorded
from domain.times import Instant
from projections.ledger import JOURNAL
from projections.reconcile.closed import Closing
from projections.reconcile.told import JournalRow, WalletRow

AT_ONCE = 1_000


class SQLSnapshot:
    """See Snapshot: one read transaction, so that everything is of one position."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        head = reader.rows("SELECT position, peaks, last_time, sandbox_now, next_due FROM head")[0]
        self.position: int = head[0]
        self.root: str = tree.root(head[1]).hex()
        self.last_time: Instant = head[2]
        self.sandbox_now: Instant | None = head[3]
        self.next_due: Instant | None = head[4]

    def journal(self) -> Generator[JournalRow]:
        columns = ", ".join(JOURNAL.columns)
        with self._reader.stream(f"SELECT {columns} FROM journal ORDER BY entry") as rows:
            yield from map(JournalRow._make, rows)

    def balances(self) -> Mapping[str, int]:
        return dict(self._reader.rows(BALANCES_OF_ALL_ACCOUNTS))

    def billing(self) -> Mapping[str, tuple[int, int]]:
        rows = self._reader.rows("SELECT owner_id, balance_cents, held_cents FROM billing")
        return {owner: (balance, held) for owner, balance, held in rows}

    def closings(self) -> Mapping[str, Closing]:
        rows = self._reader.rows("SELECT month, begins_at, ends_at, position, timezone FROM closed_months")
        return {row[0]: Closing(*row) for row in rows}

    def wallets(self) -> Mapping[str, WalletRow]:
        rows = self._reader.rows("SELECT tester_id, pending_cents, granted_cents, withdrawn_cents FROM wallets")
        return {tester: WalletRow(*cents) for tester, *cents in rows}


class SQLReplay:
    """See Replay."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.told = SQLSnapshot(reader)

    def events(self, upto: int) -> Iterator[Recorded[Any]]:
        after = 0
        while after < upto:
            end = min(after + AT_ONCE, upto)
            yield from _recorded(whole_page(self._reader.rows, after, end))
            after = end


def _recorded(page: Sequence[Any]) -> Iterator[Recorded[Any]]:
    try:
        yield from recorded_in(page)
    except MapperDeserialisationError as error:
        raise StoreFailed(str(error).rstrip(".")) from error


class SQLReplays:
    """See Replays."""

    def __init__(self, open_reader: Callable[[], Reader]) -> None:
        self._open_reader = open_reader

    @contextmanager
    def replay(self) -> Iterator[SQLReplay]:
        with closing(self._open_reader()) as reader, reader.snapshot():
            yield SQLReplay(reader)


@contextmanager
def snapshot(reader: Reader) -> Iterator[SQLSnapshot]:
    """A snapshot of a database; the reader is closed in the end."""
    with closing(reader), reader.snapshot():
        yield SQLSnapshot(reader)
