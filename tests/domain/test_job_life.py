"""A job's life: posted, paused, resumed, stopped, cancelled, settled. What may be asked when."""

from typing import get_args

import pytest

from domain.errors import (
    AlreadyResolved,
    InvalidRequest,
    InvalidState,
    JobNotActive,
    NotDisputed,
    NotFound,
    NotPendingApproval,
    Refusal,
    TestersAtWork,
)
from domain.job import commands as c
from domain.job import events as e
from domain.job.events import ClosedReason
from domain.job.state import Phase
from domain.job.terms import Pricing
from domain.times import DAY, MINUTE
from tests.builders import (
    ALICE,
    BOB,
    CAROL,
    DAVE,
    OWNER,
    a_job_that_is,
    an_active_job,
    cancelled,
    cancelled_under,
    completed_by,
    created,
    done_by,
    expired_for,
    grant,
    per_minute,
    resolve,
    returned_by,
    settled,
    some_terms,
    started_by,
    stopped,
    submit_by,
    take_by,
    taken_by,
    timed_out_for,
    variant,
)
from tests.given import JOB_SPEC, NOW

# Creating


def test_a_job_is_posted_with_its_hold() -> None:
    terms = some_terms(slots=5, pay=300)
    job = JOB_SPEC.given().when(c.CreateJob(owner_id=OWNER, terms=terms)).then(created(terms)).state
    assert (job.status, job.settlement_status, job.target) == ("active", None, 5)
    assert (job.hold_cents, job.escrow_cents, job.slot_hold_cents) == (1950, 1950, 390)


def test_the_posting_window_begins_with_the_job() -> None:
    terms = some_terms(posting_window_minutes=60)
    job = JOB_SPEC.given().when(c.CreateJob(owner_id=OWNER, terms=terms)).then(created(terms)).state
    assert job.posting_ends_at == NOW + 60 * MINUTE


def test_the_posting_window_of_a_job_that_starts_later_begins_then() -> None:
    terms = some_terms(posting_window_minutes=60, starts_at=NOW + DAY)
    job = JOB_SPEC.given().when(c.CreateJob(owner_id=OWNER, terms=terms)).then(created(terms)).state
    assert (job.posting_ends_at, job.terms.starts_at) == (NOW + DAY + 60 * MINUTE, NOW + DAY)
    assert job.status == "active"


@pytest.mark.parametrize("ago", [0, 1, DAY])
def test_a_start_that_is_not_later_than_now_counts_as_not_given(ago: int) -> None:
    late = c.CreateJob(owner_id=OWNER, terms=some_terms(starts_at=NOW - ago))
    JOB_SPEC.given().when(late).then(created(some_terms(starts_at=None)))


def test_a_start_at_most_ninety_days_ahead() -> None:
    last = some_terms(starts_at=NOW + 90 * DAY)
    JOB_SPEC.given().when(c.CreateJob(owner_id=OWNER, terms=last)).then(created(last))
    too_late = c.CreateJob(owner_id=OWNER, terms=some_terms(starts_at=NOW + 90 * DAY + 1))
    refusal = JOB_SPEC.given().when(too_late).then_refused(InvalidRequest)
    assert [problem.pointer for problem in refusal.problems] == ["/startsAt"]


def test_nothing_but_creation_can_come_first() -> None:
    JOB_SPEC.given().when(c.PauseJob()).then_refused(NotFound)
    JOB_SPEC.given().when(take_by(ALICE)).then_refused(NotFound)


def test_a_job_that_starts_later_can_be_paused_stopped_cancelled_and_resized() -> None:
    waiting = JOB_SPEC.given(*an_active_job(5, starts_at=NOW + DAY))
    waiting.when(c.PauseJob()).then(e.Paused())
    waiting.when(c.StopJob()).then(cancelled(1950))
    waiting.when(c.CancelJob()).then(cancelled(1950, ClosedReason.CANCELLED))
    waiting.when(c.ResizeJob(target=6)).then_kinds(e.Resized)


# What may be asked in which phase

