"""Changes of rows, coalesced over a batch and turned into as few statements as possible."""

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from operator import itemgetter

from projections.read_model import Add, Change, Insert, Table, Update, Value

Params = list[tuple[Value, ...]]


class RowBatch:
    """One row is written once a batch, however many events changed it. ``prefix`` stands before the tables' names."""

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix
        self._inserts: dict[str, tuple[Table, dict[Value, dict[str, Value]]]] = {}
        self._updates: dict[tuple[str, Value], Update] = {}
        self._adds: dict[tuple[str, Value], Add] = {}

    def take(self, changes: Iterable[Change]) -> None:
        """Gather changes, in the order of their events."""
        for change in changes:
            if isinstance(change, Insert):
                _, rows = self._inserts.setdefault(change.table.name, (change.table, {}))
                rows[change.key] = change.row
            elif isinstance(change, Update):
                self._update(change)
            else:
                self._add(change)

    def _update(self, change: Update) -> None:
        name = change.table.name
        _, rows = self._inserts.get(name, (None, {}))
        row = rows.get(change.key)
        if row is not None:
            row.update(change.values)
            for column, amount in change.added.items():
                row[column] += amount  # type: ignore[operator]
            return
        gathered = self._updates.get((name, change.key))
        if gathered is None:
            self._updates[name, change.key] = change
        else:
            _merge(gathered, change)

    def _add(self, change: Add) -> None:
        gathered = self._adds.get((change.table.name, change.key))
        if gathered is None:
            self._adds[change.table.name, change.key] = change
            return
        for column, amount in change.added.items():
            gathered.added[column] += amount

    def statements(self) -> Iterator[tuple[str, Params]]:
        """SQL with its parameters: first the new rows, then what changes in those that were there."""
        for table, rows in self._inserts.values():
            yield _insert_sql(self._prefix, table), [_values(table)(row) for row in rows.values()]
        by_shape: dict[str, Params] = {}
        for update in self._updates.values():
            sql = _update_sql(self._prefix, update.table, tuple(update.values), tuple(update.added))
            by_shape.setdefault(sql, []).append((*update.values.values(), *update.added.values(), update.key))
        for add in self._adds.values():
            sql = _add_sql(self._prefix, add.table, tuple(add.row), tuple(add.added))
            by_shape.setdefault(sql, []).append((*add.row.values(), *add.added.values()))
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
def _insert_sql(prefix: str, table: Table) -> str:
    """A statement that takes a value for every column."""
    return f"INSERT INTO {prefix}{table.name} ({', '.join(table.columns)}) VALUES ({_marks(len(table.columns))})"


@cache
def _update_sql(prefix: str, table: Table, values: tuple[str, ...], added: tuple[str, ...]) -> str:
    sets = [f"{column} = ?" for column in values] + [f"{column} = {column} + ?" for column in added]
    return f"UPDATE {prefix}{table.name} SET {', '.join(sets)} WHERE {table.key} = ?"


@cache
def _add_sql(prefix: str, table: Table, row: tuple[str, ...], added: tuple[str, ...]) -> str:
    columns = (*row, *added)
    sums = ", ".join(f"{column} = {prefix}{table.name}.{column} + excluded.{column}" for column in added)
    return (
        f"INSERT INTO {prefix}{table.name} ({', '.join(columns)}) VALUES ({_marks(len(columns))}) "
        f"ON CONFLICT ({table.key}) DO UPDATE SET {sums}"
    )


def _marks(count: int) -> str:
    return ", ".join("?" * count)
