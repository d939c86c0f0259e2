"""More slots or fewer, and what becomes of the variants."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import AboveMaximum, BelowMinimum, BelowTaken, InvalidRequest
from domain.job import commands as c
from domain.job import events as e
from domain.job.events import ClosedReason, StopCause
from domain.job.slots import widened_maxima
from domain.job.state import Job
from domain.job.terms import Pricing
from tests.builders import (
    ALICE,
    BOB,
    FIRST_VARIANT,
    SECOND_VARIANT,
    THIRD_VARIANT,
    an_active_job,
    completed_by,
    crowd,
    done_by,
    fixed,
    resized,
    returned_by,
    settled,
    started_by,
    stopped,
    submit_by,
    taken_by,
    variant,
)
from tests.domain.strategies import crowded_jobs
from tests.given import JOB_SPEC, NOW

ROOMY = (variant(0, 1, 20),)


def resize(target: int) -> c.ResizeJob:
    return c.ResizeJob(target=target)


def test_growing_holds_as_much_more() -> None:
    job = JOB_SPEC.given(*an_active_job(5, 500, (variant(0, 1, 20),)))
    assert job.state.hold_cents == 3250
    grown = job.when(resize(10)).then(resized(5, 10, 650)).state
    assert (grown.target, grown.hold_cents, grown.escrow_cents) == (10, 6500, 6500)


def test_shrinking_releases_as_much() -> None:
    job = JOB_SPEC.given(*an_active_job(5, 300, ROOMY)).when(resize(2)).then(resized(5, 2)).state
    assert (job.target, job.hold_cents, job.escrow_cents) == (2, 780, 780)
    event = resized(5, 2)
    assert (event.held_cents, event.released_cents) == (0, 1170)


def test_a_paused_job_can_be_resized() -> None:
    JOB_SPEC.given(*an_active_job(5, 300, ROOMY), e.Paused()).when(resize(6)).then(resized(5, 6))


def test_the_same_target_changes_nothing_even_if_the_job_is_full() -> None:
    JOB_SPEC.given(*an_active_job(5)).when(resize(5)).then_nothing()
    full = JOB_SPEC.given(*an_active_job(1), taken_by(ALICE))
    full.when(resize(1)).then_nothing()


def test_a_job_does_not_shrink_below_what_is_taken() -> None:
    busy = JOB_SPEC.given(*an_active_job(5, 300, ROOMY), *done_by(ALICE), taken_by(BOB))
    refusal = busy.when(resize(1)).then_refused(BelowTaken)
    assert refusal.facts == {"taken": 2}
    busy.and_then(returned_by(BOB)).when(resize(1)).then_kinds(e.Resized, e.Settled)


def test_a_job_does_not_shrink_below_its_minima() -> None:
    job = JOB_SPEC.given(*an_active_job(5, 300, (variant(0, 1, 4), variant(1, 2, 4))))
    assert job.when(resize(2)).then_refused(BelowMinimum).facts == {"minimum": 3}
    job.when(resize(3)).then(resized(5, 3))


def test_a_job_does_not_grow_beyond_the_greatest_hold() -> None:
    pay = tuple(fixed(1_000_000) for _ in range(10))
    dear = JOB_SPEC.given(*an_active_job(5, pay, (variant(0, 1, 10**6),), pricing=Pricing(fee_basis_points=90_000)))
    assert dear.state.slot_hold_cents == 10**8
    dear.when(resize(10_000)).then_kinds(e.Resized)
    problems = dear.when(resize(10_001)).then_refused(InvalidRequest).problems
    assert [problem.pointer for problem in problems] == ["/targetTesters"]


# No open slot left


def test_a_job_without_open_slots_closes_while_testers_are_at_work() -> None:
    busy = JOB_SPEC.given(*an_active_job(5, 300, ROOMY), *done_by(ALICE), taken_by(BOB), started_by(BOB))
    closing = busy.when(resize(2)).then(resized(5, 2), stopped(StopCause.RESIZED))
    assert (closing.state.status, closing.state.hold_cents) == ("closing", 780)
    closing.when(submit_by(BOB), at=NOW + 480_000).then(
        completed_by(BOB), settled(780, 0, ClosedReason.ALL_COMPLETED, at=NOW + 480_000)
    )


def test_a_job_without_open_slots_settles_when_nobody_is_at_work() -> None:
    done = JOB_SPEC.given(*an_active_job(5, 300, ROOMY), *done_by(ALICE, BOB))
    job = done.when(resize(2)).then(resized(5, 2), settled(780, 0, ClosedReason.ALL_COMPLETED)).state
    assert (job.status, job.settlement_status, job.escrow_cents) == ("completed", "pending_approval", 780)


def test_growing_a_full_job_keeps_it_open() -> None:
    full = JOB_SPEC.given(*an_active_job(1, 300, ROOMY), taken_by(ALICE))
    assert full.when(resize(2)).then(resized(1, 2)).state.status == "active"


# How variants grow


def test_the_excess_goes_to_the_variant_with_the_fewest_testers() -> None:
    variants = (variant(0, 2), variant(1, 2), variant(2, 1, 1))
    job = JOB_SPEC.given(*an_active_job(5, 300, variants), taken_by(ALICE), taken_by(BOB, variant_id=SECOND_VARIANT))
    job = job.when(resize(6)).then(resized(5, 6, maxima={FIRST_VARIANT: 3, SECOND_VARIANT: 2, THIRD_VARIANT: 1}))
    job = job.when(resize(8)).then(resized(6, 8, maxima={FIRST_VARIANT: 4, SECOND_VARIANT: 3, THIRD_VARIANT: 1}))
    assert job.state.maxima == {FIRST_VARIANT: 4, SECOND_VARIANT: 3, THIRD_VARIANT: 1}


def test_explicit_maxima_are_used_up_before_any_is_widened() -> None:
    job = JOB_SPEC.given(*an_active_job(3, 300, (variant(0, 1), variant(1, 1, 4))))
    job.when(resize(5)).then(resized(3, 5))
    job.when(resize(6)).then(resized(3, 6, maxima={FIRST_VARIANT: 2, SECOND_VARIANT: 4}))


def test_a_job_whose_maxima_are_all_explicit_does_not_grow_beyond_them() -> None:
    job = JOB_SPEC.given(*an_active_job(3, 300, (variant(0, 1, 2), variant(1, 1, 2))))
    job.when(resize(4)).then(resized(3, 4))
    job.when(resize(5)).then_refused(AboveMaximum)


def test_maxima_never_shrink() -> None:
    job = JOB_SPEC.given(*an_active_job(2, 300, (variant(0, 1), variant(1, 1))))
    job = job.when(resize(4)).then(resized(2, 4, maxima={FIRST_VARIANT: 2, SECOND_VARIANT: 2}))
    job = job.when(resize(2)).then(resized(4, 2))
    assert job.state.maxima == {FIRST_VARIANT: 2, SECOND_VARIANT: 2}
    job.when(resize(4)).then(resized(2, 4))


@pytest.mark.parametrize("size", [3, 30, 300])
def test_a_great_excess_is_spread_evenly(size: int) -> None:
    job = JOB_SPEC.given(*an_active_job(3, 300, tuple(variant(n, 1) for n in range(3))))
    (event,) = job.when(resize(3 + 3 * size)).accepted()
    assert isinstance(event, e.Resized)
    assert event.maxima == {FIRST_VARIANT: 1 + size, SECOND_VARIANT: 1 + size, THIRD_VARIANT: 1 + size}


def one_at_a_time(job: Job, target: int) -> dict[UUID, int]:
    """The rule, one slot at a time: each goes to the open-ended variant with the fewest taken + widened so far."""
    maxima = dict(job.maxima)
    open_ended = [v for v in job.variants if v.target_testers_max is None]
    while sum(maxima.values()) < target:
        fewest = min(open_ended, key=lambda v: job.taken_by_variant[v.id] + maxima[v.id] - v.first_maximum)
        maxima[fewest.id] += 1
    return maxima if maxima != job.maxima else {}


@given(crowded_jobs(), st.integers(1, 60))
def test_widening_is_the_same_as_one_slot_at_a_time(job: Job, target: int) -> None:
    if all(v.target_testers_max is not None for v in job.variants) and target > sum(job.maxima.values()):
        with pytest.raises(AboveMaximum):
            widened_maxima(job, target)
    else:
        assert widened_maxima(job, target) == one_at_a_time(job, target)


def test_a_resize_of_many_assignments_counts_only_what_is_taken() -> None:
    people = crowd(4)
    busy = JOB_SPEC.given(
        *an_active_job(5, 300, ROOMY), *(taken_by(who) for who in people), *(returned_by(who) for who in people)
    )
    busy.when(resize(1)).then(resized(5, 1))
