"""Faults put into a sound history at random, and the one break that each of them must be found as."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from random import Random
from typing import Any, NamedTuple
from uuid import UUID, uuid5

from domain.books import events as books
from domain.credits import events as credits
from domain.job import events as job
from domain.recorded import SYSTEM, Recorded
from domain.tester.events import Withdrawn
from domain.times import DAY, HOUR, Instant
from projections.ledger import ENTRIES_PER_EVENT
from projections.reconcile.bank import BANK_WINDOW
from projections.reconcile.breaks import Break, Category
from projections.reconcile.camt import BankLine as Movement
from projections.reconcile.charges import SETTLEMENT_WINDOW
from projections.reconcile.period import Period
from projections.reconcile.reconciliation import Result, reconcile
from projections.reconcile.statement import StatementLine
from tests.projections.told import Told, told_of
from tests.simulation.outside import BankLine, GatewayLine, bank_lines, gateway_lines

Log = list[Recorded[Any]]
_NAMES = UUID(int=0xFA17)
_TOLD_BY_BANK = (books.GatewayPayoutArrived, books.PayoutSettled, books.PayoutReturned)


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

    name: str
    purchase_id: UUID
    at: Instant
    cents: int
    fee: int
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
        self.others: list[GatewayLine] = []
        """The gateway's lines that are no charges."""
        self.bank: list[BankLine] = []
        self.booked = {one.event.reference for one in log if isinstance(one.event, books.GatewayLineBooked)}
        self.seen_at_bank = {one.event.bank_reference for one in log if isinstance(one.event, _TOLD_BY_BANK)}

    def derive(self) -> None:
        """The read models, and what the gateway and the bank tell, as they follow from the log."""
        self.told = told_of(self.log, self.ends)
        self._derive_outside()

    def _derive_outside(self) -> None:
        """Without the names of payouts on the lines that went into them: what is wrong with a line is wrong once."""
        self.charges, self.others = [], []
        bought: dict[UUID, Recorded[Any]] = {}
        for one in self.log:
            if isinstance(one.event, credits.PurchaseCompleted):
                bought.setdefault(one.event.purchase_id, one)
        withdrawn = [one for one in self.log if isinstance(one.event, Withdrawn)]
        lines = gateway_lines([*bought.values()])
        self.bank = bank_lines(withdrawn, lines)
        for line in lines:
            if line.category == books.CHARGE:
                assert line.purchase_id is not None
                self.charges.append(Charge(line.id, line.purchase_id, line.at, line.gross, line.fee))
            else:
                self.others.append(line)

    def event_id(self, position: int) -> UUID:
        return self.log[position - 1].event_id

    def run(self) -> Result:
        left = [one for one in self.log if one.event_id not in self.gone]
        return reconcile(left, self.told, Period(), self.ends, self._gateway(), self._bank())

    def _gateway(self) -> Iterator[StatementLine]:
        charges = [
            GatewayLine(one.name, books.CHARGE, one.at, one.cents, one.fee, one.purchase_id) for one in self.charges
        ]
        off = {one.name: one.off for one in self.charges}
        for number, line in enumerate([*charges, *self.others], 2):
            net = line.gross - line.fee + off.get(line.id, 0)
            facts = (line.id, line.at, line.gross, line.fee, net, line.category, line.purchase_id)
            source = line.payout if line.category == "payout" else ""
            yield StatementLine(*facts, "statement.csv", number, source_id=source)

    def _bank(self) -> Iterator[Movement]:
        for number, line in enumerate(self.bank, 7):
            about = line.payout or ("" if line.withdrawal_id is None else line.withdrawal_id.hex)
            yield Movement(line.reference, line.at, line.cents, (f"to {about}",), "bank.xml", number)

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
    """A charge that is not in the books yet, and still as it should be."""
    expected = _expected_purchases(world)
    free = [
        n
        for n, one in enumerate(world.charges)
        if not one.off and one.name not in world.booked and one.purchase_id not in expected
    ]
    return world.chance.choice(free) if free else None


