"""The audit trail over HTTP: what happened, who decided, who was refused; and owners' own events."""

import csv
import json
import threading
import time
from io import StringIO
from operator import itemgetter
from typing import Any

import pytest

from api.http.streams import streamed
from tests.api.server import Client, Json, Platform, done, refused, wrong_fields
from tests.api.test_http_dispute_file import disputed, resolve


@pytest.fixture(scope="module")
def auditor(platform: Platform) -> Client:
    return platform.somebody("auditor")


def all_events(who: Client, path: str = "/audit/events", **asked: Any) -> list[Json]:
    """Every page of a list that goes on by ``after``."""
    found, after = list[Json](), 0
    while True:
        page = done(who.get(path, after=after, **asked))
        found += page["data"]
        if page["next"] is None:
            return found
        after = page["next"]


def types(events: list[Json]) -> list[str]:
    return [event["type"] for event in events]


A_LIFE = ["job.created", "job.slot_taken", "job.task_started", "job.task_completed", "job.settled"]
APPROVED = [*A_LIFE, "job.approved", "job.payout_granted"]


def lived(owner: Client, tester: Client) -> str:
    """A job that was done and approved."""
    job_id = owner.post_job(1)
    tester.complete(job_id)
    done(owner.post(f"/owner/jobs/{job_id}/approve"))
    return job_id


def test_an_event_tells_what_when_and_who(owner: Client, tester: Client, auditor: Client) -> None:
    job_id = owner.post_job(1, title="Look here")
    tester.take(job_id)
    created, taken = all_events(auditor, subject=job_id, actor=owner.id)[0], all_events(auditor, actor=tester.id)[0]
    assert (created["type"], created["version"], created["stream"]) == ("job.created", 1, job_id)
    assert created["actor"] == {"kind": "owner", "id": owner.id, "keyId": owner.key_id}
    assert created["payload"]["terms"]["title"] == "Look here"
    assert created["occurredAt"] == created["recordedAt"]
    assert created["requestId"]
    assert (taken["type"], taken["actor"]["keyId"]) == ("job.slot_taken", tester.key_id)
    assert taken["causationId"] is None


def test_events_are_found_by_everything_that_they_say(owner: Client, tester: Client, auditor: Client) -> None:
    job_id = lived(owner, tester)
    of_job = all_events(auditor, subject=job_id)
    assert [each for each in types(of_job) if each.startswith("job.")] == APPROVED
    assert types(all_events(auditor, subject=job_id, type="job.settled")) == ["job.settled"]
    assert {"credits.held", "job.created", "job.payout_granted"} <= set(types(all_events(auditor, subject=owner.id)))
    assert types(all_events(auditor, subject=tester.id))[-1] == "job.payout_granted"
    command = next(event for event in of_job if event["type"] == "job.approved")
    same = all_events(auditor, requestId=command["requestId"])
    assert {"job.approved", "job.payout_granted"} <= set(types(same))
    assert {event["correlationId"] for event in same} == {command["eventId"]}
    assert all_events(auditor, subject=job_id, actor="auditor") == []
    assert types(all_events(auditor, subject=tester.id, actor="operator"))[:1] == ["access.registered"]


def test_claims_and_verdicts_are_found_by_every_tester_that_they_are_on(
    platform: Platform, owner: Client, auditor: Client
) -> None:
    testers = platform.testers(2)
    job_id, (first, second) = disputed(owner, testers)
    resolve(platform, job_id, (first, 100), (second, 200))
    for tester in testers:
        found = types(all_events(auditor, subject=tester.id))
        assert (found.count("job.disputed"), found.count("job.resolved")) == (1, 1)


def test_a_deadline_is_nobodys_and_occurred_before_it_was_recorded(
    platform: Platform, owner: Client, auditor: Client
) -> None:
    job_id = owner.post_job(1)
    before = platform.pass_time()
    now = platform.pass_time(minutes=90)
    (cancelled,) = all_events(auditor, subject=job_id, actor="system", type="job.cancelled")
    assert cancelled["actor"] == {"kind": "system", "id": None, "keyId": None}
    assert before < cancelled["occurredAt"] < cancelled["recordedAt"] == now
    span = {"from": cancelled["occurredAt"], "to": now}
    assert cancelled in all_events(auditor, subject=job_id, **span)
    assert all_events(auditor, subject=job_id, **{"from": now}) == []
    assert all_events(auditor, subject=job_id, to=cancelled["occurredAt"])[-1]["type"] != "job.cancelled"