ALL_PHASES = (
    Phase.ACTIVE,
    Phase.PAUSED,
    Phase.CLOSING,
    Phase.CANCELLED,
    Phase.PENDING_APPROVAL,
    Phase.APPROVED,
    Phase.DISPUTED,
    Phase.RESOLVED,
)
NO = InvalidState
UNDECIDED = NotPendingApproval
PAID = (e.Approved, e.PayoutGranted, e.PayoutGranted)
NOTHING = ()

STATE_TABLE: dict[c.JobCommand, tuple[object, ...]] = {
    # a command: what follows in each phase, in the order above
    c.PauseJob(): ((e.Paused,), NOTHING, NO, NO, NO, NO, NO, NO),
    c.ResumeJob(): (NOTHING, (e.Resumed,), NO, NO, NO, NO, NO, NO),
    c.StopJob(): ((e.Cancelled,), (e.Cancelled,), NOTHING, NO, NO, NO, NO, NO),
    c.CancelJob(): ((e.Cancelled,), (e.Cancelled,), NO, NO, NO, NO, NO, NO),
    c.SettleJob(): ((e.Cancelled,), (e.Cancelled,), TestersAtWork, NO, NO, NO, NO, NO),
    c.ResizeJob(target=6): ((e.Resized,), (e.Resized,), NO, NO, NO, NO, NO, NO),
    c.ApproveJob(): (UNDECIDED, UNDECIDED, UNDECIDED, UNDECIDED, PAID, UNDECIDED, UNDECIDED, UNDECIDED),
    c.DisputeJob(flags=e.Flags(low_quality=True)): (
        *(UNDECIDED, UNDECIDED, UNDECIDED, UNDECIDED, (e.Disputed,), UNDECIDED, UNDECIDED, UNDECIDED),
    ),
    resolve(grant(ALICE, 0)): (
        *(NotDisputed, NotDisputed, NotDisputed, NotDisputed, NotDisputed, NotDisputed),
        (e.Resolved, e.Refunded),
        AlreadyResolved,
    ),
    take_by(DAVE): ((e.SlotTaken,), *(JobNotActive,) * 7),
    c.CreateJob(owner_id=OWNER, terms=some_terms()): (NO,) * 8,
}
OF_ASSIGNMENTS = {c.StartTask, c.SubmitTask, c.ReturnSlot, c.GiveStatement, c.PassDeadline}


def test_the_state_table_is_complete() -> None:
    assert {type(command) for command in STATE_TABLE} | OF_ASSIGNMENTS == set(get_args(c.JobCommand))
    assert all(len(row) == len(ALL_PHASES) for row in STATE_TABLE.values())
    assert set(ALL_PHASES) == set(Phase)


@pytest.mark.parametrize(
    ("command", "phase", "expected"),
    [
        pytest.param(command, phase, expected, id=f"{type(command).__name__}-{phase}")
        for command, row in STATE_TABLE.items()
        for phase, expected in zip(ALL_PHASES, row, strict=True)
    ],
)
def test_what_follows_in_each_phase(command: c.JobCommand, phase: Phase, expected: object) -> None:
    job = JOB_SPEC.given(*a_job_that_is(phase))
    assert job.state.phase is phase
    outcome = job.when(command)
    if isinstance(expected, tuple):
        outcome.then_kinds(*expected)
    else:
        assert isinstance(expected, type)
        assert issubclass(expected, Refusal)
        outcome.then_refused(expected)


@pytest.mark.parametrize(
    ("phase", "status", "settlement_status"),
    [
        (Phase.ACTIVE, "active", None),
        (Phase.PAUSED, "paused", None),
        (Phase.CLOSING, "closing", None),
        (Phase.CANCELLED, "cancelled", None),
        (Phase.PENDING_APPROVAL, "completed", "pending_approval"),
        (Phase.APPROVED, "completed", "approved"),
        (Phase.DISPUTED, "completed", "disputed"),
        (Phase.RESOLVED, "completed", "resolved"),
    ],
)
def test_what_users_see_of_each_phase(phase: Phase, status: str, settlement_status: str | None) -> None:
    job = JOB_SPEC.given(*a_job_that_is(phase)).state
    assert (job.status, job.settlement_status) == (status, settlement_status)


