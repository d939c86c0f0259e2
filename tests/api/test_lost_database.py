"""A database that goes away: nobody is acknowledged in vain, nothing happens twice, and the service recovers."""

import signal
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from api.service.ports import StoreFailed
from api.service.refusals import Unavailable
from api.store.postgres import connect
from api.store.postgres_sealing_keys import SealingKeysSchema
from api.store.postgres_session import PostgresReader, PostgresSession
from api.store.sessions import OutcomeUnknown
from api.store.sql_store import SQLStore
from domain.access.events import Role
from tests.api.server import a_job
from tests.api.test_committer import bought, kinds, outcomes, posted
from tests.local import Local, execute, issue_keys, new_database, query, run
from tests.postgres import OwnServer, own_server
from tests.program import failed, tallyhold
from tests.running import Client, RunningServer
from tests.simulation.books import File

PATIENCE_SECONDS = 30
ADA = UUID(int=1)


@pytest.fixture
def own() -> Iterator[tuple[OwnServer, str]]:
    """A server that the test may stop, and a database on it."""
    with own_server() as server:
        yield server, server.url


def wait_until_ready(client: Client) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while client.ask("GET", "/readyz").status != 200:
        assert time.monotonic() < until
        time.sleep(0.1)


def test_a_database_that_stops_and_starts(own: tuple[OwnServer, str], tmp_path: Path) -> None:
    database, url = own
    keys = issue_keys(url, {"Olga": Role.OWNER})
    with RunningServer(url, tmp_path) as server:
        with closing(server.client(keys["Olga"].key)) as client:
            assert client.ask("POST", "/owner/billing/add-credits", {"amountCents": 100_000}).status == 201
            acknowledged = [client.ask("POST", "/jobs", a_job(1)).body["id"]]
            database.stop("immediate")
            refused = client.ask("POST", "/jobs", a_job(1), idempotency_key="once")
            assert (refused.status, refused.body["code"]) == (503, "unavailable")
            assert "same Idempotency-Key" in refused.body["detail"]
            assert client.ask("GET", "/jobs").status == 503
            assert client.ask("GET", "/readyz").status == 503
            assert client.ask("GET", "/healthz").status == 200
            database.start()
            wait_until_ready(client)
            again = client.ask("POST", "/jobs", a_job(1), idempotency_key="once")
            assert again.status == 201
            acknowledged.append(again.body["id"])
            shown = [job["id"] for job in client.ask("GET", "/jobs").body["data"]]
            assert shown == acknowledged[::-1]
        server.stop()
        File(url).check()
        assert "a batch could not be written" in server.logged()
        assert "Traceback" not in server.logged(), "what was foreseen is told in a sentence"


def test_a_server_is_known_to_run_also_after_its_database_was_away(own: tuple[OwnServer, str], tmp_path: Path) -> None:
    database, url = own
    key = issue_keys(url, {"Olga": Role.OWNER})["Olga"].key
    with RunningServer(url, tmp_path) as server:
        with closing(server.client(key)) as client:
            database.stop("immediate")
            database.start()
            wait_until_ready(client)
            assert client.ask("GET", "/jobs").status == 200
        refused = tallyhold("rotate-master-key", "--new", str(tmp_path / "new"), "--db", url)
        failed(refused, 1, "is being served")


def test_a_server_ends_in_time_though_its_database_stands_still(own: tuple[OwnServer, str], tmp_path: Path) -> None:
    database, url = own
    key = issue_keys(url, {"Olga": Role.OWNER})["Olga"].key
    with RunningServer(url, tmp_path) as server:
        try:
            with closing(server.client(key)) as client, closing(server.client(key)) as waiting:
                wait_until_ready(client)
                database.suspend()
                waiting.send("GET", "/jobs")
                time.sleep(1)
                began = time.monotonic()
                server.process.send_signal(signal.SIGTERM)
                assert server.process.wait(PATIENCE_SECONDS) == 1
                assert time.monotonic() - began < 11
        finally:
            database.suspend(resume=True)


