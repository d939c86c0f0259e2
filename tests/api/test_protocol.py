"""What one connection may have the server keep is bounded: requests that wait, the size of a head, and its time.

And another protocol that a client offers is none of ours.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.types import Message, Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.server import ServerState

from api.http import server
from api.http.server import MAX_HEAD_BYTES, MAX_WAITING_REQUESTS, PIECE_BYTES, Protocol, Server, say_where
from tests.local import run

REQUEST = b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n"
HEADER = b"X-Header: " + b"x" * 88 + b"\r\n"


class Transport(asyncio.Transport):
    """A connection whose other end is the test."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False
        self.aborted = False
        self.reads = True
        self.untaken = 0

    def write(self, data: Any) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True

    def get_write_buffer_size(self) -> int:
        return self.untaken

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True


class Connection:
    """A protocol in its own right; each request is answered when the test says so."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._go_on = asyncio.Semaphore(0)
        self.transport = Transport()
        self._state = ServerState()
        config = Config(self._app, interface="asgi3", log_config=None, access_log=False, proxy_headers=False)
        self._protocol = Protocol(config, self._state, {}, asyncio.get_running_loop())
        self._protocol.connection_made(self.transport)

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked.append(scope["path"])
        await self._go_on.acquire()
        await self._answer(send)

    async def _answer(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    def comes(self, data: bytes) -> None:
        if data and self.is_open:
            self._protocol.data_received(data)

    def ends(self) -> None:
        """The client has nothing more to say."""
        if not self._protocol.eof_received():
            self.transport.close()

    def takes_in(self, left: int) -> None:
        """The client takes in all but so much of what waits. Transports tell when that is much, and when it is not."""
        was, self.transport.untaken = self.transport.untaken, left
        if was < 65_536 <= left:
            self._protocol.pause_writing()
        elif was >= 16_384 > left:
            self._protocol.resume_writing()

    async def answer(self, requests: int = 1) -> None:
        for _ in range(requests):
            self._go_on.release()
            for _ in range(3):
                await asyncio.sleep(0)

    @property
    def status(self) -> int:
        return int(self.transport.written.split()[1])

    @property
    def is_open(self) -> bool:
        return not self.transport.closed

    async def end(self) -> None:
        self._protocol.connection_lost(None)
        for task in list(self._state.tasks):
            self._go_on.release()
            await task


class Reader(Connection):
    """Requests are answered as soon as their bodies are whole."""

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message: Message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        self.asked.append(f"{scope['method']} {scope['path']} {body.decode()}")
        await self._answer(send)


class Answerer(Connection):
    """Requests are answered at once, whatever their bodies."""

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._answer(send)


class Waiter(Connection):
    """Requests wait until their client has gone."""

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.asked.append(scope["path"])


class Streamer(Connection):
    """The answer comes in pieces, and nobody knows beforehand how many."""

    async def _answer(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for piece in (b"a,b\r\n", b"", b"1,2\r\n"):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body"})


def connected(story: Callable[[Any], Awaitable[None]], kind: type[Connection] = Connection) -> None:
    async def whole() -> None:
        connection = kind()
        await story(connection)
        await connection.end()

    run(whole())


@pytest.fixture
def little_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.05)


# -- requests that wait ------------------------------------------------------------------------------------------------


def test_requests_that_are_sent_before_the_answer_are_answered_in_turn() -> None:
    async def story(connection: Connection) -> None:
        connection.comes(REQUEST * (MAX_WAITING_REQUESTS + 1))
        await connection.answer(MAX_WAITING_REQUESTS + 1)
        assert connection.is_open
        assert connection.transport.written.count(b"HTTP/1.1 204") == MAX_WAITING_REQUESTS + 1

    connected(story)


@pytest.mark.parametrize("at_once", [1, 1_000])
def test_a_connection_on_which_too_many_requests_wait_is_closed(at_once: int) -> None:
    async def story(connection: Connection) -> None:
        for _ in range(MAX_WAITING_REQUESTS + 2):
            assert connection.is_open
            connection.comes(REQUEST * at_once)
            if not connection.is_open:
                break
        assert not connection.is_open

    connected(story)


def test_nothing_is_read_while_requests_wait() -> None:
    async def story(connection: Connection) -> None:
        connection.comes(REQUEST * 3)
        await asyncio.sleep(0)
        assert not connection.transport.reads
        await connection.answer()
        assert not connection.transport.reads
        await connection.answer()
        assert connection.transport.reads

    connected(story)


# -- the size of a head ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("piece", [100, 5_000, 200_000])
@pytest.mark.parametrize("begin", [b"GET /x?", b"GET /x HTTP/1.1\r\nX-Long: ", b"GET /x HTTP/1.1\r\n" + HEADER * 2_000])
def test_a_head_without_an_end_is_refused(begin: bytes, piece: int) -> None:
    async def story(connection: Connection) -> None:
        sent = begin + b"x" * (200_000 - len(begin))
        for place in range(0, len(sent), piece):
            connection.comes(sent[place : place + piece])
        assert (connection.status, connection.is_open) == (431, False)
        head, _, body = connection.transport.written.partition(b"\r\n\r\n")
        assert b"content-type: application/problem+json" in head
        assert json.loads(body)["code"] == "head_too_large"

    connected(story)


@pytest.mark.parametrize("piece", [100, 5_000, 200_000])
def test_a_head_within_its_size_is_read_after_whatever_came_before(piece: int) -> None:
    head = REQUEST[:-2] + HEADER * ((MAX_HEAD_BYTES - len(REQUEST)) // len(HEADER)) + b"\r\n"
    with_body = b"POST /x HTTP/1.1\r\nContent-Length: 90000\r\n\r\n" + b"x" * 90_000

    async def story(connection: Connection) -> None:
        sent = (with_body + head) * 3
        for place in range(0, len(sent), piece):
            connection.comes(sent[place : place + piece])
        await connection.answer(6)
        assert connection.is_open
        assert connection.transport.written.count(b"HTTP/1.1 204") == 6

    connected(story)


@pytest.mark.parametrize("sent", [b"nonsense\r\n\r\n", b"GET /" + b"x" * 200_000])
def test_what_cannot_be_read_can_be_found_in_the_logs(sent: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async def story(connection: Connection) -> None:
        connection.comes(sent)
        head, _, body = connection.transport.written.partition(b"\r\n\r\n")
        (record,) = caplog.records
        assert record.__dict__["requestId"] == json.loads(body)["requestId"]
        assert "x-request-id: " + record.__dict__["requestId"] in head.decode()

    connected(story)


@pytest.mark.parametrize(
    "after", [b"GET /" + b"x" * 2 * (MAX_HEAD_BYTES + PIECE_BYTES), b"nonsense\r\n\r\n"], ids=["too large", "no HTTP"]
)
@pytest.mark.parametrize("requests", [1, 3])
def test_what_is_wrong_after_a_request_takes_nothing_from_its_answer(requests: int, after: bytes) -> None:
    """It is the last that is answered: its caller would take the refusal of what follows for the answer."""

    async def story(connection: Connection) -> None:
        connection.comes(REQUEST * requests + after)
        connection.comes(REQUEST)
        assert (connection.transport.written, connection.is_open) == (b"", True)
        await connection.answer(requests)
        assert connection.transport.written.count(b"HTTP/1.1 204") == requests
        assert connection.transport.written.count(b"HTTP/1.1") == requests
        assert connection.transport.written.count(b"connection: close") == 1
        assert not connection.is_open

    connected(story)


def test_a_body_that_is_no_http_is_refused() -> None:
    async def story(connection: Connection) -> None:
        connection.comes(b"POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        connection.comes(b"no number\r\n")
        assert (connection.status, connection.is_open) == (400, False)

    connected(story)


# -- the time of a head ------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("little_time")
@pytest.mark.parametrize("before", [b"", REQUEST], ids=["first", "next"])
@pytest.mark.parametrize("begin", [b"", b"\r\n", b"GET", REQUEST[:-2]])
def test_a_head_that_does_not_come_in_time_ends_the_connection(before: bytes, begin: bytes) -> None:
    async def story(connection: Connection) -> None:
        connection.comes(before)
        await connection.answer(int(before != b""))
        connection.comes(begin)
        assert connection.is_open
        await asyncio.sleep(0.08)
        assert connection.is_open is (before != b"" and begin == b"")

    connected(story)


@pytest.mark.usefixtures("little_time")
def test_an_answer_may_take_longer_than_a_head() -> None:
    async def story(connection: Connection) -> None:
        connection.comes(REQUEST[:9])
        connection.comes(REQUEST[9:])
        await asyncio.sleep(0.08)
        await connection.answer()
        assert (connection.status, connection.is_open) == (204, True)

    connected(story)


@pytest.mark.usefixtures("little_time")
def test_a_head_that_is_not_read_yet_is_not_late() -> None:
    async def story(connection: Connection) -> None:
        connection.comes(REQUEST * 2 + REQUEST[:9])
        await asyncio.sleep(0.08)
        assert connection.is_open
        await connection.answer(2)
        await asyncio.sleep(0.08)
        assert not connection.is_open

    connected(story)


# -- idle connections --------------------------------------------------------------------------------------------------


def test_a_load_balancer_closes_an_idle_connection_first() -> None:
    of_balancers = 60
    ours = Server(Starlette(), host="127.0.0.1", port=0, refuse=lambda: None, listening=say_where)
    assert of_balancers + 10 < ours.config.timeout_keep_alive < 2 * of_balancers


# -- a client that has gone --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("requests", [1, 3])
def test_whatever_waits_behind_it_a_request_learns_that_its_client_has_gone(requests: int) -> None:
    async def story(connection: Waiter) -> None:
        connection.comes(REQUEST * requests)
        await asyncio.sleep(0)
        assert connection.asked == []
        async with asyncio.timeout(10):
            await connection.end()
        assert connection.asked == ["/x"]

    connected(story, Waiter)


# -- answers that nobody takes in --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("left", "is_open"),
    [
        ((99_999, 99_999, 99_999), False),
        ((99_999, 90_000, 80_000), True),
        ((99_999, 0, 0), True),
        ((99_999, 0, 99_999), True),
    ],
    ids=["nothing", "slowly", "all", "all of one"],
)
def test_an_answer_of_which_nothing_is_taken_in_ends_the_connection(
    monkeypatch: pytest.MonkeyPatch, left: tuple[int, ...], is_open: bool
) -> None:
    monkeypatch.setattr(server, "UNTAKEN_SECONDS", 0.1)

    async def story(connection: Connection) -> None:
        for size in left:
            connection.takes_in(size)
            await asyncio.sleep(0.07)
        assert connection.is_open is is_open

    connected(story)


@pytest.mark.parametrize("goes_on", [False, True])
def test_nor_is_the_end_of_an_answer_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch, goes_on: bool) -> None:
    """Of which too little is left for a transport to say so."""
    monkeypatch.setattr(server, "UNTAKEN_SECONDS", 0.1)

    async def story(connection: Connection) -> None:
        connection.comes(REQUEST.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        connection.takes_in(9_999)
        await connection.answer()
        for left in (9_000, 8_000, 7_000, 6_000) if goes_on else (9_999,) * 4:
            connection.takes_in(left)
            await asyncio.sleep(0.07)
        assert not connection.is_open and connection.transport.aborted is not goes_on

    connected(story)


def test_who_was_told_that_it_is_no_http_gets_no_other_answer_behind_that() -> None:
    """The connection may take a while to close, and takes what is written until then."""

    async def story(connection: Answerer) -> None:
        connection.comes(b"POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZZ\r\n")
        for _ in range(5):
            await asyncio.sleep(0)
        assert connection.status == 400
        assert connection.transport.written.count(b"HTTP/1.1") == 1

    connected(story, Answerer)


# -- answers of unknown length -----------------------------------------------------------------------------------------


def test_who_knows_of_no_chunks_gets_none() -> None:
    """RFC 9112, 6.1: no Transfer-Encoding goes to a client of HTTP/1.0."""

    async def story(connection: Connection) -> None:
        connection.comes(b"GET /x HTTP/1.0\r\n\r\n")
        await connection.answer()
        head, _, body = connection.transport.written.partition(b"\r\n\r\n")
        assert b"transfer-encoding" not in head and b"connection: close" in head
        assert (body, connection.is_open) == (b"a,b\r\n1,2\r\n", False)

    connected(story, Streamer)


def test_an_answer_of_unknown_length_goes_in_chunks() -> None:
    async def story(connection: Connection) -> None:
        connection.comes(REQUEST)
        await connection.answer()
        head, _, body = connection.transport.written.partition(b"\r\n\r\n")
        assert b"transfer-encoding: chunked" in head
        assert (body, connection.is_open) == (b"5\r\na,b\r\n\r\n5\r\n1,2\r\n\r\n0\r\n\r\n", True)

    connected(story, Streamer)


# -- a client that has ended its side ----------------------------------------------------------------------------------


@pytest.mark.parametrize("requests", [1, 3])
def test_who_has_nothing_more_to_ask_is_answered(requests: int) -> None:
    async def story(connection: Connection) -> None:
        connection.comes(REQUEST * requests + REQUEST[:9])
        connection.ends()
        await connection.answer(requests)
        assert connection.transport.written.count(b"HTTP/1.1 204") == requests
        assert not connection.is_open

    connected(story)


@pytest.mark.parametrize("sent", [b"", REQUEST[:-2], b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{"])
def test_what_never_becomes_a_request_ends_with_its_connection(sent: bytes) -> None:
    async def story(connection: Connection) -> None:
        connection.comes(sent)
        connection.ends()
        assert (connection.transport.written, connection.is_open) == (b"", False)

    connected(story)


def test_a_client_that_may_have_gone_is_not_waited_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "LAST_ANSWER_SECONDS", 0.05)

    async def story(connection: Connection) -> None:
        connection.comes(REQUEST)
        connection.ends()
        assert connection.is_open
        await asyncio.sleep(0.08)
        assert not connection.is_open

    connected(story)


# -- offers of another protocol ----------------------------------------------------------------------------------------

OFFERS = {
    "h2c": b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQ\r\n",
    "websocket": b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: YQ==\r\n",
}
BODIES = {
    "none": (b"", b"", ""),
    "empty": (b"Content-Length: 0\r\n", b"", ""),
    "whole": (b"Content-Length: 20\r\n", b"GET /y HTTP/1.1\r\n\r\nz", "GET /y HTTP/1.1\r\n\r\nz"),
    "chunked": (b"Transfer-Encoding: chunked\r\n", b"3\r\na=1\r\n2\r\n&b\r\n0\r\n\r\n", "a=1&b"),
}


@pytest.mark.parametrize("piece", [1, 7, 100_000])
@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("offer", OFFERS)
def test_an_offer_of_another_protocol_changes_nothing(offer: str, body: str, piece: int) -> None:
    framing, content, read = BODIES[body]
    offering = b"POST /x HTTP/1.1\r\n" + OFFERS[offer] + framing + b"\r\n" + content
    plain = b"POST /z HTTP/1.1\r\n" + framing + b"\r\n" + content

    async def story(connection: Reader) -> None:
        sent = offering + plain + offering
        for place in range(0, len(sent), piece):
            connection.comes(sent[place : place + piece])
            await asyncio.sleep(0)
        await asyncio.sleep(0.05)
        assert connection.asked == [f"POST /x {read}", f"POST /z {read}", f"POST /x {read}"]
        assert connection.is_open
        assert connection.transport.written.count(b"HTTP/1.1 204") == 3

    connected(story, Reader)
