"""Logs: one JSON line an event, on standard error. Bodies, keys and passwords are never told to them."""

import logging
import sys
from datetime import UTC, datetime
from typing import Any

import msgspec

from api.service.ports import StoreBusy, StoreFailed
from api.service.seals import WrongMasterKey
from domain.errors import Refusal

FORESEEN = (StoreBusy, StoreFailed, WrongMasterKey, Refusal)
"""Told by their sentence: while a database is away, each request would add a traceback."""
_PLAIN = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """A record with what was told beside its sentence."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        line |= {name: value for name, value in record.__dict__.items() if name not in _PLAIN}
        if record.exc_info:
            error = record.exc_info[1]
            line["error"] = str(error) if isinstance(error, FORESEEN) else self.formatException(record.exc_info)
        return msgspec.json.encode(line, enc_hook=str).decode()


def configure(level: str) -> None:
    """Send all logs of the process to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
