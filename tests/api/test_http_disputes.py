"""Settlement, disputes and their resolution over HTTP."""

from typing import Any, NamedTuple

import pytest

from tests.api.server import Client, Json, Platform, Unchanged, done, refused, wrong_fields

FLAGS = ("lowQuality", "offTopic", "suspectedFraud", "incompleteWork", "platformIssue", "billingDiscrepancy")


class Settled(NamedTuple):
    """A job of three that are done, waiting for approval."""

    owner: Client
    job_id: str
    testers: list[Client]
    assignments: list[str]

    def dispute(self, body: Json) -> Any:
        return self.owner.post(f"/owner/jobs/{self.job_id}/dispute", body)

    def settlement(self) -> Json:
        return done(self.owner.get(f"/owner/jobs/{self.job_id}/settlement"))

    def statuses(self) -> list[str]:
        return [assignment["settlementStatus"] for assignment in self.settlement()["assignments"]]


@pytest.fixture
def settled(platform: Platform) -> Settled:
    owner, testers = platform.owner(10_000), platform.testers(3)
    job_id = owner.post_job(3)
    return Settled(owner, job_id, testers, [tester.complete(job_id) for tester in testers])


def claim(who: Any, category: str = "low_quality", **more: Any) -> Json:
    return {"testerUserId": who, "category": category, **more}


def test_a_settlement_tells_where_the_money_stands(settled: Settled) -> None:
    shown = settled.settlement()
    assert shown["assignments"] == [
        {
            "id": assignment,
            "testerId": tester.public_id,
            "testerUserId": tester.id,
            "status": "completed",
            "settlementStatus": "pending_approval",
            "payoutCents": 300,
        }
        for assignment, tester in zip(settled.assignments, settled.testers, strict=True)
    ]
    told = {key: shown[key] for key in ("jobId", "jobStatus", "settlementStatus", "closable", "closableReason")}
    assert told == {
        "jobId": settled.job_id,
        "jobStatus": "completed",
        "settlementStatus": "pending_approval",
        "closable": False,
        "closableReason": "already_settled",
    }
    assert (shown["escrowHoldCents"], shown["escrowBalanceCents"], shown["dispute"]) == (1_170, 1_170, None)


def test_approval_pays_everybody_and_is_irreversible(settled: Settled) -> None:
    path = f"/owner/jobs/{settled.job_id}"
    assert done(settled.owner.post(f"{path}/approve")) == {"ok": True, "settlementStatus": "approved"}
    shown = settled.settlement()
    assert (shown["escrowHoldCents"], shown["escrowBalanceCents"], shown["settlementDeadline"]) == (1_170, 0, None)
    assert settled.statuses() == ["approved"] * 3
    refused(settled.owner.post(f"{path}/approve"), 409, "not_pending_approval")
    refused(settled.dispute({"lowQuality": True}), 409, "not_pending_approval")
    for verb in ("pause", "resume", "stop", "settle", "cancel"):
        refused(settled.owner.post(f"{path}/{verb}"), 409, "invalid_state")
    refused(settled.owner.post(f"{path}/resize", {"targetTesters": 5}), 409, "invalid_state")


def test_nobody_acts_until_the_deadline_and_it_is_approved(platform: Platform, settled: Settled) -> None:
    platform.pass_time(hours=24, seconds=-1)
    assert settled.settlement()["settlementStatus"] == "pending_approval"
    platform.pass_time(seconds=1)
    refused(settled.dispute({"lowQuality": True}), 409, "not_pending_approval")
    assert settled.statuses() == ["approved"] * 3


def test_testers_are_named_by_uuid_number_or_digits(settled: Settled) -> None:
    named = [settled.testers[0].id, settled.testers[1].public_id, str(settled.testers[2].public_id)]
    answer = done(settled.dispute({"testers": [claim(who) for who in named]}))
    assert answer == {"ok": True, "settlementStatus": "disputed"}
    assert settled.statuses() == ["disputed"] * 3


def test_who_is_not_disputed_is_paid_at_once(settled: Settled) -> None:
    asked = {"lowQuality": True, "testers": [claim(settled.testers[1].id, description="Single-word answers")]}
    done(settled.dispute(asked))
    assert settled.statuses() == ["approved", "disputed", "approved"]
    assert [done(tester.get("/tester/wallet"))["payableCents"] for tester in settled.testers] == [300, 0, 300]
    shown = settled.settlement()
    assert shown["escrowBalanceCents"] == 390
    assert shown["dispute"] == {"status": "open", **dict.fromkeys(FLAGS, False), "lowQuality": True}


