"""How a run measures."""

from dataclasses import dataclass
from pathlib import Path

from tests.bench.stores import Store


class BenchFailed(Exception):
    """A measurement that cannot be trusted or made; the sentence says why."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """``waiting`` is how many connections, or callers without HTTP, wait for their answers at any moment."""

    folder: Path
    store: Store
    workers: int = 1
    """Processes that serve together, on PostgreSQL."""
    rounds: int = 5
    seconds: int = 4
    waiting: int = 64
    owners: int = 16
    jobs_each: int = 50
    """Jobs that each owner has before reads are measured."""
    threads: int = 8
    """Threads that save with the stock library, beside the run with one."""
