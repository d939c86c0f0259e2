"""A whole year of the platform in one file: deposits, jobs, disputes, refunds and withdrawals."""

from contextlib import closing
from pathlib import Path
from random import Random

from tests.given import NOW
from tests.local import HandClock, new_database
from tests.simulation.drivers import InProcess
from tests.simulation.history import SPELL, history
from tests.simulation.model import DAY

YEAR = 365 * DAY


def live_a_year(path: Path, seed: int, steps: int = 600) -> None:
    """Make a database, and in it so many commands, spread over a year."""
    new_database(path)
    with closing(InProcess(path, HandClock(NOW), watched=False)) as driver:
        for moment in history(Random(seed), steps, NOW, idle=YEAR * SPELL // steps):
            driver.move_to(moment.at)
            driver.ask(moment.command)
        driver.move_to(NOW + YEAR + 30 * DAY)
        driver.catch_up()