def test_a_refusal_says_where_the_job_stands() -> None:
    over = JOB_SPEC.given(*a_job_that_is(Phase.APPROVED))
    assert over.when(c.PauseJob()).then_refused(InvalidState).detail == (
        "The job is completed and its settlement is approved; only an active job can be paused."
    )
    closing = JOB_SPEC.given(*a_job_that_is(Phase.CLOSING))
    assert closing.when(c.CancelJob()).then_refused(InvalidState).detail == (
        "The job is closing; only an active or paused job can be cancelled."
    )


# Stopping


def test_stopping_lets_those_at_work_finish() -> None:
    busy = JOB_SPEC.given(*an_active_job(), taken_by(ALICE))
    job = busy.when(c.StopJob()).then(stopped()).state
    assert (job.status, job.hold_cents) == ("closing", 1950)


def test_stopping_with_nobody_at_work_settles_what_was_completed() -> None:
    JOB_SPEC.given(*an_active_job(), *done_by(ALICE, BOB)).when(c.StopJob()).then(settled(780, 1170))


def test_stopping_when_nobody_has_completed_cancels_the_job() -> None:
    job = JOB_SPEC.given(*an_active_job(), taken_by(ALICE), returned_by(ALICE)).when(c.StopJob()).then(cancelled(1950))
    assert (job.state.status, job.state.settlement_status, job.state.hold_cents) == ("cancelled", None, 0)


def test_the_last_one_to_hand_in_begins_the_settlement_of_a_closing_job() -> None:
    closing = JOB_SPEC.given(*an_active_job(), *done_by(ALICE), taken_by(BOB), started_by(BOB), stopped())
    closing.when(submit_by(BOB), at=NOW + 8 * MINUTE).then(completed_by(BOB), settled(780, 1170, at=NOW + 8 * MINUTE))


def test_one_of_several_who_hands_in_does_not_settle_a_closing_job() -> None:
    closing = JOB_SPEC.given(*an_active_job(), taken_by(ALICE), taken_by(BOB), started_by(BOB), stopped())
    closing.when(submit_by(BOB), at=NOW + 8 * MINUTE).then(completed_by(BOB))


# Cancelling


def test_cancelling_ends_pending_and_started_assignments_unpaid() -> None:
    busy = JOB_SPEC.given(*an_active_job(), taken_by(ALICE), taken_by(BOB), started_by(BOB))
    over = busy.when(c.CancelJob()).then(
        cancelled_under(ALICE), cancelled_under(BOB), cancelled(1950, ClosedReason.CANCELLED)
    )
    job = over.state
    assert (job.status, job.settlement_status, job.hold_cents, job.escrow_cents) == ("cancelled", None, 0, 0)
    assert [assignment.status for assignment in job.assignments.values()] == ["cancelled", "cancelled"]
    assert job.ended_by_deadline == 0


def test_cancelling_settles_what_was_completed() -> None:
    busy = JOB_SPEC.given(*an_active_job(), *done_by(ALICE), taken_by(BOB))
    over = busy.when(c.CancelJob(), at=NOW + 5).then(
        cancelled_under(BOB),
        cancelled(1560, ClosedReason.CANCELLED),
        settled(390, 0, ClosedReason.CANCELLED, at=NOW + 5),
    )
    job = over.state
    assert (job.status, job.settlement_status, job.hold_cents) == ("cancelled", "pending_approval", 390)
    assert job.settlement_deadline == NOW + 5 + DAY


def test_the_settlement_of_a_cancelled_job_is_approved_and_disputed_as_any_other() -> None:
    over = JOB_SPEC.given(
        *an_active_job(),
        *done_by(ALICE),
        cancelled(1560, ClosedReason.CANCELLED),
        settled(390, 0, ClosedReason.CANCELLED),
    )
    approved = over.when(c.ApproveJob()).then_kinds(e.Approved, e.PayoutGranted).state
    assert (approved.status, approved.settlement_status) == ("cancelled", "approved")
    disputed = over.when(c.DisputeJob(flags=e.Flags(low_quality=True))).then_kinds(e.Disputed)
    resolved = disputed.when(resolve(grant(ALICE, 0))).then_kinds(e.Resolved, e.Refunded).state
    assert (resolved.status, resolved.settlement_status, resolved.escrow_cents) == ("cancelled", "resolved", 0)


