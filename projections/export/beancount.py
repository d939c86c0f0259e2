"""The journal for beancount: `bean-check` passes, every day's balances asserted to the cent."""

from collections.abc import Iterable, Iterator
from datetime import timedelta

from domain.ledger.accounts import Account, AccountKind, Side
from projections.export.amounts import CURRENCY, decimal
from projections.export.days import DayEnd, Opening, by_day, clock_of, day_of
from projections.reconcile.journal import Posted

_ROOTS = {
    AccountKind.BANK: "Assets",
    AccountKind.GATEWAY_CLEARING: "Assets",
    AccountKind.OWNER_RECEIVABLE: "Assets",
    AccountKind.OWNER_CREDITS: "Liabilities",
    AccountKind.ESCROW: "Liabilities",
    AccountKind.TESTER_PAYABLE: "Liabilities",
    AccountKind.PAYOUTS_CLEARING: "Liabilities",
    AccountKind.PLATFORM_FEES: "Income",
    AccountKind.PLATFORM_ADJUSTMENTS: "Income",
    AccountKind.GATEWAY_FEES: "Expenses",
}
_UNSAFE = str.maketrans({'"': "'", "\\": "/", **{chr(code): " " for code in range(32)}})


def beancount(entries: Iterable[Posted]) -> Iterator[str]:
    """The journal in pieces of text; credits are negative, ids in capitals because account names begin with them."""
    yield f'option "title" "Tallyhold"\noption "operating_currency" "{CURRENCY}"\n\n'
    for one in by_day(entries):
        match one:
            case Opening(account, day):
                yield f"{day} open {_name(account)} {CURRENCY}\n"
            case DayEnd():
                yield "".join(_asserted(one))
            case _:
                yield _transaction(one)


def _name(account: Account) -> str:
    parts = (part.upper() if "-" in part else part.capitalize() for part in account.name.split(":"))
    return ":".join((_ROOTS[account.kind], *parts))


def _transaction(posted: Posted) -> str:
    entry, day = posted.entry, day_of(posted.occurred_at)
    postings = "".join(
        f"  {_name(account)}  {decimal(cents if side is Side.DEBIT else -cents)} {CURRENCY}\n"
        for account, side, cents in entry.postings
    )
    facts = (
        f'  entry: "{posted.id}"\n  type: "{entry.type}"\n  event: "{posted.stream}/{posted.version}"\n'
        f'  at: "{clock_of(posted.occurred_at)}"\n  dated: {day_of(posted.dated_at)}\n'
    )
    return f'{day} * "{entry.description.translate(_UNSAFE)}"\n{facts}{postings}\n'


def _asserted(end: DayEnd) -> Iterator[str]:
    """A balance holds at the beginning of its day, so a day ends on the next; without ``~ 0`` a cent passes."""
    for account, cents in end.balances.items():
        yield f"{end.day + timedelta(days=1)} balance {_name(account)} {decimal(cents)} ~ 0.00 {CURRENCY}\n"
    yield "\n"
