"""What the read models of the ledger tell at one position, while the platform goes on."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from api.evidence import tree
from api.store.sqlite import connect
from api.store.sqlite_reads import BALANCES_OF_ALL_ACCOUNTS
from domain.times import Instant
from projections.ledger import JOURNAL
from projections.reconcile.told import JournalRow, WalletRow


class SQLiteSnapshot:
    """See Snapshot: one read transaction, so that everything is of one position."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        head = connection.execute("SELECT position, peaks, last_time FROM head").fetchone()
        self.position: int = head[0]
        self.root: str = tree.root(head[1]).hex()
        self.last_time: Instant = head[2]

    def journal(self) -> Iterator[JournalRow]:
        columns = ", ".join(JOURNAL.columns)
        return map(JournalRow._make, self._connection.execute(f"SELECT {columns} FROM journal ORDER BY entry"))

    def balances(self) -> Mapping[str, int]:
        return dict(self._connection.execute(BALANCES_OF_ALL_ACCOUNTS).fetchall())

    def billing(self) -> Mapping[str, tuple[int, int]]:
        rows = self._connection.execute("SELECT owner_id, balance_cents, held_cents FROM billing")
        return {owner: (balance, held) for owner, balance, held in rows}

    def wallets(self) -> Mapping[str, WalletRow]:
        rows = self._connection.execute("SELECT tester_id, pending_cents, granted_cents, withdrawn_cents FROM wallets")
        return {tester: WalletRow(*cents) for tester, *cents in rows}


@contextmanager
def snapshot(path: Path) -> Iterator[SQLiteSnapshot]:
    """A snapshot of a database."""
    connection = connect(str(path))
    try:
        connection.execute("PRAGMA query_only = 1")
        connection.execute("BEGIN")
        yield SQLiteSnapshot(connection)
    finally:
        connection.close()
