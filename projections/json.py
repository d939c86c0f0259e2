"""The JSON in which rows keep what has no columns of its own, and the text of ids."""

from typing import Any, overload
from uuid import UUID

import msgspec

from domain.ids import id_text

_encode = msgspec.json.Encoder().encode


def to_json(value: Any) -> str:
    """Compact JSON text."""
    return _encode(value).decode()


@overload
def text(value: UUID) -> str: ...
@overload
def text(value: None) -> None: ...
def text(value: UUID | None) -> str | None:
    """An id as rows and answers write it; null stays null."""
    return None if value is None else id_text(value)
