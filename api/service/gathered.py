"""Reads that many requests make at the same time, made together: each alone would wait for a round trip of its own."""

import asyncio
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

MOST_AT_ONCE = 250


class Gathered(Generic[K, V]):
    """What all requests ask for in one turn of the event loop is read at its end."""

    def __init__(self, read: Callable[[Sequence[K]], Mapping[K, V]]) -> None:
        """``read`` gives those of some keys that there are."""
        self._read = read
        self._asked: dict[K, list[asyncio.Future[V | None]]] = {}

    async def get(self, key: K) -> V | None:
        """What lies under a key; null if nothing. Raises what the read raises."""
        loop = asyncio.get_running_loop()
        if not self._asked:
            loop.call_soon(self._answer)
        future: asyncio.Future[V | None] = loop.create_future()  # of its own: who goes away takes nobody along
        self._asked.setdefault(key, []).append(future)
        if len(self._asked) >= MOST_AT_ONCE:
            self._answer()
        return await future

    def _answer(self) -> None:
        asked, self._asked = self._asked, {}
        if not asked:
            return  # there were so many that they have been read before
        try:
            found, error = self._read(tuple(asked)), None
        except Exception as failed:
            found, error = {}, failed
        for key, futures in asked.items():
            for future in futures:
                if not future.done():
                    if error is None:
                        future.set_result(found.get(key))
                    else:
                        future.set_exception(error)
