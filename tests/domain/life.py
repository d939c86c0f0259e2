"""One job's whole life with its owner's credits and the books, driven as the service drives them.

Before anything is asked, what has fallen due is written at its due time; a job's events and the owner's holds and
releases happen together or not at all. After every single event the money is counted again, in three ways.
"""

from collections import Counter
from contextlib import suppress
from copy import deepcopy
from uuid import UUID

from domain.credits import events as credits
from domain.credits.decider import CREDITS
from domain.credits.escrow import credits_command
from domain.credits.state import Account
from domain.errors import Refusal
from domain.job import commands as c
from domain.job import events as e
from domain.job.deadlines import Deadline, DeadlineKind, deadlines
from domain.job.decider import JOB
from domain.job.state import AT_WORK, AssignmentStatus, Job, Phase
from domain.job.terms import Terms
from domain.ledger.accounts import AccountKind
from domain.ledger.rules import journal_entries
from domain.times import Instant
from tests.builders import JOB_ID, OWNER, recorded
from tests.given import NOW

ENDED = {Phase.CANCELLED, Phase.APPROVED, Phase.DISPUTED, Phase.RESOLVED}
LIMITLESS = 10**15


class Life:
    """A job from its creation on. ``ask`` answers with the refusal, or None when the command was accepted."""

    def __init__(self, terms: Terms, credits_cents: int = LIMITLESS) -> None:
        self.now: Instant = NOW
        self.version = 0
        self.books: Counter[str] = Counter()
        self.held = self.paid = self.fees = self.released = 0
        self.account = Account()
        self._buy(credits_cents)
        self.job: Job | None = None
        self.refused = self.ask(c.CreateJob(owner_id=OWNER, terms=terms))

    # What happens

    def ask(self, command: c.JobCommand) -> Refusal | None:
        """A command now; deciding it changes nothing, and asking again changes nothing more."""
        refusal = self._decide(command, self.now)
        if refusal is None:
            self._ask_again(command)
        return refusal

    def wait(self, milliseconds: int) -> None:
        """Time passes, and all that falls due is written in its order."""
        self.now += milliseconds
        while due := [deadline for deadline in self.deadlines() if deadline.due_at <= self.now]:
            first = min(due, key=lambda deadline: (deadline.due_at, deadline.kind))
            before = self.version
            assert self._decide(c.PassDeadline(deadline=first), first.due_at) is None
            assert self.version > before, f"{first} was pending and did nothing"

    def deadlines(self) -> list[Deadline]:
        return list(deadlines(self.job)) if self.job else []

    def _decide(self, command: c.JobCommand, at: Instant) -> Refusal | None:
        untouched = deepcopy(self.job)
        try:
            events = JOB.decide(command, self.job, at)
            account = self._settle_up(events, at)
        except Refusal as refusal:
            assert self.job == untouched
            return refusal
        assert self.job == untouched
        self._check_the_twin(events)
        for event in events:
            self._record(event)
        self.account = account
        assert self.books[f"owner:{OWNER}:credits"] == account.balance_cents
        return None

    def _ask_again(self, command: c.JobCommand) -> None:
        if isinstance(command, c.SubmitTask) and command.proof_matches is False:
            return  # each wrong proof is one more attempt
        if isinstance(command, c.GiveStatement):
            return  # each statement is one more, whatever it says
        with suppress(Refusal):
            assert JOB.decide(command, self.job, self.now) == (), "the same command did something twice"

    def _settle_up(self, events: tuple[e.JobEvent, ...], at: Instant) -> Account:
        """The owner's account after the job's events, or NotEnoughCredits."""
        account = self.account
        for event in events:
            command = credits_command(JOB_ID, event)
            if command is not None:
                account = CREDITS.fold(CREDITS.decide(command, account, at), account) or account
        return account

    def _check_the_twin(self, events: tuple[e.JobEvent, ...]) -> None:
        """A detached copy is equal, and goes its own way."""
        if self.job is None:
            return
        untouched, twin = deepcopy(self.job), self.job.detached()
        assert twin == self.job
        advanced = JOB.fold(events, twin)
        assert self.job == untouched
        assert advanced == JOB.fold(events, deepcopy(self.job))

    def _buy(self, cents: int) -> None:
        started = credits.PurchaseStarted(purchase_id=UUID(int=1), amount_cents=cents)
        completed = credits.PurchaseCompleted(purchase_id=UUID(int=1), amount_cents=cents, reference="ch_1")
        self.account = CREDITS.fold([started, completed]) or self.account
        self._book(completed, OWNER)

    # What is counted after each event

    def _record(self, event: e.JobEvent) -> None:
        self.version += 1
        self.job = JOB.evolve(self.job, event)
        self._count(event)
        self._book(event, JOB_ID)
        in_escrow = self.job.escrow_cents
        assert self.held == self.paid + self.fees + self.released + in_escrow
        assert self.books[f"owner:{OWNER}:escrow:{JOB_ID}"] == in_escrow
        assert self.books[AccountKind.PLATFORM_FEES.value] == self.fees
        assert sum(cents for name, cents in self.books.items() if name.endswith(":payable")) == self.paid

    def _count(self, event: e.JobEvent) -> None:
        """Money as the events say it, without the table of posting rules."""
        match event:
            case e.Created():
                self.held += event.hold_cents
            case e.Resized():
                self.held += event.held_cents
                self.released += event.released_cents
            case e.Settled() | e.Cancelled():
                self.released += event.released_cents
            case e.PayoutGranted():
                self.paid += event.payout_cents
                self.fees += event.fee_cents
            case e.Refunded():
                self.released += event.payout_cents + event.fee_cents
            case _:
                pass

    def _book(self, event: object, stream: UUID) -> None:
        """The journal entries of an event; no account goes below zero on its normal side."""
        for entry in journal_entries(recorded(event, stream, self.version)):
            for posting in entry.postings:
                sign = 1 if posting.side is posting.account.kind.normal_side else -1
                self.books[posting.account.name] += sign * posting.amount_cents
                assert self.books[posting.account.name] >= 0, f"{posting.account.name} is overdrawn"

    # What is always so

    def check(self) -> None:
        assert self.job is not None
        _check_counts(self.job)
        _check_money(self.job)
        _check_ends(self.job)
        self._check_deadlines(self.job)

    def _check_deadlines(self, job: Job) -> None:
        """None that is due is left, and no deadline would do anything but those that are pending."""
        pending = set(self.deadlines())
        assert len(pending) == len(self.deadlines())
        assert all(deadline.due_at > self.now for deadline in pending)
        times = {job.posting_ends_at, job.settlement_deadline or 0, *(a.due_at for a in job.assignments.values())}
        for kind in DeadlineKind:
            for assignment_id in (None, *job.assignments):
                for due_at in times:
                    deadline = Deadline(due_at, kind, assignment_id)
                    of_job = kind in {DeadlineKind.POSTING_END, DeadlineKind.AUTO_APPROVAL}
                    if of_job and assignment_id is not None:
                        continue
                    does_something = JOB.decide(c.PassDeadline(deadline=deadline), job, self.now) != ()
                    assert does_something == (deadline in pending)

    def live_out(self) -> None:
        """Left alone, every job ends, and nobody's money or time hangs on anything."""
        for _ in range(10):
            if pending := self.deadlines():
                self.wait(max(deadline.due_at for deadline in pending) - self.now)
        self.check()
        assert self.job is not None
        assert self.deadlines() == []
        assert self.job.phase in ENDED
        assert (self.job.escrow_cents > 0) <= (self.job.phase is Phase.DISPUTED)


