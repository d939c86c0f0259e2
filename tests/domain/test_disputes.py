"""Disputes: whose pay is held back, and what an operator makes of it."""

import pytest

from domain.errors import AlreadyResolved, InvalidRequest, InvalidState, NotDisputed, NotFound, NotPendingApproval
from domain.job import commands as c
from domain.job import events as e
from domain.job.state import MAX_STATEMENTS, Phase
from domain.job.terms import Pricing
from tests.builders import (
    ALICE,
    BOB,
    CAROL,
    DAVE,
    Person,
    a_disputed_job,
    a_settled_job,
    an_active_job,
    claim_on,
    disputed,
    done_by,
    grant,
    granted_to,
    refunded_for,
    resolve,
    resolved,
    returned_by,
    sealed,
    settled,
    started_by,
    state_by,
    statement_by,
    submit_by,
    taken_by,
    variant,
)
from tests.given import JOB_SPEC

LOW_QUALITY = e.Flags(low_quality=True)


def complaint(who: Person, by_number: bool = False, description: str | None = None) -> c.TesterClaim:
    return c.TesterClaim(
        tester=who.public_id if by_number else who.id, category="low_quality", description=sealed(description)
    )


def claimed(who: Person, description: str | None = None) -> e.Claim:
    return claim_on(who, "low_quality", description)


# Disputing


def test_a_flag_alone_disputes_everybody() -> None:
    over = JOB_SPEC.given(*a_settled_job(ALICE, BOB))
    job = (
        over.when(c.DisputeJob(flags=LOW_QUALITY))
        .then(disputed(claim_on(ALICE), claim_on(BOB), low_quality=True))
        .state
    )
    assert (job.status, job.settlement_status, job.settlement_deadline) == ("completed", "disputed", None)
    assert (job.open_claims, job.escrow_cents, job.hold_cents) == (2, 780, 780)
    assert [a.settled_as for a in job.assignments.values()] == [Phase.DISPUTED, Phase.DISPUTED]


def test_testers_who_are_not_listed_are_paid_at_once() -> None:
    over = JOB_SPEC.given(*a_settled_job(ALICE, BOB, CAROL))
    job = (
        over.when(c.DisputeJob(testers=(complaint(BOB, description="Single words"),)))
        .then(disputed(claimed(BOB, "Single words")), granted_to(ALICE), granted_to(CAROL))
        .state
    )
    assert (job.open_claims, job.escrow_cents, job.hold_cents) == (1, 390, 1170)
    assert [a.settled_as for a in job.assignments.values()] == [Phase.APPROVED, Phase.DISPUTED, Phase.APPROVED]


def test_flags_about_quality_do_not_widen_a_list_of_testers() -> None:
    over = JOB_SPEC.given(*a_settled_job(ALICE, BOB))
    flags = e.Flags(low_quality=True, off_topic=True, suspected_fraud=True, incomplete_work=True)
    outcome = over.when(c.DisputeJob(flags=flags, testers=(complaint(BOB),)))
    outcome.then_kinds(e.Disputed, e.PayoutGranted)


@pytest.mark.parametrize("flag", ["platform_issue", "billing_discrepancy"])
def test_issues_of_platform_or_billing_dispute_everybody_whoever_is_listed(flag: str) -> None:
    over = JOB_SPEC.given(*a_settled_job(ALICE, BOB))
    outcome = over.when(c.DisputeJob(flags=e.Flags(**{flag: True}), testers=(complaint(BOB),)))
    outcome.then(disputed(claim_on(ALICE), claimed(BOB), **{flag: True}))


def test_the_descriptions_are_kept() -> None:
    over = JOB_SPEC.given(*a_settled_job(ALICE))
    command = c.DisputeJob(
        flags=e.Flags(platform_issue=True, billing_discrepancy=True),
        platform_issue_description=sealed("The page was down."),
        billing_discrepancy_description=sealed("Billed twice."),
    )
    (event,) = over.when(command).accepted()
    assert isinstance(event, e.Disputed)
    assert event.platform_issue_description == "The page was down."
    assert event.billing_discrepancy_description == "Billed twice."


def test_a_tester_is_named_by_uuid_or_by_number() -> None:
    over = JOB_SPEC.given(*a_settled_job(ALICE, BOB))
    for by_number in (False, True):
        outcome = over.when(c.DisputeJob(testers=(complaint(BOB, by_number),)))
        outcome.then(disputed(claimed(BOB)), granted_to(ALICE))


def test_claims_stand_in_the_order_in_which_slots_were_taken() -> None:
    over = JOB_SPEC.given(*a_settled_job(ALICE, BOB))
    outcome = over.when(c.DisputeJob(testers=(complaint(BOB), complaint(ALICE))))
    outcome.then(disputed(claimed(ALICE), claimed(BOB)))


