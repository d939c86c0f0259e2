"""Given this history, when this is asked, then that follows: how every decider is tested.

Each ``when`` also holds that deciding changed nothing, and each ``then`` that the events fit the history.
"""

from dataclasses import dataclass
from typing import Generic, TypeVar

from domain.access.commands import AccessCommand
from domain.access.decider import ACCESS, Principal
from domain.access.events import AccessEvent
from domain.books.commands import BookingCommand, CaseCommand, MonthCommand, RunCommand
from domain.books.decider import BOOKINGS, CASES, MONTHS, RUNS
from domain.books.events import CaseEvent, MonthClosed, Reconciled, ToldByStatement
from domain.books.state import Booked, Case, Months
from domain.credits.commands import CreditsCommand
from domain.credits.decider import CREDITS
from domain.credits.events import CreditsEvent
from domain.credits.state import Account
from domain.decider import Decider
from domain.errors import Refusal
from domain.job.commands import JobCommand
from domain.job.decider import JOB
from domain.job.events import JobEvent
from domain.job.state import Job
from domain.tester.commands import WalletCommand
from domain.tester.decider import WALLET, Wallet
from domain.tester.events import WalletEvent
from domain.times import Instant

C = TypeVar("C")
S = TypeVar("S")
E = TypeVar("E")
R = TypeVar("R", bound=Refusal)

NOW: Instant = 1_736_931_600_000
"""2025-01-15T09:00:00Z, when tests happen."""


@dataclass(frozen=True)
class Outcome(Generic[C, S, E]):
    """What a command led to: events, or the refusal."""

    given: "Given[C, S, E]"
    events: tuple[E, ...]
    refusal: Refusal | None

    def then(self, *events: E) -> "Given[C, S, E]":
        """Exactly these events; the history goes on with them."""
        assert self.accepted() == events
        return self.given.and_then(*events)

    def then_kinds(self, *kinds: type) -> "Given[C, S, E]":
        """Events of exactly these types, where a test is not about what they say."""
        assert tuple(type(event) for event in self.accepted()) == kinds
        return self.given.and_then(*self.events)

    def then_nothing(self) -> "Given[C, S, E]":
        """No event: what was asked for holds already."""
        return self.then()

    def then_refused(self, kind: type[R]) -> R:
        """Refused for exactly this reason, which is returned."""
        assert type(self.refusal) is kind, f"expected {kind.__name__}, got {self.refusal or self.events!r}"
        return self.refusal

    def accepted(self) -> tuple[E, ...]:
        """The events; a refusal is raised as it was."""
        if self.refusal is not None:
            raise self.refusal
        return self.events


@dataclass(frozen=True)
class Given(Generic[C, S, E]):
    """A history, from which the state is folded anew each time, so that nothing is shared."""

    decider: Decider[C, S, E]
    history: tuple[E, ...]

    @property
    def state(self) -> S:
        state = self.decider.fold(self.history)
        assert state is not None
        return state

    def when(self, command: C, at: Instant = NOW) -> Outcome[C, S, E]:
        """What follows from a command at an instant. What fell due before is not written here."""
        state, untouched = self.decider.fold(self.history), self.decider.fold(self.history)
        events: tuple[E, ...] = ()
        refusal: Refusal | None = None
        try:
            events = self.decider.decide(command, state, at)
        except Refusal as refused:
            refusal = refused
        assert state == untouched, "deciding changed the state"
        return Outcome(self, events, refusal)

    def and_then(self, *events: E) -> "Given[C, S, E]":
        """The same with more history, which must be possible."""
        longer = Given(self.decider, (*self.history, *events))
        self.decider.fold(longer.history)
        return longer


@dataclass(frozen=True)
class Spec(Generic[C, S, E]):
    """Where the tests of one aggregate begin."""

    decider: Decider[C, S, E]

    def given(self, *history: E) -> Given[C, S, E]:
        return Given(self.decider, ()).and_then(*history)


JOB_SPEC: Spec[JobCommand, Job, JobEvent] = Spec(JOB)
CREDITS_SPEC: Spec[CreditsCommand, Account, CreditsEvent] = Spec(CREDITS)
WALLET_SPEC: Spec[WalletCommand, Wallet, WalletEvent] = Spec(WALLET)
ACCESS_SPEC: Spec[AccessCommand, Principal, AccessEvent] = Spec(ACCESS)
BOOKINGS_SPEC: Spec[BookingCommand, Booked, ToldByStatement] = Spec(BOOKINGS)
CASES_SPEC: Spec[CaseCommand, Case, CaseEvent] = Spec(CASES)
RUNS_SPEC: Spec[RunCommand, Reconciled, Reconciled] = Spec(RUNS)
MONTHS_SPEC: Spec[MonthCommand, Months, MonthClosed] = Spec(MONTHS)
