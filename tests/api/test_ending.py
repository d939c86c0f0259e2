"""SIGTERM ends every command as an error would: nothing that it has begun is left."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from domain.access.events import Role
from tests.local import issue_keys, query, url_of
from tests.program import SECONDS, environment, leaves_nothing_running

STOPPED_AT = """
import sys, time
from api.main import main
from api.store import backup, rebuild

def stop(*_):
    print("stopped", flush=True)
    time.sleep(60)

rebuild.LONG = 0
{place} = stop
main()
"""
"""The program, which comes to one place and no further."""


@pytest.mark.parametrize(
    ("place", "command"),
    [("rebuild._write", ("rebuild",)), ("backup._fsync", ("backup", "copy.sqlite"))],
    ids=["rebuild", "backup"],
)
def test_what_was_begun_is_cleared_away(tmp_path: Path, place: str, command: tuple[str, ...]) -> None:
    database = tmp_path / "a.sqlite"
    issue_keys(database, {"Olga": Role.OWNER})
    process = subprocess.Popen(
        [sys.executable, "-c", STOPPED_AT.format(place=place), *command, "--db", url_of(database)],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None and process.stdout.readline() == "stopped\n"
        process.terminate()
        assert process.wait(SECONDS) == 128 + signal.SIGTERM
        assert leaves_nothing_running(process)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        _, said = process.communicate(timeout=SECONDS)
    assert said == ""
    assert not list(tmp_path.glob("*copy*"))
    assert query(database, "SELECT count(*) FROM sqlite_master WHERE name LIKE 'rebuilt%'") == [(0,)]
