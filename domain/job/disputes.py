"""How a settlement is decided: approval, dispute, resolution. Source: README, "Settlement and disputes"."""

from collections.abc import Iterable, Iterator
from uuid import UUID

from domain.errors import AlreadyResolved, FieldProblem, InvalidRequest, InvalidState, NotDisputed
from domain.job import events as e
from domain.job.commands import DisputeJob, GiveStatement, Resolution, ResolveDispute, TesterClaim
from domain.job.state import MAX_STATEMENTS, Assignment, AssignmentStatus, Job, Phase
from domain.money import fee_cents
from domain.sealed import SealedText


def approve(job: Job) -> tuple[e.JobEvent, ...]:
    """Pay every completed assignment as earned."""
    return (e.Approved(), *_grants(job, job.completed_assignments()))


def _grants(job: Job, assignments: Iterable[Assignment]) -> Iterator[e.PayoutGranted]:
    return (_grant(job, a, a.payout_cents, a.fee_cents) for a in assignments if a.cost_cents)


def _grant(job: Job, assignment: Assignment, payout: int, fee: int) -> e.PayoutGranted:
    return e.PayoutGranted(
        assignment_id=assignment.id,
        tester_id=assignment.tester_id,
        owner_id=job.owner_id,
        payout_cents=payout,
        fee_cents=fee,
    )


def dispute(command: DisputeJob, job: Job) -> tuple[e.JobEvent, ...]:
    """Hold back the pay of the disputed testers and pay the others at once."""
    listed = _listed(command, job)
    claims = tuple(_claims(command, job, listed))
    claimed = {claim.assignment_id for claim in claims}
    disputed = e.Disputed(
        owner_id=job.owner_id,
        flags=command.flags,
        platform_issue_description=command.platform_issue_description,
        billing_discrepancy_description=command.billing_discrepancy_description,
        claims=claims,
    )
    return (disputed, *_grants(job, (a for a in job.completed_assignments() if a.id not in claimed)))


def _listed(command: DisputeJob, job: Job) -> dict[UUID, TesterClaim]:
    """The testers' claims by assignment. Raises InvalidRequest naming every entry that fits nobody or fits twice."""
    listed: dict[UUID, TesterClaim] = {}
    problems = []
    for index, claim in enumerate(command.testers):
        pointer = f"/testers/{index}/testerUserId"
        assignment = assignment_of(job, claim.tester)
        if assignment is None or assignment.status is not AssignmentStatus.COMPLETED:
            problems.append(FieldProblem(pointer, "must be a tester with a completed assignment in this job"))
        elif assignment.id in listed:
            problems.append(FieldProblem(pointer, "is listed twice"))
        else:
            listed[assignment.id] = claim
    if problems:
        raise InvalidRequest(problems)
    return listed


def assignment_of(job: Job, tester: UUID | int) -> Assignment | None:
    """The assignment of a tester who is named by UUID or by public id, if there is one."""
    return job.assignments.of_public_id(tester) if isinstance(tester, int) else job.assignments.of_tester(tester)


def _claims(command: DisputeJob, job: Job, listed: dict[UUID, TesterClaim]) -> Iterator[e.Claim]:
    about_everyone = not listed or command.flags.platform_issue or command.flags.billing_discrepancy
    for assignment in job.completed_assignments():
        claim = listed.get(assignment.id)
        if claim is not None:
            yield _claim(assignment, claim.category, claim.description)
        elif about_everyone:
            yield _claim(assignment, None, None)


def _claim(assignment: Assignment, category: str | None, description: SealedText | None) -> e.Claim:
    return e.Claim(
        assignment_id=assignment.id, tester_id=assignment.tester_id, category=category, description=description
    )


def state(command: GiveStatement, assignment: Assignment) -> tuple[e.JobEvent, ...]:
    """The tester's side of a dispute. Each statement stands beside those before it, up to so many."""
    if assignment.settled_as is Phase.RESOLVED:
        raise AlreadyResolved("An operator has decided on this assignment; nothing more can be stated about it.")
    if assignment.settled_as is not Phase.DISPUTED:
        raise NotDisputed("This assignment is not disputed; there is nothing to state about it.")
    if assignment.statements >= MAX_STATEMENTS:
        raise InvalidState(f"{MAX_STATEMENTS} statements were given on this assignment, and there can be no more.")
    given = e.StatementGiven(
        assignment_id=assignment.id,
        tester_id=assignment.tester_id,
        number=assignment.statements + 1,
        text=command.text,
    )
    return (given,)


def resolve(command: ResolveDispute, job: Job) -> tuple[e.JobEvent, ...]:
    """An operator's verdicts: what is granted is paid, the rest of what was earned goes back to the owner."""
    decided = _decided(command, job)
    resolved = e.Resolved(
        verdicts=tuple(e.Verdict(assignment_id=a.id, tester_id=a.tester_id, note=r.note) for a, r in decided),
        remaining=job.open_claims - len(decided),
    )
    return (resolved, *(moved for a, r in decided for moved in _moved(job, a, r)))


def _moved(job: Job, assignment: Assignment, resolution: Resolution) -> Iterator[e.JobEvent]:
    payout, fee = resolution.payout_cents, _granted_fee(job, resolution)
    if payout:
        yield _grant(job, assignment, payout, fee)
    if payout + fee < assignment.cost_cents:
        yield e.Refunded(
            assignment_id=assignment.id,
            tester_id=assignment.tester_id,
            owner_id=job.owner_id,
            payout_cents=assignment.payout_cents - payout,
            fee_cents=assignment.fee_cents - fee,
        )


def _granted_fee(job: Job, resolution: Resolution) -> int:
    if resolution.fee_cents is not None:
        return resolution.fee_cents
    return fee_cents(resolution.payout_cents, job.terms.pricing.fee_basis_points)


def _decided(command: ResolveDispute, job: Job) -> list[tuple[Assignment, Resolution]]:
    """Each resolution with its assignment. Raises InvalidRequest naming every wrong one, or AlreadyResolved."""
    decided: dict[UUID, tuple[Assignment, Resolution]] = {}
    problems: list[FieldProblem] = []
    for index, resolution in enumerate(command.resolutions):
        assignment = job.assignments.get(resolution.assignment_id)
        if assignment is None or assignment.settled_as not in (Phase.DISPUTED, Phase.RESOLVED):
            problems.append(FieldProblem(f"/resolutions/{index}/assignmentId", "must be disputed in this job"))
        elif assignment.id in decided:
            problems.append(FieldProblem(f"/resolutions/{index}/assignmentId", "is listed twice"))
        else:
            problems += _amount_problems(f"/resolutions/{index}", job, assignment, resolution)
            decided[assignment.id] = (assignment, resolution)
    if problems:
        raise InvalidRequest(problems)
    for assignment, _ in decided.values():
        if assignment.settled_as is Phase.RESOLVED:
            raise AlreadyResolved(f"An assignment is resolved once, and {assignment.id} has been; leave it out.")
    return list(decided.values())


def _amount_problems(pointer: str, job: Job, assignment: Assignment, resolution: Resolution) -> Iterator[FieldProblem]:
    if resolution.payout_cents > assignment.payout_cents:
        yield FieldProblem(
            f"{pointer}/payoutCents", f"must be at most the {assignment.payout_cents} cents that were earned"
        )
    greatest_fee = fee_cents(resolution.payout_cents, job.terms.pricing.fee_basis_points)
    if resolution.fee_cents is not None and resolution.fee_cents > greatest_fee:
        yield FieldProblem(f"{pointer}/feeCents", f"must be at most the {greatest_fee} cents of the fee rule")
