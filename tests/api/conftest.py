"""One sandbox server for all tests of the HTTP interface: each test makes owners and testers of its own."""

from collections.abc import Iterator

import pytest

from tests.api.server import Client, Platform, serving


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Shared by all tests: nothing of a test may hang on what others have done to it, its clock least of all."""
    with serving(tmp_path_factory.mktemp("platform")) as platform:
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
