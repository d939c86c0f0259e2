"""What cannot be used is told in one clear sentence, with an exit code, and nothing is harmed."""

import ctypes
import json
import os
import resource
import sqlite3
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner

from api.cli.demo import _farewell
from api.main import app
from api.service.ports import StoreFailed
from api.settings import sqlite_path
from api.store.application import NotOurs
from api.store.databases import SQLiteDatabase
from api.store.lock import server_lock
from domain.access.events import Role
from tests.local import Where, everything, execute, issue_keys, query, url_of
from tests.postgres import own_server
from tests.program import Outcome, failed, in_a_process_of_its_own, tallyhold
from tests.running import Client, RunningServer
from tests.simulation.books import File

SECRET = "geheim"
NEW_KEY = ("keys", "create", "--role", "owner", "--name", "Olga")
READING = ("keys", "list")


def says(*arguments: str) -> tuple[int, str]:
    """The exit code of a command, and its one sentence on standard error, without the name of the program."""
    result = CliRunner().invoke(app, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert len(result.stderr.splitlines()) <= 1, result.stderr
    line = result.stderr.strip() or "tallyhold: "
    assert line.startswith("tallyhold: ") and SECRET not in line
    return result.exit_code, line.removeprefix("tallyhold: ")


@pytest.fixture
def made(where: Where) -> Where:
    """A database with five events."""
    issue_keys(where, {"Ada": Role.TESTER, "Pat": Role.OPERATOR})
    return where


# -- URLs and passwords ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        f"mysql://u:{SECRET}@h/x",
        f"mysql://u:{SECRET}@{SECRET}@h/x",
        f"mysql://h/x?user=u&password={SECRET}",
        f"postgresql://u:{SECRET}%zz@h/x",
        f"postgresql://u:{SECRET}@[::1/x",
        f"postgresql://u:p@{SECRET}@127.0.0.1:1/x",
        f"postgresql://u:1/{SECRET}@127.0.0.1:1/x",
        f"postgresql://u@h/x?pasword={SECRET}",
    ],
)
def test_a_wrong_url_is_wrong_usage_and_its_password_is_not_repeated(url: str) -> None:
    code, sentence = says(*READING, "--db", url)
    assert code == 2 and "must be" in sentence


@pytest.mark.parametrize("name", ["x%40y", "x?user=u@h"])
def test_an_escaped_at_is_right(name: str) -> None:
    assert sqlite_path(f"postgresql://u:{SECRET}%40{SECRET}%2F@127.0.0.1:1/{name}") is None


@pytest.mark.parametrize("place", ["127.0.0.1:1", "127.0.0.1:abc", "nowhere.invalid"])
def test_where_no_database_answers(place: str) -> None:
    code, sentence = says(*READING, "--db", f"postgresql://u:{SECRET}@{place}/x")
    assert code == 1 and sentence.startswith("The database x on ") and "cannot be opened" in sentence


def test_a_folder_is_no_database(tmp_path: Path) -> None:
    assert says(*READING, "--db", url_of(tmp_path)) == (1, f"The database {tmp_path} cannot be opened: it is a folder.")


def test_a_link_names_the_database_that_it_leads_to(tmp_path: Path) -> None:
    file, link, round_and_round = tmp_path / "a.sqlite", tmp_path / "link.sqlite", tmp_path / "round.sqlite"
    link.symlink_to(file.name)
    assert says(*NEW_KEY, "--db", url_of(link))[0] == 0
    assert {each.name for each in tmp_path.iterdir()} >= {"a.sqlite", "a.sqlite.keys", "a.sqlite.master"}
    assert not list(tmp_path.glob("link.sqlite.*"))
    with SQLiteDatabase(file).served():
        code, sentence = says("serve", "--port", "0", "--db", url_of(link))
        assert code == 1 and "is served by process" in sentence
    round_and_round.symlink_to(round_and_round.name)
    code, sentence = says(*READING, "--db", url_of(round_and_round))
    assert code == 1 and str(round_and_round) in sentence


