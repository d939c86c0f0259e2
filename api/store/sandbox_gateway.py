"""The sandbox's payment gateway. Its book is its own, never made from the log, so that the two can be compared."""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID

from api.service.ports import Charged, Declined
from api.store import sqlite
from domain.times import Instant
from projections.reconcile.statement import statement_charge, statement_header

DECLINED_CENTS = 402
"""A payment whose cents end in 00402 is declined, so that clients can see how that looks."""
_DECLINED_MODULUS = 100_000

BOOK = (
    "CREATE TABLE IF NOT EXISTS {} (number INTEGER PRIMARY KEY, purchase_id TEXT NOT NULL UNIQUE, "
    "owner_id TEXT NOT NULL, amount_cents INTEGER NOT NULL, taken INTEGER NOT NULL, "
    "charged_at INTEGER NOT NULL)"
)
CHARGE = (
    "INSERT INTO {} (purchase_id, owner_id, amount_cents, taken, charged_at) VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT DO NOTHING"
)
_TAKEN = (
    "SELECT number, purchase_id, amount_cents, charged_at FROM {} "
    "WHERE taken = 1 AND number > ? AND charged_at >= ? AND charged_at < ? ORDER BY number LIMIT ?"
)
CHARGED = "SELECT number, taken FROM {} WHERE purchase_id = ?"


LATEST = 2**63 - 1
LINES_AT_ONCE = 500


class SandboxGateway:
    """See Gateway and GatewayBook. Charges once per purchase id, but for the amounts that are declined; takes no fee.

    A thread of its own charges, one payment after the other. A statement is read page by page in the thread that takes
    its lines.
    """

    _errors: type[Exception]
    """What asking the book may fail with."""

    def __init__(self) -> None:
        self.now: Callable[[], Instant] = lambda: time.time_ns() // 1_000_000
        """Its clock; in the sandbox it is the platform's."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="gateway")

    async def charge(self, purchase_id: UUID, owner_id: UUID, amount_cents: int) -> Charged | Declined:
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._thread, self._charge, purchase_id, owner_id, amount_cents)
        except self._errors as error:
            raise OSError(f"The sandbox gateway failed: {error}") from error

    def _charge(self, purchase_id: UUID, owner_id: UUID, amount_cents: int) -> Charged | Declined:
        taken = amount_cents % _DECLINED_MODULUS != DECLINED_CENTS
        number, taken = self._entry(str(purchase_id), str(owner_id), amount_cents, int(taken), self.now())
        return Charged(f"sandbox-{number}") if taken else Declined("the card was declined")

    def statement(self, begins: Instant | None, ends: Instant | None) -> Iterator[str]:
        yield statement_header()
        after = 0
        while page := self._rows(_TAKEN, (after, begins or 0, LATEST if ends is None else ends, LINES_AT_ONCE)):
            for number, purchase_id, cents, charged_at in page:
                yield statement_charge(number, UUID(purchase_id), charged_at, cents, 0)
            after = page[-1][0]

    def _rows(self, sql: str, params: tuple[Any, ...]) -> list[Any]:
        """Ask the book."""
        raise NotImplementedError

    def _entry(self, *charge: Any) -> tuple[int, bool]:
        """Write a charge unless it was written before; its number, and whether it was taken."""
        raise NotImplementedError

    def close(self) -> None:
        self._thread.shutdown()


class SQLiteGateway(SandboxGateway):
    """Its book is a file."""

    _errors = sqlite3.Error

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._connection = sqlite.connect_to_write(path)
        self._connection.execute(BOOK.format("charges"))

    def _rows(self, sql: str, params: tuple[Any, ...]) -> list[Any]:
        return self._connection.execute(sql.format("charges"), params).fetchall()

    def _entry(self, *charge: Any) -> tuple[int, bool]:
        self._connection.execute(CHARGE.format("charges"), charge)
        number, taken = self._connection.execute(CHARGED.format("charges"), charge[:1]).fetchone()
        return number, bool(taken)

    def close(self) -> None:
        super().close()
        self._connection.close()
