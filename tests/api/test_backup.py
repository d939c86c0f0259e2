"""Copies of a database: whole or not there, the same whichever store they come from or go to, and without the keys."""

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Event
from uuid import uuid4

import pytest

from api.service.seals import Seals
from api.store.application import NotOurs
from api.store.backup import copied_keys, copy_keys, forgotten, restore_keys
from api.store.rebuild import is_outdated, rebuild
from api.store.verify import verify
from domain.access.events import Role
from domain.sealed import SealedText
from domain.times import DAY
from tests.api.server import Client, serving
from tests.api.test_committer import bought, posted
from tests.given import NOW
from tests.local import (
    MASTER_KEY,
    HandClock,
    Local,
    Where,
    a_digest,
    database,
    everything,
    execute,
    issue_keys,
    master_key_of_locals,
    query,
    run,
    url_of,
    work_through,
)
from tests.postgres import a_database
from tests.program import create_key, failed, tallyhold
from tests.simulation.books import File
from tests.simulation.living import live

LONG = 60
ROUNDS = 5
YEAR = 366 * DAY


def live_and_digest(where: Where, moments: int = LONG) -> None:
    """A random life."""
    live(where, moments, seed=11)
    with closing(a_digest(where)) as digest:
        work_through(digest)


@pytest.fixture
def lived(where: Where) -> Where:
    live_and_digest(where)
    return where


@pytest.fixture(params=["sqlite", "postgres"])
def other(request: pytest.FixtureRequest, tmp_path: Path, postgres_server: str) -> Iterator[Where]:
    """Where nothing is yet."""
    if request.param == "sqlite":
        yield tmp_path / "other.sqlite"
        return
    with a_database(postgres_server) as url:
        yield url


def findings(where: Where) -> list[str]:
    return [each.sentence for each in verify(database(where), [], lambda done, total: None).findings]


def test_a_restored_copy_is_the_same_and_lives_on(lived: Where, other: Where, tmp_path: Path) -> None:
    backup = tmp_path / "backup"
    before = everything(lived)
    count = database(lived).back_up(backup)
    assert count == query(lived, "SELECT max(position) FROM stored_events")[0][0] > LONG
    assert findings(backup) == []
    assert database(other).restore(backup) == count
    assert everything(other) == before == everything(lived)
    assert findings(other) == []

    async def more() -> None:
        async with Local(other, HandClock(NOW + YEAR)) as local:
            await local.ask(bought(1_950))
            assert (await local.ask(posted())).status == 201

    run(more())
    File(other).check()
    assert len(File(other).stored) > count


def test_a_restored_file_is_served_beside_who_reads_it_already(tmp_path: Path) -> None:
    made, backup, restored = (tmp_path / name for name in ("made", "backup", "restored"))
    live_and_digest(made)
    database(made).back_up(backup)
    database(restored).restore(backup)
    with closing(database(restored).reader()) as reader, reader.snapshot():
        reader.rows("SELECT position FROM head")
        issue_keys(restored, {"Olga": Role.OWNER})
    assert findings(restored) == []


def test_a_copy_taken_while_others_write_is_of_one_instant(where: Where, tmp_path: Path) -> None:
    with serving(tmp_path, where) as platform, ThreadPoolExecutor(4) as threads:
        over = Event()
        busy = [threads.submit(_write, platform.owner(), over) for _ in range(3)]
        for number in range(ROUNDS):
            least = platform.operator.position()
            count = database(where).back_up(tmp_path / f"backup-{number}")
            assert least <= count <= platform.operator.position()
        over.set()
        assert sum(each.result() for each in busy) > ROUNDS
    for number in range(ROUNDS):
        copy = tmp_path / f"backup-{number}"
        File(copy).check()
        assert findings(copy) == []


def _write(owner: Client, over: Event) -> int:
    """How many jobs an owner has posted until it is over."""
    count = 0
    while not over.is_set():
        owner.post_job(1)
        count += 1
    return count


