"""The HTTP server: uvicorn, told when to refuse, and telling when it listens."""

import asyncio
import logging
import os
import socket
import threading
from collections.abc import Callable
from types import FrameType

import httptools
import msgspec
import uvicorn
from starlette.applications import Starlette
from uvicorn._types import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, ASGISendEvent, Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from api.http.problems import HeadTooLarge, problem
from api.service.ids import new_id
from domain.errors import Refusal, invalid

log = logging.getLogger("tallyhold.http")

GRACE_SECONDS = 8
"""What was accepted has this long to finish after SIGTERM; the process ends within ten seconds."""
LAST_SECONDS = 9.5
"""So long after SIGTERM the process ends whatever it is waiting for: a database may stand still for ever."""

MAX_WAITING_REQUESTS = 32
"""On one connection, behind the one that is being answered; with more the connection is closed."""

MAX_HEAD_BYTES = 65_536
HEAD_SECONDS = 30
IDLE_SECONDS = 75
"""A connection is kept for so long after an answer: a load balancer that sends a request while we close gets no answer,
so it must be the one that closes, after the 60 seconds that most of them have."""
UNTAKEN_SECONDS = 120
"""Of an answer that waits to be sent, something has to be taken in within so long."""
LAST_ANSWER_SECONDS = 30
"""A client that has ended its side of the connection is answered if that begins within so long: it may have gone."""
PIECE_BYTES = 16_384
"""What came is read in pieces, and after each piece held against the limits."""