def test_a_flag_of_the_whole_job_disputes_everybody(settled: Settled) -> None:
    asked = {
        "platformIssue": True,
        "platformIssueDescription": "It was down",
        "testers": [claim(settled.testers[0].id)],
    }
    done(settled.dispute(asked))
    assert settled.statuses() == ["disputed"] * 3


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, [""]),
        ({"lowQuality": False}, [""]),
        ({"testers": []}, [""]),
        ({"lowQuality": "true"}, ["/lowQuality"]),
        ({"lowQuality": 1}, ["/lowQuality"]),
        ({"platformIssue": True}, ["/platformIssueDescription"]),
        ({"platformIssue": True, "platformIssueDescription": " "}, ["/platformIssueDescription"]),
        ({"lowQuality": True, "billingDiscrepancyDescription": "x"}, ["/billingDiscrepancyDescription"]),
        ({"testers": [claim("nobody")]}, ["/testers/0/testerUserId"]),
        ({"testers": [claim("00000000-0000-0000-0000-000000000000")]}, ["/testers/0/testerUserId"]),
        ({"testers": [claim(1)]}, ["/testers/0/testerUserId"]),
        ({"testers": [claim(1.0)]}, ["/testers/0/testerUserId"]),
        ({"testers": [claim("0123")]}, ["/testers/0/testerUserId"]),
        ({"testers": [{"testerUserId": 1}]}, ["/testers/0/category"]),
        ({"testers": [claim(1, "rude")]}, ["/testers/0/category"]),
        ({"testers": {}}, ["/testers"]),
    ],
)
def test_a_dispute_that_makes_no_sense_names_its_fault(settled: Settled, body: Json, pointers: list[str]) -> None:
    with Unchanged(settled.owner):
        assert wrong_fields(settled.dispute(body)) == pointers


def test_a_tester_is_listed_once_and_must_have_completed(platform: Platform, owner: Client) -> None:
    first, idle, stranger = platform.testers(3)
    job_id = owner.post_job(2)
    first.complete(job_id)
    done(idle.post(f"/tester/assignments/{idle.take(job_id)}/return"))
    done(owner.post(f"/owner/jobs/{job_id}/stop"))
    named = [first.id, str(first.public_id), idle.id, stranger.public_id]
    with Unchanged(owner):
        response = owner.post(f"/owner/jobs/{job_id}/dispute", {"testers": [claim(who) for who in named]})
        assert wrong_fields(response) == [f"/testers/{index}/testerUserId" for index in (1, 2, 3)]


def resolve(platform: Platform, settled: Settled, *resolutions: Json) -> Any:
    return platform.operator.post(f"/operator/jobs/{settled.job_id}/resolve", {"resolutions": list(resolutions)})


def verdict(settled: Settled, index: int, payout: int, **more: Any) -> Json:
    return {"assignmentId": settled.assignments[index], "payoutCents": payout, **more}


def test_an_operator_resolves_some_and_then_the_rest(platform: Platform, settled: Settled) -> None:
    done(settled.dispute({"incompleteWork": True}))
    before = settled.owner.balance()
    some = done(resolve(platform, settled, verdict(settled, 0, 300), verdict(settled, 1, 100, note="a third")))
    assert some == {"ok": True, "settlementStatus": "disputed", "remaining": 1}
    assert settled.statuses() == ["resolved", "resolved", "disputed"]
    refused(resolve(platform, settled, verdict(settled, 0, 0)), 409, "already_resolved")
    rest = done(resolve(platform, settled, verdict(settled, 2, 200, feeCents=0)))
    assert rest == {"ok": True, "settlementStatus": "resolved", "remaining": 0}
    assert [done(tester.get("/tester/wallet"))["payableCents"] for tester in settled.testers] == [300, 100, 200]
    assert settled.owner.balance() - before == 1_170 - (390 + 130 + 200)
    shown = settled.settlement()
    assert (shown["escrowHoldCents"], shown["escrowBalanceCents"]) == (720, 0)
    assert shown["dispute"]["status"] == "resolved"
    assert [assignment["payoutCents"] for assignment in shown["assignments"]] == [300, 100, 200]
    refused(resolve(platform, settled, verdict(settled, 2, 200)), 409, "already_resolved")
    types = [entry["type"] for entry in done(settled.owner.get(f"/jobs/{settled.job_id}/ledger"))["data"]]
    assert types.count("dispute_refund") == 2


def test_a_resolution_that_makes_no_sense_names_its_fault(platform: Platform, settled: Settled) -> None:
    done(settled.dispute({"testers": [claim(tester.id) for tester in settled.testers[:2]]}))
    with Unchanged(settled.owner):
        response = resolve(
            platform,
            settled,
            verdict(settled, 0, 301),
            verdict(settled, 0, 1),
            verdict(settled, 1, 100, feeCents=31),
            verdict(settled, 2, 1),
            {"assignmentId": settled.job_id, "payoutCents": 1},
        )
        assert wrong_fields(response) == [
            "/resolutions/0/payoutCents",
            "/resolutions/1/assignmentId",
            "/resolutions/2/feeCents",
            "/resolutions/3/assignmentId",
            "/resolutions/4/assignmentId",
        ]
        assert wrong_fields(resolve(platform, settled)) == ["/resolutions"]
        assert wrong_fields(resolve(platform, settled, verdict(settled, 0, -1))) == ["/resolutions/0/payoutCents"]


