"""What is worked out of the log behind the commands' back, held against what the log says it is."""

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from api.store.audit_index import Whose, index_rows
from api.store.findings import Finding, Row, side_by_side
from api.store.schema import DIGEST
from api.store.sessions import Reader, first
from api.store.sql_digest import PLACES


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
        "{} rows of the audit trail's index do not follow from the log, and it may hide events: "
        "tallyhold rebuild makes it anew.",
    ),
)


class Digested:
    """The same worked out once more, in a file of its own, as the log is read."""

    def __init__(self, reader: Reader, size: int, where: str) -> None:
        self._reader = reader
        self._size = size
        row = first(reader.rows("SELECT position FROM digest"))
        self._said = row[0] if row else None
        self._is_sound = isinstance(self._said, int) and 0 <= self._said <= size
        self._whose = Whose(reader)
        self._made = sqlite3.connect(where, isolation_level=None)
        self._made.execute("PRAGMA synchronous = OFF")
        self._made.execute("BEGIN")
        for statement in DIGEST.values():
            self._made.execute(statement)

    def close(self) -> None:
        self._made.close()

    def take(self, page: Sequence[Any]) -> None:
        """Take in the next events, as SELECT_EVENTS gives them."""
        rows = [row for row in page if self._is_sound and row["position"] <= self._said]
        places = index_rows(self._whose, [(at, stream, topic, state) for stream, _, at, topic, state in rows])
        self._made.executemany(PLACES.one, places)

    def unlike(self) -> Iterator[tuple[int, Finding | None]]:
        """Of each table how many rows were looked at, and what is wrong with them."""
        if not self._is_sound:
            yield (
                0,
                Finding(
                    f"The audit trail's index is said to reach position {self._said}, and the log has {self._size} events: "
                    "tallyhold rebuild makes it anew."
                ),
            )
            return
        for kept in _KEPT:
            rows, wrong = self._compared(kept)
            yield rows, Finding(kept.wrong.format(wrong)) if wrong else None

    def _compared(self, kept: _Kept) -> tuple[int, int]:
        """How many rows there are on either side, and how many of them are unlike."""
        sql = f"SELECT {kept.key}, {kept.value} FROM {kept.name} ORDER BY {kept.key}"
        rows = wrong = 0
        with self._reader.stream(sql) as found:
            theirs: Iterator[Row] = iter(self._made.execute(sql))
            for left, right in side_by_side(map(tuple, found), theirs, slice(2)):
                rows += 1
                wrong += left != right
        return rows, wrong
