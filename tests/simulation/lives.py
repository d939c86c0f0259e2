"""A whole year of the platform in one file: deposits, jobs, disputes, refunds and withdrawals."""

from contextlib import closing
from random import Random

from tests.given import NOW
from tests.local import HandClock, Where, new_database
from tests.simulation.drivers import InProcess
from tests.simulation.history import SPELL, history
from tests.simulation.model import DAY
from tests.simulation.outside import take_in_all

YEAR = 365 * DAY


def live_a_year(path: Where, seed: int, steps: int = 600, *, told_by_others: bool = False) -> None:
    """Make a database, and in it so many commands, spread over a year.

    ``told_by_others``: twice in the year what the gateway and the bank tell is taken into the books.
    """
    new_database(path)
    with closing(InProcess(path, HandClock(NOW), watched=False)) as driver:
        for number, moment in enumerate(history(Random(seed), steps, NOW, idle=YEAR * SPELL // steps)):
            driver.move_to(moment.at)
            driver.ask(moment.command)
            if told_by_others and number in (steps // 2, steps * 3 // 4):
                take_in_all(driver)
        driver.move_to(NOW + YEAR + 30 * DAY)
        driver.catch_up()
