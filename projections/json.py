"""The JSON in which rows keep what has no columns of its own, and the text of ids."""

from functools import lru_cache
from typing import Any, overload
from uuid import UUID

import msgspec

_encode = msgspec.json.Encoder().encode
RECENT_IDS = 16_384


def to_json(value: Any) -> str:
    """Compact JSON text."""
    return _encode(value).decode()


@overload
def text(value: UUID) -> str: ...
@overload
def text(value: None) -> None: ...
def text(value: UUID | None) -> str | None:
    """An id as rows and answers write it. One id stands in many rows of an event: its text is made once."""
    return None if value is None else _text(value)


_text = lru_cache(RECENT_IDS)(str)