@pytest.mark.parametrize("suffix", ["", "-wal", "-journal"])
def test_no_file_is_written_over(lived: Where, suffix: str, tmp_path: Path) -> None:
    backup = tmp_path / "backup"
    taken = tmp_path / f"backup{suffix}"
    taken.write_text("precious")
    with pytest.raises(NotOurs, match="already a file"):
        database(lived).back_up(backup)
    assert taken.read_text() == "precious"
    assert [each for each in tmp_path.iterdir() if "backup" in each.name or "copy" in each.name] == [taken]


def test_no_database_is_written_over(lived: Where, other: Where, tmp_path: Path) -> None:
    issue_keys(other, {"Olga": Role.OWNER})
    before = everything(other)
    database(lived).back_up(tmp_path / "backup")
    with pytest.raises(NotOurs, match="There is already"):
        database(other).restore(tmp_path / "backup")
    assert everything(other) == before


def test_what_cannot_be_read_to_its_end_makes_no_database(lived: Where, other: Where, tmp_path: Path) -> None:
    backup = tmp_path / "backup"
    database(lived).back_up(backup)
    pages = backup.stat().st_size // 4_096
    with backup.open("r+b") as file:
        for page in range(pages // 2, pages - 1):
            file.seek(page * 4_096)
            file.write(b"\xff" * 4_096)
    with pytest.raises(NotOurs, match=r"cannot be (copied|made of|read)"):
        database(other).restore(backup)
    assert not database(other).is_there()
    assert not list(tmp_path.glob(".copy-*"))


@pytest.mark.parametrize("content", [None, b"", b"dear diary", b"other"])
def test_only_a_backup_is_restored(other: Where, content: bytes | None, tmp_path: Path) -> None:
    file = tmp_path / "file"
    if content == b"other":
        with closing(sqlite3.connect(file)) as foreign:
            foreign.execute("CREATE TABLE theirs (x)")
    elif content is not None:
        file.write_bytes(content * 1_000)
    with pytest.raises(NotOurs):
        database(other).restore(file)
    assert not database(other).is_there()


def test_read_models_of_another_version_are_made_anew(lived: Where, other: Where, tmp_path: Path) -> None:
    before = everything(lived)
    execute(lived, "UPDATE head SET views_version = 'older'")
    database(lived).back_up(tmp_path / "backup")
    database(other).restore(tmp_path / "backup")
    assert is_outdated(database(other))
    rebuild(database(other), lambda done, total: None)
    execute(other, "UPDATE head SET views_generation = views_generation - 1")
    assert everything(other) == before, "only that they are new ones is told"


def test_keys_of_persons_are_copied_apart(lived: Where, other: Where, tmp_path: Path) -> None:
    ann, ben = uuid4(), uuid4()
    with closing(database(lived).sealing_keys()) as keys:
        seals = Seals(keys, MASTER_KEY)
        sealed = {person: seals.seal(person, "place", "mine") or SealedText("") for person in (ann, ben)}
        count = copy_keys(keys, tmp_path / "keys")
        wrapped = keys.wrapped(ann)
    assert wrapped is not None and count >= 2
    database(lived).back_up(tmp_path / "backup")
    assert wrapped not in (tmp_path / "backup").read_bytes()
    database(other).restore(tmp_path / "backup")
    with closing(database(other).sealing_keys()) as restored:
        assert restore_keys(copied_keys(tmp_path / "keys"), restored, {ben}) == count - 1
        seals = Seals(restored, MASTER_KEY)
        assert seals.open(ann, "place", sealed[ann]) == "mine"
        assert seals.open(ben, "place", sealed[ben]) is None
        assert not seals.make_key(ben)
        with pytest.raises(NotOurs, match="keys of persons already"):
            restore_keys(copied_keys(tmp_path / "keys"), restored, {ben})


def test_who_was_forgotten_stays_so(where: Where, tmp_path: Path) -> None:
    tester = issue_keys(where, {"Ada": Role.TESTER, "Ben": Role.TESTER})["Ada"]
    db, keys = url_of(where), str(tmp_path / "keys")
    with closing(database(where).sealing_keys()) as kept:
        assert Seals(kept, MASTER_KEY).make_key(tester.id)
    assert tallyhold("backup", keys, "--sealing-keys", "--db", db).returncode == 0
    forgetting = tallyhold(
        "forget", "--tester", str(tester.id), "--db", db, TALLYHOLD_MASTER_KEY_FILE=str(master_key_of_locals(tmp_path))
    )
    assert forgetting.returncode == 0, forgetting.stderr
    with closing(database(where).log()) as log:
        assert forgotten(log) == {tester.id}
    other = tmp_path / "other.sqlite"
    assert tallyhold("backup", str(tmp_path / "backup"), "--db", db).returncode == 0
    assert tallyhold("restore", str(tmp_path / "backup"), "--db", url_of(other)).returncode == 0
    restoring = tallyhold("restore", keys, "--sealing-keys", "--db", url_of(other))
    assert restoring.stdout == "restored the keys of 0 persons\n", restoring.stderr


def test_keys_that_are_lost_are_told_by_every_command_that_needs_them(where: Where, tmp_path: Path) -> None:
    """Else everybody would seem to be forgotten."""
    db, keys, out = url_of(where), str(tmp_path / "keys"), tmp_path / "log.jsonl"
    create_key(tmp_path, db, "tester", "Ann")
    assert tallyhold("backup", keys, "--sealing-keys", "--db", db).returncode == 0
    lose_keys(where)
    signing = str(tmp_path / "signing")
    assert tallyhold("checkpoint-key", signing).returncode == 0
    export = ("export", "log", "--format", "jsonl", "--out", str(out), "--db", db)
    for command in (export, ("keys", "list", "--db", db), ("serve", "--sandbox", "--port", "0", "--db", db)):
        refused = tallyhold(*command, TALLYHOLD_CHECKPOINT_KEY=signing)
        failed(refused, 1, "keys of persons that belong to this database are not there")
    failed(tallyhold("backup", f"{keys}-2", "--sealing-keys", "--db", db), 1, "no keys of persons")
    assert not database(where).has_sealing_keys(), "what was refused has made none"
    assert not out.exists()
    assert tallyhold("verify", "--db", db).returncode == 0
    assert tallyhold("restore", keys, "--sealing-keys", "--db", db).returncode == 0
    assert tallyhold(*export, TALLYHOLD_CHECKPOINT_KEY=signing).returncode == 0


def lose_keys(where: Where) -> None:
    if isinstance(where, str):
        execute(where, "DROP SCHEMA tallyhold_keys CASCADE")
    else:
        where.with_name(where.name + ".keys").unlink()


def test_the_commands_tell_what_they_did(tmp_path: Path) -> None:
    db = url_of(tmp_path / "tallyhold.sqlite")
    issue_keys(tmp_path / "tallyhold.sqlite", {"Olga": Role.OWNER})
    backup, other = tmp_path / "backup", url_of(tmp_path / "other.sqlite")
    copied = tallyhold("backup", str(backup), "--db", db)
    checked = f"copied 2 events to {backup}; tallyhold verify --db sqlite:///{backup} checks it\n"
    assert (copied.returncode, copied.stdout) == (0, checked)
    failed(tallyhold("backup", str(backup), "--db", db), 1, f"There is already a file {backup}")
    failed(tallyhold("restore", str(tmp_path / "typo"), "--db", other), 1, "There is no backup")
    restored = tallyhold("restore", str(backup), "--db", other)
    assert (restored.returncode, restored.stdout) == (0, f"restored 2 events to {tmp_path / 'other.sqlite'}\n")
    failed(tallyhold("restore", str(backup), "--sealing-keys", "--db", other), 1, "no backup of the keys of persons")
    assert not (tmp_path / "other.sqlite.keys").exists(), "a store is made for keys that there are"
    assert tallyhold("reconcile", "--db", other).returncode == 0
