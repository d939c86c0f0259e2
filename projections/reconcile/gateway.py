"""The purchases of the log against the charges of the gateway's statement."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple
from uuid import UUID

from domain.credits import events as credits
from domain.recorded import Recorded
from domain.times import DAY, Instant
from projections.reconcile.breaks import Break, Category
from projections.reconcile.period import Period
from projections.reconcile.statement import MAX_LINES, StatementLine, StatementWrong
from projections.times import iso

SETTLEMENT_WINDOW = 2 * DAY
"""How much later than the log a gateway may tell of a charge."""

CHARGE = "charge"
_OF_THE_GATEWAYS_OWN = frozenset({"payout", "payout_reversal", "fee"})
"""Money that moves between the gateway and the platform alone; no owner's credits follow from it."""


class _Purchase(NamedTuple):
    cents: int
    position: int
    at: Instant
    is_completed: bool


class Gateway:
    """Statements that are matched with the purchases of the log. Raises StatementWrong for what cannot be one's."""

    def __init__(self, lines: Iterable[StatementLine], period: Period) -> None:
        self._period = period
        self._charges: dict[UUID, list[StatementLine]] = {}
        self._others: list[StatementLine] = []
        self._purchases: dict[UUID, _Purchase] = {}
        self._found: list[Break] = []
        self.totals: dict[str, tuple[int, int, int, int]] = {}
        """Lines, gross, fee and net in cents, by reporting category."""
        self.purchased_cents = 0
        seen: set[str] = set()
        for line in lines:
            self._take(line, seen)

    def _take(self, line: StatementLine, seen: set[str]) -> None:
        self._check_time(line)
        if line.id in seen:
            raise StatementWrong(line.file, line.line, f"{line.id} stands in the statements twice; remove one")
        if len(seen) >= MAX_LINES:
            raise StatementWrong(line.file, line.line, f"a run takes {MAX_LINES:,} lines at most")
        seen.add(line.id)
        count, gross, fee, net = self.totals.get(line.category, (0, 0, 0, 0))
        self.totals[line.category] = (count + 1, gross + line.gross_cents, fee + line.fee_cents, net + line.net_cents)
        if line.gross_cents - line.fee_cents != line.net_cents:
            detail = f"{line.gross_cents} cents less a fee of {line.fee_cents} are not {line.net_cents}"
            off = line.net_cents - line.gross_cents + line.fee_cents
            self._found.append(_at_gateway(Category.FEE, line, detail, off, ()))
        if line.category == CHARGE and line.purchase_id is not None:
            self._charges.setdefault(line.purchase_id, []).append(line)
        elif line.category not in _OF_THE_GATEWAYS_OWN:
            self._others.append(line)

    def _check_time(self, line: StatementLine) -> None:
        """A statement of another month would find nothing but breaks."""
        begins, ends = self._period.begins, self._period.as_of
        early = begins is not None and line.created_at < begins - SETTLEMENT_WINDOW
        late = ends is not None and line.created_at > ends + SETTLEMENT_WINDOW
        if early or late:
            what = f"created_utc is {iso(line.created_at)}, outside of the period that is reconciled"
            raise StatementWrong(line.file, line.line, f"{what}; give the statement of that period")

    def see(self, recorded: Recorded[Any]) -> None:
        match recorded.event:
            case credits.PurchaseStarted(purchase_id=purchase_id, amount_cents=cents):
                self._purchases[purchase_id] = _Purchase(cents, recorded.position, recorded.occurred_at, False)
            case credits.PurchaseCompleted(purchase_id=purchase_id, amount_cents=cents):
                self._purchases[purchase_id] = _Purchase(cents, recorded.position, recorded.occurred_at, True)
                if not self._period.is_opening(recorded.occurred_at):
                    self.purchased_cents += cents
            case _:
                pass

    def breaks(self, end: Instant) -> Iterator[Break]:
        """All that differs; ``end`` is the instant up to which the log was read."""
        yield from self._found
        for line in self._others:
            yield _at_gateway(
                Category.UNKNOWN_AT_GATEWAY, line, f"a {line.category} that names no purchase", line.gross_cents, ()
            )
        for purchase_id, lines in self._charges.items():
            yield from self._charged(lines, self._purchases.get(purchase_id), end)
        for purchase_id, purchase in self._purchases.items():
            if purchase.is_completed and purchase_id not in self._charges:
                yield from self._not_charged(purchase_id, purchase, end)

    def _charged(self, lines: list[StatementLine], purchase: _Purchase | None, end: Instant) -> Iterator[Break]:
        first, *again = lines
        for line in again:
            position = () if purchase is None else (purchase.position,)
            yield _at_gateway(Category.DUPLICATE, line, "the purchase was charged again", line.gross_cents, position)
        if purchase is None or not purchase.is_completed:
            is_young = end - first.created_at < SETTLEMENT_WINDOW
            category = Category.TIMING if purchase and is_young else Category.UNKNOWN_AT_GATEWAY
            position = () if purchase is None else (purchase.position,)
            detail = "the gateway charged what the log has not completed"
            yield _at_gateway(category, first, detail, first.gross_cents, position)
        elif first.gross_cents != purchase.cents:
            detail = f"charged {first.gross_cents} cents for a purchase of {purchase.cents}"
            off = first.gross_cents - purchase.cents
            yield _at_gateway(Category.AMOUNT, first, detail, off, (purchase.position,))

    def _not_charged(self, purchase_id: UUID, purchase: _Purchase, end: Instant) -> Iterator[Break]:
        if self._period.is_opening(purchase.at):
            return
        is_young = end - purchase.at < SETTLEMENT_WINDOW
        category = Category.TIMING if is_young else Category.MISSING_AT_GATEWAY
        detail = f"{purchase.cents} cents were credited; no statement tells of the charge"
        yield Break(category, f"purchase {purchase_id}", detail, -purchase.cents, (purchase.position,), purchase.at)


def _at_gateway(
    category: Category, line: StatementLine, detail: str, amount_cents: int, positions: tuple[int, ...]
) -> Break:
    return Break(
        category, f"{line.id} ({line.file}, line {line.line})", detail, amount_cents, positions, line.created_at
    )
