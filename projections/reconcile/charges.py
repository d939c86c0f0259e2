"""Purchases against the gateway's lines about them: what was charged for each, and what was taken back of it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

from domain.books import events as books
from domain.credits import events as credits
from domain.recorded import Recorded
from domain.times import DAY, Instant
from projections.reconcile.breaks import Break, Category
from projections.reconcile.period import Period
from projections.reconcile.settled import Settled
from projections.reconcile.statement import StatementLine

SETTLEMENT_WINDOW = 2 * DAY
"""How much later than the log a gateway may tell of a charge."""
TAKES_BACK = frozenset({books.REFUND, books.DISPUTE})


class _Purchase(NamedTuple):
    owner_id: UUID
    cents: int
    position: int
    at: Instant
    is_completed: bool


@dataclass(slots=True)
class _Standing:
    """What the lines about one purchase come to.

    ``charge`` is the line that pays it, with ``charged_cents``, empty before there is one; ``again`` what was charged
    beside it, and not given back; ``taken_back_cents`` what was taken back from the owner.
    """

    charge: str = ""
    charged_cents: int = 0
    again: list[int] = field(default_factory=list)
    taken_back_cents: int = 0

    def give_back(self, cents: int) -> bool:
        """Whether it is what was charged again."""
        if cents not in self.again:
            return False
        self.again.remove(cents)
        return True


_NOTHING = _Standing()


class Charges:
    """The lines of charges, refunds and chargebacks that name a purchase, matched with the purchases of the log."""

    def __init__(self, period: Period) -> None:
        self._period = period
        self._charges: dict[UUID, list[StatementLine]] = {}
        self._back: list[StatementLine] = []
        self._purchases: dict[UUID, _Purchase] = {}
        self._standings: dict[UUID, _Standing] = {}
        self._booked: set[str] = set()
        self._reversed: dict[str, int] = {}
        """What each line has taken from its owner, or is about to, in cents."""

    # What the statements say

    def take(self, line: StatementLine) -> bool:
        """Whether it is a line of these."""
        if line.purchase_id is None:
            return False
        if line.category == books.CHARGE:
            self._charges.setdefault(line.purchase_id, []).append(line)
            return True
        if line.category in TAKES_BACK and line.gross_cents < 0:
            self._back.append(line)
            return True
        return False

    # What the log says

    def see(self, recorded: Recorded[Any]) -> None:
        at, position = recorded.occurred_at, recorded.position
        match recorded.event:
            case credits.PurchaseStarted(purchase_id=purchase_id, amount_cents=cents):
                self._purchases[purchase_id] = _Purchase(recorded.stream, cents, position, at, False)
            case credits.PurchaseCompleted(purchase_id=purchase_id, amount_cents=cents):
                self._purchases[purchase_id] = _Purchase(recorded.stream, cents, position, at, True)
            case books.GatewayLineBooked(purchase_id=UUID()) as event:
                self._see_booked(event)
            case _:
                pass

    def _see_booked(self, event: books.GatewayLineBooked) -> None:
        assert event.purchase_id is not None
        self._booked.add(event.reference)
        self._reversed[event.reference] = event.reversed_cents
        standing = self._standings.setdefault(event.purchase_id, _Standing())
        standing.taken_back_cents += event.reversed_cents
        if event.category != books.CHARGE:
            standing.give_back(-event.gross_cents - event.reversed_cents)
        elif standing.charge:
            standing.again.append(event.gross_cents)
        else:
            standing.charge, standing.charged_cents = event.reference, event.gross_cents

    # What differs

    def breaks(self, end: Instant, settled: Settled, taken_until: frozenset[Instant]) -> Iterator[Break]:
        """All that differs; ``end`` is the instant up to which the log was read, ``taken_until`` are the ends of
        months whose statements were taken in."""
        for purchase_id, lines in self._charges.items():
            yield from self._charged(purchase_id, lines, end, settled)
        begins = self._period.begins
        # Where the month before was closed in another time zone, it ends some hours earlier or later.
        looks_back = begins is not None and any(abs(end - begins) < DAY for end in taken_until)
        for purchase_id, purchase in self._purchases.items():
            standing = self._standings.get(purchase_id, _NOTHING)
            here = any(line.id == standing.charge for line in self._charges.get(purchase_id, ()))
            if purchase.is_completed and not here:
                yield from self._not_charged(purchase_id, purchase, standing, end, settled, looks_back)
        for line in sorted(self._back, key=lambda line: line.created_at):
            yield from self._taken_back(line)

    def _charged(
        self, purchase_id: UUID, lines: list[StatementLine], end: Instant, settled: Settled
    ) -> Iterator[Break]:
        purchase = self._purchases.get(purchase_id)
        positions = () if purchase is None else (purchase.position,)
        standing = self._standings.setdefault(purchase_id, _Standing())
        for line in sorted(lines, key=lambda line: line.created_at):
            if not standing.charge:
                standing.charge, standing.charged_cents = line.id, line.gross_cents
            if line.id != standing.charge:
                if line.id not in self._booked:
                    standing.again.append(line.gross_cents)
                yield at_gateway(
                    Category.DUPLICATE, line, "the purchase was charged again", line.gross_cents, positions
                )
            elif purchase is None or not purchase.is_completed:
                is_young = end - line.created_at < SETTLEMENT_WINDOW
                category = Category.TIMING if purchase and is_young else Category.UNKNOWN_AT_GATEWAY
                detail = "the gateway charged what the log has not completed"
                yield at_gateway(category, line, detail, line.gross_cents, positions)
            else:
                yield from self._paid(purchase_id, purchase, line, settled)

    def _paid(self, purchase_id: UUID, purchase: _Purchase, line: StatementLine, settled: Settled) -> Iterator[Break]:
        if line.gross_cents != purchase.cents:
            yield _charged_otherwise(purchase_id, purchase, line.subject, line.gross_cents, line.created_at)
        else:
            key = purchase_key(purchase_id)
            yield from settled.undone(key, line.subject, line.created_at, books.AdjustedAccount.GATEWAY)

    def _not_charged(
        self,
        purchase_id: UUID,
        purchase: _Purchase,
        standing: _Standing,
        end: Instant,
        settled: Settled,
        looks_back: bool,
    ) -> Iterator[Break]:
        """What was told before is settled. Of what came before the period only the last can still be on its way, and
        only where the statement of the month before was taken in."""
        if self._period.is_opening(purchase.at + (SETTLEMENT_WINDOW if looks_back else 0)):
            return
        gateway, subject = books.AdjustedAccount.GATEWAY, f"purchase {purchase_id}"
        if standing.charge:
            if standing.charged_cents != purchase.cents:
                yield _charged_otherwise(purchase_id, purchase, subject, standing.charged_cents, purchase.at)
            yield from settled.undone(line_key(standing.charge), subject, purchase.at, gateway)
            return
        is_young = end - purchase.at < SETTLEMENT_WINDOW
        category = Category.TIMING if is_young else Category.MISSING_AT_GATEWAY
        detail = f"{purchase.cents} cents were credited; no statement tells of the charge"
        positions, key = (purchase.position,), purchase_key(purchase_id)
        yield Break(category, subject, detail, -purchase.cents, positions, purchase.at, gateway, key)

    def _taken_back(self, line: StatementLine) -> Iterator[Break]:
        """As much as was charged again is not the owner's, for it never was credited. Of all else the owner gives what
        the purchase has credited and no other line has taken back; the rest is a break."""
        assert line.purchase_id is not None
        purchase = self._purchases.get(line.purchase_id)
        if purchase is None or not purchase.is_completed:
            position = () if purchase is None else (purchase.position,)
            detail = f"a {line.category} of what the log has not completed"
            yield at_gateway(Category.UNKNOWN_AT_GATEWAY, line, detail, line.gross_cents, position)
            return
        standing, cents = self._standings.setdefault(line.purchase_id, _Standing()), -line.gross_cents
        if line.id not in self._booked:
            left = max(0, purchase.cents - standing.taken_back_cents)
            self._reversed[line.id] = 0 if standing.give_back(cents) else min(cents, left)
            standing.taken_back_cents += self._reversed[line.id]
        from_owner = self._reversed[line.id]
        if from_owner != cents:
            others = f"{cents - from_owner} of them were charged again, or taken back before"
            detail = f"a {line.category} of {cents} cents of a purchase of {purchase.cents}; {others}"
            yield at_gateway(Category.DUPLICATE, line, detail, from_owner - cents, (purchase.position,))

    # What can be taken into the books

    def reversed_cents(self, line: StatementLine) -> int:
        """What a line takes from its owner, once ``breaks`` was asked."""
        return self._reversed.get(line.id, 0)

    def owner_of(self, line: StatementLine) -> UUID | None:
        """Whose purchase a line is about; null for one that nobody knows."""
        purchase = None if line.purchase_id is None else self._purchases.get(line.purchase_id)
        return None if purchase is None else purchase.owner_id


def purchase_key(purchase_id: UUID) -> str:
    return f"purchase:{purchase_id}"


def _charged_otherwise(purchase_id: UUID, purchase: _Purchase, subject: str, cents: int, since: Instant) -> Break:
    detail = f"charged {cents} cents for a purchase of {purchase.cents}"
    gateway, positions = books.AdjustedAccount.GATEWAY, (purchase.position,)
    key, off = purchase_key(purchase_id), cents - purchase.cents
    return Break(Category.AMOUNT, subject, detail, off, positions, since, gateway, key)


def line_key(reference: str) -> str:
    return f"gateway:{reference}"


def at_gateway(
    category: Category, line: StatementLine, detail: str, amount_cents: int, positions: tuple[int, ...] = ()
) -> Break:
    """A break about a line."""
    gateway = books.AdjustedAccount.GATEWAY
    return Break(category, line.subject, detail, amount_cents, positions, line.created_at, gateway, line_key(line.id))
