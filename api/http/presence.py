"""What is done for a client alone ends with its connection: nobody would take in the answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.types import Receive


class ClientGone(Exception):
    """The connection ended before the request was whole, or before its answer was."""


@asynccontextmanager
async def while_there(receive: Receive) -> AsyncIterator[None]:
    """Whatever waits within is ended with the connection. Raises ClientGone."""
    limit = asyncio.timeout(None)
    try:
        async with limit:
            watching = asyncio.create_task(_end_with_connection(receive, limit))
            try:
                yield
            finally:
                watching.cancel()
    except TimeoutError:
        if limit.expired():
            raise ClientGone from None
        raise


async def _end_with_connection(receive: Receive, limit: asyncio.Timeout) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass  # a read has no use for a body
    limit.reschedule(asyncio.get_running_loop().time())
