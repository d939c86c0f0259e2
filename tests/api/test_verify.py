"""Nobody changes the log, its hashes or the read models without being found, and the place is named."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from uuid import UUID

import pytest

from api.evidence import tree
from api.evidence.notes import Checkpoint, new_signing_key
from api.evidence.tiles import WIDTH
from api.service.evidence import Evidence
from api.service.portable_proof import prove_job
from api.service.refusals import Unavailable
from api.store.application import NotOurs
from api.store.checkpoint_files import CheckpointFiles
from api.store.findings import Finding
from api.store.rebuild import digest_anew, rebuild
from api.store.schema import DIGEST
from api.store.verify import Verdict, verify
from projections.replay import TABLES
from tests.local import (
    Where,
    a_digest,
    audit_of,
    database,
    everything,
    execute,
    new_database,
    opened,
    query,
    run,
    tables,
    work_through,
)
from tests.postgres import a_database
from tests.simulation.books import File
from tests.simulation.living import live
from tests.simulation.outside import settle_and_close

HALF = 200
"""Where an earlier checkpoint was signed."""


def checkpoint(path: Where, size: int | None = None) -> Checkpoint:
    """What would be signed now, or when the log had this size."""
    with closing(a_digest(path)) as digest:
        origin, whole, root = digest.head()
    if size is None:
        return Checkpoint(origin, whole, root)
    leaves = [leaf(one) for one in query(path, f"{EVENTS} LIMIT {size}")]
    return Checkpoint(origin, size, tree.root(tree.append(0, b"", leaves)))


EVENTS = "SELECT originator_id, originator_version, topic, state FROM stored_events ORDER BY position"


def leaf(row: tuple[object, ...]) -> bytes:
    stream, version, topic, state = row
    assert isinstance(version, int)
    assert isinstance(state, bytes)
    return tree.leaf_bytes(UUID(str(stream)), version, str(topic), state)


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A file with a long random life in it; the tiles are those of all but the last events."""
    path = tmp_path_factory.mktemp("lived") / "tallyhold.sqlite"
    live(path, 420, in_the_end=settle_and_close)
    digest(path)
    return path.read_bytes()


@pytest.fixture(scope="module")
def lived_on_postgres(postgres_server: str) -> Iterator[str]:
    """The same on the other store."""
    with a_database(postgres_server) as url:
        live(url, 420, in_the_end=settle_and_close)
        digest(url)
        yield url


@pytest.fixture
def path(tmp_path: Path, lived: bytes) -> Iterator[Path]:
    path = tmp_path / "tallyhold.sqlite"
    path.write_bytes(lived)
    yield path


@pytest.fixture(params=["sqlite", "postgres"])
def anywhere(request: pytest.FixtureRequest) -> Iterator[Where]:
    """A copy of it on each store."""
    if request.param == "sqlite":
        yield request.getfixturevalue("path")
        return
    server: str = request.getfixturevalue("postgres_server")
    with a_database(server, copy_of=request.getfixturevalue("lived_on_postgres")) as url:
        yield url


def digest(path: Where) -> None:
    with closing(a_digest(path)) as digest:
        work_through(digest)


def size_of(path: Where) -> int:
    size: int = query(path, "SELECT position FROM head")[0][0]
    return size


def verdict(path: Where, *checkpoints: Checkpoint) -> Verdict:
    before = held(path)
    found = verify(database(path), checkpoints, lambda done, total: None)
    assert held(path) == before, "looking changed it"
    return found


def held(path: Where) -> object:
    return path.read_bytes() if isinstance(path, Path) else everything(path)


def first(path: Where, *checkpoints: Checkpoint) -> Finding:
    return verdict(path, *checkpoints).findings[0]


def written_anew(path: Path) -> None:
    """What somebody does who knows everything: hashes, head and tiles are made to fit."""
    leaves = [leaf(row) for row in query(path, EVENTS)]
    peaks = tree.append(0, b"", leaves)
    execute(path, "UPDATE head SET position = ?, peaks = ?", len(leaves), peaks)
    begin_digest_anew(path)
    digest(path)