def _expected_purchases(world: World) -> set[UUID]:
    """The purchases of which a completion is to be told."""
    positions = {expected.position for expected in world.expected}
    return {
        each.event.purchase_id
        for each in world.log
        if each.position in positions and isinstance(each.event, credits.PurchaseCompleted)
    }


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
    return Expected(Category.AMOUNT, _position_of(world, one), f"{one.name} ")


def fee_of_the_gateway_is_wrong(world: World) -> Expected | None:
    n = _charge(world)
    if n is None:
        return None
    one = world.charges[n]
    world.charges[n] = one._replace(off=1)
    return Expected(Category.FEE, subject=f"{one.name} ")


def charged_again(world: World) -> Expected | None:
    """And nothing was given back of it: as much would be what was charged again."""
    n = _charge(world)
    if n is None or any(line.purchase_id == world.charges[n].purchase_id for line in world.others):
        return None
    again = world.charges[n]._replace(name=f"txn_again_{len(world.charges)}")
    world.charges.append(again)
    return Expected(Category.DUPLICATE, _position_of(world, again), f"{again.name} ")


def charged_for_nothing(world: World) -> Expected | None:
    name = f"txn_nobodys_{len(world.expected)}"
    world.charges.append(Charge(name, uuid5(_NAMES, name), world.ends, 999, 0))
    return Expected(Category.UNKNOWN_AT_GATEWAY, subject=f"{name} ")


def refunded_for_nothing(world: World) -> Expected | None:
    name = f"txn_nobodys_{len(world.expected)}"
    world.others.append(GatewayLine(name, books.REFUND, world.ends, -500, 0, uuid5(_NAMES, name)))
    return Expected(Category.UNKNOWN_AT_GATEWAY, subject=f"{name} ")


def refunded_again(world: World) -> Expected | None:
    whole = {one.purchase_id: one.cents for one in world.charges}
    refunds = [line for line in world.others if line.purchase_id and -line.gross == whole.get(line.purchase_id)]
    if not refunds:
        return None
    again = world.chance.choice(refunds)._replace(id=f"txn_again_{len(world.others)}")
    world.others.append(again)
    return Expected(Category.DUPLICATE, subject=f"{again.id} ")


def _booked(world: World) -> int | None:
    """A charge that was booked from another statement, and is still as it should be."""
    named = " ".join(one.subject for one in world.expected)
    free = [n for n, one in enumerate(world.charges) if one.name in world.booked and f"{one.name} " not in f"{named} "]
    return world.chance.choice(free) if free else None


def booked_line_is_gone(world: World) -> Expected | None:
    n = _booked(world)
    if n is None:
        return None
    one = world.charges.pop(n)
    return Expected(Category.MISSING_AT_GATEWAY, _booked_at(world, one.name), one.name)


def booked_line_was_changed(world: World) -> Expected | None:
    n = _booked(world)
    if n is None:
        return None
    one = world.charges[n]
    world.charges[n] = one._replace(fee=one.fee + 7)
    return Expected(Category.AMOUNT, _booked_at(world, one.name), f"{one.name} ")


def _booked_at(world: World, name: str) -> int:
    return next(
        one.position
        for one in world.log
        if isinstance(one.event, books.GatewayLineBooked) and one.event.reference == name
    )


def payout_is_told_again(world: World) -> Expected | None:
    payouts = [line for line in world.others if line.category == "payout"]
    if not payouts:
        return None
    again = world.chance.choice(payouts)._replace(id=f"txn_again_{len(world.others)}")
    world.others.append(again)
    return Expected(Category.DUPLICATE, subject=f"{again.id} ")


# At the bank


