"""Folding a job's history: what can follow when, and that the impossible is told loudly."""

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import fields
from typing import get_args
from uuid import UUID

import pytest

from domain.decider import Decider
from domain.errors import InvariantBroken
from domain.job import events as e
from domain.job.decider import JOB
from domain.job.state import OPEN, Assignment, Assignments, Job, Phase
from tests.builders import (
    ALICE,
    BOB,
    CAROL,
    DAVE,
    a_job_that_is,
    an_active_job,
    cancelled,
    cancelled_under,
    claim_on,
    completed_by,
    disputed,
    done_by,
    expired_for,
    granted_to,
    proof_rejected_for,
    refunded_for,
    resized,
    resolved,
    returned_by,
    settled,
    started_by,
    statement_by,
    stopped,
    taken_by,
    timed_out_for,
)
from tests.given import JOB_SPEC

TAKES_COMMANDS = {Phase.ACTIVE, Phase.PAUSED}

WHEN: list[tuple[e.JobEvent, set[Phase]]] = [
    # an event, and the phases in which it can happen; assignments' events are about one that is at work
    (an_active_job()[0], set()),
    (e.Paused(), {Phase.ACTIVE}),
    (e.Resumed(), {Phase.PAUSED}),
    (stopped(), TAKES_COMMANDS),
    (resized(5, 6), TAKES_COMMANDS),
    (cancelled(390), set(OPEN)),
    (settled(390, 0), {*OPEN, Phase.CANCELLED}),
    (e.Approved(), {Phase.PENDING_APPROVAL}),
    (disputed(claim_on(ALICE)), {Phase.PENDING_APPROVAL}),
    (statement_by(ALICE), {Phase.DISPUTED}),
    (resolved(ALICE), {Phase.DISPUTED}),
    (granted_to(ALICE, 0), {Phase.APPROVED, Phase.DISPUTED, Phase.RESOLVED}),
    (refunded_for(ALICE, 0, 0), {Phase.DISPUTED, Phase.RESOLVED}),
    (taken_by(DAVE), {Phase.ACTIVE}),
    (started_by(CAROL), set(OPEN)),
    (proof_rejected_for(CAROL), set(OPEN)),
    (completed_by(CAROL), set(OPEN)),
    (returned_by(CAROL), set(OPEN)),
    (expired_for(CAROL), set(OPEN)),
    (timed_out_for(CAROL), set(OPEN)),
    (cancelled_under(CAROL), TAKES_COMMANDS),
]


def in_phase(phase: Phase) -> tuple[e.JobEvent, ...]:
    """A job in a phase, with Carol at work (where somebody can be)."""
    created, *rest = a_job_that_is(phase)
    done = done_by(ALICE, BOB) if phase in OPEN and phase is not Phase.CLOSING else ()
    return (created, *done, taken_by(CAROL), *rest) if phase in OPEN else (created, *rest)


def test_the_table_is_complete() -> None:
    assert {type(event) for event, _ in WHEN} == set(get_args(e.JobEvent))


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize(("event", "phases"), [pytest.param(*row, id=type(row[0]).__name__) for row in WHEN])
def test_what_can_follow(event: e.JobEvent, phases: set[Phase], phase: Phase) -> None:
    job = JOB_SPEC.given(*in_phase(phase)).state
    if phase in phases:
        assert JOB.evolve(job, event) is job
    else:
        with pytest.raises(InvariantBroken):
            JOB.evolve(job, event)


def test_history_begins_with_creation() -> None:
    for event, _ in WHEN:
        if not isinstance(event, e.Created):
            with pytest.raises(InvariantBroken):
                JOB.fold([event])


@pytest.mark.parametrize(
    "impossible",
    [
        (started_by(ALICE),),
        (completed_by(ALICE),),
        (*done_by(ALICE), returned_by(ALICE)),
        (*done_by(ALICE), completed_by(ALICE)),
        (taken_by(ALICE), returned_by(ALICE), started_by(ALICE)),
        (*done_by(ALICE), settled(390, 1560), e.Approved(), granted_to(ALICE), granted_to(ALICE)),
        (resized(5, 0), cancelled(1)),
        (taken_by(ALICE), taken_by(BOB), taken_by(CAROL), resized(5, 3), taken_by(DAVE)),
        (*done_by(ALICE, BOB), resized(5, 1)),
        (*done_by(ALICE, BOB), settled(780, 1170), disputed(claim_on(BOB)), statement_by(ALICE)),
    ],
    ids=[
        "started before taken",
        "completed before taken",
        "returned after completion",
        "completed twice",
        "started after it was returned",
        "paid twice",
        "released more than was held",
        "more taken than there are slots",
        "fewer slots than are taken",
        "stated about what is not disputed",
    ],
)
def test_impossible_history_is_told(impossible: tuple[e.JobEvent, ...]) -> None:
    with pytest.raises(InvariantBroken):
        JOB.fold([*an_active_job(5), *impossible])


