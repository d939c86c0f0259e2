"""A log that lacks events is not read as if it had none there."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from api.service.refusals import EVENTS_MISSING, Unavailable
from api.store.schema import SELECT_EVENTS

_PAGE = f"{SELECT_EVENTS} WHERE position > ? AND position <= ? ORDER BY position"


def check_whole(found: Iterable[int], expected: Iterable[int]) -> None:
    """Of events that were read in order, the positions, or the versions in a stream. Raises Unavailable."""
    if list(found) != list(expected):
        raise Unavailable(EVENTS_MISSING)


def whole_page(read: Callable[[str, Sequence[int]], list[Any]], after: int, upto: int) -> list[Any]:
    """All events after a position and up to another, as SELECT_EVENTS gives them. Raises Unavailable."""
    page = read(_PAGE, (after, upto))
    check_whole((position for _, _, position, *_ in page), range(after + 1, upto + 1))
    return page
