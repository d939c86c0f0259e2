"""The purchases of the log, and what was booked before, against the lines of the gateway's statements.

What agrees and is not booked yet can be taken into the books; see ``bookings``.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple
from uuid import UUID

from domain.books import events as books
from domain.credits import events as credits
from domain.recorded import Recorded
from domain.times import DAY, Instant
from projections.reconcile.breaks import Break, Category
from projections.reconcile.period import Period
from projections.reconcile.settled import Settled
from projections.reconcile.statement import MAX_LINES, StatementLine, StatementWrong
from projections.times import iso

SETTLEMENT_WINDOW = 2 * DAY
"""How much later than the log a gateway may tell of a charge."""

PAYOUT, PAYOUT_REVERSAL, FEE = "payout", "payout_reversal", "fee"
"""Categories of lines that are about money between the gateway and the platform alone."""
_TAKES_BACK = frozenset({books.REFUND, books.DISPUTE})


class _Purchase(NamedTuple):
    owner_id: UUID
    cents: int
    position: int
    at: Instant
    is_completed: bool


class _Booked(NamedTuple):
    """A line that is in the books already."""

    gross_cents: int
    net_cents: int
    position: int
    at: Instant


class PaidOut(NamedTuple):
    """A payout of the gateway to the bank; position 0 where it is not booked yet."""

    cents: int
    position: int
    at: Instant
    is_returned: bool = False


class Gateway:
    """Statements that are matched with the log. Raises StatementWrong for what cannot be one's."""

    def __init__(self, lines: Iterable[StatementLine], period: Period) -> None:
        self._period = period
        self._lines: dict[str, StatementLine] = {}
        self._charges: dict[UUID, list[StatementLine]] = {}
        self._payouts: dict[str, StatementLine] = {}
        self._payout_lines: dict[str, list[StatementLine]] = {}
        self._booked_by_payout: dict[str, int] = {}
        self._reversed_payouts: list[StatementLine] = []
        self._purchases: dict[UUID, _Purchase] = {}
        self._booked: dict[str, _Booked] = {}
        self._paid_out: dict[str, PaidOut] = {}
        self._charged_before: set[UUID] = set()
        self._found: list[Break] = []
        self.totals: dict[str, tuple[int, int, int, int]] = {}
        """Lines, gross, fee and net in cents, by reporting category."""
        self.purchased_cents = 0
        for line in lines:
            self._take(line)

    # What the statements say

    def _take(self, line: StatementLine) -> None:
        self._check_time(line)
        if line.id in self._lines:
            raise StatementWrong(line.file, line.line, f"{line.id} stands in the statements twice; remove one")
        if len(self._lines) >= MAX_LINES:
            raise StatementWrong(line.file, line.line, f"a run takes {MAX_LINES:,} lines at most")
        self._lines[line.id] = line
        if self._period.as_of is not None and line.created_at > self._period.as_of:
            return  # of the next period, and matched there
        count, gross, fee, net = self.totals.get(line.category, (0, 0, 0, 0))
        self.totals[line.category] = (count + 1, gross + line.gross_cents, fee + line.fee_cents, net + line.net_cents)
        if line.gross_cents - line.fee_cents != line.net_cents:
            detail = f"{line.gross_cents} cents less a fee of {line.fee_cents} are not {line.net_cents}"
            off = line.net_cents - line.gross_cents + line.fee_cents
            one = _at_gateway(Category.FEE, line, detail, off)
            self._found.append(one._replace(named=_fee_key(line.id)))
        self._sort(line)

    def _check_time(self, line: StatementLine) -> None:
        """A statement of another month would find nothing but breaks. What went into a payout of the period is its."""
        begins, ends = self._period.begins, self._period.as_of
        last = max(line.created_at, line.payout_at or 0)
        early = begins is not None and last < begins - SETTLEMENT_WINDOW
        late = ends is not None and line.created_at > ends + SETTLEMENT_WINDOW
        if early or late:
            what = f"created_utc is {iso(line.created_at)}, outside of the period that is reconciled"
            raise StatementWrong(line.file, line.line, f"{what}; give the statement of that period")

    def _sort(self, line: StatementLine) -> None:
        """Put a line to those of its kind; what is of no kind is unknown."""
        is_out = line.gross_cents < 0
        if line.category == PAYOUT and is_out:
            if line.payout_name in self._payouts:
                self._found.append(_at_gateway(Category.DUPLICATE, line, "the payout is told again", line.gross_cents))
            else:
                self._payouts[line.payout_name] = line
            return
        if line.category == PAYOUT_REVERSAL and not is_out:
            self._reversed_payouts.append(line)
            return
        if line.payout_id:
            self._payout_lines.setdefault(line.payout_id, []).append(line)
        if line.category == books.CHARGE and line.purchase_id is not None:
            self._charges.setdefault(line.purchase_id, []).append(line)
        elif line.category != FEE and not (line.category in _TAKES_BACK and line.purchase_id is not None and is_out):
            detail = f"a {line.category} that names no purchase"
            self._found.append(_at_gateway(Category.UNKNOWN_AT_GATEWAY, line, detail, line.gross_cents))

    # What the log says

    def see(self, recorded: Recorded[Any]) -> None:
        at, position = recorded.occurred_at, recorded.position
        match recorded.event:
            case credits.PurchaseStarted(purchase_id=purchase_id, amount_cents=cents):
                self._purchases[purchase_id] = _Purchase(recorded.stream, cents, position, at, False)
            case credits.PurchaseCompleted(purchase_id=purchase_id, amount_cents=cents):
                self._purchases[purchase_id] = _Purchase(recorded.stream, cents, position, at, True)
                if not self._period.is_opening(at):
                    self.purchased_cents += cents
            case books.GatewayLineBooked() as event:
                self._see_booked(event, position)
            case books.GatewayPaidOut(payout_id=payout_id, amount_cents=cents, dated_at=dated):
                self._paid_out[payout_id] = PaidOut(cents, position, dated)
            case books.GatewayPayoutReturned(payout_id=payout_id):
                self._paid_out[payout_id] = self._paid_out[payout_id]._replace(is_returned=True)
            case _:
                pass

    def _see_booked(self, event: books.GatewayLineBooked, position: int) -> None:
        if event.category == books.CHARGE and event.purchase_id is not None:
            self._charged_before.add(event.purchase_id)
        net = event.gross_cents - event.fee_cents + event.fee_returned_cents
        if event.payout_id and event.reference not in self._lines:
            self._booked_by_payout[event.payout_id] = self._booked_by_payout.get(event.payout_id, 0) + net
        if event.reference in self._lines or not self._period.is_opening(event.dated_at):
            self._booked[event.reference] = _Booked(event.gross_cents, net, position, event.dated_at)

    # What differs

    def breaks(self, end: Instant, settled: Settled) -> Iterator[Break]:
        """All that differs; ``end`` is the instant up to which the log was read."""
        yield from self._found
        for purchase_id, lines in self._charges.items():
            yield from self._charged(purchase_id, lines, end, settled)
        for purchase_id, purchase in self._purchases.items():
            if purchase.is_completed and purchase_id not in self._charges:
                yield from self._not_charged(purchase_id, purchase, end)
        for line in self._lines.values():
            if line.category in _TAKES_BACK and line.purchase_id is not None and line.gross_cents < 0:
                yield from self._taken_back(line)
        yield from self._booked_otherwise()
        yield from self._payouts_that_differ()

    def _charged(
        self, purchase_id: UUID, lines: list[StatementLine], end: Instant, settled: Settled
    ) -> Iterator[Break]:
        purchase = self._purchases.get(purchase_id)
        position = () if purchase is None else (purchase.position,)
        new = [line for line in lines if line.id not in self._booked]
        was_charged = purchase_id in self._charged_before
        for line in new if was_charged else new[1:]:
            yield _at_gateway(Category.DUPLICATE, line, "the purchase was charged again", line.gross_cents, position)
        if was_charged or not new:
            return
        first = new[0]
        if purchase is None or not purchase.is_completed:
            is_young = end - first.created_at < SETTLEMENT_WINDOW
            category = Category.TIMING if purchase and is_young else Category.UNKNOWN_AT_GATEWAY
            detail = "the gateway charged what the log has not completed"
            yield _at_gateway(category, first, detail, first.gross_cents, position)
        elif first.gross_cents != purchase.cents or settled.is_booked(_purchase_key(purchase_id)):
            detail = f"charged {first.gross_cents} cents for a purchase of {purchase.cents}"
            off = first.gross_cents - purchase.cents
            one = _at_gateway(Category.AMOUNT, first, detail, off, position)
            yield one._replace(named=_purchase_key(purchase_id))

    def _not_charged(self, purchase_id: UUID, purchase: _Purchase, end: Instant) -> Iterator[Break]:
        """What was told before is settled; of what came before the period only the last can still be on its way."""
        if purchase_id in self._charged_before:
            return
        if self._period.is_opening(purchase.at + (SETTLEMENT_WINDOW if self._charged_before else 0)):
            return
        is_young = end - purchase.at < SETTLEMENT_WINDOW
        category = Category.TIMING if is_young else Category.MISSING_AT_GATEWAY
        detail = f"{purchase.cents} cents were credited; no statement tells of the charge"
        yield Break(
            category,
            f"purchase {purchase_id}",
            detail,
            -purchase.cents,
            (purchase.position,),
            purchase.at,
            books.AdjustedAccount.GATEWAY,
            _purchase_key(purchase_id),
        )

    def _taken_back(self, line: StatementLine) -> Iterator[Break]:
        purchase = None if line.purchase_id is None else self._purchases.get(line.purchase_id)
        if self._is_of_period(line) and line.id not in self._booked and (purchase is None or not purchase.is_completed):
            detail = f"a {line.category} of what the log has not completed"
            position = () if purchase is None else (purchase.position,)
            yield _at_gateway(Category.UNKNOWN_AT_GATEWAY, line, detail, line.gross_cents, position)

    def _booked_otherwise(self) -> Iterator[Break]:
        """Lines that another statement told before: the same, or not."""
        for reference, booked in self._booked.items():
            line = self._lines.get(reference)
            if line is None:
                detail = f"a line of {booked.net_cents} cents was booked; no statement tells of it"
                yield Break(
                    Category.MISSING_AT_GATEWAY,
                    reference,
                    detail,
                    -booked.net_cents,
                    (booked.position,),
                    booked.at,
                    books.AdjustedAccount.GATEWAY,
                    _line_key(reference),
                )
                continue
            gross, fee = _gross_and_fee(line)
            if (gross, gross - fee) != (booked.gross_cents, booked.net_cents):
                detail = f"{line.gross_cents} cents less {line.fee_cents}; {booked.net_cents} net were booked"
                off = line.net_cents - booked.net_cents
                yield _at_gateway(Category.AMOUNT, line, detail, off, (booked.position,))

    def _payouts_that_differ(self) -> Iterator[Break]:
        told = self._told_payouts()
        for name, paid in self._paid_out.items():
            now = told.get(name)
            if now is None and not self._period.is_opening(paid.at):
                detail = f"a payout of {paid.cents} cents was booked; no statement tells of it"
                yield _payout_break(Category.MISSING_AT_GATEWAY, name, detail, paid.cents, paid)
            elif now is not None and now.cents != paid.cents:
                detail = f"a payout of {now.cents} cents; {paid.cents} were booked"
                yield _payout_break(Category.AMOUNT, name, detail, paid.cents - now.cents, paid)
        for line in self._reversed_payouts:
            sent = self._paid_out.get(line.payout_name) or told.get(line.payout_name)
            if sent is None or sent.cents != line.gross_cents:
                detail = "a payout came back that was not told before, or not with this amount"
                yield _at_gateway(Category.UNKNOWN_AT_GATEWAY, line, detail, line.gross_cents)

    def _told_payouts(self) -> dict[str, PaidOut]:
        """The payouts of the statements, each by a line of its own, or by the lines that went into it: those that were
        booked from other statements included."""
        told = {name: PaidOut(-line.gross_cents, 0, line.created_at) for name, line in self._payouts.items()}
        for name, lines in self._payout_lines.items():
            booked = self._booked_by_payout.get(name, 0)
            at, cents = lines[0].payout_at, booked + sum(line.net_cents for line in lines)
            if name in told or cents <= 0 or at is None or (self._period.as_of or at) < at:
                continue
            told[name] = PaidOut(cents, 0, at)
        return told

    def payouts(self) -> Mapping[str, PaidOut]:
        """All payouts that the bank must tell of, booked and about to be."""
        return {**self._told_payouts(), **self._paid_out}

    def _is_of_period(self, line: StatementLine) -> bool:
        return self._period.as_of is None or line.created_at <= self._period.as_of

    # What can be taken into the books

    def bookings(self, is_open: frozenset[str], hashes: Mapping[str, str]) -> Iterator[books.ToldByStatement]:
        """What the statements tell and is not in the books: all lines about which no break is open.

        ``is_open`` are the keys of open breaks, ``hashes`` the SHA-256 of each file.
        """
        for line in sorted(self._lines.values(), key=lambda line: line.created_at):
            if not self._is_of_period(line) or line.id in self._booked or self._is_in_doubt(line, is_open):
                continue
            if line.category not in (PAYOUT, PAYOUT_REVERSAL) or line.fee_cents:
                yield self._booking(line, hashes[line.file])
        for name, paid in self._told_payouts().items():
            line = self._payouts.get(name) or self._payout_lines[name][0]
            if name not in self._paid_out and not {_payout_key(name), _line_key(line.id)} & is_open:
                yield books.GatewayPaidOut(
                    payout_id=name, amount_cents=paid.cents, dated_at=paid.at, statement=hashes[line.file]
                )
        for line in self._reversed_payouts:
            if _line_key(line.id) not in is_open:
                yield books.GatewayPayoutReturned(
                    payout_id=line.payout_name,
                    amount_cents=line.gross_cents,
                    dated_at=line.created_at,
                    statement=hashes[line.file],
                )

    def _is_in_doubt(self, line: StatementLine, is_open: frozenset[str]) -> bool:
        about = set() if line.purchase_id is None else {_purchase_key(line.purchase_id)}
        return bool(({_line_key(line.id), _fee_key(line.id)} | about) & is_open)

    def _booking(self, line: StatementLine, statement: str) -> books.GatewayLineBooked:
        """A purchase that nobody knows is nobody's."""
        gross, fee = _gross_and_fee(line)
        purchase = None if line.purchase_id is None else self._purchases.get(line.purchase_id)
        return books.GatewayLineBooked(
            reference=line.id,
            category=line.category,
            gross_cents=gross,
            fee_cents=max(0, fee),
            fee_returned_cents=max(0, -fee),
            purchase_id=None if purchase is None else line.purchase_id,
            owner_id=None if purchase is None else purchase.owner_id,
            payout_id=line.payout_id,
            dated_at=line.created_at,
            statement=statement,
        )


