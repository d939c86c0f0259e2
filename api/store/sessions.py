"""What the two kinds of database have in common: SQL with ``?`` for its parameters, in a transaction or a snapshot.

The store and the read models are written once against these; all that differs lies in ``sqlite_session`` and
``postgres_session``.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from api.service.ports import StoreFailed
from api.store.row_statements import RowStatement
from projections.read_model import Value


class OutcomeUnknown(StoreFailed):
    """The connection was lost while the database was committing: it may have done so, or not."""


class Session(Protocol):
    """One writing transaction at a time. Raises StoreBusy and StoreFailed."""

    waits: bool
    """Whether begin waits for its turn and a network: it must not be called where others would wait with it."""

    def begin(self, sql: str, then: str = "", params: Sequence[int] = ()) -> tuple[Any, list[Any]]:
        """Lock the head of the log; the row of it that the statement asks for, and the rows of another statement, if
        there is one."""

    def read(self, sql: str, params: Sequence[Any] = ()) -> list[Any]:
        """Rows, as all that was written before in this transaction has left them."""

    def write(self, sql: str, rows: Sequence[Sequence[Value]]) -> None:
        """Run a statement for each of these parameters, now or with the next ones."""

    def put(self, statement: RowStatement, rows: Sequence[Sequence[Value]]) -> None:
        """Write rows of one table, now or with the next ones. No two of them may be the same row."""

    def write_last(self, sql: str, params: Sequence[Any]) -> None:
        """Run a statement that gives one row after all others, now or with the commit, which gives the row."""

    def define(self, statement: str) -> None:
        """Make, rename or drop a table, within the transaction."""

    def hurry(self) -> None:
        """Wait for nobody for long from here to the end of the transaction: others wait for its locks."""

    def send(self) -> None:
        """Have everything written so far, so that what is wrong with it shows."""

    def commit(self) -> Any:
        """Make it durable; the row of the last statement. Raises OutcomeUnknown when nobody can tell whether it is."""

    def rollback(self) -> None:
        """Forget all of it."""

    def close(self) -> None: ...


class Reader(Protocol):
    """Reads of what is committed; rows have their columns by number and by name."""

    def rows(self, sql: str, params: Sequence[Any] = ()) -> list[Any]:
        """All rows."""

    def stream(self, sql: str, params: Sequence[Any] = ()) -> AbstractContextManager[Iterator[Any]]:
        """The rows one after the other, within a snapshot; only those that are looked at are fetched."""

    def snapshot(self) -> AbstractContextManager[None]:
        """Within it all reads see one state of the database."""

    def another(self) -> "Reader":
        """A reader on a connection of its own, for a snapshot that is held for long."""

    def close(self) -> None: ...


def first(rows: Iterable[Any]) -> Any:
    """The first row, null if there is none."""
    return next(iter(rows), None)
