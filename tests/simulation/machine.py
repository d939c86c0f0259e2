"""Anything at any time, asked of the platform and of the model: both must answer and end up the same.

Whatever the driver, after every step the file itself is checked (see ``books``), and every view against the model.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.simulation.books import File
from tests.simulation.commands import (
    AskJob,
    Buy,
    Command,
    Create,
    Dispute,
    JobVerb,
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
    Version,
    Withdraw,
)
from tests.simulation.drivers import OWNERS, TESTERS, Driver
from tests.simulation.model import AT_WORK, DAY, MINUTE, MOST_STATEMENTS, Assignment, Job, Model, slot_hold

MOST_JOBS = 6
SOMEBODY = st.sampled_from(TESTERS)
INDEX = st.integers(0, 20)
ODD = st.sampled_from([0, 0, 1, -1])
SELDOM = st.sampled_from([True, False, False, False])
"""Shrinks to what ends a job; happens seldom, so that jobs live long."""
WAITS = (1, 1_000, MINUTE - 1_000, MINUTE, MINUTE + 1, 5 * MINUTE, 7 * MINUTE + 1_000, 11 * MINUTE)

PAYS = st.lists(
    st.one_of(
        st.builds(Pay, st.integers(1, 500)),
        st.builds(Pay, st.integers(1, 50), st.just(True), st.none() | st.integers(1, 40)),
    ),
    min_size=1,
    max_size=2,
).map(tuple)


@st.composite
def versions(draw: st.DrawFn) -> tuple[Version, ...]:
    """One to three variants that together take somebody."""
    made = []
    for _ in range(draw(st.integers(1, 3))):
        least = draw(st.integers(0, 2))
        most = draw(st.none() | st.integers(max(1, least), 4))
        made.append(Version(least, most, for_nobody=draw(st.integers(0, 15)) == 15))
    if not any(v.most or v.least for v in made):
        made[0] = Version(1)
    return tuple(made)


@st.composite
def terms(draw: st.DrawFn) -> Terms:
    """Terms as an owner may post them."""
    of = draw(versions())
    pay = draw(PAYS)
    limited = any(rule.per_minute for rule in pay)
    return Terms(
        slots=draw(
            st.integers(max(1, sum(v.least for v in of)), sum(v.least if v.most is None else v.most for v in of))
        ),
        pay=pay,
        versions=of,
        window=draw(st.sampled_from((600, 60, 5, 4_000))),
        hard_limit=draw(st.sampled_from((30, 30, 10, 1))),
        paid_limit=draw(st.none() | st.integers(1, 12)) if limited else None,
        starts_in=draw(st.sampled_from((None, None, None, 20 * MINUTE))),
        agreement=draw(st.integers(0, 7)) == 7,
        proof=draw(st.integers(0, 5)) == 5,
    )


def instant(text: str | None) -> int | None:
    """The milliseconds of a time in an answer."""
    return None if text is None else round(datetime.fromisoformat(text).timestamp() * 1_000)


def while_some(holds: Callable[[Job], bool]) -> Callable[[Any], bool]:
    """A precondition: some job is so."""
    return lambda machine: machine.model is not None and any(holds(job) for job in machine.model.jobs.values())


is_open = while_some(lambda job: job.is_open)
has_workers = while_some(lambda job: bool(job.at_work))
is_pending = while_some(lambda job: job.settlement == "pending_approval")
is_disputed = while_some(lambda job: job.settlement == "disputed")


class Platform(RuleBasedStateMachine):
    """To be given its driver."""

    def __init__(self) -> None:
        super().__init__()
        self.driver = self.make_driver()
        self.model = Model(self.driver.now())
        self.looked = True
        """Whether a read has made everything due happen since time passed."""
        self.sound = False

    def make_driver(self) -> Driver:
        raise NotImplementedError

    # What every rule does

    def ask(self, command: Command) -> str | None:
        self.sound = False
        expected = self.model.ask(command)
        answered = self.driver.ask(command)
        assert answered == expected, f"{command}: {answered}, expected {expected}"
        self.looked = True
        return answered

    def wait(self, milliseconds: int, *, look: bool = True) -> None:
        self.sound = False
        steps = -(-milliseconds // self.driver.tick)
        until = self.model.now + steps * self.driver.tick
        self.driver.move_to(until)
        self.model.move_to(until)
        self.looked = look

    def one(self, index: int, holds: Callable[[Job], bool] = lambda _: True) -> Job:
        found = [job for job in self.model.jobs.values() if holds(job)]
        return found[index % len(found)]

    def one_at_work(self, index: int) -> tuple[Job, Assignment]:
        found = [(job, a) for job in self.model.jobs.values() for a in job.at_work]
        return found[index % len(found)]

    # Owners

    @initialize(
        cents=st.sampled_from([1_000_000, 20_000, 3_000]),
        first=terms(),
        done=st.lists(st.integers(0, 12), max_size=len(TESTERS)),
        end=st.sampled_from([None, None, "stop", "cancel"]),
    )
    def some_credits(self, cents: int, first: Terms, done: list[int], end: JobVerb | None) -> None:
        """And a job that may be under way already."""
        for owner in OWNERS:
            self.ask(Buy(owner, cents))
        first = replace(first, starts_in=None)
        if self.ask(Create(OWNERS[0], "job 0", first)) is None:
            for tester, minutes in zip(TESTERS, done, strict=False):
                self.do_it_all(self.one(0), tester, minutes * MINUTE)
            if end is not None:
                self.ask(AskJob(end, "job 0"))

    @rule(owner=st.sampled_from(OWNERS), cents=st.sampled_from([25_000, 400, 1, 100_402]), really=SELDOM)
    def buy(self, owner: str, cents: int, really: bool) -> None:
        if really:
            self.ask(Buy(owner, cents))

    @precondition(lambda self: len(self.model.jobs) < MOST_JOBS)
    @rule(owner=st.sampled_from(OWNERS), wanted=terms())
    def post(self, owner: str, wanted: Terms) -> None:
        self.ask(Create(owner, f"job {len(self.model.jobs)}", wanted))

    @precondition(is_open)
    @rule(index=INDEX, verb=st.sampled_from(["resume", "resume", "pause"]))
    def pause_or_resume(self, index: int, verb: JobVerb) -> None:
        self.ask(AskJob(verb, self.one(index, lambda job: job.is_open).name))

    @precondition(while_some(lambda job: job.is_open and bool(job.assignments)))
    @rule(index=INDEX, verb=st.sampled_from(["settle", "stop", "cancel"]))
    def end(self, index: int, verb: JobVerb) -> None:
        self.ask(AskJob(verb, self.one(index, lambda job: job.is_open and bool(job.assignments)).name))

    @precondition(lambda self: bool(self.model.jobs))
    @rule(index=INDEX, verb=st.sampled_from(["stop", "settle", "cancel", "pause", "resume", "approve"]), really=SELDOM)
    def anything(self, index: int, verb: JobVerb, really: bool) -> None:
        """Also where it makes no sense."""
        job = self.one(index)
        if really or not job.is_open:
            self.ask(AskJob(verb, job.name))

    @precondition(is_open)
    @rule(index=INDEX, how=st.sampled_from(["shrink", "to", "grow"]), slots=st.integers(1, 8))
    def resize(self, index: int, how: str, slots: int) -> None:
        job = self.one(index, lambda job: job.is_open)
        match how:
            case "shrink":
                self.ask(Resize(job.name, max(1, job.target - job.open_slots, job.target - slots)))
            case "to":
                self.ask(Resize(job.name, slots))
            case _:
                self.grow_as_far_as_credits_reach(job)

    def grow_as_far_as_credits_reach(self, job: Job) -> None:
        """And one slot further."""
        more = min(self.model.free(job.owner) // slot_hold(job.terms), 20)
        self.ask(Resize(job.name, job.target + more + 1))
        self.ask(Resize(job.name, job.target + more))

    @precondition(is_pending)
    @rule(index=INDEX, really=SELDOM)
    def approve(self, index: int, really: bool) -> None:
        if really:
            job = self.one(index, lambda job: job.settlement == "pending_approval")
            assert self.ask(AskJob("approve", job.name)) is None

    @precondition(is_pending)
    @rule(index=INDEX, some=st.integers(0, 127), platform=SELDOM, by_number=st.booleans())
    def dispute(self, index: int, some: int, platform: bool, by_number: bool) -> None:
        job = self.one(index, lambda job: job.settlement == "pending_approval")
        listed = tuple(a.tester for n, a in enumerate(job.completed) if some >> n & 1)
        assert self.ask(Dispute(job.name, listed, platform, by_number)) is None

    @precondition(while_some(lambda job: job.settlement is not None))
    @rule(index=INDEX, testers=st.lists(SOMEBODY, max_size=3))
    def dispute_anybody(self, index: int, testers: list[str]) -> None:
        job = self.one(index, lambda job: job.settlement is not None)
        self.ask(Dispute(job.name, tuple(testers)))

    # Testers

    @precondition(is_open)
    @rule(index=INDEX, testers=st.lists(SOMEBODY, min_size=1, max_size=4), accepts=st.integers(0, 5))
    def take(self, index: int, testers: list[str], accepts: int) -> None:
        job = self.one(index, lambda job: job.is_open)
        for tester in testers:
            self.ask(Take(tester, job.name, accepts < 5))

    @precondition(has_workers)
    @rule(index=INDEX)
    def start(self, index: int) -> None:
        job, a = self.one_at_work(index)
        assert self.ask(Start(a.tester, job.name)) is None

    @precondition(has_workers)
    @rule(index=INDEX, rating=st.sampled_from([4, 4, 4, None, 9]), proof=st.sampled_from([True, True, False, None]))
    def submit(self, index: int, rating: int | None, proof: bool | None) -> None:
        job, a = self.one_at_work(index)
        self.ask(Submit(a.tester, job.name, rating, proof if job.terms.proof else None))

    @precondition(while_some(lambda job: job.terms.proof and bool(job.those("started"))))
    @rule(index=INDEX, times=st.integers(1, 6))
    def guess_the_proof(self, index: int, times: int) -> None:
        job = self.one(index, lambda job: job.terms.proof and bool(job.those("started")))
        for _ in range(times):
            self.ask(Submit(job.those("started")[0].tester, job.name, proof=False))

    @precondition(has_workers)
    @rule(index=INDEX)
    def give_up(self, index: int) -> None:
        job, a = self.one_at_work(index)
        assert self.ask(Return(a.tester, job.name)) is None

    @precondition(is_open)
    @rule(
        index=INDEX,
        testers=st.sets(SOMEBODY, min_size=1, max_size=4),
        minutes=st.sampled_from([2, 0, 1, 7, 12]),
        odd=ODD,
    )
    def do_the_whole_task(self, index: int, testers: set[str], minutes: int, odd: int) -> None:
        """So that jobs get far enough to be settled."""
        job = self.one(index, lambda job: job.is_open)
        for tester in sorted(testers - set(job.assignments)):
            self.do_it_all(job, tester, max(0, minutes * MINUTE + odd * self.driver.tick))

    def do_it_all(self, job: Job, tester: str, milliseconds: int) -> None:
        if self.ask(Take(tester, job.name)) is None:
            self.ask(Start(tester, job.name))
            self.wait(milliseconds, look=False)
            self.ask(Submit(tester, job.name, proof=True if job.terms.proof else None))

    @precondition(lambda self: any(job.assignments for job in self.model.jobs.values()))
    @rule(index=INDEX, which=INDEX, command=st.sampled_from([Start, Return, Submit]))
    def work_on_anything(self, index: int, which: int, command: type[Start] | type[Return] | type[Submit]) -> None:
        """Also where it makes no sense."""
        job = self.one(index, lambda job: bool(job.assignments))
        found = [a for a in job.assignments.values() if a.status not in AT_WORK] or list(job.assignments.values())
        self.ask(command(found[which % len(found)].tester, job.name))

    @precondition(is_disputed)
    @rule(index=INDEX, which=INDEX, times=st.sampled_from([1, 1, 2, 6]))
    def state_the_other_side(self, index: int, which: int, times: int) -> None:
        """Also of one who is not disputed."""
        job = self.one(index, lambda job: job.settlement == "disputed")
        tester = list(job.assignments)[which % len(job.assignments)]
        for _ in range(times):
            self.ask(State(tester, job.name))

    @precondition(lambda self: any(map(self.model.payable, TESTERS)))
    @rule(index=INDEX, percent=st.sampled_from([100, 50, 101]))
    def withdraw(self, index: int, percent: int) -> None:
        paid = [tester for tester in TESTERS if self.model.payable(tester)]
        tester = paid[index % len(paid)]
        self.ask(Withdraw(tester, -(-self.model.payable(tester) * percent // 100)))

    @rule(tester=SOMEBODY, cents=st.integers(1, 400))
    def withdraw_anything(self, tester: str, cents: int) -> None:
        self.ask(Withdraw(tester, cents))

    # The operator

    @precondition(is_disputed)
    @rule(index=INDEX, most=st.integers(1, 3), percent=st.integers(0, 100), fee=st.sampled_from([None, None, 0]))
    def resolve(self, index: int, most: int, percent: int, fee: int | None) -> None:
        job = self.one(index, lambda job: job.settlement == "disputed")
        disputed = [a for a in job.completed if a.claim == "disputed"]
        resolve = Resolve(job.name, tuple(Verdict(a.tester, a.earned * percent // 100, fee) for a in disputed[:most]))
        assert self.ask(resolve) is None
        assert self.ask(resolve) == "already_resolved"

    @precondition(while_some(lambda job: job.settlement is not None))
    @rule(
        index=INDEX,
        testers=st.lists(SOMEBODY, min_size=1, max_size=2),
        cents=st.integers(0, 400),
        fee=st.none() | INDEX,
    )
    def resolve_anybody(self, index: int, testers: list[str], cents: int, fee: int | None) -> None:
        job = self.one(index, lambda job: job.settlement is not None)
        self.ask(Resolve(job.name, tuple(Verdict(tester, cents, fee) for tester in testers)))

    # Time

    @rule(milliseconds=st.sampled_from(WAITS), look=st.booleans())
    def time_passes(self, milliseconds: int, look: bool) -> None:
        self.wait(milliseconds, look=look)

    @precondition(lambda self: next(self.model.dues(), None) is not None)
    @rule(index=INDEX, off=st.sampled_from([0, 0, -1, 1]), look=st.booleans())
    def until_a_deadline(self, index: int, off: int, look: bool) -> None:
        """To the very instant, or one step before or after it."""
        dues = sorted(self.model.dues())
        due = dues[min(index, len(dues) - 1) if index < 3 else 0]
        self.wait(max(0, due.at + off * self.driver.tick - self.model.now), look=look)

    @rule(days=st.sampled_from([1, 2, 10]), really=SELDOM, look=st.booleans())
    def far_past_several_deadlines(self, days: int, really: bool, look: bool) -> None:
        if really:
            self.wait(days * DAY, look=look)

    # The machine room

    @rule(really=st.integers(0, 7))
    def restart(self, really: int) -> None:
        if really == 7:
            self.driver.restart()

    # What is always so

    @invariant()
    def all_is_well(self) -> None:
        if self.looked:
            self.driver.billing(OWNERS[0])
        file = File(self.driver.path)
        file.check()
        if self.looked:
            self._check_deadlines(file)
            self._check_books(file)
            self._check_views()
        self.sound = True

    def _check_deadlines(self, file: File) -> None:
        """They were written in the order of the rules, each at its own time."""
        id_of = self.driver.id_of
        expected = [(due.at, due.kind, id_of(due.job), due.tester and id_of(due.tester)) for due in self.model.passed]
        assert file.deadlines_passed() == expected

    def _check_books(self, file: File) -> None:
        told = {account: cents for account, cents in file.balances.items() if cents}
        assert told == self.model.balances(self.driver.id_of)
        for owner in OWNERS:
            expected = {"balanceCents": self.model.free(owner), "heldCents": self.model.held(owner)}
            assert self.driver.billing(owner) == expected
        for tester in TESTERS:
            assert self.driver.wallet(tester) == {
                "payableCents": self.model.payable(tester),
                "pendingCents": self.model.pending(tester),
                "paidOutCents": self.model.withdrawn.get(tester, 0),
            }

    def _check_views(self) -> None:
        for owner in OWNERS:
            expected = [self._item(job) for job in reversed(self.model.jobs_of(owner))]
            assert [{name: item[name] for name in ITEM} for item in self.driver.jobs(owner)] == expected
        for job in self.model.jobs.values():
            self._check_detail(job)
            self._check_settlement(job)
        for tester in TESTERS:
            offered = [job.name for job in self.model.jobs.values() if self.model.may_take(tester, job)]
            assert [item["title"] for item in self.driver.offered(tester)] == offered[::-1]
            self._check_assignments(tester)

    def _check_assignments(self, tester: str) -> None:
        had = {
            job.name: (job, job.assignments[tester]) for job in self.model.jobs.values() if tester in job.assignments
        }
        told = {item["jobId"]: item for item in self.driver.assignments(tester)}
        assert set(told) == {self.driver.id_of(name) for name in had}
        for name, (job, a) in had.items():
            item = told[self.driver.id_of(name)]
            assert (item["status"], item["settlementStatus"]) == (a.status, job.settlement_of(a))
            assert (item["payoutCents"], item["durationMinutes"]) == (job.payout_of(a), a.minutes)
            assert instant(item["reservedUntil"]) == a.reserved_until
            assert instant(item["startedAt"]) == a.started_at
            left = MOST_STATEMENTS - a.statements if a.claim == "disputed" else 0
            told_of = item["dispute"] and (item["dispute"]["statementsGiven"], item["dispute"]["statementsLeft"])
            assert told_of == (None if a.claim is None else (a.statements, left))

    def _item(self, job: Job) -> dict[str, Any]:
        expected = (
            self.driver.id_of(job.name),
            job.name,
            job.status,
            job.target,
            job.hold,
            job.settlement,
        )
        return dict(zip(ITEM, expected, strict=True))

    def _check_detail(self, job: Job) -> None:
        detail = self.driver.detail(job.name)
        assert {name: detail[name] for name in ITEM} == self._item(job)
        assert detail["escrowBalanceCents"] == job.escrow
        assert detail["closedReason"] == job.closed_reason
        assert instant(detail["createdAt"]) == job.created_at
        assert instant(detail["startsAt"]) == job.starts_at
        assert instant(detail["postingEndsAt"]) == job.ends_at
        assert instant(detail["settlementDeadline"]) == job.deadline
        for number, variant in enumerate(detail["variants"]):
            done = [a for a in job.completed if a.variant == number]
            assert variant["targetTestersMax"] == job.maxima[number]
            assert variant["assignmentCount"] == job.taken_of(number)
            assert variant["completedCount"] == len(done)
            assert [self._told(item) for item in variant["completedAssignments"]] == [self._done(job, a) for a in done]

    @staticmethod
    def _told(item: dict[str, Any]) -> tuple[Any, ...]:
        done = instant(item["completedAt"]), item["durationMinutes"], item["payoutCents"], item["settlementStatus"]
        return item["testerUserId"], item["status"], *done

    def _done(self, job: Job, a: Assignment) -> tuple[Any, ...]:
        tester = self.driver.id_of(a.tester)
        return tester, a.status, a.completed_at, a.minutes, job.payout_of(a), job.settlement_of(a)

    def _check_settlement(self, job: Job) -> None:
        told = self.driver.settlement(job.name)
        assert (told["jobStatus"], told["settlementStatus"]) == (job.status, job.settlement)
        assert (told["escrowHoldCents"], told["escrowBalanceCents"]) == (job.hold, job.escrow)
        assert told["closable"] == (job.is_open and not job.at_work)
        assert (told["dispute"] is not None) == (job.settlement in ("disputed", "resolved"))
        assert [
            (item["testerUserId"], item["status"], item["settlementStatus"], item["payoutCents"])
            for item in told["assignments"]
        ] == [
            (self.driver.id_of(a.tester), a.status, job.settlement_of(a), job.payout_of(a))
            for a in job.assignments.values()
        ]

    def teardown(self) -> None:
        try:
            if self.sound:
                self.live_out()
        finally:
            self.driver.close()

    def live_out(self) -> None:
        """Left alone, every job ends, and money stays only where a dispute is open."""
        self.wait(40 * DAY)
        self.all_is_well()
        assert not any(job.is_open for job in self.model.jobs.values())
        assert all(job.settlement == "disputed" for job in self.model.jobs.values() if job.escrow)


ITEM = ("id", "title", "status", "targetTesters", "escrowHoldCents", "settlementStatus")
