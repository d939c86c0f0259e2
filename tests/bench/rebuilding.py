"""Read models made anew: our rebuild, beside a projection of the stock library that writes one transaction per event.

Both read the same log and write the same rows to a file with the same durability. The library's runner cannot
subscribe to a log on SQLite, so what it does for each event is done in a loop here: its tracking recorder writes the
event's rows and its position in one transaction.
"""

import time
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from eventsourcing.persistence import Notification, Tracking
from eventsourcing.sqlite import SQLiteDatastore, SQLiteTrackingRecorder

from api.store.application import Tallyhold
from api.store.databases import SQLiteDatabase
from api.store.rebuild import rebuild
from api.store.rows import RowBatch
from api.store.schema import create_views
from api.store.sqlite import open_log
from domain.recorded import Recorded
from projections.replay import changes
from tests.bench.histories import grow
from tests.bench.rounds import Say, compared, figures, interleaved
from tests.bench.servers import DATABASE
from tests.bench.settings import Settings

TITLE = "rebuild of all read models"
GOAL = 30.0
EVENTS = 100_000
STOCK_PAGE = 50
"""Read at once, so that the time runs out soon after it is up."""


def run(settings: Settings, say: Say) -> dict[str, Any]:
    """Events per second of both, by turns, on one log."""
    with TemporaryDirectory(dir=settings.folder) as name:
        path = Path(name) / DATABASE
        grow(path, EVENTS)
        contestants = {
            "tallyhold": lambda: _our_rate(path),
            "one transaction per event": lambda: _stock_rate(path, settings.seconds),
        }
        samples = interleaved(contestants, settings.rounds, say)
    return {
        "title": TITLE,
        "unit": "events/s",
        **{each: figures(rates) for each, rates in samples.items()},
        **compared(samples["tallyhold"], samples["one transaction per event"], GOAL),
        "events": EVENTS,
    }


def _our_rate(path: Path) -> float:
    began = time.perf_counter()
    count = rebuild(SQLiteDatabase(path), lambda done, total: None)
    return count / (time.perf_counter() - began)


class StockViews(SQLiteTrackingRecorder):
    """The same rows, kept as the library keeps a materialised view: an event's changes and its position at once."""

    def construct_create_table_statements(self) -> list[str]:
        return [*super().construct_create_table_statements(), *create_views()]

    def apply(self, recorded: Recorded[Any], tracking: Tracking) -> None:
        batch = RowBatch()
        batch.take(changes([recorded]))
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)
            for sql, params in batch.statements():
                cursor.executemany(sql, params)


def _stock_rate(path: Path, seconds: int) -> float:
    """Of as many events as it gets through in so many seconds, each in a transaction with its position."""
    with TemporaryDirectory(dir=path.parent) as name, closing(open_log(path)) as log:
        datastore = SQLiteDatastore(str(Path(name) / "views.sqlite"))
        views = StockViews(datastore)
        views.create_table()
        began, done = time.perf_counter(), 0
        while (passed := time.perf_counter() - began) < seconds:
            for notification in log.recorder.select_notifications(done + 1, STOCK_PAGE):
                views.apply(_recorded(log, notification), Tracking(log.name, notification.id))
                done += 1
        datastore.close()
    return done / passed


def _recorded(log: Tallyhold, notification: Notification) -> Recorded[Any]:
    recorded: Any = log.mapper.to_domain_event(notification)
    assert isinstance(recorded, Recorded)
    return recorded