def begin_digest_anew(path: Path) -> None:
    """As before anything was worked out."""
    for table in DIGEST:
        execute(path, f"DELETE FROM {table}")
    execute(path, "UPDATE digest SET position = 0")


def test_a_log_that_nobody_touched_is_sound(path: Path) -> None:
    found = verdict(path, checkpoint(path), checkpoint(path, HALF), checkpoint(path, 0))
    file = File(path)
    assert found.findings == []
    assert (found.events, found.root, found.checkpoints) == (size_of(path), tree.root(file.head["peaks"]), 3)
    digested = sum(query(path, f"SELECT count(*) FROM {table}")[0][0] for table in DIGEST)
    assert found.rows == sum(map(len, tables(path).values())) + digested
    assert size_of(path) > WIDTH + HALF


def test_a_sound_log_is_verified_beside_a_writer_and_however_far_the_tiles_are(path: Path) -> None:
    begin_digest_anew(path)
    with closing(a_digest(path)) as digest:
        step = digest.next_step()
        assert step is not None
        digest.keep(step)
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        assert verdict(path).findings == []
        writer.execute("ROLLBACK")


def test_an_index_that_leads_elsewhere_is_found(path: Path) -> None:
    """What every row says is true, but nobody who looks for this owner's jobs finds them."""
    name, whole = query(path, "SELECT name, sql FROM sqlite_master WHERE sql LIKE '%ON jobs (owner_id, position)%'")[0]
    (owner,) = query(path, "SELECT owner_id FROM jobs LIMIT 1")[0]
    execute(path, "UPDATE jobs SET owner_id = 'nobody' WHERE owner_id = ?", owner)
    redefine(path, str(name), f"{whole} WHERE owner_id = 'somebody'")
    execute(path, "UPDATE jobs SET owner_id = ? WHERE owner_id = 'nobody'", owner)
    redefine(path, str(name), str(whole))
    assert f"missing from index {name}" in first(path).sentence


def redefine(path: Path, index: str, sql: str) -> None:
    """Say that an index is another one, and leave what is in it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_master SET sql = ? WHERE name = ?", (sql, index))


FALSE_INDEXES = [
    "UPDATE audit_index SET places = 0",
    "UPDATE audit_index SET places = places + 1 WHERE block = (SELECT max(block) FROM audit_index)",
    "DELETE FROM audit_index",
    "DELETE FROM audit_index WHERE block = 7",
    "INSERT INTO audit_index VALUES (5, 0, 1)",
]


@pytest.mark.parametrize("change", FALSE_INDEXES)
def test_an_audit_index_that_hides_events_is_found_and_can_be_made_anew(anywhere: Where, change: str) -> None:
    execute(anywhere, change)
    (finding,) = verdict(anywhere).findings
    assert "rows of the audit trail's index do not follow from the log" in finding.sentence
    assert finding.position is None
    check_made_anew(anywhere)


FALSE_TILES = [
    "DELETE FROM tiles",
    "DELETE FROM tiles WHERE level = 1",
    "DELETE FROM tiles WHERE level = 0 AND number = 0",
    "UPDATE tiles SET hashes = substr(hashes, 1, 320) WHERE number = 1",
    "INSERT INTO tiles SELECT 0, 99, hashes FROM tiles WHERE level = 1",
]


@pytest.mark.parametrize("change", FALSE_TILES)
def test_tiles_that_are_missing_or_cut_short_are_found_and_can_be_made_anew(anywhere: Where, change: str) -> None:
    execute(anywhere, change)
    check_tiles_are_found(anywhere)


def _fills_a_disk(*_: object) -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("PRAGMA max_page_count = 1")
        connection.execute("CREATE TABLE no_room (row)")


@pytest.mark.parametrize("writes", ["api.store.replayed.RowBatch.take", "api.store.verify.Digested.take"])
def test_where_temporary_files_have_no_room_is_told(
    anywhere: Where, writes: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writes, _fills_a_disk)
    with pytest.raises(NotOurs, match="has no room for a replay"):
        verify(database(anywhere), [], lambda done, total: None)


@pytest.mark.parametrize("level", [0, 1])
def test_tiles_that_were_altered_accuse_no_event(anywhere: Where, level: int) -> None:
    hashes = query(anywhere, "SELECT hashes FROM tiles WHERE level = ? AND number = 0", level)[0][0]
    altered = bytes([hashes[0] ^ 1, *hashes[1:]])
    execute(anywhere, "UPDATE tiles SET hashes = ? WHERE level = ? AND number = 0", altered, level)
    check_tiles_are_found(anywhere)


def test_a_proof_that_needs_a_tile_which_is_missing_is_refused(anywhere: Where, tmp_path: Path) -> None:
    """The checkpoint's root can be told without it, and the proof has begun by then."""
    (job,) = query(anywhere, "SELECT job_id FROM jobs ORDER BY position LIMIT 1")[0]
    execute(anywhere, "DELETE FROM tiles WHERE level = 0 AND number = 0")
    with closing(a_digest(anywhere)) as digest, audit_of(anywhere) as audit:
        evidence = Evidence(digest, new_signing_key("key"), CheckpointFiles(tmp_path / "checkpoints"))
        size, pieces = run(prove_job(evidence, audit, UUID(str(job))))
        evidence.close()
        assert size == size_of(anywhere)
        with pytest.raises(Unavailable, match="does not have the hashes"):
            list(pieces)


