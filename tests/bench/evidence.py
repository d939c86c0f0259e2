"""What tamper evidence costs: the same commands with the hash tree in their transactions, and without.

Figures are commands per second of the process's own time, which other work on the machine changes little. One
contestant has its log worked through as well, into tiles and index: the server does that once commands pause.
"""

import time
from typing import Any
from unittest.mock import patch

import uvloop

from api.program.platform import Platform
from tests.bench.commands import as_served, platform_in, post_for_a_while
from tests.bench.rounds import Say, compared, figures, interleaved
from tests.bench.settings import Settings

TITLE = "commands with the hash tree, against the same without"
GOAL = 0.95
WITH, WITHOUT, WORKED_THROUGH = "tallyhold", "without the tree", "with tree, tiles and index"


def run(settings: Settings, say: Say) -> dict[str, Any]:
    """By turns, each time on a fresh file."""

    def without() -> float:
        # The same rows and the same statements, and no hash.
        with (
            patch("api.evidence.tree.leaf_bytes", lambda *_: b""),
            patch("api.evidence.tree.append", lambda _, p, __: p),
        ):
            return _rate(settings)

    contestants = {
        WITH: lambda: _rate(settings),
        WITHOUT: without,
        WORKED_THROUGH: lambda: _rate(settings, works_through=True),
    }
    samples = interleaved(contestants, settings.rounds, say)
    return {
        "title": TITLE,
        "unit": "commands/s of CPU time",
        **{name: figures(rates) for name, rates in samples.items()},
        **compared(samples[WITH], samples[WITHOUT], GOAL),
        "ratio_worked_through": compared(samples[WORKED_THROUGH], samples[WITHOUT], GOAL)["ratio"],
    }


def _rate(settings: Settings, *, works_through: bool = False) -> float:
    with as_served(), platform_in(settings) as platform:
        posted = uvloop.run(post_for_a_while(platform.service.committer, settings))
        own = _working_through(platform) / posted.commands if works_through else 0.0
        return 1 / (1 / posted.per_cpu_second + own)


def _working_through(platform: Platform) -> float:
    """The time that it takes of the process."""
    began = time.process_time()
    uvloop.run(platform.service.evidence.catch_up())
    return time.process_time() - began
