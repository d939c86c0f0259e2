"""What the gateway and the bank tell of a life of the platform: fees, payouts, money that came back."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from api.service.books import book, close_month
from api.service.reconciliations import StatementText, confirm, keep_run, propose
from api.service.work import Answer, Work
from domain.books import events as books
from domain.books.commands import CloseMonth
from domain.books.decider import CASES
from domain.credits.events import PurchaseCompleted
from domain.ids import case_stream
from domain.recorded import Actor, ActorKind, Recorded
from domain.tester.events import Withdrawn
from domain.times import DAY, SECOND, Instant
from projections.export.amounts import decimal
from projections.export.csv_text import csv_line
from projections.reconcile.period import Period
from projections.reconcile.statement import COLUMNS
from projections.statements.months import month_of
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
        return books.GatewayPaidOut(
            payout_id=line.payout, reference=line.id, amount_cents=-line.gross, dated_at=line.at, statement=FILE
        )
    return books.GatewayLineBooked(
        reference=line.id,
        category=line.category,
        gross_cents=line.gross,
        fee_cents=max(0, line.fee),
        fee_returned_cents=max(0, -line.fee),
        reversed_cents=-line.gross if line.category in (books.REFUND, books.DISPUTE) else 0,
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


CAMT = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"


def camt_053(lines: Sequence[BankLine], opening: int = 0) -> str:
    """Movements as a bank's statement, with its balances."""
    closing = opening + sum(line.cents for line in lines)
    entries = "".join(map(camt_entry, lines))
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Document xmlns="{CAMT}"><BkToCstmrStmt>\n'
        f"<GrpHdr><MsgId>M1</MsgId></GrpHdr>\n<Stmt><Id>S1</Id>\n{_balance('OPBD', opening)}"
        f"{_balance('CLBD', closing)}{entries}</Stmt></BkToCstmrStmt></Document>\n"
    )


def _balance(kind: str, cents: int) -> str:
    code = f"<Tp><CdOrPrtry><Cd>{kind}</Cd></CdOrPrtry></Tp>"
    return f"<Bal>{code}{_amount(cents)}</Bal>\n"


def _amount(cents: int) -> str:
    sign = "CRDT" if cents >= 0 else "DBIT"
    return f'<Amt Ccy="USD">{decimal(abs(cents))}</Amt><CdtDbtInd>{sign}</CdtDbtInd>'


def camt_entry(line: BankLine) -> str:
    """One movement; what it pays stands where a payer would write it."""
    day = datetime.fromtimestamp(line.at // SECOND, UTC).strftime("%Y-%m-%d")
    about = line.payout and f"<RmtInf><Ustrd>GATEWAY TRANSFER {line.payout}</Ustrd></RmtInf>"
    if line.withdrawal_id is not None:
        about = f"<Refs><EndToEndId>{line.withdrawal_id.hex}</EndToEndId></Refs>"
    return (
        f"<Ntry>{_amount(line.cents)}<Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>{day}</Dt></BookgDt>"
        f"<AcctSvcrRef>{line.reference}</AcctSvcrRef><NtryDtls><TxDtls>{about}</TxDtls></NtryDtls></Ntry>\n"
    )


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


def settle_and_close(driver: InProcess) -> None:
    """A run that finds something, two operators who settle it, and a month long ago that is closed."""
    nobodys = GatewayLine("txn_nobodys", books.CHARGE, driver.now(), 500, 0, UUID(int=0x54))
    run_id, operators = UUID(int=0x55), [Actor(ActorKind.OPERATOR, UUID(int=n)) for n in (0x52, 0x53)]
    month = month_of("2024-12")
    closing = CloseMonth(
        month=month.name,
        timezone=month.timezone,
        begins_at=month.begins,
        ends_at=month.ends,
        position=1,
        tree_root="00" * 32,
    )

    async def story() -> None:
        local, statement = driver.local, StatementText("nobodys.csv", gateway_csv([nobodys]))
        kept = await local.service.reconciliations.run(Period(begins=driver.now()), [statement])
        await local.ask(keep_run(run_id, kept))
        await local.ask(propose(run_id, 1, "so it is"), actor=operators[0])
        await local.ask(confirm(run_id, 1), actor=operators[1])
        await local.ask(close_month(closing))

    driver.run(story())