def test_pages_go_on_to_the_end_without_a_gap(auditor: Client) -> None:
    found = all_events(auditor, limit=7)
    assert [event["position"] for event in found] == list(range(1, len(found) + 1))


@pytest.mark.parametrize("asked", [{}, {"type": "job.created"}])
def test_all_events_are_streamed_as_json_lines_and_csv(owner: Client, auditor: Client, asked: Json) -> None:
    owner.post_job(1)
    listed = all_events(auditor, limit=50, **asked)
    lines = auditor.get("/audit/events", format="jsonl", **asked)
    assert [json.loads(line) for line in lines.text.splitlines()] == listed
    table = auditor.get("/audit/events", format="csv", **asked)
    assert table.headers["content-type"] == "text/csv"
    rows = list(csv.DictReader(StringIO(table.text)))
    assert [(row["position"], row["actorKind"], json.loads(row["payload"])) for row in rows] == [
        (str(event["position"]), event["actor"]["kind"], event["payload"]) for event in listed
    ]
    assert int(table.headers["tallyhold-position"]) >= int(rows[-1]["position"])


def test_no_request_id_of_a_stream_is_a_formula() -> None:
    shown = streamed("csv", [[{"requestId": "=1+317"}]], {"requestId": itemgetter("requestId")})
    assert shown.pieces is not None
    assert b"".join(shown.pieces) == b"requestId\r\n'=1+317\r\n"


WRONG = [
    ({"from": "2026-06-30T00:00:00"}, "?from"),
    ({"to": "yesterday"}, "?to"),
    ({"subject": "x"}, "?subject"),
    ({"actor": "nobody"}, "?actor"),
    ({"type": "job.made_up"}, "?type"),
    ({"after": -1}, "?after"),
    ({"format": "xml"}, "?format"),
    ({"limit": 51}, "?limit"),
    ({"requestId": "a b"}, "?requestId"),
    ({"cursor": "x"}, "?cursor"),
]


@pytest.mark.parametrize(("asked", "named"), WRONG)
def test_what_cannot_be_asked_is_named(auditor: Client, asked: Json, named: str) -> None:
    assert wrong_fields(auditor.get("/audit/events", **asked)) == [named]


# -- owners --------------------------------------------------------------------------------------------------------


def test_an_owner_sees_the_events_of_its_job_in_pages(platform: Platform, owner: Client, tester: Client) -> None:
    job_id = lived(owner, tester)
    found, cursor = list[Json](), None
    while True:
        page = done(owner.get(f"/jobs/{job_id}/events", limit=3, **({"cursor": cursor} if cursor else {})))
        found, cursor = found + page["data"], page["next"]
        if cursor is None:
            break
    assert types(found) == APPROVED
    assert [event["version"] for event in found] == list(range(1, len(APPROVED) + 1))
    own, testers = found[0], found[1]
    assert own["actor"] == {"kind": "owner", "id": owner.id, "keyId": owner.key_id}
    assert testers["actor"] == {"kind": "tester", "id": tester.id, "keyId": None}
    assert testers["requestId"] is None
    refused(platform.owner(0).get(f"/jobs/{job_id}/events"), 403, "forbidden")


def test_the_feed_tells_everything_of_mine_and_nothing_else(platform: Platform, owner: Client, tester: Client) -> None:
    start = owner.position()
    job_id = lived(owner, tester)
    other = platform.owner()
    other.post_job(1)
    feed = done(owner.get("/events", after=start, limit=50))
    assert [each for each in types(feed["data"]) if each.startswith("job.")] == APPROVED
    assert {event["stream"] for event in feed["data"]} == {job_id, owner.id}
    assert feed["next"] >= feed["data"][-1]["position"]
    wanted = done(owner.get("/events", after=start, types="job.settled,job.approved"))["data"]
    assert types(wanted) == ["job.settled", "job.approved"]


