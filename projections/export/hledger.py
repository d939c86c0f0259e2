"""The journal for hledger: `hledger check --strict` passes, every day's balances asserted."""

from collections.abc import Iterable, Iterator

from domain.ledger.accounts import AccountKind, Side
from projections.export.amounts import CURRENCY, decimal
from projections.export.days import DayEnd, Opening, by_day, clock_of, day_of
from projections.reconcile.journal import Posted

_TYPES = {
    AccountKind.BANK: "Cash",
    AccountKind.GATEWAY_CLEARING: "Asset",
    AccountKind.OWNER_RECEIVABLE: "Asset",
    AccountKind.OWNER_CREDITS: "Liability",
    AccountKind.ESCROW: "Liability",
    AccountKind.TESTER_PAYABLE: "Liability",
    AccountKind.PAYOUTS_CLEARING: "Liability",
    AccountKind.PLATFORM_FEES: "Revenue",
    AccountKind.PLATFORM_ADJUSTMENTS: "Revenue",
    AccountKind.GATEWAY_FEES: "Expense",
}
_UNSAFE = str.maketrans({";": ",", "|": "/", **{chr(code): " " for code in range(32)}})
"""What would end a description, or begin a comment or a note."""


def hledger(entries: Iterable[Posted]) -> Iterator[str]:
    """The journal in pieces of text; accounts carry their own names, credits are negative."""
    yield f"; Journal entries of Tallyhold; days are UTC\n\ncommodity 1000.00 {CURRENCY}\n\n"
    for one in by_day(entries):
        match one:
            case Opening(account):
                yield f"account {account.name}  ; type: {_TYPES[account.kind]}\n"
            case DayEnd():
                yield "".join(_asserted(one))
            case _:
                yield _transaction(one)


def _transaction(posted: Posted) -> str:
    entry, day = posted.entry, day_of(posted.occurred_at)
    postings = "".join(
        f"    {account.name}  {decimal(cents if side is Side.DEBIT else -cents)} {CURRENCY}\n"
        for account, side, cents in entry.postings
    )
    tags = (
        f"type:{entry.type}, event:{posted.stream}/{posted.version}, at:{clock_of(posted.occurred_at)}{_dated(posted)}"
    )
    return f"{day} ({posted.id}) {entry.description.translate(_UNSAFE)}  ; {tags}\n{postings}\n"


def _dated(posted: Posted) -> str:
    """The day at the gateway or the bank, where that is another one."""
    day = day_of(posted.dated_at)
    return "" if day == day_of(posted.occurred_at) else f", dated:{day}"


def _asserted(end: DayEnd) -> Iterator[str]:
    yield f"{end.day} balances at the end of the day\n"
    for account, cents in end.balances.items():
        yield f"    {account.name}  {decimal(0)} {CURRENCY} = {decimal(cents)} {CURRENCY}\n"
    yield "\n"
