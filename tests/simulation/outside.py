"""What the gateway and the bank tell of a life of the platform: fees, payouts, money that came back."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from api.service.books import book
from api.service.work import Answer, Work
from domain.books import events as books
from domain.books.decider import CASES
from domain.credits.events import PurchaseCompleted
from domain.ids import case_stream
from domain.recorded import Recorded
from domain.tester.events import Withdrawn
from domain.times import DAY, SECOND, Instant
from projections.export.amounts import decimal
from projections.export.csv_text import csv_line
from projections.reconcile.statement import COLUMNS
from tests.simulation.books import File
from tests.simulation.drivers import InProcess

FILE = "f1" * 32
AT_ONCE = 50
PAYOUT_EVERY = 30 * DAY


class GatewayLine(NamedTuple):
    """A line of the gateway's book, in cents; what comes in is positive."""

    id: str
    category: str
    at: Instant
    gross: int
    fee: int = 0
    purchase_id: UUID | None = None
    owner_id: UUID | None = None
    payout: str = ""
    """The payout that the line went into; of a payout its own name."""


class BankLine(NamedTuple):
    """A movement at the bank, in cents; what comes in is positive."""

    reference: str
    at: Instant
    cents: int
    withdrawal_id: UUID | None = None
    tester_id: UUID | None = None
    payout: str = ""


def gateway_lines(log: Sequence[Recorded[Any]]) -> list[GatewayLine]:
    """A charge for each purchase, some of them given back, and a payout of what is there every month."""
    lines: list[GatewayLine] = []
    bought = [one for one in log if isinstance(one.event, PurchaseCompleted)]
    for number, one in enumerate(bought):
        at = one.occurred_at
        about: tuple[UUID, UUID] = (one.event.purchase_id, one.stream)
        cents = one.event.amount_cents
        lines.append(GatewayLine(f"txn_{number}", books.CHARGE, at, cents, 30 + cents * 29 // 1_000, *about))
        if number % 5 == 2:
            lines.append(GatewayLine(f"txn_{number}r", books.REFUND, at + DAY, -cents, -5, *about))
        if number % 5 == 3:
            lines.append(GatewayLine(f"txn_{number}d", books.DISPUTE, at + DAY, -cents, 1_500, *about))
    lines.sort(key=lambda line: line.at)
    return _paid_out(lines)


def _paid_out(lines: list[GatewayLine]) -> list[GatewayLine]:
    done: list[GatewayLine] = []
    waiting: list[GatewayLine] = []
    for line in lines:
        if waiting and line.at - waiting[0].at > PAYOUT_EVERY:
            done, waiting = done + _payout(waiting), []
        waiting.append(line)
    return done + waiting


def _payout(lines: list[GatewayLine]) -> list[GatewayLine]:
    """The lines and their payout, unless there is nothing to pay out."""
    cents = sum(line.gross - line.fee for line in lines)
    if cents <= 0:
        return lines
    name = f"po_{lines[0].id}"
    payout = GatewayLine(f"txn_{name}", "payout", lines[-1].at, -cents, payout=name)
    return [*(line._replace(payout=name) for line in lines), payout]


def bank_lines(log: Sequence[Recorded[Any]], gateway: Sequence[GatewayLine]) -> list[BankLine]:
    """The gateway's payouts arrive, withdrawals are paid, and every third comes back."""
    lines = [
        BankLine(f"B-{line.payout}", line.at + DAY, -line.gross, payout=line.payout)
        for line in gateway
        if line.category == "payout"
    ]
    withdrawn = [one for one in log if isinstance(one.event, Withdrawn)]
    for number, one in enumerate(withdrawn):
        cents, about = one.event.amount_cents, (one.event.withdrawal_id, one.stream)
        lines.append(BankLine(f"B-{number}", one.occurred_at + DAY, -cents, *about))
        if number % 3 == 1:
            lines.append(BankLine(f"B-{number}r", one.occurred_at + 2 * DAY, cents, *about))
    return sorted(lines, key=lambda line: line.at)


def told(gateway: Sequence[GatewayLine], bank: Sequence[BankLine]) -> Iterator[books.ToldByStatement]:
    """The same as what is taken in."""
    yield from (_told_by_gateway(line) for line in gateway)
    yield from (_told_by_bank(line) for line in bank)


def _told_by_gateway(line: GatewayLine) -> books.ToldByStatement:
    if line.category == "payout":
        return books.GatewayPaidOut(payout_id=line.payout, amount_cents=-line.gross, dated_at=line.at, statement=FILE)
    return books.GatewayLineBooked(
        reference=line.id,
        category=line.category,
        gross_cents=line.gross,
        fee_cents=max(0, line.fee),
        fee_returned_cents=max(0, -line.fee),
        purchase_id=line.purchase_id,
        owner_id=line.owner_id,
        payout_id=line.payout,
        dated_at=line.at,
        statement=FILE,
    )


def _told_by_bank(line: BankLine) -> books.ToldByStatement:
    shared: dict[str, Any] = {"bank_reference": line.reference, "dated_at": line.at, "statement": FILE}
    if line.payout:
        return books.GatewayPayoutArrived(payout_id=line.payout, amount_cents=line.cents, **shared)
    event = books.PayoutSettled if line.cents < 0 else books.PayoutReturned
    assert line.withdrawal_id is not None and line.tester_id is not None
    return event(withdrawal_id=line.withdrawal_id, tester_id=line.tester_id, amount_cents=abs(line.cents), **shared)


def gateway_csv(lines: Sequence[GatewayLine]) -> str:
    """Lines as a payout reconciliation report."""
    rows = [csv_line(COLUMNS)]
    for line in lines:
        at = datetime.fromtimestamp(line.at // SECOND, UTC).strftime("%Y-%m-%d %H:%M:%S")
        amounts = (decimal(line.gross), decimal(line.fee), decimal(line.gross - line.fee))
        is_payout = line.category == "payout"
        went_into = (None, None) if is_payout or not line.payout else (line.payout, None)
        source = line.payout if is_payout else line.id
        about = None if line.purchase_id is None else str(line.purchase_id)
        rows.append(csv_line((*went_into, line.id, at, None, "usd", *amounts, line.category, source, None, about)))
    return "".join(rows)


def take_in_all(driver: InProcess) -> None:
    """Book all that the gateway and the bank tell of the life so far, and an adjustment of each kind."""
    log = File(driver.path).recorded
    gateway = gateway_lines(log)
    events = list(told(gateway, bank_lines(log, gateway)))
    for start in range(0, len(events), AT_ONCE):
        driver.run(_ask(driver, book(events[start : start + AT_ONCE])))
    for number, account in enumerate(books.AdjustedAccount):
        driver.run(_ask(driver, adjusted(f"{account}:{driver.now()}", account, 5 - 10 * number, driver.now())))


async def _ask(driver: InProcess, use_case: Any) -> None:
    await driver.local.ask(use_case)


def adjusted(key: str, account: books.AdjustedAccount | None, cents: int, dated_at: Instant) -> Any:
    """A break that two operators have settled."""
    run_id, operators = UUID(int=0x51), (UUID(int=0x52), UUID(int=0x53))
    facts: dict[str, Any] = {"run_id": run_id, "number": 1, "key": key, "account": account, "difference_cents": cents}
    events = (
        books.AdjustmentProposed(operator_id=operators[0], reason="looked into", **facts),
        books.Adjusted(operator_id=operators[1], proposed_by=operators[0], dated_at=dated_at, **facts),
    )

    def run(work: Work) -> Answer:
        work.record(CASES, case_stream(key, 0), events)
        return Answer({})

    return run
