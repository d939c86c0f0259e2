"""Faults put into a sound history at random, and the one break that each of them must be found as."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from random import Random
from typing import Any, NamedTuple
from uuid import UUID, uuid5

from domain.credits import events as credits
from domain.job import events as job
from domain.recorded import SYSTEM, Recorded
from domain.times import HOUR, Instant
from projections.ledger import ENTRIES_PER_EVENT
from projections.reconcile.breaks import Break, Category
from projections.reconcile.gateway import SETTLEMENT_WINDOW
from projections.reconcile.period import Period
from projections.reconcile.reconciliation import Result, reconcile
from projections.reconcile.statement import read_statement, statement_charge, statement_header
from tests.projections.told import Told, told_of

Log = list[Recorded[Any]]
_NAMES = UUID(int=0xFA17)


class Expected(NamedTuple):
    """What a fault must be found as: in its category, at a position (0: at none) or about a subject."""

    category: Category
    position: int = 0
    subject: str = ""

    def is_met_by(self, found: Break) -> bool:
        return (
            found.category is self.category
            and (not self.position or self.position in found.positions)
            and self.subject in found.subject
        )


class Charge(NamedTuple):
    """A line of the gateway's statement."""

    number: int
    purchase_id: UUID
    at: Instant
    cents: int
    off: int = 0
    """By how many cents its net is wrong."""


class World:
    """A log, what the read models tell of it, and the gateway's book; all of them sound to begin with."""

    def __init__(self, log: Sequence[Recorded[Any]], ends: Instant, chance: Random) -> None:
        self.log: Log = list(log)
        self.ends = ends
        self.chance = chance
        self.expected: list[Expected] = []
        self.jobs_used: set[UUID] = set()
        self.gone: set[UUID] = set()
        self.told: Told
        self.charges: list[Charge] = []

    def derive(self) -> None:
        """The read models and the gateway's book, as they follow from the log."""
        self.told = told_of(self.log, self.ends)
        seen: dict[UUID, Charge] = {}
        for one in self.log:
            if isinstance(one.event, credits.PurchaseCompleted):
                event = one.event
                charge = Charge(one.position, event.purchase_id, one.occurred_at, event.amount_cents)
                seen.setdefault(event.purchase_id, charge)
        self.charges = list(seen.values())

    def event_id(self, position: int) -> UUID:
        return self.log[position - 1].event_id

    def run(self) -> Result:
        left = [one for one in self.log if one.event_id not in self.gone]
        lines = read_statement("statement.csv", self._statement())
        return reconcile(left, self.told, Period(), lines)

    def _statement(self) -> Iterator[str]:
        yield statement_header()
        for one in self.charges:
            line = statement_charge(one.number, one.purchase_id, one.at, one.cents, 0)
            amount = f"{one.cents // 100}.{one.cents % 100:02d}"
            wrong = one.cents + one.off
            yield line.replace(f",0.00,{amount},", f",0.00,{wrong // 100}.{wrong % 100:02d},")

    # Changing the log: positions and versions are made anew

    def put(self, position: int, **changed: Any) -> None:
        one = self.log[position - 1]
        self.log[position - 1] = one._replace(event=replace(one.event, **changed))

    def add(self, stream: UUID, event: Any) -> Recorded[Any]:
        """One more event at the end."""
        version = 1 + max((one.version for one in self.log if one.stream == stream), default=0)
        position = len(self.log) + 1
        event_id = uuid5(_NAMES, str(position))
        one: Recorded[Any] = Recorded(
            stream, version, position, event_id, self.ends, self.ends, SYSTEM, None, event_id, None, event
        )
        self.log.append(one)
        return one

    def some(self, *kinds: type) -> Recorded[Any] | None:
        """An event of some kind, of a stream that no other fault is in."""
        found = [one for one in self.log if isinstance(one.event, kinds) and one.stream not in self.jobs_used]
        if not found:
            return None
        chosen = self.chance.choice(found)
        self.jobs_used.add(chosen.stream)
        return chosen


Fault = Callable[[World], Expected | None]


# In the log