def test_a_database_that_stands_still_is_not_waited_for_for_ever(
    own: tuple[OwnServer, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    database, url = own
    monkeypatch.setattr("api.store.postgres.ANSWER_SECONDS", 0.5)
    monkeypatch.setattr("api.store.postgres.CONNECT_SECONDS", 2)
    monkeypatch.setattr("api.store.postgres_session.STANDS_STILL_SECONDS", 3)
    with (
        closing(PostgresReader(url)) as reader,
        closing(PostgresSession(url)) as session,
        closing(SealingKeysSchema(url)) as keys,
    ):
        assert reader.rows("SELECT 1") == [(1,)]
        assert not keys.is_destroyed(ADA)
        session.begin("SELECT oid FROM pg_class")
        database.suspend()
        try:
            began = time.monotonic()
            with pytest.raises(StoreFailed):
                reader.rows("SELECT 1")
            for _ in range(100):
                with pytest.raises(StoreFailed, match="stands still"):
                    reader.rows("SELECT 1")
            with pytest.raises(StoreFailed):
                session.read("SELECT 1")
            with pytest.raises(StoreFailed):
                keys.is_destroyed(ADA)
            assert time.monotonic() - began < 5
        finally:
            database.suspend(resume=True)
        time.sleep(3)
        assert reader.rows("SELECT 1") == [(1,)]
        assert not keys.is_destroyed(ADA)


class LosesItsAnswer(PostgresSession):
    """The connection is lost while the database commits: after it did, or before."""

    loses: str | None = None

    def commit(self) -> Any:
        how, self.loses = self.loses, None
        if how == "after":
            super().commit()
        if how is not None:
            self._drop()
            raise OutcomeUnknown("the server closed the connection unexpectedly")
        return super().commit()


def losing(url: str) -> tuple[Local, LosesItsAnswer]:
    sessions: list[LosesItsAnswer] = []

    def make_store(_: Any, mapper: Any) -> Any:
        sessions.append(LosesItsAnswer(url))
        return SQLStore(sessions[0], mapper)

    return Local(url, make_store=make_store), sessions[0]


def test_a_commit_whose_answer_was_lost_is_found_to_have_happened(postgres_url: str) -> None:
    new_database(postgres_url)

    async def story() -> None:
        local, session = losing(postgres_url)
        async with local:
            await local.ask(bought(1_950))
            session.loses = "after"
            assert (await local.ask(posted())).status == 201

    run(story())
    assert query(postgres_url, "SELECT count(*) FROM jobs") == [(1,)]
    File(postgres_url).check()


def test_a_commit_that_did_not_happen_is_refused_and_can_be_tried_again(postgres_url: str) -> None:
    new_database(postgres_url)

    async def story() -> None:
        local, session = losing(postgres_url)
        async with local:
            await local.ask(bought(1_950))
            session.loses = "before"
            assert kinds(await outcomes(local.ask(posted()))) == [Unavailable]
            assert query(postgres_url, "SELECT count(*) FROM jobs") == [(0,)]
            assert (await local.ask(posted())).status == 201

    run(story())
    File(postgres_url).check()


@pytest.mark.parametrize("asked", [("POST", "/jobs", a_job(1)), ("GET", "/jobs"), None], ids=str)
@pytest.mark.parametrize("workers", [(), ("--workers", "2")])
def test_a_server_whose_database_another_version_takes_over_says_so_and_ends(
    postgres_url: str, tmp_path: Path, workers: tuple[str, ...], asked: tuple[Any, ...] | None
) -> None:
    key = issue_keys(postgres_url, {"Olga": Role.OWNER})["Olga"].key
    with RunningServer(postgres_url, tmp_path, *workers) as server:
        with closing(server.client(key)) as client:
            wait_until_ready(client)
            execute(postgres_url, "UPDATE head SET views_version = 'another'")
            if asked is not None:
                assert client.ask(*asked).status == 503
        assert server.process.wait(PATIENCE_SECONDS) == 1
    said = server.logged()
    assert "The database has been changed to another version of this program; start that one." in said
    assert "Traceback" not in said


def test_a_process_that_stalls_loses_the_lock(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    new_database(postgres_url)
    monkeypatch.setattr("api.store.postgres.STALLED_MILLISECONDS", 200)

    async def story() -> None:
        async with Local(postgres_url) as local:
            with closing(PostgresSession(postgres_url)) as stalled:
                stalled.begin("SELECT position FROM head")
                await local.ask(bought(1_950))

    run(story())
    File(postgres_url).check()


@pytest.mark.parametrize(("tuned", "used"), [("off", "on"), ("local", "local"), ("remote_apply", "remote_apply")])
def test_what_is_acknowledged_is_durable_whatever_the_database_is_tuned_to(
    postgres_url: str, tuned: str, used: str
) -> None:
    with connect(postgres_url) as connection:
        connection.execute(f'ALTER DATABASE "{connection.info.dbname}" SET synchronous_commit = {tuned}')
    with connect(postgres_url) as connection:
        assert connection.execute("SHOW synchronous_commit").fetchall() == [(used,)]
    new_database(postgres_url)
    with closing(PostgresSession(postgres_url)) as session:
        session.begin("SELECT position FROM head")
        assert session.read("SHOW synchronous_commit") == [(used,)]
