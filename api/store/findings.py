"""What is found where something is not as it was written, and how rows are compared that nobody holds in memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Row = tuple[Any, ...]

_KINDS = {type(None): 0, int: 1, float: 1, str: 2, bytes: 3}
"""The order of values of different kinds, as a damaged file of SQLite may have them in one column."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What is not as it was written; ``position`` is the first wrong one where it is about the log."""

    sentence: str
    position: int | None = None


def side_by_side(ours: Iterator[Row], theirs: Iterator[Row], key: slice) -> Iterator[tuple[Row | None, Row | None]]:
    """Rows in the order of their keys: the two of a key together, with null for one that is not there."""
    left, right = next(ours, None), next(theirs, None)
    while left is not None or right is not None:
        if left is not None and (right is None or (left != right and _is_before(left[key], right[key]))):
            yield left, None
            left = next(ours, None)
        elif right is not None and (left is None or (left != right and _is_before(right[key], left[key]))):
            yield None, right
            right = next(theirs, None)
        elif left is not None and right is not None:
            yield left, right
            left, right = next(ours, None), next(theirs, None)


def _is_before(one: Row, other: Row) -> bool:
    return [(_KINDS[type(value)], value) for value in one] < [(_KINDS[type(value)], value) for value in other]
