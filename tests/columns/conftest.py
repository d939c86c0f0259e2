"""A simulated year on each kind of database, and its partitions."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from shutil import copytree

import pytest

from api.columns.exporting import export_partitions
from api.columns.manifest import Manifest
from api.store.stored_log import StoredLog
from tests.given import NOW
from tests.local import HandClock, Where, database, query
from tests.postgres import a_database
from tests.simulation.commands import Buy
from tests.simulation.drivers import InProcess
from tests.simulation.lives import YEAR, live_a_year

STEPS = 400


def unwatched(done: int, total: int) -> None:
    """Nobody looks at the progress."""


def export(where: Where, place: Path | str) -> Manifest:
    return export_partitions(StoredLog(database(where).reader_elsewhere), str(place), unwatched)


def position(where: Where) -> int:
    found: int = query(where, "SELECT position FROM head")[0][0]
    return found


def buy(where: Where, times: int) -> None:
    """Let the log grow."""
    with closing(InProcess(where, HandClock(NOW + 2 * YEAR), watched=False)) as driver:
        for _ in range(times):
            driver.ask(Buy("Olga", 700))


@pytest.fixture(scope="session")
def file_of_a_year(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where it does not matter on which kind of database. Not to be changed."""
    path: Path = tmp_path_factory.mktemp("year") / "tallyhold.sqlite"
    live_a_year(path, 7, STEPS, told_by_others=True)
    return path


@pytest.fixture(scope="session", params=["sqlite", "postgres"])
def year(request: pytest.FixtureRequest) -> Iterator[Where]:
    """On each kind of database. Not to be changed."""
    if request.param == "sqlite":
        yield request.getfixturevalue("file_of_a_year")
        return
    with a_database(request.getfixturevalue("postgres_server")) as url:
        live_a_year(url, 7, STEPS, told_by_others=True)
        yield url


@pytest.fixture(scope="session")
def partitions_of_a_year(file_of_a_year: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Not to be changed."""
    folder = tmp_path_factory.mktemp("exported") / "partitions"
    export(file_of_a_year, folder)
    return folder


@pytest.fixture
def partitions(partitions_of_a_year: Path, tmp_path: Path) -> Path:
    """To be spoiled."""
    return copytree(partitions_of_a_year, tmp_path / "partitions")
