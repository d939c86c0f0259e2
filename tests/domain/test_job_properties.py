"""What is always so, whatever is asked of a job and whenever: see ``life.py`` for what is counted."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from domain.errors import NotEnoughCredits
from domain.job import commands as c
from domain.job import events as e
from domain.job.pay import slot_hold_cents
from domain.job.state import AT_WORK, Assignment, Job, Phase
from domain.job.terms import Terms
from domain.times import DAY, HOUR, MINUTE, SECOND
from tests.builders import (
    ANSWERS,
    SEALED_ANSWERS,
    grant,
    person,
    resolve,
    return_by,
    start_by,
    state_by,
    submit_by,
    take_by,
)
from tests.domain.life import LIMITLESS, Life
from tests.domain.strategies import some_posted_terms
from tests.given import NOW

PEOPLE = tuple(person(number) for number in range(12))
SOMEBODY = st.sampled_from(PEOPLE)
FLAGS = st.builds(
    e.Flags,
    low_quality=st.booleans(),
    suspected_fraud=st.booleans(),
    billing_discrepancy=st.sampled_from([False, False, False, True]),
)
WAITS = st.sampled_from([1, SECOND, MINUTE, MINUTE, 5 * MINUTE, 10 * MINUTE])
ANYTHING: tuple[c.JobCommand, ...] = (
    c.PauseJob(),
    c.ResumeJob(),
    c.StopJob(),
    c.CancelJob(),
    c.SettleJob(),
    c.ApproveJob(),
    c.DisputeJob(flags=e.Flags(off_topic=True)),
    c.ResizeJob(target=3),
    take_by(PEOPLE[0]),
    start_by(PEOPLE[0]),
    submit_by(PEOPLE[0]),
    return_by(PEOPLE[0]),
    state_by(PEOPLE[0]),
    resolve(grant(PEOPLE[0], 1)),
)


def while_it(holds: Callable[[Job], bool]) -> Callable[[Any], bool]:
    """A precondition on the job; false before there is one."""
    return lambda machine: machine.life is not None and machine.life.job is not None and holds(machine.life.job)


is_open = while_it(lambda job: job.is_open)
takes_commands = while_it(lambda job: job.phase in {Phase.ACTIVE, Phase.PAUSED})
is_busy = while_it(lambda job: job.at_work > 0)
is_pending = while_it(lambda job: job.phase is Phase.PENDING_APPROVAL)
is_disputed = while_it(lambda job: job.phase is Phase.DISPUTED)


class Jobs(RuleBasedStateMachine):
    """Anything at any time; what makes a job live long a little more often. Whatever is refused changes nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.life: Life | None = None

    @initialize(
        terms=some_posted_terms(),
        spare=st.sampled_from([None, None, 0, 2]),
        later=st.sampled_from([0, 0, 0, 0, 20]),
        done=st.lists(st.integers(0, 12), max_size=8),
        busy=st.integers(0, 3),
        end=st.sampled_from([None, None, None, c.StopJob(), c.CancelJob()]),
    )
    def posted(
        self,
        *,
        terms: Terms,
        spare: int | None,
        later: int,
        done: list[int],
        busy: int,
        end: c.JobCommand | None,
    ) -> None:
        """With credits for the job and perhaps for a few slots more; sometimes to start later, or already under way."""
        cents = LIMITLESS if spare is None else (terms.target_testers + spare) * slot_hold_cents(terms)
        self.life = Life(replace(terms, starts_at=NOW + later * MINUTE), cents)
        assert self.life.refused is None
        for who, minutes in zip(PEOPLE, done, strict=False):
            self.do_it_all(who, minutes)
        for who in PEOPLE[-busy:] if busy else ():
            self.it.ask(take_by(who))
        if end is not None:
            self.it.ask(end)

    @property
    def it(self) -> Life:
        assert self.life is not None
        return self.life

    @property
    def job(self) -> Job:
        assert self.it.job is not None
        return self.it.job

    def one_at_work(self, index: int) -> Assignment:
        at_work = [a for a in self.job.assignments.values() if a.status in AT_WORK]
        return at_work[index % len(at_work)]

    # Time

    @precondition(is_open)
    @rule(milliseconds=WAITS)
    def wait(self, milliseconds: int) -> None:
        self.it.wait(milliseconds)

    @rule(milliseconds=st.sampled_from([HOUR, DAY]), really=st.integers(0, 9))
    def wait_long(self, milliseconds: int, really: int) -> None:
        if not really:
            self.it.wait(milliseconds)

    @precondition(is_busy)
    @rule(index=st.integers(0, 10), early=st.sampled_from([0, 0, 1]))
    def wait_for_a_deadline(self, index: int, early: int) -> None:
        """Exactly until one of the deadlines, or a millisecond less."""
        pending = self.it.deadlines()
        self.it.wait(max(0, pending[index % len(pending)].due_at - self.it.now - early))

    # Testers

    @precondition(is_open)
    @rule(people=st.lists(SOMEBODY, min_size=1, max_size=4))
    def take(self, people: list[Any]) -> None:
        for who in people:
            self.it.ask(take_by(who))

    @precondition(is_busy)
    @rule(index=st.integers(0, 10))
    def start(self, index: int) -> None:
        assert self.it.ask(c.StartTask(assignment_id=self.one_at_work(index).id)) is None

    @precondition(is_busy)
    @rule(
        index=st.integers(0, 10),
        proof=st.sampled_from([None, True, True, False]),
        answers=st.sampled_from([ANSWERS, ANSWERS, {}]),
    )
    def submit(self, index: int, proof: bool | None, answers: dict[str, Any]) -> None:
        assignment_id = self.one_at_work(index).id
        self.it.ask(
            c.SubmitTask(
                assignment_id=assignment_id, answers=answers, sealed_answers=SEALED_ANSWERS, proof_matches=proof
            )
        )

    @precondition(is_open)
    @rule(who=SOMEBODY, minutes=st.integers(0, 12))
    def do_the_whole_task(self, who: Any, minutes: int) -> None:
        self.do_it_all(who, minutes)

    def do_it_all(self, who: Any, minutes: int) -> None:
        """So that jobs get far enough to be settled."""
        proof = None if self.job.terms.proof_hash is None else True
        self.it.ask(take_by(who))
        self.it.ask(start_by(who))
        self.it.wait(minutes * MINUTE)
        self.it.ask(submit_by(who, proof_matches=proof))

    @precondition(is_busy)
    @rule(index=st.integers(0, 10))
    def give_up(self, index: int) -> None:
        assert self.it.ask(c.ReturnSlot(assignment_id=self.one_at_work(index).id)) is None

    # The owner

    @precondition(takes_commands)
    @rule(command=st.sampled_from([c.PauseJob(), c.ResumeJob(), c.ResumeJob()]))
    def pause_or_resume(self, command: c.JobCommand) -> None:
        assert self.it.ask(command) is None

    @precondition(is_open)
    @rule(command=st.sampled_from([c.StopJob(), c.CancelJob(), c.SettleJob()]), really=st.integers(0, 4))
    def end(self, command: c.JobCommand, really: int) -> None:
        if not really:
            self.it.ask(command)

    @precondition(takes_commands)
    @rule(slots=st.integers(1, 15))
    def resize(self, slots: int) -> None:
        self.it.ask(c.ResizeJob(target=slots))

    @precondition(takes_commands)
    @rule(by=st.integers(1, 3))
    def shrink_a_little(self, by: int) -> None:
        self.it.ask(c.ResizeJob(target=max(1, self.job.taken, self.job.target - by)))

    @precondition(is_pending)
    @rule(really=st.integers(0, 3))
    def approve(self, really: int) -> None:
        if not really:
            assert self.it.ask(c.ApproveJob()) is None

    @precondition(is_pending)
    @rule(flags=FLAGS, some=st.integers(0, 63), by_number=st.booleans())
    def dispute(self, flags: e.Flags, some: int, by_number: bool) -> None:
        """Some of those who completed; all of them when none is listed."""
        claims = tuple(
            c.TesterClaim(tester=a.tester_public_id if by_number else a.tester_id, category="low_quality")
            for index, a in enumerate(self.job.completed_assignments())
            if some >> index & 1
        )
        assert self.it.ask(c.DisputeJob(flags=flags, testers=claims)) is None

    @precondition(is_pending)
    @rule(people=st.lists(SOMEBODY, min_size=1, max_size=3))
    def dispute_anybody(self, people: list[Any]) -> None:
        claims = tuple(c.TesterClaim(tester=who.id, category="off_topic") for who in people)
        self.it.ask(c.DisputeJob(testers=claims))

    @precondition(is_disputed)
    @rule(who=SOMEBODY)
    def state_the_other_side(self, who: Any) -> None:
        before = self.job.escrow_cents
        self.it.ask(state_by(who))
        assert self.job.escrow_cents == before

    # The operator

    @precondition(is_disputed)
    @rule(who=SOMEBODY, payout=st.integers(0, 400), fee=st.none() | st.integers(0, 120))
    def resolve_anybody(self, who: Any, payout: int, fee: int | None) -> None:
        self.it.ask(resolve(grant(who, payout, fee)))

    @precondition(is_disputed)
    @rule(most=st.integers(1, 3), percent=st.integers(0, 100), with_fee=st.sampled_from([True, True, False]))
    def resolve_some(self, most: int, percent: int, with_fee: bool) -> None:
        disputed = [a for a in self.job.completed_assignments() if a.settled_as is Phase.DISPUTED]
        verdicts = [
            c.Resolution(
                assignment_id=a.id, payout_cents=a.payout_cents * percent // 100, fee_cents=None if with_fee else 0
            )
            for a in disputed[:most]
        ]
        assert self.it.ask(resolve(*verdicts)) is None
        assert (self.job.phase is Phase.RESOLVED) == (len(disputed) <= most)

    # Anybody

    @rule(command=st.sampled_from(ANYTHING), really=st.integers(0, 2))
    def anything(self, command: c.JobCommand, really: int) -> None:
        if not really or not self.job.is_open:
            self.it.ask(command)

    @invariant()
    def all_is_well(self) -> None:
        if self.life is not None:
            self.life.check()

    def teardown(self) -> None:
        if self.life is not None:
            self.life.live_out()


TestJobs = Jobs.TestCase
TestJobs.settings = settings(max_examples=100, stateful_step_count=25)


@given(some_posted_terms(), st.integers(1, 10_000))
def test_a_job_that_its_owner_cannot_pay_is_not_posted(terms: Terms, short: int) -> None:
    life = Life(terms, max(0, terms.target_testers * slot_hold_cents(terms) - short))
    assert isinstance(life.refused, NotEnoughCredits)
    assert (life.version, life.job) == (0, None)
