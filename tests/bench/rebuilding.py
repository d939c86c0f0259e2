"""Read models made anew: our rebuild, beside a projection of the stock library that writes one transaction per event.

Both read the same log and write the same rows to the same kind of database with the same durability. The library's
runner cannot subscribe to a log on SQLite, so what it does for each event is done in a loop here: its tracking
recorder writes the event's rows and its position in one transaction.
"""

import time
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from eventsourcing.persistence import Notification, Tracking

from api.store.application import Tallyhold
from api.store.rebuild import rebuild
from domain.recorded import Recorded
from tests.bench.histories import grow
from tests.bench.rounds import Say, compared, figures, interleaved
from tests.bench.settings import Settings
from tests.bench.stock import stock_views
from tests.bench.stores import database_at

EVENTS = 300_000
"""So many that the start of the processes, which a log of any length pays once, is a tenth of the time at most."""
TITLE = f"rebuild of all read models, {EVENTS:,} events"
GOAL = 30.0
STOCK_PAGE = 50
"""Read at once, so that the time runs out soon after it is up."""


def run(settings: Settings, say: Say) -> dict[str, Any]:
    """Events per second of both, by turns, on one log."""
    with TemporaryDirectory(dir=settings.folder) as name, settings.store.new(Path(name)) as db:
        grow(database_at(db), EVENTS)
        contestants = {
            "tallyhold": lambda: _our_rate(db),
            "one transaction per event": lambda: _stock_rate(settings, db),
        }
        samples = interleaved(contestants, settings.rounds, say)
    return {
        "title": TITLE,
        "unit": "events/s",
        **{each: figures(rates) for each, rates in samples.items()},
        **compared(samples["tallyhold"], samples["one transaction per event"], GOAL),
        "events": EVENTS,
    }


def _our_rate(db: str) -> float:
    began = time.perf_counter()
    count = rebuild(database_at(db), lambda done, total: None)
    return count / (time.perf_counter() - began)


def _stock_rate(settings: Settings, db: str) -> float:
    """Of as many events as it gets through in so many seconds, each in a transaction with its position."""
    with (
        TemporaryDirectory(dir=settings.folder) as name,
        settings.store.new(Path(name)) as views_db,
        stock_views(views_db) as views,
        closing(database_at(db).log()) as log,
    ):
        began, done = time.perf_counter(), 0
        while (passed := time.perf_counter() - began) < settings.seconds:
            for notification in log.recorder.select_notifications(done + 1, STOCK_PAGE):
                views.apply(_recorded(log, notification), Tracking(log.name, notification.id))
                done += 1
    return done / passed


def _recorded(log: Tallyhold, notification: Notification) -> Recorded[Any]:
    recorded: Any = log.mapper.to_domain_event(notification)
    assert isinstance(recorded, Recorded)
    return recorded
