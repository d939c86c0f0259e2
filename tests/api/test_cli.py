"""The command line: what it answers, and how it fails."""

import json
import os
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from api.http.openapi import VERSION
from api.main import COMMANDS, EXPORT, KEYS
from api.program.groups import Commands, Listed, command_at
from api.store.sealing_keys import SealingKeysFile, open_seals
from tests.local import Where, execute, url_of
from tests.program import ROOT, as_json, create_key, environment, failed, in_a_process_of_its_own, tallyhold, url

GROUPS: dict[tuple[str, ...], Commands] = {(): COMMANDS, ("keys",): KEYS, ("export",): EXPORT}
LARGE = {
    *("starlette", "uvicorn", "limits", "jiter", "pydantic", "psycopg", "eventsourcing"),
    *("duckdb", "pyarrow", "fsspec", "rich"),
}
"""Libraries that single commands need."""


ALL = [(group, name, listed) for group, commands in GROUPS.items() for name, listed in commands.items()]


@pytest.mark.parametrize(("group", "name", "listed"), ALL)
def test_every_command_is_where_the_table_says(group: tuple[str, ...], name: str, listed: Listed) -> None:
    command = command_at(listed.place, name)
    assert command.name == name and command.help
    told = tallyhold(*group, name, "--help")
    assert told.returncode == 0
    assert " ".join(told.stdout.split()).startswith(f"Usage: tallyhold {' '.join((*group, name))} ")


@pytest.mark.parametrize(("group", "commands"), GROUPS.items(), ids=["all", "keys", "export"])
def test_a_group_tells_of_each_of_its_commands_in_a_line(group: tuple[str, ...], commands: Commands) -> None:
    told = tallyhold(*group, "--help", COLUMNS="80")
    assert told.returncode == 0
    words = [line.split(maxsplit=1) for line in told.stdout.partition("Commands:\n")[2].splitlines()]
    assert [told for told in words if told[0] in commands] == [[name, commands[name].short_help] for name in commands]
    assert all(len(told) == 2 for told in words)
    assert tallyhold(*group, COLUMNS="80").stderr == told.stdout


def test_the_program_tells_its_version() -> None:
    assert tallyhold("--version") == (0, f"tallyhold {VERSION}\n", "")


