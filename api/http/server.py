"""The HTTP server: uvicorn, told when to refuse, and telling when it listens."""

import asyncio
import os
import socket
import threading
from collections.abc import Callable
from types import FrameType

import msgspec
import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.http.problems import problem
from api.service.ids import new_id
from domain.errors import invalid

GRACE_SECONDS = 8
"""What was accepted has this long to finish after SIGTERM; the process ends within ten seconds."""
LAST_SECONDS = 9.5
"""So long after SIGTERM the process ends whatever it is waiting for: a database may stand still for ever."""


class Protocol(HttpToolsProtocol):
    """Answers what cannot be read as HTTP as everything else that is wrong: with a problem."""

    def send_400_response(self, msg: str) -> None:
        request_id = new_id().hex
        status, said = problem(invalid("", "is not HTTP: its first line, a header or its framing is wrong"), request_id)
        body = msgspec.json.encode(said)
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\n"
            "content-type: application/problem+json\r\n"
            f"x-request-id: {request_id}\r\n"
            "cache-control: no-store\r\n"
            f"content-length: {len(body)}\r\n"
            "connection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()


class Server(uvicorn.Server):
    """Calls ``refuse`` as soon as it is told to stop, and ``listening`` with its socket once it serves."""

    def __init__(
        self,
        app: Starlette,
        *,
        host: str,
        port: int,
        refuse: Callable[[], None],
        listening: Callable[[socket.socket], object],
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                loop="uvloop",
                http=Protocol,
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
        )
        self._refuse = refuse
        self._listening = listening
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        if self.started:
            self._listening(self.servers[0].sockets[0])

    def end(self) -> None:
        """Stop serving, from within the loop."""
        self.should_exit = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._refuse)
        if not self.should_exit:
            last = threading.Timer(LAST_SECONDS, os._exit, (1,))
            last.daemon = True
            last.start()
        # The exit code tells how serving ended, not which signal asked for it.
        self.should_exit = True


def say_where(place: socket.socket) -> None:
    """Tell the address of a socket."""
    host, port = place.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    print(f"listening on http://{shown}:{port}", flush=True)
