"""Who waits for events of the own looks at the log when something was written, and rests in between."""

import asyncio
from typing import Any

import msgspec
import pytest
from starlette.types import Message

from api.http.access_log import AccessLog
from api.http.app import Endpoint
from api.http.rate_limit import RateLimit
from api.http.routes import ROUTES
from api.service.access import register, register_with_key
from domain.access.events import Role
from tests.local import Local, Where, run

OTHERS = 3
"""Events of others that are written meanwhile."""
LOOKS = 2 + 2 * OTHERS
"""At most: at the beginning, when the time is up, and for each event once told and once looked for."""


def test_who_waits_rests_until_something_is_written(where: Where, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0

    async def story() -> None:
        async with Local(where) as local:
            await local.service.start()
            issued = msgspec.json.decode((await local.ask(register_with_key(Role.OWNER, "Olga"))).body)
            end = local.service.reads.position()
            events = local.audit.events

            def counted(*asked: Any) -> Any:
                nonlocal looks
                looks += 1
                return events(*asked)

            monkeypatch.setattr(local.audit, "events", counted)
            scope = {
                "method": "GET",
                "path": "/events",
                "raw_path": b"/events",
                "query_string": f"after={end}&wait=800".encode(),
                "headers": [(b"authorization", f"Bearer {issued['key']}".encode())],
            }
            sent: list[Message] = []

            async def receive() -> Message:
                await asyncio.sleep(60)
                raise AssertionError("waited for too long")

            async def send(message: Message) -> None:
                sent.append(message)

            endpoint = Endpoint(ROUTES, local.service, AccessLog(None), RateLimit(0))
            asked = asyncio.create_task(endpoint.handle(scope, receive, send))
            for number in range(OTHERS):
                await asyncio.sleep(0.1)
                await local.ask(register(Role.TESTER, f"Tom {number}"))
            await asked
            assert msgspec.json.decode(sent[1]["body"]) == {"data": [], "next": end + OTHERS}
            await local.service.close()

    run(story())
    assert OTHERS < looks <= LOOKS
