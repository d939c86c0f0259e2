"""Owners' credit streams against the jobs' money: each hold and release is told twice, and must be told alike."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple
from uuid import UUID

from domain.credits import events as credits
from domain.ledger.accounts import AccountKind
from domain.recorded import Recorded
from domain.times import Instant
from projections.reconcile.breaks import Break, Category
from projections.reconcile.journal import Posted


class _Moved(NamedTuple):
    """What one side says was moved in an owner's free credits, in cents."""

    cents: int
    position: int
    at: Instant


class CreditStreams:
    """Pairs the two halves as they come; they lie side by side in the log, so that few ever wait."""

    def __init__(self) -> None:
        self.balance_cents = 0
        """All owners' free credits, by their own streams."""
        self._waiting: dict[str, tuple[list[_Moved], list[_Moved]]] = defaultdict(lambda: ([], []))
        self._open: dict[UUID, int] = {}
        self._found: list[Break] = []

    def see(self, recorded: Recorded[Any]) -> None:
        match recorded.event:
            case credits.Held(job_id=job_id, amount_cents=cents):
                self._stream_moved(job_id, -cents, recorded)
            case credits.Released(job_id=job_id, amount_cents=cents):
                self._stream_moved(job_id, cents, recorded)
            case credits.ChargedBack(credits_cents=cents) | credits.PurchaseRefunded(credits_cents=cents):
                self.balance_cents -= cents
            case credits.PurchaseStarted(purchase_id=purchase_id):
                self._open[purchase_id] = recorded.position
            case credits.PurchaseFailed(purchase_id=purchase_id):
                self._open.pop(purchase_id, None)
            case credits.PurchaseCompleted(purchase_id=purchase_id, amount_cents=cents):
                self.balance_cents += cents
                if self._open.pop(purchase_id, None) is None:
                    self._found.append(_completed_again(recorded))
            case _:
                pass

    def post(self, posted: Posted) -> None:
        """The ledger's half: what an entry of a job moves in its owner's credits."""
        entry = posted.entry
        if entry.job_id is None:
            return
        for account, side, cents in entry.postings:
            if account.kind is AccountKind.OWNER_CREDITS:
                signed = account.kind.sign(side) * cents
                self._pair(str(entry.job_id), 0, _Moved(signed, posted.position, posted.occurred_at))

    def _stream_moved(self, job_id: UUID, cents: int, recorded: Recorded[Any]) -> None:
        self.balance_cents += cents
        self._pair(str(job_id), 1, _Moved(cents, recorded.position, recorded.occurred_at))

    def _pair(self, job_id: str, side: int, moved: _Moved) -> None:
        waiting = self._waiting[job_id]
        other = waiting[1 - side]
        found = next((number for number, one in enumerate(other) if one.cents == moved.cents), None)
        if found is None:
            waiting[side].append(moved)
            return
        del other[found]
        if not waiting[side] and not other:
            del self._waiting[job_id]

    def breaks(self) -> Iterator[Break]:
        yield from self._found
        for job_id, (ledger, stream) in self._waiting.items():
            while ledger and stream:
                told, had = ledger.pop(0), stream.pop(0)
                detail = f"the job moved {told.cents} cents of its owner's credits, the owner's stream {had.cents}"
                positions = (told.position, had.position)
                yield Break(Category.AMOUNT, f"job {job_id}", detail, had.cents - told.cents, positions, told.at)
            for side, rest in (("job", ledger), ("owner's credits", stream)):
                for one in rest:
                    category = Category.ORPHAN_HOLD if one.cents < 0 else Category.AMOUNT
                    detail = f"only the {side} tells of {one.cents} cents"
                    amount = one.cents if rest is stream else -one.cents
                    yield Break(category, f"job {job_id}", detail, amount, (one.position,), one.at)


def _completed_again(recorded: Recorded[credits.PurchaseCompleted]) -> Break:
    event = recorded.event
    return Break(
        Category.DUPLICATE,
        f"purchase {event.purchase_id}",
        "a purchase was completed that was not open: twice, or never started",
        event.amount_cents,
        (recorded.position,),
        recorded.occurred_at,
    )