def test_no_proof_is_given_under_a_root_that_is_not_the_logs(anywhere: Where, tmp_path: Path) -> None:
    hashes = query(anywhere, "SELECT hashes FROM tiles WHERE level = 1 AND number = 0")[0][0]
    altered = bytes([hashes[0] ^ 1, *hashes[1:]])
    execute(anywhere, "UPDATE tiles SET hashes = ? WHERE level = 1 AND number = 0", altered)
    size = size_of(anywhere)
    with closing(a_digest(anywhere)) as digest:
        evidence = Evidence(digest, new_signing_key("key"), CheckpointFiles(tmp_path / "checkpoints"))
        for asked in (evidence.inclusion(size, None), evidence.inclusion(1, 1), evidence.consistency(1, size)):
            with pytest.raises(Unavailable, match="does not have the hashes"):
                run(asked)
        evidence.close()


def check_tiles_are_found(path: Where) -> None:
    (finding,) = verdict(path).findings
    assert "tiles of the hash tree do not follow from the log" in finding.sentence
    assert finding.position is None
    check_made_anew(path)


@pytest.mark.parametrize("change", ["DELETE FROM digest", "UPDATE digest SET position = 5000"])
def test_index_and_tiles_that_are_said_to_reach_further_than_the_log_are_found_and_can_be_made_anew(
    anywhere: Where, change: str
) -> None:
    """The trail would show no event from there back to the log's end, nor any that comes."""
    execute(anywhere, change)
    assert "are said to reach position" in first(anywhere).sentence
    check_made_anew(anywhere)


@pytest.mark.parametrize("change", ["NULL", "9999999999999", "next_due + 1", "next_due - 1", "0"])
def test_a_head_that_says_another_next_deadline_is_found_and_can_be_set_right(anywhere: Where, change: str) -> None:
    """Nobody would look for what falls due until then."""
    execute(anywhere, f"UPDATE head SET next_due = {change}")
    (finding,) = verdict(anywhere).findings
    assert "The log's head says next_due is " in finding.sentence
    rebuild(database(anywhere), lambda done, total: None)
    assert verdict(anywhere).findings == []


def test_where_nothing_falls_due_the_head_says_so(path: Path) -> None:
    new = path.with_name("new.sqlite")
    new_database(new)
    assert verdict(new).findings == []
    execute(new, "UPDATE head SET next_due = 5")
    assert "says next_due is 5; by the deadlines of all jobs it is None" in first(new).sentence


def test_rows_of_a_kind_that_no_table_has_are_found(path: Path) -> None:
    execute(path, "UPDATE audit_index SET key = 'x' || key WHERE block = 3")
    execute(path, "UPDATE balances SET account = x'00' WHERE account = (SELECT min(account) FROM balances)")
    sentences = [one.sentence for one in verdict(path).findings]
    assert any("audit trail's index" in one for one in sentences)
    assert any("follows from no event" in one for one in sentences)