def test_a_tester_listed_twice_is_refused_even_under_two_names() -> None:
    over = JOB_SPEC.given(*a_settled_job(ALICE, BOB))
    outcome = over.when(c.DisputeJob(testers=(complaint(BOB), complaint(BOB, by_number=True))))
    problems = outcome.then_refused(InvalidRequest).problems
    assert [(p.pointer, p.detail) for p in problems] == [("/testers/1/testerUserId", "is listed twice")]


def test_testers_without_a_completed_assignment_here_are_refused_each() -> None:
    over = JOB_SPEC.given(*an_active_job(), *done_by(ALICE), taken_by(BOB), returned_by(BOB), settled(390, 1560))
    listed = (complaint(BOB), complaint(ALICE), complaint(CAROL), complaint(DAVE, by_number=True))
    problems = over.when(c.DisputeJob(testers=listed)).then_refused(InvalidRequest).problems
    assert [problem.pointer for problem in problems] == [f"/testers/{n}/testerUserId" for n in (0, 2, 3)]


def test_a_settlement_is_disputed_once() -> None:
    once = JOB_SPEC.given(*a_disputed_job(ALICE))
    once.when(c.DisputeJob(flags=LOW_QUALITY)).then_refused(NotPendingApproval)
    once.when(c.ApproveJob()).then_refused(NotPendingApproval)


# Stating


def test_a_tester_states_the_other_side_and_nothing_moves() -> None:
    over = JOB_SPEC.given(*a_disputed_job(ALICE, BOB))
    before = over.state.escrow_cents, over.state.hold_cents, over.state.open_claims
    job = over.when(state_by(ALICE, "I did all of it.")).then(statement_by(ALICE, 1, "I did all of it.")).state
    assert (job.escrow_cents, job.hold_cents, job.open_claims) == before
    assert [a.statements for a in job.assignments.values()] == [1, 0]


def test_statements_stand_beside_each_other_up_to_so_many() -> None:
    job = JOB_SPEC.given(*a_disputed_job(ALICE, BOB))
    for number in range(1, MAX_STATEMENTS + 1):
        job = job.when(state_by(ALICE, f"{number}")).then(statement_by(ALICE, number, f"{number}"))
    refusal = job.when(state_by(ALICE)).then_refused(InvalidState)
    assert refusal.detail == "5 statements were given on this assignment, and there can be no more."
    job.when(state_by(BOB)).then(statement_by(BOB))


def test_nothing_is_stated_but_while_the_own_claim_is_open() -> None:
    JOB_SPEC.given(*a_settled_job(ALICE)).when(state_by(ALICE)).then_refused(NotDisputed)
    JOB_SPEC.given(*an_active_job(), taken_by(ALICE)).when(state_by(ALICE)).then_refused(NotDisputed)
    JOB_SPEC.given(*a_disputed_job(ALICE)).when(state_by(DAVE)).then_refused(NotFound)
    half = JOB_SPEC.given(*a_settled_job(ALICE, BOB), disputed(claimed(BOB)), granted_to(ALICE))
    half.when(state_by(ALICE)).then_refused(NotDisputed)
    decided = JOB_SPEC.given(*a_disputed_job(ALICE, BOB), resolved(ALICE, remaining=1), granted_to(ALICE))
    decided.when(state_by(ALICE)).then_refused(AlreadyResolved)
    decided.when(state_by(BOB)).then(statement_by(BOB))
    decided.and_then(resolved(BOB), granted_to(BOB)).when(state_by(BOB)).then_refused(AlreadyResolved)


# Resolving


def test_a_verdict_for_the_tester_pays_all_that_was_earned() -> None:
    job = (
        JOB_SPEC.given(*a_disputed_job(ALICE))
        .when(resolve(grant(ALICE, 300)))
        .then(resolved(ALICE), granted_to(ALICE, 300, 90))
        .state
    )
    assert (job.settlement_status, job.hold_cents, job.escrow_cents, job.open_claims) == ("resolved", 390, 0, 0)
    assert job.assignments[ALICE.slot].settled_as is Phase.RESOLVED


def test_a_verdict_for_the_owner_refunds_payout_and_fee() -> None:
    job = (
        JOB_SPEC.given(*a_disputed_job(ALICE))
        .when(resolve(grant(ALICE, 0, note="Empty answers")))
        .then(resolved(ALICE, note="Empty answers"), refunded_for(ALICE, 300, 90))
        .state
    )
    assert (job.status, job.settlement_status, job.hold_cents, job.escrow_cents) == ("completed", "resolved", 0, 0)


def test_a_part_is_granted_with_its_fee_and_the_rest_refunded() -> None:
    JOB_SPEC.given(*a_disputed_job(ALICE)).when(resolve(grant(ALICE, 101))).then(
        resolved(ALICE), granted_to(ALICE, 101, 30), refunded_for(ALICE, 199, 60)
    )


