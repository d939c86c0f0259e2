"""Several processes on one PostgreSQL: one log without gaps, answers that show whatever was acknowledged anywhere."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest

from tests.api.server import STOP_SECONDS, Client, Platform, a_job, done, serving
from tests.local import query
from tests.postgres import a_database
from tests.program import environment, failed, in_a_process_of_its_own, leaves_nothing_running, tallyhold
from tests.simulation.books import File

WORKERS = 3
SLOTS = 10
LONG_MS = 20_000


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory, postgres_server: str) -> Iterator[Platform]:
    """A server of several processes."""
    folder = tmp_path_factory.mktemp("workers")
    with a_database(postgres_server) as url, serving(folder, url, "--workers", str(WORKERS)) as platform:
        yield platform


@contextmanager
def on_connections_of_their_own(platform: Platform, *people: Client) -> Iterator[list[Client]]:
    """The same people, each on a new connection: the workers share these out among them."""
    with ExitStack() as stack:
        yield [
            replace(
                somebody,
                http=stack.enter_context(httpx2.Client(base_url=platform.url, timeout=60, trust_env=False)),
            )
            for somebody in people
        ]


class Watcher(threading.Thread):
    """Reads the log all the while: whatever it sees must be all positions from the first to the last."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url
        self.over = threading.Event()
        self.looks = 0
        self.gaps: list[Any] = []

    def run(self) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            while not self.over.is_set():
                row = connection.execute(
                    "SELECT count(*), coalesce(max(position), 0), (SELECT position FROM head) FROM stored_events"
                ).fetchone()
                assert row is not None
                self.looks += 1
                if len(set(row)) != 1:
                    self.gaps.append(row)


def test_many_writers_leave_no_gap_that_any_reader_could_see(workers: Platform) -> None:
    url = str(workers.where)
    watchers = [Watcher(url) for _ in range(2)]
    for watcher in watchers:
        watcher.start()
    owner = workers.owner()
    job_id = owner.post_job(SLOTS)
    testers = workers.testers(2 * SLOTS)
    with (
        on_connections_of_their_own(workers, *testers) as alone,
        ThreadPoolExecutor(len(alone)) as threads,
    ):
        answers = list(threads.map(lambda t: t.post(f"/tester/jobs/{job_id}/assignments"), alone))
    for watcher in watchers:
        watcher.over.set()
        watcher.join()
    assert sorted(answer.status_code for answer in answers) == [201] * SLOTS + [409] * SLOTS
    assert all(watcher.looks > 20 and not watcher.gaps for watcher in watchers)
    File(url).check()


def test_what_one_process_acknowledged_all_show(workers: Platform) -> None:
    with on_connections_of_their_own(workers, *[workers.owner()] * (4 * WORKERS)) as connections:
        for number, writer in enumerate(connections):
            job_id = writer.post_job(1, title=f"Job {number}")
            for reader in connections:
                assert done(reader.get("/jobs", limit=1))["data"][0]["id"] == job_id
            done(writer.post(f"/owner/jobs/{job_id}/pause"))
            assert {done(reader.get(f"/jobs/{job_id}"))["status"] for reader in connections} == {"paused"}


def test_a_revoked_key_is_worthless_at_once_in_every_process(workers: Platform) -> None:
    owner = workers.owner()
    with on_connections_of_their_own(workers, *[owner] * (4 * WORKERS)) as connections:
        assert {each.get("/owner/billing").status_code for each in connections} == {200}
        done(workers.operator.ask("DELETE", f"/operator/keys/{owner.key_id}"))
        wrong, others, right, shown = (connections[number::4] for number in range(4))
        assert {each.post("/jobs", {}).status_code for each in wrong} == {401}
        assert {each.post("/operator/keys", {}).status_code for each in others} == {401}
        assert {each.post("/jobs", a_job(1)).status_code for each in right} == {401}
        assert {each.get("/owner/billing").status_code for each in shown} == {401}


def test_who_waits_hears_what_another_process_did(workers: Platform) -> None:
    owner = workers.owner()
    job_id = owner.post_job(1)
    with (
        on_connections_of_their_own(workers, *[owner] * (3 * WORKERS)) as connections,
        ThreadPoolExecutor(len(connections)) as threads,
    ):
        began = time.monotonic()
        waiting = [threads.submit(each.get, f"/jobs/{job_id}/wait", timeoutMs=LONG_MS) for each in connections]
        time.sleep(0.5)
        done(owner.post(f"/owner/jobs/{job_id}/cancel"))
        assert {done(each.result())["status"] for each in waiting} == {"cancelled"}
        assert time.monotonic() - began < LONG_MS / 1_000


