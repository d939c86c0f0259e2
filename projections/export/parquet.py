"""The journal as Parquet: zstd, integers alone for money, written in groups of rows so that memory stays small."""

from collections.abc import Iterable
from itertools import islice
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from projections.export.rows import COLUMNS, row
from projections.reconcile.journal import Posted

ROWS_AT_ONCE = 50_000
_KINDS = {str: pa.string(), int: pa.int64()}
_DECIMALS = "amount"
"""Texts of decimals are for people; here cents are the one form of money."""


def journal_parquet(entries: Iterable[Posted], out: BinaryIO) -> None:
    """Write the journal to a file."""
    kept = [name for name in COLUMNS if name != _DECIMALS]
    schema = pa.schema([(name, _KINDS[COLUMNS[name]]) for name in kept])
    rows = (dict(zip(COLUMNS, row(posted), strict=True)) for posted in entries)
    with pq.ParquetWriter(out, schema, compression="zstd") as writer:
        while page := list(islice(rows, ROWS_AT_ONCE)):
            columns = {name: [one[name] for one in page] for name in kept}
            writer.write_table(pa.Table.from_pydict(columns, schema=schema))
