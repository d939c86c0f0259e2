"""What a page of the log says in the rows of all read models.

The processes of a rebuild import this and no more of the store: importing all of it took each of them half a second.
"""

from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any, TypeAlias

from api.service.garbage import rarely_collected
from api.store.mapper import recorded_in
from api.store.row_statements import RowStatement
from api.store.rows import Params, RowBatch
from api.store.sessions import Reader
from api.store.whole import whole_page
from projections.replay import changes

NEW = "rebuilt_"
"""Before the names of tables that are not yet those that are read."""

Statements: TypeAlias = list[tuple[RowStatement, Params]]


@rarely_collected()
def work_out(opened: Callable[[], Reader], after: int, until: int) -> Statements:
    """What is to be written for the events after a position up to another."""
    with closing(opened()) as reader:
        return statements(reader.rows, after, until)


def statements(read: Callable[[str, Sequence[int]], list[Any]], after: int, until: int) -> Statements:
    """The same, read by whoever has the head's lock. Raises Unavailable where an event is missing."""
    page = whole_page(read, after, until)
    batch = RowBatch(NEW)
    batch.take(changes(recorded_in(page)))
    return list(batch.statements())
