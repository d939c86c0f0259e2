"""Testers: jobs on offer, assignments, the wallet."""

from api.http.route import Call, Route, Shown, Subject, command, read
from api.http.schemas.common import PageQuery
from api.http.schemas.money import Wallet, WithdrawalAnswer, WithdrawalBody
from api.http.schemas.tester import (
    AssignmentView,
    AssignmentViewPage,
    OfferedJobPage,
    StatementAnswer,
    StatementBody,
    SubmitBody,
    TakeBody,
)
from api.service import tester as use_cases
from api.service.committer import Reply
from api.service.ids import new_id
from api.service.reads import Page
from domain import errors as e
from domain.access.events import Role
from domain.errors import invalid
from domain.job import commands as c

TESTER = (Role.TESTER,)


async def _offered(call: Call) -> Shown:
    tester_id, after = call.principal.id, call.page_after("offered")
    if await call.service.is_erased(tester_id):
        return call.page("offered", Page([], None))  # who was forgotten may take none
    await call.service.catch_up()  # to ask that may have taken its time
    now = call.service.committer.now()
    return call.page("offered", call.service.reads.offered_jobs(tester_id, now, after, call.query.limit))


async def _take(call: Call) -> Reply:
    public_id = call.principal.public_id
    assert public_id is not None, "every tester has one"
    await call.service.prepare_to_seal(call.principal.id, call.context)
    taking = call.body.to_command(new_id(), call.principal.id, public_id)
    return await call.command(use_cases.take_slot(call.ids["id"], taking))


async def _start(call: Call) -> Reply:
    assignment_id = call.ids["id"]
    return await call.command(use_cases.command_assignment(call.ids["job"], c.StartTask(assignment_id=assignment_id)))


async def _return(call: Call) -> Reply:
    assignment_id = call.ids["id"]
    return await call.command(use_cases.command_assignment(call.ids["job"], c.ReturnSlot(assignment_id=assignment_id)))


async def _submit(call: Call) -> Reply:
    matches = await _proof_matches(call)
    return await call.command(use_cases.submit_task(call.ids["job"], call.ids["id"], call.body.given(), matches))


async def _state(call: Call) -> Reply:
    return await call.command(use_cases.give_statement(call.ids["job"], call.ids["id"], call.body.text))


async def _proof_matches(call: Call) -> bool | None:
    """Whether the password is right; null when none was sent. Where none can count any more, none is right."""
    given = call.body.proof_value
    if given is None:
        return None
    if call.context.dry_run:
        raise invalid("/proofValue", "must be left out of a dry run")
    hashed = await call.service.proof_hash(call.ids["job"], call.ids["id"])
    return hashed is not None and await call.service.proofs.matches(given, hashed)


async def _assignments(call: Call) -> Shown:
    page = call.service.reads.tester_assignments(call.principal.id, call.page_after("mine"), call.query.limit)
    return call.page("mine", page)


async def _assignment(call: Call) -> Shown:
    return Shown(call.service.reads.tester_assignment(call.ids["id"]))


async def _wallet(call: Call) -> Shown:
    return Shown(call.service.reads.wallet(call.principal.id))


async def _withdraw(call: Call) -> Reply:
    return await call.command(use_cases.withdraw(call.principal.id, new_id(), call.body.amount_cents))


ROUTES: tuple[Route, ...] = (
    read(
        "/tester/jobs",
        "listOfferedJobs",
        "Jobs that you may take now, the newest first",
        _offered,
        roles=TESTER,
        query=PageQuery,
        answer=OfferedJobPage,
    ),
    command(
        "/tester/jobs/{id}/assignments",
        "takeSlot",
        "Reserve a slot for ten minutes",
        _take,
        roles=TESTER,
        subject=Subject.ANY_JOB,
        body=TakeBody,
        answer=AssignmentView,
        status=201,
        refusals=(
            e.JobNotActive,
            e.NotStarted,
            e.AlreadyTaken,
            e.NotEligible,
            e.LegalAgreementsRequired,
            e.NoSlotsLeft,
        ),
        example={"acceptLegalAgreements": True},
        has_location=True,
    ),
    command(
        "/tester/assignments/{id}/start",
        "startTask",
        "Start the task; its time begins",
        _start,
        roles=TESTER,
        subject=Subject.TESTERS_ASSIGNMENT,
        answer=AssignmentView,
        refusals=(e.ReservationExpired, e.PastHardLimit, e.InvalidState),
    ),
    command(
        "/tester/assignments/{id}/return",
        "returnSlot",
        "Give up; the slot is free again",
        _return,
        roles=TESTER,
        subject=Subject.TESTERS_ASSIGNMENT,
        answer=AssignmentView,
        refusals=(e.ReservationExpired, e.PastHardLimit, e.InvalidState),
    ),
    command(
        "/tester/assignments/{id}/submit",
        "submitTask",
        "Hand in feedback",
        _submit,
        roles=TESTER,
        subject=Subject.TESTERS_ASSIGNMENT,
        body=SubmitBody,
        answer=AssignmentView,
        secrets=(("proofValue",),),
        refusals=(e.ReservationExpired, e.PastHardLimit, e.ProofLocked, e.InvalidState),
        example={"answers": {"rating": 4}},
    ),
    command(
        "/tester/assignments/{id}/statement",
        "giveStatement",
        "Say what you have to say about the claim on your work, while its dispute is open; five times at most",
        _state,
        roles=TESTER,
        subject=Subject.TESTERS_ASSIGNMENT,
        body=StatementBody,
        answer=StatementAnswer,
        refusals=(e.NotDisputed, e.AlreadyResolved, e.InvalidState),
        example={"text": "The page that I rated is the one that the task links to."},
    ),
    read(
        "/tester/assignments",
        "listMyAssignments",
        "Your assignments, the newest first",
        _assignments,
        roles=TESTER,
        query=PageQuery,
        answer=AssignmentViewPage,
    ),
    read(
        "/tester/assignments/{id}",
        "getMyAssignment",
        "One of your assignments",
        _assignment,
        roles=TESTER,
        subject=Subject.TESTERS_ASSIGNMENT,
        answer=AssignmentView,
    ),
    read("/tester/wallet", "getWallet", "What you earned and may withdraw", _wallet, roles=TESTER, answer=Wallet),
    command(
        "/tester/wallet/withdrawals",
        "withdraw",
        "Pay out from the wallet",
        _withdraw,
        roles=TESTER,
        body=WithdrawalBody,
        answer=WithdrawalAnswer,
        status=201,
        refusals=(e.NotEnoughPayable,),
        example={"amountCents": 300},
        has_location=True,
    ),
)
