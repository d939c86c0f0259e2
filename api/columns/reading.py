"""Partitions read: each file is held against the manifest, and its events come out stream by stream."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from itertools import pairwise
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from api.columns.manifest import Folder, Manifest, PartitionFile
from api.columns.schema import SCHEMA, footer_of
from api.columns.wrong import WrongPartitions
from domain.catalogue import EVENTS
from projections.columns.buckets import bucket_of
from projections.columns.fold import StreamEvents

_READ = ["position", "stream", "version", "name", "occurred_at", "event"]
_ROWS_AT_ONCE = 20_000
_FOOTERS_AT_ONCE = 8
_ID_BYTES = 16
_DECODERS: dict[str, Callable[[memoryview], Any]] = {
    name: msgspec.json.Decoder(event).decode for name, event in EVENTS.items()
}


class Bucket(NamedTuple):
    """One bucket of partitions, wherever it is read: all of its files, of a log in so many buckets."""

    url: str
    log: str
    number: int
    buckets: int
    files: tuple[PartitionFile, ...]

    @property
    def rows(self) -> int:
        return sum(file.rows for file in self.files)


def buckets_of(folder: Folder, manifest: Manifest) -> list[Bucket]:
    """The buckets that have events, the largest first, so that no process is left with one in the end."""
    files: dict[int, list[PartitionFile]] = {}
    for file in manifest.files:
        files.setdefault(file.bucket, []).append(file)
    url = folder.from_anywhere
    found = (Bucket(url, manifest.log, number, manifest.buckets, tuple(each)) for number, each in files.items())
    return sorted(found, key=lambda bucket: (-bucket.rows, bucket.number))


def check_files(folder: Folder, manifest: Manifest) -> None:
    """Look at the end of every file: is it there, whole, and of this log? Raises WrongPartitions."""
    with ThreadPoolExecutor(_FOOTERS_AT_ONCE) as pool:
        for _ in pool.map(lambda file: _check_file(folder, manifest.log, file), manifest.files):
            pass


def _check_file(folder: Folder, log: str, file: PartitionFile) -> None:
    name, size = f"{folder.url}/{file.path}", file.bytes
    try:
        with folder.files.open(folder.path(file.path), "rb") as opened:
            size = opened.seek(0, 2)
            _check_footer(name, log, file, pq.ParquetFile(opened))
    except FileNotFoundError:
        raise _missing(name) from None
    except (pa.ArrowInvalid, OSError) as error:
        if size < file.bytes:
            raise WrongPartitions(f"{name} is cut short: {size:,} of {file.bytes:,} bytes. Copy it again.") from error
        if isinstance(error, OSError):
            raise folder.unreadable(file.path, error) from error
        raise WrongPartitions(f"{name} is no Parquet file: {error}. Copy it again.") from error
    if size != file.bytes:
        raise WrongPartitions(f"{name} has {size:,} bytes; the manifest says {file.bytes:,}. Copy it again.")


def _missing(name: str) -> WrongPartitions:
    return WrongPartitions(f"{name} is missing; the manifest names it. Copy it again, or export into a new folder.")


def _check_footer(name: str, log: str, file: PartitionFile, opened: Any) -> None:
    told = {key.decode(): value.decode() for key, value in (opened.metadata.metadata or {}).items()}
    right = footer_of(log, file.bucket)
    for key, value in right.items():
        if told.get(key) != value:
            what = key.rpartition(".")[2]
            raise WrongPartitions(f"{name} is of {what} {told.get(key, 'unknown')}; it must be of {what} {value}.")
    if not opened.schema_arrow.equals(SCHEMA):
        raise WrongPartitions(f"{name} has other columns than a partition of form {right['tallyhold.form']}.")
    if opened.metadata.num_rows != file.rows:
        raise WrongPartitions(f"{name} has {opened.metadata.num_rows} events; the manifest says {file.rows}.")


def streams(bucket: Bucket) -> Iterator[StreamEvents]:
    """Every stream of a bucket with all of its events, in order. Raises WrongPartitions."""
    folder = Folder(bucket.url)
    table = _sorted(pa.concat_tables([_read(folder, bucket.log, file) for file in bucket.files]))
    for edges in _slices(table["stream"]):
        yield from _in_slice(folder, bucket, table, edges)


def _slices(keys: pa.ChunkedArray) -> Iterator[list[int]]:
    """Where streams begin and the last one ends, for as many streams at a time as have _ROWS_AT_ONCE events or more."""
    ends = pc.indices_nonzero(pc.not_equal(keys[1:], keys[:-1])).to_pylist()
    edges = [0]
    for last in (*(end + 1 for end in ends), len(keys)):
        edges.append(last)
        if last - edges[0] >= _ROWS_AT_ONCE or last == len(keys):
            yield edges
            edges = [last]


def _in_slice(folder: Folder, bucket: Bucket, whole: pa.Table, edges: list[int]) -> Iterator[StreamEvents]:
    begins = edges[0]
    table = whole.slice(begins, edges[-1] - begins).combine_chunks()
    id_at = _ids(*table["stream"].chunks)
    versions, positions, instants = (_integers(*table[name].chunks) for name in ("version", "position", "occurred_at"))
    events = _events(folder, bucket, table)
    for first, last in pairwise(edge - begins for edge in edges):
        stream = id_at(first)
        if bucket_of(stream, bucket.buckets) != bucket.number:
            where = f"{folder.url}: position {positions[first]} lies in bucket {bucket.number}"
            raise WrongPartitions(f"{where}, where its stream does not belong. Export into a new folder.")
        cut = slice(first, last)
        yield StreamEvents(stream, versions[cut], positions[cut], instants[cut], events[cut])


def _integers(array: pa.Array) -> list[int]:
    """Those of an array without nulls. Arrow's own way makes an object of its own of each number first."""
    numbers: memoryview[int] = memoryview(array.buffers()[1]).cast("i" if array.type == pa.int32() else "q")
    return numbers[array.offset :][: len(array)].tolist()