def test_a_paused_job_can_be_cancelled_with_testers_at_work() -> None:
    paused = JOB_SPEC.given(*an_active_job(), taken_by(ALICE), e.Paused())
    paused.when(c.CancelJob()).then(cancelled_under(ALICE), cancelled(1950, ClosedReason.CANCELLED))


# Settling


def test_settling_waits_for_those_at_work() -> None:
    busy = JOB_SPEC.given(*an_active_job(), *done_by(ALICE), taken_by(BOB))
    assert "stop the job" in busy.when(c.SettleJob()).then_refused(TestersAtWork).detail
    stopped = busy.when(c.StopJob()).then(e.Stopped(cause=e.StopCause.OWNER))
    assert "settles by itself" in stopped.when(c.SettleJob()).then_refused(TestersAtWork).detail


def test_settling_keeps_what_was_completed_and_releases_the_rest() -> None:
    over = (
        JOB_SPEC.given(*an_active_job(), *done_by(ALICE))
        .when(c.SettleJob(), at=NOW + 7)
        .then(settled(390, 1560, at=NOW + 7))
    )
    job = over.state
    assert (job.status, job.settlement_status) == ("completed", "pending_approval")
    assert (job.hold_cents, job.escrow_cents, job.settlement_deadline) == (390, 390, NOW + 7 + DAY)


def test_settling_when_nobody_has_completed_cancels() -> None:
    JOB_SPEC.given(*an_active_job(), taken_by(ALICE), returned_by(ALICE)).when(c.SettleJob()).then(cancelled(1950))


def test_a_settlement_that_costs_nothing_is_still_pending() -> None:
    unpaid = JOB_SPEC.given(
        *an_active_job(1, per_minute(10)), taken_by(ALICE), started_by(ALICE), completed_by(ALICE, payout=0, minutes=0)
    )
    job = unpaid.when(c.SettleJob()).then(settled(0, 390, ClosedReason.ALL_COMPLETED)).state
    assert (job.settlement_status, job.hold_cents) == ("pending_approval", 0)


# Why a job was closed


def test_all_timed_out_when_each_who_came_let_a_deadline_pass() -> None:
    late = (taken_by(ALICE), expired_for(ALICE), taken_by(BOB), started_by(BOB), timed_out_for(BOB))
    job = JOB_SPEC.given(*an_active_job(), *late)
    job.when(c.SettleJob()).then(cancelled(1950, ClosedReason.ALL_TIMED_OUT))
    job.and_then(*done_by(DAVE)).when(c.SettleJob()).then(settled(390, 1560, ClosedReason.NO_ACTIVE_TESTERS))
    returned = job.and_then(taken_by(CAROL), returned_by(CAROL))
    returned.when(c.SettleJob()).then(cancelled(1950, ClosedReason.NO_ACTIVE_TESTERS))


def test_nobody_ever_came() -> None:
    JOB_SPEC.given(*an_active_job()).when(c.SettleJob()).then(cancelled(1950, ClosedReason.NO_ACTIVE_TESTERS))


def test_the_reason_stays_readable() -> None:
    job = JOB_SPEC.given(*an_active_job()).when(c.CancelJob()).then(cancelled(1950, ClosedReason.CANCELLED)).state
    assert job.closed_reason is ClosedReason.CANCELLED
    over = JOB_SPEC.given(*an_active_job(1), *done_by(ALICE), settled(390, 0, ClosedReason.ALL_COMPLETED)).state
    assert over.closed_reason is ClosedReason.ALL_COMPLETED


# Terms are pinned


def test_the_pinned_review_window_counts_and_not_the_default() -> None:
    terms = some_terms(1, variants=(variant(least=1),), pricing=Pricing(review_window_seconds=60))
    job = JOB_SPEC.given(created(terms), taken_by(ALICE), started_by(ALICE))
    over = job.when(submit_by(ALICE), at=NOW + 8 * MINUTE).then_kinds(e.TaskCompleted, e.Settled).state
    assert over.settlement_deadline == NOW + 9 * MINUTE
