"""The words in which a projection speaks: tables, and changes to their rows."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import msgspec

from domain.recorded import Recorded

ColumnType: TypeAlias = Literal["INTEGER", "TEXT", "BLOB"]
Value: TypeAlias = int | str | bytes | None


@dataclass(frozen=True, slots=True)
class Index:
    """An index on columns; ``where`` keeps out the rows that nobody looks for."""

    columns: tuple[str, ...]
    unique: bool = False
    where: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Rows of a read model. ``key`` is the column by which a change names its row.

    An INTEGER column called ``position`` or ``entry`` grows with the log, so that rows are appended in its order.
    """

    name: str
    key: str
    columns: Mapping[str, ColumnType]
    primary_key: str
    indexes: tuple[Index, ...] = ()


class Insert(msgspec.Struct, gc=False):
    """A new row."""

    table: Table
    key: Value
    row: dict[str, Value]


class Update(msgspec.Struct, gc=False):
    """New values for, and increments of, columns of a row that is there."""

    table: Table
    key: Value
    values: dict[str, Value] = {}
    added: dict[str, int] = {}


class Add(msgspec.Struct, gc=False):
    """Increments of a row's columns, from zero if the row is not there; ``row`` are its other columns."""

    table: Table
    key: Value
    row: dict[str, Value]
    added: dict[str, int]


Change: TypeAlias = Insert | Update | Add
Projector: TypeAlias = Callable[[Recorded[Any]], Iterable[Change]]


@dataclass(frozen=True, slots=True)
class ReadModel:
    """Tables, and for each type of event what it changes in them. A new ``version`` is rebuilt from the log."""

    name: str
    version: int
    tables: Sequence[Table]
    projectors: Mapping[type, Projector]
