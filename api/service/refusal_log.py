"""Who was refused what, and why: gathered in memory and written in batches, never on the way of an answer."""

from collections.abc import Sequence

from api.service.ports import RefusalNote

MAX_GATHERED = 10_000
"""Refusals that may wait to be written; more of them are dropped and counted."""


class RefusalLog:
    """Refusals of callers whose key is known."""

    def __init__(self) -> None:
        self._gathered: list[RefusalNote] = []
        self._dropped = 0

    def add(self, note: RefusalNote) -> None:
        """Keep one to be written soon."""
        if len(self._gathered) < MAX_GATHERED:
            self._gathered.append(note)
        else:
            self._dropped += 1

    def taken(self) -> tuple[Sequence[RefusalNote], int]:
        """All that were gathered, and how many were dropped, since the last time."""
        gathered, dropped = self._gathered, self._dropped
        self._gathered, self._dropped = [], 0
        return gathered, dropped

    def put_back(self, notes: Sequence[RefusalNote], dropped: int) -> None:
        """What could not be written; as much of it as there is room for."""
        self._dropped += dropped
        newer, self._gathered = self._gathered, []
        for note in (*notes, *newer):
            self.add(note)