def test_a_fold_goes_on_from_a_state() -> None:
    job = JOB.fold(an_active_job())
    assert JOB.fold([taken_by(ALICE)], job) == JOB.fold([*an_active_job(), taken_by(ALICE)])
    assert JOB.fold([]) is None
    assert isinstance(JOB, Decider)


def test_a_detached_copy_is_equal_and_shares_nothing_that_changes() -> None:
    job = JOB_SPEC.given(*an_active_job(5), *done_by(ALICE), taken_by(BOB)).state
    twin = job.detached()
    assert twin == job
    changing = {f.name for f in fields(job) if isinstance(getattr(job, f.name), Mapping)}
    assert changing >= {"maxima", "taken_by_variant", "assignments"}
    assert [name for name in changing if getattr(twin, name) is getattr(job, name)] == []
    assert all(twin.assignments[key] is not job.assignments[key] for key in job.assignments)


class Kept:
    """See Elsewhere: what a job's assignments are after these events."""

    def __init__(self, events: Sequence[e.JobEvent]) -> None:
        job = JOB.fold(events)
        assert job is not None
        self.assignments = job.assignments

    def one(self, assignment_id: UUID) -> Assignment | None:
        return copy(self.assignments.get(assignment_id))

    def of_tester(self, tester_id: UUID) -> Assignment | None:
        return copy(self.assignments.of_tester(tester_id))

    def all(self) -> Iterator[Assignment]:
        return map(copy, self.assignments.values())


LIFE = (*an_active_job(5), *done_by(ALICE), taken_by(BOB), returned_by(BOB), *done_by(CAROL))


def with_assignments_elsewhere(events: Sequence[e.JobEvent]) -> Job:
    """The job after these events, nobody's assignment at hand."""
    job, kept = JOB.fold(events), Kept(events)
    assert job is not None
    job.assignments = Assignments(kept, len(kept.assignments))
    return job


@pytest.mark.parametrize("known", range(1, len(LIFE) + 1))
def test_assignments_that_lie_elsewhere_make_no_difference(known: int) -> None:
    job = with_assignments_elsewhere(LIFE[:known])
    assert job.assignments.at_hand == 0
    after = JOB.fold(LIFE[known:], job)
    whole = JOB.fold(LIFE)
    assert after is not None and whole is not None
    assert len(after.assignments) == len(whole.assignments)
    assert after.assignments.at_hand <= len(LIFE) - known
    assert after.detached() == whole == after
    assert list(after.assignments) == list(whole.assignments)


def test_an_assignment_is_fetched_by_each_of_its_names() -> None:
    job, whole = with_assignments_elsewhere(LIFE), JOB.fold(LIFE)
    assert whole is not None
    assert job.assignments.of_tester(BOB.id) == job.assignments[BOB.slot] == whole.assignments[BOB.slot]
    assert job.assignments.of_tester(DAVE.id) is None
    assert DAVE.slot not in job.assignments
    assert job.assignments.at_hand == 1
    assert job.assignments.of_public_id(ALICE.public_id) == whole.assignments[ALICE.slot]
    assert job.assignments.at_hand == 3
    assert whole.assignments.of_tester(DAVE.id) is whole.assignments.of_public_id(DAVE.public_id) is None


def test_whoever_comes_after_a_name_was_asked_for_is_found_by_it_too() -> None:
    job = JOB.fold(an_active_job(5))
    assert job is not None
    assert job.assignments.of_tester(ALICE.id) is job.assignments.of_public_id(ALICE.public_id) is None
    JOB.fold([taken_by(ALICE), taken_by(BOB)], job)
    for one in (ALICE, BOB):
        found = job.assignments.of_tester(one.id)
        assert found is job.assignments.of_public_id(one.public_id) is job.assignments[one.slot]
    assert job.detached().assignments.of_tester(BOB.id) == job.assignments[BOB.slot]
