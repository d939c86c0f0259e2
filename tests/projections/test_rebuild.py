"""Read models made anew from the log are what they were, row for row."""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from random import Random
from threading import Event
from time import sleep

import pytest

from api.program.platform import Platform
from api.service.ports import StoreBusy
from api.store.application import NotOurs
from api.store.rebuild import _swap as swap
from api.store.rebuild import digest_anew, is_outdated, rebuild
from api.store.sessions import Session
from domain.access.events import Role
from projections.replay import READ_MODELS, TABLES, views_version
from tests.given import NOW
from tests.local import (
    HandClock,
    Where,
    database,
    execute,
    issue_keys,
    master_key_of_locals,
    new_database,
    opened,
    query,
    tables,
)
from tests.postgres import a_database
from tests.simulation.drivers import InProcess
from tests.simulation.history import history
from tests.simulation.living import live
from tests.simulation.outside import settle_and_close

PATIENCE_SECONDS = 30
NOT_YET_OVER = "SELECT count(*) FROM jobs WHERE due_at IS NOT NULL"


def live_in(where: Where) -> None:
    """A long random life, some of it still under way."""
    live(where, 400, in_the_end=settle_and_close)
    assert query(where, NOT_YET_OVER)[0][0]


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def lived(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, postgres_server: str
) -> Iterator[Where]:
    """A database with a life in it."""
    if request.param == "sqlite":
        path = tmp_path_factory.mktemp("lived") / "tallyhold.sqlite"
        live_in(path)
        yield path
    else:
        with a_database(postgres_server) as url:
            live_in(url)
            yield url


@pytest.fixture
def path(tmp_path: Path, lived: Where, postgres_server: str) -> Iterator[Where]:
    """A copy of it."""
    if isinstance(lived, Path):
        yield shutil.copytree(lived.parent, tmp_path, dirs_exist_ok=True) / lived.name
    else:
        with a_database(postgres_server, copy_of=lived) as url:
            yield url


def unwatched(done: int, total: int) -> None:
    """Nobody looks at the progress."""


def head(path: Where) -> list[tuple[object, ...]]:
    return query(path, "SELECT * FROM head")


def test_rebuilt_equals_live_in_every_table(path: Where) -> None:
    live, before = tables(path), head(path)
    assert all(live[table.name] for table in TABLES), "the life was too poor to say anything"
    assert rebuild(database(path), unwatched) == before[0][1]
    rebuilt = tables(path)
    for table in TABLES:
        assert rebuilt[table.name] == live[table.name], table.name
    execute(path, "UPDATE head SET views_generation = views_generation - 1")
    assert head(path) == before, "only that they are new ones is told"


def test_it_tells_how_far_it_is_in_pages(path: Where, monkeypatch: pytest.MonkeyPatch) -> None:
    """And pages of any size give the same rows."""
    monkeypatch.setattr("api.store.rebuild.PAGE", 7)
    live, told = tables(path), list[tuple[int, int]]()
    count = rebuild(database(path), lambda done, total: told.append((done, total)))
    assert told[0] == (7, count)
    assert told[-1] == (count, count)
    assert tables(path) == live


