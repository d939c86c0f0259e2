"""Reconciliations over HTTP: the replay runs beside the commands, its outcome is kept by one of them."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from io import BytesIO
from time import sleep
from typing import Any
from uuid import UUID

from msgspec import Raw

from api.service.ports import Replays
from api.service.refusals import Overloaded, Unavailable
from api.service.work import Answer, UseCase, Work
from domain.books.commands import ConfirmAdjustment, KeepRun, ProposeAdjustment
from domain.books.decider import CASES, RUNS
from domain.books.events import Reconciled
from domain.errors import InvalidState, invalid
from domain.ids import case_stream
from domain.recorded import Recorded
from domain.times import Instant
from projections.reconcile.files import Lines, StatementFile, sorted_lines
from projections.reconcile.kept import kept
from projections.reconcile.period import Period
from projections.reconcile.reconciliation import reconcile
from projections.reconcile.report import document
from projections.reconcile.statement import StatementWrong
from projections.reconciliations import run_item
from projections.statements.months import zone_of

MAX_EVENTS = 1_000_000
"""A longer log is reconciled from the command line."""
AT_A_TIME = 500
NAP_SECONDS = 0.005
"""After so many events a replay lets others have the interpreter: commands must not wait for it."""


@dataclass(frozen=True, slots=True)
class StatementText:
    """A statement that came with a request."""

    name: str
    content: str


class Reconciliations:
    """One replay at a time in a process, in a thread of its own."""

    def __init__(self, replays: Replays, now: Callable[[], Instant], is_closing: Callable[[], bool]) -> None:
        self._replays = replays
        self._now = now
        self._is_closing = is_closing
        self._running = asyncio.Lock()

    async def run(self, period: Period, statements: Sequence[StatementText], timezone: str = "UTC") -> Reconciled:
        """Compare everything, as of now. Raises InvalidRequest for a wrong statement, InvalidState for too long a log,
        and Overloaded while another one is under way."""
        if self._running.locked():
            raise Overloaded("A reconciliation is under way; try again in some seconds.")
        async with self._running:
            return await asyncio.to_thread(self._run, period, self._now(), statements, timezone)

    def _run(self, period: Period, now: Instant, statements: Sequence[StatementText], timezone: str) -> Reconciled:
        with self._replays.replay() as replay:
            if replay.told.position > MAX_EVENTS:
                raise InvalidState(f"The log has more than {MAX_EVENTS:,} events; use tallyhold reconcile --keep.")
            files = [_file(one, timezone) for one in statements]
            lines = _read(files)
            log = self._napping(replay.events(replay.told.position))
            try:
                result = reconcile(log, replay.told, period, now, lines.gateway, lines.bank)
            except StatementWrong as error:
                raise invalid("/statements", str(error)) from None
        read = [file.read() for file in files]
        return kept(result, document(result, {"program": program()}, read), period, timezone, read)

    def _napping(self, log: Iterable[Recorded[Any]]) -> Iterator[Recorded[Any]]:
        for number, one in enumerate(log):
            if number % AT_A_TIME == 0:
                if self._is_closing():
                    raise Unavailable("The service is shutting down; try again in some seconds.")
                sleep(NAP_SECONDS)
            yield one


def program() -> str:
    """Which program has made a run."""
    return f"tallyhold {version('tallyhold')}"


def _file(one: StatementText, timezone: str) -> StatementFile:
    content = one.content.encode()
    return StatementFile(one.name, one.name, lambda: BytesIO(content), zone_of(timezone))


def _read(files: list[StatementFile]) -> Lines:
    """All lines. Raises InvalidRequest, naming the statement."""
    begun: list[StatementFile] = []

    def one_by_one() -> Iterator[StatementFile]:
        for file in files:
            begun.append(file)
            yield file

    try:
        return sorted_lines(one_by_one())
    except StatementWrong as error:
        raise invalid(f"/statements/{len(begun) - 1}/content", str(error)) from None


def keep_run(run_id: UUID, run: Reconciled) -> UseCase:
    """Keep a reconciliation as evidence."""

    def use_case(work: Work) -> Answer:
        work.record(RUNS, run_id, RUNS.decide(KeepRun(run=run), work.state(RUNS, run_id), work.now))
        body = {**run_item(work.events[-1]), "evidence": Raw(run.evidence.encode())}
        return Answer(body, status=201, location=f"/operator/reconciliations/{run_id}")

    return use_case


def propose(run_id: UUID, number: int, reason: str) -> UseCase:
    """Propose to settle a break."""

    def use_case(work: Work) -> Answer:
        found = _run_of(work, run_id).breaks[number - 1]
        return _decide(
            work,
            ProposeAdjustment(run_id=run_id, number=number, found=found, operator_id=_operator(work), reason=reason),
        )

    return use_case


def confirm(run_id: UUID, number: int) -> UseCase:
    """Settle a break that another operator has proposed to settle."""

    def use_case(work: Work) -> Answer:
        run = _run_of(work, run_id)
        command = ConfirmAdjustment(
            run_id=run_id,
            number=number,
            found=run.breaks[number - 1],
            operator_id=_operator(work),
            dated_at=run.ends_at,
        )
        return _decide(work, command)

    return use_case


def _run_of(work: Work, run_id: UUID) -> Reconciled:
    run = work.state(RUNS, run_id)
    assert run is not None, "a run is never lost"
    return run


def _operator(work: Work) -> UUID:
    operator_id = work.context.actor.id
    assert operator_id is not None, "operators have keys"
    return operator_id


def _decide(work: Work, command: ProposeAdjustment | ConfirmAdjustment) -> Answer:
    stream = case_stream(command.found.key, command.found.ordinal)
    work.record(CASES, stream, CASES.decide(command, work.state(CASES, stream), work.now))
    case = work.state(CASES, stream)
    assert case is not None, "something was decided"
    return Answer(
        {
            "runId": str(command.run_id),
            "number": command.number,
            "status": "adjusted" if case.is_adjusted else "proposed",
            "account": case.proposal.account,
            "amountCents": case.proposal.difference_cents,
            "reason": case.proposal.reason,
            "proposedBy": str(case.proposal.operator_id),
        }
    )
