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

_NOT_CLOSED = "The month is not closed"


async def close(service: Service, look: Look, month: Month, files: list[Path]) -> dict[str, Any]:
    """Close a month; what is closed, and how much was booked. The committer must run.

    Into a month that was closed before is taken what its statements tell beyond what was booked, and it stays as it is.
    Raises InvalidState where the month is not over, where it is closed and nothing is left to be taken in, where it was
    closed in another time zone, or where breaks are open: these are kept as a run, and nothing is booked. Raises
    StatementWrong.
    """
    await service.committer.catch_up()
    closed_before = bool(files) and _was_closed(look, month)
    if not closed_before:
        await service.command(close_month(_closing(month, 0, "")), Context(CONSOLE, dry_run=True))
    statements = read_statements(files, month.timezone)
    if not closed_before:
        _check_kept_runs(service, month, statements)
    booked, last = await _take_in(
        service, look, month, statements, "Nothing is taken in" if closed_before else _NOT_CLOSED
    )
    if closed_before and not booked:
        raise InvalidState(
            f"The month {month.name} is closed already; the statements tell of nothing that is not in the books."
        )
    run_id = new_id()
    await service.command(keep_run(run_id, last.kept), Context(CONSOLE))
    closing = _closing(month, last.result.position, last.result.root)
    if not closed_before:
        await service.command(close_month(closing), Context(CONSOLE))
    return {
        "month": closing.month,
        "timezone": closing.timezone,
        "position": closing.position,
        "treeRoot": closing.tree_root,
        "closedBefore": closed_before,
        "booked": booked,
        "reconciliation": str(run_id),
        "run": last.document,
    }


def _was_closed(look: Look, month: Month) -> bool:
    """Raises InvalidState where it was closed in another time zone: days of its statements would begin at others'."""
    with look() as replay:
        closing = replay.told.closings().get(month.name)
    if closing is not None and closing.timezone != month.timezone:
        raise InvalidState(
            f"The month {month.name} was closed in {closing.timezone}; statements of it are taken in with "
            f"--timezone {closing.timezone}."
        )
    return closing is not None


async def _take_in(service: Service, look: Look, month: Month, statements: Statements, refused: str) -> tuple[int, Run]:
    """Book what the statements tell, unless anything is open; how much that was, and the run that looked last."""
    now = service.committer.now()
    first = _look(look, month, now, statements)
    await _refuse_open(service, first, refused)
    booked = 0
    coming = first.bookings()
    while told := list(islice(coming, AT_ONCE)):
        reply = await service.command(book(told), Context(CONSOLE))
        booked += msgspec.json.decode(reply.body)["booked"]
    if not booked:
        return booked, first
    last = _look(look, month, now, statements)
    await _refuse_open(service, last, refused)
    return booked, last


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


async def _refuse_open(service: Service, made: Run, refused: str) -> None:
    """Raises InvalidState, after the run was kept for those who settle its breaks."""
    count = sum(1 for _ in _open(made))
    if not count and all(control.agrees for control in made.result.controls):
        return
    run_id = new_id()
    await service.command(keep_run(run_id, made.kept), Context(CONSOLE))
    what = f"{count} breaks are open" if count != 1 else "one break is open"
    if not count:
        what = "the controls do not agree"
    raise InvalidState(f"{refused}: {what}. What was found is kept as reconciliation {run_id}.")


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
        raise InvalidState(f"{_NOT_CLOSED}: {what}; settle what is open, or give a statement of that side.")
