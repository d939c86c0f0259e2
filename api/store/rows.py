"""Changes of rows, coalesced over a batch and turned into as few statements as possible."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from operator import itemgetter

from api.store.row_statements import Columns, RowStatement, add, insert, update
from projections.read_model import Add, Change, Table, Update, Value

Params = list[tuple[Value, ...]]


class RowBatch:
    """One row is written once a batch, however many events changed it. ``prefix`` stands before the tables' names."""

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix
        self._inserts: defaultdict[Table, dict[Value, dict[str, Value]]] = defaultdict(dict)
        self._updates: dict[tuple[Table, Value], Update] = {}
        self._adds: dict[tuple[Table, Value], Add] = {}

    def take(self, changes: Iterable[Change]) -> None:
        """Gather changes, in the order of their events."""
        for change in changes:
            if isinstance(change, Update):
                self._update(change)
            elif isinstance(change, Add):
                self._add(change)
            else:
                self._inserts[change.table][change.key] = change.row

    def _update(self, change: Update) -> None:
        row = self._inserts[change.table].get(change.key)
        if row is not None:
            row.update(change.values)
            for column, amount in change.added.items():
                row[column] += amount  # type: ignore[operator]
            return
        gathered = self._updates.setdefault((change.table, change.key), change)
        if gathered is not change:
            _merge(gathered, change)

    def _add(self, change: Add) -> None:
        gathered = self._adds.setdefault((change.table, change.key), change)
        if gathered is not change:
            for column, amount in change.added.items():
                gathered.added[column] += amount

    def statements(self) -> Iterator[tuple[RowStatement, Params]]:
        """Statements with their rows: first the new rows, then what changes in those that were there."""
        for table, rows in self._inserts.items():
            if rows:
                yield _inserting(self._prefix, table), list(map(_values(table), rows.values()))
        by_shape: dict[RowStatement, Params] = {}
        for each in self._updates.values():
            statement = _updating(self._prefix, each.table, tuple(each.values), tuple(each.added))
            by_shape.setdefault(statement, []).append((*each.values.values(), *each.added.values(), each.key))
        for sums in self._adds.values():
            statement = _adding(self._prefix, sums.table, tuple(sums.row), tuple(sums.added))
            by_shape.setdefault(statement, []).append((*sums.row.values(), *sums.added.values()))
        yield from by_shape.items()


def _merge(gathered: Update, later: Update) -> None:
    for column, value in later.values.items():
        gathered.added.pop(column, None)
        gathered.values[column] = value
    for column, amount in later.added.items():
        if column in gathered.values:
            gathered.values[column] += amount  # type: ignore[operator]
        else:
            gathered.added[column] = gathered.added.get(column, 0) + amount


@cache
def _values(table: Table) -> Callable[[dict[str, Value]], tuple[Value, ...]]:
    return itemgetter(*table.columns)


@cache
def _inserting(prefix: str, table: Table) -> RowStatement:
    return insert(prefix + table.name, table.columns)


@cache
def _updating(prefix: str, table: Table, values: tuple[str, ...], added: tuple[str, ...]) -> RowStatement:
    return update(prefix + table.name, _typed(table, (table.key,)), _typed(table, values), added)


@cache
def _adding(prefix: str, table: Table, row: tuple[str, ...], added: tuple[str, ...]) -> RowStatement:
    return add(prefix + table.name, table.key, _typed(table, row), added)


def _typed(table: Table, names: tuple[str, ...]) -> Columns:
    return {name: table.columns[name] for name in names}
