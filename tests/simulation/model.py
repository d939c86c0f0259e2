"""The platform as its rules tell it, and nothing else: dicts, ints and arithmetic of its own.

Written from the rules alone; it shares no line with the program. It knows neither events nor accounts: what lies in an
account is counted from the life of every job. A refusal is its code.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tests.simulation.commands import (
    AskJob,
    Buy,
    Command,
    Create,
    Dispute,
    Pay,
    Resize,
    Resolve,
    Return,
    Start,
    State,
    Submit,
    Take,
    Terms,
    Verdict,
    Withdraw,
)

MINUTE = 60_000
DAY = 24 * 60 * MINUTE
RESERVED = 10 * MINUTE
REVIEW = DAY
DECLINED = 402
MOST_STATEMENTS = 5
AT_WORK = ("pending", "started")
TAKEN = (*AT_WORK, "completed")
ENDED_CODES = {"expired": "reservation_expired", "timed_out": "past_hard_limit"}


class Refused(Exception):
    """Why a command changes nothing."""


def check(holds: bool, code: str) -> None:
    if not holds:
        raise Refused(code)


def fee_of(payout: int) -> int:
    """30 %, half a cent up."""
    return (payout * 3 + 5) // 10


class Due(NamedTuple):
    """Sorts in the order in which it happens."""

    at: int
    kind: int
    number: int
    job: str
    tester: str | None


@dataclass
class Assignment:
    tester: str
    variant: int
    number: int
    reserved_until: int
    status: str = "pending"
    started_at: int | None = None
    completed_at: int | None = None
    minutes: int | None = None
    earned: int = 0
    earned_fee: int = 0
    paid: int = 0
    claim: str | None = None
    wrong_proofs: int = 0
    statements: int = 0


@dataclass
class Job:
    name: str
    owner: str
    terms: Terms
    number: int
    created_at: int
    starts_at: int | None
    ends_at: int
    target: int
    maxima: list[int]
    held: int = 0
    released: int = 0
    refunded: int = 0
    paid: int = 0
    fees: int = 0
    status: str = "active"
    settlement: str | None = None
    deadline: int | None = None
    closed_reason: str | None = None
    assignments: dict[str, Assignment] = field(default_factory=dict)

    # Counted, never kept

    @property
    def is_open(self) -> bool:
        return self.status in ("active", "paused", "closing")

    def those(self, *statuses: str) -> list[Assignment]:
        return [a for a in self.assignments.values() if a.status in statuses]

    @property
    def at_work(self) -> list[Assignment]:
        return self.those(*AT_WORK)

    @property
    def completed(self) -> list[Assignment]:
        return self.those("completed")

    @property
    def open_slots(self) -> int:
        return self.target - len(self.those(*TAKEN))

    def taken_of(self, variant: int) -> int:
        return sum(a.variant == variant for a in self.those(*TAKEN))

    @property
    def escrow(self) -> int:
        """What lies in escrow now: what was held and has not left."""
        return self.held - self.paid - self.fees - self.released - self.refunded

    @property
    def hold(self) -> int:
        """``escrowHoldCents``, by its definition."""
        if self.is_open:
            return self.target * slot_hold(self.terms)
        if self.settlement is None:
            return 0
        return sum(a.earned + a.earned_fee for a in self.completed) - self.refunded

    def settlement_of(self, assignment: Assignment) -> str | None:
        if assignment.status != "completed" or self.settlement is None:
            return None
        if assignment.claim is not None:
            return assignment.claim
        return "pending_approval" if self.settlement == "pending_approval" else "approved"

    def payout_of(self, assignment: Assignment) -> int | None:
        """Earned from submission on; granted after resolution."""
        if assignment.status != "completed":
            return None
        return assignment.paid if assignment.claim == "resolved" else assignment.earned


def cap_of(rule: Pay, terms: Terms) -> int:
    caps = [terms.hard_limit]
    if rule.cap is not None:
        caps.append(rule.cap)
    if terms.paid_limit is not None:
        caps.append(terms.paid_limit)
    return min(caps)


def pay_of(terms: Terms, minutes: int) -> int:
    total = 0
    for rule in terms.pay:
        total += rule.cents * min(minutes, cap_of(rule, terms)) if rule.per_minute else rule.cents
    return total


def slot_hold(terms: Terms) -> int:
    """The greatest payout of one assignment, and its fee."""
    greatest = pay_of(terms, 10**9)
    return greatest + fee_of(greatest)


def started_minutes(milliseconds: int) -> int:
    whole, rest = divmod(milliseconds, MINUTE)
    return whole + (1 if rest else 0)


class Model:
    """``ask`` says what a command must answer, and does it; ``move_to`` lets time pass."""

    def __init__(self, now: int) -> None:
        self.now = now
        self.bought: dict[str, int] = {}
        self.withdrawn: dict[str, int] = {}
        self.jobs: dict[str, Job] = {}
        self.passed: list[Due] = []
        """Every deadline that has passed and changed something, in order."""
        self._number = 0

    def ask(self, command: Command) -> str | None:
        """Null when it succeeds, else the code of its refusal."""
        try:
            _HANDLERS[type(command)](self, command)
        except Refused as refused:
            return str(refused)
        return None

    def _next(self) -> int:
        self._number += 1
        return self._number

    # Money

    def free(self, owner: str) -> int:
        return self.bought.get(owner, 0) - sum(j.held - j.released - j.refunded for j in self.jobs_of(owner))

    def held(self, owner: str) -> int:
        return sum(job.escrow for job in self.jobs_of(owner))

    def jobs_of(self, owner: str) -> list[Job]:
        return [job for job in self.jobs.values() if job.owner == owner]

    def _of_tester(self, tester: str) -> Iterator[tuple[Job, Assignment]]:
        for job in self.jobs.values():
            if tester in job.assignments:
                yield job, job.assignments[tester]

    def payable(self, tester: str) -> int:
        granted = sum(a.paid for _, a in self._of_tester(tester))
        return granted - self.withdrawn.get(tester, 0)

    def pending(self, tester: str) -> int:
        undecided = (None, "pending_approval", "disputed")
        return sum(
            a.earned
            for job, a in self._of_tester(tester)
            if a.status == "completed" and job.settlement_of(a) in undecided
        )

    def balances(self, id_of: Callable[[str], str]) -> dict[str, int]:
        """Every account that is not at zero."""
        told = {
            "gateway:clearing": sum(self.bought.values()),
            "payouts:clearing": sum(self.withdrawn.values()),
            "platform:fees": sum(job.fees for job in self.jobs.values()),
        }
        for owner in self.bought:
            told[f"owner:{id_of(owner)}:credits"] = self.free(owner)
        for job in self.jobs.values():
            told[f"owner:{id_of(job.owner)}:escrow:{id_of(job.name)}"] = job.escrow
            for tester in job.assignments:
                told[f"tester:{id_of(tester)}:payable"] = self.payable(tester)
        return {account: cents for account, cents in told.items() if cents}

    def _hold(self, job: Job, cents: int) -> None:
        check(cents <= self.free(job.owner), "not_enough_credits")
        job.held += cents

    def _grant(self, job: Job, assignment: Assignment, payout: int, fee: int) -> None:
        assignment.paid = payout
        job.paid += payout
        job.fees += fee

    # Time

    def dues(self) -> Iterator[Due]:
        """Everything that time alone will change."""
        for job in self.jobs.values():
            if job.status in ("active", "paused"):
                yield Due(job.ends_at, 2, job.number, job.name, None)
            if job.settlement == "pending_approval":
                assert job.deadline is not None
                yield Due(job.deadline, 3, job.number, job.name, None)
            for a in job.at_work:
                if a.started_at is None:
                    yield Due(a.reserved_until, 0, a.number, job.name, a.tester)
                else:
                    yield Due(a.started_at + job.terms.hard_limit * MINUTE, 1, a.number, job.name, a.tester)

    def move_to(self, instant: int) -> None:
        """Let time pass; what falls due happens in its order, at its own time."""
        assert instant >= self.now
        while (due := min(self.dues(), default=None)) is not None and due.at <= instant:
            self.now = due.at
            self._pass(due)
        self.now = instant

    def _pass(self, due: Due) -> None:
        self.passed.append(due)
        job = self.jobs[due.job]
        if due.tester is not None:
            self._leave(job, job.assignments[due.tester], ("expired", "timed_out")[due.kind])
        elif due.kind == 2:
            self._close(job)
        else:
            self._approve(job)

    # The end of a job

    def _leave(self, job: Job, assignment: Assignment, status: str) -> None:
        assignment.status = status
        if job.status == "closing" and not job.at_work:
            self._settle(job)

    def _close(self, job: Job) -> None:
        if job.at_work:
            job.status = "closing"
        else:
            self._settle(job)

    def _settle(self, job: Job) -> None:
        job.closed_reason = self._reason(job)
        self._end(job, "completed" if job.completed else "cancelled")

    def _reason(self, job: Job) -> str:
        if len(job.completed) == job.target:
            return "all_completed"
        ran_out = job.those("expired", "timed_out")
        if job.assignments and len(ran_out) == len(job.assignments):
            return "all_timed_out"
        return "no_active_testers"

    def _end(self, job: Job, status: str) -> None:
        job.status = status
        job.released += job.escrow - sum(a.earned + a.earned_fee for a in job.completed)
        if job.completed:
            job.settlement = "pending_approval"
            job.deadline = self.now + REVIEW

    def _approve(self, job: Job) -> None:
        job.settlement, job.deadline = "approved", None
        for a in job.completed:
            self._grant(job, a, a.earned, a.earned_fee)

    # Commands

    def _buy(self, it: Buy) -> None:
        check(it.cents % 100_000 != DECLINED, "payment_failed")
        self.bought[it.owner] = self.bought.get(it.owner, 0) + it.cents

    def _create(self, it: Create) -> None:
        terms = it.terms
        starts_at = self.now + terms.starts_in if terms.starts_in else None
        job = Job(
            name=it.job,
            owner=it.owner,
            terms=terms,
            number=self._next(),
            created_at=self.now,
            starts_at=starts_at,
            ends_at=(starts_at or self.now) + terms.window * MINUTE,
            target=terms.slots,
            maxima=[v.least if v.most is None else v.most for v in terms.versions],
        )
        self._hold(job, job.hold)
        self.jobs[it.job] = job

    def _ask_job(self, it: AskJob) -> None:
        {
            "pause": self._pause,
            "resume": self._resume,
            "stop": self._stop,
            "cancel": self._cancel,
            "settle": self._settle_now,
            "approve": self._approve_now,
        }[it.verb](self.jobs[it.job])

    def _pause(self, job: Job) -> None:
        check(job.status in ("active", "paused"), "invalid_state")
        job.status = "paused"

    def _resume(self, job: Job) -> None:
        check(job.status in ("active", "paused"), "invalid_state")
        job.status = "active"

    def _stop(self, job: Job) -> None:
        check(job.is_open, "invalid_state")
        if job.status != "closing":
            self._close(job)

    def _cancel(self, job: Job) -> None:
        check(job.status in ("active", "paused"), "invalid_state")
        for a in job.at_work:
            a.status = "cancelled"
        job.closed_reason = "cancelled"
        self._end(job, "cancelled")

    def _settle_now(self, job: Job) -> None:
        check(job.is_open, "invalid_state")
        check(not job.at_work, "testers_at_work")
        self._settle(job)

    def _approve_now(self, job: Job) -> None:
        check(job.settlement == "pending_approval", "not_pending_approval")
        self._approve(job)

    def _resize(self, it: Resize) -> None:
        job = self.jobs[it.job]
        check(job.status in ("active", "paused"), "invalid_state")
        if it.slots == job.target:
            return
        check(it.slots >= len(job.those(*TAKEN)), "below_taken")
        check(it.slots >= sum(v.least for v in job.terms.versions), "below_minimum")
        maxima = self._widened(job, it.slots)
        delta = (it.slots - job.target) * slot_hold(job.terms)
        if delta > 0:
            self._hold(job, delta)
        else:
            job.released -= delta
        job.target, job.maxima = it.slots, maxima
        if not job.open_slots:
            self._close(job)

    def _widened(self, job: Job, slots: int) -> list[int]:
        """The excess over all maxima goes out one slot at a time."""
        maxima = list(job.maxima)
        growing = [n for n, v in enumerate(job.terms.versions) if v.most is None]
        while sum(maxima) < slots:
            check(bool(growing), "above_maximum")
            fewest = min(growing, key=lambda n: job.taken_of(n) + maxima[n] - job.terms.versions[n].least)
            maxima[fewest] += 1
        return maxima

    def variant_for(self, job: Job) -> int | None:
        """The variant of the next tester; null when no slot is open to anybody."""
        versions = job.terms.versions
        lacking = [max(0, v.least - job.taken_of(n)) for n, v in enumerate(versions)]
        room = [job.maxima[n] - job.taken_of(n) for n in range(len(versions))]
        found = []
        for n, version in enumerate(versions):
            others_lack = sum(lacking) - lacking[n]
            # One below its own minimum is always open: else a job that was shrunk could not be filled.
            is_open = job.open_slots > others_lack or (lacking[n] > 0 and job.open_slots > 0)
            if is_open and room[n] > 0 and not version.for_nobody:
                found.append((-lacking[n], -room[n], n))
        return min(found)[2] if found else None

    def may_take(self, tester: str, job: Job) -> bool:
        """Whether a job is on offer to a tester."""
        return (
            job.status == "active"
            and (job.starts_at is None or job.starts_at <= self.now)
            and tester not in job.assignments
            and self.variant_for(job) is not None
        )

    def _take(self, it: Take) -> None:
        job = self.jobs[it.job]
        check(not all(v.for_nobody for v in job.terms.versions), "not_eligible")
        check(job.status == "active", "job_not_active")
        check(job.starts_at is None or job.starts_at <= self.now, "not_started")
        check(it.tester not in job.assignments, "already_taken")
        check(it.accepts or not job.terms.agreement, "legal_agreements_required")
        variant = self.variant_for(job)
        if variant is None:
            raise Refused("no_slots_left")
        job.assignments[it.tester] = Assignment(it.tester, variant, self._next(), self.now + RESERVED)

    def _start(self, it: Start) -> None:
        a = self.jobs[it.job].assignments[it.tester]
        if a.status == "started":
            return
        check(a.status == "pending", ENDED_CODES.get(a.status, "invalid_state"))
        a.status, a.started_at = "started", self.now

    def _return(self, it: Return) -> None:
        job = self.jobs[it.job]
        a = job.assignments[it.tester]
        if a.status == "returned":
            return
        check(a.status in AT_WORK, ENDED_CODES.get(a.status, "invalid_state"))
        self._leave(job, a, "returned")

    def _submit(self, it: Submit) -> None:
        job = self.jobs[it.job]
        a = job.assignments[it.tester]
        check(a.status == "started", ENDED_CODES.get(a.status, "invalid_state"))
        check(it.rating is not None and 1 <= it.rating <= 5, "invalid_request")
        check((it.proof is not None) == job.terms.proof, "invalid_request")
        if job.terms.proof:
            check(a.wrong_proofs < 5, "proof_locked")
            a.wrong_proofs += not it.proof
            check(bool(it.proof), "invalid_request")
        self._complete(job, a)

    def _complete(self, job: Job, a: Assignment) -> None:
        assert a.started_at is not None
        a.status, a.completed_at = "completed", self.now
        a.minutes = started_minutes(self.now - a.started_at)
        a.earned = pay_of(job.terms, a.minutes)
        a.earned_fee = fee_of(a.earned)
        if len(job.completed) == job.target or (job.status == "closing" and not job.at_work):
            self._settle(job)

    def _dispute(self, it: Dispute) -> None:
        job = self.jobs[it.job]
        check(job.settlement == "pending_approval", "not_pending_approval")
        completed = {a.tester for a in job.completed}
        check(len(set(it.testers)) == len(it.testers) and set(it.testers) <= completed, "invalid_request")
        claimed = completed if it.platform or not it.testers else set(it.testers)
        job.settlement, job.deadline = "disputed", None
        for a in job.completed:
            if a.tester in claimed:
                a.claim = "disputed"
            else:
                self._grant(job, a, a.earned, a.earned_fee)

    def _state(self, it: State) -> None:
        a = self.jobs[it.job].assignments[it.tester]
        check(a.claim != "resolved", "already_resolved")
        check(a.claim == "disputed", "not_disputed")
        check(a.statements < MOST_STATEMENTS, "invalid_state")
        a.statements += 1

    def _resolve(self, it: Resolve) -> None:
        job = self.jobs[it.job]
        check(job.settlement in ("disputed", "resolved"), "not_disputed")
        for verdict in it.verdicts:
            check(self._fits(job, verdict), "invalid_request")
        check(len({v.tester for v in it.verdicts}) == len(it.verdicts), "invalid_request")
        assignments = [job.assignments[v.tester] for v in it.verdicts]
        check(all(a.claim == "disputed" for a in assignments), "already_resolved")
        for verdict, a in zip(it.verdicts, assignments, strict=True):
            fee = fee_of(verdict.payout) if verdict.fee is None else verdict.fee
            self._grant(job, a, verdict.payout, fee)
            job.refunded += a.earned + a.earned_fee - verdict.payout - fee
            a.claim = "resolved"
        if all(a.claim != "disputed" for a in job.completed):
            job.settlement = "resolved"

    def _fits(self, job: Job, verdict: Verdict) -> bool:
        a = job.assignments.get(verdict.tester)
        if a is None or a.claim is None:
            return False
        return verdict.payout <= a.earned and (verdict.fee or 0) <= fee_of(verdict.payout)

    def _withdraw(self, it: Withdraw) -> None:
        check(it.cents <= self.payable(it.tester), "not_enough_payable")
        self.withdrawn[it.tester] = self.withdrawn.get(it.tester, 0) + it.cents


_HANDLERS: dict[type, Callable[[Model, Any], None]] = {
    Buy: Model._buy,
    Create: Model._create,
    AskJob: Model._ask_job,
    Resize: Model._resize,
    Take: Model._take,
    Start: Model._start,
    Return: Model._return,
    Submit: Model._submit,
    Dispute: Model._dispute,
    State: Model._state,
    Resolve: Model._resolve,
    Withdraw: Model._withdraw,
}