def test_the_fee_may_be_less_than_the_rule_but_not_more() -> None:
    job = JOB_SPEC.given(*a_disputed_job(ALICE))
    job.when(resolve(grant(ALICE, 300, fee=0))).then(
        resolved(ALICE), granted_to(ALICE, 300, 0), refunded_for(ALICE, 0, 90)
    )
    job.when(resolve(grant(ALICE, 100, fee=30))).then_kinds(e.Resolved, e.PayoutGranted, e.Refunded)
    problems = job.when(resolve(grant(ALICE, 100, fee=31))).then_refused(InvalidRequest).problems
    assert [(p.pointer, p.detail) for p in problems] == [
        ("/resolutions/0/feeCents", "must be at most the 30 cents of the fee rule")
    ]


def test_fees_follow_the_rate_that_is_pinned_in_the_job() -> None:
    """Whatever rate new jobs have: from the hold to the verdict it is the one of the first event."""
    one, pricing = (variant(least=1),), Pricing(fee_basis_points=2_500)
    job = JOB_SPEC.given(*an_active_job(1, 300, one, pricing=pricing), taken_by(ALICE), started_by(ALICE))
    assert job.state.hold_cents == 375
    job = job.when(submit_by(ALICE)).then_kinds(e.TaskCompleted, e.Settled)
    assert (job.state.assignments[ALICE.slot].fee_cents, job.state.hold_cents) == (75, 375)
    job = job.when(c.DisputeJob(flags=LOW_QUALITY)).then(disputed(claim_on(ALICE), low_quality=True))
    job.when(resolve(grant(ALICE, 100))).then(resolved(ALICE), granted_to(ALICE, 100, 25), refunded_for(ALICE, 200, 50))
    job.when(resolve(grant(ALICE, 100, fee=26))).then_refused(InvalidRequest)


def test_no_more_than_was_earned_is_granted() -> None:
    job = JOB_SPEC.given(*a_disputed_job(ALICE))
    problems = job.when(resolve(grant(ALICE, 301))).then_refused(InvalidRequest).problems
    assert [(p.pointer, p.detail) for p in problems] == [
        ("/resolutions/0/payoutCents", "must be at most the 300 cents that were earned")
    ]


def test_some_may_be_resolved_now_and_some_later() -> None:
    job = JOB_SPEC.given(*a_disputed_job(ALICE, BOB, CAROL))
    job = job.when(resolve(grant(BOB, 0))).then(resolved(BOB, remaining=2), refunded_for(BOB))
    assert (job.state.settlement_status, job.state.escrow_cents) == ("disputed", 780)
    job = job.when(resolve(grant(CAROL, 300), grant(ALICE, 0))).then(
        resolved(CAROL, ALICE), granted_to(CAROL), refunded_for(ALICE)
    )
    assert (job.state.settlement_status, job.state.escrow_cents, job.state.hold_cents) == ("resolved", 0, 390)


def test_an_assignment_is_resolved_once() -> None:
    half = JOB_SPEC.given(*a_disputed_job(ALICE, BOB), resolved(ALICE, remaining=1), granted_to(ALICE))
    half.when(resolve(grant(ALICE, 300))).then_refused(AlreadyResolved)
    both = half.when(resolve(grant(BOB, 300), grant(ALICE, 300))).then_refused(AlreadyResolved)
    assert str(grant(ALICE, 300).assignment_id) in both.detail
    whole = half.and_then(resolved(BOB), granted_to(BOB))
    whole.when(resolve(grant(BOB, 300))).then_refused(AlreadyResolved)


def test_what_is_not_disputed_or_listed_twice_is_refused_each() -> None:
    over = JOB_SPEC.given(*a_settled_job(ALICE, BOB), disputed(claimed(BOB)), granted_to(ALICE))
    command = resolve(grant(ALICE, 0), grant(BOB, 0), grant(BOB, 0), grant(DAVE, 0), grant(BOB, 999))
    problems = over.when(command).then_refused(InvalidRequest).problems
    assert [problem.pointer for problem in problems] == [f"/resolutions/{n}/assignmentId" for n in (0, 2, 3, 4)]


def test_a_verdict_on_nothing_earned_moves_nothing() -> None:
    job = JOB_SPEC.given(*a_disputed_job(ALICE, pay=0)).when(resolve(grant(ALICE, 0))).then(resolved(ALICE)).state
    assert job.settlement_status == "resolved"


def test_there_must_be_a_dispute() -> None:
    refusal = JOB_SPEC.given(*a_settled_job(ALICE)).when(resolve(grant(ALICE, 0))).then_refused(NotDisputed)
    assert refusal.detail == (
        "The job is completed and its settlement is pending_approval; there is no dispute to resolve."
    )
