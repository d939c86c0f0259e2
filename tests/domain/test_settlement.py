"""Approval: by the owner, or by nobody until the deadline."""

from domain.errors import NotPendingApproval
from domain.job import commands as c
from domain.job import events as e
from domain.job.state import Phase
from tests.builders import (
    ALICE,
    BOB,
    CAROL,
    a_settled_job,
    an_active_job,
    auto_approval,
    completed_by,
    done_by,
    granted_to,
    per_minute,
    returned_by,
    settled,
    started_by,
    taken_by,
)
from tests.given import JOB_SPEC


def test_approval_pays_each_tester_and_the_platform() -> None:
    over = JOB_SPEC.given(*a_settled_job(ALICE, BOB))
    job = over.when(c.ApproveJob()).then(e.Approved(), granted_to(ALICE, 300, 90), granted_to(BOB, 300, 90)).state
    assert (job.settlement_status, job.settlement_deadline) == ("approved", None)
    assert [a.settled_as for a in job.assignments.values()] == [Phase.APPROVED, Phase.APPROVED]


def test_the_hold_stays_readable_after_approval_and_escrow_is_empty() -> None:
    job = (
        JOB_SPEC.given(*a_settled_job(ALICE, BOB))
        .when(c.ApproveJob())
        .then_kinds(e.Approved, e.PayoutGranted, e.PayoutGranted)
    )
    assert (job.state.hold_cents, job.state.escrow_cents) == (780, 0)


def test_approval_is_irreversible() -> None:
    approved = JOB_SPEC.given(*a_settled_job(ALICE), e.Approved(), granted_to(ALICE))
    approved.when(c.ApproveJob()).then_refused(NotPendingApproval)
    approved.when(c.DisputeJob(flags=e.Flags(low_quality=True))).then_refused(NotPendingApproval)


def test_only_completed_assignments_are_paid_and_settled() -> None:
    job = JOB_SPEC.given(
        *an_active_job(), *done_by(ALICE), taken_by(BOB), returned_by(BOB), *done_by(CAROL), settled(780, 1170)
    )
    approved = job.when(c.ApproveJob()).then(e.Approved(), granted_to(ALICE), granted_to(CAROL)).state
    assert approved.assignments[BOB.slot].settled_as is None


def test_nothing_is_granted_where_nothing_was_earned() -> None:
    job = JOB_SPEC.given(
        *an_active_job(2, per_minute(10)),
        *(taken_by(ALICE), started_by(ALICE), completed_by(ALICE, payout=0, minutes=0)),
        *(taken_by(BOB), started_by(BOB), completed_by(BOB, payout=1, minutes=1)),
        settled(1, 779, e.ClosedReason.ALL_COMPLETED),
    )
    assert job.state.assignments[ALICE.slot].settled_as is Phase.PENDING_APPROVAL
    approved = job.when(c.ApproveJob()).then(e.Approved(), granted_to(BOB, 1, 0)).state
    assert approved.assignments[ALICE.slot].settled_as is Phase.APPROVED


def test_assignments_are_pending_with_the_job() -> None:
    job = JOB_SPEC.given(*a_settled_job(ALICE)).state
    assert job.assignments[ALICE.slot].settled_as is Phase.PENDING_APPROVAL


def test_silence_until_the_deadline_approves() -> None:
    over = JOB_SPEC.given(*a_settled_job(ALICE))
    over.when(auto_approval()).then(e.Approved(), granted_to(ALICE))
