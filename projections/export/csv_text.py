"""Lines of CSV (RFC 4180)."""

from collections.abc import Iterable

_QUOTED = frozenset('",\r\n')
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""A spreadsheet would run a text that begins so, or what follows; amounts are numbers and stay as they are."""


def csv_line(cells: Iterable[int | str | None]) -> str:
    """One line, its end included; null is empty."""
    return ",".join(map(_cell, cells)) + "\r\n"


def _cell(cell: int | str | None) -> str:
    if cell is None:
        return ""
    shown = str(cell)
    if shown.startswith(_FORMULA) and not _is_number(shown):
        shown = "'" + shown
    return '"' + shown.replace('"', '""') + '"' if _QUOTED & set(shown) else shown


def _is_number(shown: str) -> bool:
    return shown[0] in "+-" and shown[1:].replace(".", "", 1).isdigit()
