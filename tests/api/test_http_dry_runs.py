"""dryRun=true: what would happen, or the very refusal; nothing is written."""

from typing import Any

import pytest

from tests.api.server import ANSWERS, Client, Json, Platform, Unchanged, a_job, a_key, done, refused, wrong_fields


def rehearsed(who: Client, method: str, path: str, body: Any = None) -> Json:
    """What a dry run answers. It writes nothing, and its postings balance."""
    with Unchanged(who):
        told = done(who.ask(method, path, body, dryRun="true"))
    assert told["dryRun"] is True
    sides = {"debit": 0, "credit": 0}
    for posting in told["postings"]:
        sides[posting["side"]] += posting["amountCents"]
    assert sides["debit"] == sides["credit"]
    return told


def types(told: Json) -> list[str]:
    return [event["type"] for event in told["events"]]


def test_a_job_is_rehearsed_with_its_events_and_postings(owner: Client) -> None:
    told = rehearsed(owner, "POST", "/jobs", a_job())
    assert types(told) == ["job.created", "credits.held"]
    job_id = told["answer"]["id"]
    assert told["postings"] == [
        {
            "account": f"owner:{owner.id}:credits",
            "side": "debit",
            "amountCents": 1950,
            "entryType": "escrow_hold",
        },
        {
            "account": f"owner:{owner.id}:escrow:{job_id}",
            "side": "credit",
            "amountCents": 1950,
            "entryType": "escrow_hold",
        },
    ]
    assert told["answer"] | {"id": None, "createdAt": None} == {
        "id": None,
        "status": "active",
        "title": "Rate my landing page",
        "escrowHoldCents": 1950,
        "createdAt": None,
    }
    refused(owner.get(f"/jobs/{job_id}"), 404, "not_found")
    assert owner.balance() == 1_000_000


def test_the_whole_life_of_a_job_is_as_it_was_rehearsed(platform: Platform, owner: Client) -> None:
    """Each command is rehearsed and then done: the answers are the same, but for ids that each makes anew."""
    tester, other = platform.testers(2)
    job_id = owner.post_job(2)
    first = tester.take(job_id)
    steps: list[tuple[Client, str, Any]] = [
        (owner, f"/owner/jobs/{job_id}/pause", None),
        (owner, f"/owner/jobs/{job_id}/resume", None),
        (owner, f"/owner/jobs/{job_id}/resize", {"targetTesters": 3}),
        (other, f"/tester/jobs/{job_id}/assignments", None),
        (tester, f"/tester/assignments/{first}/start", None),
        (tester, f"/tester/assignments/{first}/submit", ANSWERS),
        (owner, f"/owner/jobs/{job_id}/stop", None),
        (owner, f"/owner/jobs/{job_id}/dispute", {"offTopic": True}),
        (platform.operator, f"/operator/jobs/{job_id}/resolve", {"resolutions": [grant(first, 100)]}),
        (tester, "/tester/wallet/withdrawals", {"amountCents": 100}),
        (owner, "/owner/billing/add-credits", {"amountCents": 100}),
        (platform.operator, "/operator/principals", {"role": "auditor", "name": f"Anna {job_id}"}),
    ]
    for who, path, body in steps:
        told = rehearsed(who, "POST", path, body)
        assert told["events"] != []
        answer = who.post(path, body)
        assert answer.status_code in (200, 201), answer.text
        assert without_ids(told["answer"]) == without_ids(answer.json()), path
        if path.endswith("/assignments"):
            done(who.post(f"/tester/assignments/{answer.json()['id']}/return"))


def grant(assignment_id: str, cents: int) -> Json:
    return {"assignmentId": assignment_id, "payoutCents": cents}


def without_ids(answer: Json) -> Json:
    return {name: value for name, value in answer.items() if name not in ("id", "principalId")}


def test_what_would_write_nothing_is_rehearsed_so(owner: Client) -> None:
    job_id = owner.post_job()
    told = rehearsed(owner, "POST", f"/owner/jobs/{job_id}/resume")
    assert (told["events"], told["postings"]) == ([], [])


