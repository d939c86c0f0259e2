"""The file of a dispute: both sides, and what was decided before."""

from collections.abc import Iterator
from typing import Any

import pytest

from domain.job.state import MAX_STATEMENTS
from tests.api.server import Client, Json, Platform, Unchanged, a_key, done, refused, wrong_fields

FLAGS = ("lowQuality", "offTopic", "suspectedFraud", "incompleteWork", "platformIssue", "billingDiscrepancy")
TEXT = {"text": "I did all of it."}
UNTRUSTED = {"source": "tester_input", "untrusted": True}


def disputed(owner: Client, testers: list[Client], **claim: Any) -> tuple[str, list[str]]:
    """A job that these testers did and whose owner disputes all of it: its id and the assignments'."""
    job_id = owner.post_job(len(testers))
    assignments = [tester.complete(job_id) for tester in testers]
    claims = [{"testerUserId": tester.id, "category": "low_quality", **claim} for tester in testers]
    done(owner.post(f"/owner/jobs/{job_id}/dispute", {"testers": claims}))
    return job_id, assignments


def state(tester: Client, assignment: str, **options: Any) -> Any:
    return tester.post(f"/tester/assignments/{assignment}/statement", TEXT, **options)


def resolve(platform: Platform, job_id: str, *verdicts: tuple[str, int]) -> None:
    said = [{"assignmentId": assignment, "payoutCents": cents, "note": f"{cents}"} for assignment, cents in verdicts]
    done(platform.operator.post(f"/operator/jobs/{job_id}/resolve", {"resolutions": said}))


def file(platform: Platform, job_id: str, **page: Any) -> Json:
    return done(platform.operator.get(f"/operator/jobs/{job_id}/dispute", **page))


def test_both_sides_stand_in_the_file(platform: Platform, owner: Client) -> None:
    ann, ben = platform.testers(2)
    job_id, (first, second) = disputed(owner, [ann, ben], description="Single words.")
    stated = done(state(ann, first))
    assert (stated["assignmentId"], stated["number"], stated["statementsLeft"]) == (first, 1, MAX_STATEMENTS - 1)
    platform.pass_time(minutes=3)
    shown = file(platform, job_id)
    head = {name: shown[name] for name in ("jobId", "ownerId", "status", "ageSeconds", *FLAGS)}
    expected = {"jobId": job_id, "ownerId": owner.id, "status": "open", "ageSeconds": 180}
    assert head == expected | dict.fromkeys(FLAGS, False)
    posted = owner.job(job_id)
    terms = shown["terms"]
    shared = terms.keys() & posted.keys() - {"variants"}
    assert shared >= {"title", "paymentRules", "taskHardTimeLimitMinutes", "feeBasisPoints"}
    assert {name: terms[name] for name in shared} == {name: posted[name] for name in shared}
    assert [each["feedbackQuestions"] for each in terms["variants"]] == [
        each["feedbackQuestions"] for each in posted["variants"]
    ]
    of_ann, of_ben = shown["assignments"]["data"]
    assert of_ann["statements"] == [
        {"_meta": UNTRUSTED, "number": 1, "statedAt": stated["statedAt"], "text": TEXT["text"]}
    ]
    assert (of_ann["category"], of_ann["description"], of_ann["earnedCents"]) == ("low_quality", "Single words.", 300)
    assert of_ann["feedbackData"] == {"_meta": UNTRUSTED, "answers": {"rating": 4}}
    assert of_ann["startedAt"] <= of_ann["completedAt"] <= of_ann["hardDeadline"]
    assert (of_ann["verdict"], of_ann["earlierVerdicts"]) == (None, {"data": [], "next": None})
    assert (of_ben["assignmentId"], of_ben["statements"]) == (second, [])


def test_the_file_names_the_version_that_a_verdict_may_rest_on(platform: Platform, owner: Client) -> None:
    (ann,) = platform.testers(1)
    job_id, (first,) = disputed(owner, [ann])
    seen = platform.operator.get(f"/operator/jobs/{job_id}/dispute").headers["etag"]
    done(state(ann, first))
    asked = {"resolutions": [{"assignmentId": first, "payoutCents": 0}]}
    path = f"/operator/jobs/{job_id}/resolve"
    missed = refused(platform.operator.post(path, asked, headers={"if-match": seen}), 412, "version_mismatch")
    assert [each["type"] for each in missed["events"]] == ["job.statement_given"]
    now = platform.operator.get(f"/operator/jobs/{job_id}/dispute").headers["etag"]
    done(platform.operator.post(path, asked, headers={"if-match": now}))