def _check_counts(job: Job) -> None:
    """Every running count equals a count of the assignments."""
    everybody = list(job.assignments.values())
    taken = [a for a in everybody if a.status in AT_WORK or a.status is AssignmentStatus.COMPLETED]
    assert job.at_work == sum(a.status in AT_WORK for a in everybody)
    assert job.completed == sum(a.status is AssignmentStatus.COMPLETED for a in everybody)
    assert job.taken == len(taken) <= job.target
    assert job.taken_by_variant == {v.id: sum(a.variant_id == v.id for a in taken) for v in job.variants}
    assert job.ended_by_deadline == sum(
        a.status in {AssignmentStatus.EXPIRED, AssignmentStatus.TIMED_OUT} for a in everybody
    )
    assert job.completed_cost_cents == sum(a.cost_cents for a in everybody)
    assert job.open_claims == sum(a.settled_as is Phase.DISPUTED for a in everybody)
    assert [job.assignments.of_tester(a.tester_id) for a in everybody] == everybody
    assert [job.assignments.of_public_id(a.tester_public_id) for a in everybody] == everybody
    assert len(job.assignments) == len(everybody)
    assert all(job.taken_by_variant[v.id] <= job.maxima[v.id] for v in job.variants)
    assert job.target <= sum(job.maxima.values())


def _check_money(job: Job) -> None:
    if job.is_open:
        assert job.hold_cents == job.escrow_cents == job.target * job.slot_hold_cents
    elif job.phase is Phase.PENDING_APPROVAL:
        assert job.hold_cents == job.escrow_cents == job.completed_cost_cents
    elif job.phase is Phase.APPROVED:
        assert (job.hold_cents, job.escrow_cents) == (job.completed_cost_cents, 0)
    elif job.phase is Phase.DISPUTED:
        disputed = (a for a in job.assignments.values() if a.settled_as is Phase.DISPUTED)
        assert job.escrow_cents == sum(a.cost_cents for a in disputed) <= job.hold_cents
    elif job.phase is Phase.RESOLVED:
        assert job.escrow_cents == 0 <= job.hold_cents <= job.completed_cost_cents
    else:
        assert (job.hold_cents, job.escrow_cents) == (0, 0)


def _check_ends(job: Job) -> None:
    """A job is open exactly as long as somebody can still do something in it."""
    assert (job.closed_reason is None) == job.is_open
    assert (job.settlement_deadline is not None) == (job.phase is Phase.PENDING_APPROVAL)
    if job.phase is Phase.CLOSING:
        assert job.at_work
    if job.is_open:
        assert job.completed < job.target
    else:
        assert not job.at_work
        assert (job.phase is Phase.CANCELLED) == (not job.completed)
    for assignment in job.assignments.values():
        settling = not job.is_open and assignment.status is AssignmentStatus.COMPLETED
        assert (assignment.settled_as is not None) == settling
