"""Lists: newest first or oldest first, in pages that hang together while others write."""

from collections.abc import Iterator
from typing import Any

import pytest

from api.store.sql_reads import MAX_PASSED_OVER
from tests.api.server import A_JOB, ANSWERS, Client, Json, Platform, done, refused, wrong_fields

GERMANS: Json = {"field": "country", "op": "in", "values": ["DE"]}


def pages(who: Client, path: str, **asked: Any) -> Iterator[list[Json]]:
    """All pages of a list."""
    cursor: Json = {}
    while True:
        page = done(who.get(path, **asked, **cursor))
        yield page["data"]
        if page["next"] is None:
            return
        cursor = {"cursor": page["next"]}


def everything(who: Client, path: str, **asked: Any) -> list[Json]:
    return [item for page in pages(who, path, **asked) for item in page]


def ids(items: list[Json]) -> list[str]:
    return [item["id"] for item in items]


def test_jobs_come_newest_first_and_every_page_but_the_last_is_full(owner: Client) -> None:
    posted = [owner.post_job(1) for _ in range(5)]
    found = list(pages(owner, "/jobs", limit=2))
    assert [len(page) for page in found] == [2, 2, 1]
    assert [job["id"] for page in found for job in page] == posted[::-1]


def test_a_list_that_ends_with_a_full_page_has_no_next_one(owner: Client) -> None:
    owner.post_job(1)
    owner.post_job(1)
    assert done(owner.get("/jobs", limit=2))["next"] is None


def test_an_item_shows_the_job_with_its_project_and_rules(owner: Client) -> None:
    job_id = owner.post_job()
    assert done(owner.get("/jobs"))["data"] == [
        {
            "id": job_id,
            "title": "Rate my landing page",
            "status": "active",
            "targetTesters": 5,
            "escrowHoldCents": 1950,
            "settlementStatus": None,
            "createdAt": owner.job(job_id)["createdAt"],
            "projectId": None,
            "paymentRules": [{"type": "fixed", "amountCents": 300}],
        }
    ]


def test_twenty_items_are_shown_unless_more_are_asked_for_and_fifty_at_most(platform: Platform) -> None:
    owner = platform.owner()
    for _ in range(52):
        owner.post_job(1)
    assert len(done(owner.get("/jobs"))["data"]) == 20
    assert len(done(owner.get("/jobs", limit=50))["data"]) == 50
    assert len(everything(owner, "/jobs", limit=50)) == 52


@pytest.mark.parametrize("limit", ["0", "51", "-1", "1.0", "1e1", " 1", "+1", "05", "", "ten", "true", "9" * 30])
def test_a_limit_is_an_integer_from_1_to_50(owner: Client, limit: str) -> None:
    assert wrong_fields(owner.get("/jobs", limit=limit)) == ["?limit"]


def test_pages_stay_where_they_are_while_jobs_are_added(owner: Client) -> None:
    posted = [owner.post_job(1) for _ in range(4)]
    first = done(owner.get("/jobs", limit=2))
    owner.post_job(1)
    second = done(owner.get("/jobs", limit=2, cursor=first["next"]))
    assert ids(first["data"]) + ids(second["data"]) == posted[::-1]
    assert second["next"] is None


def test_pages_may_have_different_sizes(owner: Client) -> None:
    posted = [owner.post_job(1) for _ in range(4)]
    first = done(owner.get("/jobs", limit=1))
    rest = done(owner.get("/jobs", limit=50, cursor=first["next"]))
    assert ids(first["data"]) + ids(rest["data"]) == posted[::-1]


def a_cursor(owner: Client, **asked: Any) -> str:
    for _ in range(2):
        owner.post_job(1)
    return str(done(owner.get("/jobs", limit=1, **asked))["next"])


@pytest.mark.parametrize(
    "forge",
    [
        lambda cursor: ("B" if cursor[0] == "A" else "A") + cursor[1:],
        lambda cursor: cursor[:-1],
        lambda cursor: cursor + "A",
        lambda cursor: cursor + "!",
        lambda cursor: cursor[:4] + "~" + cursor[4:],
        lambda cursor: cursor + "=",
        lambda _: "",
        lambda _: "1",
        lambda _: "é" * 10,
        lambda _: "A" * 24,
        lambda _: "A" * 201,
    ],
    ids=["changed", "cut", "longer", "!", "~", "=", "empty", "short", "accents", "unsigned", "too long"],
)
def test_a_forged_cursor_is_refused(owner: Client, forge: Any) -> None:
    assert wrong_fields(owner.get("/jobs", cursor=forge(a_cursor(owner)))) == ["?cursor"]


