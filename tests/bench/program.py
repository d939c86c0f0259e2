"""`python -m tests.bench` runs all benchmarks, `python -m tests.bench NAME` those named; JSON on standard output.

The machine's floors are measured in every run. On a terminal, progress and tables go to standard error.
"""

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console

from tests.bench import (
    audit,
    columns,
    commands,
    evidence,
    floors,
    growth,
    http,
    machine,
    memory,
    race,
    rebuilding,
    report,
    steady,
    testers,
    workers,
)
from tests.bench.rounds import Say
from tests.bench.servers import ROOT
from tests.bench.settings import BenchFailed, Settings
from tests.bench.stores import STORES, Store, store_of

Bench = Callable[[Settings, Say], dict[str, Any]]

BENCHES: dict[str, Bench] = {
    **{name: partial(http.run, case) for name, case in http.CASES.items()},
    **{name: partial(testers.run, case) for name, case in testers.CASES.items()},
    "race": race.run,
    "workers": workers.run,
    "commands": commands.run,
    "p99": steady.run,
    "memory": memory.run,
    "rebuild": rebuilding.run,
    "growth-log": growth.run,
    "growth-job-warm": partial(growth.run_job, is_cold=False),
    "growth-job-cold": partial(growth.run_job, is_cold=True),
    "audit": audit.run,
    "evidence": evidence.run,
    **{name: partial(columns.run, name) for name in columns.CASES},
    "partitions-large": columns.run_large,
}


def main() -> int:
    """Exit code 0 when everything could be measured, whatever the figures are."""
    arguments = _arguments()
    console = Console(stderr=True, highlight=False)
    try:
        with (
            TemporaryDirectory(prefix="bench-", dir=arguments.folder) as folder,
            store_of(arguments.store) as store,
        ):
            found = _run(arguments.names or _all_of(store), _settings(arguments, Path(folder), store), console)
    except BenchFailed as failure:
        print(f"bench: {failure}", file=sys.stderr)
        return 1
    print(report.as_json(found))
    if console.is_terminal:
        report.show(found, console)
    return 0


def _all_of(store: Store) -> list[str]:
    return [name for name in BENCHES if name != "workers" or store.name == "postgres"]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHES)}; all when none is given")
    parser.add_argument("--rounds", type=int, default=Settings.rounds, help="default: %(default)s")
    parser.add_argument("--seconds", type=int, default=Settings.seconds, help="of one sample; default: %(default)s")
    parser.add_argument("--waiting", type=int, default=Settings.waiting, help="connections or callers; %(default)s")
    parser.add_argument("--store", choices=STORES, default=STORES[0], help="default: %(default)s")
    parser.add_argument("--workers", type=int, default=Settings.workers, help="that serve together; %(default)s")
    parser.add_argument(
        "--folder", type=Path, default=ROOT.parent, help="on a real disk; default: beside the repository"
    )
    arguments = parser.parse_args()
    if unknown := sorted(set(arguments.names) - set(BENCHES)):
        parser.error(f"there is no {unknown[0]}; there are {', '.join(BENCHES)}")
    if arguments.store == "sqlite" and (arguments.workers > 1):
        parser.error("--workers needs --store postgres: a file is served by one process")
    if min(arguments.workers, arguments.rounds, arguments.seconds, arguments.waiting) < 1:
        parser.error("--workers, --rounds, --seconds and --waiting must be at least 1")
    return arguments


def _settings(arguments: argparse.Namespace, folder: Path, store: Store) -> Settings:
    return Settings(
        folder=folder,
        store=store,
        workers=arguments.workers,
        rounds=arguments.rounds,
        seconds=arguments.seconds,
        waiting=arguments.waiting,
    )


def _run(names: list[str], settings: Settings, console: Console) -> report.Report:
    def say(line: str) -> None:
        if console.is_terminal:
            console.print(f"  {line}", style="dim")

    machine.check_disk(settings.folder)
    facts = machine.facts(settings.folder)
    measured: dict[str, dict[str, Any]] = {}
    for name, bench in {"floors": floors.run, **{name: BENCHES[name] for name in names}}.items():
        say(f"[bold]{name}[/bold]")
        measured[name] = bench(settings, say)
    how = {name: value for name, value in vars(settings).items() if name != "folder"} | {"store": settings.store.name}
    return report.make(facts, how, measured.pop("floors"), measured)
