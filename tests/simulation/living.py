"""A random life, for tests that need a database with something in it."""

from collections.abc import Callable
from contextlib import closing
from random import Random

from domain.access.events import Role
from tests.given import NOW
from tests.local import HandClock, Where, issue_keys
from tests.simulation.drivers import InProcess
from tests.simulation.history import history


def live(where: Where, moments: int, seed: int = 7, in_the_end: Callable[[InProcess], None] | None = None) -> None:
    """Some of it is still under way; an operator and a tester have keys."""
    issue_keys(where, {"Pat": Role.OPERATOR, "Ada": Role.TESTER})
    with closing(InProcess(where, HandClock(NOW))) as driver:
        for moment in history(Random(seed), moments, NOW):
            driver.move_to(moment.at)
            driver.ask(moment.command)
        if in_the_end is not None:
            in_the_end(driver)
