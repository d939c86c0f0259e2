"""Events as they are stored, turned into columns a page at a time."""

from array import array
from collections.abc import Iterator, Sequence
from itertools import accumulate
from operator import attrgetter
from typing import Any, TypeAlias
from uuid import UUID

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from api.columns.schema import COLUMNS_OF, SCHEMA
from projections.columns.buckets import bucket_of

StoredRow: TypeAlias = Sequence[Any]
"""Position, stream in hexadecimal digits, version, name, and the stored bytes of the envelope."""

_UUID_BYTES = 16
_BUCKET = "bucket"


class _Envelope(msgspec.Struct, gc=False):
    occurred_at: int
    recorded_at: int
    event: msgspec.Raw


class _Columns(msgspec.Struct, gc=False):
    """The fields of any event that are columns of their own."""

    owner_id: str | None = None
    job_id: str | None = None
    tester_id: str | None = None
    amount_cents: int | None = None
    hold_cents: int | None = None
    held_cents: int | None = None
    released_cents: int | None = None
    payout_cents: int | None = None
    fee_cents: int | None = None
    fee_returned_cents: int | None = None
    credits_cents: int | None = None
    receivable_cents: int | None = None
    difference_cents: int | None = None
    account: str | None = None
    dated_at: int | None = None


_NONE = _Columns()
_envelope = msgspec.json.Decoder(_Envelope).decode
_columns = msgspec.json.Decoder(_Columns).decode


def table_of(rows: Sequence[StoredRow], buckets: int) -> pa.Table:
    """Rows as a table with one column more, the bucket. Raises msgspec.MsgspecError for bytes that are no envelope."""
    positions, streams, versions, names, states = zip(*rows, strict=True)
    envelopes = [_envelope(state) for state in states]
    facts = [
        _columns(one.event) if COLUMNS_OF.get(name, True) else _NONE for name, one in zip(names, envelopes, strict=True)
    ]
    places = {stream: bucket_of(UUID(stream), buckets) for stream in set(streams)}
    columns = {
        "position": pa.array(positions, pa.int64()),
        "stream": _uuids(streams),
        "version": pa.array(versions, pa.int32()),
        "name": pa.array(names, pa.string()).dictionary_encode(),
        "occurred_at": pa.array([one.occurred_at for one in envelopes], pa.int64()),
        "recorded_at": pa.array([one.recorded_at for one in envelopes], pa.int64()),
        "event": _binary([one.event for one in envelopes]),
        _BUCKET: pa.array([places[stream] for stream in streams], pa.int32()),
    }
    present = frozenset().union(*(COLUMNS_OF.get(name, ()) for name in set(names)))
    schema = SCHEMA.append(pa.field(_BUCKET, pa.int32()))
    arrays = [
        columns[field.name] if field.name in columns else _of_facts(facts, field, field.name in present)
        for field in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def _of_facts(facts: Sequence[_Columns], field: pa.Field, is_present: bool) -> pa.Array:
    if not is_present:
        return pa.nulls(len(facts), field.type)
    values = list(map(attrgetter(field.name), facts))
    return _uuids(values) if field.type == pa.uuid() else pa.array(values, field.type)


def _binary(parts: Sequence[msgspec.Raw]) -> pa.Array:
    """Bytes, copied once: Arrow's own way takes objects of Python's, which are copies too."""
    ends = array("i", accumulate(map(len, parts), initial=0))
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(b"".join(parts))]
    return pa.BinaryArray.from_buffers(pa.binary(), len(parts), buffers)


_NO_ID = "0" * 2 * _UUID_BYTES


def _uuids(texts: Sequence[str | None]) -> pa.Array:
    """Ids in hexadecimal digits, with or without hyphens."""
    digits = "".join([text or _NO_ID for text in texts]).replace("-", "")
    ids = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(_UUID_BYTES), len(texts), [None, pa.py_buffer(bytes.fromhex(digits))]
    )
    if None in texts:
        ids = pc.if_else(pa.array([text is not None for text in texts]), ids, pa.scalar(None, ids.type))
    return pa.ExtensionArray.from_storage(pa.uuid(), ids)


def by_bucket(pages: list[pa.Table]) -> Iterator[tuple[int, pa.Table]]:
    """The rows of pages parted by their buckets, each in the order of streams and positions. Takes the pages over."""
    whole = pa.concat_tables(pages).unify_dictionaries().combine_chunks()
    pages.clear()
    (streams,) = whole["stream"].chunks
    keys = pa.table({_BUCKET: whole[_BUCKET], "stream": streams.storage, "position": whole["position"]})
    order = pc.sort_indices(keys, sort_keys=[(name, "ascending") for name in keys.column_names])
    counts = sorted((one["values"], one["counts"]) for one in pc.value_counts(whole[_BUCKET]).to_pylist())
    rows, first = whole.drop_columns([_BUCKET]), 0
    for bucket, count in counts:
        yield bucket, rows.take(order.slice(first, count))
        first += count
