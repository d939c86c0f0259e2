"""What a part of the log adds up to: whole numbers by name, and nothing else.

Totals form a group under addition, number by number; zeros are left out. So it does not matter into which parts a log
was cut, who counted them, nor in which order they are added: the whole is the same, and two wholes can be compared.
"""

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import NamedTuple, TypeAlias

from domain.ledger.accounts import AccountKind, Side


class Measure(StrEnum):
    """What is counted; after the colon, of what and of which (see Key)."""

    POSITIONS = "positions"
    """The sum of all positions: with the number of events it tells that none is missing and none there twice."""
    STREAMS = "streams"
    EVENTS = "events"
    """Events: name."""
    ENTRIES = "entries"
    """Journal entries: type, and the month in UTC to which they belong."""
    CENTS = "cents"
    """Their amounts: type, month."""
    DEBITS = "debits"
    """Cents that were debited: kind of account."""
    CREDITS = "credits"
    """Cents that were credited: kind of account."""
    BALANCE = "balance"
    """What lies in an account by its postings, in cents on its normal side: kind, account."""
    STATE = "state"
    """What lies there by the state of the stream that answers for it, a job's or an owner's: kind, account."""


class Key(NamedTuple):
    """The name of a number."""

    measure: str
    of: str = ""
    which: str = ""

    def __str__(self) -> str:
        return " ".join(part for part in self if part)


Totals: TypeAlias = Mapping[Key, int]


def merged(parts: Iterable[Totals]) -> Totals:
    """The totals of all parts together."""
    whole: dict[Key, int] = {}
    for part in parts:
        for key, number in part.items():
            whole[key] = whole.get(key, 0) + number
    return without_zeros(whole)


def without_zeros(numbers: Mapping[Key, int]) -> Totals:
    return {key: number for key, number in numbers.items() if number}


class Difference(NamedTuple):
    """One number that was reached in two ways, and differs."""

    name: str
    left: str
    left_number: int
    right: str
    right_number: int


STATES_TELL = (AccountKind.ESCROW, AccountKind.OWNER_CREDITS)
"""The accounts for each of which one stream answers with its state."""


def differences(left: str, one: Totals, right: str, other: Totals) -> Iterator[Difference]:
    """Every number in which two totals of the same log differ."""
    for key in sorted({*one, *other}):
        a, b = one.get(key, 0), other.get(key, 0)
        if a != b:
            yield Difference(str(key), left, a, right, b)


def contradictions(whole: Totals, position: int) -> Iterator[Difference]:
    """What cannot be in the totals of a whole log up to a position: events amiss, books that do not balance, accounts
    that are overdrawn, or hold something else than the stream that answers for them says."""
    found = (
        Difference("events", "counted", events(whole), "in the log", position),
        Difference(
            "sum of positions", "counted", whole.get(Key(Measure.POSITIONS), 0), "in the log", _sum_up_to(position)
        ),
        Difference("trial balance", "debits", side_cents(whole, Side.DEBIT), "credits", side_cents(whole, Side.CREDIT)),
    )
    yield from (one for one in found if one.left_number != one.right_number)
    for key in sorted(whole):
        if key.measure == Measure.BALANCE and whole[key] < 0 and not AccountKind(key.of).may_go_below_zero:
            yield Difference(f"account {key.which}", "balance", whole[key], "at least", 0)
    for name in sorted(_told_twice(whole)):
        posted, state = (whole.get(Key(measure, *name), 0) for measure in (Measure.BALANCE, Measure.STATE))
        if posted != state:
            yield Difference(f"account {name[1]}", "by its postings", posted, "by its stream", state)


def _sum_up_to(position: int) -> int:
    return position * (position + 1) // 2


def _told_twice(whole: Totals) -> set[tuple[str, str]]:
    kinds = {kind.value for kind in STATES_TELL}
    return {(key.of, key.which) for key in whole if key.measure in (Measure.BALANCE, Measure.STATE) and key.of in kinds}


def events(whole: Totals) -> int:
    """How many there are."""
    return sum(number for key, number in whole.items() if key.measure == Measure.EVENTS)


def kind_cents(whole: Totals, kind: AccountKind) -> int:
    """What lies in all accounts of a kind, on its normal side."""
    debits, credits = (whole.get(Key(measure, kind), 0) for measure in (Measure.DEBITS, Measure.CREDITS))
    return kind.sign(Side.DEBIT) * (debits - credits)


def side_cents(whole: Totals, side: Side) -> int:
    """What lies in all accounts whose balances are told on a side."""
    return sum(kind_cents(whole, kind) for kind in AccountKind if kind.normal_side is side)
