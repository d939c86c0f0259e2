"""Requests that an endpoint in this process answers, without a server and a network."""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
from starlette.types import Message, Scope

from api.http.access_log import AccessLog
from api.http.app import Endpoint
from api.http.rate_limit import RateLimit
from api.http.routes import ROUTES
from tests.local import Local

SOON_SECONDS = 10
UNSEEN = AccessLog(None)
Headers = Sequence[tuple[bytes, bytes]]


def endpoint_of(local: Local, access_log: AccessLog = UNSEEN) -> Endpoint:
    return Endpoint(ROUTES, local.service, access_log, RateLimit(0))


def bearer(key: str) -> tuple[bytes, bytes]:
    """The header that shows a key."""
    return b"authorization", f"Bearer {key}".encode()


def a_request(method: str, path: str, query: str = "", headers: Headers = ()) -> Scope:
    return {
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(b"host", b"x"), *headers],
    }


class Asker:
    """One who asks, and takes in whatever is sent. Goes away after so many messages, or when it is told to leave."""

    def __init__(
        self, local: Local, *headers: tuple[bytes, bytes], stays_for: int = 0, log: AccessLog = UNSEEN
    ) -> None:
        self._endpoint = endpoint_of(local, log)
        self._headers = headers
        self._stays_for = stays_for
        self._gone = asyncio.Event()
        self.sent: list[Message] = []

    async def ask(self, method: str, path: str, query: str = "", body: bytes | None = b"") -> None:
        """Return when nothing more is done for the request, which has to be soon. A body of null never comes."""
        bodies = [] if body is None else [body]

        async def receive() -> Message:
            if bodies:
                return {"type": "http.request", "body": bodies.pop(), "more_body": False}
            await self._gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            self.sent.append(message)
            if len(self.sent) == self._stays_for:
                self.leave()

        async with asyncio.timeout(SOON_SECONDS):
            await self._endpoint.handle(a_request(method, path, query, self._headers), receive, send)

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def body(self) -> Any:
        """The JSON that was sent."""
        return msgspec.json.decode(b"".join(message["body"] for message in self.sent[1:]))

    def leave(self) -> None:
        self._gone.set()
