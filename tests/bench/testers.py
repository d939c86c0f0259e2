"""A tester's commands over HTTP: take, start and submit beside bare routes, and a race for the slots of one job.

A tester can have a job once, so every request is sent once: the histories that they need are written beforehand.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

import msgspec

from domain.access.events import Role
from tests.bench import servers
from tests.bench.client import Address, Client
from tests.bench.histories import ANSWERS, History, Someone, now_milliseconds, some_terms
from tests.bench.load import Load, Measured, Target
from tests.bench.rounds import Costs, Say, compared, figures, interleaved
from tests.bench.settings import BenchFailed, Settings
from tests.bench.stores import database_at

TESTERS = 1_000
SLOTS = 100
REQUESTS_A_SECOND = 1_500
"""How many requests one sample has, for each second that samples last."""
TAKE = b'{"acceptLegalAgreements":true}'
SUBMIT = msgspec.json.encode({"answers": ANSWERS})


@dataclass(frozen=True, slots=True)
class Case:
    """One command, and what it has to reach beside the bare route; ``before`` is what was done already."""

    title: str
    before: int
    answer: str
    body: bytes
    path: str


GOALS = {"sqlite": 0.5, "postgres": 0.4}
CASES = {
    "take": Case("a tester's take", 0, "taken", TAKE, "/tester/jobs/{job}/assignments"),
    "start": Case("a tester's start", 1, "started", b"", "/tester/assignments/{assignment}/start"),
    "submit": Case("a tester's submit", 2, "submitted", SUBMIT, "/tester/assignments/{assignment}/submit"),
}


def run(case: Case, settings: Settings, say: Say) -> dict[str, Any]:
    """Both servers side by side, each request of ours sent once."""
    sample = REQUESTS_A_SECOND * settings.seconds
    with TemporaryDirectory(dir=settings.folder) as name, settings.store.new(Path(name)) as db:
        folder = Path(name)
        targets = _prepared(case, db, (settings.rounds + 1) * sample + 1)
        with servers.tallyhold(folder, db, settings.workers) as (ours, _):
            answer = _ask(ours, targets.pop(), case.body)
            with servers.bare(folder, {case.answer: answer}) as bare:
                if _ask(bare, targets[0], case.body) != answer:
                    raise BenchFailed(f"The bare {case.title} answers other bytes than the platform.")
                parts = iter([targets[begin : begin + sample] for begin in range(0, len(targets), sample)])
                costs = Costs({"tallyhold": ours, "bare": bare})
                send = partial(_send, folder, case.body, settings.waiting)
                warm = next(parts)
                for address in (ours, bare):
                    send(warm, address)
                contestants = {
                    "tallyhold": lambda: costs.of("tallyhold", lambda address: send(next(parts), address)),
                    "bare": lambda: costs.of("bare", lambda address: send(warm, address)),
                }
                samples = interleaved(contestants, settings.rounds, say)
    return {
        "title": case.title,
        "unit": "requests/s",
        **{each: {**figures(rates), **costs.medians(each)} for each, rates in samples.items()},
        **compared(samples["tallyhold"], samples["bare"], GOALS[settings.store.name]),
        "requests_a_sample": sample,
        "answer_bytes": len(answer),
    }


def _prepared(case: Case, db: str, count: int) -> list[Target]:
    """So many requests that will all succeed: each of a tester who has come so far with a job of 100 slots."""
    targets = []
    with History(database_at(db), now_milliseconds()) as history:
        (owner,) = history.people(Role.OWNER, 1)
        testers = history.people(Role.TESTER, TESTERS)
        terms = some_terms(SLOTS)
        for number in range(-(-count // SLOTS)):
            job = history.job(owner, terms)
            first = number * SLOTS % TESTERS
            targets += [_come_so_far(case, history, job, tester) for tester in testers[first : first + SLOTS]]
            history.forget(job)
    return targets[:count]


def _come_so_far(case: Case, history: History, job: UUID, tester: Someone) -> Target:
    assignment = history.take(job, tester) if case.before else None
    if assignment and case.before > 1:
        history.start(job, assignment, tester)
    return Target(case.path.format(job=job, assignment=assignment), tester.key)


def _ask(address: Address, target: Target, body: bytes) -> bytes:
    with Client(address, target.key) as client:
        return client.ask("POST", target.path, body)


def _send(folder: Path, body: bytes, waiting: int, targets: Sequence[Target], address: Address) -> Measured:
    return Load(folder, targets, body).run_once(address, min(waiting, len(targets)))
