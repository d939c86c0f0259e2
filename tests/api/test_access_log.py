"""The line that tells of a request: enough to find it, and no secret."""

from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import msgspec

from api.http.access_log import AccessLog
from api.service.access import register_with_key
from domain.access.events import Role
from tests.api.asker import Asker, bearer
from tests.api.server import Json
from tests.local import Local, run


def line_of(path: Path, method: str, target: str, query: str = "", body: bytes = b"") -> tuple[Json, Json]:
    """What is told of a request by an owner, and the owner's key as it was issued."""
    told = StringIO()

    async def story() -> Json:
        async with Local(path) as local:
            issued: Json = msgspec.json.decode((await local.ask(register_with_key(Role.OWNER, "Olga"))).body)
            headers = (bearer(issued["key"]), (b"content-type", b"application/json"), (b"x-request-id", b"r-1"))
            await Asker(local, *headers, log=AccessLog(told)).ask(method, target, query, body)
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
