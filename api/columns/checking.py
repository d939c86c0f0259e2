"""The same totals reached a second way: DuckDB over the columns alone. It reads no event, and knows nothing of the
production's rules: which event moves what is written down here once more, so that a mistake there has to be made twice.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from itertools import chain
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import duckdb

from api.columns.manifest import Folder, Manifest
from api.columns.wrong import WrongPartitions
from api.service.garbage import rarely_collected
from domain.times import DAY
from projections.columns.fold import month_of_day
from projections.columns.totals import Key, Measure, Totals, without_zeros

MEMORY = "640MiB"
"""What DuckDB may take before it writes to disk; with the program around it the process stays within 1 GiB."""
SAY_SECONDS = 0.2

Told = Callable[[int, int], None]


class Posting(NamedTuple):
    """An event posts an entry of a type, which debits an account of one kind and credits one of another."""

    event: str
    type: str
    debit: str
    credit: str
    cents: str


def _off(account: str, sign: int) -> str:
    """By how much an adjustment moves an account in one direction."""
    return f"CASE WHEN account = '{account}' THEN greatest({sign} * difference_cents, 0) ELSE 0 END"


POSTINGS = (
    Posting("credits.purchase_completed", "credit_purchase", "gateway:clearing", "owner:credits", "amount_cents"),
    Posting("job.created", "escrow_hold", "owner:credits", "owner:escrow", "hold_cents"),
    Posting("job.resized", "escrow_hold_increase", "owner:credits", "owner:escrow", "held_cents"),
    Posting("job.resized", "escrow_release_unused", "owner:escrow", "owner:credits", "released_cents"),
    Posting("job.settled", "escrow_release_unused", "owner:escrow", "owner:credits", "released_cents"),
    Posting("job.cancelled", "escrow_release_cancelled", "owner:escrow", "owner:credits", "released_cents"),
    Posting("job.payout_granted", "settlement_payout", "owner:escrow", "tester:payable", "payout_cents"),
    Posting("job.payout_granted", "settlement_fee", "owner:escrow", "platform:fees", "fee_cents"),
    Posting("job.refunded", "dispute_refund", "owner:escrow", "owner:credits", "payout_cents + fee_cents"),
    Posting("wallet.withdrawn", "withdrawal", "tester:payable", "payouts:clearing", "amount_cents"),
    Posting("credits.charged_back", "chargeback", "owner:credits", "gateway:clearing", "credits_cents"),
    Posting("credits.charged_back", "chargeback", "owner:receivable", "gateway:clearing", "receivable_cents"),
    Posting("credits.purchase_refunded", "credit_refund", "owner:credits", "gateway:clearing", "credits_cents"),
    Posting("credits.purchase_refunded", "credit_refund", "owner:receivable", "gateway:clearing", "receivable_cents"),
    Posting("books.gateway_line_booked", "gateway_fee", "gateway:fees", "gateway:clearing", "fee_cents"),
    Posting("books.gateway_line_booked", "gateway_fee", "gateway:clearing", "gateway:fees", "fee_returned_cents"),
    Posting("books.gateway_paid_out", "gateway_payout", "bank", "gateway:clearing", "amount_cents"),
    Posting("books.gateway_payout_returned", "gateway_payout", "gateway:clearing", "bank", "amount_cents"),
    Posting("books.payout_settled", "payout_settled", "payouts:clearing", "bank", "amount_cents"),
    Posting("books.payout_returned", "payout_returned", "bank", "tester:payable", "amount_cents"),
    Posting("books.adjusted", "adjustment", "gateway:clearing", "platform:adjustments", _off("gateway:clearing", 1)),
    Posting("books.adjusted", "adjustment", "platform:adjustments", "gateway:clearing", _off("gateway:clearing", -1)),
    Posting("books.adjusted", "adjustment", "bank", "platform:adjustments", _off("bank", 1)),
    Posting("books.adjusted", "adjustment", "platform:adjustments", "bank", _off("bank", -1)),
)
_GROWS_BY_DEBITS = frozenset({"bank", "gateway:clearing", "gateway:fees", "owner:receivable"})
_ITS_OWN = frozenset(
    {"bank", "gateway:clearing", "gateway:fees", "payouts:clearing", "platform:adjustments", "platform:fees"}
)
"""Kinds of which there is but one account."""
_BY_DATE = (
    "books.adjusted",
    "books.gateway_line_booked",
    "books.gateway_paid_out",
    "books.gateway_payout_returned",
    "books.payout_settled",
)
"""Events that belong to the day at which they happened outside."""
_IN_CREDITS = (
    ("credits.purchase_completed", "amount_cents"),
    ("credits.held", "-amount_cents"),
    ("credits.released", "amount_cents"),
    ("credits.charged_back", "-credits_cents"),
    ("credits.purchase_refunded", "-credits_cents"),
)
"""What the events of an owner's own stream say of the free credits."""


