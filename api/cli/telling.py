"""The demo's story as people read it on a terminal, or in a file: cents in the open, names in place of ids."""

import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from rich import box
from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Column, Table
from rich.text import Text

from api.cli.books import Books, Entry
from api.cli.story import Exchange
from api.signals import forget_output
from domain.access import events as access
from domain.catalogue import NAMES
from domain.credits import events as credits
from domain.job import events as job
from domain.ledger.accounts import Side
from domain.recorded import Actor, Recorded
from domain.tester import events as wallet
from domain.times import Instant
from projections.times import iso

NARROWEST, WIDEST, UNKNOWN_WIDTH = 80, 120, 100
ROOMY = 100
"""From so many columns on there is room for answers beside what was asked."""

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

Names = Mapping[str, str]
Called = Callable[[object], str]
"""How an id is called."""

_TOLD: Mapping[type, Callable[[Any, Called], str]] = {
    access.Registered: lambda e, _: e.role.value if e.public_id is None else f"{e.role} {e.public_id}",
    access.KeyIssued: lambda e, _: "kept as a hash",
    credits.PurchaseStarted: lambda e, _: f"{e.amount_cents} asked for",
    credits.PurchaseCompleted: lambda e, _: f"{e.amount_cents} by {e.reference}",
    credits.Held: lambda e, called: f"{e.amount_cents} for {called(e.job_id)}",
    credits.Released: lambda e, called: f"{e.amount_cents} back from {called(e.job_id)}",
    job.Created: lambda e, _: f"{e.terms.target_testers} slots, {e.hold_cents} held",
    job.Resized: lambda e, _: f"{e.target} slots, {e.held_cents} more",
    job.Settled: lambda e, _: f"{e.hold_cents} to approve, {e.released_cents} released",
    job.Approved: lambda e, _: "everybody is paid",
    job.Disputed: lambda e, called: ", ".join(f"{called(c.assignment_id)} {c.category}" for c in e.claims),
    job.Resolved: lambda e, called: ", ".join(
        f"{called(v.assignment_id)}{', note sealed' if v.note else ''}" for v in e.verdicts
    ),
    job.SlotTaken: lambda e, called: f"{called(e.assignment_id)}, until {_clock(e.reserved_until)}",
    job.TaskStarted: lambda e, called: f"{called(e.assignment_id)}, until {_clock(e.hard_deadline)}",
    job.TaskCompleted: lambda e, called: f"{called(e.assignment_id)}: {e.payout_cents} for {e.duration_minutes} min",
    job.PayoutGranted: lambda e, called: f"{called(e.assignment_id)}: {e.payout_cents}, fee {e.fee_cents}",
    job.Refunded: lambda e, called: f"{called(e.assignment_id)}: {e.refund_cents} to {called(e.owner_id)}",
    wallet.Withdrawn: lambda e, _: f"{e.amount_cents} to the bank",
}
"""What happens in the story, in a few words each; other events are told by their name alone."""


def _clock(instant: Instant, *, seconds: bool = False) -> str:
    return iso(instant)[11 : 19 if seconds else 16]


def _day(instant: Instant) -> str:
    return datetime.fromisoformat(iso(instant)).strftime("%b %d")


def terminal() -> Console:
    """Where the story is told; its width is bounded, so that nothing has to be cut off."""
    known = sys.stdout.isatty() or "COLUMNS" in os.environ
    width = min(max(Console().width, NARROWEST), WIDEST) if known else UNKNOWN_WIDTH
    return _Listened(width=width, highlight=False, markup=False, emoji=False)


class _Listened(Console):
    """Whoever reads the story may stop reading: then it ends, and nothing has failed."""

    def on_broken_pipe(self) -> None:
        forget_output()
        raise SystemExit(0)


