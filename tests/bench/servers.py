"""Servers as processes of their own: started on a free port, stopped by their process id."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.bench.bare import ANSWERS
from tests.bench.client import Address
from tests.bench.settings import BenchFailed

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 30.0
STOP_SECONDS = 20.0
_LISTENING = re.compile(r"listening on http://([0-9.]+):([0-9]+)")


@contextmanager
def tallyhold(folder: Path, db: str, workers: int = 1) -> Iterator[tuple[Address, str]]:
    """The real server in sandbox mode on a database, which may be a new one; its address, and an operator's key."""
    key = _operator_key(db)
    command = ["api.main", "serve", "--sandbox", "--port", "0", "--no-access-log", "--db", db]
    command += ["--workers", str(workers)] if workers > 1 else []
    with _serving(command, folder / "tallyhold.log") as address:
        yield address, key


@contextmanager
def bare(folder: Path, answers: Mapping[str, bytes]) -> Iterator[Address]:
    """The bare Starlette application that answers these bytes."""
    for name in ANSWERS:
        (folder / f"{name}.json").write_bytes(answers.get(name, b"{}"))
    with _serving(["tests.bench.bare", "--answers", str(folder)], folder / "bare.log") as address:
        yield address


def _operator_key(db: str) -> str:
    create = ["keys", "create", "--role", "operator", "--name", "bench", "--json", "--db", db]
    made = subprocess.run(
        [sys.executable, "-m", "api.main", *create],
        cwd=ROOT,
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        raise BenchFailed(f"No operator's key could be made: {made.stderr.strip()[-500:]}")
    return str(json.loads(made.stdout)["key"])


def _environment() -> dict[str, str]:
    """Ours without settings of the platform: each run has the same."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TALLYHOLD_")}
    return {**kept, "PYTHONPATH": str(ROOT)}


def cpu_seconds(pid: int) -> float:
    """All that a process has had of the processors so far, in user and kernel mode."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def _serving(command: Sequence[str], log: Path) -> Iterator[Address]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *command], cwd=ROOT, env=_environment(), stdout=output, stderr=subprocess.STDOUT
        )
    try:
        yield _listening(process, log)
        if process.poll() is not None:
            raise BenchFailed(f"{command[0]} ended while it was measured: {_tail(log)}")
    finally:
        _stop(process)


def _listening(process: "subprocess.Popen[bytes]", log: Path) -> Address:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if found := _LISTENING.search(log.read_text(errors="replace")):
            return Address(found[1], int(found[2]), process.pid)
        if process.poll() is not None:
            raise BenchFailed(f"A server did not start: {_tail(log)}")
        time.sleep(0.02)
    raise BenchFailed(f"A server did not listen within {START_SECONDS:.0f} seconds: {_tail(log)}")


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _tail(log: Path) -> str:
    return log.read_text(errors="replace").strip()[-500:]
