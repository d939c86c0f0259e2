"""What may be asked of a job, and what follows. The match below is the job's state table."""

from collections.abc import Iterator
from dataclasses import replace
from uuid import UUID

from domain.decider import Decider
from domain.errors import (
    AlreadyTaken,
    FieldProblem,
    InvalidRequest,
    InvalidState,
    JobNotActive,
    LegalAgreementsRequired,
    NoSlotsLeft,
    NotDisputed,
    NotEligible,
    NotFound,
    NotPendingApproval,
    NotStarted,
    PastHardLimit,
    ProofLocked,
    ReservationExpired,
    TestersAtWork,
    invalid,
)
from domain.job import commands as c
from domain.job import disputes
from domain.job import events as e
from domain.job.closing import after_leaving, begin_settlement, cancel
from domain.job.deadlines import DeadlineKind
from domain.job.evolve import evolve
from domain.job.feedback import answer_problems
from domain.job.pay import payout_cents, slot_hold_cents
from domain.job.resizing import resize
from domain.job.slots import eligible_variants, open_variant
from domain.job.state import AT_WORK, Assignment, AssignmentStatus, Job, Phase
from domain.money import fee_cents
from domain.times import DAY, MINUTE, SECOND, Instant, started_minutes

MAX_START_AHEAD = 90 * DAY
MAX_WRONG_PROOFS = 5


def decide(command: c.JobCommand, job: Job | None, now: Instant) -> tuple[e.JobEvent, ...]:
    """The events that follow from a command; none when what it asks for already holds."""
    if job is None:
        if isinstance(command, c.CreateJob):
            return _create(command, now)
        raise NotFound("There is no such job.")
    phase = job.phase
    match command:
        case c.TakeSlot():
            return _take(command, job, now)
        case c.StartTask():
            return _start(_assignment(job, command.assignment_id), job, now)
        case c.SubmitTask():
            return _submit(command, job, now)
        case c.ReturnSlot():
            return _return(_assignment(job, command.assignment_id), job, now)
        case c.GiveStatement():
            return disputes.state(command, _assignment(job, command.assignment_id))
        case c.PassDeadline():
            return _pass_deadline(command, job, now)
        case c.PauseJob() if phase is Phase.ACTIVE:
            return (e.Paused(),)
        case c.PauseJob() if phase is Phase.PAUSED:
            return ()
        case c.ResumeJob() if phase is Phase.PAUSED:
            return (e.Resumed(),)
        case c.ResumeJob() if phase is Phase.ACTIVE:
            return ()
        case c.StopJob() if phase in _TAKES_COMMANDS:
            return _stop(job, now, e.StopCause.OWNER)
        case c.StopJob() if phase is Phase.CLOSING:
            return ()
        case c.CancelJob() if phase in _TAKES_COMMANDS:
            return cancel(job, now)
        case c.SettleJob() if job.is_open:
            return _settle(job, now)
        case c.ResizeJob() if phase in _TAKES_COMMANDS:
            return resize(command, job, now)
        case c.ApproveJob() if phase is Phase.PENDING_APPROVAL:
            return disputes.approve(job)
        case c.DisputeJob() if phase is Phase.PENDING_APPROVAL:
            return disputes.dispute(command, job)
        case c.ApproveJob() | c.DisputeJob():
            raise NotPendingApproval(f"{_standing(job)}; only a settlement that is pending approval can be decided.")
        case c.ResolveDispute():
            return _resolve(command, job)
        case c.CreateJob():
            raise InvalidState("This job exists already.")
        case _:
            raise InvalidState(f"{_standing(job)}; {_WHEN[type(command)]}")


_TAKES_COMMANDS = frozenset({Phase.ACTIVE, Phase.PAUSED})

_WHEN = {
    c.PauseJob: "only an active job can be paused.",
    c.ResumeJob: "only a paused job can be resumed.",
    c.StopJob: "only an active or paused job can be stopped.",
    c.CancelJob: "only an active or paused job can be cancelled.",
    c.SettleJob: "only a job that is active, paused or closing can be settled.",
    c.ResizeJob: "only an active or paused job can be resized.",
}


def _standing(job: Job) -> str:
    settlement = f" and its settlement is {job.settlement_status}" if job.settlement_status else ""
    return f"The job is {job.status}{settlement}"


