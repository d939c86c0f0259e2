"""SIGTERM, or a terminal that hangs up, ends every command as an error would: nothing that it has begun is left."""

import os
import signal
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path

import pytest

from domain.access.events import Role
from tests.local import issue_keys, query, url_of
from tests.program import SECONDS, environment, leaves_nothing_running
from tests.running import RunningServer

STOPPED_AT = """
import sys, time
from api.main import main
from api.store import backup, event_log, rebuild

def stop(*_):
    print("stopped", flush=True)
    time.sleep(60)

rebuild.LONG = 0
{place} = stop
main()
"""
"""The program, which comes to one place and no further."""

SLOW_COPY = """
import sqlite3, time, types
from api.main import main
from api.store import backup

def wait():
    print("stopped", flush=True)
    time.sleep(0.1)

def connect(*arguments, **options):
    connection = sqlite3.connect(*arguments, **options)
    connection.set_progress_handler(wait, 50)
    return connection

backup.sqlite3 = types.SimpleNamespace(**{**vars(sqlite3), "connect": connect})
"""
"""SQLite takes long for the statement that copies a database."""

ENDED_AT_A_START = """
import os, signal, threading

begin = threading.Thread.start

def start(thread):
    begin(thread)
    time.sleep(0.1)
    os.kill(os.getpid(), signal.SIGTERM)

threading.Thread.start = start
"""
"""The signal comes when a thread has begun, and who starts it does not know it yet."""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize(
    ("program", "command"),
    [
        (STOPPED_AT.format(place="rebuild._write"), ("rebuild",)),
        (STOPPED_AT.format(place="backup._fsync"), ("backup", "copy.sqlite")),
        (
            STOPPED_AT.format(place="event_log.check_whole"),
            ("export", "journal", "--format", "csv", "--out", "copy.csv"),
        ),
        (SLOW_COPY + "main()", ("backup", "copy.sqlite")),
    ],
    ids=["rebuild", "backup", "export", "copying"],
)
def test_what_was_begun_is_cleared_away(
    tmp_path: Path, program: str, command: tuple[str, ...], number: signal.Signals
) -> None:
    database = tmp_path / "a.sqlite"
    issue_keys(database, {"Olga": Role.OWNER})
    process = subprocess.Popen(
        [sys.executable, "-c", program, *command, "--db", url_of(database)],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None and process.stdout.readline() == "stopped\n"
        process.send_signal(number)
        assert process.wait(SECONDS) == 128 + number
        assert leaves_nothing_running(process)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        _, said = process.communicate(timeout=SECONDS)
    assert said == ""
    assert not list(tmp_path.glob("*copy*"))
    assert query(database, "SELECT count(*) FROM sqlite_master WHERE name LIKE 'rebuilt%'") == [(0,)]


def test_a_copy_that_is_ended_as_its_thread_begins_is_cleared_away(tmp_path: Path) -> None:
    database = tmp_path / "a.sqlite"
    issue_keys(database, {"Olga": Role.OWNER})
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            SLOW_COPY + ENDED_AT_A_START + "main()",
            "backup",
            "copy.sqlite",
            "--db",
            url_of(database),
        ],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert (done.returncode, done.stderr) == (128 + signal.SIGTERM, "")
    assert not list(tmp_path.glob("*copy*"))


def test_a_terminal_that_hangs_up_ends_a_server_in_peace(tmp_path: Path) -> None:
    with RunningServer(tmp_path / "a.sqlite", tmp_path) as server:
        server.process.send_signal(signal.SIGHUP)
        assert server.process.wait(SECONDS) == 0


def test_who_has_hangups_ignored_serves_on(tmp_path: Path) -> None:
    """As nohup does."""
    with (
        RunningServer(tmp_path / "a.sqlite", tmp_path, ignored=[signal.SIGHUP]) as server,
        closing(server.client("")) as client,
    ):
        server.process.send_signal(signal.SIGHUP)
        assert client.ask("GET", "/healthz").status == 200