def test_a_tester_sees_what_is_claimed_of_all(platform: Platform, owner: Client) -> None:
    ann, job_id = platform.tester(), owner.post_job(1)
    assignment_id = ann.complete(job_id)
    done(owner.post(f"/owner/jobs/{job_id}/dispute", {"suspectedFraud": True}))
    claim = done(ann.get(f"/tester/assignments/{assignment_id}"))["dispute"]
    assert claim["ofAll"] == {**dict.fromkeys(FLAGS, False), "suspectedFraud": True}
    assert (claim["category"], claim["description"], claim["statementsLeft"]) == (None, None, MAX_STATEMENTS)


def test_a_tester_sees_the_claim_and_states_five_times(platform: Platform, owner: Client) -> None:
    (ann,) = platform.testers(1)
    job_id, (first,) = disputed(owner, [ann], description="Single words.")

    def seen() -> Json:
        claim: Json = done(ann.get(f"/tester/assignments/{first}"))["dispute"]
        return claim

    said = {"category": "low_quality", "description": "Single words.", "ofAll": dict.fromkeys(FLAGS, False)}
    assert seen() == {**said, "statementsGiven": 0, "statementsLeft": MAX_STATEMENTS}
    before = done(ann.get("/tester/wallet")), owner.balance(), done(owner.get("/owner/ledger"))
    for number in range(1, MAX_STATEMENTS + 1):
        assert done(state(ann, first))["number"] == number
    with Unchanged(ann):
        refused(state(ann, first), 409, "invalid_state")
    assert seen() == {**said, "statementsGiven": MAX_STATEMENTS, "statementsLeft": 0}
    assert (done(ann.get("/tester/wallet")), owner.balance(), done(owner.get("/owner/ledger"))) == before
    (of_ann,) = file(platform, job_id)["assignments"]["data"]
    assert [each["number"] for each in of_ann["statements"]] == list(range(1, MAX_STATEMENTS + 1))


def test_a_statement_is_repeated_once_and_rehearsed_without_a_trace(platform: Platform, owner: Client) -> None:
    (ann,) = platform.testers(1)
    _, (first,) = disputed(owner, [ann])
    with Unchanged(ann):
        (event,) = done(state(ann, first, dryRun="true"))["events"]
    assert (event["type"], event["text"], event["number"]) == ("job.statement_given", TEXT["text"], 1)
    key = a_key()
    once, again = state(ann, first, headers=key), state(ann, first, headers=key)
    assert done(once) == done(again)
    assert again.headers["idempotent-replayed"] == "true"
    assert done(ann.get(f"/tester/assignments/{first}"))["dispute"]["statementsGiven"] == 1


def test_who_may_state_what_and_when(platform: Platform, owner: Client) -> None:
    ann, ben, other = platform.testers(3)
    job_id, (first, second) = disputed(owner, [ann, ben])
    refused(state(other, first), 403, "forbidden")
    refused(owner.post(f"/tester/assignments/{first}/statement", TEXT), 403, "forbidden")
    refused(state(ann, job_id), 404, "not_found")
    with Unchanged(ann):
        for text in ("", " \n", "x" * 10_001, None, 7):
            path = f"/tester/assignments/{first}/statement"
            assert wrong_fields(ann.post(path, {"text": text})) == ["/text"]
        assert wrong_fields(ann.post(f"/tester/assignments/{first}/statement")) == ["/text"]
    resolve(platform, job_id, (first, 0))
    refused(state(ann, first), 409, "already_resolved")
    done(state(ben, second))
    quiet = owner.post_job(2)
    refused(state(ann, ann.complete(quiet)), 409, "not_disputed")


def test_a_job_that_was_never_disputed_has_no_file(platform: Platform, owner: Client) -> None:
    job_id = owner.post_job()
    problem = refused(platform.operator.get(f"/operator/jobs/{job_id}/dispute"), 404, "not_found")
    assert problem["detail"] == "This job was never disputed."
    refused(owner.get(f"/operator/jobs/{job_id}/dispute"), 403, "forbidden")
    refused(platform.operator.get(f"/operator/jobs/{owner.id}/dispute"), 404, "not_found")


def pages(platform: Platform, path: str, **asked: Any) -> Iterator[Json]:
    cursor: Json = {}
    while True:
        page = done(platform.operator.get(path, **asked, **cursor))
        page = page.get("assignments", page)
        yield from page["data"]
        if page["next"] is None:
            return
        cursor = {"cursor": page["next"]}


