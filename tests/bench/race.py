"""A thousand testers at once for a hundred slots of one job, beside as many who take slots of a thousand jobs."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

from domain.access.events import Role
from tests.bench import servers
from tests.bench.histories import History, Someone, now_milliseconds, some_terms
from tests.bench.load import Load, Target
from tests.bench.rounds import Costs, Say, compared, figures, interleaved
from tests.bench.settings import Settings
from tests.bench.stores import database_at
from tests.bench.testers import TAKE

TITLE = "1,000 testers race for 100 slots"
GOAL = 0.7
RACERS = 1_000
SLOTS = 100
RACES = 3
"""One after the other in one sample."""


@dataclass(frozen=True, slots=True)
class _Sample:
    """Takes of which so many are refused."""

    targets: list[Target]
    refused: int


def run(settings: Settings, say: Say) -> dict[str, Any]:
    """Races and takes without any contest by turns; in each race exactly 100 must get a slot."""
    with TemporaryDirectory(dir=settings.folder) as name, settings.store.new(Path(name)) as db:
        folder = Path(name)
        races, calm = _prepared(db, settings.rounds)
        with servers.tallyhold(folder, db, settings.workers) as (address, _):
            costs = Costs({"tallyhold": address, "1,000 jobs": address})

            def takes(name: str, samples: list[_Sample]) -> float:
                sample = samples.pop()
                load = Load(folder, sample.targets, TAKE)
                return costs.of(name, lambda at: load.run_once(at, settings.waiting, sample.refused))

            contestants = {
                "tallyhold": lambda: takes("tallyhold", races),
                "1,000 jobs": lambda: takes("1,000 jobs", calm),
            }
            for each in contestants:
                takes(each, {"tallyhold": races, "1,000 jobs": calm}[each])
            samples = interleaved(contestants, settings.rounds, say)
    return {
        "title": TITLE,
        "unit": "commands/s",
        **{each: {**figures(rates), **costs.medians(each)} for each, rates in samples.items()},
        **compared(samples["tallyhold"], samples["1,000 jobs"], GOAL),
        "races_a_sample": RACES,
    }


def _prepared(db: str, rounds: int) -> tuple[list[_Sample], list[_Sample]]:
    """The samples of all rounds and of the warm-up."""
    with History(database_at(db), now_milliseconds()) as history:
        (owner,) = history.people(Role.OWNER, 1)
        testers = history.people(Role.TESTER, RACERS)
        terms = some_terms(SLOTS)

        def jobs(count: int) -> list[UUID]:
            return [history.job(owner, terms) for _ in range(count)]

        races = [_Sample(_all_for_one(jobs(RACES), testers), RACES * (RACERS - SLOTS)) for _ in range(rounds + 1)]
        calm = [_Sample(_one_for_each(jobs(RACERS), testers), 0) for _ in range(rounds + 1)]
    return races, calm


def _all_for_one(jobs: list[UUID], testers: list[Someone]) -> list[Target]:
    return [Target(f"/tester/jobs/{job}/assignments", tester.key) for job in jobs for tester in testers]


def _one_for_each(jobs: list[UUID], testers: list[Someone]) -> list[Target]:
    """Every tester takes a slot of as many jobs as there are races, all of them different from one take to the next."""
    turns = range(RACES)
    return [
        Target(f"/tester/jobs/{jobs[(place + turn) % len(jobs)]}/assignments", tester.key)
        for turn in turns
        for place, tester in enumerate(testers)
    ]
