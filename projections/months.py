"""Months that are closed."""

from collections.abc import Iterator

from domain.books.events import MonthClosed
from domain.recorded import Recorded
from projections.read_model import Change, Insert, ReadModel, Table

MONTHS = Table(
    name="closed_months",
    key="month",
    primary_key="month",
    columns={
        "month": "TEXT",
        "timezone": "TEXT",
        "begins_at": "INTEGER",
        "ends_at": "INTEGER",
        "position": "INTEGER",
        "tree_root": "TEXT",
        "closed_at": "INTEGER",
    },
)


def _closed(recorded: Recorded[MonthClosed]) -> Iterator[Change]:
    event = recorded.event
    yield Insert(
        MONTHS,
        event.month,
        {
            "month": event.month,
            "timezone": event.timezone,
            "begins_at": event.begins_at,
            "ends_at": event.ends_at,
            "position": event.position,
            "tree_root": event.tree_root,
            "closed_at": recorded.occurred_at,
        },
    )


MONTH_LIST = ReadModel(name="months", version=1, tables=(MONTHS,), projectors={MonthClosed: _closed})