def test_a_large_dispute_comes_in_pages(platform: Platform, owner: Client) -> None:
    job_id, assignments = disputed(owner, platform.testers(3))
    path = f"/operator/jobs/{job_id}/dispute"
    assert [each["assignmentId"] for each in pages(platform, path, limit=2)] == assignments
    resolve(platform, job_id, (assignments[2], 0), (assignments[0], 300))
    work = list(pages(platform, path, limit=1))
    verdicts = [each["verdict"] and (each["verdict"]["payoutCents"], each["verdict"]["note"]) for each in work]
    assert verdicts == [(300, "300"), None, (0, "0")]
    foreign = done(platform.operator.get(path, limit=1))["assignments"]["next"]
    assert wrong_fields(platform.operator.get("/operator/verdicts", ownerId=owner.id, cursor=foreign)) == ["?cursor"]


def test_earlier_verdicts_on_both_sides_stand_in_the_file(platform: Platform) -> None:
    owner, other = platform.owner(), platform.owner()
    ann, ben = platform.testers(2)
    earlier, (by_ann, by_ben) = disputed(owner, [ann, ben])
    resolve(platform, earlier, (by_ben, 300), (by_ann, 100))
    elsewhere, (again,) = disputed(other, [ann])
    resolve(platform, elsewhere, (again, 0))
    job_id, (now, _) = disputed(owner, [ann, ben])

    def seen() -> tuple[Json, Json]:
        shown = file(platform, job_id)
        return shown["earlierVerdicts"], shown["assignments"]["data"][0]["earlierVerdicts"]

    on_owner, on_ann = seen()
    assert [each["assignmentId"] for each in on_owner["data"]] == [by_ann, by_ben]
    assert [each["assignmentId"] for each in on_ann["data"]] == [again, by_ann]
    assert on_ann["data"][1] == {
        "jobId": earlier,
        "ownerId": owner.id,
        "assignmentId": by_ann,
        "testerId": ann.public_id,
        "testerUserId": ann.id,
        "category": "low_quality",
        "earnedCents": 300,
        "earnedFeeCents": 90,
        "payoutCents": 100,
        "feeCents": 30,
        "decidedAt": on_ann["data"][1]["decidedAt"],
        "note": "100",
    }
    resolve(platform, job_id, (now, 0))
    assert seen() == (on_owner, on_ann), "its own verdict is no earlier one"
    named = list(pages(platform, "/operator/verdicts", testerUserId=ann.id, limit=1))
    assert [each["assignmentId"] for each in named] == [now, again, by_ann]
    assert named[1:] == on_ann["data"]


def test_more_earlier_verdicts_than_the_file_has_are_pages_of_their_list(platform: Platform, owner: Client) -> None:
    earlier, assignments = disputed(owner, platform.testers(12))
    resolve(platform, earlier, *((each, 0) for each in assignments))
    job_id, _ = disputed(owner, platform.testers(1))
    first = file(platform, job_id)["earlierVerdicts"]
    rest = done(platform.operator.get("/operator/verdicts", ownerId=owner.id, cursor=first["next"]))
    assert [each["assignmentId"] for each in (*first["data"], *rest["data"])] == assignments[::-1]
    assert (len(first["data"]), rest["next"]) == (10, None)


@pytest.mark.parametrize("names", [(), ("ownerId", "testerUserId")])
def test_verdicts_are_on_a_tester_or_on_an_owner(platform: Platform, owner: Client, names: tuple[str, ...]) -> None:
    asked: Json = dict.fromkeys(names, owner.id)
    assert wrong_fields(platform.operator.get("/operator/verdicts", **asked)) == ["?testerUserId"]


def test_a_statement_is_in_the_trail_and_in_both_portable_proofs(platform: Platform, owner: Client) -> None:
    (ann,) = platform.testers(1)
    job_id, (first,) = disputed(owner, [ann])
    done(state(ann, first, headers={"x-request-id": "my-side"}))
    (event,) = done(platform.operator.get("/audit/events", requestId="my-side"))["data"]
    assert (event["type"], event["actor"]["id"]) == ("job.statement_given", ann.id)
    assert event["payload"] == {"assignmentId": first, "testerId": ann.id, "number": 1, "text": TEXT["text"]}
    last = done(owner.get(f"/jobs/{job_id}/events", limit=50))["data"][-1]
    assert (last["type"], last["payload"]) == (event["type"], event["payload"])
    for proof in (owner.get(f"/jobs/{job_id}/proof"), ann.get("/tester/proof")):
        proved = [each["event"] for each in done(proof)["events"]]
        (given,) = [each for each in proved if each["type"] == "job.statement_given"]
        assert TEXT["text"] not in given["state"]
