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
from api.store.schema import SELECT_EVENTS
from api.store.sessions import Reader
from projections.replay import changes

NEW = "rebuilt_"
"""Before the names of tables that are not yet those that are read."""
PAGE_OF_LOG = f"{SELECT_EVENTS} WHERE position > ? AND position <= ? ORDER BY position"

Statements: TypeAlias = list[tuple[RowStatement, Params]]


@rarely_collected()
def work_out(opened: Callable[[], Reader], after: int, until: int) -> Statements:
    """What is to be written for the events after a position up to another."""
    with closing(opened()) as reader:
        return statements(reader.rows(PAGE_OF_LOG, (after, until)))


def statements(page: Sequence[Sequence[Any]]) -> Statements:
    """What is to be written for events as they are stored."""
    batch = RowBatch(NEW)
    batch.take(changes(recorded_in(page)))
    return list(batch.statements())
