"""The real service in this process, at any millisecond, against the model."""

import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings

from tests.given import NOW
from tests.local import HandClock, new_database
from tests.postgres import a_database
from tests.simulation.drivers import Driver, InProcess
from tests.simulation.history import history
from tests.simulation.machine import Platform


class InThisProcess(Platform):
    """On a file."""

    def make_driver(self) -> Driver:
        self.folder = Path(tempfile.mkdtemp())
        path = self.folder / "tallyhold.sqlite"
        new_database(path)
        return InProcess(path, HandClock(NOW))

    def teardown(self) -> None:
        super().teardown()
        shutil.rmtree(self.folder)


class OnPostgres(Platform):
    """On a database of its own for each life."""

    server: ClassVar[str]
    template: ClassVar[str]

    def make_driver(self) -> Driver:
        self.stack = ExitStack()
        url = self.stack.enter_context(a_database(self.server, copy_of=self.template))
        return InProcess(url, HandClock(NOW))

    def teardown(self) -> None:
        super().teardown()
        self.stack.close()


@pytest.fixture(autouse=True, scope="module")
def server(postgres_server: str, postgres_template: str) -> None:
    OnPostgres.server, OnPostgres.template = postgres_server, postgres_template


# With the profile "long" (see README, "How it is built") there are a hundred times as many.
LIVES = settings(
    max_examples=3 * settings().max_examples // 10,
    stateful_step_count=25,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
TestInThisProcess = InThisProcess.TestCase
TestInThisProcess.settings = LIVES
TestOnPostgres = OnPostgres.TestCase
TestOnPostgres.settings = settings(LIVES, max_examples=LIVES.max_examples // 5)


@pytest.mark.parametrize(("seed", "kind"), [*((seed, InThisProcess) for seed in range(4)), (4, OnPostgres)])
def test_a_long_life_goes_as_predicted(seed: int, kind: type[Platform]) -> None:
    """Hundreds of commands on dozens of jobs, most of which make sense; so jobs get further than above."""
    chance, machine = Random(seed), kind()
    for number, moment in enumerate(history(chance, 300, NOW)):
        machine.wait(moment.at - machine.model.now, look=False)
        machine.ask(moment.command)
        if number % 20 == 0:
            machine.all_is_well()
        if chance.random() < 0.01:
            machine.driver.restart()
    machine.all_is_well()
    machine.teardown()
