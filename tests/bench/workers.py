"""Several workers of one host against a single one, each on a PostgreSQL database of its own."""

from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.bench import servers
from tests.bench.client import Address
from tests.bench.load import Load
from tests.bench.owners import JOB, everyones, sign_up
from tests.bench.rounds import Say, compared, figures, interleaved
from tests.bench.settings import BenchFailed, Settings

TITLE = "POST /jobs, 4 workers"
GOAL = 1.0
SEVERAL = 4
WARM_SECONDS = 1


def run(settings: Settings, say: Say) -> dict[str, Any]:
    """Both by turns, with the same number of connections."""
    if settings.store.name != "postgres":
        raise BenchFailed("Several workers need --store postgres: a file is served by one process.")
    with ExitStack() as stack:
        contestants = {
            name: _contestant(stack, settings, workers) for name, workers in (("tallyhold", SEVERAL), ("1 worker", 1))
        }
        samples = interleaved(contestants, settings.rounds, say)
    return {
        "title": TITLE,
        "unit": "commands/s",
        **{name: figures(rates) for name, rates in samples.items()},
        **compared(samples["tallyhold"], samples["1 worker"], GOAL),
    }


def _contestant(stack: ExitStack, settings: Settings, workers: int) -> "partial[float]":
    folder = Path(stack.enter_context(TemporaryDirectory(dir=settings.folder)))
    db = stack.enter_context(settings.store.new(folder))
    address, operator_key = stack.enter_context(servers.tallyhold(folder, db, workers))
    load = Load(folder, everyones(sign_up(address, operator_key, settings.owners), "/jobs"), JOB)
    load.run(address, settings.waiting, WARM_SECONDS)
    return partial(_rate, load, address, settings)


def _rate(load: Load, address: Address, settings: Settings) -> float:
    return load.run(address, settings.waiting, settings.seconds).per_second
