"""A body has its time, whether it stops in the middle or never begins."""

import asyncio
from collections.abc import Iterator, Sequence

import pytest
from starlette.types import Message, Receive

from api.http import app
from api.http.time_limit import within
from domain.errors import InvalidRequest
from tests.local import run


@pytest.fixture(autouse=True)
def little_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "BODY_SECONDS", 0.02)


def pieces(*bodies: bytes, ends: bool) -> Receive:
    """A client that sends these and then nothing, though it has promised more unless they are the whole."""
    left: Iterator[tuple[int, bytes]] = iter(enumerate(bodies, start=1))

    async def receive() -> Message:
        await asyncio.sleep(0)
        for number, body in left:
            return {"type": "http.request", "body": body, "more_body": not (ends and number == len(bodies))}
        await asyncio.sleep(60)
        raise AssertionError("waited for too long")

    return receive


JSON = {b"content-type": b"application/json"}


@pytest.mark.parametrize("bodies", [(), (b"{",), (b"{", b'"a"')])
def test_what_never_comes_is_not_waited_for(bodies: Sequence[bytes]) -> None:
    with pytest.raises(InvalidRequest, match="did not arrive whole"):
        run(app._read_body(pieces(*bodies, ends=False), JSON))


@pytest.mark.parametrize("bodies", [(b"{}",), (b"{", b"}"), (b"", b"{", b"}", b"")])
def test_what_comes_in_time_is_read(bodies: Sequence[bytes]) -> None:
    assert run(app._read_body(pieces(*bodies, ends=True), JSON)) == b"{}"


def test_within_its_time_work_gives_its_result() -> None:
    async def at_once() -> int:
        return 1

    async def later() -> int:
        await asyncio.sleep(0)
        await asyncio.sleep(0.001)
        return 2

    async def fails() -> int:
        await asyncio.sleep(0)
        raise ZeroDivisionError

    async def story() -> None:
        assert (await within(0, at_once()), await within(5, later())) == (1, 2)
        with pytest.raises(ZeroDivisionError):
            await within(5, fails())

    run(story())


def test_work_that_is_cancelled_or_too_slow_is_ended() -> None:
    ended = []

    async def slow() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("slow")

    async def story() -> None:
        with pytest.raises(TimeoutError):
            await within(0.01, slow())
        task = asyncio.create_task(within(60, slow()))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended == ["slow", "slow"]

    run(story())