def _case(terms: Iterable[tuple[str, str]]) -> str:
    """What each event adds, as an expression over its columns; nothing for all others."""
    sums: dict[str, str] = {}
    for event, cents in terms:
        sums[event] = f"{sums[event]} + {cents}" if event in sums else cents
    branches = " ".join(f"WHEN '{event}' THEN {cents}" for event, cents in sums.items())
    return f"CASE name {branches} ELSE 0 END"


def _into(kind: str) -> str:
    """What an event adds to an account of a kind."""
    grows, shrinks = ("debit", "credit") if kind in _GROWS_BY_DEBITS else ("credit", "debit")
    return _case(
        (one.event, f"({one.cents})" if side == grows else f"-({one.cents})")
        for one in POSTINGS
        for side in (grows, shrinks)
        if getattr(one, side) == kind
    )


_OF_EVENT = {event: [one for one in POSTINGS if one.event == event] for event in {one.event for one in POSTINGS}}
_AMOUNTS = tuple(dict.fromkeys(one.cents for one in POSTINGS))

_BY_DAY = f"""
    SELECT name, day, count(*), sum(position),
        {", ".join(f"count(nullif({cents}, 0)), coalesce(sum({cents}), 0)" for cents in _AMOUNTS)}
    FROM (
        SELECT *, (CASE WHEN name IN {_BY_DATE} THEN dated_at ELSE occurred_at END) // {DAY} AS day FROM events
    ) GROUP BY name, day
"""
"""All that is counted by event and time, in one scan: every amount, of which only those count that the event posts."""

_BY_STREAM = f"""
    WITH streams AS MATERIALIZED (
        SELECT stream, max(owner_id) AS owner, count(*) AS events, max(version) AS versions,
            sum({_into("owner:escrow")}) AS escrow, sum({_into("owner:credits")}) AS free,
            sum({_case(_IN_CREDITS)}) AS own, sum({_into("owner:receivable")}) AS owed
        FROM events GROUP BY stream
    )
    SELECT '{Measure.STREAMS}', '', '', count(*) FROM streams
    UNION ALL
    SELECT 'versions missing in', 'stream', stream::VARCHAR, versions - events FROM streams WHERE versions <> events
    UNION ALL
    SELECT '{Measure.BALANCE}', 'owner:escrow', 'owner:' || owner || ':escrow:' || stream, escrow
    FROM streams WHERE escrow <> 0
    UNION ALL
    SELECT '{Measure.BALANCE}', 'owner:credits', 'owner:' || id || ':credits', free
    FROM (SELECT coalesce(owner, stream) AS id, sum(free) AS free FROM streams WHERE free <> 0 GROUP BY id)
    UNION ALL
    SELECT '{Measure.BALANCE}', 'owner:receivable', 'owner:' || stream || ':receivable', owed
    FROM streams WHERE owed <> 0
    UNION ALL
    SELECT '{Measure.STATE}', 'owner:credits', 'owner:' || stream || ':credits', own FROM streams WHERE own <> 0
"""
"""Streams, and whose money they move: a stream of credits is the owner's own, and names no other."""

