"""One tester on one slot: starting, handing in, giving up."""

import pytest

from domain.errors import (
    InvalidRequest,
    InvalidState,
    NotFound,
    PastHardLimit,
    ProofLocked,
    Refusal,
    ReservationExpired,
)
from domain.job import commands as c
from domain.job import events as e
from domain.job.events import ClosedReason
from domain.times import MINUTE, SECOND
from tests.builders import (
    ALICE,
    BOB,
    an_active_job,
    cancelled,
    cancelled_under,
    completed_by,
    done_by,
    expired_for,
    per_minute,
    proof_rejected_for,
    return_by,
    returned_by,
    settled,
    start_by,
    started_by,
    stopped,
    submit_by,
    taken_by,
    timed_out_for,
)
from tests.given import JOB_SPEC, NOW

AT_WORK = (*an_active_job(), taken_by(ALICE), started_by(ALICE))
LATER = NOW + 8 * MINUTE
ALL_COMMANDS: tuple[c.JobCommand, ...] = (start_by(ALICE), submit_by(ALICE), return_by(ALICE))

# Starting


def test_starting_begins_the_hard_limit() -> None:
    job = JOB_SPEC.given(*an_active_job(hard_limit_minutes=45), taken_by(ALICE))
    alice = job.when(start_by(ALICE), at=NOW + 5).then(started_by(ALICE, NOW + 5, limit_minutes=45)).state.assignments
    assert (alice[ALICE.slot].status, alice[ALICE.slot].due_at) == ("started", NOW + 5 + 45 * MINUTE)


def test_starting_again_changes_nothing() -> None:
    JOB_SPEC.given(*AT_WORK).when(start_by(ALICE), at=LATER).then_nothing()


def test_a_pending_assignment_may_still_start_while_the_job_is_paused_or_closing() -> None:
    pending = JOB_SPEC.given(*an_active_job(), taken_by(ALICE))
    pending.and_then(e.Paused()).when(start_by(ALICE)).then(started_by(ALICE))
    pending.and_then(stopped()).when(start_by(ALICE)).then(started_by(ALICE))


# Handing in


def test_feedback_earns_the_pay() -> None:
    job = JOB_SPEC.given(*AT_WORK).when(submit_by(ALICE), at=LATER).then(completed_by(ALICE)).state
    alice = job.assignments[ALICE.slot]
    assert (alice.status, alice.payout_cents, alice.fee_cents, alice.cost_cents) == ("completed", 300, 90, 390)
    assert (alice.started_at, alice.completed_at, alice.duration_minutes) == (NOW, LATER, 8)
    assert (job.at_work, job.completed, job.completed_cost_cents) == (0, 1, 390)
    assert alice.settled_as is None


def test_pay_by_the_minute_counts_from_start_to_submission() -> None:
    job = JOB_SPEC.given(*an_active_job(5, per_minute(20)), taken_by(ALICE), started_by(ALICE, NOW + MINUTE))
    then = NOW + 3 * MINUTE + SECOND
    job.when(submit_by(ALICE), at=then).then(completed_by(ALICE, payout=60, minutes=3, at=then))


def test_the_duration_is_told_in_full_when_the_pay_is_capped() -> None:
    job = JOB_SPEC.given(*an_active_job(5, per_minute(20, cap_minutes=2)), taken_by(ALICE), started_by(ALICE))
    job.when(submit_by(ALICE), at=LATER).then(completed_by(ALICE, payout=40, minutes=8))


def test_a_paused_job_lets_those_at_work_hand_in() -> None:
    JOB_SPEC.given(*AT_WORK, e.Paused()).when(submit_by(ALICE), at=LATER).then(completed_by(ALICE))


def test_the_last_slot_begins_the_settlement_by_itself() -> None:
    job = JOB_SPEC.given(*an_active_job(2), *done_by(ALICE), taken_by(BOB), started_by(BOB))
    done = (completed_by(BOB), settled(780, 0, ClosedReason.ALL_COMPLETED, at=LATER))
    job.when(submit_by(BOB), at=LATER).then(*done)
    job.and_then(e.Paused()).when(submit_by(BOB), at=LATER).then(*done)


def test_a_task_must_be_started_before_it_is_handed_in() -> None:
    refusal = JOB_SPEC.given(*an_active_job(), taken_by(ALICE)).when(submit_by(ALICE)).then_refused(InvalidState)
    assert refusal.detail == "Start the task before handing in."


def test_wrong_answers_are_named() -> None:
    refusal = (
        JOB_SPEC.given(*AT_WORK).when(submit_by(ALICE, {"rating": 6, "mood": "good"})).then_refused(InvalidRequest)
    )
    assert [problem.pointer for problem in refusal.problems] == ["/answers/rating", "/answers/mood"]


# The proof

GUARDED = (*an_active_job(proof_hash="$argon2id$"), taken_by(ALICE), started_by(ALICE))


