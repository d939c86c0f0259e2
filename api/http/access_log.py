"""One JSON line a request: when, who, what, how it went, how long it took. No body, no query, no key."""

import sys
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Protocol, TextIO

import msgspec

_encode = msgspec.json.Encoder().encode


class Answered(Protocol):
    """What is told of a response."""

    request_id: str
    principal: Any
    status: int
    code: str | None


class AccessLog:
    """Writes to a stream, or nothing at all."""

    def __init__(self, stream: TextIO | None = sys.stderr) -> None:
        self._stream = stream

    def write(self, method: str, path: str, answer: Answered, seconds: float) -> None:
        if self._stream is None:
            return
        line = {
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "event": "request",
            "method": method,
            "path": path,
            "status": answer.status,
            "code": answer.code,
            "milliseconds": round(seconds * 1_000, 2),
            "requestId": answer.request_id,
            "keyId": str(answer.principal.key_id) if answer.principal.role else None,
        }
        with suppress(OSError):  # what was answered stays answered, though there is no room left to tell of it
            self._stream.write(_encode(line).decode() + "\n")
