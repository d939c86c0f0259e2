"""Instants as users see them."""

from datetime import UTC, datetime

from domain.times import Instant


def iso(instant: Instant) -> str:
    """ISO 8601 in UTC with Z; the milliseconds only where there are some."""
    moment = datetime.fromtimestamp(instant // 1_000, UTC)
    fraction = instant % 1_000
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{fraction:03d}Z" if fraction else f"{moment:%Y-%m-%dT%H:%M:%S}Z"


def iso_or_none(instant: Instant | None) -> str | None:
    return None if instant is None else iso(instant)
