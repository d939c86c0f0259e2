"""One bucket folded with the production's own rules: ``evolve`` of each stream's aggregate, and the posting rules."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

from domain.catalogue import NAMES
from domain.credits.state import Account as CreditsAccount
from domain.errors import InvariantBroken
from domain.job.state import Job
from domain.ledger.accounts import HOLDERS, Account, AccountKind, Side, account
from domain.ledger.rules import POSTING_RULES, Movement, Rule, movements
from domain.times import DAY, SECOND, Instant
from projections.columns.totals import Key, Measure, Totals, without_zeros
from projections.reconcile.dates import counted_at

Evolve: TypeAlias = Callable[[Any, Any], Any]


class StreamEvents(NamedTuple):
    """All events of a stream in order, as columns: versions, positions, when they occurred, and the facts."""

    stream: UUID
    versions: Sequence[int]
    positions: Sequence[int]
    instants: Sequence[Instant]
    events: Sequence[Any]


class WrongHistory(Exception):
    """Events that cannot follow each other; the sentence names the position."""


class Fold:
    """Adds up streams, one whole stream at a time. ``evolves`` has the fold of each kind of event.

    Memory grows with the accounts that are not empty; no stream's state is kept. Whatever can be is left to the end of
    a stream, or of all of them: there are few of those, and many movements.
    """

    def __init__(self, evolves: Mapping[type, Evolve]) -> None:
        self._evolves = evolves
        self._positions = 0
        self._streams = 0
        self._events: Counter[type] = Counter()
        self._posted: dict[tuple[Rule, int], list[int]] = defaultdict(lambda: [0, 0])
        """How many entries, and their cents, by rule and day."""
        self._balances = _Balances()
        self._states: dict[Account, int] = {}

    def add(self, one: StreamEvents) -> None:
        """A stream with all of its events. Raises WrongHistory."""
        stream, versions, positions, instants, events = one
        if versions != list(range(1, len(versions) + 1)):
            raise WrongHistory(_gap(one))
        self._positions += sum(positions)
        self._streams += 1
        self._events.update(map(type, events))
        told = _told_by(stream, self._state(one))
        if told is not None:
            self._states[told[0]] = told[1]
        moved = _Balances()
        for at, event in zip(instants, events, strict=True):
            if type(event) in POSTING_RULES:
                day = counted_at(event, at) // DAY
                for movement in movements(stream, event):
                    posted = self._posted[movement.rule, day]
                    posted[0] += 1
                    posted[1] += movement.amount_cents
                    moved.post(movement)
        self._balances.take(moved)

    def _state(self, one: StreamEvents) -> Any:
        state: Any = None
        done = 0
        try:
            evolve = self._evolves[type(one.events[0])]
            for event in one.events:
                state = evolve(state, event)
                done += 1
        except (InvariantBroken, LookupError) as error:
            raise WrongHistory(f"position {one.positions[done]} of stream {one.stream}: {error}") from error
        return state

    def totals(self) -> Totals:
        """Of all that was added."""
        whole: dict[Key, int] = defaultdict(int)
        whole[Key(Measure.POSITIONS)] = self._positions
        whole[Key(Measure.STREAMS)] = self._streams
        for event, count in self._events.items():
            whole[Key(Measure.EVENTS, NAMES[event])] = count
        for (rule, day), (count, cents) in self._posted.items():
            whole[Key(Measure.ENTRIES, rule.type.value, month_of_day(day))] += count
            whole[Key(Measure.CENTS, rule.type.value, month_of_day(day))] += cents
            whole[Key(Measure.DEBITS, rule.debit.value)] += cents
            whole[Key(Measure.CREDITS, rule.credit.value)] += cents
        for measure, accounts in ((Measure.BALANCE, self._balances.named()), (Measure.STATE, self._states.items())):
            for one, cents in accounts:
                whole[Key(measure, one.kind.value, one.name)] = cents
        return without_zeros(whole)


class _Balances:
    """What lies in accounts, in cents on their normal sides. They are told apart by kind and holder, which is cheap,
    and get their names in the end, if something is left there: most jobs are over, and their escrow is empty."""

    def __init__(self) -> None:
        self._cents: dict[tuple[AccountKind, int], tuple[int, Movement]] = {}
        """With the first movement of each, which tells whose it is."""

    def post(self, movement: Movement) -> None:
        fields: tuple[Any, ...] = movement
        for kind, holder, sign in _SIDES[movement.rule]:
            key = kind, fields[holder].int if holder else 0
            before = self._cents.get(key)
            cents = sign * movement.amount_cents
            self._cents[key] = (cents, movement) if before is None else (before[0] + cents, before[1])

    def take(self, others: "_Balances") -> None:
        """Add other balances that are not zero."""
        for key, (cents, first) in others._cents.items():
            if cents:
                before = self._cents.get(key)
                self._cents[key] = (cents, first) if before is None else (before[0] + cents, before[1])

    def named(self) -> Iterator[tuple[Account, int]]:
        for (kind, _), (cents, first) in self._cents.items():
            yield account(kind, owner_id=first.owner_id, job_id=first.job_id, tester_id=first.tester_id), cents


def _side(kind: AccountKind, side: Side) -> tuple[AccountKind, int, int]:
    """An account that a rule moves: its kind, where a Movement has the id that tells it from others (0 where there is
    but one), and the sign with which its balance grows."""
    holder = HOLDERS.get(kind)
    return kind, Movement._fields.index(holder) if holder else 0, kind.sign(side)


_SIDES = {
    rule: (_side(rule.debit, Side.DEBIT), _side(rule.credit, Side.CREDIT))
    for rules in POSTING_RULES.values()
    for rule in rules
}


def _gap(one: StreamEvents) -> str:
    number, version, position = next(
        (number, version, position)
        for number, (version, position) in enumerate(zip(one.versions, one.positions, strict=True), 1)
        if version != number
    )
    return f"position {position} is version {version} of stream {one.stream}, and must be {number}"


def _told_by(stream: UUID, state: Any) -> tuple[Account, int] | None:
    """The account for which a stream answers, and what its state says lies there; null for an empty one."""
    if isinstance(state, Job) and state.escrow_cents:
        name = account(AccountKind.ESCROW, owner_id=state.owner_id, job_id=stream, tester_id=None)
        return name, state.escrow_cents
    if isinstance(state, CreditsAccount) and state.balance_cents:
        name = account(AccountKind.OWNER_CREDITS, owner_id=stream, job_id=None, tester_id=None)
        return name, state.balance_cents
    return None


@lru_cache(4_096)
def month_of_day(day: int) -> str:
    """The month in UTC, like 2026-10, of a day since 1970."""
    return f"{datetime.fromtimestamp(day * DAY // SECOND, UTC):%Y-%m}"