@pytest.mark.parametrize("group", GROUPS, ids=["all", "keys", "export"])
def test_help_imports_no_command(group: tuple[str, ...]) -> None:
    code = "import sys; from api.main import app; app(sys.argv[1:], standalone_mode=False); print(*sys.modules)"
    command = [sys.executable, "-c", code, *group, "--help"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    modules = told.stdout.splitlines()[-1].split()
    assert not (LARGE - {"pydantic"}) & {*modules}  # with that typer itself looks at options
    ours = {"api.main", "api.program", "api.program.groups", "api.signals"}
    assert {name for name in modules if name.startswith("api.")} == ours


@pytest.mark.parametrize(("group", "name", "_"), ALL)
def test_help_is_plain_text_for_every_terminal(group: tuple[str, ...], name: str, _: Listed) -> None:
    told = tallyhold(*group, name, "--help", COLUMNS="20", TERM="dumb").stdout
    assert told.isascii() and "\x1b" not in told


@pytest.mark.parametrize(
    ("mistyped", "meant"), [(("serv",), "'serve'"), (("key",), "'keys'"), (("keys", "creat"), "'create'")]
)
def test_a_mistyped_command_is_wrong_usage(mistyped: tuple[str, ...], meant: str) -> None:
    outcome = tallyhold(*mistyped)
    assert outcome.returncode == 2
    assert f"No such command '{mistyped[-1]}'. Did you mean" in outcome.stderr and meant in outcome.stderr


NEEDS: dict[str, set[str]] = {
    "api.main": set(),
    "api.program.keys": {"pydantic", "eventsourcing"},
    "api.program.databases": {"rich"},
    "api.program.books": set(),
    "api.program.partitions": set(),
    "api.program.serving": {"starlette", "uvicorn", "limits", "jiter"},
}
"""What each imports of large libraries that those before it have not."""


def test_a_command_does_not_wait_for_what_others_need() -> None:
    asked = [f"import {module}; print(*sys.modules)" for module in NEEDS]
    code = "\n".join(["import sys", *asked])
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    imported: set[str] = set()
    for (module, needed), names in zip(NEEDS.items(), told.stdout.splitlines(), strict=True):
        assert LARGE & set(names.split()) - imported == needed, module
        imported |= needed


def test_a_key_is_made_listed_and_revoked(tmp_path: Path) -> None:
    db = url(tmp_path / "a.sqlite")
    create = ("keys", "create", "--role", "tester", "--json")
    made = json.loads(in_a_process_of_its_own(*create, "--name", " Ada ", "--db", db).stdout)
    assert set(made) == {"keyId", "key", "role", "name", "principalId", "publicId"}
    assert (made["role"], made["name"]) == ("tester", "Ada")
    again = json.loads(tallyhold(*create, "--name", "Ada", TALLYHOLD_DB=db).stdout)
    assert again["principalId"] == made["principalId"]
    assert again["key"] != made["key"]
    assert tallyhold("keys", "revoke", made["keyId"], "--db", db).returncode == 0
    listed = json.loads(tallyhold("keys", "list", "--json", "--db", db).stdout)
    assert {key["keyId"]: key["revokedAt"] is not None for key in listed} == {
        made["keyId"]: True,
        again["keyId"]: False,
    }
    assert made["key"] not in (tmp_path / "a.sqlite").read_bytes().decode("latin-1")
    execute(tmp_path / "a.sqlite", "UPDATE digest SET position = 5")
    failed(tallyhold("verify", "--db", db), 1, "said to reach position 5; the log has 4 events. tallyhold rebuild")
    assert tallyhold("rebuild", "--db", db).stdout == "rebuilt from 4 events\n"
    assert tallyhold("verify", "--db", db).returncode == 0


OTHER_OUTPUT = {("serve",), ("demo",), ("export", "journal"), ("export", "statement")}


@pytest.mark.parametrize("command", [(*group, name) for group, name, _ in ALL if (*group, name) not in OTHER_OUTPUT])
def test_what_a_command_says_it_says_in_json_too(command: tuple[str, ...]) -> None:
    assert "--json " in tallyhold(*command, "--help").stdout


def test_what_was_done_to_a_database_is_told_in_json(tmp_path: Path) -> None:
    here, there = str(tmp_path / "here.sqlite"), str(tmp_path / "there.sqlite")
    copy, keys, key, new = (str(tmp_path / name) for name in ("copy", "keys", "key", "new"))
    at_here, at_there = ("--db", f"sqlite:///{here}"), ("--db", f"sqlite:///{there}")
    assert as_json(tmp_path, "migrate", *at_here) == {"database": here, "rebuiltEvents": None}
    as_json(tmp_path, "keys", "create", "--role", "owner", "--name", "Olga", *at_here)
    assert as_json(tmp_path, "rebuild", *at_here) == {"database": here, "rebuiltEvents": 2}
    assert as_json(tmp_path, "backup", copy, *at_here) == {"file": copy, "events": 2}
    assert as_json(tmp_path, "backup", keys, "--sealing-keys", *at_here) == {"file": keys, "keys": 0}
    restored = {"database": there, "events": 2, "rebuiltEvents": None}
    assert as_json(tmp_path, "restore", copy, *at_there) == restored
    assert as_json(tmp_path, "restore", keys, "--sealing-keys", *at_there) == {"database": there, "keys": 0}
    assert as_json(tmp_path, "rotate-master-key", "--new", new, *at_here) == {"keys": 0, "file": new}
    public = as_json(tmp_path, "checkpoint-key", key)
    assert public == {"key": (tmp_path / "key.pub").read_text().strip()}
    log = ("export", "log", "--out", str(tmp_path / "log.jsonl"), *at_there)
    told = as_json(tmp_path, *log, TALLYHOLD_CHECKPOINT_KEY=key, TALLYHOLD_MASTER_KEY_FILE=f"{here}.master")
    assert told == {"file": log[3], "events": 2}


@pytest.mark.parametrize("command", [("migrate",), ("keys", "list")])
def test_who_reads_the_answer_may_stop_reading(command: tuple[str, ...], tmp_path: Path) -> None:
    create_key(tmp_path, db := url(tmp_path / "a.sqlite"), "owner", "Olga")
    assert _unread(*command, TALLYHOLD_DB=db) == (0, "")


def test_who_reads_the_demo_may_stop_reading() -> None:
    assert _unread("demo") == (0, "")


def _unread(*command: str, **variables: str) -> tuple[int, str]:
    """How it ended, and what it said of errors, while nobody read its answer."""
    reading, writing = os.pipe()
    os.close(reading)
    program = [sys.executable, "-m", "api.main", *command]
    with os.fdopen(writing, "wb") as out:
        made = environment(**variables)
        done = subprocess.run(program, cwd=ROOT, env=made, stdout=out, stderr=subprocess.PIPE, text=True, check=False)
    return done.returncode, done.stderr


@pytest.mark.parametrize("asked", [("--help",), ("--version",), ("keys", "--help"), ("keys", "list", "--help")])
def test_help_that_cannot_be_written_fails_in_one_sentence(asked: tuple[str, ...]) -> None:
    def onto_a_full_disk() -> None:
        os.dup2(os.open("/dev/full", os.O_WRONLY), 1)

    outcome = in_a_process_of_its_own(*asked, first=onto_a_full_disk)
    failed(outcome, 1, "Standard output cannot be written: No space left on device.")
    assert len(outcome.stderr.splitlines()) == 1


def test_without_an_output_an_answer_fails_in_one_sentence(tmp_path: Path) -> None:
    create_key(tmp_path, db := url(tmp_path / "a.sqlite"), "owner", "Olga")
    failed(in_a_process_of_its_own("keys", "list", "--db", db, first=lambda: os.close(1)), 1, "output is closed")


@pytest.mark.parametrize("name", ["", " ", "two\nlines", "x" * 101])
def test_a_name_that_nobody_can_read_is_wrong_usage(name: str, tmp_path: Path) -> None:
    create = ("keys", "create", "--role", "owner", "--name", name, "--db", url(tmp_path / "a.sqlite"))
    failed(tallyhold(*create), 2, "The name must have 1 to 100 printable characters.")
    assert not list(tmp_path.iterdir())


def test_a_key_that_is_not_there_cannot_be_revoked(tmp_path: Path) -> None:
    db = url(tmp_path / "a.sqlite")
    tallyhold("keys", "create", "--role", "owner", "--name", "Olga", "--db", db)
    failed(tallyhold("keys", "revoke", "01890a5d-ac96-774b-bcce-b302099a8057", "--db", db), 1, "no key")


@pytest.mark.parametrize("command", [("keys", "list"), ("rebuild",)])
def test_a_mistyped_name_makes_no_database(command: tuple[str, ...], tmp_path: Path) -> None:
    failed(tallyhold(*command, "--db", url(tmp_path / "typo.sqlite")), 1, "There is no database")
    assert not list(tmp_path.iterdir())


def test_a_setting_that_nobody_knows_is_an_error(tmp_path: Path) -> None:
    failed(
        in_a_process_of_its_own("serve", "--db", url(tmp_path / "a.sqlite"), TALLYHOLD_SANDBOXX="1"),
        2,
        "TALLYHOLD_SANDBOXX",
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "variables"),
    [
        ((), {"TALLYHOLD_HOST": ""}),
        (("--host", ""), {}),
        ((), {"TALLYHOLD_CHECKPOINTS": ""}),
        ((), {"TALLYHOLD_MASTER_KEY_FILE": ""}),
    ],
)
def test_an_empty_setting_is_an_error(options: tuple[str, ...], variables: dict[str, Any], tmp_path: Path) -> None:
    """An empty host would be every address of the machine, an empty path the folder where the program was started."""
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = str(taken.getsockname()[1])
        serve = ("serve", "--port", port, "--db", url(tmp_path / "a.sqlite"), *options)
        failed(in_a_process_of_its_own(*serve, **variables), 2, "is empty")
    assert not list(tmp_path.iterdir())