def wrong_fee(world: World) -> Expected | None:
    """A cent less than the rule says was earned and taken; everything else follows from it."""
    settled = [one for one in world.log if isinstance(one.event, job.Settled) and one.event.released_cents]
    world.chance.shuffle(settled)
    for one in settled:
        if one.stream in world.jobs_used:
            continue
        of_job = [other for other in world.log if other.stream == one.stream]
        for done in of_job:
            if not isinstance(done.event, job.TaskCompleted) or not done.event.fee_cents:
                continue
            decided = [o for o in of_job if getattr(o.event, "assignment_id", 0) == done.event.assignment_id]
            granted = [o for o in decided if isinstance(o.event, job.PayoutGranted)]
            if len(granted) != 1 or any(isinstance(o.event, job.Refunded) for o in decided):
                continue
            freed = next(
                o
                for o in world.log[one.position - 2 :]
                if isinstance(o.event, credits.Released)
                and o.event.job_id == one.stream
                and o.event.amount_cents == one.event.released_cents
            )
            world.jobs_used.add(one.stream)
            world.put(done.position, fee_cents=done.event.fee_cents - 1)
            world.put(granted[0].position, fee_cents=granted[0].event.fee_cents - 1)
            event = one.event
            world.put(one.position, hold_cents=event.hold_cents - 1, released_cents=event.released_cents + 1)
            world.put(freed.position, amount_cents=event.released_cents + 1)
            return Expected(Category.FEE, done.position)
    return None


def two_halves_differ(world: World) -> Expected | None:
    held = [one for one in world.log if isinstance(one.event, credits.Held) and one.event.job_id not in world.jobs_used]
    if not held:
        return None
    one = world.chance.choice(held)
    world.jobs_used.add(one.event.job_id)
    world.put(one.position, amount_cents=one.event.amount_cents + world.chance.choice((1, -1, 1000)))
    return Expected(Category.AMOUNT, one.position)


def completed_twice(world: World) -> Expected | None:
    done = [one for one in world.log if isinstance(one.event, credits.PurchaseCompleted)]
    one = world.chance.choice(done)
    return Expected(Category.DUPLICATE, world.add(one.stream, one.event).position)


def held_for_nothing(world: World) -> Expected | None:
    owner = world.chance.choice([one.stream for one in world.log if isinstance(one.event, credits.Held)])
    event = credits.Held(job_id=uuid5(_NAMES, f"no job {len(world.log)}"), amount_cents=world.chance.randint(1, 500))
    return Expected(Category.ORPHAN_HOLD, world.add(owner, event).position)


def charge_is_on_its_way(world: World) -> Expected | None:
    owner = world.chance.choice([one.stream for one in world.log if isinstance(one.event, credits.Held)])
    purchase_id = uuid5(_NAMES, f"purchase {len(world.log)}")
    world.ends += HOUR
    world.add(owner, credits.PurchaseStarted(purchase_id=purchase_id, amount_cents=700))
    event = credits.PurchaseCompleted(purchase_id=purchase_id, amount_cents=700, reference="young")
    return Expected(Category.TIMING, world.add(owner, event).position, str(purchase_id))


def event_is_gone(world: World) -> Expected | None:
    """Of an event that no money hangs on."""
    kinds = (job.Paused, job.Resumed, job.Stopped, job.SlotTaken, job.ReservationExpired, job.ProofRejected)
    one = world.some(*kinds)
    if one is None or one.position == len(world.log):
        return None
    world.gone.add(one.event_id)
    is_last = not any(other.stream == one.stream and other.version > one.version for other in world.log)
    return Expected(Category.VERSION_GAP, subject="log" if is_last else str(one.stream))


# In the read models