def test_several_processes_work_a_long_log_out_and_give_the_same_rows(
    path: Where, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.store.rebuild.LONG", 0)
    monkeypatch.setattr("api.store.rebuild.LARGE_PAGE", 50)
    live, told = tables(path), list[int]()
    count = rebuild(database(path), lambda done, total: told.append(done))
    assert told == [*range(50, count, 50), count, count]
    assert tables(path) == live


def test_nobody_rebuilds_what_is_being_rebuilt(path: Where, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the rows of the one, who begins anew, would be lost to the other, who ends first."""
    monkeypatch.setattr("api.store.rebuild.PAGE", 50)
    live, refused = tables(path), list[bool]()

    def another_one(done: int, total: int) -> None:
        with pytest.raises(NotOurs, match="being rebuilt"):
            rebuild(database(path), unwatched)
        refused.append(True)

    rebuild(database(path), another_one)
    assert len(refused) > 2
    assert tables(path) == live
    rebuild(database(path), unwatched)
    assert tables(path) == live


def test_rebuilding_heals_rows_that_somebody_touched(path: Where) -> None:
    live = tables(path)
    execute(path, "UPDATE balances SET balance_cents = balance_cents + 1")
    execute(path, "DELETE FROM jobs")
    rebuild(database(path), unwatched)
    assert tables(path) == live


def test_commands_pass_while_a_rebuild_waits_for_somebody_who_reads_the_old_rows(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_database(postgres_url)
    refused = Event()

    def pause(seconds: float) -> None:
        refused.set()
        sleep(seconds)

    monkeypatch.setattr("api.store.rebuild.sleep", pause)
    with ThreadPoolExecutor(1) as threads, opened(postgres_url) as reader:
        reader.execute("SELECT count(*) FROM jobs")
        rebuilding = threads.submit(rebuild, database(postgres_url), unwatched)
        assert refused.wait(PATIENCE_SECONDS)
        issue_keys(postgres_url, {"Olga": Role.OWNER})
        assert not rebuilding.done()
        reader.rollback()
        assert rebuilding.result(PATIENCE_SECONDS) == head(postgres_url)[0][1]
    assert query(postgres_url, "SELECT name FROM principals") == [("Olga",)]


def test_a_rebuild_beside_somebody_who_never_stops_reading_says_so_and_leaves_the_old_rows(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.store.rebuild.SWAP_SECONDS", 0)
    issue_keys(postgres_url, {"Olga": Role.OWNER})
    before = head(postgres_url)
    with opened(postgres_url) as reader:
        reader.execute("SELECT count(*) FROM jobs")
        with pytest.raises(StoreBusy, match="somebody reads the old rows"):
            rebuild(database(postgres_url), unwatched)
    assert head(postgres_url) == before
    assert query(postgres_url, "SELECT name FROM principals") == [("Olga",)]
    assert query(postgres_url, "SELECT relname FROM pg_class WHERE starts_with(relname, 'rebuilt')") == []


def test_who_has_begun_to_look_sees_the_old_rows_to_the_end(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL does not show the rows of a table to a snapshot that is older than they are."""
    monkeypatch.setattr("api.store.rebuild.SWAP_SECONDS", 0)
    issue_keys(postgres_url, {"Olga": Role.OWNER})
    with closing(database(postgres_url).reader()) as reader, reader.snapshot():
        assert reader.rows("SELECT position FROM head") == [(2,)]
        for anew in (lambda: rebuild(database(postgres_url), unwatched), lambda: digest_anew(database(postgres_url))):
            with pytest.raises(StoreBusy, match="somebody reads the old rows"):
                anew()
        assert reader.rows("SELECT name FROM principals") == [("Olga",)]


def test_who_begins_to_look_amid_the_swap_sees_the_new_rows(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    issue_keys(postgres_url, {"Olga": Role.OWNER})

    def seen() -> list[tuple[object, ...]]:
        with closing(database(postgres_url).reader()) as reader, reader.snapshot():
            return reader.rows("SELECT name FROM principals")

    with ThreadPoolExecutor(1) as threads:
        looking = []

        def swap_and_look(session: Session) -> None:
            swap(session)
            looking.append(threads.submit(seen))
            while not query(postgres_url, "SELECT 1 FROM pg_locks WHERE NOT granted"):
                sleep(0.01)

        monkeypatch.setattr("api.store.rebuild._swap", swap_and_look)
        rebuild(database(postgres_url), unwatched)
        assert looking[0].result(PATIENCE_SECONDS) == [("Olga",)]


def test_a_rebuild_that_breaks_off_leaves_the_old_rows(path: Where) -> None:
    live, before = tables(path), head(path)

    def pulled_the_plug(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rebuild(database(path), pulled_the_plug)
    assert (tables(path), head(path)) == (live, before)


def test_read_models_of_another_version_are_not_served_until_they_are_rebuilt(path: Where, tmp_path: Path) -> None:
    live = tables(path)
    execute(path, "UPDATE head SET views_version = 'an older one'")
    execute(path, "DROP TABLE wallets")
    execute(path, "CREATE TABLE wallets (an_older_column INTEGER)")
    assert is_outdated(database(path))
    with pytest.raises(NotOurs, match="tallyhold migrate"):
        Platform(database(path))
    rebuild(database(path), unwatched)
    assert not is_outdated(database(path))
    assert query(path, "SELECT views_version FROM head") == [(views_version(),)]
    Platform(database(path), master_key_file=master_key_of_locals(tmp_path)).close()
    assert tables(path) == live


def test_read_models_of_this_version_are_left_alone(path: Where, tmp_path: Path) -> None:
    execute(path, "UPDATE balances SET balance_cents = balance_cents + 1")
    touched = tables(path)
    Platform(database(path), master_key_file=master_key_of_locals(tmp_path)).close()
    assert tables(path) == touched


def test_every_read_model_has_its_version_in_the_head() -> None:
    assert views_version().split() == [f"{model.name}:{model.version}" for model in READ_MODELS]


def test_life_goes_on_after_a_rebuild_as_if_there_had_been_none(tmp_path: Path) -> None:
    moments = list(history(Random(11), 120, NOW))
    left = []
    for rebuilds in (False, True):
        path = tmp_path / f"{rebuilds}.sqlite"
        with closing(InProcess(path, HandClock(NOW))) as driver:
            for number, moment in enumerate(moments):
                if rebuilds and number % 40 == 39:
                    rebuild(database(path), unwatched)
                driver.move_to(moment.at)
                driver.ask(moment.command)
        rows = tables(path)
        rows.pop("purchases")  # their ids are new each time
        left.append(rows)
    assert left[0] == left[1]
