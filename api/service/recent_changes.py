"""What has changed in the log of late, in any process: who keeps something in memory asks here if it still holds."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from uuid import UUID

from api.service.ports import Changed, Head
from api.service.reads import Reads

MAX_TAKEN_IN = 2_000
"""Events asked for at once; after more of them everything counts as changed."""
MAX_REMEMBERED = 20_000
"""Streams whose last change is remembered; with more of them all is forgotten, and counts as changed."""


class RecentChanges:
    """Follows the end of the log.

    The log is asked once in a turn of the event loop: all requests that are looked at in one turn came in before
    it began, so none of them can have been sent after a change that its turn did not see. What the committer has seen
    of the log, it is told: that is not asked for.
    """

    def __init__(self, reads: Reads) -> None:
        self._reads = reads
        self._is_current = False
        self._forgotten = -1
        """Of changes up to this position nothing is known any more."""
        self._changed: dict[UUID, int] = {}
        self._position = -1
        self._views_generation = 0
        self.on_access_change: list[Callable[[], None]] = []
        """Called when anything may have happened to any principal or key: one was revoked, or somebody forgotten.

        Also when the read models were made anew: what was read from them before may have been wrong.
        """
        self.head: Head | None = None
        """The head of the log as it was last seen."""
        self.on_change: list[Callable[[Iterable[UUID] | None], None]] = []
        """Told of the streams in which something happened; of null when that is too much to tell."""

    def position(self) -> int:
        """The end of the log, as this turn of the event loop knows it."""
        if not self._is_current:
            self._look()
            self._is_current = True
            asyncio.get_running_loop().call_soon(self._turn_ends)
        return self._position

    def holds_since(self, position: int, streams: Iterable[UUID]) -> bool:
        """Whether nothing has happened in these streams after a position."""
        self.position()
        changed = self._changed
        return position >= self._forgotten and all(changed.get(stream, 0) <= position for stream in streams)

    @property
    def reached(self) -> int:
        """Everything up to this position was told to those who keep something; there may be more by now."""
        return self._position

    def learn(self, after: int, upto: int, changes: Sequence[Changed] | None) -> None:
        """Take in what the log has between two positions; null is too much to look through."""
        if upto > self._position or changes is None:
            self._take_in(upto, None if after > self._position else changes)

    def _turn_ends(self) -> None:
        self._is_current = False

    def _look(self) -> None:
        self.head = self._reads.head()
        position = self.head.position
        if self.head.views_generation != self._views_generation:
            self._views_generation = self.head.views_generation
            self._tell(None, is_access=True)
        if position > self._position:
            is_much = position - self._position > MAX_TAKEN_IN
            self._take_in(position, None if is_much else self._reads.changes(self._position, position))

    def _take_in(self, position: int, changes: Sequence[Changed] | None) -> None:
        self._position = max(position, self._position)
        if changes is None or len(self._changed) > MAX_REMEMBERED:
            self._changed.clear()
            self._forgotten = self._position
            self._tell(None, is_access=True)
        else:
            streams = [stream for stream, _ in changes]
            self._changed.update(dict.fromkeys(streams, position))
            self._tell(streams, is_access=any(is_access for _, is_access in changes))

    def _tell(self, streams: Iterable[UUID] | None, *, is_access: bool) -> None:
        for listener in self.on_change:
            listener(streams)
        if is_access:
            for told in self.on_access_change:
                told()
