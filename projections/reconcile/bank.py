"""The withdrawals of testers and the payouts of the gateway against the movements at the bank.

A movement is a withdrawal's if it names it: by its id, with or without hyphens, as what was paid would carry it
(``EndToEndId``); a payout's if it names the gateway's id of it. What agrees can be taken into the books.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple
from uuid import UUID

from domain.books import events as books
from domain.recorded import Recorded
from domain.tester.events import Withdrawn
from domain.times import DAY, Instant
from projections.reconcile.breaks import Break, Category
from projections.reconcile.camt import BankLine
from projections.reconcile.gateway import PaidOut
from projections.reconcile.period import Period
from projections.reconcile.settled import Settled
from projections.reconcile.statement import MAX_LINES, StatementWrong
from projections.times import iso

BANK_WINDOW = 5 * DAY
"""How much later than the log a bank may tell of a movement: weekends are in it."""

_BANK = books.AdjustedAccount.BANK
_ID = re.compile("(?<![0-9a-fA-F])[0-9a-fA-F]{8}(?:-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}(?![0-9a-fA-F])")
_WORD = re.compile(r"[A-Za-z0-9_-]+")


class _Sent(NamedTuple):
    """A withdrawal."""

    tester_id: UUID
    cents: int
    position: int
    at: Instant


class Bank:
    """A bank's statements that are matched with the log. Raises StatementWrong for what cannot be one's."""

    def __init__(self, lines: Iterable[BankLine], period: Period) -> None:
        self._period = period
        self._lines: dict[str, BankLine] = {}
        self._sent: dict[UUID, _Sent] = {}
        self._settled: dict[UUID, str] = {}
        self._returned: dict[UUID, str] = {}
        self._payouts: dict[str, PaidOut] = {}
        self._arrived: dict[str, str] = {}
        self._told: list[books.ToldByStatement] = []
        self.totals = {"lines": 0, "inCents": 0, "outCents": 0}
        for line in lines:
            self._take(line)

    def _take(self, line: BankLine) -> None:
        begins, ends = self._period.begins, self._period.as_of
        early = begins is not None and line.dated_at < begins - BANK_WINDOW
        if early or (ends is not None and line.dated_at > ends + BANK_WINDOW):
            what = f"BookgDt is {iso(line.dated_at)}, outside of the period that is reconciled"
            raise StatementWrong(line.file, line.line, f"{what}; give the statement of that period")
        if line.reference in self._lines:
            raise StatementWrong(line.file, line.line, f"{line.reference} stands in the statements twice; remove one")
        if len(self._lines) >= MAX_LINES:
            raise StatementWrong(line.file, line.line, f"a run takes {MAX_LINES:,} lines at most")
        self._lines[line.reference] = line
        if self._is_of_period(line):
            self.totals["lines"] += 1
            self.totals["inCents" if line.cents > 0 else "outCents"] += abs(line.cents)

    def _is_of_period(self, line: BankLine) -> bool:
        return self._period.as_of is None or line.dated_at <= self._period.as_of

    def see(self, recorded: Recorded[Any]) -> None:
        match recorded.event:
            case Withdrawn(withdrawal_id=withdrawal_id, amount_cents=cents):
                sent = _Sent(recorded.stream, cents, recorded.position, recorded.occurred_at)
                self._sent[withdrawal_id] = sent
            case books.PayoutSettled(withdrawal_id=withdrawal_id, bank_reference=reference):
                self._settled[withdrawal_id] = reference
            case books.PayoutReturned(withdrawal_id=withdrawal_id, bank_reference=reference):
                self._returned[withdrawal_id] = reference
            case books.GatewayPaidOut(payout_id=payout_id, amount_cents=cents, dated_at=dated):
                self._payouts[payout_id] = PaidOut(cents, recorded.position, dated)
            case books.GatewayPayoutReturned(payout_id=payout_id, reference=reference):
                self._payouts[payout_id] = self._payouts[payout_id]._replace(returned_as=reference)
            case books.GatewayPayoutArrived(payout_id=payout_id, bank_reference=reference):
                self._arrived[payout_id] = reference
            case _:
                pass

    # What differs

    def breaks(self, end: Instant, settled: Settled, told: Mapping[str, PaidOut]) -> Iterator[Break]:
        """All that differs; ``told`` are the payouts of which the gateway's statements tell. To be asked once."""
        payouts = {**self._payouts, **told}
        # What goes out comes first: what comes back of it may be told before.
        for line in sorted(self._lines.values(), key=lambda line: (line.cents > 0, line.dated_at)):
            if not self._is_of_period(line):
                continue
            found = list(self._of_line(line, payouts, settled))
            yield from found
            key = _line_key(line.reference)
            if all(one.named != key for one in found):
                yield from settled.undone(key, line.subject, line.dated_at, _BANK)
        for withdrawal_id, one in self._sent.items():
            if withdrawal_id not in self._settled and self._is_due(one.at):
                yield self._not_paid(withdrawal_id, one, end)
        for name, paid in payouts.items():
            if name in self._arrived:
                if paid.returned_as:
                    yield self._not_gone_back(name, paid)
            elif paid.returned_as:
                yield from settled.undone(_payout_key(name), f"payout {name}", paid.at, _BANK)
            elif self._is_due(paid.at):
                yield self._not_arrived(name, paid, end)

    def _of_line(self, line: BankLine, payouts: Mapping[str, PaidOut], settled: Settled) -> Iterator[Break]:
        sent = next((one for one in map(UUID, self._ids(line)) if one in self._sent), None)
        name = next((word for word in self._words(line) if word in payouts), None)
        if sent is not None:
            yield from self._of_withdrawal(line, sent)
        elif name is not None and line.cents > 0:
            yield from self._of_payout(line, name, payouts[name], settled)
        else:
            detail = "a movement that names neither a withdrawal nor a payout"
            yield _at_bank(Category.UNKNOWN_AT_BANK, line, detail, line.cents)

    def _ids(self, line: BankLine) -> Iterator[str]:
        return (found for text in line.texts for found in _ID.findall(text))

    def _words(self, line: BankLine) -> Iterator[str]:
        return (word for text in line.texts for word in _WORD.findall(text))

    def _is_due(self, at: Instant) -> bool:
        return not self._period.is_opening(at + BANK_WINDOW)

    def _of_withdrawal(self, line: BankLine, withdrawal_id: UUID) -> Iterator[Break]:
        sent = self._sent[withdrawal_id]
        is_return = line.cents > 0
        had = self._returned if is_return else self._settled
        if is_return and withdrawal_id not in self._settled:
            detail = "a withdrawal came back that the bank has not paid"
            yield _at_bank(Category.UNKNOWN_AT_BANK, line, detail, line.cents, (sent.position,))
            return
        if (before := had.setdefault(withdrawal_id, "")) not in ("", line.reference):
            detail = "a withdrawal came back again" if is_return else "a withdrawal was paid again"
            yield _at_bank(Category.DUPLICATE, line, detail, line.cents, (sent.position,))
            return
        had[withdrawal_id] = line.reference
        if abs(line.cents) != sent.cents:
            detail = f"{abs(line.cents)} cents for a withdrawal of {sent.cents}"
            off = line.cents - (sent.cents if is_return else -sent.cents)
            yield _at_bank(Category.AMOUNT, line, detail, off, (sent.position,))
        if before:
            return
        event = books.PayoutReturned if is_return else books.PayoutSettled
        # A day begins before the withdrawal that is paid on it.
        dated = max(line.dated_at, sent.at)
        self._told.append(
            event(
                withdrawal_id=withdrawal_id,
                tester_id=sent.tester_id,
                amount_cents=sent.cents,
                bank_reference=line.reference,
                dated_at=dated,
                statement=line.file,
            )
        )

    def _of_payout(self, line: BankLine, name: str, paid: PaidOut, settled: Settled) -> Iterator[Break]:
        position = (paid.position,) if paid.position else ()
        before = self._arrived.get(name, "")
        if before != line.reference and (before or paid.returned_as):
            yield _at_bank(Category.DUPLICATE, line, "a payout of the gateway's arrived again", line.cents, position)
            return
        self._arrived[name] = line.reference
        if line.cents != paid.cents:
            detail = f"{line.cents} cents arrived of a payout of {paid.cents}"
            one = _at_bank(Category.AMOUNT, line, detail, line.cents - paid.cents, position)
            yield one._replace(named=_payout_key(name))
        else:
            yield from settled.undone(_payout_key(name), line.subject, line.dated_at, _BANK)
        if before:
            return
        self._told.append(
            books.GatewayPayoutArrived(
                payout_id=name,
                amount_cents=line.cents,
                bank_reference=line.reference,
                dated_at=line.dated_at,
                statement=line.file,
            )
        )

    def _not_paid(self, withdrawal_id: UUID, sent: _Sent, end: Instant) -> Break:
        """The money is the tester's, whoever has it: what is missing is accepted as it is, never written off."""
        category = Category.TIMING if end - sent.at < BANK_WINDOW else Category.MISSING_AT_BANK
        detail = f"{sent.cents} cents were withdrawn; no statement of the bank tells of them"
        subject = f"withdrawal {withdrawal_id}"
        return Break(
            category, subject, detail, sent.cents, (sent.position,), sent.at, named=f"withdrawal:{withdrawal_id}"
        )

    def _not_arrived(self, name: str, paid: PaidOut, end: Instant) -> Break:
        category = Category.TIMING if end - paid.at < BANK_WINDOW else Category.MISSING_AT_BANK
        detail = f"the gateway paid out {paid.cents} cents; no statement of the bank tells of them"
        position = (paid.position,) if paid.position else ()
        return Break(category, f"payout {name}", detail, -paid.cents, position, paid.at, _BANK, _payout_key(name))

    def _not_gone_back(self, name: str, paid: PaidOut) -> Break:
        """What arrived and what came back is the same money: as long as the bank has it, the gateway cannot."""
        detail = f"the gateway has {paid.cents} cents again that have arrived; no statement of the bank tells of them"
        category, key = Category.MISSING_AT_BANK, f"payout back from bank:{name}"
        position = (paid.position,) if paid.position else ()
        return Break(category, f"payout {name}", detail, paid.cents, position, paid.at, _BANK, key)

    # What can be taken into the books

    def bookings(self, is_open: frozenset[str], hashes: Mapping[str, str]) -> Iterator[books.ToldByStatement]:
        """What the statements tell, once ``breaks`` was asked; what is in the books already is left out by these."""
        for told in self._told:
            if _line_key(_reference(told)) not in is_open:
                yield replace(told, statement=hashes[told.statement])


def _reference(told: books.ToldByStatement) -> str:
    reference: str = getattr(told, "bank_reference", "")
    return reference


def _line_key(reference: str) -> str:
    return f"bank:{reference}"


def _payout_key(name: str) -> str:
    return f"payout at bank:{name}"


def _at_bank(
    category: Category, line: BankLine, detail: str, amount_cents: int, positions: tuple[int, ...] = ()
) -> Break:
    return Break(
        category,
        line.subject,
        detail,
        amount_cents,
        positions,
        line.dated_at,
        _BANK,
        _line_key(line.reference),
    )
