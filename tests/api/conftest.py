"""One sandbox server on each kind of database for the tests of HTTP; each test makes owners and testers of its own."""

from collections.abc import Iterator

import pytest

from tests.api.server import Client, Platform, serving
from tests.postgres import a_database


@pytest.fixture(scope="session", params=["sqlite", "postgres"])
def platform(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Shared by all tests: nothing of a test may hang on what others have done to it, its clock least of all."""
    folder = tmp_path_factory.mktemp("platform")
    if request.param == "sqlite":
        with serving(folder, folder / "tallyhold.sqlite") as platform:
            yield platform
        return
    with a_database(request.getfixturevalue("postgres_server")) as url, serving(folder, url) as platform:
        yield platform


@pytest.fixture
def owner(platform: Platform) -> Client:
    """An owner with 10,000 dollars."""
    return platform.owner()


@pytest.fixture
def tester(platform: Platform) -> Client:
    return platform.tester()


@pytest.fixture
def operator(platform: Platform) -> Client:
    return platform.operator
