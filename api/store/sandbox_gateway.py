"""The sandbox's payment gateway. Its book is its own file, never made from the log, so that the two can be compared."""

import asyncio
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

from api.service.ports import Charged, Declined
from api.store.sqlite import connect

DECLINED_CENTS = 402
"""A payment whose cents end in 00402 is declined, so that clients can see how that looks."""
_DECLINED_MODULUS = 100_000


class SandboxGateway:
    """See Gateway. Charges once per purchase id; takes every card."""

    def __init__(self, path: Path) -> None:
        self._connection = connect(str(path))
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS charges (number INTEGER PRIMARY KEY, purchase_id TEXT NOT NULL UNIQUE, "
            "owner_id TEXT NOT NULL, amount_cents INTEGER NOT NULL, taken INTEGER NOT NULL)"
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
            "INSERT INTO charges (purchase_id, owner_id, amount_cents, taken) VALUES (?, ?, ?, ?) "
            "ON CONFLICT DO NOTHING",
            (str(purchase_id), str(owner_id), amount_cents, taken),
        )
        number, taken = self._connection.execute(
            "SELECT number, taken FROM charges WHERE purchase_id = ?", (str(purchase_id),)
        ).fetchone()
        return Charged(f"sandbox-{number}") if taken else Declined("the card was declined")

    def close(self) -> None:
        self._thread.shutdown()
        self._connection.close()
