"""The real service in this process, at any millisecond, against the model."""

import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings

from tests.given import NOW
from tests.local import HandClock, new_database
from tests.simulation.drivers import Driver, InProcess
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
    max_examples=40,
    stateful_step_count=30,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
