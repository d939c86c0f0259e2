"""The log as rows, one an event, with the same stable columns in CSV and in Parquet."""

from collections.abc import Mapping
from typing import Any

import msgspec

from projections.export.rows import Cell

_encode = msgspec.json.Encoder().encode

COLUMNS: dict[str, type] = {
    "position": int,
    "stream": str,
    "version": int,
    "type": str,
    "eventId": str,
    "occurredAt": str,
    "recordedAt": str,
    "requestId": str,
    "correlationId": str,
    "causationId": str,
    "payload": str,
    "actorKind": str,
    "actorId": str,
    "actorKeyId": str,
    "stored": str,
}
"""In this order, for ever; a new column comes at the end. ``payload`` is JSON, ``stored`` the event's exact bytes."""


def log_row(shown: Mapping[str, Any], stored: str) -> tuple[Cell, ...]:
    """An event as it is shown, by its columns."""
    actor = shown["actor"]
    told = {
        **shown,
        "payload": _encode(shown["payload"]).decode(),
        "actorKind": actor["kind"],
        "actorId": actor["id"],
        "actorKeyId": actor["keyId"],
        "stored": stored,
    }
    return tuple(told[name] for name in COLUMNS)
