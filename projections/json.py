"""The JSON in which rows keep what has no columns of its own."""

from typing import Any
from uuid import UUID

import msgspec

_encode = msgspec.json.Encoder().encode


def to_json(value: Any) -> str:
    """Compact JSON text."""
    return _encode(value).decode()


def text(value: UUID | None) -> str | None:
    """An id as rows and answers write it."""
    return None if value is None else str(value)
