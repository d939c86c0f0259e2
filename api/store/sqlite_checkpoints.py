"""SQLite's checkpoints, made beside the commits: a commit that makes one itself keeps everybody waiting for it.

A checkpoint copies pages from the write-ahead log into the database's file and flushes it: a tenth of a second for
some megabytes. Most of it is done in a thread while commits go on. What they add meanwhile is little; the committing
connection copies that rest itself, so that the log is copied whole and the next commit begins it anew. Otherwise it
would grow for as long as commands come.
"""

import sqlite3
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress

ROWS = 8_000
"""Written by commands before the log is copied: it then has some times as many pages. The same pages change in every
batch, and are copied once.
"""
DIGEST_ROWS = 8 * ROWS
"""Written by the digest: when it writes beside the commands, theirs come first."""
PASSES = 2
"""The second one copies what came during the first."""


class Checkpointer:
    """Makes checkpoints for one committing connection, which tells how much it has written.

    One that fails leaves the log as it was, and what it holds is as durable as before: the next one copies it.
    """

    def __init__(self, committing: sqlite3.Connection, connect: Callable[[], sqlite3.Connection], rows: int) -> None:
        """After so many ``rows`` a checkpoint is made."""
        self._rows = rows
        self._committing = committing
        self._connect = connect
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._copying: Future[None] | None = None
        self._written = 0

    def committed(self, rows: int) -> None:
        """After each commit, with the number of rows that it wrote."""
        self._written += rows
        if self._copying is None:
            if self._written >= self._rows:
                self._written = 0
                self._copying = self._thread.submit(self._copy)
        elif self._copying.done():
            self._copying = None
            _checkpoint(self._committing)

    def close(self) -> None:
        """Return when the thread has ended."""
        self._thread.shutdown()

    def _copy(self) -> None:
        with suppress(sqlite3.Error), closing(self._connect()) as connection:
            for _ in range(PASSES):
                _checkpoint(connection)


def _checkpoint(connection: sqlite3.Connection) -> None:
    """Copy what can be copied without waiting for anybody."""
    with suppress(sqlite3.Error):
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
