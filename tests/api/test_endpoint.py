"""What is answered when something around a request ends or fails."""

import asyncio
from errno import ENOSPC
from io import StringIO

import msgspec
import pytest

from api.http.access_log import AccessLog
from api.service.access import register_with_key
from api.service.ports import StoreFailed
from domain.access.events import Role
from tests.api.asker import Asker, bearer
from tests.local import Local, Where, run


def test_what_is_cut_short_is_told_to_come_again(where: Where) -> None:
    async def story() -> None:
        async with Local(where) as local:
            issued = await local.ask(register_with_key(Role.OWNER, "Olga"))
            key = msgspec.json.decode(issued.body)["key"]
            asker = Asker(local, bearer(key))
            asked = asyncio.create_task(asker.ask("POST", "/jobs", body=None))
            await asyncio.sleep(0.05)
            asked.cancel()
            await asked
            start, body = asker.sent
            assert start["status"] == 503
            assert (b"retry-after", b"2") in start["headers"]
            assert msgspec.json.decode(body["body"])["code"] == "unavailable"

    run(story())


def test_a_process_that_has_answered_nothing_yet_is_alive_without_its_database(
    where: Where, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails() -> bytes:
        raise StoreFailed("connection refused")

    async def story() -> None:
        async with Local(where) as local:
            monkeypatch.setattr(local.service.reads, "secret", fails)
            asker = Asker(local)
            await asker.ask("GET", "/healthz")
            assert asker.sent[0]["status"] == 200

    run(story())


class FullDisk(StringIO):
    def write(self, text: str, /) -> int:
        raise OSError(ENOSPC, "No space left on device")


def test_what_was_answered_stays_so_when_the_log_cannot_be_written(where: Where) -> None:
    async def story() -> None:
        async with Local(where) as local:
            asker = Asker(local, log=AccessLog(FullDisk()))
            await asker.ask("GET", "/healthz")
            assert asker.sent[0]["status"] == 200

    run(story())