def check_made_anew(path: Where) -> None:
    """What a rebuild does, and who serves then."""
    whole = query(path, "SELECT position FROM head")
    digest_anew(database(path))
    assert query(path, "SELECT position, dropped FROM digest") == [(0, 0)]
    assert verdict(path).findings == []
    digest(path)
    assert query(path, "SELECT position FROM digest") == whole
    assert verdict(path).findings == []


AT = 300


def flip(path: Path, at: int) -> None:
    """One bit of a stored event: a digit of it becomes another."""
    state = query(path, "SELECT state FROM stored_events WHERE position = ?", at)[0][0]
    place = next(place for place, byte in enumerate(state) if chr(byte) in "02468")
    changed = bytes([*state[:place], state[place] ^ 1, *state[place + 1 :]])
    execute(path, "UPDATE stored_events SET state = ? WHERE position = ?", changed, at)


def swap(path: Path, at: int) -> None:
    for old, new in ((at, -1), (at + 1, at), (-1, at + 1)):
        execute(path, "UPDATE stored_events SET position = ? WHERE position = ?", new, old)


def remove(path: Path, at: int) -> None:
    execute(path, "DELETE FROM stored_events WHERE position = ?", at)


def remove_and_close_up(path: Path, at: int) -> None:
    remove(path, at)
    execute(path, "UPDATE stored_events SET position = -position WHERE position > ?", at)
    execute(path, "UPDATE stored_events SET position = -position - 1 WHERE position < 0")


def insert(path: Path, at: int) -> None:
    execute(path, "UPDATE stored_events SET position = -position WHERE position >= ?", at)
    execute(path, "UPDATE stored_events SET position = -position + 1 WHERE position < 0")
    execute(
        path,
        "INSERT INTO stored_events SELECT ?, originator_id, 99, topic, state FROM stored_events WHERE position = 5",
        at,
    )