def test_there_is_nothing_to_resolve_without_a_dispute(platform: Platform, settled: Settled) -> None:
    refused(resolve(platform, settled, verdict(settled, 0, 0)), 409, "not_disputed")


def test_operators_see_disputes_with_their_age_the_oldest_first(platform: Platform, settled: Settled) -> None:
    asked = {
        "billingDiscrepancy": True,
        "billingDiscrepancyDescription": "Charged twice",
        "testers": [claim(settled.testers[0].public_id, "off_topic", description="About cats")],
    }
    done(settled.dispute(asked))
    platform.pass_time(minutes=2)
    item = last(platform, status="open")
    assert item | {"openedAt": "", "assignments": []} == {
        "jobId": settled.job_id,
        "ownerId": settled.owner.id,
        "status": "open",
        "openedAt": "",
        "ageSeconds": 120,
        **dict.fromkeys(FLAGS, False),
        "billingDiscrepancy": True,
        "platformIssueDescription": None,
        "billingDiscrepancyDescription": "Charged twice",
        "assignments": [],
    }
    assert item["assignments"][0] == {
        "assignmentId": settled.assignments[0],
        "testerId": settled.testers[0].public_id,
        "testerUserId": settled.testers[0].id,
        "category": "off_topic",
        "description": "About cats",
        "earnedCents": 300,
        "earnedFeeCents": 90,
        "resolved": False,
    }
    assert item["assignments"][1]["category"] is None
    done(resolve(platform, settled, *(verdict(settled, index, 0) for index in range(3))))
    assert last(platform, status="resolved")["jobId"] == settled.job_id
    assert last(platform)["assignments"][0]["resolved"] is True
    assert settled.job_id not in [each["jobId"] for each in everything(platform, status="open")]


def everything(platform: Platform, **asked: Any) -> list[Json]:
    items: list[Json] = []
    cursor: Json = {}
    while True:
        page = done(platform.operator.get("/operator/disputes", limit=2, **asked, **cursor))
        items += page["data"]
        if page["next"] is None:
            return items
        cursor = {"cursor": page["next"]}


def last(platform: Platform, **asked: str) -> Json:
    """The dispute that was opened last."""
    return everything(platform, **asked)[-1]


def test_a_job_that_was_cancelled_with_work_done_is_settled_too(platform: Platform, owner: Client) -> None:
    tester, worker = platform.testers(2)
    job_id = owner.post_job(3)
    done_id, started = tester.complete(job_id), worker.start(job_id)
    cancelled = done(owner.post(f"/owner/jobs/{job_id}/cancel"))
    assert cancelled["id"] == job_id
    assert (cancelled["status"], cancelled["settlementStatus"]) == ("cancelled", "pending_approval")
    assert cancelled["settlementDeadline"].endswith("Z")
    assert done(worker.get(f"/tester/assignments/{started}"))["status"] == "cancelled"
    done(owner.post(f"/owner/jobs/{job_id}/approve"))
    assert done(tester.get(f"/tester/assignments/{done_id}"))["settlementStatus"] == "approved"


def test_where_nobody_completed_there_is_nothing_to_settle(owner: Client) -> None:
    settled, stopped, cancelled = (owner.post_job() for _ in range(3))
    assert done(owner.post(f"/owner/jobs/{settled}/settle")) == {
        "ok": True,
        "cancelled": True,
        "settlementStatus": None,
        "settlementDeadline": None,
        "closedReason": "no_active_testers",
    }
    assert done(owner.post(f"/owner/jobs/{stopped}/stop")) == {"id": stopped, "status": "cancelled"}
    assert done(owner.post(f"/owner/jobs/{cancelled}/cancel"))["settlementStatus"] is None
    assert owner.balance() == 1_000_000
    for job_id in (settled, stopped, cancelled):
        assert owner.job(job_id)["escrowHoldCents"] == 0
        refused(owner.post(f"/owner/jobs/{job_id}/approve"), 409, "not_pending_approval")


def test_a_job_with_testers_at_work_is_not_settled(owner: Client, tester: Client) -> None:
    job_id = owner.post_job()
    tester.start(job_id)
    problem = refused(owner.post(f"/owner/jobs/{job_id}/settle"), 409, "testers_at_work")
    assert problem["atWork"] == 1
    assert done(owner.post(f"/owner/jobs/{job_id}/stop")) == {"id": job_id, "status": "closing"}
    assert done(owner.get(f"/owner/jobs/{job_id}/settlement"))["closableReason"] == "testers_at_work"


def test_a_job_settles_with_its_costs_when_asked(owner: Client, tester: Client) -> None:
    job_id = owner.post_job()
    tester.complete(job_id)
    assert done(owner.get(f"/owner/jobs/{job_id}/settlement"))["closable"] is True
    answer = done(owner.post(f"/owner/jobs/{job_id}/settle"))
    assert (answer["cancelled"], answer["settlementStatus"]) == (False, "pending_approval")
    assert answer["settlementDeadline"].endswith("Z")
    assert owner.job(job_id)["escrowHoldCents"] == 390