class Protocol(HttpToolsProtocol):
    """Answers what cannot be read as HTTP as everything else that is wrong: with a problem.

    Takes no offer of another protocol, and reads on in this one: the parser would leave the body to the other.
    Bounds what a client may have us keep for it: the head of a request in size and time, and the requests that wait
    for those before them on their connection. Ends a connection on which nobody takes in the answer.
    """

    _head_bytes: int | None = None
    """While a head is read, what came since it began, less a piece: the one in which it began may be another's."""
    _head_timer: asyncio.TimerHandle | None = None
    _is_head_known = False
    """While the parser is told again how long the body of a request is that it has left."""
    _takes_more = True
    """False once the connection ends with the answer to the last request that came; what comes after it is not read."""
    _answered: RequestResponseCycle | None = None
    """The request that is being answered, or was last; others may have come after it."""
    _gone_timer: asyncio.TimerHandle | None = None
    _untaken_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._limit_head()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._nobody_listens()
        self._end_head()
        self._end_untaken()
        if self._gone_timer is not None:
            self._gone_timer.cancel()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._limit_untaken()

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self.transport.is_closing():  # else what is left has to be taken in too
            self._end_untaken()

    def timeout_keep_alive_handler(self) -> None:
        if not self.transport.is_closing():
            self._close()

    def _close(self) -> None:
        """End the connection once what was written is taken in, or too long nothing of it."""
        self.transport.close()
        self._limit_untaken()

    def _limit_untaken(self) -> None:
        self._end_untaken()
        size = self.transport.get_write_buffer_size()
        self._untaken_timer = self.loop.call_later(UNTAKEN_SECONDS, self._still_untaken, size)

    def _end_untaken(self) -> None:
        if self._untaken_timer is not None:
            self._untaken_timer.cancel()

    def _still_untaken(self, size: int) -> None:
        if self.transport.get_write_buffer_size() < size:
            self._limit_untaken()
        else:
            self.transport.abort()

    def eof_received(self) -> bool:  # type: ignore[override]
        """Whether the connection stays open for answers: one who has nothing more to ask may still listen."""
        if self._is_idle() or self.cycle.more_body:
            return False
        self._take_no_more()
        self._gone_timer = self.loop.call_later(LAST_ANSWER_SECONDS, self._seems_gone)
        return True

    def _seems_gone(self) -> None:
        if self._answered is not None and not self._answered.response_started:
            self._close()

    def _nobody_listens(self) -> None:
        """Whoever answers is told so, and what it says from now on goes nowhere."""
        if self._answered is not None:
            self._answered.disconnected = True
            self._answered.message_event.set()

    def data_received(self, data: bytes) -> None:
        for begin in range(0, len(data), PIECE_BYTES):
            if self.transport.is_closing() or not self._takes_more:
                return
            self._piece_received(data[begin : begin + PIECE_BYTES])
        if self._head_timer is None and (self._head_bytes is not None or self._is_idle()):
            self._limit_head()

    def _piece_received(self, piece: bytes) -> None:
        self._unset_keepalive_if_required()
        try:
            self._parse(piece)
        except httptools.HttpParserError:
            self._refuse(invalid("", "is not HTTP: its first line, a header or its framing is wrong"))
            return
        if len(self.pipeline) > MAX_WAITING_REQUESTS:
            self._close()
        elif self._head_bytes is not None:
            self._head_bytes += len(piece)
            if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
                self._refuse(HeadTooLarge(f"The first line and the headers may have about {MAX_HEAD_BYTES} bytes."))

    def _parse(self, piece: bytes) -> None:
        while piece:
            try:
                self.parser.feed_data(piece)
                break
            except httptools.HttpParserUpgrade as offer:
                piece = piece[offer.args[0] :]
                self._decline()

    def _decline(self) -> None:
        """Let a parser that knows of no offer read what follows: the request's body, and then other requests."""
        framing = self._framing()
        self.parser = httptools.HttpRequestParser(self)
        if framing:
            self._is_head_known = True
            self.parser.feed_data(b"POST / HTTP/1.1\r\n%b\r\n" % framing)
            self._is_head_known = False

    def _framing(self) -> bytes:
        """What the head says of the body."""
        told = (each for each in self.headers if each[0] in (b"content-length", b"transfer-encoding"))
        return b"".join(b"%b: %b\r\n" % each for each in told)

    def on_message_begin(self) -> None:
        self._head_bytes = -PIECE_BYTES
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._end_head()
        if not self._is_head_known:
            super().on_headers_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._answered = cycle
        super()._start_asgi_task(cycle, _without_chunks(cycle, app) if cycle.scope["http_version"] < "1.1" else app)

    def on_message_complete(self) -> None:
        if not (self.parser.should_upgrade() and self._framing()):
            super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            self._limit_untaken()
        elif self.pipeline:
            self.flow.pause_reading()  # what was read already comes first

    def _is_idle(self) -> bool:
        """Whether no request waits for its answer."""
        return self.cycle is None or self.cycle.response_complete  # type: ignore[redundant-expr]

    def _limit_head(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self._head_is_late)

    def _end_head(self) -> None:
        self._head_bytes = None
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_is_late(self) -> None:
        if self.flow.read_paused:  # it could not come
            self._limit_head()
        else:
            self._close()

    def _refuse(self, refusal: Refusal) -> None:
        """Say what is wrong with what came last, where nobody can take that for the answer to an earlier request."""
        if self._is_idle() or (self.cycle.more_body and not self.cycle.response_started and not self.pipeline):
            self._write(refusal)
            self._nobody_listens()
            self._close()
        else:
            self._take_no_more()

    def _take_no_more(self) -> None:
        """Answer the requests that came, and then end the connection."""
        self._takes_more = False
        self._end_head()
        self.cycle.keep_alive = False

    def _write(self, refusal: Refusal) -> None:
        request_id = new_id().hex
        log.warning("a request could not be read: %s", refusal.detail, extra={"requestId": request_id})
        status, said = problem(refusal, request_id)
        body = msgspec.json.encode(said)
        always = "".join(f"{name.decode()}: {value.decode()}\r\n" for name, value in self.server_state.default_headers)
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\n{always}"
            "content-type: application/problem+json\r\n"
            f"x-request-id: {request_id}\r\n"
            "cache-control: no-store\r\n"
            f"content-length: {len(body)}\r\n"
            "connection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)


def _without_chunks(cycle: RequestResponseCycle, app: ASGI3Application) -> ASGI3Application:
    """For who knows of no chunks: an answer whose length is not told ends with the connection."""

    async def answer(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        tells_length = False

        async def send_plain(message: ASGISendEvent) -> None:
            nonlocal tells_length
            if message["type"] == "http.response.start":
                tells_length = b"content-length" in dict(message.get("headers", ()))
                if not tells_length:
                    cycle.chunked_encoding = False
            elif message["type"] == "http.response.body" and not tells_length:
                cycle.expected_content_length = len(message.get("body", b""))
            await send(message)

        await app(scope, receive, send_plain)

    return answer


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
                timeout_keep_alive=IDLE_SECONDS,
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
