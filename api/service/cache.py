"""A bounded cache that forgets by generations: cheap to keep, and no entry is evicted one by one."""

from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class GenerationCache(Generic[K, V]):
    """Holds at least the last ``size`` entries that were used, and at most twice as many.

    The older generation is let go when the younger one is full, be it of new entries or of old ones that were used.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._young: dict[K, V] = {}
        self._old: dict[K, V] = {}

    def get(self, key: K) -> V | None:
        value = self._young.get(key)
        if value is None:
            value = self._old.get(key)
            if value is not None:
                self.put(key, value)
        return value

    def put(self, key: K, value: V) -> None:
        if len(self._young) >= self._size:
            self._young, self._old = {}, self._young
        self._young[key] = value

    def drop(self, key: K) -> None:
        self._young.pop(key, None)
        self._old.pop(key, None)

    def clear(self) -> None:
        self._young, self._old = {}, {}


class WeighedCache(Generic[K, V]):
    """A cache of values that grow in place, bounded by what they weigh and not by how many there are.

    A value is weighed at the first ``age`` after it came into a generation, and counted one heavier at each use: no
    use may make it heavier by more than that, unless it is weighed again. Two generations of up to ``limit`` are held,
    and what came in since.
    """

    def __init__(self, limit: int, weigh: Callable[[V], int]) -> None:
        self._limit = limit
        self._weigh = weigh
        self._weight = 0
        self._young: dict[K, V] = {}
        self._old: dict[K, V] = {}
        self._unweighed: list[V] = []

    def get(self, key: K) -> V | None:
        value = self._young.get(key)
        if value is not None:
            self._weight += 1
            return value
        value = self._old.pop(key, None)
        if value is not None:
            self.put(key, value)
        return value

    def put(self, key: K, value: V) -> None:
        self._young[key] = value
        self._unweighed.append(value)

    def reweigh(self, key: K) -> None:
        """Weigh again what has become heavier than its uses tell."""
        value = self._young.get(key)
        if value is not None:
            self._unweighed.append(value)

    def drop(self, key: K) -> None:
        self._young.pop(key, None)
        self._old.pop(key, None)

    def clear(self) -> None:
        self._young, self._old = {}, {}
        self._weight, self._unweighed = 0, []

    def age(self) -> None:
        """Let the older generation go if the younger one is full. Never while entries are in use."""
        if self._unweighed:
            self._weight += sum(map(self._weigh, self._unweighed))
            self._unweighed = []
        if self._weight > self._limit:
            self._young, self._old, self._weight = {}, self._young, 0
