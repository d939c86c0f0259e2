"""What every aggregate is: a decision and a fold."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from domain.times import Instant

C = TypeVar("C")
S = TypeVar("S")
E = TypeVar("E")


@dataclass(frozen=True, slots=True)
class Decider(Generic[C, S, E]):
    """An aggregate's rules.

    ``decide`` answers a command at an instant with the events that follow, none when there is nothing left
    to do, or raises a Refusal; it changes nothing. ``evolve`` takes the state over and gives the next one:
    the state passed in must not be used again, so that a fold over thousands of assignments copies nothing.
    """

    decide: Callable[[C, S | None, Instant], tuple[E, ...]]
    evolve: Callable[[S | None, E], S]

    def fold(self, events: Iterable[E], state: S | None = None) -> S | None:
        """The state after the events."""
        for event in events:
            state = self.evolve(state, event)
        return state