class Teller:
    """Tells the story. ``names`` has a name for each id, and may grow meanwhile."""

    def __init__(self, console: Console, names: Names) -> None:
        self._console = console
        self._names = names
        self._is_roomy = console.width >= ROOMY

    def heading(self, title: str) -> None:
        self._console.print()
        self._console.rule(Text(title, "bold"), align="left")

    def say(self, words: str) -> None:
        self._console.print(words)

    def say_unbroken(self, lines: str) -> None:
        """What a reader will copy: a narrow terminal must not break its lines."""
        self._console.print(lines, soft_wrap=True)

    def exchange(self, exchange: Exchange) -> None:
        """Who asked what, and what was answered: beside it where there is room, else below."""
        who, answered = Text(exchange.who, "cyan"), self._answered(exchange)
        grid = Table.grid(Column(width=4), padding=(0, 2, 0, 0), expand=True)
        if self._is_roomy:
            width = self._console.width * 42 // 100
            grid.add_column(width=width, overflow="fold")
            grid.add_column(ratio=1, overflow="fold")
            grid.add_row(who, self._asked(exchange, width), answered)
        else:
            grid.add_column(ratio=1, overflow="fold")
            asked = self._asked(exchange, self._console.width - 6)
            grid.add_row(who, Group(asked, Padding(answered, (0, 0, 0, 2))))
        self._console.print(grid)

    def _asked(self, exchange: Exchange, width: int) -> Text:
        """The request, and what there is to say of it on the same line if it fits there."""
        path = _UUID.sub(lambda found: "{" + self._called(found[0]) + "}", exchange.path)
        request = Text.assemble((exchange.method, "bold"), " ", path)
        gap = "  " if len(request) + 2 + len(exchange.remark) <= width else "\n"
        return request if not exchange.remark else Text.assemble(request, gap, (exchange.remark, "italic"))

    def _answered(self, exchange: Exchange) -> Text:
        values = (f"{path.rpartition('/')[2]} {self._value(value)}" for path, value in exchange.answered.items())
        return Text.assemble((str(exchange.status), "green"), " ", ", ".join(values))

    def events(self, events: Sequence[Recorded[Any]]) -> None:
        """The log, an event a line; the day where it changes."""
        table = self._table(
            Column("#", justify="right", no_wrap=True, style="dim"),
            Column("time", no_wrap=True),
            Column("stream", no_wrap=True),
            Column("event", no_wrap=True, style="bold"),
            Column("by", no_wrap=True, style="cyan"),
            Column("what it says", overflow="fold"),
        )
        day = ""
        for recorded in events:
            if (today := _day(recorded.occurred_at)) != day:
                day = today
                table.add_row("", Text(day, "dim"))
            time, name = _clock(recorded.occurred_at, seconds=True), NAMES[type(recorded.event)]
            stream, actor = self._stream(recorded), self._actor(recorded.actor)
            table.add_row(str(recorded.position), time, stream, name, actor, self._words(recorded.event))
        self._console.print(table)

    def journal(self, entries: Iterable[Entry]) -> None:
        """The journal, an entry in two lines: its debit and its credit."""
        table = self._table(
            Column("entry", no_wrap=True, style="dim"),
            Column("what it did", overflow="fold"),
            Column("account", no_wrap=True),
            Column("debit", justify="right", no_wrap=True),
            Column("credit", justify="right", no_wrap=True),
        )
        for entry in entries:
            debit, credit = entry["postings"]
            words = Text.assemble((entry["type"], "bold"), "\n", self._named(entry["description"]))
            accounts = f"{self._named(debit['account'])}\n{self._named(credit['account'])}"
            table.add_row(entry["id"], words, accounts, str(debit["amountCents"]), f"\n{credit['amountCents']}")
        self._console.print(table)

    def accounts(self, books: Books) -> None:
        """Every account with what its journal adds up to, and their sum."""
        columns = (Column(name, justify="right", no_wrap=True) for name in ("debits", "credits", "balance"))
        table = self._table(Column("account", no_wrap=True), Column("grows by", no_wrap=True), *columns)
        for line in sorted(books.accounts, key=lambda line: self._named(line.account)):
            cents = (str(line.debit_cents), str(line.credit_cents), str(line.balance_cents))
            table.add_row(self._named(line.account), line.kind.normal_side.value, *cents)
        self._console.print(table)
        debit, credit = books.total_cents(Side.DEBIT), books.total_cents(Side.CREDIT)
        self._console.print(
            f"\nSum of all accounts: {debit} that grow by debit - {credit} that grow by credit = {debit - credit}"
        )

    def jobs(self, books: Books) -> None:
        """Where each job's credits went."""
        for line in books.jobs:
            name = self._named(line.escrow).rpartition(":")[2]
            self._console.print(
                f"{name}: {line.held_cents} held = {line.paid_cents} paid + {line.fee_cents} fees"
                f" + {line.released_cents} released + {line.escrow_cents} in escrow"
            )

    def _table(self, *columns: Column) -> Table:
        """A table without lines but one; its columns stand closer where there is little room."""
        padding = (0, int(self._is_roomy), 0, 0)
        return Table(*columns, box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=padding)

    def _words(self, event: Any) -> str:
        told = _TOLD.get(type(event))
        return "" if told is None else told(event, self._called)

    def _stream(self, recorded: Recorded[Any]) -> str:
        aggregate = NAMES[type(recorded.event)].partition(".")[0]
        name = self._called(recorded.stream)
        return name if aggregate == "job" else f"{aggregate} {name}"

    def _actor(self, actor: Actor) -> str:
        return actor.kind.value if actor.id is None else self._called(actor.id)

    def _called(self, id_: object) -> str:
        return self._names.get(str(id_), str(id_))

    def _named(self, text: str) -> str:
        """The text with a name in place of each id."""
        return _UUID.sub(lambda found: self._called(found[0]), text)

    def _value(self, value: Any) -> str:
        return self._named(value if isinstance(value, str) else json.dumps(value))
