"""A time limit that costs next to nothing where there is nothing to wait for."""

import asyncio
from collections.abc import Coroutine, Generator
from contextlib import closing
from types import coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def within(seconds: float, work: Coroutine[Any, None, T]) -> T:
    """What the coroutine gives. Raises TimeoutError once it has waited for so long.

    Its first step is taken without a limit: mostly it is the last one, and to set a limit takes many times as long.
    """
    try:
        waits_for = work.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    with closing(work):
        async with asyncio.timeout(seconds):
            return await _rest(work, waits_for)


@coroutine
def _rest(work: Coroutine[Any, None, T], waits_for: Any) -> Generator[Any, None, T]:
    """Go on with a coroutine after its first step."""
    yield waits_for
    result: T = yield from work
    return result