def test_a_dry_run_answers_the_very_refusal(platform: Platform, owner: Client, tester: Client) -> None:
    job_id, closed = owner.post_job(), owner.post_job()
    done(owner.post(f"/owner/jobs/{closed}/stop"))
    started = tester.start(owner.post_job(1))
    asked: list[tuple[Client, str, Any, Json]] = [
        (owner, "/jobs", {**a_job(), "title": ""}, {}),
        (owner, "/jobs", a_job(5, startsAt="2199-01-01T00:00:00Z"), {}),
        (owner, "/jobs", a_job(5_000), {}),
        (owner, f"/owner/jobs/{job_id}/resize", {"targetTesters": 4}, {}),
        (owner, f"/owner/jobs/{job_id}/resize", {"targetTesters": 10_000}, {}),
        (owner, f"/owner/jobs/{job_id}/approve", None, {}),
        (owner, f"/owner/jobs/{closed}/pause", None, {}),
        (owner, f"/owner/jobs/{job_id}/pause", None, {"if-match": '"9"'}),
        (tester, "/tester/wallet/withdrawals", {"amountCents": 1}, {}),
        (tester, f"/tester/jobs/{closed}/assignments", None, {}),
        (tester, f"/tester/assignments/{started}/submit", {"answers": {"rating": 6}}, {}),
        (platform.operator, f"/operator/jobs/{job_id}/resolve", {"resolutions": [grant(started, 1)]}, {}),
        (owner, f"/owner/jobs/{started}/pause", None, {}),
        (tester, f"/owner/jobs/{job_id}/pause", None, {}),
    ]
    for who, path, body, headers in asked:
        with Unchanged(who):
            rehearsal, real = (who.post(path, body, headers=headers, dryRun=run) for run in ("true", "false"))
        assert rehearsal.status_code == real.status_code >= 400, path
        assert without(rehearsal.json(), "requestId") == without(real.json(), "requestId")


def without(body: Json, name: str) -> Json:
    return {key: value for key, value in body.items() if key != name}


def test_a_dry_run_tells_the_version_that_the_job_still_has(owner: Client) -> None:
    job_id = owner.post_job()
    response = owner.post(f"/owner/jobs/{job_id}/pause", dryRun="true")
    assert response.headers["etag"] == owner.etag(job_id) == '"1"'
    assert "etag" not in owner.post("/jobs", a_job(), dryRun="true").headers


def test_a_dry_run_shows_no_secret(owner: Client, operator: Client, platform: Platform) -> None:
    proof: Json = {"proofOfCompletion": {"method": "password", "password": "open sesame"}}
    response = owner.post("/jobs", a_job(**proof), dryRun="true")
    assert "sesame" not in response.text
    assert "argon2" not in response.text
    issued = operator.post("/operator/keys", {"principalId": platform.owner().id}, dryRun="true")
    shown = done(issued)["answer"]["key"]
    refused(operator.get("/operator/keys", headers={"authorization": f"Bearer {shown}"}), 401, "not_authenticated")


def test_a_password_cannot_be_guessed_by_dry_runs(owner: Client, tester: Client) -> None:
    proof: Json = {"proofOfCompletion": {"method": "password", "password": "sesame"}}
    path = f"/tester/assignments/{tester.start(owner.post_job(1, **proof))}/submit"
    for guess in ("sesame", "wrong"):
        with Unchanged(tester):
            response = tester.post(path, {**ANSWERS, "proofValue": guess}, dryRun="true")
            assert wrong_fields(response) == ["/proofValue"]
    assert types(rehearsed(tester, "POST", path, ANSWERS))[0] == "job.task_completed"


def test_a_testers_dry_run_tells_nothing_of_what_others_earn(platform: Platform, owner: Client) -> None:
    """What ends a job settles it, at a cost that tells the last one to come what those before were paid."""
    first, last = platform.testers(2)
    job_id = owner.post_job(2)
    first.complete(job_id)
    told = rehearsed(last, "POST", f"/tester/assignments/{last.start(job_id)}/submit", ANSWERS)
    assert types(told) == ["job.task_completed"]
    assert told["answer"]["settlementStatus"] == "pending_approval"
    assert told["postings"] == []
    assert owner.id not in str(told)


def test_a_tester_rehearses_a_withdrawal_with_its_postings(platform: Platform, owner: Client, tester: Client) -> None:
    job_id = owner.post_job(1)
    tester.complete(job_id)
    done(owner.post(f"/owner/jobs/{job_id}/approve"))
    told = rehearsed(tester, "POST", "/tester/wallet/withdrawals", {"amountCents": 100})
    assert types(told) == ["wallet.withdrawn"]
    assert [posting["account"] for posting in told["postings"]] == [f"tester:{tester.id}:payable", "payouts:clearing"]


def test_the_clock_is_not_moved_by_a_dry_run(platform: Platform, operator: Client) -> None:
    now = platform.pass_time()
    told = done(operator.post("/sandbox/clock", {"advanceSeconds": 3_600}, dryRun="true"))
    assert told["answer"]["now"] > now
    assert platform.pass_time() == now


def test_a_key_is_not_revoked_by_a_dry_run(platform: Platform, operator: Client) -> None:
    owner = platform.owner()
    told = rehearsed(operator, "DELETE", f"/operator/keys/{owner.key_id}")
    assert types(told) == ["access.key_revoked"]
    done(owner.get("/jobs"))


@pytest.mark.parametrize("value", ["1", "True", "yes", ""])
def test_a_dry_run_is_true_or_false(owner: Client, value: str) -> None:
    with Unchanged(owner):
        assert wrong_fields(owner.post("/jobs", a_job(), dryRun=value)) == ["?dryRun"]


def test_false_is_for_real(owner: Client) -> None:
    done(owner.post("/jobs", a_job(), headers=a_key(), dryRun="false"), 201)
