"""Over HTTP: our server against bare Starlette routes that answer the same bytes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.bench import servers
from tests.bench.client import Address, Client
from tests.bench.load import Load, Target
from tests.bench.owners import JOB, Owner, every_job, everyones, post_jobs, sign_up
from tests.bench.rounds import Costs, Say, compared, figures, interleaved
from tests.bench.settings import BenchFailed, Settings
from tests.bench.stores import Goals

WARM_SECONDS = 1
SIZE_TOLERANCE = 0.01
SIZES_LOOKED_AT = 64
MANY = 256


@dataclass(frozen=True, slots=True)
class Case:
    """One route and what it has to reach beside the bare one that answers ``answer``."""

    title: str
    goals: Goals
    answer: str
    targets: Callable[[list[Owner], Settings], Sequence[Target]]
    body: bytes | None = None
    waiting: int | None = None
    """Connections, where the case has a number of its own."""


def _own_jobs(owners: list[Owner], _: Settings) -> list[Target]:
    return everyones(owners, "/jobs")


CASES = {
    "post-jobs": Case("POST /jobs", {"sqlite": 0.5, "postgres": 0.45}, "created", _own_jobs, JOB),
    "post-jobs-256": Case(
        "POST /jobs, 256 connections", {"sqlite": 0.6, "postgres": 0.5}, "created", _own_jobs, JOB, MANY
    ),
    "get-job": Case("GET /jobs/{id}", {"sqlite": 0.7, "postgres": 0.5}, "detail", every_job),
    "list-jobs": Case("GET /jobs", {"sqlite": 0.4, "postgres": 0.3}, "list", _own_jobs),
}


def run(case: Case, settings: Settings, say: Say) -> dict[str, Any]:
    """Both servers side by side, measured by turns."""
    waiting = case.waiting or settings.waiting
    with TemporaryDirectory(dir=settings.folder) as name, settings.store.new(Path(name)) as db:
        folder = Path(name)
        with servers.tallyhold(folder, db, settings.workers) as (ours, operator_key):
            owners = sign_up(ours, operator_key, settings.owners)
            created = post_jobs(ours, owners, settings.jobs_each)
            answers = _answers(ours, owners, created)
            targets = case.targets(owners, settings)
            with servers.bare(folder, answers) as bare:
                answer = answers[case.answer]
                _check(case, targets, ours, bare, answer)
                load, costs = Load(folder, targets, case.body), Costs({"tallyhold": ours, "bare": bare})
                for address in (ours, bare):
                    load.run(address, waiting, WARM_SECONDS)
                send = partial(load.run, connections=waiting, seconds=settings.seconds)
                contestants = {name: partial(costs.of, name, send) for name in ("tallyhold", "bare")}
                samples = interleaved(contestants, settings.rounds, say)
    return {
        "title": case.title,
        "unit": "requests/s",
        **{name: {**figures(rates), **costs.medians(name)} for name, rates in samples.items()},
        **compared(samples["tallyhold"], samples["bare"], case.goals[settings.store.name]),
        "request_bytes": len(case.body or b""),
        "answer_bytes": len(answer),
    }


def _answers(ours: Address, owners: list[Owner], created: bytes) -> dict[str, bytes]:
    """What the platform answers, for the bare routes to repeat."""
    with Client(ours, owners[0].key) as client:
        detail = client.ask("GET", f"/jobs/{owners[0].job_ids[0]}")
        return {"created": created, "detail": detail, "list": client.ask("GET", "/jobs")}


def _check(case: Case, targets: Sequence[Target], ours: Address, bare: Address, answer: bytes) -> None:
    """The bare route answers the very bytes, and the platform's other answers have the same size."""
    method = "GET" if case.body is None else "POST"
    with Client(bare, targets[0].key) as client:
        if client.ask(method, targets[0].path, case.body) != answer:
            raise BenchFailed(f"The bare {case.title} answers other bytes than the platform.")
    for target in targets[:SIZES_LOOKED_AT]:
        with Client(ours, target.key) as client:
            size = len(client.ask(method, target.path, case.body))
        if abs(size - len(answer)) > SIZE_TOLERANCE * len(answer):
            raise BenchFailed(f"{case.title} answers {size} bytes here and {len(answer)} there.")