def _row(world: World) -> int:
    """An entry that is still as it should be."""
    free = [key for key in world.told.rows if key // ENTRIES_PER_EVENT not in {e.position for e in world.expected}]
    return world.chance.choice(free)


def row_is_missing(world: World) -> Expected | None:
    key = _row(world)
    del world.told.rows[key]
    return Expected(Category.MISSING_IN_READ_MODEL, key // ENTRIES_PER_EVENT)


def row_has_another_amount(world: World) -> Expected | None:
    key = _row(world)
    row = world.told.rows[key]
    world.told.rows[key] = row._replace(amount_cents=row.amount_cents + 1)
    return Expected(Category.READ_MODEL_DRIFT, key // ENTRIES_PER_EVENT)


def row_is_nobodys(world: World) -> Expected | None:
    key = _row(world) // ENTRIES_PER_EVENT * ENTRIES_PER_EVENT + 3
    world.told.rows[key] = next(iter(world.told.rows.values()))._replace(entry=key)
    return Expected(Category.READ_MODEL_DRIFT, key // ENTRIES_PER_EVENT, f"{key // ENTRIES_PER_EVENT}-3")


def row_lacks_a_half(world: World) -> Expected | None:
    key = _row(world)
    world.told.rows[key] = world.told.rows[key]._replace(credit_account=None)
    return Expected(Category.UNBALANCED_ENTRY, key // ENTRIES_PER_EVENT)


def _untouched(world: World, names: Sequence[str]) -> str:
    return world.chance.choice([name for name in names if not any(e.subject == name for e in world.expected)])


def balance_drifted(world: World) -> Expected | None:
    name = _untouched(world, list(world.told.sums))
    world.told.sums[name] += world.chance.choice((1, -1))
    return Expected(Category.READ_MODEL_DRIFT, subject=name)


def wallet_drifted(world: World) -> Expected | None:
    testers = [name for name in world.told.testers if not any(name in e.subject for e in world.expected)]
    if not testers:
        return None
    name = world.chance.choice(testers)
    row = world.told.testers[name]
    world.told.testers[name] = row._replace(granted_cents=row.granted_cents + 1)
    return Expected(Category.READ_MODEL_DRIFT, subject=f"wallet of tester {name}")


# At the gateway


def _charge(world: World) -> int | None:
    """A charge that is old, and still as it should be."""
    free = [n for n, one in enumerate(world.charges) if not one.off and not _is_expected(world, one)]
    return world.chance.choice(free) if free else None


def _is_expected(world: World, one: Charge) -> bool:
    positions = {e.position for e in world.expected}
    return any(
        other.position in positions
        for other in world.log
        if isinstance(other.event, credits.PurchaseCompleted) and other.event.purchase_id == one.purchase_id
    )


def _position_of(world: World, one: Charge) -> int:
    """Of the last completion: where a purchase was completed twice, that is the one that is told."""
    return max(
        other.position
        for other in world.log
        if isinstance(other.event, credits.PurchaseCompleted) and other.event.purchase_id == one.purchase_id
    )


def charge_is_missing(world: World) -> Expected | None:
    n = _charge(world)
    if n is None:
        return None
    one = world.charges.pop(n)
    position = _position_of(world, one)
    is_young = world.ends - world.log[position - 1].occurred_at < SETTLEMENT_WINDOW
    return Expected(Category.TIMING if is_young else Category.MISSING_AT_GATEWAY, position)


def charge_has_another_amount(world: World) -> Expected | None:
    n = _charge(world)
    if n is None:
        return None
    one = world.charges[n]
    world.charges[n] = one._replace(cents=one.cents + 100)
    return Expected(Category.AMOUNT, _position_of(world, one), f"txn_{one.number} ")


def fee_of_the_gateway_is_wrong(world: World) -> Expected | None:
    n = _charge(world)
    if n is None:
        return None
    one = world.charges[n]
    world.charges[n] = one._replace(off=1)
    return Expected(Category.FEE, subject=f"txn_{one.number} ")


def charged_again(world: World) -> Expected | None:
    n = _charge(world)
    if n is None:
        return None
    again = world.charges[n]._replace(number=1_000_000 + len(world.charges) + len(world.expected))
    world.charges.append(again)
    return Expected(Category.DUPLICATE, _position_of(world, again), f"txn_{again.number} ")


def charged_for_nothing(world: World) -> Expected | None:
    number = 2_000_000 + len(world.expected)
    world.charges.append(Charge(number, uuid5(_NAMES, f"charge {number}"), world.ends, 999))
    return Expected(Category.UNKNOWN_AT_GATEWAY, subject=f"txn_{number} ")


IN_THE_LOG: tuple[Fault, ...] = (
    wrong_fee, two_halves_differ, completed_twice, held_for_nothing, charge_is_on_its_way, event_is_gone,
)  # fmt: skip
AFTER_IT: tuple[Fault, ...] = (
    row_is_missing, row_has_another_amount, row_is_nobodys, row_lacks_a_half, balance_drifted, wallet_drifted,
    charge_is_missing, charge_has_another_amount, fee_of_the_gateway_is_wrong, charged_again, charged_for_nothing,
)  # fmt: skip


def spoil(world: World, of_each: int) -> None:
    """Put in so many faults of each kind; those in the log first, because all else follows from it."""
    for faults in (IN_THE_LOG, AFTER_IT):
        for fault in faults:
            for _ in range(of_each):
                if (expected := fault(world)) is not None:
                    world.expected.append(expected)
        if faults is IN_THE_LOG:
            world.derive()
            young = {e.position for e in world.expected if e.category is Category.TIMING}
            world.charges = [one for one in world.charges if one.number not in young]
