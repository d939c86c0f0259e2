"""Use cases of the books: what statements tell is taken in, and months are closed."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from api.service.work import Answer, UseCase, Work
from domain.books.commands import Book, CloseMonth
from domain.books.decider import BOOKINGS, MONTHS
from domain.books.events import GatewayLineBooked, PayoutReturned, PayoutSettled, ToldByStatement
from domain.books.others import reversal, take_back
from domain.credits.decider import CREDITS
from domain.decider import Decider
from domain.ids import MONTHS_STREAM, gateway_line_stream, gateway_payout_stream, sent_payout_stream
from domain.tester.decider import WALLET


def book(told: Sequence[ToldByStatement]) -> UseCase:
    """Take in what a statement tells, all of it or none; what was told before is left out.

    Raises InvalidState for what does not go with what was told before.
    """

    def run(work: Work) -> Answer:
        plan = _Plan(work)
        count = sum(_plan_one(plan, one) for one in told)
        plan.record()
        return Answer({"booked": count})

    return run


def _plan_one(plan: "_Plan", told: ToldByStatement) -> bool:
    """Whether it is new."""
    if not plan.decide(BOOKINGS, _stream_of(told), Book(told=told)):
        return False
    if (asked := reversal(told)) is not None:
        assert isinstance(told, GatewayLineBooked) and told.owner_id is not None, "a purchase is somebody's"
        plan.decide(CREDITS, told.owner_id, asked)
    if (back := take_back(told)) is not None:
        assert isinstance(told, PayoutReturned)
        plan.decide(WALLET, told.tester_id, back)
    return True


def _stream_of(told: ToldByStatement) -> UUID:
    if isinstance(told, GatewayLineBooked):
        return gateway_line_stream(told.reference)
    if isinstance(told, PayoutSettled | PayoutReturned):
        return sent_payout_stream(told.withdrawal_id)
    return gateway_payout_stream(told.payout_id)


def close_month(command: CloseMonth) -> UseCase:
    """Close a month. Raises InvalidState if it is not over, or closed already."""

    def run(work: Work) -> Answer:
        work.record(MONTHS, MONTHS_STREAM, MONTHS.decide(command, work.state(MONTHS, MONTHS_STREAM), work.now))
        return Answer(
            {
                "month": command.month,
                "timezone": command.timezone,
                "position": command.position,
                "treeRoot": command.tree_root,
            }
        )

    return run


class _Plan:
    """Decides one thing after the other, each as the one before will have left it, and then records them all.

    The states of these streams are values that nothing changes, so that those of the committer stay as they are.
    """

    def __init__(self, work: Work) -> None:
        self._work = work
        self._states: dict[UUID, Any] = {}
        self._decided: list[tuple[Decider[Any, Any, Any], UUID, Sequence[Any]]] = []

    def decide(self, decider: Decider[Any, Any, Any], stream: UUID, command: Any) -> Sequence[Any]:
        state = self._states[stream] if stream in self._states else self._work.state(decider, stream)
        events = decider.decide(command, state, self._work.now)
        self._states[stream] = decider.fold(events, state)
        self._decided.append((decider, stream, events))
        return events

    def record(self) -> None:
        for decider, stream, events in self._decided:
            self._work.record(decider, stream, events)
