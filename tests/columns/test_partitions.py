"""Partitions: exported once and then only what is new, recomputed twice, and refused with a sentence when spoiled."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from shutil import copy, copytree
from typing import Any

import fsspec
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from api.columns import exporting, reading
from api.columns.checking import check_columns
from api.columns.engines import Engine, FoldBucket
from api.columns.exporting import export_partitions
from api.columns.folding import fold_bucket
from api.columns.manifest import Folder, read_manifest, write_manifest
from api.columns.reading import Bucket
from api.columns.recomputing import Recomputed, Told, recompute
from api.columns.wrong import WrongPartitions
from api.store.stored_log import StoredLog
from domain.ledger.accounts import AccountKind, Side
from domain.ledger.journal import EntryType
from projections.columns.totals import Totals, events
from tests.columns.conftest import buy, export, position, unwatched
from tests.local import Where, database, execute, new_database, query, url_of
from tests.program import failed, tallyhold
from tests.simulation.lives import live_a_year


@contextmanager
def silently(what: str) -> Iterator[Told]:
    yield unwatched


def here(fold: FoldBucket, buckets: list[Bucket]) -> Iterator[tuple[Bucket, Totals]]:
    """An engine without processes."""
    for bucket in buckets:
        yield bucket, fold(bucket)


ENGINE: Engine = here  # type: ignore[assignment]


def recomputed(place: Path | str) -> Recomputed:
    return recompute(str(place), ENGINE, silently)


def refused(place: Path | str) -> str:
    """The sentence with which partitions are refused."""
    with pytest.raises(WrongPartitions) as refusal:
        recomputed(place)
    return str(refusal.value)


def files(place: Path) -> dict[str, bytes]:
    return {str(file.relative_to(place)): file.read_bytes() for file in place.rglob("*.parquet")}


def largest(place: Path) -> Path:
    return max(place.rglob("*.parquet"), key=lambda file: file.stat().st_size)


# What is so of sound ones


def test_the_totals_of_a_year_agree_and_are_all_of_it(year: Where, tmp_path: Path) -> None:
    manifest = export(year, tmp_path / "p")
    made = recomputed(tmp_path / "p")
    assert made.found == ()
    assert events(made.totals) == manifest.position == position(year)
    told: list[tuple[int, int]] = []
    folder = Folder(str(tmp_path / "p"))
    columns = check_columns(folder, manifest, lambda done, total: told.append((done, total)))
    assert columns == made.totals
    assert told[-1] == (manifest.position, manifest.position)


def test_what_is_exported_in_steps_is_what_is_exported_at_once(tmp_path: Path, where: Where) -> None:
    live_a_year(where, 3, 60)
    export(where, tmp_path / "steps")
    before = files(tmp_path / "steps")
    for times in (1, 5):
        buy(where, times)
        export(where, tmp_path / "steps")
    assert export(where, tmp_path / "steps").position == position(where)
    after = files(tmp_path / "steps")
    assert before.items() < after.items(), "what was exported once is never touched again"
    export(where, tmp_path / "once")
    assert recomputed(tmp_path / "steps").totals == recomputed(tmp_path / "once").totals
    assert recomputed(tmp_path / "steps").found == ()


def test_the_rows_are_the_log(file_of_a_year: Path, partitions: Path) -> None:
    table = pa.concat_tables([pq.ParquetFile(file).read() for file in sorted(partitions.rglob("*.parquet"))])
    rows = {row["position"]: row for row in table.to_pylist()}
    stored = query(
        file_of_a_year, "SELECT position, originator_id, originator_version, topic, state FROM stored_events"
    )
    assert set(rows) == {one[0] for one in stored}
    for number, stream, version, name, state in stored:
        row, envelope = rows[number], json.loads(state)
        assert (row["stream"].hex, row["version"], row["name"]) == (stream, version, name)
        assert (row["occurred_at"], row["recorded_at"]) == (envelope["occurred_at"], envelope["recorded_at"])
        assert json.loads(row["event"]) == envelope["event"]
        for column in ("owner_id", "job_id", "tester_id", "amount_cents", "hold_cents", "payout_cents", "fee_cents"):
            told = row[column] if row[column] is None or column.endswith("cents") else str(row[column])
            assert told == envelope["event"].get(column), (column, envelope)


def test_several_processes_write_what_one_writes(
    file_of_a_year: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export(file_of_a_year, tmp_path / "one")
    monkeypatch.setattr(exporting, "ALONE_ROWS", 200)
    told: list[tuple[int, int]] = []
    source = StoredLog(database(file_of_a_year).reader_elsewhere)
    manifest = export_partitions(source, str(tmp_path / "two"), lambda *done: told.append(done), processes=2)
    assert len({file.first for file in manifest.files}) == 2
    assert told[-1] == (manifest.position, manifest.position)
    assert recomputed(tmp_path / "two") == Recomputed(manifest, recomputed(tmp_path / "one").totals, ())


@pytest.mark.parametrize("rows", [1, 7, 100])
def test_pages_groups_and_slices_of_any_size_give_the_same(
    file_of_a_year: Path, partitions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    monkeypatch.setattr(exporting, "PAGE_ROWS", 100)
    monkeypatch.setattr(exporting, "GROUP_ROWS", 10 * rows)
    monkeypatch.setattr(reading, "_ROWS_AT_ONCE", rows)
    export(file_of_a_year, tmp_path / "p")
    assert recomputed(tmp_path / "p").totals == recomputed(partitions).totals


def test_any_url_will_do(file_of_a_year: Path, partitions: Path) -> None:
    place = "memory://books/of/october"
    try:
        export(file_of_a_year, place)
        made = recomputed(place)
        assert made.found == ()
        assert made.totals == recomputed(partitions).totals == recomputed(f"file://{partitions}").totals
    finally:
        fsspec.filesystem("memory").rm("/books", recursive=True)


# While the log grows


def test_a_log_that_grows_during_an_export_is_exported_up_to_where_it_began(where: Where, tmp_path: Path) -> None:
    live_a_year(where, 3, 60)
    began = position(where)
    grown: list[int] = []

    def grow(done: int, total: int) -> None:
        if not grown:
            buy(where, 3)
            grown.append(position(where))

    manifest = export_partitions(StoredLog(database(where).reader_elsewhere), str(tmp_path / "p"), grow)
    assert grown[0] > began == manifest.position == events(recomputed(tmp_path / "p").totals)


def test_what_is_exported_during_a_run_does_not_count_in_it(tmp_path: Path, where: Where) -> None:
    live_a_year(where, 3, 60)
    began = export(where, tmp_path / "p").position

    @contextmanager
    def growing(what: str) -> Iterator[Told]:
        buy(where, 2)
        export(where, tmp_path / "p")
        yield unwatched

    made = recompute(str(tmp_path / "p"), ENGINE, growing)
    assert made.found == ()
    assert events(made.totals) == made.manifest.position == began < position(where)


# What is spoiled


def test_no_partitions(tmp_path: Path) -> None:
    assert "There are no partitions at" in refused(tmp_path)
    assert "no manifest.json" in refused(tmp_path)
    assert "cannot be used" in refused("nowhere://at/all")


def test_a_file_that_is_cut_short_is_named(partitions: Path) -> None:
    file = largest(partitions)
    whole = file.read_bytes()
    for length in (len(whole) - 1, len(whole) // 2, 4, 0):
        file.write_bytes(whole[:length])
        assert refused(partitions) == (f"{file} is cut short: {length:,} of {len(whole):,} bytes. Copy it again.")


def test_a_file_that_is_missing_is_named(partitions: Path) -> None:
    file = largest(partitions)
    file.unlink()
    assert refused(partitions).startswith(f"{file} is missing")


def test_a_changed_byte_is_found_and_its_file_named(partitions: Path) -> None:
    file = largest(partitions)
    whole = bytearray(file.read_bytes())
    whole[len(whole) // 3] ^= 1
    file.write_bytes(whole)
    manifest = read_manifest(Folder(str(partitions)))
    (bucket,) = (
        one for one in reading.buckets_of(Folder(str(partitions)), manifest) if f"bucket={one.number:04d}" in str(file)
    )
    with pytest.raises(WrongPartitions, match=re.escape(f"{file} is not as it was exported")):
        fold_bucket(bucket)


def test_a_partition_of_another_log_is_named(partitions: Path, tmp_path: Path) -> None:
    new_database(tmp_path / "other.sqlite")
    live_a_year(tmp_path / "other.sqlite", 8, 200)
    other = export(tmp_path / "other.sqlite", tmp_path / "other")
    theirs = next(one for one in (tmp_path / "other").rglob("*.parquet") if (partitions / one.parent.name).exists())
    (file,) = (partitions / theirs.parent.name).iterdir()
    copy(theirs, file)
    log = read_manifest(Folder(str(partitions))).log
    assert refused(partitions) == f"{file} is of log {other.log}; it must be of log {log}."


def test_a_partition_of_another_bucket_is_named(partitions: Path) -> None:
    file = largest(partitions)
    copy(next(one for one in partitions.rglob("*.parquet") if one.parent != file.parent), file)
    assert refused(partitions).startswith(f"{file} is of bucket ")


def test_what_is_no_partition_is_named(partitions: Path) -> None:
    file = largest(partitions)
    file.write_bytes(b"x" * file.stat().st_size)
    assert refused(partitions).startswith(f"{file} is no Parquet file")
    pq.write_table(pa.table({"position": [1]}), file)
    assert refused(partitions).startswith(f"{file} is of form unknown")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "is no manifest"),
        ("[]", "is of form None; this program reads form 1"),
        ('{"form": 2}', "is of form 2; this program reads form 1"),
        ('{"form": 1}', "is no manifest: Object missing required field"),
    ],
)
def test_a_manifest_that_is_none(partitions: Path, content: str, words: str) -> None:
    (partitions / "manifest.json").write_text(content)
    assert words in refused(partitions)


def test_a_manifest_that_lacks_a_file(partitions: Path) -> None:
    folder = Folder(str(partitions))
    manifest = read_manifest(folder)
    write_manifest(folder, msgspec.structs.replace(manifest, files=manifest.files[1:]))
    assert "names files of" in refused(partitions)


def rewritten(place: Path, file: Path, change: Any) -> None:
    """A file with other rows, and a manifest that vouches for it."""
    opened = pq.ParquetFile(file)
    table = change(opened.read()).cast(opened.schema_arrow)
    pq.write_table(table.replace_schema_metadata(opened.schema_arrow.metadata), file, compression="zstd")
    folder, content = Folder(str(place)), file.read_bytes()
    manifest = read_manifest(folder)
    write_manifest(folder, msgspec.structs.replace(manifest, files=tuple(
        msgspec.structs.replace(one, bytes=len(content), sha256=sha256(content).hexdigest(), rows=len(table))
        if file == place / one.path
        else one
        for one in manifest.files
    )))  # fmt: skip


def a_cent_more(name: str, column: str) -> Any:
    """In the first event of a name that has any."""

    def change(table: pa.Table) -> pa.Table:
        cents = table[column].to_pylist()
        names = table["name"].to_pylist()
        cents[next(n for n, one in enumerate(cents) if one and names[n] == name)] += 1
        return table.set_column(table.schema.get_field_index(column), column, pa.array(cents, pa.int64()))

    return change


def file_with(place: Path, name: str, column: str = "position") -> Path:
    """The first file with an event of a name that has something in a column."""
    for file in sorted(place.rglob("*.parquet")):
        rows = pq.ParquetFile(file).read(["name", column]).to_pylist()
        if any(row[column] and row["name"] == name for row in rows):
            return file
    raise LookupError(name)


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("credits.purchase_completed", "amount_cents"),
        ("credits.held", "amount_cents"),
        ("credits.released", "amount_cents"),
        ("credits.charged_back", "credits_cents"),
        ("job.created", "hold_cents"),
        ("job.settled", "released_cents"),
        ("job.payout_granted", "payout_cents"),
        ("job.refunded", "fee_cents"),
        ("wallet.withdrawn", "amount_cents"),
        ("books.gateway_line_booked", "fee_cents"),
        ("books.adjusted", "difference_cents"),
    ],
)
def test_one_cent_in_a_column_is_found(partitions: Path, name: str, column: str) -> None:
    rewritten(partitions, file_with(partitions, name, column), a_cent_more(name, column))
    found = recomputed(partitions).found
    assert found
    assert {one.left for one in found} == {"by the rules"}
    assert {one.right_number - one.left_number for one in found} <= {1, -1}


def test_one_cent_in_an_event_is_found(partitions: Path) -> None:
    def change(table: pa.Table) -> pa.Table:
        events = table["event"].to_pylist()
        first = next(n for n, one in enumerate(events) if b'"hold_cents":' in one and b'"terms"' in one)
        events[first] = re.sub(rb'"hold_cents":\d+', b'"hold_cents":9999999', events[first])
        return table.set_column(table.schema.get_field_index("event"), "event", pa.array(events, pa.binary()))

    rewritten(partitions, file_with(partitions, "job.created"), change)
    assert any(one.name.startswith("balance owner:escrow") for one in recomputed(partitions).found)


def test_an_event_that_is_missing_is_named_by_what_follows(partitions: Path) -> None:
    file = largest(partitions)
    versions = pq.ParquetFile(file).read(["version"])["version"].to_pylist()
    second = next(n for n, version in enumerate(versions) if version == 3) - 1

    def change(table: pa.Table) -> pa.Table:
        return pa.concat_tables([table[:second], table[second + 1 : second + 2], table[second + 1 :]])

    rewritten(partitions, file, change)
    assert re.search(r"bucket \d+: position \d+ is version 3 of stream .* and must be 2", refused(partitions))


def test_an_event_of_no_known_form(partitions: Path) -> None:
    def change(table: pa.Table) -> pa.Table:
        return table.set_column(
            table.schema.get_field_index("event"), "event", pa.array([b"{"] * len(table), pa.binary())
        )

    rewritten(partitions, largest(partitions), change)
    assert re.search(r"the event at position \d+ is wrong", refused(partitions))


def test_a_stream_in_a_bucket_that_is_not_its_own(partitions: Path) -> None:
    manifest = read_manifest(Folder(str(partitions)))
    write_manifest(Folder(str(partitions)), msgspec.structs.replace(manifest, buckets=63))
    assert re.search(r"position \d+ lies in bucket \d+, where its stream does not belong", refused(partitions))


# What is not exported


def refused_export(where: Where, place: Path) -> str:
    with pytest.raises(WrongPartitions) as refusal:
        export(where, place)
    return str(refusal.value)


def test_partitions_of_another_log_are_not_gone_on_from(partitions: Path, where: Where) -> None:
    before = files(partitions)
    live_a_year(where, 3, 30)
    assert "has partitions of the log tallyhold/" in refused_export(where, partitions)
    assert files(partitions) == before


def test_partitions_of_another_history_are_not_gone_on_from(where: Where, tmp_path: Path) -> None:
    live_a_year(where, 3, 30)
    last = export(where, tmp_path / "p").position
    execute(where, "UPDATE stored_events SET originator_version = originator_version + 1 WHERE position = ?", last)
    assert f"the log has another event at position {last}" in refused_export(where, tmp_path / "p")


def test_an_empty_log_and_one_with_a_gap(where: Where, tmp_path: Path) -> None:
    database(where).log().close()
    assert "the log is empty" in refused_export(where, tmp_path / "p")
    live_a_year(where, 3, 30)
    for gone in (position(where), 7):
        if gone == 7:
            execute(where, "UPDATE head SET position = position - 1")
        execute(where, "DELETE FROM stored_events WHERE position = ?", gone)
        assert f"no event at position {gone}: call tallyhold verify" in refused_export(where, tmp_path / "p")
    assert not list((tmp_path / "p").rglob("*.parquet")), "nothing is left of what failed"


def test_two_exports_at_once_do_not_both_count(file_of_a_year: Path, tmp_path: Path) -> None:
    def meanwhile(done: int, total: int) -> None:
        if not (tmp_path / "p" / "manifest.json").exists():
            copytree(tmp_path / "other", tmp_path / "p", dirs_exist_ok=True)

    export(file_of_a_year, tmp_path / "other")
    with pytest.raises(WrongPartitions, match="Somebody else has exported"):
        export_partitions(StoredLog(database(file_of_a_year).reader_elsewhere), str(tmp_path / "p"), meanwhile)


def test_where_nothing_can_be_written(file_of_a_year: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "file/manifest.json cannot be read" in refused_export(file_of_a_year, tmp_path / "file")
    (tmp_path / "p").mkdir()
    for bucket in range(exporting.BUCKETS):
        (tmp_path / "p" / f"bucket={bucket:04d}").write_text("")
    assert re.search(r"/p cannot be written: .*\.$", refused_export(file_of_a_year, tmp_path / "p"))


# As people use it


def test_from_the_command_line(file_of_a_year: Path, tmp_path: Path) -> None:
    place = str(tmp_path / "p")
    made = tallyhold("export", "partitions", "--out", place, "--db", url_of(file_of_a_year))
    assert made.returncode == 0, made.stderr
    assert made.stdout.startswith(f"{place} has {position(file_of_a_year)} events of tallyhold/")
    told = tallyhold("reconcile-partitions", place, "--json")
    assert told.returncode == 0, told.stderr
    document = json.loads(told.stdout)
    assert document["agrees"]
    assert document["counts"]["events"] == document["log"]["position"] == position(file_of_a_year)
    sides = dict.fromkeys(Side, 0)
    for row in document["kinds"]:
        sides[AccountKind(row["kind"]).normal_side] += row["closingCents"]
    assert sides[Side.DEBIT] == sides[Side.CREDIT] > 0
    assert {row["type"] for row in document["months"]} == set(EntryType)


def test_from_the_command_line_what_differs_is_told(partitions: Path) -> None:
    change = a_cent_more("job.created", "hold_cents")
    rewritten(partitions, file_with(partitions, "job.created"), change)
    outcome = tallyhold("reconcile-partitions", str(partitions))
    assert outcome.returncode == 1
    assert re.search(r"^cents escrow_hold \d{4}-\d\d: by the rules \d+, by the columns \d+$", outcome.stdout, re.M)
    assert outcome.stdout.endswith(" totals differ\n")
    largest(partitions).unlink()
    failed(tallyhold("reconcile-partitions", str(partitions)), 1, "is missing")
    failed(tallyhold("reconcile-partitions", str(partitions), "--engine", "dask"), 2, "--scheduler")