def _create(command: c.CreateJob, now: Instant) -> tuple[e.JobEvent, ...]:
    terms = command.terms
    if terms.starts_at is not None and terms.starts_at <= now:
        terms = replace(terms, starts_at=None)
    begins = now if terms.starts_at is None else terms.starts_at
    hold = terms.target_testers * slot_hold_cents(terms)
    if begins > now + MAX_START_AHEAD:
        raise invalid("/startsAt", "must be at most 90 days ahead")
    created = e.Created(
        owner_id=command.owner_id,
        terms=terms,
        hold_cents=hold,
        posting_ends_at=begins + terms.posting_window_minutes * MINUTE,
    )
    return (created,)


def _stop(job: Job, now: Instant, cause: e.StopCause) -> tuple[e.JobEvent, ...]:
    return (e.Stopped(cause=cause),) if job.at_work else begin_settlement(job, now)


def _settle(job: Job, now: Instant) -> tuple[e.JobEvent, ...]:
    if job.at_work:
        how = "it settles by itself" if job.phase is Phase.CLOSING else "stop the job, and it settles"
        raise TestersAtWork(f"Testers are at work; {how} when the last one is done.", atWork=job.at_work)
    return begin_settlement(job, now)


def _resolve(command: c.ResolveDispute, job: Job) -> tuple[e.JobEvent, ...]:
    if job.phase not in (Phase.DISPUTED, Phase.RESOLVED):
        raise NotDisputed(f"{_standing(job)}; there is no dispute to resolve.")
    return disputes.resolve(command, job)


def _take(command: c.TakeSlot, job: Job, now: Instant) -> tuple[e.JobEvent, ...]:
    terms = job.terms
    eligible = eligible_variants(terms)
    if not eligible:
        raise NotEligible("This job asks for testers with a profile or membership that you do not have.")
    if job.phase is not Phase.ACTIVE:
        raise JobNotActive(f"The job is {job.status} and takes no testers now.")
    if terms.starts_at is not None and now < terms.starts_at:
        raise NotStarted("The job has not started yet.")
    if job.assignments.of_tester(command.tester_id) is not None:
        raise AlreadyTaken("A tester gets a job once, and you have had this one.")
    if terms.legal_agreements and not command.accepts_legal_agreements:
        raise LegalAgreementsRequired("Accept the job's legal agreements: send acceptLegalAgreements true.")
    variant = open_variant(job, eligible)
    if variant is None:
        kept = "The slots that are left are kept for testers whom this job asks for in particular."
        raise NoSlotsLeft(kept if job.open_slots else "Every slot of this job is taken.")
    taken = e.SlotTaken(
        assignment_id=command.assignment_id,
        tester_id=command.tester_id,
        tester_public_id=command.tester_public_id,
        variant_id=variant.id,
        reserved_until=now + terms.pricing.reservation_seconds * SECOND,
    )
    return (taken,)


def _assignment(job: Job, assignment_id: UUID) -> Assignment:
    assignment = job.assignments.get(assignment_id)
    if assignment is None:
        raise NotFound("There is no such assignment.")
    return assignment


def _start(assignment: Assignment, job: Job, now: Instant) -> tuple[e.JobEvent, ...]:
    if assignment.status is AssignmentStatus.STARTED:
        return ()
    if assignment.status is not AssignmentStatus.PENDING:
        raise _ended(assignment)
    started = e.TaskStarted(
        assignment_id=assignment.id,
        tester_id=assignment.tester_id,
        started_at=now,
        hard_deadline=now + job.terms.hard_limit_minutes * MINUTE,
    )
    return (started,)


def _ended(assignment: Assignment) -> Exception:
    match assignment.status:
        case AssignmentStatus.EXPIRED:
            return ReservationExpired("The reservation ran out before the task was started.")
        case AssignmentStatus.TIMED_OUT:
            return PastHardLimit("The hard time limit of the task has passed.")
        case status:
            return InvalidState(f"The assignment is {status}.")