def test_the_clock_and_its_deadlines_are_the_same_in_every_process(workers: Platform) -> None:
    with on_connections_of_their_own(workers, *[workers.owner()] * (4 * WORKERS)) as connections:
        job_id = connections[0].post_job(1, jobPostingTimeLimitMinutes=5)
        workers.pass_time(minutes=5)
        assert {done(each.get(f"/jobs/{job_id}"))["status"] for each in connections} == {"cancelled"}


def test_the_master_key_is_not_changed_beside_workers(workers: Platform, tmp_path: Path) -> None:
    rotating = tallyhold("rotate-master-key", "--new", str(tmp_path / "new"), "--db", workers.db)
    failed(rotating, 1, "is being served; stop all its servers first")


def test_tables_are_made_once_by_however_many_start_at_once(postgres_url: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", f"from api.store.postgres import open_log; open_log({postgres_url!r}).close()"]
    starting = [
        subprocess.Popen(command, cwd=tmp_path, env=environment(), stderr=subprocess.PIPE, text=True) for _ in range(8)
    ]
    assert [process.communicate()[1] for process in starting] == [""] * 8
    assert query(postgres_url, "SELECT count(*) FROM head") == [(1,)]


STARTING = """
import os, sys, time
from api.workers import Workers, listening_socket

def work(place, listening):
    os.write(1, b"starting\\n")
    time.sleep(float(sys.argv[1]))
    return 1

with listening_socket("127.0.0.1", 0) as place:
    raise SystemExit(Workers(2, work, place).run(lambda: None))
"""
"""Two workers that are long in starting, and then fail."""


@pytest.mark.parametrize(("seconds", "is_told", "code"), [("60", True, 0), ("0.1", False, 1)])
def test_workers_that_are_told_to_end_while_they_start_have_not_failed(seconds: str, is_told: bool, code: int) -> None:
    command = [sys.executable, "-c", STARTING, seconds]
    with subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None and parent.stdout.readline() == "starting\n"
        if is_told:
            parent.terminate()
        assert parent.wait(STOP_SECONDS) == code


@contextmanager
def two_workers(folder: Path, url: str) -> Iterator[subprocess.Popen[str]]:
    """A server of two processes that listens, in a process group of its own."""
    command = ("serve", "--sandbox", "--port", "0", "--workers", "2", "--db", url)
    with (folder / "server.log").open("a") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "api.main", *command],
            cwd=folder,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline().startswith("listening on ")
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(STOP_SECONDS)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP])
def test_no_worker_outlives_its_parent(postgres_url: str, tmp_path: Path, number: signal.Signals) -> None:
    with two_workers(tmp_path, postgres_url) as parent:
        parent.send_signal(number)
        parent.wait(STOP_SECONDS)
        assert leaves_nothing_running(parent)
    assert parent.returncode == (-number if number == signal.SIGKILL else 0)


def test_a_terminal_that_hangs_up_ends_all_in_peace(postgres_url: str, tmp_path: Path) -> None:
    with two_workers(tmp_path, postgres_url) as parent:
        os.killpg(parent.pid, signal.SIGHUP)
        assert parent.wait(STOP_SECONDS) == 0
        assert leaves_nothing_running(parent)


STUBBORN = """
import signal, sys, time
from api import workers

def work(place, listening):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    listening()
    time.sleep(60)

workers.LAST_SECONDS = 1
with workers.listening_socket("127.0.0.1", 0) as place:
    sys.exit(workers.Workers(2, work, place).run(lambda: print("listening", flush=True)))
"""


def test_workers_that_do_not_end_are_killed() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STUBBORN], env=environment(), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "listening\n"
        process.terminate()
        assert process.wait(30) == 1


def test_several_workers_on_a_file_are_wrong_usage(tmp_path: Path) -> None:
    process = in_a_process_of_its_own("serve", "--workers", "2", "--db", "sqlite:///a.sqlite", folder=tmp_path)
    assert process.returncode == 2
    assert process.stderr == "tallyhold: Several workers need PostgreSQL: a SQLite file is served by one process.\n"
    assert not (tmp_path / "a.sqlite").exists()
