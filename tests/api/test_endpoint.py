"""What is answered when something around a request ends or fails."""

import asyncio
from errno import ENOSPC
from io import StringIO
from uuid import uuid4

import msgspec
import pytest
from starlette.types import Message

from api.http import app
from api.http.access_log import AccessLog
from api.service.access import register_with_key
from api.service.credits import rehearse_purchase
from api.service.jobs import create_job
from api.service.ports import StoreFailed
from domain.access.events import Role
from tests.api.asker import SOON_SECONDS, Asker, a_request, bearer, endpoint_of
from tests.builders import some_terms, variant
from tests.local import Local, Where, issue_keys, run


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


async def taken_in_slowly(local: Local, key: str, path: str, query: str = "") -> list[Message]:
    """What is sent to somebody who rests after each message."""
    sent: list[Message] = []

    async def receive() -> Message:
        await asyncio.sleep(SOON_SECONDS)
        raise AssertionError("waited for too long")

    async def send(message: Message) -> None:
        sent.append(message)
        await asyncio.sleep(0.1)

    await endpoint_of(local).handle(a_request("GET", path, query, [bearer(key)]), receive, send)
    return sent


def test_what_holds_a_snapshot_is_taken_in_within_a_time_and_all_else_piece_by_piece(
    where: Where, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.http.app.STREAM_SECONDS", 1)
    monkeypatch.setattr("api.http.routes.events.AT_ONCE", 1)
    keys = issue_keys(where, {"Olga": Role.OWNER, "Otto": Role.AUDITOR, "Pat": Role.OPERATOR, "Tom": Role.TESTER})

    async def story() -> None:
        async with Local(where) as local:
            job_id = uuid4()
            await local.ask(rehearse_purchase(keys["Olga"].id, uuid4(), 10_000))
            terms = some_terms(8, variants=tuple(variant(number, least=1) for number in range(8)))
            await local.ask(create_job(job_id, keys["Olga"].id, terms))
            *pieces, end = await taken_in_slowly(local, keys["Otto"].key, "/audit/events", "format=jsonl")
            assert len(pieces) > 10 and "more_body" not in end
            *pieces, end = await taken_in_slowly(local, keys["Olga"].key, f"/jobs/{job_id}")
            assert pieces[0]["status"] == 200 and end["more_body"], "it broke off"

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


def test_what_is_taken_in_too_slowly_breaks_off_with_one_sentence(
    where: Where, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(app, "STREAM_SECONDS", 0.02)
    sent: list[Message] = []

    async def receive() -> Message:
        await asyncio.sleep(60)
        raise AssertionError("waited for too long")

    async def send(message: Message) -> None:
        sent.append(message)
        if message["type"] == "http.response.body":
            await asyncio.sleep(60)

    async def story() -> None:
        async with Local(where) as local:
            issued = await local.ask(register_with_key(Role.OWNER, "Olga"))
            key = bearer(msgspec.json.decode(issued.body)["key"])
            asked = a_request("GET", "/owner/ledger", "format=csv", [key])
            await endpoint_of(local).handle(asked, receive, send)

    run(story())
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    (said,) = [record for record in caplog.records if record.name == "tallyhold.http"]
    assert (said.levelname, said.getMessage()) == ("WARNING", "an answer broke off: It was taken in too slowly.")
    assert said.exc_info is None
