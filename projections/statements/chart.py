"""The chart of a statement: balances at the end of each day of the month, as one inline SVG."""

from collections.abc import Sequence
from html import escape

from projections.export.amounts import CURRENCY
from projections.statements.statement import Statement

_WIDTH, _HEIGHT = 760, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 80, 12, 34, 26
_TICKS = 4
_COLOURS = ("#0b6e4f", "#c8553d", "#3d5a98")
_DASHES = ("", "6 3", "2 3")
"""So that the lines are told apart in black and white as well."""


def chart(made: Statement) -> str:
    """Free credits, escrow and spend of an owner; what a tester may withdraw."""
    names = ("free credits", "in escrow", "spent in the month") if made.is_owner else ("payable",)
    days = list(made.days())
    series = [[cents[n] for _, cents in days] for n in range(len(names))]
    most = _nice(max(max(values) for values in series))
    label = f"{', '.join(names)} at the end of each day, in {CURRENCY}"
    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" width="100%" font-family="inherit" font-size="11">',
        f"<title>{escape(label)}</title>",
        *_grid(most),
        *_dates([day for day, _ in days]),
    ]
    for n, (name, values) in enumerate(zip(names, series, strict=True)):
        parts += _line(n, name, values, most)
    return f"<h2>Day by day</h2>{''.join(parts)}</svg>"


def _nice(most: int) -> int:
    """The least round number of cents, 1, 2 or 5 times a power of ten, that is not below the greatest value."""
    power = 100
    while True:
        for times in (1, 2, 5):
            if most <= times * power:
                return times * power
        power *= 10


def _x(n: float, count: int) -> float:
    return _LEFT + n * (_WIDTH - _LEFT - _RIGHT) / count


def _y(cents: int, most: int) -> float:
    return _HEIGHT - _BOTTOM - cents * (_HEIGHT - _TOP - _BOTTOM) / most


def _grid(most: int) -> list[str]:
    parts = []
    for n in range(_TICKS + 1):
        cents = most * n // _TICKS
        y = _y(cents, most)
        parts.append(f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        amount = f"{cents // 100:,}.{cents % 100:02d}"
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end" fill="#555">{amount}</text>')
    return parts


def _dates(days: Sequence[str]) -> list[str]:
    return [
        f'<text x="{_x(n + 0.5, len(days)):.1f}" y="{_HEIGHT - 8}" text-anchor="middle" fill="#555">{day[8:]}</text>'
        for n, day in enumerate(days)
        if n % 2 == 0
    ]


def _line(n: int, name: str, values: Sequence[int], most: int) -> list[str]:
    """A step for each day, and its name in the legend."""
    points = []
    for day, cents in enumerate(values):
        y = f"{_y(cents, most):.1f}"
        points += [f"{_x(day, len(values)):.1f},{y}", f"{_x(day + 1, len(values)):.1f},{y}"]
    stroke = f'stroke="{_COLOURS[n]}" stroke-width="2" stroke-dasharray="{_DASHES[n]}"'
    x = _LEFT + n * 170
    return [
        f'<polyline points="{" ".join(points)}" fill="none" {stroke}/>',
        f'<line x1="{x}" x2="{x + 26}" y1="14" y2="14" {stroke}/>',
        f'<text x="{x + 32}" y="18">{escape(name)}</text>',
    ]
