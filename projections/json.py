"""The JSON in which rows keep what has no columns of its own, and the text of ids."""

from typing import Any, overload
from uuid import UUID

import msgspec

_encode = msgspec.json.Encoder().encode


def to_json(value: Any) -> str:
    """Compact JSON text."""
    return _encode(value).decode()


@overload
def text(value: UUID) -> str: ...
@overload
def text(value: None) -> None: ...
def text(value: UUID | None) -> str | None:
    """An id as rows and answers write it; null stays null. ``str`` of an id is Python code, four times as slow."""
    shown: str | None = msgspec.to_builtins(value)
    return shown


def uuid(shown: str) -> UUID:
    """The id of a text that was checked, or that we have written."""
    return msgspec.convert(shown, UUID)
