"""The real service in this process, at any millisecond, against the model."""

import shutil
import tempfile
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, settings

from tests.given import NOW
from tests.local import HandClock, new_database
from tests.simulation.drivers import Driver, InProcess
from tests.simulation.history import history
from tests.simulation.machine import Platform


class InThisProcess(Platform):
    def make_driver(self) -> Driver:
        self.folder = Path(tempfile.mkdtemp())
        path = self.folder / "tallyhold.sqlite"
        new_database(path)
        return InProcess(path, HandClock(NOW))

    def teardown(self) -> None:
        super().teardown()
        shutil.rmtree(self.folder)


TestInThisProcess = InThisProcess.TestCase
TestInThisProcess.settings = settings(
    max_examples=50,
    stateful_step_count=25,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)


@pytest.mark.parametrize("seed", range(4))
def test_a_long_life_goes_as_predicted(seed: int) -> None:
    """Hundreds of commands on dozens of jobs, most of which make sense; so jobs get further than above."""
    chance, machine = Random(seed), InThisProcess()
    for number, moment in enumerate(history(chance, 300, NOW)):
        machine.wait(moment.at - machine.model.now, look=False)
        machine.ask(moment.command)
        if number % 20 == 0:
            machine.all_is_well()
        if chance.random() < 0.01:
            machine.driver.restart()
    machine.all_is_well()
    machine.teardown()
