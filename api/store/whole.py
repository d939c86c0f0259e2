"""A log that lacks events is not read as if it had none there."""

from collections.abc import Iterable

from api.service.refusals import EVENTS_MISSING, Unavailable


def check_whole(found: Iterable[int], expected: Iterable[int]) -> None:
    """Of events that were read in order, the positions, or the versions in a stream. Raises Unavailable."""
    if list(found) != list(expected):
        raise Unavailable(EVENTS_MISSING)
