"""The real server with its sandbox's clock, asked over HTTP, against the model."""

import shutil
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from hypothesis import HealthCheck, settings

from domain.access.events import Role
from tests.local import Key, issue_keys
from tests.simulation.drivers import OPERATOR, OWNERS, TESTERS, Driver, OverHttp
from tests.simulation.machine import Platform

PRINCIPALS = {OPERATOR: Role.OPERATOR, **dict.fromkeys(OWNERS, Role.OWNER), **dict.fromkeys(TESTERS, Role.TESTER)}


@cache
def beginning() -> tuple[bytes, Mapping[str, Key]]:
    """A file in which everybody has a key and nothing else happened, and the keys."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tallyhold.sqlite"
        keys = issue_keys(path, PRINCIPALS)
        return path.read_bytes(), keys


class OverTheWire(Platform):
    def make_driver(self) -> Driver:
        self.folder = Path(tempfile.mkdtemp())
        file, keys = beginning()
        path = self.folder / "tallyhold.sqlite"
        path.write_bytes(file)
        return OverHttp(path, self.folder, keys)

    def teardown(self) -> None:
        super().teardown()
        shutil.rmtree(self.folder)


TestOverTheWire = OverTheWire.TestCase
TestOverTheWire.settings = settings(
    max_examples=4,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