def test_a_cursor_is_good_for_its_own_list_alone(owner: Client, platform: Platform, tester: Client) -> None:
    cursor = a_cursor(owner)
    job_id = ids(done(owner.get("/jobs"))["data"])[0]
    others: list[tuple[str, Json]] = [
        ("/jobs", {"status": "active"}),
        ("/jobs", {"settlementStatus": "none"}),
        ("/owner/ledger", {}),
        (f"/jobs/{job_id}/assignments", {}),
        (f"/jobs/{job_id}/ledger", {}),
    ]
    for path, asked in others:
        assert wrong_fields(owner.get(path, cursor=cursor, **asked)) == ["?cursor"]
    assert wrong_fields(tester.get("/tester/jobs", cursor=cursor)) == ["?cursor"]
    assert wrong_fields(platform.owner().get("/jobs", cursor=cursor)) == ["?cursor"]


def test_a_cursor_of_one_filter_is_not_good_for_another(owner: Client) -> None:
    cursor = a_cursor(owner, status="active")
    done(owner.get("/jobs", status="active", cursor=cursor))
    others: list[Json] = [{}, {"status": "paused"}, {"status": "active", "settlementStatus": "none"}]
    for asked in others:
        assert wrong_fields(owner.get("/jobs", cursor=cursor, **asked)) == ["?cursor"]


@pytest.fixture(scope="module")
def jobs_by_state(platform: Platform) -> tuple[Client, dict[str, str]]:
    """An owner with a job in each state."""
    owner = platform.owner()
    tester, worker = platform.testers(2)
    names = ("active", "paused", "closing", "cancelled", "pending_approval", "approved", "disputed", "resolved")
    jobs = {name: owner.post_job(1) for name in names}
    for name in names[4:]:
        assignment = tester.complete(jobs[name])
    worker.take(jobs["closing"])
    for name, verb in (("paused", "pause"), ("closing", "stop"), ("cancelled", "cancel"), ("approved", "approve")):
        done(owner.post(f"/owner/jobs/{jobs[name]}/{verb}"))
    for name in ("disputed", "resolved"):
        done(owner.post(f"/owner/jobs/{jobs[name]}/dispute", {"lowQuality": True}))
    verdict = {"resolutions": [{"assignmentId": assignment, "payoutCents": 0}]}
    done(platform.operator.post(f"/operator/jobs/{jobs['resolved']}/resolve", verdict))
    return owner, jobs


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"status": "active"}, ["active"]),
        ({"status": "paused"}, ["paused"]),
        ({"status": "closing"}, ["closing"]),
        ({"status": "cancelled"}, ["cancelled"]),
        ({"status": "completed"}, ["resolved", "disputed", "approved", "pending_approval"]),
        ({"settlementStatus": "none"}, ["cancelled", "closing", "paused", "active"]),
        ({"settlementStatus": "pending_approval"}, ["pending_approval"]),
        ({"settlementStatus": "approved"}, ["approved"]),
        ({"settlementStatus": "disputed"}, ["disputed"]),
        ({"settlementStatus": "resolved"}, ["resolved"]),
        ({"status": "completed", "settlementStatus": "disputed"}, ["disputed"]),
        ({"status": "active", "settlementStatus": "none"}, ["active"]),
        ({"status": "active", "settlementStatus": "approved"}, []),
    ],
)
def test_jobs_are_filtered(jobs_by_state: tuple[Client, dict[str, str]], asked: Json, expected: list[str]) -> None:
    owner, jobs = jobs_by_state
    for limit in (50, 1):
        assert ids(everything(owner, "/jobs", limit=limit, **asked)) == [jobs[name] for name in expected]


@pytest.mark.parametrize(
    "asked", [{"status": "open"}, {"status": ""}, {"status": "none"}, {"settlementStatus": "null"}]
)
def test_a_filter_that_is_not_known_is_refused(owner: Client, asked: Json) -> None:
    assert wrong_fields(owner.get("/jobs", **asked)) == [f"?{name}" for name in asked]


def test_an_owner_sees_no_other_owners_jobs(owner: Client, platform: Platform) -> None:
    platform.owner().post_job()
    assert everything(owner, "/jobs") == []


def test_completed_assignments_are_paged_oldest_first(owner: Client, platform: Platform) -> None:
    job_id = owner.post_job(4)
    first, started, second = platform.testers(3)
    started.start(job_id)
    expected = [first.complete(job_id), second.complete(job_id)]
    for limit in (50, 2, 1):
        found = everything(owner, f"/jobs/{job_id}/assignments", limit=limit)
        assert [item["assignmentId"] for item in found] == expected
    assert found[0]["feedbackData"] == {"_meta": {"source": "tester_input", "untrusted": True}, **ANSWERS}
    assert found[0]["payoutCents"] == 300
    detail = owner.job(job_id)["variants"][0]
    assert (detail["assignmentCount"], detail["completedCount"]) == (3, 2)
    assert [{**item, "variantId": detail["id"]} for item in detail["completedAssignments"]] == found


