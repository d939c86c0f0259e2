"""What figures were measured on."""

import os
import platform
import sqlite3
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.bench.servers import ROOT
from tests.bench.settings import BenchFailed

LIBRARIES = ("eventsourcing", "httptools", "msgspec", "pydantic", "starlette", "uvicorn", "uvloop")
IN_MEMORY = ("tmpfs", "ramfs")


def facts(folder: Path) -> dict[str, Any]:
    """The machine, its load when the run begins, and the versions at work."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "load_average": [round(each, 2) for each in os.getloadavg()],
        "kernel": platform.release(),
        "filesystem": filesystem(folder),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "libraries": {name: version(name) for name in LIBRARIES},
    }


def check_disk(folder: Path) -> None:
    """Raises BenchFailed for a folder in memory: an fsync costs nothing there."""
    kind = filesystem(folder)
    if kind in IN_MEMORY:
        raise BenchFailed(f"{folder} lies in memory ({kind}); give --folder one on a disk.")


def filesystem(folder: Path) -> str:
    """The kind of the file system a folder lies on: of its longest mount point that contains it."""
    place = folder.resolve()
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    # Of several mounts at one point the last one is seen.
    found = max(reversed(mounts), key=lambda mount: len(mount[0]) if place.is_relative_to(mount[0]) else -1)
    return found[1]


def _commit() -> str | None:
    """The commit, with a + when files differ from it."""
    try:
        head = _git("rev-parse", "--short", "HEAD")
        return head + ("+" if _git("status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
