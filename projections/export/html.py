"""Pages to look at and to print: one file each, without scripts and without anything from elsewhere."""

import re
from collections.abc import Iterable
from html import escape
from typing import Any

_STYLE = """
body { font: 14px/1.45 system-ui, sans-serif; color: #1a1a1a; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.05rem; margin: 1.8rem 0 .4rem; }
p.lead { color: #555; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; }
th { text-align: left; border-bottom: 2px solid #1a1a1a; }
td { border-bottom: 1px solid #ddd; overflow-wrap: anywhere; }
th, td { padding: .25rem .6rem .25rem 0; vertical-align: top; }
.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
@media print { body { margin: 0; max-width: none; font-size: 10px; } thead { display: table-header-group; }
  tr { break-inside: avoid; } }
"""
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")


def document(title: str, lead: str, parts: Iterable[str]) -> str:
    """A whole page."""
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>'
        f'<body><h1>{escape(title)}</h1><p class="lead">{escape(lead)}</p>{"".join(parts)}</body></html>\n'
    )


def table(title: str, columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """A headed table; numbers stand to the right. Without rows it says so."""
    made = [[_shown(cell) for cell in row] for row in rows]
    heading = f"<h2>{escape(title)}</h2>"
    if not made:
        return f"{heading}<p>None.</p>"
    is_number = [all(_NUMBER.fullmatch(cell) for cell in column) for column in zip(*made, strict=True)]
    head = "".join(_cell("th", name, right) for name, right in zip(columns, is_number, strict=True))
    body = "".join(
        f"<tr>{''.join(_cell('td', cell, right) for cell, right in zip(row, is_number, strict=True))}</tr>"
        for row in made
    )
    return f"{heading}<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _shown(cell: Any) -> str:
    return "" if cell is None else str(cell)


def _cell(tag: str, shown: str, is_number: bool) -> str:
    kind = ' class="n"' if is_number else ""
    return f"<{tag}{kind}>{escape(shown)}</{tag}>"
