"""What is always so, whatever is asked of a job and whenever: see ``life.py`` for what is counted."""

from dataclasses import replace
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from domain.job import commands as c
from domain.job import events as e
from domain.job.pay import slot_hold_cents
from domain.job.state import AssignmentStatus, Phase
from domain.job.terms import Terms
from domain.times import DAY, HOUR, MINUTE, SECOND
from tests.builders import (
    ANSWERS,
    Person,
    grant,
    person,
    resolve,
    return_by,
    start_by,
    submit_by,
    take_by,
)
from tests.domain.life import LIMITLESS, Life
from tests.domain.strategies import some_posted_terms
from tests.given import NOW

PEOPLE = st.sampled_from([person(number) for number in range(9)])
FLAGS = st.builds(
    e.Flags, low_quality=st.booleans(), suspected_fraud=st.booleans(), billing_discrepancy=st.booleans()
)
WAITS = st.sampled_from([1, SECOND, MINUTE, 5 * MINUTE, 10 * MINUTE, HOUR, DAY])


class Jobs(RuleBasedStateMachine):
    """Anything at any time. Whatever is not allowed is refused and changes nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.life: Life | None = None

    @property
    def it(self) -> Life:
        assert self.life is not None
        return self.life

    @initialize(terms=some_posted_terms(), spare=st.sampled_from([0, 0, 2, None]), later=st.integers(-1, 30))
    def posted(self, terms: Terms, spare: int | None, later: int) -> None:
        """Credits for the job and perhaps a few slots more; sometimes one cent short."""
        if later > 20:
            terms = replace(terms, starts_at=NOW + later * MINUTE)
        hold = slot_hold_cents(terms)
        cents = LIMITLESS if spare is None else (terms.target_testers + spare) * hold
        self.life = Life(terms, cents - (later < 0))

    @property
    def exists(self) -> bool:
        return self.life is not None and self.life.job is not None

    @rule(milliseconds=WAITS)
    def wait(self, milliseconds: int) -> None:
        self.it.wait(milliseconds)

    @precondition(lambda self: self.it.deadlines())
    @rule(index=st.integers(0, 10), early=st.sampled_from([0, 0, 1]))
    def wait_for_a_deadline(self, index: int, early: int) -> None:
        """Exactly until one of the deadlines, or a millisecond less."""
        pending = self.it.deadlines()
        self.it.wait(max(0, pending[index % len(pending)].due_at - self.it.now - early))

    @rule(who=PEOPLE)
    def take(self, who: Person) -> None:
        self.it.ask(take_by(who))

    @rule(who=PEOPLE)
    def start(self, who: Person) -> None:
        self.it.ask(start_by(who))

    @rule(who=PEOPLE, proof=st.sampled_from([None, True, True, False]), answers=st.sampled_from([ANSWERS, ANSWERS, {}]))
    def submit(self, who: Person, proof: bool | None, answers: dict[str, Any]) -> None:
        self.it.ask(submit_by(who, answers, proof))

    @rule(who=PEOPLE, minutes=st.integers(0, 20))
    def do_the_whole_task(self, who: Person, minutes: int) -> None:
        """So that jobs get far enough to be settled."""
        job = self.it.job
        proof = True if job and job.terms.proof_hash else None
        self.it.ask(take_by(who))
        self.it.ask(start_by(who))
        self.it.wait(minutes * MINUTE)
        self.it.ask(submit_by(who, proof_matches=proof))

    @rule(who=PEOPLE)
    def give_up(self, who: Person) -> None:
        self.it.ask(return_by(who))

    @rule(command=st.sampled_from([c.PauseJob(), c.ResumeJob(), c.ResumeJob()]))
    def pause_or_resume(self, command: c.JobCommand) -> None:
        self.it.ask(command)

    @rule(command=st.sampled_from([c.StopJob(), c.StopJob(), c.CancelJob(), c.SettleJob()]), sure=st.integers(0, 3))
    def end(self, command: c.JobCommand, sure: int) -> None:
        """Not too often, so that something happens before."""
        if not sure:
            self.it.ask(command)

    @rule(slots=st.integers(1, 15))
    def resize(self, slots: int) -> None:
        self.it.ask(c.ResizeJob(target=slots))

    @rule()
    def shrink_to_what_is_taken(self) -> None:
        job = self.it.job
        if job and job.taken:
            self.it.ask(c.ResizeJob(target=job.taken))

    @rule()
    def shrink_a_little(self) -> None:
        if self.it.job:
            self.it.ask(c.ResizeJob(target=max(1, self.it.job.target - 1)))

    @rule()
    def approve(self) -> None:
        self.it.ask(c.ApproveJob())

    @precondition(lambda self: self.exists and self.it.job.phase is Phase.PENDING_APPROVAL)
    @rule(flags=FLAGS, people=st.lists(PEOPLE, max_size=3), by_number=st.booleans())
    def dispute(self, flags: e.Flags, people: list[Person], by_number: bool) -> None:
        claims = tuple(
            c.TesterClaim(tester=who.public_id if by_number else who.id, category="off_topic") for who in people
        )
        self.it.ask(c.DisputeJob(flags=flags, testers=claims))

    @precondition(lambda self: self.exists and self.it.job.phase is Phase.PENDING_APPROVAL)
    @rule(flags=FLAGS, some=st.integers(0, 63))
    def dispute_some_who_completed(self, flags: e.Flags, some: int) -> None:
        job = self.it.job
        assert job is not None
        claims = tuple(
            c.TesterClaim(tester=assignment.tester_id, category="low_quality")
            for index, assignment in enumerate(job.completed_assignments())
            if some >> index & 1
        )
        self.it.ask(c.DisputeJob(flags=flags, testers=claims))

    @precondition(lambda self: self.exists and self.it.job.phase is Phase.DISPUTED)
    @rule(who=PEOPLE, payout=st.integers(0, 400), fee=st.none() | st.integers(0, 120))
    def resolve_one(self, who: Person, payout: int, fee: int | None) -> None:
        self.it.ask(resolve(grant(who, payout, fee)))

    @precondition(lambda self: self.exists and self.it.job.phase is Phase.DISPUTED)
    @rule(percent=st.integers(0, 100))
    def resolve_the_rest(self, percent: int) -> None:
        job = self.it.job
        assert job is not None
        disputed = [a for a in job.completed_assignments() if a.settled_as is Phase.DISPUTED]
        verdicts = [
            c.Resolution(assignment_id=a.id, payout_cents=a.payout_cents * percent // 100) for a in disputed
        ]
        assert self.it.ask(resolve(*verdicts)) is None
        assert job.phase is Phase.RESOLVED

    @invariant()
    def all_is_well(self) -> None:
        if self.life is not None:
            self.life.check()

    @invariant()
    def nobody_works_past_a_deadline(self) -> None:
        if self.exists and self.it.job is not None:
            for assignment in self.it.job.assignments.values():
                at_work = assignment.status in {AssignmentStatus.PENDING, AssignmentStatus.STARTED}
                assert not at_work or assignment.due_at > self.it.now

    def teardown(self) -> None:
        if self.life is not None:
            self.life.live_out()


TestJobs = Jobs.TestCase
TestJobs.settings = settings(max_examples=60, stateful_step_count=25)
