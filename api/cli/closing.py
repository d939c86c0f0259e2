"""`tallyhold close`: compares, takes in what statements tell, and closes the month; where anything is open, nothing."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from api.cli.reconciling import Run, Statements, read_statements, run
from api.service.books import book, close_month
from api.service.ids import new_id
from api.service.ports import Replay
from api.service.reconciliations import keep_run
from api.service.service import Service
from api.service.work import Context
from domain.books.commands import CloseMonth
from domain.books.events import Remedy
from domain.errors import InvalidState
from domain.recorded import CONSOLE
from domain.times import Instant
from projections.reconcile.breaks import Break
from projections.reconcile.period import Period
from projections.statements.months import Month

AT_ONCE = 200
"""Lines of statements in one transaction: commands of others come in between."""

Look = Callable[[], AbstractContextManager[Replay]]


async def close(service: Service, look: Look, month: Month, files: list[Path]) -> dict[str, Any]:
    """Close a month; what is closed, and how much was booked. The committer must run.

    Raises InvalidState where the month is not over, is closed, or where breaks are open: these are kept as a run,
    and nothing is booked. Raises StatementWrong.
    """
    await service.committer.catch_up()
    await service.command(close_month(_closing(month, 0, "")), Context(CONSOLE, dry_run=True))
    statements = read_statements(files, month.timezone)
    _check_kept_runs(service, month, statements)
    now = service.committer.now()
    first = _look(look, month, now, statements)
    await _refuse_open(service, first)
    booked = 0
    coming = first.bookings()
    while told := list(islice(coming, AT_ONCE)):
        reply = await service.command(book(told), Context(CONSOLE))
        booked += msgspec.json.decode(reply.body)["booked"]
    last = first
    if booked:
        last = _look(look, month, now, statements)
        await _refuse_open(service, last)
    run_id = new_id()
    await service.command(keep_run(run_id, last.kept), Context(CONSOLE))
    command = _closing(month, last.result.position, last.result.root)
    reply = await service.command(close_month(command), Context(CONSOLE))
    body: dict[str, Any] = msgspec.json.decode(reply.body)
    return {**body, "booked": booked, "reconciliation": str(run_id), "run": last.document}


def _closing(month: Month, position: int, root: str) -> CloseMonth:
    return CloseMonth(
        month=month.name,
        timezone=month.timezone,
        begins_at=month.begins,
        ends_at=month.ends,
        position=position,
        tree_root=root,
    )


def _look(look: Look, month: Month, now: Instant, statements: Statements) -> Run:
    period = Period(begins=month.begins, as_of=month.ends - 1)
    with look() as replay:
        return run(replay.events(replay.told.position), replay.told, period, now, statements, timezone=month.timezone)


async def _refuse_open(service: Service, made: Run) -> None:
    """Raises InvalidState, after the run was kept for those who settle its breaks."""
    count = sum(1 for _ in _open(made))
    if not count and all(control.agrees for control in made.result.controls):
        return
    run_id = new_id()
    await service.command(keep_run(run_id, made.kept), Context(CONSOLE))
    what = f"{count} breaks are open" if count != 1 else "one break is open"
    if not count:
        what = "the controls do not agree"
    raise InvalidState(f"The month is not closed: {what}. What was found is kept as reconciliation {run_id}.")


def _open(made: Run) -> Iterator[Break]:
    """What is on its way at the end of a month does not hold it up."""
    return (one for one in made.result.breaks if one.remedy is not Remedy.WAIT)


def _check_kept_runs(service: Service, month: Month, statements: Statements) -> None:
    """Of the side that gives no statement the breaks that others have told of are as open as they were."""
    found = service.reads.open_breaks(
        month.ends, of_gateway=statements.lines.gateway is None, of_bank=statements.lines.bank is None
    )
    if found is not None:
        run_id, count = found
        what = "a break is open" if count == 1 else f"{count} breaks are open"
        what += f", as reconciliation {run_id} has found"
        raise InvalidState(f"The month is not closed: {what}; settle what is open, or give a statement of that side.")
