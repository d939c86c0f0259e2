"""The ledger's read model, held against the journal row by row and against the accounts in sum."""

from collections.abc import Generator, Iterator, Mapping
from typing import NamedTuple, Protocol

from domain.ledger.accounts import AccountKind
from domain.times import Instant
from projections.json import text
from projections.ledger import ENTRIES_PER_EVENT, entry_id
from projections.reconcile.accounts import Accounts
from projections.reconcile.breaks import Break, Category
from projections.reconcile.closed import Closing
from projections.reconcile.journal import Posted


class JournalRow(NamedTuple):
    """A row of the ledger's journal, its columns in their order."""

    entry: int
    type: str
    description: str
    debit_account: str | None
    credit_account: str | None
    amount_cents: int
    owner_id: str | None
    job_id: str | None
    tester_id: str | None
    stream: str
    version: int
    occurred_at: Instant


class WalletRow(NamedTuple):
    """A tester's wallet in cents."""

    pending_cents: int = 0
    granted_cents: int = 0
    withdrawn_cents: int = 0


class Snapshot(Protocol):
    """What the read models told at one position of the log."""

    @property
    def position(self) -> int: ...
    @property
    def root(self) -> str: ...
    @property
    def last_time(self) -> Instant: ...
    def journal(self) -> Generator[JournalRow]: ...
    def balances(self) -> Mapping[str, int]: ...
    def billing(self) -> Mapping[str, tuple[int, int]]: ...
    def wallets(self) -> Mapping[str, WalletRow]: ...
    def closings(self) -> Mapping[str, Closing]: ...


def _expected(posted: Posted) -> JournalRow:
    entry = posted.entry
    debit, credit = entry.postings
    return JournalRow(
        posted.key,
        entry.type.value,
        entry.description,
        debit.account.name,
        credit.account.name,
        entry.amount_cents,
        text(entry.owner_id),
        text(entry.job_id),
        text(entry.tester_id),
        text(posted.stream),
        posted.version,
        posted.occurred_at,
    )


class JournalRows:
    """Goes through the rows of the read model beside the replay; both are in the order of the log."""

    def __init__(self, rows: Generator[JournalRow]) -> None:
        self._rows = rows
        self._next = next(rows, None)
        self._found: list[Break] = []
        self.count = 0

    def expect(self, posted: Posted) -> None:
        """The next row must be this entry's."""
        while self._next is not None and self._next.entry < posted.key:
            self._unexpected(self._next)
            self._advance()
        if self._next is None or self._next.entry != posted.key:
            entry = posted.entry
            detail = f"the {entry.type} of {entry.amount_cents} cents is not in the ledger"
            self._note(Category.MISSING_IN_READ_MODEL, posted.key, detail, -entry.amount_cents, posted.occurred_at)
            return
        self._compare(self._next, _expected(posted))
        self._advance()

    def _advance(self) -> None:
        self.count += 1
        self._next = next(self._rows, None)

    def _compare(self, told: JournalRow, right: JournalRow) -> None:
        if told == right:
            return
        if not told.debit_account or not told.credit_account or told.debit_account == told.credit_account:
            amount = -right.amount_cents if told.debit_account != told.credit_account else 0
            self._note(
                Category.UNBALANCED_ENTRY, told.entry, "one half of the entry is missing", amount, right.occurred_at
            )
            return
        names = [name for name, a, b in zip(JournalRow._fields, told, right, strict=True) if a != b]
        amount = told.amount_cents - right.amount_cents
        detail = f"the ledger tells otherwise of {', '.join(names)}"
        self._note(Category.READ_MODEL_DRIFT, told.entry, detail, amount, right.occurred_at)

    def _unexpected(self, told: JournalRow) -> None:
        detail = f"the ledger has an entry of {told.amount_cents} cents that no event caused"
        self._note(Category.READ_MODEL_DRIFT, told.entry, detail, told.amount_cents, told.occurred_at)

    def _note(self, category: Category, key: int, detail: str, amount: int, since: Instant) -> None:
        position = key // ENTRIES_PER_EVENT
        self._found.append(Break(category, f"entry {entry_id(key)}", detail, amount, (position,), since))

    def close(self) -> None:
        """Let the rows go, also those that were not looked at."""
        self._rows.close()

    def breaks(self) -> Iterator[Break]:
        """Also what the read model has beyond the last entry."""
        while self._next is not None:
            self._unexpected(self._next)
            self._advance()
        yield from self._found


def sums_that_drifted(told: Snapshot, accounts: Accounts, wallets: Mapping[str, WalletRow]) -> Iterator[Break]:
    """Balances, owners' billing and testers' wallets that are not what the log adds up to."""
    yield from _balances(told.balances(), accounts)
    yield from _billing(told.billing(), accounts)
    yield from _wallets(told.wallets(), wallets, accounts)


def _balances(told: Mapping[str, int], accounts: Accounts) -> Iterator[Break]:
    for name in sorted({*told, *(line.account.name for line in accounts.lines())}):
        right, has = accounts.closing_cents(name), told.get(name)
        if (has or 0) != right:
            yield _drift(name, "its balance", has, right, accounts.last_position(name))


def _billing(told: Mapping[str, tuple[int, int]], accounts: Accounts) -> Iterator[Break]:
    held: dict[str, int] = {}
    """By owner, also for whom nothing is held and who has credits alone."""
    for line in accounts.lines():
        if line.account.kind in (AccountKind.OWNER_CREDITS, AccountKind.ESCROW):
            owner = line.account.name.split(":")[1]
            cents = line.closing_cents if line.account.kind is AccountKind.ESCROW else 0
            held[owner] = held.get(owner, 0) + cents
    for owner in sorted({*told, *held}):
        account = f"owner:{owner}:credits"
        right = (accounts.closing_cents(account), held.get(owner, 0))
        for what, has, is_right in zip(("free credits", "held credits"), told.get(owner, (0, 0)), right, strict=True):
            if has != is_right:
                subject = f"billing of owner {owner}"
                yield _drift(subject, what, has, is_right, accounts.last_position(account))


def _wallets(told: Mapping[str, WalletRow], wallets: Mapping[str, WalletRow], accounts: Accounts) -> Iterator[Break]:
    for tester in sorted({*told, *wallets}):
        has, right = told.get(tester, WalletRow()), wallets.get(tester, WalletRow())
        for what, one, other in zip(WalletRow._fields, has, right, strict=True):
            if one != other:
                position = accounts.last_position(f"tester:{tester}:payable")
                subject = f"wallet of tester {tester}"
                yield _drift(subject, what, one, other, position)


def _drift(subject: str, what: str, told: int | None, right: int, position: int) -> Break:
    """A sum that differs; null where it is not told at all."""
    category = Category.MISSING_IN_READ_MODEL if told is None else Category.READ_MODEL_DRIFT
    detail = f"{what}: {'nothing' if told is None else f'{told} cents'} told, {right} by the log"
    return Break(category, subject, detail, (told or 0) - right, (position,) if position else ())
