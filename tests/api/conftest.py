"""One sandbox server on each kind of database for the tests of HTTP; each test makes owners and testers of its own."""

from collections.abc import Iterator

import pytest

from tests.api.server import Client, Platform, serving
from tests.postgres import a_database


@pytest.fixture(scope="session")
def platform_on_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("platform")
    with serving(folder, folder / "tallyhold.sqlite") as platform:
        yield platform


@pytest.fixture(scope="session")
def platform_on_postgres(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("platform")
    with a_database(postgres_server) as url, serving(folder, url) as platform:
        yield platform


@pytest.fixture(scope="session", params=["sqlite", "postgres"])
def platform(request: pytest.FixtureRequest) -> Platform:
    """Shared by all tests: nothing of a test may hang on what others have done to it, its clock least of all.

    Each has a fixture of its own: one with parameters is made anew whenever the next test asks for the other kind.
    """
    platform: Platform = request.getfixturevalue(f"platform_on_{request.param}")
    return platform


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
