"""The order of the tests, and a PostgreSQL server for those of one process, started when the first asks for it."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.local import Where, new_database
from tests.postgres import a_database, a_server

settings.register_profile("long", max_examples=10_000)

LONGEST = (
    "test_house_rules.py",
    "test_schemathesis.py",
    "test_durability.py",
    "test_machine.py",
    "test_machine_over_http.py",
    "test_demo.py",
    "test_schedulers.py",
)
"""Files whose few tests take long; they come first, so that no process works on one while all others are done."""


def pytest_xdist_auto_num_workers() -> int:
    """What ``-n auto`` means: a quarter of the time the tests wait for servers and for the disk."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In the order of the files but for those."""
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


@pytest.fixture(scope="session", autouse=True)
def state_of_their_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What goes with a PostgreSQL database and lies outside of it is kept apart from the user's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    """A command that was called within this process may have sent all logs to a standard error of its own."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture(scope="session", autouse=True)
def compiled_once() -> Iterator[None]:
    """Whatever was asked of us: of the many processes that tests start, each would compile the whole program anew."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        yield


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """Its URL."""
    with a_server() as url:
        yield url


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """The URL of a database of the test's own."""
    with a_database(postgres_server) as url:
        yield url


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> Iterator[str]:
    """The URL of a database with empty tables: copying it takes half as long as making them."""
    with a_database(postgres_server) as url:
        new_database(url)
        yield url


@pytest.fixture(params=["sqlite", "postgres"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Where]:
    """A new database of each kind: nothing is in it."""
    if request.param == "sqlite":
        yield tmp_path / "tallyhold.sqlite"
        return
    server: str = request.getfixturevalue("postgres_server")
    with a_database(server, copy_of=request.getfixturevalue("postgres_template")) as url:
        yield url
