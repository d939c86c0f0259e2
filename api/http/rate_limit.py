"""How many requests a key may make in a second."""

from uuid import UUID

from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from api.http.problems import RateLimited


class RateLimit:
    """Counts per key and process; 0 a second means no limit."""

    def __init__(self, per_second: int) -> None:
        self._item = RateLimitItemPerSecond(per_second) if per_second else None
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def count(self, key_id: UUID) -> None:
        """Count one request. Raises RateLimited when there were too many in the last second."""
        if self._item is not None and not self._limiter.hit(self._item, key_id.hex):
            raise RateLimited(f"A key may make {self._item.amount} requests a second; wait a second.")
