"""A job with many completed assignments: told in full, in pieces, and right."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import cycle
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

from domain.access.events import Role
from tests import running
from tests.api.server import A_JOB, Client, Json, Platform, done
from tests.local import Key, issue_keys

PLACES = [102] * 4 + [12] * 16
"""How many do each variant. So many are not sent in one piece, nor read at once."""
MANY = sum(PLACES)
AT_ONCE = 8


class Crowded(NamedTuple):
    """An owner with a job that so many have done, and what each of them answered, by assignment."""

    owner: Client
    job_id: str
    ratings: Mapping[str, int]


@pytest.fixture(scope="module")
def crowded(platform: Platform) -> Crowded:
    owner = platform.owner()
    variant = A_JOB["variants"][0]
    variants = [{**variant, "targetTestersMin": 0, "targetTestersMax": places} for places in PLACES]
    job_id = done(owner.post("/jobs", {**A_JOB, "targetTesters": MANY, "variants": variants}), 201)["id"]

    port = urlsplit(platform.url).port
    assert port is not None

    # All at once beside the server: over HTTP it would be two requests for each.
    keys = issue_keys(platform.where, {f"crowd {number}": Role.TESTER for number in range(MANY)})

    def work(key: Key, rating: int) -> tuple[str, int]:
        with closing(running.Client(port, key.key)) as tester:
            assignment = str(tester.ask("POST", f"/tester/jobs/{job_id}/assignments").body["id"])
            tester.ask("POST", f"/tester/assignments/{assignment}/start")
            answers = {"answers": {"rating": rating}}
            assert tester.ask("POST", f"/tester/assignments/{assignment}/submit", answers).status == 200
        return assignment, rating

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return Crowded(owner, job_id, dict(pool.map(work, keys.values(), cycle(range(1, 6)))))


def test_the_detail_of_a_large_job_is_whole_and_right(crowded: Crowded) -> None:
    response = crowded.owner.get(f"/jobs/{crowded.job_id}")
    assert response.headers["transfer-encoding"] == "chunked"
    detail = done(response)
    assert (detail["status"], detail["settlementStatus"]) == ("completed", "pending_approval")
    shown = [each["completedAssignments"] for each in detail["variants"]]
    assert [len(each) for each in shown] == PLACES
    assert [each["completedCount"] for each in detail["variants"]] == PLACES
    ratings = {
        each["assignmentId"]: each["feedbackData"]["answers"]["rating"] for of_variant in shown for each in of_variant
    }
    assert ratings == crowded.ratings


def test_pages_tell_what_the_detail_streams(crowded: Crowded) -> None:
    detail = crowded.owner.job(crowded.job_id)
    streamed = {
        each["assignmentId"]: {**each, "variantId": variant["id"]}
        for variant in detail["variants"]
        for each in variant["completedAssignments"]
    }
    paged: list[Json] = []
    cursor: Json = {}
    while True:
        page = done(crowded.owner.get(f"/jobs/{crowded.job_id}/assignments", limit=50, **cursor))
        paged += page["data"]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert paged == [streamed[each["assignmentId"]] for each in paged]
    assert {each["assignmentId"] for each in paged} == set(crowded.ratings)
    for variant in detail["variants"]:
        in_pages = [each["assignmentId"] for each in paged if each["variantId"] == variant["id"]]
        assert [each["assignmentId"] for each in variant["completedAssignments"]] == in_pages


def test_a_wait_for_a_large_job_is_whole_too(crowded: Crowded) -> None:
    waited = done(crowded.owner.get(f"/jobs/{crowded.job_id}/wait"))
    assert waited == {**crowded.owner.job(crowded.job_id), "timedOut": False}


def test_the_head_of_a_large_job_has_no_body(crowded: Crowded) -> None:
    response = crowded.owner.ask("HEAD", f"/jobs/{crowded.job_id}")
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["etag"] == crowded.owner.etag(crowded.job_id)


def test_its_settlement_lists_all_who_ever_took_it(crowded: Crowded) -> None:
    shown = done(crowded.owner.get(f"/owner/jobs/{crowded.job_id}/settlement"))
    assert {each["id"] for each in shown["assignments"]} == set(crowded.ratings)


def test_a_client_that_goes_away_in_the_middle_stops_nobody(crowded: Crowded) -> None:
    headers = {"authorization": f"Bearer {crowded.owner.key}"}
    for _ in range(5):
        with crowded.owner.http.stream("GET", f"/jobs/{crowded.job_id}", headers=headers):
            pass
    assert crowded.owner.job(crowded.job_id)["id"] == crowded.job_id


def test_all_of_them_are_approved_at_once(crowded: Crowded) -> None:
    done(crowded.owner.post(f"/owner/jobs/{crowded.job_id}/approve"))
    detail = crowded.owner.job(crowded.job_id)
    assert {each["settlementStatus"] for v in detail["variants"] for each in v["completedAssignments"]} == {"approved"}
    assert detail["escrowBalanceCents"] == 0
