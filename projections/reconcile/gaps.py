"""Whether the log is whole: positions without gaps, and each stream's versions without gaps."""

from collections.abc import Iterator
from heapq import heappop, heappush
from typing import Any, NamedTuple
from uuid import UUID

from domain.recorded import Recorded
from domain.times import Instant
from projections.reconcile.breaks import Break, Category

MOST_MISSING = 10_000
"""So many positions in a row are told one by one."""


class _Lacking(NamedTuple):
    """A stream lacks a version, which must have lain between two positions."""

    before: int
    after: int
    stream: str
    since: Instant


class Gaps:
    """Follows positions and versions. Memory grows with the streams."""

    def __init__(self) -> None:
        self._position = 0
        self._last: dict[UUID, tuple[int, int]] = {}
        self._missing: dict[int, Instant] = {}
        self._lacking: list[_Lacking] = []

    def see(self, recorded: Recorded[Any]) -> None:
        for position in range(self._position + 1, min(recorded.position, self._position + MOST_MISSING)):
            self._missing[position] = recorded.occurred_at
        self._position = recorded.position
        version, before = self._last.get(recorded.stream, (0, 0))
        if recorded.version != version + 1:
            lacking = max(1, min(recorded.version - version - 1, MOST_MISSING))
            one = _Lacking(before, recorded.position, str(recorded.stream), recorded.occurred_at)
            self._lacking.extend([one] * lacking)
        self._last[recorded.stream] = (recorded.version, recorded.position)

    def breaks(self) -> Iterator[Break]:
        """One for each event that is not there.

        A missing position is given to the stream that lacks a version and goes on soonest after it; so as many as
        can be are explained, and none is told twice.
        """
        begun: list[tuple[int, _Lacking]] = []
        coming = sorted(self._lacking, reverse=True)
        for position, since in self._missing.items():
            while coming and coming[-1].before < position:
                one = coming.pop()
                heappush(begun, (one.after, one))
            while begun and begun[0][0] < position:
                yield _version_gap(heappop(begun)[1])
            if begun:
                yield _version_gap(heappop(begun)[1], position)
            else:
                detail = "there is no event at this position"
                yield Break(Category.VERSION_GAP, "log", detail, positions=(position,), since=since)
        yield from (_version_gap(one) for one in (*coming, *(one for _, one in begun)))


def _version_gap(one: _Lacking, *missing: int) -> Break:
    detail = f"a version is missing before position {one.after}"
    positions = (*missing, one.after)
    return Break(Category.VERSION_GAP, f"stream {one.stream}", detail, positions=positions, since=one.since)