def _movement(world: World, *, payout: bool) -> int | None:
    """A movement that is not in the books yet, of a payout or of a withdrawal that stayed where it went."""
    named = " ".join(one.subject for one in world.expected)
    came_back = {line.withdrawal_id for line in world.bank if line.cents > 0}
    free = [
        n
        for n, line in enumerate(world.bank)
        if bool(line.payout) is payout
        and (payout or (line.withdrawal_id is not None and line.withdrawal_id not in came_back))
        and line.reference not in world.seen_at_bank
        and str(line.payout or line.withdrawal_id) not in named
        and f"{line.reference} " not in f"{named} "
    ]
    return world.chance.choice(free) if free else None


def withdrawal_is_missing_at_bank(world: World) -> Expected | None:
    n = _movement(world, payout=False)
    if n is None:
        return None
    line = world.bank.pop(n)
    sent = next(
        one for one in world.log if isinstance(one.event, Withdrawn) and one.event.withdrawal_id == line.withdrawal_id
    )
    is_young = world.ends - sent.occurred_at < BANK_WINDOW
    category = Category.TIMING if is_young else Category.MISSING_AT_BANK
    return Expected(category, sent.position, str(line.withdrawal_id))


def payout_is_missing_at_bank(world: World) -> Expected | None:
    n = _movement(world, payout=True)
    if n is None:
        return None
    line = world.bank.pop(n)
    is_young = world.ends - (line.at - DAY) < BANK_WINDOW
    return Expected(Category.TIMING if is_young else Category.MISSING_AT_BANK, subject=f"payout {line.payout}")


def bank_moved_another_amount(world: World) -> Expected | None:
    n = _movement(world, payout=world.chance.random() < 0.3)
    if n is None:
        return None
    line = world.bank[n]
    world.bank[n] = line._replace(cents=line.cents - 3)
    return Expected(Category.AMOUNT, subject=f"{line.reference} ")


def bank_paid_again(world: World) -> Expected | None:
    n = _movement(world, payout=False)
    if n is None:
        return None
    again = world.bank[n]._replace(reference=f"B-again-{len(world.bank)}", at=world.bank[n].at + 1)
    world.bank.append(again)
    return Expected(Category.DUPLICATE, subject=f"{again.reference} ")


def bank_moved_for_nothing(world: World) -> Expected | None:
    line = BankLine(f"B-nobodys-{len(world.bank)}", world.ends, world.chance.choice((-12, 900)))
    world.bank.append(line)
    return Expected(Category.UNKNOWN_AT_BANK, subject=f"{line.reference} ")


IN_THE_LOG: tuple[Fault, ...] = (
    wrong_fee, two_halves_differ, completed_twice, held_for_nothing, charge_is_on_its_way, event_is_gone,
)  # fmt: skip
AFTER_IT: tuple[Fault, ...] = (
    row_is_missing, row_has_another_amount, row_is_nobodys, row_lacks_a_half, balance_drifted, wallet_drifted,
    charge_is_missing, charge_has_another_amount, fee_of_the_gateway_is_wrong, charged_again, charged_for_nothing,
    refunded_for_nothing, refunded_again, payout_is_told_again, withdrawal_is_missing_at_bank,
    payout_is_missing_at_bank, bank_moved_another_amount, bank_paid_again, bank_moved_for_nothing,
)  # fmt: skip
WHERE_BOOKED: tuple[Fault, ...] = (booked_line_is_gone, booked_line_was_changed)
"""In a log into which statements were taken before."""


def spoil(world: World, of_each: int) -> None:
    """Put in so many faults of each kind; those in the log first, because all else follows from it."""
    after = (*AFTER_IT, *(WHERE_BOOKED if world.booked else ()))
    for faults in (IN_THE_LOG, after):
        for fault in faults:
            for _ in range(of_each):
                if (expected := fault(world)) is not None:
                    world.expected.append(expected)
        if faults is IN_THE_LOG:
            world.derive()
            young = " ".join(e.subject for e in world.expected if e.category is Category.TIMING)
            world.charges = [one for one in world.charges if str(one.purchase_id) not in young]
            world.others = [line for line in world.others if str(line.purchase_id) not in young]
