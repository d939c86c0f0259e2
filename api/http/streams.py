"""Lists of any length as CSV or JSON Lines, page after page: in the memory of one page."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import msgspec

from api.http.route import Shown
from projections.export.csv_text import csv_line

Format: TypeAlias = Literal["json", "csv", "jsonl"]
CSV = "text/csv"
JSON_LINES = "application/jsonl"
STREAMS = (CSV, JSON_LINES)

_encode = msgspec.json.Encoder().encode
Columns: TypeAlias = Mapping[str, Callable[[Mapping[str, Any]], Any]]
"""The columns of a table, and each one's value in an item. Null is an empty field, an object its JSON."""


def streamed(wanted: Format, pages: Iterable[Sequence[Mapping[str, Any]]], columns: Columns) -> Shown:
    """All items of all pages, in the form that was asked for."""
    if wanted == "csv":
        return Shown(pieces=_csv(pages, columns), content_type=CSV, holds_snapshot=False)
    return Shown(pieces=_json_lines(pages), content_type=JSON_LINES, holds_snapshot=False)


def _csv(pages: Iterable[Sequence[Mapping[str, Any]]], columns: Columns) -> Iterator[bytes]:
    yield csv_line(columns).encode()
    for page in pages:
        lines = (csv_line(_field(read(item)) for read in columns.values()) for item in page)
        yield "".join(lines).encode()


def _field(value: Any) -> Any:
    return _encode(value).decode() if isinstance(value, dict | list) else value


def _json_lines(pages: Iterable[Sequence[Mapping[str, Any]]]) -> Iterator[bytes]:
    for page in pages:
        yield b"".join(_encode(item) + b"\n" for item in page)