CHANGES: dict[str, Callable[[Path, int], None]] = {
    "a flipped bit": flip,
    "two swapped": swap,
    "one removed": remove,
    "one removed without a gap": remove_and_close_up,
    "one inserted": insert,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_the_first_wrong_position_is_named(path: Path, change: Callable[[Path, int], None]) -> None:
    change(path, AT)
    found = verdict(path)
    assert found.findings[0].position == AT
    assert f"position {AT} " in found.findings[0].sentence
    assert "read models were not compared" in found.findings[-1].sentence


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_it_is_found_although_head_and_tiles_were_made_to_fit(path: Path, change: Callable[[Path, int], None]) -> None:
    """Re-signed history: only a checkpoint from outside tells, and it tells between which of them."""
    older, newer = checkpoint(path, HALF), checkpoint(path)
    change(path, AT)
    rows = query(path, EVENTS)
    with opened(path) as connection:
        connection.execute("DELETE FROM stored_events")
        numbered = [(position, *row) for position, row in enumerate(rows, 1)]
        connection.executemany("INSERT INTO stored_events VALUES (?, ?, ?, ?, ?)", numbered)
    written_anew(path)
    assert all("read model" in one.sentence or "row" in one.sentence for one in verdict(path, older).findings)
    sentences = [one for one in verdict(path, older, newer).findings if one.position is not None]
    assert sentences[0].position in (HALF + 1, newer.size)
    assert "checkpoint" in sentences[0].sentence


@pytest.mark.parametrize("kept", [1, 5, 100])
def test_a_change_where_no_tile_was_written_yet_is_found_by_the_head(path: Path, kept: int) -> None:
    execute(path, "DELETE FROM tiles")
    at = size_of(path) - kept
    flip(path, at)
    finding = first(path)
    assert finding.position is not None
    assert finding.position <= at
    assert "not the one that was recorded" in finding.sentence


def test_the_last_event_alone_is_named(path: Path) -> None:
    execute(path, "DELETE FROM tiles")
    size = size_of(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        leaves = [leaf(row) for row in query(path, EVENTS)]
        odd = size if size % 2 else size - 1
        connection.execute("DELETE FROM stored_events WHERE position > ?", (odd,))
        connection.execute("UPDATE head SET position = ?, peaks = ?", (odd, tree.append(0, b"", leaves[:odd])))
    flip(path, odd)
    assert first(path) == Finding(f"The event at position {odd} is not the one that was recorded there.", odd)


def test_a_tail_that_was_cut_off_is_named(path: Path) -> None:
    size = size_of(path)
    execute(path, "DELETE FROM stored_events WHERE position > ?", size - 7)
    assert first(path).position == size - 6
    assert f"positions {size - 6} to {size} are lost" in first(path).sentence


def test_a_tail_that_was_cut_off_with_the_head_is_named_by_a_newer_checkpoint(path: Path) -> None:
    newer = checkpoint(path)
    execute(path, "DELETE FROM stored_events WHERE position > ?", newer.size - 7)
    written_anew(path)
    finding = first(path, newer, checkpoint(path))
    assert finding.position == newer.size - 6
    assert f"positions {newer.size - 6} to {newer.size} are lost: a checkpoint" in finding.sentence


def test_an_event_behind_the_end_is_named(path: Path) -> None:
    size = size_of(path)
    execute(
        path, "INSERT INTO stored_events SELECT ?, originator_id, 99, topic, state FROM stored_events LIMIT 1", size + 1
    )
    assert first(path).position == size + 1


@pytest.mark.parametrize(
    "column", ["originator_id = 'x'", "originator_version = 'x'", "topic = 'job.made_up'", "state = 7"]
)
def test_values_that_no_event_has_are_found(path: Path, column: str) -> None:
    execute(path, f"UPDATE stored_events SET {column} WHERE position = {AT}")
    assert first(path).position == AT


@pytest.mark.parametrize("spelling", ["{}-{}", "{{{}{}}}", "urn:uuid:{}{}", "upper"])
def test_a_stream_that_is_named_in_another_spelling_is_found(anywhere: Where, spelling: str) -> None:
    """Whoever asks for the stream does not find the event any more."""
    (stream,) = query(anywhere, "SELECT originator_id FROM stored_events WHERE position = ?", AT)[0]
    other = str(stream).upper() if spelling == "upper" else spelling.format(str(stream)[:8], str(stream)[8:])
    assert UUID(other).hex == stream != other
    execute(anywhere, "UPDATE stored_events SET originator_id = ? WHERE originator_id = ?", other, stream)
    (begins,) = query(anywhere, "SELECT min(position) FROM stored_events WHERE originator_id = ?", other)[0]
    assert first(anywhere).position == begins


def test_a_head_that_was_altered_is_found(path: Path) -> None:
    for altered in (b"", b"text", "no bytes", bytes(tree.HASH_BYTES)):
        execute(path, "UPDATE head SET peaks = ?", altered)
        assert first(path).sentence == "The hash tree in the log's head was altered."


def test_a_checkpoint_of_another_log_is_named_and_accuses_nothing_else(path: Path) -> None:
    other = Checkpoint("tallyhold/ffffffffffffffff", 5, bytes(32))
    (finding,) = verdict(path, other, checkpoint(path)).findings
    assert "of another log, tallyhold/ffffffffffffffff" in finding.sentence
    execute(path, "UPDATE balances SET balance_cents = 787878")
    of_other, *rest = verdict(path, other).findings
    assert of_other == finding
    assert all("balances account=" in one.sentence for one in rest) and rest


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_read_model_that_was_edited_by_hand_is_found_and_its_row_named(path: Path, table: object) -> None:
    name, key, columns = table.name, table.key, table.columns  # type: ignore[attr-defined]
    column = next(c for c in reversed(columns) if c != key)
    row = query(path, f"SELECT {key} FROM {name} ORDER BY 1 LIMIT 1")[0][0]
    execute(path, f"UPDATE {name} SET {column} = 787878 WHERE {key} = ?", row)
    finding = first(path)
    assert finding.position is None
    assert f"{name} {key}={row} says {column} is " in finding.sentence


def test_a_row_that_is_gone_and_one_too_many_are_named(path: Path) -> None:
    account = query(path, "SELECT min(account) FROM balances")[0][0]
    execute(path, "DELETE FROM balances WHERE account = ?", account)
    execute(path, "INSERT INTO balances VALUES ('zzz', 1)")
    assert [one.sentence for one in verdict(path).findings] == [
        f"The row balances account={account} is missing.",
        "The row balances account=zzz follows from no event.",
    ]
