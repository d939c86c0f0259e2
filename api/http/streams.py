"""Lists of any length as CSV or JSON Lines, page after page: in the memory of one page."""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from io import StringIO
from typing import Any, Literal, TypeAlias

import msgspec

from api.http.route import Shown

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
    yield _lines([list(columns)])
    for page in pages:
        yield _lines([[_field(read(item)) for read in columns.values()] for item in page])


def _field(value: Any) -> Any:
    return _encode(value).decode() if isinstance(value, dict | list) else value


def _lines(rows: Iterable[Sequence[Any]]) -> bytes:
    text = StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _json_lines(pages: Iterable[Sequence[Mapping[str, Any]]]) -> Iterator[bytes]:
    for page in pages:
        yield b"".join(_encode(item) + b"\n" for item in page)
