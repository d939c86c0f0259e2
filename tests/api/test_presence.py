"""What is done for one client alone ends when that client goes away."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any
from uuid import UUID

import msgspec
import pytest

from api.http.routes import events
from api.service.access import register_with_key
from api.service.credits import rehearse_purchase
from api.service.ids import new_id
from api.service.jobs import create_job
from domain.access.events import Role
from tests.api.asker import Asker, bearer
from tests.builders import some_terms
from tests.local import Local, Where, issue_keys, run

EVENTS = 50
ON_ITS_WAY = 5
"""Messages that may still be made for a client who has gone."""


def visited(where: Where, role: Role, story: Callable[[Local, str], Coroutine[Any, Any, None]]) -> None:
    """A story of a local and of somebody's key."""

    async def whole() -> None:
        async with Local(where) as local:
            issued = await local.ask(register_with_key(role, "Otto"))
            await story(local, msgspec.json.decode(issued.body)["key"])

    run(whole())


@pytest.fixture
def long_log(where: Where, monkeypatch: pytest.MonkeyPatch) -> Where:
    monkeypatch.setattr(events, "AT_ONCE", 1)
    issue_keys(where, {f"Olga {number}": Role.OWNER for number in range(EVENTS)})
    return where


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_a_stream_ends_with_its_connection(long_log: Where, form: str) -> None:
    async def story(local: Local, key: str) -> None:
        stays, leaves = Asker(local, bearer(key)), Asker(local, bearer(key), stays_for=3)
        await stays.ask("GET", "/audit/events", f"format={form}")
        assert len(stays.sent) > EVENTS and not stays.sent[-1].get("more_body", False)
        await leaves.ask("GET", "/audit/events", f"format={form}")
        assert len(leaves.sent) <= 3 + ON_ITS_WAY

    visited(long_log, Role.AUDITOR, story)


def test_the_head_of_a_stream_reads_nothing(long_log: Where, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise AssertionError("Nobody is shown it.")

    async def story(local: Local, key: str) -> None:
        monkeypatch.setattr(local.audit, "events", fails)
        asker = Asker(local, bearer(key))
        await asker.ask("HEAD", "/audit/events", "format=csv")
        start, end = asker.sent
        assert (start["status"], end["body"]) == (200, b"")

    visited(long_log, Role.AUDITOR, story)


@pytest.mark.parametrize(("path", "query"), [("/jobs/{}/wait", "timeoutMs=60000"), ("/events", "after={}&wait=60000")])
def test_nobody_is_waited_for_who_has_gone(where: Where, path: str, query: str) -> None:
    async def story() -> None:
        async with Local(where) as local:
            owner = msgspec.json.decode((await local.ask(register_with_key(Role.OWNER, "Olga"))).body)
            await local.ask(rehearse_purchase(UUID(owner["principalId"]), new_id(), 100_000))
            job_id = new_id()
            end = (await local.ask(create_job(job_id, UUID(owner["principalId"]), some_terms()))).position
            asker = Asker(local, bearer(owner["key"]))
            asked = asyncio.create_task(asker.ask("GET", path.format(job_id), query.format(end)))
            await asyncio.sleep(0.1)
            assert not asked.done()
            asker.leave()
            await asked
            assert asker.sent == []

    run(story())
