"""What time alone does to a job, at the deadline itself."""

from domain.job import commands as c
from domain.job import events as e
from domain.job.deadlines import Deadline, DeadlineKind, deadlines
from domain.job.events import ClosedReason, StopCause
from domain.job.state import Phase
from domain.times import DAY, HOUR, MINUTE
from tests.builders import (
    ALICE,
    BOB,
    RESERVATION,
    a_job_that_is,
    a_settled_job,
    an_active_job,
    auto_approval,
    cancelled,
    completed_by,
    done_by,
    expired_for,
    granted_to,
    hard_limit_of,
    posting_end,
    reservation_of,
    returned_by,
    settled,
    started_by,
    stopped,
    taken_by,
    timed_out_for,
)
from tests.given import JOB_SPEC, NOW

MUCH_LATER = NOW + 100 * DAY
RESERVED_UNTIL = NOW + RESERVATION
HARD_LIMIT = NOW + 30 * MINUTE
POSTED_UNTIL = NOW + HOUR

# Which deadlines stand


def test_an_open_job_waits_for_the_end_of_posting() -> None:
    end = [Deadline(POSTED_UNTIL, DeadlineKind.POSTING_END)]
    for phase in (Phase.ACTIVE, Phase.PAUSED):
        assert list(deadlines(JOB_SPEC.given(*a_job_that_is(phase)).state)) == end


def test_each_assignment_at_work_waits_for_its_own_deadline() -> None:
    job = JOB_SPEC.given(*an_active_job(), taken_by(ALICE), taken_by(BOB), started_by(BOB), stopped())
    assert list(deadlines(job.state)) == [
        Deadline(RESERVED_UNTIL, DeadlineKind.RESERVATION, ALICE.slot),
        Deadline(HARD_LIMIT, DeadlineKind.HARD_LIMIT, BOB.slot),
    ]


def test_a_pending_settlement_waits_for_approval_and_a_job_that_is_over_for_nothing() -> None:
    pending = JOB_SPEC.given(*a_job_that_is(Phase.PENDING_APPROVAL)).state
    assert list(deadlines(pending)) == [Deadline(NOW + DAY, DeadlineKind.AUTO_APPROVAL)]
    for phase in (Phase.CANCELLED, Phase.APPROVED, Phase.DISPUTED, Phase.RESOLVED):
        assert list(deadlines(JOB_SPEC.given(*a_job_that_is(phase)).state)) == []


def test_those_at_one_instant_pass_in_a_fixed_order() -> None:
    assert [(kind.name, kind.value) for kind in DeadlineKind] == [
        ("RESERVATION", 0),
        ("HARD_LIMIT", 1),
        ("POSTING_END", 2),
        ("AUTO_APPROVAL", 3),
    ]


# What they do


def test_a_reservation_runs_out() -> None:
    job = JOB_SPEC.given(*an_active_job(), taken_by(ALICE))
    after = job.when(reservation_of(ALICE), at=MUCH_LATER).then(expired_for(ALICE)).state
    assert (after.assignments[ALICE.slot].status, after.open_slots, after.ended_by_deadline) == ("expired", 5, 1)


def test_a_task_runs_out_of_time() -> None:
    job = JOB_SPEC.given(*an_active_job(), taken_by(ALICE), started_by(ALICE))
    after = job.when(hard_limit_of(ALICE), at=MUCH_LATER).then(timed_out_for(ALICE)).state
    assert (after.assignments[ALICE.slot].status, after.open_slots, after.ended_by_deadline) == ("timed_out", 5, 1)


def test_the_last_one_to_run_out_in_a_closing_job_ends_it_at_the_deadline() -> None:
    closing = JOB_SPEC.given(*an_active_job(), *done_by(ALICE), taken_by(BOB), started_by(BOB), stopped())
    closing.when(hard_limit_of(BOB), at=HARD_LIMIT).then(timed_out_for(BOB), settled(390, 1560, at=HARD_LIMIT))


