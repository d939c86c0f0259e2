"""Statements that write many rows of one table, each in two forms: for one row after the other, and for all at once."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, eq=False)
class RowStatement:
    """Takes rows whose values come in the order of ``columns``.

    ``one`` has a mark for each value of a row. ``many`` has one mark, for a JSON array of rows as objects, and is in
    PostgreSQL's words: there every statement that is run costs more than the row that it writes.
    """

    columns: tuple[str, ...]
    one: str
    many: str


def insert(table: str, columns: Iterable[str], then: str = "") -> RowStatement:
    """New rows; ``then`` says what to do with those that are there already."""
    columns = tuple(columns)
    names = ", ".join(columns)
    return RowStatement(
        columns,
        f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(columns))}) {then}".rstrip(),
        f"INSERT INTO {table} ({names}) SELECT {names} FROM {_rows(table)} {then}".rstrip(),
    )


def add(table: str, key: str, row: tuple[str, ...], added: tuple[str, ...]) -> RowStatement:
    """New rows, or increments of columns in those that are there."""
    sums = ", ".join(f"{column} = {table}.{column} + excluded.{column}" for column in added)
    return insert(table, (*row, *added), f"ON CONFLICT ({key}) DO UPDATE SET {sums}")


def update(table: str, key: str, values: tuple[str, ...], added: tuple[str, ...]) -> RowStatement:
    """New values for, and increments of, columns of rows that are there; the key is the last column."""
    one = [f"{column} = ?" for column in values] + [f"{column} = {column} + ?" for column in added]
    many = [f"{column} = new.{column}" for column in values]
    many += [f"{column} = {table}.{column} + new.{column}" for column in added]
    return RowStatement(
        (*values, *added, key),
        f"UPDATE {table} SET {', '.join(one)} WHERE {key} = ?",
        f"UPDATE {table} SET {', '.join(many)} FROM {_rows(table)} AS new WHERE {table}.{key} = new.{key}",
    )


def _rows(table: str) -> str:
    return f"json_populate_recordset(NULL::{table}, ?)"