def _submit(command: c.SubmitTask, job: Job, now: Instant) -> tuple[e.JobEvent, ...]:
    assignment = _assignment(job, command.assignment_id)
    if assignment.status is AssignmentStatus.PENDING:
        raise InvalidState("Start the task before handing in.")
    if assignment.status is not AssignmentStatus.STARTED:
        raise _ended(assignment)
    _check_answers(command, assignment, job)
    if command.proof_matches is False:
        return (e.ProofRejected(assignment_id=assignment.id, tester_id=assignment.tester_id),)
    completed = _completed(command, assignment, job, now)
    return (
        completed,
        *after_leaving(job, now, earned_cents=completed.payout_cents + completed.fee_cents),
    )


def _check_answers(command: c.SubmitTask, assignment: Assignment, job: Job) -> None:
    variant = next(v for v in job.variants if v.id == assignment.variant_id)
    problems = [*answer_problems(variant.feedback_questions, command.answers), *_proof_problems(command, job)]
    if problems:
        raise InvalidRequest(problems)
    if assignment.wrong_proofs >= MAX_WRONG_PROOFS:
        raise ProofLocked(f"The proof was wrong {MAX_WRONG_PROOFS} times; nothing more can be handed in.")


def _proof_problems(command: c.SubmitTask, job: Job) -> Iterator[FieldProblem]:
    """Whether a proof is there just where one is asked for; whether it is right is another matter."""
    if job.terms.proof_hash is None and command.proof_matches is not None:
        yield FieldProblem("/proofValue", "must be left out: this job asks for no proof")
    if job.terms.proof_hash is not None and command.proof_matches is None:
        yield FieldProblem("/proofValue", "must be given: this job asks for a proof")


def _completed(command: c.SubmitTask, assignment: Assignment, job: Job, now: Instant) -> e.TaskCompleted:
    minutes = started_minutes(now if assignment.started_at is None else assignment.started_at, now)
    payout = payout_cents(job.terms, minutes)
    return e.TaskCompleted(
        assignment_id=assignment.id,
        tester_id=assignment.tester_id,
        completed_at=now,
        answers=command.sealed_answers,
        duration_minutes=minutes,
        payout_cents=payout,
        fee_cents=fee_cents(payout, job.terms.pricing.fee_basis_points),
    )


def _return(assignment: Assignment, job: Job, now: Instant) -> tuple[e.JobEvent, ...]:
    if assignment.status is AssignmentStatus.RETURNED:
        return ()
    if assignment.status not in AT_WORK:
        raise _ended(assignment)
    returned = e.SlotReturned(assignment_id=assignment.id, tester_id=assignment.tester_id)
    return (returned, *after_leaving(job, now))


def _pass_deadline(command: c.PassDeadline, job: Job, now: Instant) -> tuple[e.JobEvent, ...]:
    """What a deadline sets off; nothing if it no longer stands."""
    due = command.deadline
    match due.kind:
        case DeadlineKind.POSTING_END if job.phase in _TAKES_COMMANDS and job.posting_ends_at == due.due_at:
            return _stop(job, now, e.StopCause.POSTING_ENDED)
        case DeadlineKind.AUTO_APPROVAL if (
            job.phase is Phase.PENDING_APPROVAL and job.settlement_deadline == due.due_at
        ):
            return disputes.approve(job)
        case DeadlineKind.RESERVATION | DeadlineKind.HARD_LIMIT:
            return _run_out(command, job, now)
        case _:
            return ()


_WAITING_FOR = {
    DeadlineKind.RESERVATION: AssignmentStatus.PENDING,
    DeadlineKind.HARD_LIMIT: AssignmentStatus.STARTED,
}


def _run_out(command: c.PassDeadline, job: Job, now: Instant) -> tuple[e.JobEvent, ...]:
    due = command.deadline
    assignment = job.assignments.get(due.assignment_id) if due.assignment_id else None
    if assignment is None or assignment.due_at != due.due_at or assignment.status is not _WAITING_FOR[due.kind]:
        return ()
    ran_out: e.JobEvent
    if due.kind is DeadlineKind.RESERVATION:
        ran_out = e.ReservationExpired(assignment_id=assignment.id, tester_id=assignment.tester_id)
    else:
        ran_out = e.TaskTimedOut(assignment_id=assignment.id, tester_id=assignment.tester_id)
    return (ran_out, *after_leaving(job, now, by_deadline=True))


JOB: Decider[c.JobCommand, Job, e.JobEvent] = Decider(decide, evolve)