def test_when_all_ran_out_the_reason_says_so() -> None:
    closing = JOB_SPEC.given(
        *an_active_job(), taken_by(ALICE), expired_for(ALICE), taken_by(BOB), started_by(BOB), stopped()
    )
    closing.when(hard_limit_of(BOB)).then(timed_out_for(BOB), cancelled(1950, ClosedReason.ALL_TIMED_OUT))
    one_gave_up = JOB_SPEC.given(*an_active_job(), taken_by(ALICE), returned_by(ALICE), taken_by(BOB), stopped())
    one_gave_up.when(reservation_of(BOB)).then(expired_for(BOB), cancelled(1950, ClosedReason.NO_ACTIVE_TESTERS))


def test_the_end_of_posting_closes_a_job_as_stopping_does() -> None:
    busy = JOB_SPEC.given(*an_active_job(), taken_by(ALICE))
    busy.when(posting_end(), at=MUCH_LATER).then(stopped(StopCause.POSTING_ENDED))
    done = JOB_SPEC.given(*an_active_job(), *done_by(ALICE))
    done.when(posting_end(), at=POSTED_UNTIL).then(settled(390, 1560, at=POSTED_UNTIL))
    JOB_SPEC.given(*an_active_job()).when(posting_end(), at=MUCH_LATER).then(cancelled(1950))


def test_an_owner_has_the_whole_time_to_decide_also_after_a_deadline_that_passed_late() -> None:
    done = JOB_SPEC.given(*an_active_job(), *done_by(ALICE))
    done.when(posting_end(), at=MUCH_LATER).then(settled(390, 1560, at=MUCH_LATER))
    closing = JOB_SPEC.given(*an_active_job(), *done_by(ALICE), taken_by(BOB), started_by(BOB), stopped())
    closing.when(hard_limit_of(BOB), at=MUCH_LATER).then(timed_out_for(BOB), settled(390, 1560, at=MUCH_LATER))


def test_a_pause_does_not_stretch_the_posting_window() -> None:
    JOB_SPEC.given(*an_active_job(), e.Paused()).when(posting_end()).then(cancelled(1950))
    JOB_SPEC.given(*an_active_job(), e.Paused(), e.Resumed()).when(posting_end()).then(cancelled(1950))


def test_silence_approves_at_the_deadline() -> None:
    over = JOB_SPEC.given(*a_settled_job(ALICE, BOB))
    over.when(auto_approval(), at=MUCH_LATER).then(e.Approved(), granted_to(ALICE), granted_to(BOB))


# What they do no more


def test_a_deadline_that_no_longer_stands_does_nothing() -> None:
    job = JOB_SPEC.given(*an_active_job(), taken_by(ALICE), started_by(ALICE))
    job.when(reservation_of(ALICE)).then_nothing()
    job.and_then(completed_by(ALICE)).when(hard_limit_of(ALICE)).then_nothing()
    job.and_then(timed_out_for(ALICE)).when(hard_limit_of(ALICE)).then_nothing()
    job.and_then(stopped()).when(posting_end()).then_nothing()
    JOB_SPEC.given(*a_settled_job(ALICE), e.Approved(), granted_to(ALICE)).when(auto_approval()).then_nothing()


def test_a_deadline_at_another_instant_is_another_deadline() -> None:
    job = JOB_SPEC.given(*an_active_job(), taken_by(ALICE), taken_by(BOB), started_by(BOB))
    job.when(reservation_of(ALICE, RESERVED_UNTIL + 1)).then_nothing()
    job.when(hard_limit_of(BOB, HARD_LIMIT - 1)).then_nothing()
    job.when(posting_end(POSTED_UNTIL + 1)).then_nothing()
    JOB_SPEC.given(*a_settled_job(ALICE)).when(auto_approval(NOW + DAY + 1)).then_nothing()


def test_a_deadline_of_nobody_does_nothing() -> None:
    JOB_SPEC.given(*an_active_job()).when(reservation_of(ALICE)).then_nothing()
    aimless = c.PassDeadline(deadline=Deadline(RESERVED_UNTIL, DeadlineKind.RESERVATION))
    JOB_SPEC.given(*an_active_job(), taken_by(ALICE)).when(aimless).then_nothing()
