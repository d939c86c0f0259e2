"""The program `tallyhold`, called as a user calls it.

Most calls are made within the process of the tests: a new interpreter takes a second to read all modules, many times
what the command takes.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import chdir
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from typer.testing import CliRunner

from api.main import app

ROOT = Path(__file__).parent.parent
SECONDS = 60

Json: TypeAlias = dict[str, Any]


class Outcome(NamedTuple):
    """How a call ended, and what it said."""

    returncode: int
    stdout: str
    stderr: str


def tallyhold(*arguments: str, folder: Path = ROOT, **variables: str) -> Outcome:
    """Call it from a folder, with no settings but these. Raises whatever the program did not foresee."""
    environment: Mapping[str, str | None] = {**dict.fromkeys(_settings()), **variables}
    with chdir(folder):
        result = CliRunner().invoke(app, arguments, env=environment, prog_name="tallyhold")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Outcome(result.exit_code, result.stdout, result.stderr)


def in_a_process_of_its_own(
    *arguments: str, folder: Path = ROOT, first: Callable[[], None] | None = None, **variables: str
) -> Outcome:
    """Call it from a folder, with no settings but these; ``first`` limits what the process may do."""
    done = subprocess.run(
        [sys.executable, "-m", "api.main", *arguments],
        cwd=folder,
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        preexec_fn=first,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def leaves_nothing_running(process: subprocess.Popen[str]) -> bool:
    """Whether its process group is empty; what was told to end has a moment for it."""
    for _ in range(50):
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


def as_json(folder: Path, *arguments: str, **variables: str) -> Json:
    """What it says as JSON, called from a folder of its own; it must not fail."""
    outcome = tallyhold(*arguments, "--json", folder=folder, **variables)
    assert outcome.returncode == 0, outcome.stderr
    said: Json = json.loads(outcome.stdout)
    return said


def create_key(folder: Path, db: str, role: str, name: str) -> Json:
    return as_json(folder, "keys", "create", "--role", role, "--name", name, "--db", db)


def environment(**settings: str) -> dict[str, str]:
    """Ours without settings of the platform, and with these."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("TALLYHOLD_", "COV_"))}
    return {**ours, "PYTHONPATH": str(ROOT), **settings}


def _settings() -> list[str]:
    return [name for name in os.environ if name.startswith("TALLYHOLD_")]


def url(path: Path) -> str:
    return f"sqlite:///{path}"


def failed(outcome: Outcome, code: int, words: str) -> None:
    """It said one sentence, and nothing of a traceback."""
    assert outcome.returncode == code, outcome.stderr
    assert words in outcome.stderr
    assert outcome.stderr.splitlines()[-1].startswith("tallyhold: ")
    assert "Traceback" not in outcome.stderr
