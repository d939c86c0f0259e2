"""A payment gateway's statement: CSV in the form of Stripe's payout reconciliation report (itemized).

Amounts are in units of currency with two decimals, as that report has them; times are UTC. Our own id of a purchase
comes back in the column of its metadata.
"""

import csv
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from domain.times import Instant
from projections.export.amounts import CURRENCY, decimal
from projections.export.csv_text import csv_line

PURCHASE = "payment_metadata[purchase_id]"
COLUMNS = (
    "automatic_payout_id",
    "automatic_payout_effective_at_utc",
    "balance_transaction_id",
    "created_utc",
    "available_on_utc",
    "currency",
    "gross",
    "fee",
    "net",
    "reporting_category",
    "source_id",
    "description",
    PURCHASE,
)
NEEDED = ("balance_transaction_id", "created_utc", "currency", "gross", "fee", "net", "reporting_category", PURCHASE)
PAYOUT, PAYOUT_AT, SOURCE = "automatic_payout_id", "automatic_payout_effective_at_utc", "source_id"
"""Needed where a payout is told by the lines that went into it."""
MAX_NAME = 200
"""Characters of the gateway's names for things."""
MAX_LINES = 1_000_000
"""Statements are held in memory to be matched; more than this in one run is refused."""
_TIME = "%Y-%m-%d %H:%M:%S"


class StatementWrong(Exception):
    """A statement that cannot be used; the sentence names the file, the line, and what to do."""

    def __init__(self, name: str, line: int, what: str) -> None:
        super().__init__(f"{name}, line {line}: {what}")


def place_in(file: str, line: int) -> str:
    """Where something stands, in evidence: without the folder, which is another one with everybody who has the file."""
    return f"({file.rpartition('/')[2]}, line {line})"


class StatementLine(NamedTuple):
    """One balance transaction of the gateway, in cents."""

    id: str
    created_at: Instant
    gross_cents: int
    fee_cents: int
    net_cents: int
    category: str
    purchase_id: UUID | None
    file: str
    line: int
    payout_id: str = ""
    """The payout that it went into, where the statement says so."""
    payout_at: Instant | None = None
    source_id: str = ""

    @property
    def payout_name(self) -> str:
        """Of a line that is a payout itself: the gateway's name for it."""
        return self.source_id or self.payout_id or self.id

    @property
    def subject(self) -> str:
        """What a break about it is about."""
        return f"{self.id} {place_in(self.file, self.line)}"


def read_statement(name: str, lines: Iterable[str]) -> Iterator[StatementLine]:
    """The lines of a statement. Raises StatementWrong at the first that is wrong."""
    reader = csv.reader(lines, strict=True)
    try:
        columns = _columns(name, next(reader, []))
        for cells in reader:
            if reader.line_num - 1 > MAX_LINES:
                what = f"a run takes {MAX_LINES:,} lines at most; ask the gateway for shorter periods"
                raise StatementWrong(name, reader.line_num, what)
            if cells:
                yield _Row(name, reader.line_num, columns, cells).read()
    except (csv.Error, UnicodeDecodeError) as error:
        raise StatementWrong(name, reader.line_num + 1, f"this is no CSV in UTF-8: {error}") from error


def _columns(name: str, header: list[str]) -> dict[str, int]:
    columns = {column.strip().lstrip("\ufeff"): place for place, column in enumerate(header)}
    lacking = [column for column in NEEDED if column not in columns]
    if lacking:
        what = f"the column {lacking[0]} is missing; a payout reconciliation report has {', '.join(NEEDED)}"
        raise StatementWrong(name, 1, what)
    if len(columns) < len(header):
        raise StatementWrong(name, 1, "a column is there twice")
    return columns


class _Row:
    """One line, its cells by column."""

    def __init__(self, name: str, line: int, columns: dict[str, int], cells: list[str]) -> None:
        self._name = name
        self._line = line
        if len(cells) != len(columns):
            raise self._wrong(f"has {len(cells)} cells; the header has {len(columns)}")
        self._cells = {column: cells[place].strip() for column, place in columns.items()}

    def _wrong(self, what: str) -> StatementWrong:
        return StatementWrong(self._name, self._line, what)

    def read(self) -> StatementLine:
        cells = self._cells
        if cells["currency"].upper() != CURRENCY:
            raise self._wrong(f"currency is {cells['currency']!r}; these books are in {CURRENCY} alone")
        if not cells["balance_transaction_id"]:
            raise self._wrong("balance_transaction_id is empty")
        for column in ("balance_transaction_id", "reporting_category", PAYOUT, SOURCE):
            if len(cells.get(column, "")) > MAX_NAME:
                raise self._wrong(f"{column} is longer than {MAX_NAME} characters")
        payout_id = cells.get(PAYOUT, "")
        return StatementLine(
            cells["balance_transaction_id"],
            self._instant("created_utc"),
            self._cents("gross"),
            self._cents("fee"),
            self._cents("net"),
            cells["reporting_category"],
            self._purchase(),
            self._name,
            self._line,
            payout_id,
            self._instant(PAYOUT_AT) if payout_id and cells.get(PAYOUT_AT) else None,
            cells.get(SOURCE, ""),
        )

    def _instant(self, column: str) -> Instant:
        try:
            at = datetime.strptime(self._cells[column], _TIME).replace(tzinfo=UTC)
        except ValueError:
            raise self._wrong(f"{column} is {self._cells[column]!r}; it must be like 2026-10-31 23:59:59") from None
        return int(at.timestamp()) * 1_000

    def _cents(self, column: str) -> int:
        shown = self._cells[column]
        units, point, decimals = shown.removeprefix("-").partition(".")
        is_plain = units.isascii() and units.isdigit() and len(units) <= 15
        if not is_plain or not point or len(decimals) != 2 or not (decimals.isascii() and decimals.isdigit()):
            raise self._wrong(f"{column} is {shown!r}; it must be in units of {CURRENCY} with two decimals, like 12.50")
        cents = int(units) * 100 + int(decimals)
        return -cents if shown.startswith("-") else cents

    def _purchase(self) -> UUID | None:
        shown = self._cells[PURCHASE]
        try:
            return UUID(shown) if shown else None
        except ValueError:
            raise self._wrong(f"{PURCHASE} is {shown!r}; it must be the id of a purchase, or empty") from None


def statement_header() -> str:
    return csv_line(COLUMNS)


def statement_charge(number: int, purchase_id: UUID, created_at: Instant, gross_cents: int, fee_cents: int) -> str:
    """A charge as a line of a statement."""
    created = datetime.fromtimestamp(created_at // 1_000, UTC).strftime(_TIME)
    amounts = (decimal(gross_cents), decimal(fee_cents), decimal(gross_cents - fee_cents))
    return csv_line(
        (
            None,
            None,
            f"txn_{number}",
            created,
            created,
            CURRENCY.lower(),
            *amounts,
            "charge",
            f"sandbox-{number}",
            "credits bought",
            str(purchase_id),
        )
    )
