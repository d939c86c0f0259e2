"""The gateway's statements against what the log says: its lines, its payouts, and what was booked of them before.

What agrees and is not booked yet can be taken into the books; see ``bookings``.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from domain.books import events as books
from domain.recorded import Recorded
from domain.times import Instant
from projections.reconcile.breaks import Break, Category
from projections.reconcile.charges import SETTLEMENT_WINDOW, Charges, at_gateway, line_key, purchase_key
from projections.reconcile.period import Period
from projections.reconcile.settled import Settled
from projections.reconcile.statement import MAX_LINES, StatementLine, StatementWrong
from projections.times import iso

PAYOUT, PAYOUT_REVERSAL, FEE = "payout", "payout_reversal", "fee"
"""Categories of lines that are about money between the gateway and the platform alone."""
_GATEWAY = books.AdjustedAccount.GATEWAY


class _Booked(NamedTuple):
    """A line that is in the books already."""

    gross_cents: int
    net_cents: int
    position: int
    at: Instant
    statement: str


class PaidOut(NamedTuple):
    """A payout of the gateway to the bank; position 0 where it is not booked yet. ``told_as`` and ``returned_as`` are
    the lines that tell of it, empty where none does."""

    cents: int
    position: int
    at: Instant
    told_as: str = ""
    returned_as: str = ""


class Gateway:
    """Statements that are matched with the log. Raises StatementWrong for what cannot be one's."""

    def __init__(self, lines: Iterable[StatementLine], period: Period) -> None:
        self._period = period
        self._lines: dict[str, StatementLine] = {}
        self._charges = Charges(period)
        self._payouts: dict[str, StatementLine] = {}
        self._payout_lines: dict[str, list[StatementLine]] = {}
        self._booked_by_payout: dict[str, int] = {}
        self._reversed_payouts: dict[str, StatementLine] = {}
        self._came_back: dict[str, StatementLine] = {}
        """Reversals of payouts that were told, with the same amount."""
        self._booked: dict[str, _Booked] = {}
        self._paid_out: dict[str, PaidOut] = {}
        self._first_given: dict[str, Instant] = {}
        """The SHA-256 of statements, and the ends of the earliest periods for which they were given."""
        self._ends_given: set[Instant] = set()
        self._taken_until: set[Instant] = set()
        self._found: list[Break] = []
        self.totals: dict[str, tuple[int, int, int, int]] = {}
        """Lines, gross, fee and net in cents, by reporting category."""
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
            one = at_gateway(Category.FEE, line, detail, off)
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
            self._sort_payout(self._payouts, line, "the payout is told again")
            return
        if line.category == PAYOUT_REVERSAL and not is_out:
            self._sort_payout(self._reversed_payouts, line, "the payout came back again")
            return
        if line.payout_id:
            self._payout_lines.setdefault(line.payout_id, []).append(line)
        if not self._charges.take(line) and line.category != FEE:
            about = "that names no purchase" if line.purchase_id is None else "that does not go with a purchase"
            detail = f"a {line.category} of {line.gross_cents} cents {about}"
            self._found.append(at_gateway(Category.UNKNOWN_AT_GATEWAY, line, detail, line.gross_cents))

    def _sort_payout(self, told: dict[str, StatementLine], line: StatementLine, again: str) -> None:
        if told.setdefault(line.payout_name, line) is not line:
            self._found.append(at_gateway(Category.DUPLICATE, line, again, line.gross_cents))

    # What the log says

    def see(self, recorded: Recorded[Any]) -> None:
        self._charges.see(recorded)
        match recorded.event:
            case books.GatewayLineBooked() as event:
                self._see_booked(event, recorded.position)
            case books.GatewayPaidOut(payout_id=payout_id, amount_cents=cents, dated_at=dated) as event:
                self._paid_out[payout_id] = PaidOut(cents, recorded.position, dated, event.reference)
            case books.GatewayPayoutReturned(payout_id=payout_id, reference=line):
                self._paid_out[payout_id] = self._paid_out[payout_id]._replace(returned_as=line)
            case _:
                pass

    def _see_booked(self, event: books.GatewayLineBooked, position: int) -> None:
        net = event.gross_cents - event.fee_cents + event.fee_returned_cents
        if event.payout_id and event.reference not in self._lines:
            self._booked_by_payout[event.payout_id] = self._booked_by_payout.get(event.payout_id, 0) + net
        if event.reference in self._lines or not self._period.is_opening(event.dated_at):
            booked = _Booked(event.gross_cents, net, position, event.dated_at, event.statement)
            self._booked[event.reference] = booked

    def see_run(self, recorded: Recorded[Any]) -> None:
        """An event of any time: which statements were taken in, and up to when."""
        event = recorded.event
        if isinstance(event, books.Reconciled) and event.as_of is not None:
            for file in event.statements:
                if not file.of_bank:
                    self._ends_given.add(event.as_of)
                    before = self._first_given.get(file.sha256, event.as_of)
                    self._first_given[file.sha256] = min(before, event.as_of)
        elif isinstance(event, books.MonthClosed) and event.ends_at - 1 in self._ends_given:
            self._taken_until.add(event.ends_at)

    # What differs

    def breaks(self, end: Instant, settled: Settled) -> Iterator[Break]:
        """All that differs; ``end`` is the instant up to which the log was read. To be asked once."""
        found = [
            *self._found,
            *self._charges.breaks(end, settled, frozenset(self._taken_until)),
            *self._payouts_that_differ(),
        ]
        found += self._booked_otherwise({one.named for one in found})
        yield from found
        named = {one.named for one in found}
        for key, subject, at in self._looked_at():
            if key not in named:
                yield from settled.undone(key, subject, at, _GATEWAY)

    def _looked_at(self) -> Iterator[tuple[str, str, Instant]]:
        """Under which names a difference could have been found: with what each is about, and since when."""
        for line in self._lines.values():
            if self._is_of_period(line):
                for key in (line_key(line.id), _booked_key(line.id), _fee_key(line.id)):
                    yield key, line.subject, line.created_at
        for reference, booked in self._booked.items():
            if reference not in self._lines and not self._is_of_later_statement(booked):
                yield _fee_key(reference), reference, booked.at
        for name, paid in self._told_payouts().items():
            yield _payout_key(name), f"payout {name}", paid.at

    def _booked_otherwise(self, differ: set[str]) -> Iterator[Break]:
        """Lines that another statement told before, and that are told otherwise now; ``differ`` are the names of other
        breaks. What a line has more than its purchase is not in its booking, but in the break that tells of it."""
        for reference, booked in self._booked.items():
            line = self._lines.get(reference)
            key, positions = _booked_key(reference), (booked.position,)
            if line is None and not self._is_of_later_statement(booked):
                detail = f"a line of {booked.net_cents} cents was booked; no statement tells of it"
                off, category = -booked.net_cents, Category.MISSING_AT_GATEWAY
                yield Break(category, reference, detail, off, positions, booked.at, _GATEWAY, key)
            elif line is not None:
                gross, fee = _gross_and_fee(line)
                off = gross - fee - booked.net_cents
                if line_key(reference) in differ:
                    off -= gross - booked.gross_cents
                if off:
                    detail = f"{line.gross_cents} cents less {line.fee_cents}; {booked.net_cents} net were booked"
                    yield at_gateway(Category.AMOUNT, line, detail, off, positions)._replace(named=key)

    def _is_of_later_statement(self, booked: _Booked) -> bool:
        """Whether it came with the statement of a later period: that of this one need not tell of it."""
        until = self._period.as_of
        return until is not None and self._first_given.get(booked.statement, until) > until

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
        for name, line in self._payouts.items():
            if name not in told:
                yield at_gateway(Category.DUPLICATE, line, "the payout was told before", line.gross_cents)
        for name, line in self._reversed_payouts.items():
            sent = self._paid_out.get(name) or told.get(name)
            if sent is not None and sent.returned_as not in ("", line.id):
                yield at_gateway(Category.DUPLICATE, line, "the payout came back before", line.gross_cents)
            elif sent is None or sent.cents != line.gross_cents:
                detail = "a payout came back that was not told before, or not with this amount"
                yield at_gateway(Category.UNKNOWN_AT_GATEWAY, line, detail, line.gross_cents)
            else:
                self._came_back[name] = line

    def _told_payouts(self) -> dict[str, PaidOut]:
        """The payouts of the statements, each by a line of its own, or by the lines that went into it: those that were
        booked from other statements included."""
        told = {
            name: PaidOut(-line.gross_cents, 0, line.created_at, line.id)
            for name, line in self._payouts.items()
            if name not in self._paid_out or self._paid_out[name].told_as in ("", line.id)
        }
        for name, lines in self._payout_lines.items():
            booked = self._booked_by_payout.get(name, 0)
            at, cents = lines[0].payout_at, booked + sum(line.net_cents for line in lines)
            if name in told or cents <= 0 or at is None or (self._period.as_of or at) < at:
                continue
            told[name] = PaidOut(cents, 0, at)
        return told

    def payouts(self) -> Mapping[str, PaidOut]:
        """All payouts, booked and about to be, once ``breaks`` was asked: the bank must tell of those that stayed."""
        payouts = {**self._told_payouts(), **self._paid_out}
        came_back = self._came_back.items()
        return {**payouts, **{name: payouts[name]._replace(returned_as=line.id) for name, line in came_back}}

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
            if name not in self._paid_out and not {_payout_key(name), line_key(line.id)} & is_open:
                yield books.GatewayPaidOut(
                    payout_id=name,
                    reference=paid.told_as,
                    amount_cents=paid.cents,
                    dated_at=paid.at,
                    statement=hashes[line.file],
                )
        for name, line in self._came_back.items():
            is_booked = name in self._paid_out and self._paid_out[name].returned_as
            if not is_booked and line_key(line.id) not in is_open:
                yield books.GatewayPayoutReturned(
                    payout_id=name,
                    reference=line.id,
                    amount_cents=line.gross_cents,
                    dated_at=line.created_at,
                    statement=hashes[line.file],
                )

    def _is_in_doubt(self, line: StatementLine, is_open: frozenset[str]) -> bool:
        about = set() if line.purchase_id is None else {purchase_key(line.purchase_id)}
        return bool(({line_key(line.id), _fee_key(line.id)} | about) & is_open)

    def _booking(self, line: StatementLine, statement: str) -> books.GatewayLineBooked:
        """A purchase that nobody knows is nobody's."""
        gross, fee = _gross_and_fee(line)
        owner_id = self._charges.owner_of(line)
        return books.GatewayLineBooked(
            reference=line.id,
            category=line.category,
            gross_cents=gross,
            fee_cents=max(0, fee),
            fee_returned_cents=max(0, -fee),
            reversed_cents=self._charges.reversed_cents(line),
            purchase_id=None if owner_id is None else line.purchase_id,
            owner_id=owner_id,
            payout_id=line.payout_id,
            dated_at=line.created_at,
            statement=statement,
        )


def _gross_and_fee(line: StatementLine) -> tuple[int, int]:
    """As they are booked: a line of fees alone is all fee, and what a payout moves is booked as a payout."""
    if line.category == FEE:
        return 0, line.fee_cents - line.gross_cents
    return (0 if line.category in (PAYOUT, PAYOUT_REVERSAL) else line.gross_cents), line.fee_cents


def _booked_key(reference: str) -> str:
    return f"gateway booked:{reference}"


def _fee_key(reference: str) -> str:
    return f"gateway fee:{reference}"


def _payout_key(name: str) -> str:
    return f"payout:{name}"


def _payout_break(category: Category, name: str, detail: str, cents: int, paid: PaidOut) -> Break:
    """``cents`` are what the gateway has more than the books say."""
    return Break(category, f"payout {name}", detail, cents, (paid.position,), paid.at, _GATEWAY, _payout_key(name))