_BY_TESTER = f"""
    SELECT '{Measure.BALANCE}', 'tester:payable', 'tester:' || tester || ':payable', cents
    FROM (
        SELECT coalesce(tester_id, stream) AS tester, sum({_into("tester:payable")}) AS cents
        FROM events
        WHERE name IN ({", ".join(f"'{one.event}'" for one in POSTINGS if "tester:payable" in (one.debit, one.credit))})
        GROUP BY tester
    )
"""


@rarely_collected()
def check_columns(folder: Folder, manifest: Manifest, told: Told, memory: str = MEMORY) -> Totals:
    """The totals of all partitions by their columns alone. Raises WrongPartitions.

    What a job's state says of its escrow is no column: there the same sum answers for both.
    """
    queries = (_BY_DAY, _BY_STREAM, _BY_TESTER)
    with TemporaryDirectory(prefix="tallyhold-") as spill, _opened(folder, manifest, memory, spill) as connection:
        try:
            answers: list[list[Any]] = []
            for number, sql in enumerate(queries):
                for percent in _asked(connection, sql, answers):
                    told(int(manifest.position * (number + percent / 100) / len(queries)), manifest.position)
        except duckdb.Error as error:
            raise WrongPartitions(f"The columns of {folder.url} could not be checked: {_first_line(error)}.") from error
    whole = _by_day(answers[0])
    for measure, of, which, number in chain(answers[1], answers[2]):
        whole[Key(measure, of, which)] = number
        if of == "owner:escrow":
            whole[Key(Measure.STATE, of, which)] = number
    return without_zeros(whole)


def _asked(connection: Any, sql: str, answers: list[list[Any]]) -> Iterator[float]:
    """Run a query; meanwhile, how far it is, of 100."""
    with ThreadPoolExecutor(1) as thread:
        answer = thread.submit(lambda: connection.execute(sql).fetchall())
        while wait([answer], SAY_SECONDS).not_done:
            yield max(0.0, connection.query_progress())
        answers.append(answer.result())
    yield 100


def _by_day(rows: Iterable[tuple[Any, ...]]) -> dict[Key, int]:
    whole: dict[Key, int] = {}

    def add(measure: str, of: str, which: str, number: int) -> None:
        key = Key(measure, of, which)
        whole[key] = whole.get(key, 0) + int(number)

    for name, day, count, positions, *amounts in rows:
        add(Measure.EVENTS, name, "", count)
        add(Measure.POSITIONS, "", "", positions)
        posted = dict(zip(_AMOUNTS, zip(amounts[::2], amounts[1::2], strict=True), strict=True))
        for one in _OF_EVENT.get(name, ()):
            entries, cents = posted[one.cents]
            add(Measure.ENTRIES, one.type, month_of_day(day), entries)
            add(Measure.CENTS, one.type, month_of_day(day), cents)
            for measure, kind, grows in (
                (Measure.DEBITS, one.debit, one.debit in _GROWS_BY_DEBITS),
                (Measure.CREDITS, one.credit, one.credit not in _GROWS_BY_DEBITS),
            ):
                add(measure, kind, "", cents)
                if kind in _ITS_OWN:
                    add(Measure.BALANCE, kind, kind, cents if grows else -cents)
    return whole


@contextmanager
def _opened(folder: Folder, manifest: Manifest, memory: str, spill: str) -> Iterator[Any]:
    """A database in memory with one view, of the files that the manifest names."""
    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": memory,
        "temp_directory": spill,
        "preserve_insertion_order": False,
        "autoinstall_known_extensions": False,
    }
    connection = duckdb.connect(config=settings)
    try:
        if not folder.is_local:
            connection.register_filesystem(folder.files)
        files = [folder.for_duckdb(file.path) for file in manifest.files]
        connection.read_parquet(files, hive_partitioning=False).create_view("events")
        yield connection
    finally:
        connection.close()


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].rstrip(".")
