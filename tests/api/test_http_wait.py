"""Waiting for the end of a job."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from time import monotonic, sleep

import httpx2
import pytest

from tests.api.server import (
    Client,
    Platform,
    Response,
    client,
    connected,
    done,
    listening,
    refused,
    wrong_fields,
)
from tests.program import create_key

LONG_MS = 30_000
SOON_SECONDS = 10


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


def waiting(pool: ThreadPoolExecutor, owner: Client, job_id: str) -> "Future[Response]":
    """Somebody who waits, so long that the server has heard of it."""
    future = pool.submit(owner.get, f"/jobs/{job_id}/wait", timeoutMs=LONG_MS)
    sleep(0.3)
    assert not future.done()
    return future


@pytest.mark.parametrize(("verb", "status"), [("pause", "paused"), ("cancel", "cancelled"), ("stop", "cancelled")])
def test_a_job_that_has_ended_or_is_paused_is_answered_at_once(owner: Client, verb: str, status: str) -> None:
    job_id = owner.post_job()
    done(owner.post(f"/owner/jobs/{job_id}/{verb}"))
    began = monotonic()
    waited = done(owner.get(f"/jobs/{job_id}/wait"))
    assert monotonic() - began < SOON_SECONDS
    assert waited == {**owner.job(job_id), "timedOut": False}
    assert waited["status"] == status


def test_a_completed_job_is_answered_at_once(owner: Client, tester: Client) -> None:
    job_id = owner.post_job(1)
    tester.complete(job_id)
    waited = done(owner.get(f"/jobs/{job_id}/wait"))
    assert (waited["status"], waited["timedOut"]) == ("completed", False)


@pytest.mark.parametrize("milliseconds", [0, 50])
def test_when_the_time_is_up_the_job_is_shown_as_it_is(owner: Client, milliseconds: int) -> None:
    job_id, began = owner.post_job(), monotonic()
    waited = done(owner.get(f"/jobs/{job_id}/wait", timeoutMs=milliseconds))
    assert monotonic() - began >= milliseconds / 1_000
    assert (waited["status"], waited["timedOut"]) == ("active", True)


@pytest.mark.parametrize("milliseconds", ["-1", "86400001", "1.5", "soon", ""])
def test_a_time_to_wait_is_a_day_at_most(owner: Client, milliseconds: str) -> None:
    response = owner.get(f"/jobs/{owner.post_job()}/wait", timeoutMs=milliseconds)
    assert wrong_fields(response) == ["?timeoutMs"]


def test_who_waits_is_told_when_the_owner_ends_the_job(pool: ThreadPoolExecutor, owner: Client) -> None:
    job_id = owner.post_job()
    future = waiting(pool, owner, job_id)
    stopped = owner.post(f"/owner/jobs/{job_id}/stop")
    response = future.result(SOON_SECONDS)
    assert (done(response)["status"], response.json()["timedOut"]) == ("cancelled", False)
    assert response.headers["etag"] == stopped.headers["etag"]
    assert int(response.headers["tallyhold-position"]) >= int(stopped.headers["tallyhold-position"])


def test_who_waits_is_told_when_the_last_tester_is_done(
    pool: ThreadPoolExecutor, owner: Client, tester: Client
) -> None:
    job_id = owner.post_job(1)
    future = waiting(pool, owner, job_id)
    tester.complete(job_id)
    assert done(future.result(SOON_SECONDS))["settlementStatus"] == "pending_approval"


def test_who_waits_is_told_when_a_deadline_ends_the_job(
    pool: ThreadPoolExecutor, platform: Platform, owner: Client
) -> None:
    job_id = owner.post_job()
    future = waiting(pool, owner, job_id)
    platform.pass_time(minutes=60)
    assert done(future.result(SOON_SECONDS))["status"] == "cancelled"


def test_a_change_that_does_not_end_the_job_wakes_nobody(
    pool: ThreadPoolExecutor, owner: Client, tester: Client
) -> None:
    job_id = owner.post_job(2)
    future = waiting(pool, owner, job_id)
    tester.complete(job_id)
    sleep(0.3)
    assert not future.done()
    done(owner.post(f"/owner/jobs/{job_id}/pause"))
    assert done(future.result(SOON_SECONDS))["status"] == "paused"


def test_a_server_that_shuts_down_lets_those_who_wait_go(pool: ThreadPoolExecutor, tmp_path: Path) -> None:
    db = f"sqlite:///{tmp_path / 'tallyhold.sqlite'}"
    made = create_key(tmp_path, db, "owner", "Ada")
    with ExitStack() as connections:
        with listening(tmp_path, db, "--sandbox") as url:
            http, _ = connections.enter_context(connected(url))
            owner = client(http, made)
            done(owner.post("/owner/billing/add-credits", {"amountCents": 10_000}), 201)
            future = waiting(pool, owner, owner.post_job())
        response = future.result(SOON_SECONDS)
    refused(response, 503, "unavailable")
    assert int(response.headers["retry-after"]) > 0
    with pytest.raises(httpx2.TransportError):
        httpx2.get(url, trust_env=False)