def test_no_event_is_missed_by_one_who_follows(owner: Client) -> None:
    after, seen = owner.position(), list[Json]()
    for _ in range(3):
        owner.post_job(1)
        feed = done(owner.get("/events", after=after, limit=1))
        after = feed["next"]
        seen += feed["data"]
    while (feed := done(owner.get("/events", after=after, limit=1)))["data"]:
        after = feed["next"]
        seen += feed["data"]
    assert types(seen) == ["job.created", "credits.held"] * 3


def test_who_waits_is_told_at_once(owner: Client) -> None:
    after = owner.position()
    late = threading.Timer(0.3, lambda: owner.post_job(1))
    late.start()
    began = time.monotonic()
    feed = done(owner.get("/events", after=after, wait=30_000))
    late.join()
    assert types(feed["data"]) == ["job.created", "credits.held"]
    assert time.monotonic() - began < 20


def test_who_waits_in_vain_is_told_so(owner: Client) -> None:
    after = owner.position()
    assert done(owner.get("/events", after=after, wait=50))["data"] == []


@pytest.mark.parametrize(
    ("asked", "named"),
    [({"types": "job.created,job.made_up"}, "?types"), ({"types": ","}, "?types"), ({"wait": 60_001}, "?wait")],
)
def test_what_cannot_be_followed_is_named(owner: Client, asked: Json, named: str) -> None:
    assert wrong_fields(owner.get("/events", **asked)) == [named]


# -- refusals ------------------------------------------------------------------------------------------------------


def test_a_refusal_is_kept_with_who_what_and_why(owner: Client, auditor: Client) -> None:
    job_id = owner.post_job(1)
    headers = {"x-request-id": "a-wrong-resize"}
    problem = refused(
        owner.post(f"/owner/jobs/{job_id}/resize", {"targetTesters": 0}, headers=headers), 400, "invalid_request"
    )
    refused(owner.get("/audit/events"), 403, "forbidden")
    page = done(auditor.get("/audit/refusals", actor=owner.id))
    newest, older = page["data"]
    assert newest["operation"] == "listEvents"
    assert (newest["status"], newest["code"]) == (403, "forbidden")
    assert older["actor"] == {"kind": "owner", "id": owner.id, "keyId": owner.key_id}
    assert (older["operation"], older["path"]) == ("resizeJob", f"/owner/jobs/{job_id}/resize")
    assert (older["detail"], older["requestId"]) == (problem["detail"], "a-wrong-resize")
    assert page["dropped"] == 0
    assert page["next"] is None


def test_refusals_come_in_pages_the_newest_first(owner: Client, auditor: Client) -> None:
    for number in range(3):
        refused(owner.get(f"/jobs/{number}"), 404, "not_found")
    first = done(auditor.get("/audit/refusals", actor=owner.id, limit=2))
    second = done(auditor.get("/audit/refusals", actor=owner.id, limit=2, cursor=first["next"]))
    assert [one["path"] for one in (*first["data"], *second["data"])] == ["/jobs/2", "/jobs/1", "/jobs/0"]
    assert second["next"] is None
    assert wrong_fields(auditor.get("/audit/refusals", cursor=first["next"])) == ["?cursor"]
    span = {"from": first["data"][0]["at"]}
    assert done(auditor.get("/audit/refusals", actor=owner.id, **span))["data"][0]["path"] == "/jobs/2"
    assert done(auditor.get("/audit/refusals", actor=owner.id, to=first["data"][-1]["at"]))["data"] == []


def test_who_is_not_known_leaves_nothing(platform: Platform, auditor: Client) -> None:
    before = done(auditor.get("/audit/refusals", limit=1))["data"]
    stranger = Client(platform.http, "owner", "th_nobody", "", "", None)
    refused(stranger.get("/jobs"), 401, "not_authenticated")
    assert done(auditor.get("/audit/refusals", limit=1))["data"] == before


def test_a_refusal_with_what_no_database_stores_is_kept_without_it(owner: Client, auditor: Client) -> None:
    refused(owner.get("/jobs/a%00b"), 404, "not_found")
    assert wrong_fields(owner.get("/jobs?a%00b=1")) == ["?a\0b"]
    kept = done(auditor.get("/audit/refusals", actor=owner.id))["data"]
    assert [one["path"] for one in kept] == ["/jobs", "/jobs/a\ufffdb"]
    assert kept[0]["detail"].startswith("?a\ufffdb: ")
