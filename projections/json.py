"""The JSON in which rows keep what has no columns of its own, and the text of ids."""

from typing import Any, Protocol, overload
from uuid import UUID

import msgspec

_encode = msgspec.json.Encoder().encode


def to_json(value: Any) -> str:
    """Compact JSON text."""
    return _encode(value).decode()


class _Text(Protocol):
    @overload
    def __call__(self, value: UUID, /) -> str: ...
    @overload
    def __call__(self, value: None, /) -> None: ...
    @overload
    def __call__(self, value: UUID | None, /) -> str | None: ...


text: _Text = msgspec.to_builtins
"""An id as rows and answers write it; null stays null. ``str`` of an id is Python code, four times as slow."""


def uuid(shown: str) -> UUID:
    """The id of a text that was checked, or that we have written."""
    return msgspec.convert(shown, UUID)
