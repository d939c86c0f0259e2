"""An event's payload as users read it: camelCase, instants as ISO 8601, no secret."""

from typing import Any

import msgspec

from projections.times import iso

_SECRET = frozenset({"proof_hash", "key_hash"})
_INSTANTS = frozenset(
    {
        "posting_ends_at", "starts_at", "started_at", "completed_at", "hard_deadline", "reserved_until", "deadline",
        "dated_at", "begins", "as_of", "known_at", "begins_at", "ends_at", "since",
    }
)  # fmt: skip
_JSON = frozenset({"answers", "evidence"})


def event_view(event: Any) -> dict[str, Any]:
    """The fields of an event whose sealed texts were opened; what must never be shown is left out."""
    return _object(msgspec.to_builtins(event, str_keys=True))


def _object(fields: dict[str, Any]) -> dict[str, Any]:
    return {_camel(name): _value(name, value) for name, value in fields.items() if name not in _SECRET}


def _value(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in _JSON:
        return msgspec.Raw(value.encode())
    if name in _INSTANTS:
        return iso(value)
    return _nested(value)


def _nested(value: Any) -> Any:
    if isinstance(value, dict):
        return _object(value)
    if isinstance(value, list | tuple):
        return [_nested(item) for item in value]
    return value


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
