"""The log as it is stored, to be exported: a range of positions at a time, in whatever process."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any
from uuid import UUID

from api.evidence import tree
from api.store.sessions import Reader
from api.store.sql_digest import log_origin

_COLUMNS = "SELECT position, originator_id, originator_version, topic, state FROM stored_events "


@dataclass(frozen=True, slots=True)
class StoredLog:
    """See ``api.columns.exporting.Source``. Each call opens a connection of its own."""

    opened: Callable[[], Reader]

    def head(self) -> tuple[str, int]:
        with closing(self.opened()) as reader:
            ((secret, position),) = reader.rows("SELECT secret, position FROM head")
        return log_origin(secret), position

    def leaf(self, position: int) -> str | None:
        with closing(self.opened()) as reader:
            rows = reader.rows(f"{_COLUMNS}WHERE position = ?", (position,))
        if not rows:
            return None
        ((_, stream, version, name, state),) = rows
        return tree.leaf_hash(tree.leaf_bytes(UUID(stream), version, name, state)).hex()

    @contextmanager
    def pages(self, after: int, upto: int, rows: int) -> Iterator[Iterator[Sequence[Sequence[Any]]]]:
        with closing(self.opened()) as reader, reader.snapshot():
            wanted = f"{_COLUMNS}WHERE position > ? AND position <= ? ORDER BY position"
            with reader.stream(wanted, (after, upto)) as found:
                yield iter(lambda: list(islice(found, rows)), [])