def test_a_wrong_password_is_told_and_not_repeated() -> None:
    with own_server() as server, psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("CREATE ROLE guarded LOGIN PASSWORD 'right'")
        row = connection.execute("SHOW hba_file").fetchone()
        assert row is not None
        hba = Path(row[0])
        hba.write_text("host all guarded 127.0.0.1/32 scram-sha-256\n" + hba.read_text())
        connection.execute("SELECT pg_reload_conf()")
        wrong = server.url.replace("tallyhold@", f"guarded:{SECRET}@")
        for command in (READING, ("migrate",), ("backup", "/nowhere")):
            code, sentence = says(*command, "--db", wrong)
            assert code == 1 and "password authentication failed" in sentence


def test_the_demo_shows_no_password() -> None:
    assert SECRET not in _farewell(f"postgresql://u:{SECRET}@h/x")


def test_no_list_of_processes_shows_the_demos_password(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: list[object] = []

    def popen(command: object, **_: object) -> None:
        seen.append(command)
        raise ZeroDivisionError

    monkeypatch.setattr(subprocess, "Popen", popen)
    with pytest.raises(ZeroDivisionError):
        CliRunner().invoke(app, ["demo", "--db", url_of(tmp_path / SECRET)], catch_exceptions=False)
    assert seen and SECRET not in repr(seen)


# -- databases of others, and of other versions ------------------------------------------------------------------------


def test_another_programs_database_is_left_as_it_was(postgres_url: str) -> None:
    execute(postgres_url, "CREATE TABLE head (theirs INTEGER)")
    before = everything(postgres_url)
    for command in (NEW_KEY, READING, ("migrate",), ("rebuild",)):
        code, sentence = says(*command, "--db", postgres_url)
        assert code == 1 and sentence.endswith("belongs to another program.")
    assert everything(postgres_url) == before


def a_later_schema(where: Where) -> None:
    execute(where, "UPDATE head SET schema_version = 999")


def a_later_view(where: Where) -> None:
    execute(where, "UPDATE head SET views_version = 'jobs:999'")


def a_later_event(where: Where) -> None:
    execute(where, "UPDATE stored_events SET topic = 'job.teleported' WHERE position = 4")


def a_later_form(where: Where) -> None:
    execute(where, "UPDATE stored_events SET state = ? WHERE position = 4", b'{"event_id": []}')


@pytest.mark.parametrize(
    ("make", "commands", "words"),
    [
        (a_later_schema, (NEW_KEY, READING, ("migrate",), ("rebuild",), ("verify",), ("reconcile",)), "schema version"),
        (a_later_view, (NEW_KEY, READING), "call tallyhold migrate"),
        (a_later_event, (("migrate",), ("rebuild",), ("reconcile",)), "another version has written it"),
        (a_later_form, (("migrate",), ("rebuild",), ("reconcile",)), "another version has written it"),
    ],
)
def test_what_a_later_version_wrote_is_left_to_it(
    made: Where, make: Callable[[Where], None], commands: tuple[tuple[str, ...], ...], words: str
) -> None:
    make(made)
    before = everything(made)
    for command in commands:
        code, sentence = says(*command, "--db", url_of(made))
        assert code == 1 and words in sentence, (command, sentence)
    assert everything(made) == before


@pytest.mark.parametrize("make", [a_later_schema, a_later_view, a_later_event, a_later_form])
def test_what_a_later_version_wrote_is_not_served(
    made: Where, make: Callable[[Where], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.program.serving.configure", lambda level: None)
    make(made)
    code, sentence = says("serve", "--port", "0", "--db", url_of(made))
    assert code == 1 and "version" in sentence


# -- files that cannot be read or written ------------------------------------------------------------------------------

PAGE = 4_096
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, PR_CAPBSET_DROP = 1, 2, 24


def as_anybody() -> None:
    """Root, too, may then write only what its permissions say."""
    if os.geteuid() == 0:
        for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
            assert ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0


def as_anybody_says(*arguments: str) -> Outcome:
    return in_a_process_of_its_own(*arguments, first=as_anybody)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A SQLite file with five events in a folder of its own; nobody has it open."""
    folder = tmp_path / "own"
    folder.mkdir()
    issue_keys(folder / "tallyhold.sqlite", {"Ada": Role.TESTER, "Pat": Role.OPERATOR})
    return folder / "tallyhold.sqlite"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (NEW_KEY, "readonly database"),
        (("serve", "--port", "0"), "the file is read-only"),
    ],
)
def test_a_read_only_file_is_told(file: Path, arguments: tuple[str, ...], words: str) -> None:
    file.chmod(0o444)
    before = file.read_bytes()
    failed(as_anybody_says(*arguments, "--db", url_of(file)), 1, words)
    assert file.read_bytes() == before


def test_a_read_only_folder_is_told(file: Path) -> None:
    file.parent.chmod(0o555)
    before = file.read_bytes()
    try:
        failed(as_anybody_says(*NEW_KEY, "--db", url_of(file)), 1, "readonly database")
        failed(as_anybody_says("backup", str(file.parent / "backup"), "--db", url_of(file)), 1, "readonly database")
        failed(as_anybody_says("verify", "--db", url_of(file)), 1, "only a backup can be read")
        failed(
            as_anybody_says("migrate", "--db", url_of(file.parent / "new.sqlite")), 1, "unable to open database file"
        )
    finally:
        file.parent.chmod(0o755)
    assert file.read_bytes() == before


WHAT_ONLY_READS: Sequence[tuple[str, ...]] = (
    ("verify",),
    ("reconcile",),
    ("export", "journal", "--format", "csv"),
    ("migrate",),
)


def test_a_backup_is_read_where_nothing_can_be_written(file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    folder.mkdir()
    backup = folder / "backup"
    assert tallyhold("backup", str(backup), "--db", url_of(file)).returncode == 0
    before = backup.read_bytes()
    for command in WHAT_ONLY_READS:  # where something can be, nothing is
        assert tallyhold(*command, "--db", url_of(backup)).returncode == 0
        assert ([*folder.iterdir()], backup.read_bytes()) == ([backup], before), command
    for command in (READING, NEW_KEY, ("explain", "3-0")):
        failed(tallyhold(*command, "--db", url_of(backup)), 1, "The keys of persons")
        assert ([*folder.iterdir()], backup.read_bytes()) == ([backup], before), command
    backup.chmod(0o444)
    folder.chmod(0o555)
    try:
        for command in WHAT_ONLY_READS:
            outcome = as_anybody_says(*command, "--db", url_of(backup))
            assert outcome.returncode == 0, outcome.stderr
        failed(as_anybody_says(*NEW_KEY, "--db", url_of(backup)), 1, "The keys of persons")
    finally:
        folder.chmod(0o755)
    assert ([*folder.iterdir()], backup.read_bytes()) == ([backup], before)


def test_the_keys_of_persons_are_verified_where_nothing_can_be_written(file: Path) -> None:
    backup = file.with_name("backup")
    assert tallyhold("backup", str(backup), "--db", url_of(file)).returncode == 0
    for suffix in (".keys", ".master"):
        file.with_name(file.name + suffix).rename(backup.with_name(backup.name + suffix))
    file.parent.chmod(0o555)
    try:
        outcome = as_anybody_says("verify", "--db", url_of(backup))
        assert outcome.returncode == 0, outcome.stderr
    finally:
        file.parent.chmod(0o755)


def damage(file: Path, table: str | None) -> None:
    """Write over the first page of a table, or of the file; nobody has it open, and no log of changes is left."""
    with closing(sqlite3.connect(file)) as connection:
        ((root,),) = connection.execute("SELECT coalesce(max(rootpage), 1) FROM sqlite_master WHERE name = ?", (table,))
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with file.open("r+b") as opened:
        opened.seek((root - 1) * PAGE)
        opened.write(b"\xa5" * PAGE)


@pytest.mark.parametrize(
    ("sql", "words"), [("SELECT * FROM principals", "malformed"), ("SELECT CAST(x'ff' AS TEXT)", "Could not decode")]
)
def test_whoever_reads_what_is_damaged_is_told_in_the_words_of_the_port(file: Path, sql: str, words: str) -> None:
    damage(file, "principals")
    with closing(SQLiteDatabase(file).reader()) as reader:
        with pytest.raises(StoreFailed, match=words):
            reader.rows(sql)
        for _ in range(2):
            with pytest.raises(StoreFailed, match=words), reader.snapshot(), reader.stream(sql) as rows:
                list(rows)


@pytest.mark.parametrize(
    ("table", "commands"),
    [
        (None, (NEW_KEY, READING, ("verify",), ("rebuild",))),
        ("head", (NEW_KEY, READING, ("verify",), ("rebuild",), ("migrate",))),
        ("stored_events", (NEW_KEY, ("verify",), ("reconcile",), ("migrate",))),
        ("principals", (NEW_KEY, READING, ("verify",))),
        ("journal", (("verify",), ("reconcile",))),
    ],
)
def test_a_damaged_page_is_told_and_not_written_over(
    file: Path, table: str | None, commands: tuple[tuple[str, ...], ...]
) -> None:
    damage(file, table)
    before = file.read_bytes()
    copy = str(file.parent / "copy")
    for command in (*commands, ("backup", copy)):
        code, sentence = says(*command, "--db", url_of(file))
        assert code == 1 and ("malformed" in sentence or "not a database" in sentence), (command, sentence)
    assert file.read_bytes() == before
    assert not Path(copy).exists()


def test_a_rebuild_that_fails_leaves_the_read_models_as_they_were(file: Path) -> None:
    damage(file, "journal")
    assert says("rebuild", "--db", url_of(file))[0] == 1
    assert query(file, "SELECT name FROM sqlite_master WHERE name LIKE 'rebuilt%'") == []
    assert len(query(file, "SELECT * FROM principals")) == 2


# -- a full disk -------------------------------------------------------------------------------------------------------


@pytest.fixture
def served(file: Path) -> Iterator[tuple[RunningServer, Client]]:
    """A sandbox server on a file, and an owner."""
    owner = issue_keys(file, {"Olga": Role.OWNER})["Olga"]
    with RunningServer(file, file.parent) as server, closing(server.client(owner.key)) as client:
        yield server, client


def test_nothing_is_lost_while_the_disk_is_full_and_all_goes_on_afterwards(
    file: Path, served: tuple[RunningServer, Client]
) -> None:
    server, client = served

    def buy() -> int:
        return client.ask("POST", "/owner/billing/add-credits", {"amountCents": 100}).status

    acknowledged = sum(buy() == 201 for _ in range(3))
    no_more = file.with_name(file.name + "-wal").stat().st_size + 2 * PAGE
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (no_more, resource.RLIM_INFINITY))
    assert [buy() for _ in range(5)] == [503] * 5
    assert client.ask("GET", "/owner/billing").body["balanceCents"] == 100 * acknowledged
    assert client.ask("GET", "/healthz").status == 200
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    acknowledged += sum(buy() == 201 for _ in range(3))
    assert acknowledged == 6
    server.stop()
    assert "Traceback" not in server.logged()
    File(file).check()
    assert [row["balance_cents"] for row in File(file).billing.values()] == [100 * acknowledged]


def test_a_command_on_a_full_disk_is_told(file: Path) -> None:
    def full() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (PAGE, PAGE))

    before = everything(file)
    for arguments in (NEW_KEY, ("backup", str(file.parent / "copy"))):
        outcome = in_a_process_of_its_own(*arguments, "--db", url_of(file), first=full)
        failed(outcome, 1, "")
        assert everything(file) == before
    assert not (file.parent / "copy").exists()


def test_a_lock_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    lock = tmp_path / "a.sqlite.lock"
    lock.symlink_to("/dev/full")
    with pytest.raises(NotOurs, match=f"The lock {lock} cannot be written"), server_lock(tmp_path / "a.sqlite"):
        raise AssertionError("It is not held.")


def test_postgresql_without_room_is_told(postgres_url: str) -> None:
    issue_keys(postgres_url, {"Ada": Role.TESTER})
    execute(
        postgres_url,
        "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END$$",
    )
    execute(
        postgres_url,
        "CREATE TRIGGER full_disk BEFORE INSERT ON journal FOR EACH ROW EXECUTE FUNCTION full_disk()",
    )
    execute(
        postgres_url,
        "CREATE TRIGGER full_disk BEFORE INSERT ON stored_events FOR EACH ROW EXECUTE FUNCTION full_disk()",
    )
    before = everything(postgres_url)
    code, sentence = says(*NEW_KEY, "--db", postgres_url)
    assert code == 1 and "No space left on device" in sentence
    assert everything(postgres_url) == before
    execute(postgres_url, "DROP TRIGGER full_disk ON stored_events")
    assert json.loads(CliRunner().invoke(app, [*NEW_KEY, "--json", "--db", postgres_url]).stdout)["name"] == "Olga"
    File(postgres_url).check()
