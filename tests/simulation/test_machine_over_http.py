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
def beginning() -> tuple[Mapping[str, bytes], Mapping[str, Key]]:
    """The files of a database in which everybody has a key and nothing else happened, and the keys."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tallyhold.sqlite"
        keys = issue_keys(path, PRINCIPALS)
        return {file.name: file.read_bytes() for file in path.parent.iterdir()}, keys


class OverTheWire(Platform):
    def make_driver(self) -> Driver:
        self.folder = Path(tempfile.mkdtemp())
        files, keys = beginning()
        for name, content in files.items():
            (self.folder / name).write_bytes(content)
        return OverHttp(self.folder / "tallyhold.sqlite", self.folder, keys)

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
