"""Use cases of testers: assignments and the wallet."""

from typing import Any
from uuid import UUID

import msgspec

from api.service.work import Answer, UseCase, Work
from domain.errors import Forbidden, invalid
from domain.job import commands as c
from domain.job.decider import MAX_WRONG_PROOFS
from domain.job.events import ProofRejected
from domain.job.state import AT_WORK, MAX_STATEMENTS, AssignmentStatus
from domain.sealed import answers_place, statement_place
from domain.tester.commands import Withdraw
from domain.tester.decider import WALLET
from projections.json import text
from projections.terms_view import offer_view, variant_view
from projections.times import iso, iso_or_none

_encode = msgspec.json.Encoder().encode


def take_slot(job_id: UUID, command: c.TakeSlot) -> UseCase:
    """Reserve a slot for ten minutes."""

    def run(work: Work) -> Answer:
        work.command_job(job_id, command)
        return _answer(work, job_id, command.assignment_id, status=201)

    return run


def command_assignment(job_id: UUID, command: c.StartTask | c.ReturnSlot) -> UseCase:
    """Start, or give up."""

    def run(work: Work) -> Answer:
        work.command_job(job_id, command)
        return _answer(work, job_id, command.assignment_id)

    return run


def proof_hash_of(job_id: UUID, assignment_id: UUID) -> UseCase:
    """The hash that a proof has to match; null where none is asked for, or nothing can be handed in any more.

    What is pending may be started before it is decided what the comparison means, so it has its hash already; what
    has a null here is never again in a state in which the proof would count.
    """

    def run(work: Work) -> Answer:
        job = work.job(job_id)
        assignment = job.assignments[assignment_id]
        waits = assignment.status in AT_WORK and assignment.wrong_proofs < MAX_WRONG_PROOFS
        return Answer({"proofHash": job.terms.proof_hash if waits else None})

    return run


def submit_task(job_id: UUID, assignment_id: UUID, answers: dict[str, Any], proof_matches: bool | None) -> UseCase:
    """Hand in. A wrong proof is refused, and counted."""

    def run(work: Work) -> Answer:
        job = work.job(job_id)
        sealed = work.seal(
            job.assignments[assignment_id].tester_id, answers_place(assignment_id), _encode(answers).decode()
        )
        if sealed is None:
            raise Forbidden("Your data was erased at your request; nothing more can be handed in.")
        # A dry run can't be used to guess the password.
        matches = True if work.context.dry_run and job.terms.proof_hash is not None else proof_matches
        command = c.SubmitTask(
            assignment_id=assignment_id, answers=answers, sealed_answers=sealed, proof_matches=matches
        )
        events = work.command_job(job_id, command)
        answer = _answer(work, job_id, assignment_id)
        if any(isinstance(event, ProofRejected) for event in events):
            wrong = invalid("/proofValue", "is not the job's password; after five wrong ones nothing can be handed in")
            return Answer(answer.body, refusal=wrong)
        return answer

    return run


def give_statement(job_id: UUID, assignment_id: UUID, text: str) -> UseCase:
    """State the other side of a claim. The words are in the log, not in the answer, which is kept for repeats."""

    def run(work: Work) -> Answer:
        assignment = work.job(job_id).assignments[assignment_id]
        place = statement_place(assignment_id, assignment.statements + 1)
        sealed = work.seal(assignment.tester_id, place, text)
        if sealed is None:
            raise Forbidden("Your data was erased at your request; nothing more can be stated.")
        work.command_job(job_id, c.GiveStatement(assignment_id=assignment_id, text=sealed))
        given = assignment.statements
        body = {
            "assignmentId": assignment_id,
            "number": given,
            "statedAt": iso(work.now),
            "statementsLeft": MAX_STATEMENTS - given,
        }
        return Answer(body, version=work.job_version(job_id))

    return run


def _answer(work: Work, job_id: UUID, assignment_id: UUID, status: int = 200) -> Answer:
    location = f"/tester/assignments/{text(assignment_id)}" if status == 201 else None
    body = _assignment_body(work, job_id, assignment_id)
    return Answer(body, status=status, version=work.job_version(job_id), location=location)


def _assignment_body(work: Work, job_id: UUID, assignment_id: UUID) -> dict[str, Any]:
    job = work.job(job_id)
    assignment = job.assignments[assignment_id]
    completed = assignment.status is AssignmentStatus.COMPLETED
    variant = next(v for v in job.variants if v.id == assignment.variant_id)
    return {
        "id": assignment_id,
        "jobId": job_id,
        "variantId": assignment.variant_id,
        "status": assignment.status.value,
        "reservedUntil": iso(assignment.reserved_until),
        "startedAt": iso_or_none(assignment.started_at),
        "hardDeadline": iso_or_none(assignment.hard_deadline),
        "completedAt": iso_or_none(assignment.completed_at),
        "durationMinutes": assignment.duration_minutes,
        "payoutCents": assignment.payout_cents if completed else None,
        "settlementStatus": assignment.settled_as,
        "dispute": None,
        "variant": {**variant_view(variant), "targetTestersMax": job.maxima[variant.id]},
        **offer_view(job.terms),
    }


def withdraw(tester_id: UUID, withdrawal_id: UUID, amount_cents: int) -> UseCase:
    """Pay out from the wallet."""

    def run(work: Work) -> Answer:
        granted = work.books.granted_cents(tester_id)
        command = Withdraw(withdrawal_id=withdrawal_id, amount_cents=amount_cents, granted_cents=granted)
        wallet = work.state(WALLET, tester_id)
        work.record(WALLET, tester_id, WALLET.decide(command, wallet, work.now))
        after = work.state(WALLET, tester_id)
        assert after is not None
        body = {
            "id": withdrawal_id,
            "amountCents": amount_cents,
            "payableCents": granted - after.withdrawn_cents,
            "createdAt": iso(work.now),
        }
        return Answer(body, status=201, location="/tester/wallet")

    return run
