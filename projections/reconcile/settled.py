"""What two operators have decided about breaks: how much of each is left."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from domain.books.events import Adjusted, AdjustedAccount
from domain.recorded import Recorded
from domain.times import Instant
from projections.reconcile.breaks import Break, Category


class _Decided(NamedTuple):
    times: int = 0
    cents: int = 0
    booked_cents: int = 0
    positions: tuple[int, ...] = ()


_NOTHING = _Decided()


class Settled:
    """Adjustments by the keys of their breaks. They count whenever they were made: a break is settled from then on."""

    def __init__(self) -> None:
        self._decided: dict[str, _Decided] = {}
        self.breaks: list[Break] = []
        """Those that were found, and of which nothing is left."""

    def see(self, recorded: Recorded[Any]) -> None:
        event = recorded.event
        if isinstance(event, Adjusted):
            had = self._decided.get(event.key, _NOTHING)
            booked = 0 if event.account is None else event.difference_cents
            self._decided[event.key] = _Decided(
                had.times + 1,
                had.cents + event.difference_cents,
                had.booked_cents + booked,
                (*had.positions, recorded.position),
            )

    def undone(self, key: str, subject: str, since: Instant, account: AdjustedAccount) -> Iterator[Break]:
        """To be asked where both sides agree: a break of what was booked for a difference that is none any more."""
        decided = self._decided.get(key, _NOTHING)
        if decided.booked_cents:
            detail = (
                f"both sides agree; {decided.booked_cents} cents were booked for a difference that is none any more"
            )
            yield Break(Category.AMOUNT, subject, detail, 0, decided.positions, since, account, key)

    def left(self, found: Iterable[Break]) -> Iterator[Break]:
        """The breaks that are open, each with the amount that is left of it."""
        for one in found:
            decided = self._decided.get(one.key, _NOTHING)
            left = one.amount_cents - decided.cents
            if not decided.times:
                yield one
            elif left:
                yield one._replace(amount_cents=left, ordinal=decided.times)
            else:
                self.breaks.append(one)
