"""Rows as Parquet: zstd, integers alone for money, written in groups of rows so that memory stays small."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from projections.export.log_rows import COLUMNS as LOG_COLUMNS
from projections.export.rows import COLUMNS, Cell, row
from projections.reconcile.journal import Posted

ROWS_AT_ONCE = 50_000
LETTERS_AT_ONCE = 16 * 1024 * 1024
"""Of the texts of one group: rows can be long."""
_KINDS = {str: pa.string(), int: pa.int64()}
_DECIMALS = "amount"
"""Texts of decimals are for people; here cents are the one form of money."""


def journal_parquet(entries: Iterable[Posted], out: BinaryIO) -> None:
    """Write the journal to a file."""
    at = list(COLUMNS).index(_DECIMALS)
    kept = {name: kind for name, kind in COLUMNS.items() if name != _DECIMALS}
    rows = (row(posted) for posted in entries)
    _write(kept, ((*cells[:at], *cells[at + 1 :]) for cells in rows), out)


def log_parquet(rows: Iterable[Sequence[Cell]], out: BinaryIO) -> None:
    """Write the log's rows to a file."""
    _write(LOG_COLUMNS, rows, out)


def _write(columns: Mapping[str, type], rows: Iterable[Sequence[Cell]], out: BinaryIO) -> None:
    schema = pa.schema([(name, _KINDS[kind]) for name, kind in columns.items()])
    with pq.ParquetWriter(out, schema, compression="zstd") as writer:
        for group in _groups(rows):
            cells = zip(*group, strict=True)
            arrays = [pa.array(column, field.type) for column, field in zip(cells, schema, strict=True)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))


def _groups(rows: Iterable[Sequence[Cell]]) -> Iterator[list[Sequence[Cell]]]:
    """Rows in groups that fit in memory."""
    group: list[Sequence[Cell]] = []
    letters = 0
    for cells in rows:
        group.append(cells)
        letters += sum(len(cell) for cell in cells if isinstance(cell, str))
        if len(group) >= ROWS_AT_ONCE or letters >= LETTERS_AT_ONCE:
            yield group
            group, letters = [], 0
    if group:
        yield group
