"""What the read models of the ledger tell at one position, while the platform goes on."""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager

from api.evidence import tree
from api.store.sessions import Reader
from api.store.sql_reads import BALANCES_OF_ALL_ACCOUNTS
from domain.times import Instant
from projections.ledger import JOURNAL
from projections.reconcile.told import JournalRow, WalletRow


class SQLSnapshot:
    """See Snapshot: one read transaction, so that everything is of one position."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        head = reader.rows("SELECT position, peaks, last_time FROM head")[0]
        self.position: int = head[0]
        self.root: str = tree.root(head[1]).hex()
        self.last_time: Instant = head[2]

    def journal(self) -> Iterator[JournalRow]:
        columns = ", ".join(JOURNAL.columns)
        with self._reader.stream(f"SELECT {columns} FROM journal ORDER BY entry") as rows:
            yield from map(JournalRow._make, rows)

    def balances(self) -> Mapping[str, int]:
        return dict(self._reader.rows(BALANCES_OF_ALL_ACCOUNTS))

    def billing(self) -> Mapping[str, tuple[int, int]]:
        rows = self._reader.rows("SELECT owner_id, balance_cents, held_cents FROM billing")
        return {owner: (balance, held) for owner, balance, held in rows}

    def wallets(self) -> Mapping[str, WalletRow]:
        rows = self._reader.rows("SELECT tester_id, pending_cents, granted_cents, withdrawn_cents FROM wallets")
        return {tester: WalletRow(*cents) for tester, *cents in rows}


@contextmanager
def snapshot(reader: Reader) -> Iterator[SQLSnapshot]:
    """A snapshot of a database; the reader is closed in the end."""
    with closing(reader), reader.snapshot():
        yield SQLSnapshot(reader)
