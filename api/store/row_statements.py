"""Statements that write many rows of one table, each in two forms: for one row after the other, and for all at once."""

from collections.abc import Mapping
from dataclasses import dataclass

from projections.read_model import ColumnType

Columns = Mapping[str, ColumnType]


@dataclass(frozen=True, slots=True, eq=False)
class RowStatement:
    """Takes rows whose values have these ``types``, in the order of the marks of ``one``.

    ``one`` has a mark for each value of a row. ``many`` has a mark for each column, for an array of its values, and is
    in PostgreSQL's words: there every statement that is run costs more than the row that it writes.
    """

    types: tuple[ColumnType, ...]
    one: str
    many: str


def insert(table: str, columns: Columns, then: str = "") -> RowStatement:
    """New rows; ``then`` says what to do with those that are there already."""
    names, marks = ", ".join(columns), ", ".join("?" * len(columns))
    into = f"INSERT INTO {table} ({names})"
    return RowStatement(
        tuple(columns.values()),
        f"{into} VALUES ({marks}) {then}".rstrip(),
        f"{into} SELECT * FROM unnest({marks}) {then}".rstrip(),
    )


def add(table: str, key: str, row: Columns, added: tuple[str, ...]) -> RowStatement:
    """New rows, or increments of columns in those that are there."""
    sums = ", ".join(f"{column} = {table}.{column} + excluded.{column}" for column in added)
    columns: Columns = {**row, **dict.fromkeys(added, "INTEGER")}
    return insert(table, columns, f"ON CONFLICT ({key}) DO UPDATE SET {sums}")


def update(table: str, key: Columns, values: Columns, added: tuple[str, ...]) -> RowStatement:
    """New values for, and increments of, columns of rows that are there; the one column of the key is the last."""
    (named,) = key
    columns: Columns = {**values, **dict.fromkeys(added, "INTEGER"), **key}
    one = [f"{column} = ?" for column in values] + [f"{column} = {column} + ?" for column in added]
    many = [f"{column} = new.{column}" for column in values]
    many += [f"{column} = {table}.{column} + new.{column}" for column in added]
    rows = f"unnest({', '.join('?' * len(columns))}) AS new ({', '.join(columns)})"
    return RowStatement(
        tuple(columns.values()),
        f"UPDATE {table} SET {', '.join(one)} WHERE {named} = ?",
        f"UPDATE {table} SET {', '.join(many)} FROM {rows} WHERE {table}.{named} = new.{named}",
    )
