"""What is worked out of the log behind the commands' back, held against what the log says it is."""

import sqlite3
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

from api.store.audit_index import Whose
from api.store.findings import Finding, side_by_side
from api.store.schema import DIGEST
from api.store.sessions import Reader, first
from api.store.sql_digest import DIGEST_POSITION, PLACES, TILES, read_tile, worked_out
from api.store.sqlite_session import SQLiteReader


class _Kept(NamedTuple):
    """A table, and what is so where it has other rows than those that follow from the log."""

    name: str
    key: str
    value: str
    wrong: str


_KEPT = (
    _Kept(
        "audit_index",
        "key, block",
        "places",
        "{} rows of the audit trail's index do not follow from the log, and it may hide events. "
        "tallyhold rebuild makes it anew.",
    ),
    _Kept(
        "tiles",
        "level, number",
        "hashes",
        "{} tiles of the hash tree do not follow from the log, and proofs may fail. tallyhold rebuild makes them anew.",
    ),
)


class Digested:
    """The same worked out once more, in a file of its own, as the log is read."""

    def __init__(self, reader: Reader, size: int, where: str) -> None:
        self._reader = reader
        self._size = size
        row = first(reader.rows(DIGEST_POSITION))
        self._said = row[0] if row else None
        self._upto = self._said if isinstance(self._said, int) and 0 <= self._said <= size else None
        self._whose = Whose(reader)
        self._made = sqlite3.connect(where, isolation_level=None)
        self._made.execute("PRAGMA synchronous = OFF")
        self._made.execute("BEGIN")
        for statement in DIGEST.values():
            self._made.execute(statement)
        self._tile = partial(read_tile, SQLiteReader(self._made))

    def close(self) -> None:
        self._made.close()

    def take(self, page: Sequence[Any]) -> None:
        """Take in the next events, as SELECT_EVENTS gives them."""
        rows = [row for row in page if row["position"] <= (self._upto or 0)]
        step = worked_out(page[0]["position"] - 1, rows, self._tile, self._whose)
        self._made.executemany(TILES.one, step.tiles)
        self._made.executemany(PLACES.one, step.places)

    def unlike(self) -> Iterator[tuple[int, Finding | None]]:
        """Of each table how many rows were looked at, and what is wrong with them."""
        if self._upto is None:
            said = f"Audit index and tiles are said to reach position {self._said}; the log has {self._size} events"
            yield 0, Finding(f"{said}. tallyhold rebuild makes them anew.")
            return
        for kept in _KEPT:
            rows, wrong = self._compared(kept)
            yield rows, Finding(kept.wrong.format(wrong)) if wrong else None

    def _compared(self, kept: _Kept) -> tuple[int, int]:
        """How many rows there are on either side, and how many of them are unlike."""
        sql = f"SELECT {kept.key}, {kept.value} FROM {kept.name} ORDER BY {kept.key}"
        rows = wrong = 0
        with self._reader.stream(sql) as found:
            for left, right in side_by_side(map(tuple, found), map(tuple, self._made.execute(sql)), slice(2)):
                rows += 1
                wrong += left != right
        return rows, wrong