def test_a_tester_sees_own_assignments_newest_first(owner: Client, platform: Platform) -> None:
    tester, other = platform.testers(2)
    jobs = [owner.post_job(2) for _ in range(3)]
    taken = [tester.take(job_id) for job_id in jobs]
    other.take(jobs[0])
    assert ids(everything(tester, "/tester/assignments", limit=1)) == taken[::-1]
    assert done(tester.get(f"/tester/assignments/{taken[0]}"))["jobId"] == jobs[0]


def test_keys_are_listed_newest_first_and_never_shown(platform: Platform, operator: Client) -> None:
    made = [platform.owner(0).key_id for _ in range(3)]
    first = done(operator.get("/operator/keys", limit=3))
    assert [item["keyId"] for item in first["data"]] == made[::-1]
    assert all(item["revokedAt"] is None for item in first["data"])
    everywhere = everything(operator, "/operator/keys", limit=50)
    assert operator.key_id in [item["keyId"] for item in everywhere]


def since(instant: str) -> Json:
    """The parameter that no Python word can be."""
    return {"from": instant}


def test_the_ledger_is_paged_oldest_first_and_filtered(owner: Client, platform: Platform) -> None:
    job_id, other = owner.post_job(1), owner.post_job(2)
    platform.tester().complete(job_id)
    platform.pass_time(minutes=1)
    done(owner.post(f"/owner/jobs/{job_id}/approve"))
    whole = everything(owner, "/owner/ledger", limit=50)
    assert everything(owner, "/owner/ledger", limit=1) == whole
    assert [entry["type"] for entry in whole] == [
        "credit_purchase",
        "escrow_hold",
        "escrow_hold",
        "settlement_payout",
        "settlement_fee",
    ]
    of_job = [whole[1], *whole[3:]]
    assert everything(owner, f"/jobs/{job_id}/ledger") == of_job
    assert everything(owner, "/owner/ledger", jobId=job_id, limit=2) == of_job
    assert everything(owner, "/owner/ledger", jobId=other) == [whole[2]]
    assert everything(owner, "/owner/ledger", type="settlement_fee") == [whole[4]]
    approved_at = whole[3]["occurredAt"]
    assert everything(owner, "/owner/ledger", **since(approved_at)) == whole[3:]
    assert everything(owner, "/owner/ledger", to=approved_at) == whole[:3]
    assert everything(owner, "/owner/ledger", **since(approved_at), to=approved_at) == []
    assert everything(owner, f"/jobs/{job_id}/ledger", to=approved_at) == [whole[1]]


@pytest.mark.parametrize(
    "instant", ["2025-01-15", "2025-01-15T09:00:00", "1736931600", "0", "now", "2025-13-01T00:00:00Z"]
)
def test_a_time_has_an_offset(owner: Client, instant: str) -> None:
    assert wrong_fields(owner.get("/owner/ledger", **since(instant), to=instant)) == ["?from", "?to"]


def test_nobody_reads_the_lists_of_anothers_job(owner: Client, platform: Platform) -> None:
    job_id = platform.owner().post_job()
    for path in (f"/jobs/{job_id}/ledger", f"/jobs/{job_id}/assignments", f"/owner/jobs/{job_id}/settlement"):
        refused(owner.get(path), 403, "forbidden")


def test_jobs_on_offer_are_those_that_a_tester_may_take_now(platform: Platform, owner: Client, tester: Client) -> None:
    full, paused, mine, *offered = (owner.post_job(1) for _ in range(5))
    platform.tester().take(full)
    done(owner.post(f"/owner/jobs/{paused}/pause"))
    tester.take(mine)
    shown = ids(everything(tester, "/tester/jobs", limit=50))
    assert shown[:2] == offered[::-1]
    assert not {full, paused, mine} & set(shown)


def test_a_page_of_offers_passes_over_a_bounded_number_of_jobs_without_room(platform: Platform) -> None:
    """Their open slots are all of a variant for which nobody can be told to be right."""
    owner, tester = platform.owner(), platform.tester()
    for_all, for_some = A_JOB["variants"][0], {**A_JOB["variants"][0], "audienceFilters": [GERMANS]}
    mixed = {**A_JOB, "targetTesters": 2, "variants": [{**each, "targetTestersMin": 1} for each in (for_all, for_some)]}
    oldest, *full = (done(owner.post("/jobs", mixed), 201)["id"] for _ in range(MAX_PASSED_OVER + 2))
    newest = owner.post_job(1)
    for job_id in full:
        platform.tester().take(job_id)
    first_page, *following = (ids(page) for page in pages(tester, "/tester/jobs", limit=2))
    assert first_page == [newest]
    assert following[0][0] == oldest