def test_nobody_unknown_is_forgotten(where: Where) -> None:
    db = url_of(where)
    assert tallyhold("keys", "create", "--role", "owner", "--name", "Acme", "--db", db).returncode == 0
    for named in (
        "100001",
        "6f9619ff-8b86-d011-b42d-00c04fc964ff",
        "Acme",
        "-",
        "9" * 30,
        "0",
        "\N{ARABIC-INDIC DIGIT ONE}",
    ):
        failed(tallyhold("forget", "--tester", named, "--db", db), 1, "There is no tester")


def test_the_master_key_is_changed(tmp_path: Path) -> None:
    db, new = url(tmp_path / "tallyhold.sqlite"), tmp_path / "new.master"
    assert tallyhold("keys", "create", "--role", "tester", "--name", "Ann", "--db", db).returncode == 0
    keys = SealingKeysFile(tmp_path / "tallyhold.sqlite.keys")
    open_seals(keys, tmp_path / "tallyhold.sqlite.master", is_new=False).make_key(UUID(int=1))
    keys.close()
    rotated = tallyhold("rotate-master-key", "--new", str(new), "--db", db)
    assert (rotated.returncode, rotated.stdout.partition(" ")[0]) == (0, "1")
    failed(tallyhold("keys", "list", "--db", db), 1, "were wrapped with")
    assert tallyhold("keys", "list", "--db", db, TALLYHOLD_MASTER_KEY_FILE=str(new)).returncode == 0
    failed(tallyhold("keys", "list", "--db", db, TALLYHOLD_MASTER_KEY_FILE="/absent"), 1, "cannot be read")


@pytest.mark.parametrize("db", ["mysql://x/y", "a.sqlite", "sqlite:///", "sqlite:///a?mode=ro"])
def test_a_url_that_names_no_file_is_an_error(db: str) -> None:
    failed(tallyhold("keys", "list", "--db", db), 2, "sqlite:///FILE")


def test_another_programs_database_is_left_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "foreign.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    before = path.read_bytes()
    failed(tallyhold("keys", "create", "--role", "owner", "--name", "O", "--db", url(path)), 1, "another program")
    assert path.read_bytes() == before


def test_what_is_no_database_is_told(tmp_path: Path) -> None:
    path = tmp_path / "text.sqlite"
    path.write_text("dear diary, " * 100)
    failed(tallyhold("keys", "list", "--db", url(path)), 1, "cannot be opened")


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = str(taken.getsockname()[1])
        failed(in_a_process_of_its_own("serve", "--port", port, "--db", url(tmp_path / "a.sqlite")), 1, f"port {port}")


def test_a_database_keeps_its_mode(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = str(taken.getsockname()[1])
        in_a_process_of_its_own("serve", "--port", port, "--sandbox", "--db", url(tmp_path / "a.sqlite"))
        failed(
            in_a_process_of_its_own("serve", "--port", port, "--db", url(tmp_path / "a.sqlite")), 1, "with --sandbox"
        )