def test_the_right_proof_is_accepted() -> None:
    JOB_SPEC.given(*GUARDED).when(submit_by(ALICE, proof_matches=True), at=LATER).then(completed_by(ALICE))


def test_a_wrong_proof_is_counted() -> None:
    job = JOB_SPEC.given(*GUARDED).when(submit_by(ALICE, proof_matches=False)).then(proof_rejected_for(ALICE)).state
    assert (job.assignments[ALICE.slot].wrong_proofs, job.assignments[ALICE.slot].status) == (1, "started")


def test_the_proof_may_not_be_left_out() -> None:
    refusal = JOB_SPEC.given(*GUARDED).when(submit_by(ALICE)).then_refused(InvalidRequest)
    assert [problem.pointer for problem in refusal.problems] == ["/proofValue"]


def test_a_proof_that_nobody_asked_for_is_wrong_whatever_it_says() -> None:
    for matches in (True, False):
        refusal = JOB_SPEC.given(*AT_WORK).when(submit_by(ALICE, proof_matches=matches)).then_refused(InvalidRequest)
        assert [problem.pointer for problem in refusal.problems] == ["/proofValue"]


def test_wrong_answers_and_a_wrong_use_of_the_proof_are_named_together() -> None:
    refusal = JOB_SPEC.given(*AT_WORK).when(submit_by(ALICE, {}, proof_matches=True)).then_refused(InvalidRequest)
    assert [problem.pointer for problem in refusal.problems] == ["/answers/rating", "/proofValue"]


def test_wrong_answers_use_up_no_attempt() -> None:
    JOB_SPEC.given(*GUARDED).when(submit_by(ALICE, {}, proof_matches=False)).then_refused(InvalidRequest)


def test_five_wrong_proofs_lock_the_assignment() -> None:
    four = JOB_SPEC.given(*GUARDED, *[proof_rejected_for(ALICE)] * 4)
    four.when(submit_by(ALICE, proof_matches=True)).then_kinds(e.TaskCompleted)
    five = four.when(submit_by(ALICE, proof_matches=False)).then(proof_rejected_for(ALICE))
    five.when(submit_by(ALICE, proof_matches=False)).then_refused(ProofLocked)
    five.when(submit_by(ALICE, proof_matches=True)).then_refused(ProofLocked)
    five.when(return_by(ALICE)).then(returned_by(ALICE))


# Giving up


def test_a_slot_can_be_returned_before_and_after_the_start() -> None:
    pending = JOB_SPEC.given(*an_active_job(), taken_by(ALICE))
    pending.when(return_by(ALICE)).then(returned_by(ALICE))
    job = pending.and_then(started_by(ALICE)).when(return_by(ALICE)).then(returned_by(ALICE)).state
    assert (job.assignments[ALICE.slot].status, job.open_slots) == ("returned", 5)


def test_returning_again_changes_nothing() -> None:
    JOB_SPEC.given(*an_active_job(), taken_by(ALICE), returned_by(ALICE)).when(return_by(ALICE)).then_nothing()


def test_the_last_one_who_gives_up_in_a_closing_job_begins_the_settlement() -> None:
    closing = JOB_SPEC.given(*an_active_job(), *done_by(ALICE), taken_by(BOB), stopped())
    closing.when(return_by(BOB), at=LATER).then(returned_by(BOB), settled(390, 1560, at=LATER))


def test_the_last_one_who_gives_up_in_a_closing_job_nobody_completed_cancels_it() -> None:
    closing = JOB_SPEC.given(*an_active_job(), taken_by(ALICE), stopped())
    job = closing.when(return_by(ALICE)).then(returned_by(ALICE), cancelled(1950)).state
    assert (job.status, job.settlement_status, job.escrow_cents) == ("cancelled", None, 0)


# What has ended stays so


@pytest.mark.parametrize(
    ("history", "kind", "answered"),
    [
        ((returned_by(ALICE),), InvalidState, (c.ReturnSlot,)),
        ((expired_for(ALICE),), ReservationExpired, ()),
        ((started_by(ALICE), timed_out_for(ALICE)), PastHardLimit, ()),
        ((started_by(ALICE), completed_by(ALICE)), InvalidState, ()),
        ((cancelled_under(ALICE), cancelled(1950)), InvalidState, ()),
    ],
    ids=["returned", "expired", "timed_out", "completed", "cancelled"],
)
def test_an_assignment_that_has_ended_takes_no_more(
    history: tuple[e.JobEvent, ...], kind: type[Refusal], answered: tuple[type, ...]
) -> None:
    job = JOB_SPEC.given(*an_active_job(), taken_by(ALICE), *history)
    for command in ALL_COMMANDS:
        outcome = job.when(command)
        if type(command) in answered:
            outcome.then_nothing()
        else:
            outcome.then_refused(kind)


def test_nobody_can_work_on_an_assignment_that_is_not_there() -> None:
    for command in ALL_COMMANDS:
        JOB_SPEC.given(*an_active_job()).when(command).then_refused(NotFound)
