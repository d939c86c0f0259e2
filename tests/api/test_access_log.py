"""The line that tells of a request: enough to find it, and no secret."""

from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import msgspec

from api.http.access_log import AccessLog
from api.http.app import Endpoint
from api.http.rate_limit import RateLimit
from api.http.routes import ROUTES
from api.service.access import register_with_key
from domain.access.events import Role
from tests.api.server import Json
from tests.local import Local, run


def line_of(path: Path, method: str, target: str, query: str = "", body: bytes = b"") -> tuple[Json, Json]:
    """What is told of a request by an owner, and the owner's key as it was issued."""
    told = StringIO()

    async def story() -> Json:
        async with Local(path) as local:
            issued: Json = msgspec.json.decode((await local.ask(register_with_key(Role.OWNER, "Olga"))).body)
            scope = {
                "method": method,
                "path": target,
                "raw_path": target.encode(),
                "query_string": query.encode(),
                "headers": [
                    (b"authorization", f"Bearer {issued['key']}".encode()),
                    (b"content-type", b"application/json"),
                    (b"x-request-id", b"r-1"),
                ],
            }

            async def receive() -> Json:
                return {"type": "http.request", "body": body, "more_body": False}

            async def send(_: object) -> None:
                pass

            await Endpoint(ROUTES, local.service, AccessLog(told), RateLimit(0)).handle(scope, receive, send)
            return issued

    issued = run(story())
    (line,) = told.getvalue().splitlines()
    return msgspec.json.decode(line), issued


def test_a_request_is_told_with_its_time(tmp_path: Path) -> None:
    began = datetime.now(UTC)
    line, issued = line_of(tmp_path / "x.sqlite", "GET", "/owner/billing")
    at, milliseconds = datetime.fromisoformat(line.pop("at")), line.pop("milliseconds")
    assert began.replace(microsecond=0) <= at <= datetime.now(UTC)
    assert 0 < milliseconds < 60_000
    assert line == {
        "event": "request",
        "method": "GET",
        "path": "/owner/billing",
        "status": 200,
        "code": None,
        "requestId": "r-1",
        "keyId": issued["keyId"],
    }


def test_no_body_query_or_key_is_told(tmp_path: Path) -> None:
    body = b'{"title": "open sesame"}'
    line, issued = line_of(tmp_path / "x.sqlite", "POST", "/jobs", "dryRun=sesame", body)
    assert (line["status"], line["code"]) == (400, "invalid_request")
    assert "sesame" not in str(line)
    assert issued["key"] not in str(line)