def _gross_and_fee(line: StatementLine) -> tuple[int, int]:
    """As they are booked: a line of fees alone is all fee."""
    return (0, line.fee_cents - line.gross_cents) if line.category == FEE else (line.gross_cents, line.fee_cents)


def _line_key(reference: str) -> str:
    return f"gateway:{reference}"


def _purchase_key(purchase_id: UUID) -> str:
    return f"purchase:{purchase_id}"


def _fee_key(reference: str) -> str:
    return f"gateway fee:{reference}"


def _payout_key(name: str) -> str:
    return f"payout:{name}"


def _payout_break(category: Category, name: str, detail: str, cents: int, paid: PaidOut) -> Break:
    """``cents`` are what the gateway has more than the books say."""
    gateway = books.AdjustedAccount.GATEWAY
    return Break(category, f"payout {name}", detail, cents, (paid.position,), paid.at, gateway, _payout_key(name))


def _at_gateway(
    category: Category, line: StatementLine, detail: str, amount_cents: int, positions: tuple[int, ...] = ()
) -> Break:
    return Break(
        category,
        f"{line.id} ({line.file}, line {line.line})",
        detail,
        amount_cents,
        positions,
        line.created_at,
        books.AdjustedAccount.GATEWAY,
        _line_key(line.id),
    )
