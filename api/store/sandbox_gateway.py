"""The sandbox's payment gateway. Its book is its own file, never made from the log, so that the two can be compared."""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

from api.service.ports import Charged, Declined
from api.store.sqlite import connect
from domain.times import Instant
from projections.reconcile.statement import statement_charge, statement_header

DECLINED_CENTS = 402
"""A payment whose cents end in 00402 is declined, so that clients can see how that looks."""
_DECLINED_MODULUS = 100_000


LATEST = 2**63 - 1
LINES_AT_ONCE = 500


class SandboxGateway:
    """See Gateway and GatewayBook. Charges once per purchase id; takes every card, and no fee."""

    def __init__(self, path: Path) -> None:
        self.now: Callable[[], Instant] = lambda: time.time_ns() // 1_000_000
        """Its clock; in the sandbox it is the platform's."""
        self._connection = connect(str(path))
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS charges (number INTEGER PRIMARY KEY, purchase_id TEXT NOT NULL UNIQUE, "
            "owner_id TEXT NOT NULL, amount_cents INTEGER NOT NULL, taken INTEGER NOT NULL, "
            "charged_at INTEGER NOT NULL)"
        )
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="gateway")

    async def charge(self, purchase_id: UUID, owner_id: UUID, amount_cents: int) -> Charged | Declined:
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._thread, self._charge, purchase_id, owner_id, amount_cents)
        except sqlite3.Error as error:
            raise OSError(f"The sandbox gateway failed: {error}") from error

    def _charge(self, purchase_id: UUID, owner_id: UUID, amount_cents: int) -> Charged | Declined:
        taken = amount_cents % _DECLINED_MODULUS != DECLINED_CENTS
        self._connection.execute(
            "INSERT INTO charges (purchase_id, owner_id, amount_cents, taken, charged_at) VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT DO NOTHING",
            (str(purchase_id), str(owner_id), amount_cents, taken, self.now()),
        )
        number, taken = self._connection.execute(
            "SELECT number, taken FROM charges WHERE purchase_id = ?", (str(purchase_id),)
        ).fetchone()
        return Charged(f"sandbox-{number}") if taken else Declined("the card was declined")

    def statement(self, begins: Instant | None, ends: Instant | None) -> Iterator[str]:
        yield statement_header()
        after = 0
        while page := self._taken(after, begins or 0, LATEST if ends is None else ends):
            for number, purchase_id, cents, charged_at in page:
                yield statement_charge(number, UUID(purchase_id), charged_at, cents, 0)
            after = page[-1][0]

    def _taken(self, after: int, begins: Instant, ends: Instant) -> list[tuple[int, str, int, Instant]]:
        return self._connection.execute(
            "SELECT number, purchase_id, amount_cents, charged_at FROM charges "
            "WHERE taken AND number > ? AND charged_at >= ? AND charged_at < ? ORDER BY number LIMIT ?",
            (after, begins, ends, LINES_AT_ONCE),
        ).fetchall()

    def close(self) -> None:
        self._thread.shutdown()
        self._connection.close()
