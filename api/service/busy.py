"""A store that somebody else is writing to is asked again."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from api.service.ports import StoreBusy

T = TypeVar("T")

PAUSE_SECONDS = 0.005


async def once_free(call: Callable[[], Awaitable[T]], limit_seconds: float) -> T:
    """What the call gives, made again while the store is busy. Raises StoreBusy when it still is after the limit."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + limit_seconds
    while True:
        try:
            return await call()
        except StoreBusy:
            if loop.time() > deadline:
                raise
        await asyncio.sleep(PAUSE_SECONDS)
