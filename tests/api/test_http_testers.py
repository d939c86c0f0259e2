"""A tester's way through a job, from the offer to the money."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.api.server import (
    A_JOB,
    ANSWERS,
    Client,
    Json,
    Platform,
    Response,
    Unchanged,
    a_job,
    a_key,
    done,
    refused,
    wrong_fields,
)

SESAME = {"proofOfCompletion": {"method": "password", "password": "sesame"}}


def after(instant: str, **delta: int) -> str:
    """An instant so much later, as the platform writes it."""
    moved = datetime.fromisoformat(instant) + timedelta(**delta)
    return moved.isoformat(timespec="milliseconds" if moved.microsecond else "seconds").replace("+00:00", "Z")


def submit(who: Client, assignment_id: str, answers: Any = None, **more: Any) -> Response:
    body = {"answers": {"rating": 4} if answers is None else answers, **more}
    return who.post(f"/tester/assignments/{assignment_id}/submit", body)


def test_a_job_is_offered_taken_started_handed_in_approved_and_paid(platform: Platform, owner: Client) -> None:
    tester, now = platform.tester(), platform.pass_time()
    job_id = owner.post_job(1)
    offer = done(tester.get("/tester/jobs"))["data"][0]
    assert offer == {
        "id": job_id,
        "title": "Rate my landing page",
        "description": None,
        "descriptionMimeType": "text/plain",
        "category": "web-design",
        "paymentRules": [{"type": "fixed", "amountCents": 300}],
        "openSlots": 1,
        "taskHardTimeLimitMinutes": 30,
        "taskPaidTimeLimitMinutes": None,
        "legalAgreements": [],
        "proofOfCompletion": None,
        "postingEndsAt": after(now, minutes=60),
        "createdAt": now,
    }

    taken = tester.post(f"/tester/jobs/{job_id}/assignments")
    view = done(taken, 201)
    path = f"/tester/assignments/{view['id']}"
    assert taken.headers["location"] == path
    assert {key: value for key, value in view.items() if key != "variant"} == {
        "id": view["id"],
        "jobId": job_id,
        "variantId": owner.job(job_id)["variants"][0]["id"],
        "status": "pending",
        "reservedUntil": after(now, minutes=10),
        "startedAt": None,
        "hardDeadline": None,
        "completedAt": None,
        "durationMinutes": None,
        "payoutCents": None,
        "settlementStatus": None,
        "dispute": None,
        "title": "Rate my landing page",
        "description": None,
        "descriptionMimeType": "text/plain",
        "category": "web-design",
        "legalAgreements": [],
        "proofOfCompletion": None,
        "paymentRules": [{"type": "fixed", "amountCents": 300}],
        "taskPaidTimeLimitMinutes": None,
        "taskHardTimeLimitMinutes": 30,
    }
    assert view["variant"]["url"] == "https://example.com/landing"
    assert [question["id"] for question in view["variant"]["feedbackQuestions"]] == ["rating"]

    later = platform.pass_time(minutes=9)
    view = done(tester.post(f"{path}/start"))
    assert (view["status"], view["startedAt"], view["hardDeadline"]) == ("started", later, after(later, minutes=30))
    assert done(tester.post(f"{path}/start")) == view

    end = platform.pass_time(minutes=7, seconds=30)
    view = done(submit(tester, view["id"]))
    told = {key: view[key] for key in ("status", "completedAt", "durationMinutes", "payoutCents", "settlementStatus")}
    assert told == {
        "status": "completed",
        "completedAt": end,
        "durationMinutes": 8,
        "payoutCents": 300,
        "settlementStatus": "pending_approval",
    }
    assert done(tester.get(path)) == view

    detail = owner.job(job_id)
    assert (detail["status"], detail["settlementStatus"]) == ("completed", "pending_approval")
    assert (detail["closedReason"], detail["settlementDeadline"]) == ("all_completed", after(end, hours=24))
    assert detail["variants"][0]["completedAssignments"] == [
        {
            "assignmentId": view["id"],
            "testerId": tester.public_id,
            "testerUserId": tester.id,
            "status": "completed",
            "settlementStatus": "pending_approval",
            "durationMinutes": 8,
            "completedAt": end,
            "payoutCents": 300,
            "feedbackData": {"_meta": {"source": "tester_input", "untrusted": True}, "answers": {"rating": 4}},
            "artifacts": [],
        }
    ]
    done(owner.post(f"/owner/jobs/{job_id}/approve"))
    assert done(tester.get(path))["settlementStatus"] == "approved"
    assert done(tester.post("/tester/wallet/withdrawals", {"amountCents": 300}), 201)["payableCents"] == 0


def test_an_assignment_tells_what_the_offer_told_of_its_job(owner: Client, tester: Client) -> None:
    """A job that is full is on offer no more, and only its owner may read it."""
    asked: Json = {
        "description": "**Two** parts.",
        "descriptionMimeType": "text/markdown",
        "legalAgreements": [{"type": "nda", "version": "2", "agreementId": None}],
        "proofOfCompletion": {"method": "password", "password": "sesame"},
    }
    owner.post_job(1, **asked)
    offer = done(tester.get("/tester/jobs"))["data"][0]
    told = {name: each for name, each in offer.items() if name not in ("id", "openSlots", "postingEndsAt", "createdAt")}
    assert (told["description"], told["proofOfCompletion"]) == ("**Two** parts.", {"method": "password"})
    assignment_id = tester.take(offer["id"], acceptLegalAgreements=True)
    path = f"/tester/assignments/{assignment_id}"
    for view in (done(tester.get(path)), done(tester.post(f"{path}/start")), done(tester.post(f"{path}/return"))):
        assert {name: view[name] for name in told} == told


def test_minutes_are_paid_as_they_begin_and_up_to_the_cap(platform: Platform, owner: Client) -> None:
    rules = [{"type": "fixed", "amountCents": 100}, {"type": "per_minute", "rateCents": 10, "capMinutes": 5}]
    job_id = owner.post_job(2, paymentRules=rules)
    assert owner.job(job_id)["escrowHoldCents"] == 2 * 195
    quick, slow = platform.testers(2)
    first, second = quick.start(job_id), slow.start(job_id)
    platform.pass_time(minutes=2, seconds=1)
    view = done(submit(quick, first))
    assert (view["durationMinutes"], view["payoutCents"]) == (3, 130)
    platform.pass_time(minutes=10)
    view = done(submit(slow, second))
    assert (view["durationMinutes"], view["payoutCents"]) == (13, 150)


def test_a_tester_gets_a_job_once_whatever_became_of_it(owner: Client, tester: Client) -> None:
    job_id = owner.post_job()
    assignment = tester.take(job_id)
    refused(tester.post(f"/tester/jobs/{job_id}/assignments"), 409, "already_taken")
    assert done(tester.post(f"/tester/assignments/{assignment}/return"))["status"] == "returned"
    assert done(tester.post(f"/tester/assignments/{assignment}/return"))["status"] == "returned"
    refused(tester.post(f"/tester/jobs/{job_id}/assignments"), 409, "already_taken")
    refused(tester.post(f"/tester/assignments/{assignment}/start"), 409, "invalid_state")


def test_a_slot_that_is_given_up_is_free_again(platform: Platform, owner: Client) -> None:
    first, second = platform.testers(2)
    job_id = owner.post_job(1)
    assignment = first.start(job_id)
    refused(second.post(f"/tester/jobs/{job_id}/assignments"), 409, "no_slots_left")
    done(first.post(f"/tester/assignments/{assignment}/return"))
    second.take(job_id)


def test_a_reservation_lasts_ten_minutes_and_its_end_is_exclusive(platform: Platform, owner: Client) -> None:
    punctual, late = platform.testers(2)
    job_id = owner.post_job(2)
    taken = [punctual.take(job_id), late.take(job_id)]
    platform.pass_time(minutes=10, seconds=-1)
    done(punctual.post(f"/tester/assignments/{taken[0]}/start"))
    platform.pass_time(seconds=1)
    refused(late.post(f"/tester/assignments/{taken[1]}/start"), 409, "reservation_expired")
    refused(late.post(f"/tester/assignments/{taken[1]}/return"), 409, "reservation_expired")
    assert done(late.get(f"/tester/assignments/{taken[1]}"))["status"] == "expired"


def test_a_task_has_a_hard_limit_and_its_end_is_exclusive(platform: Platform, owner: Client) -> None:
    punctual, late = platform.testers(2)
    job_id = owner.post_job(2, taskHardTimeLimitMinutes=5)
    started = [punctual.start(job_id), late.start(job_id)]
    platform.pass_time(minutes=5, seconds=-1)
    assert done(submit(punctual, started[0]))["durationMinutes"] == 5
    platform.pass_time(seconds=1)
    refused(submit(late, started[1]), 409, "past_hard_limit")
    assert done(late.get(f"/tester/assignments/{started[1]}"))["status"] == "timed_out"


def test_only_what_was_started_is_handed_in_and_once(owner: Client, tester: Client) -> None:
    assignment = tester.take(owner.post_job())
    refused(submit(tester, assignment), 409, "invalid_state")
    done(tester.post(f"/tester/assignments/{assignment}/start"))
    done(submit(tester, assignment))
    refused(submit(tester, assignment), 409, "invalid_state")


def test_a_paused_or_stopped_job_takes_nobody_and_those_at_work_go_on(platform: Platform, owner: Client) -> None:
    at_work, late = platform.testers(2)
    job_id = owner.post_job(3)
    assignment = at_work.take(job_id)
    for verb in ("pause", "stop"):
        done(owner.post(f"/owner/jobs/{job_id}/{verb}"))
        refused(late.post(f"/tester/jobs/{job_id}/assignments"), 409, "job_not_active")
    done(at_work.post(f"/tester/assignments/{assignment}/start"))
    done(submit(at_work, assignment))
    assert owner.job(job_id)["settlementStatus"] == "pending_approval"


def test_legal_agreements_are_accepted_or_there_is_no_slot(owner: Client, tester: Client) -> None:
    job_id = owner.post_job(1, legalAgreements=[{"type": "nda", "version": "2"}])
    path = f"/tester/jobs/{job_id}/assignments"
    shown = next(job for job in done(tester.get("/tester/jobs"))["data"] if job["id"] == job_id)
    assert shown["legalAgreements"] == [{"type": "nda", "version": "2", "agreementId": None}]
    for body in (None, {}, {"acceptLegalAgreements": False}, {"acceptLegalAgreements": None}):
        refused(tester.post(path, body), 409, "legal_agreements_required")
    done(tester.post(path, {"acceptLegalAgreements": True}), 201)


def test_a_job_that_has_not_started_is_invisible_and_takes_nobody(platform: Platform, owner: Client) -> None:
    tester, now = platform.tester(), platform.pass_time()
    starts = after(now, hours=2)
    job_id = owner.post_job(1, startsAt=starts.replace("Z", "+00:00"))
    detail = owner.job(job_id)
    assert (detail["status"], detail["startsAt"], detail["postingEndsAt"]) == ("active", starts, after(starts, hours=1))
    refused(tester.post(f"/tester/jobs/{job_id}/assignments"), 409, "not_started")
    assert job_id not in [job["id"] for job in done(tester.get("/tester/jobs", limit=50))["data"]]
    platform.pass_time(hours=2)
    assert job_id in [job["id"] for job in done(tester.get("/tester/jobs", limit=50))["data"]]
    tester.take(job_id)


def test_who_does_not_match_is_not_eligible_and_is_not_offered_the_job(owner: Client, tester: Client) -> None:
    variant = {**A_JOB["variants"][0], "audienceFilters": [{"field": "country", "op": "in", "values": ["DE"]}]}
    job_id = done(owner.post("/jobs", {**A_JOB, "variants": [variant]}), 201)["id"]
    refused(tester.post(f"/tester/jobs/{job_id}/assignments"), 403, "not_eligible")
    assert job_id not in [job["id"] for job in done(tester.get("/tester/jobs", limit=50))["data"]]


# -- answers -----------------------------------------------------------------------------------------------------------

QUESTIONS: list[Json] = [
    {"id": "stars", "questionMarkdown": "?", "inputType": "star_rating"},
    {"id": "text", "questionMarkdown": "?", "inputType": "text", "required": False},
    {
        "id": "pick",
        "questionMarkdown": "?",
        "inputType": "multiple_choice",
        "multiSelect": True,
        "options": [
            {"label": "A", "value": "a"},
            {"label": "B", "value": "b"},
            {"label": "None", "value": "none", "exclusive": True},
        ],
    },
    {
        "id": "why/~",
        "questionMarkdown": "?",
        "inputType": "textarea",
        "displayCondition": {"questionId": "pick", "op": "in", "values": ["none"]},
    },
    {"id": "price", "questionMarkdown": "?", "inputType": "decimal", "min": 0.5, "max": 10},
]


@pytest.fixture
def asked(owner: Client, tester: Client) -> tuple[Client, str]:
    """A tester at work, and the assignment."""
    variant = {**A_JOB["variants"][0], "feedbackQuestions": QUESTIONS}
    return tester, tester.start(done(owner.post("/jobs", {**A_JOB, "variants": [variant]}), 201)["id"])


@pytest.mark.parametrize(
    "answers",
    [
        {"stars": 5, "pick": ["a", "b"], "price": 0.5},
        {"stars": 1, "pick": ["none"], "why/~": "Nothing fits", "price": "10.00"},
        {"stars": 3, "pick": ["b"], "price": 7, "text": "", "why/~": None},
    ],
)
def test_answers_that_fit_are_shown_as_they_were_given(owner: Client, asked: tuple[Client, str], answers: Json) -> None:
    tester, assignment = asked
    job_id = done(submit(tester, assignment, answers))["jobId"]
    (variant,) = owner.job(job_id)["variants"]
    given = {question: answer for question, answer in answers.items() if answer is not None}
    assert [each["feedbackData"]["answers"] for each in variant["completedAssignments"]] == [given]


@pytest.mark.parametrize(
    ("answers", "pointers"),
    [
        ({}, ["/answers/pick", "/answers/price", "/answers/stars"]),
        ({"stars": 6, "pick": ["c"], "price": 0.4}, ["/answers/pick/0", "/answers/price", "/answers/stars"]),
        ({"stars": 5.0, "pick": ["a", "none"], "price": True}, ["/answers/pick", "/answers/price", "/answers/stars"]),
        ({"stars": 5, "pick": ["none"], "price": 1}, ["/answers/why~1~0"]),
        ({"stars": 5, "pick": ["a"], "price": 1, "why/~": "hidden"}, ["/answers/why~1~0"]),
        ({"stars": 5, "pick": ["a"], "price": 1, "extra": 1}, ["/answers/extra"]),
        ({"stars": 5, "pick": ["a"], "price": 1, "text": "x" * 501}, ["/answers/text"]),
        ({"stars": 5, "pick": [["a"]], "price": {"a": 1}}, ["/answers/pick/0", "/answers/price"]),
        ([], ["/answers"]),
        ("5", ["/answers"]),
    ],
)
def test_answers_that_do_not_fit_are_named(asked: tuple[Client, str], answers: Any, pointers: list[str]) -> None:
    tester, assignment = asked
    with Unchanged(tester):
        assert wrong_fields(submit(tester, assignment, answers)) == pointers


def test_the_fields_of_a_submission_are_named_too(asked: tuple[Client, str]) -> None:
    tester, assignment = asked
    path = f"/tester/assignments/{assignment}/submit"
    assert wrong_fields(tester.post(path)) == ["/answers"]
    assert wrong_fields(tester.post(path, {"answers": {}, "proofValue": "", "note": 1})) == ["/note", "/proofValue"]
    assert wrong_fields(tester.post(path, {"answers": {"x" * 129: 1}})) == ["/answers"]


# -- proof of completion -----------------------------------------------------------------------------------------------


def test_a_right_proof_hands_in_and_the_password_is_never_shown(owner: Client, tester: Client) -> None:
    job_id = owner.post_job(1, **SESAME)
    assert owner.job(job_id)["proofOfCompletion"] == {"method": "password"}
    assignment = tester.start(job_id)
    assert wrong_fields(submit(tester, assignment)) == ["/proofValue"]
    assert done(submit(tester, assignment, proofValue="sesame"))["status"] == "completed"
    assert "sesame" not in owner.get(f"/jobs/{job_id}").text


def test_a_wrong_proof_counts_and_after_five_it_is_locked(owner: Client, tester: Client) -> None:
    job_id = owner.post_job(1, **SESAME)
    assignment = tester.start(job_id)
    before = tester.position()
    for count in range(1, 6):
        assert wrong_fields(submit(tester, assignment, proofValue="guess")) == ["/proofValue"]
        assert tester.position() == before + count
    with Unchanged(tester):
        refused(submit(tester, assignment, proofValue="sesame"), 409, "proof_locked")
        refused(submit(tester, assignment, proofValue="guess"), 409, "proof_locked")
    assert done(tester.post(f"/tester/assignments/{assignment}/return"))["status"] == "returned"


def test_a_wrong_proof_that_is_repeated_counts_once(owner: Client, tester: Client) -> None:
    """Who had no answer asks again with the same idempotency key."""
    assignment = tester.start(owner.post_job(1, **SESAME))
    path, key, before = f"/tester/assignments/{assignment}/submit", a_key(), tester.position()
    for _ in range(6):
        assert wrong_fields(tester.post(path, {**ANSWERS, "proofValue": "guess"}, headers=key)) == ["/proofValue"]
        assert tester.position() == before + 1
    refused(tester.post(path, {**ANSWERS, "proofValue": "sesame"}, headers=key), 422, "idempotency_mismatch")
    done(submit(tester, assignment, proofValue="sesame"))


def test_four_wrong_proofs_leave_one_more_try(owner: Client, tester: Client) -> None:
    assignment = tester.start(owner.post_job(1, **SESAME))
    for _ in range(4):
        assert wrong_fields(submit(tester, assignment, proofValue="guess")) == ["/proofValue"]
    done(submit(tester, assignment, proofValue="sesame"))


def test_wrong_answers_do_not_cost_a_try(owner: Client, tester: Client) -> None:
    assignment = tester.start(owner.post_job(1, **SESAME))
    for _ in range(6):
        with Unchanged(tester):
            assert wrong_fields(submit(tester, assignment, {"rating": 9}, proofValue="guess")) == ["/answers/rating"]
    done(submit(tester, assignment, proofValue="sesame"))


def test_a_proof_where_none_is_asked_for_is_refused(owner: Client, tester: Client) -> None:
    assignment = tester.start(owner.post_job(1))
    with Unchanged(tester):
        assert wrong_fields(submit(tester, assignment, proofValue="sesame")) == ["/proofValue"]


@pytest.mark.parametrize("password", ["", "x" * 129, 5, None])
def test_a_password_has_1_to_128_characters(owner: Client, password: Any) -> None:
    body = a_job(proofOfCompletion={"method": "password", "password": password})
    response = owner.post("/jobs", body)
    assert wrong_fields(response) == ["/proofOfCompletion/password"]
    assert "x" * 129 not in response.text


def test_feedback_is_marked_as_a_strangers_words(owner: Client, tester: Client) -> None:
    job_id = owner.post_job(1)
    tester.complete(job_id)
    feedback = owner.job(job_id)["variants"][0]["completedAssignments"][0]["feedbackData"]
    assert feedback == {"_meta": {"source": "tester_input", "untrusted": True}, **ANSWERS}