def _ids(array: pa.FixedSizeBinaryArray) -> Callable[[int], UUID]:
    """The id at a place in an array without nulls."""
    whole = memoryview(array.buffers()[1])[_ID_BYTES * array.offset :]
    return lambda place: msgspec.convert(bytes(whole[_ID_BYTES * place :][:_ID_BYTES]), UUID)


def _byte_strings(array: pa.Array) -> tuple[memoryview, list[int]]:
    """All bytes of an array without nulls, and where each string begins; the last one ends where one more would."""
    _, offsets, data = array.buffers()
    return memoryview(data), memoryview(offsets).cast("i")[array.offset :][: len(array) + 1].tolist()


def _events(folder: Folder, bucket: Bucket, table: pa.Table) -> list[Any]:
    (names,) = table["name"].chunks
    decoders = [_decoder(folder, bucket, name) for name in names.dictionary.to_pylist()]
    whole, edges = _byte_strings(*table["event"].chunks)
    found: list[Any] = []
    try:
        for kind, (first, last) in zip(_integers(names.indices), pairwise(edges), strict=True):
            found.append(decoders[kind](whole[first:last]))
    except msgspec.MsgspecError as error:
        position = table["position"][len(found)]
        raise WrongPartitions(f"{folder.url}: the event at position {position} is wrong: {error}.") from error
    return found


def _read(folder: Folder, log: str, file: PartitionFile) -> pa.Table:
    name = f"{folder.url}/{file.path}"
    try:
        whole = folder.read(file.path)
    except FileNotFoundError:
        raise _missing(name) from None
    if len(whole) < file.bytes:
        raise WrongPartitions(f"{name} is cut short: {len(whole):,} of {file.bytes:,} bytes. Copy it again.")
    if sha256(whole).hexdigest() != file.sha256:
        raise WrongPartitions(f"{name} is not as it was exported: its hash is another one. Copy it again.")
    try:
        opened = pq.ParquetFile(pa.BufferReader(whole))
        _check_footer(name, log, file, opened)
        return opened.read(_READ, use_threads=False)
    except (pa.ArrowInvalid, OSError) as error:
        raise WrongPartitions(f"{name} is no Parquet file: {error}. Copy it again.") from error


def _sorted(table: pa.Table) -> pa.Table:
    """By stream and version. The keys are ids as bytes: an extension type has no order."""
    storage = pa.chunked_array([chunk.storage for chunk in table["stream"].chunks])
    table = table.set_column(table.schema.get_field_index("stream"), "stream", storage).unify_dictionaries()
    return table.take(pc.sort_indices(table, sort_keys=[("stream", "ascending"), ("version", "ascending")]))


def _decoder(folder: Folder, bucket: Bucket, name: str) -> Callable[[memoryview], Any]:
    try:
        return _DECODERS[name]
    except KeyError:
        what = f"{folder.url}, bucket {bucket.number}: this program does not know events {name!r}"
        raise WrongPartitions(f"{what}; use a newer one.") from None
