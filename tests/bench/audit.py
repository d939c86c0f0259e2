"""Pages of the audit trail on a long log against the same pages on a short one: what a page costs must not grow.

Both logs are made of the stored bytes of real events with other ids and times in them.
"""

from collections.abc import Iterator
from contextlib import closing
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any
from uuid import UUID

import msgspec

from api.store.databases import SQLiteDatabase
from api.store.schema import INSERT_EVENTS
from api.store.sql_audit import SQLAudit
from api.store.sql_digest import SQLDigest
from api.store.sqlite import connect, open_log
from domain.catalogue import NAMES
from domain.credits import events as credits
from domain.job import events as job
from projections.audit import EventFilter
from tests.bench.commands import stored_states
from tests.bench.rounds import Say, compared, figures, interleaved
from tests.bench.settings import Settings
from tests.local import audit_of, work_through

TITLE = "pages of the audit trail"
GOAL = round(1 / 1.2, 2)
SHORT, LONG = 10_000, 1_000_000
TYPES = (NAMES[job.Created], NAMES[credits.Held])
START = 1_750_000_000_000
PAGE = 50
WHOLE_PAGE = 2 * 2 * PAGE * 16
"""So many events before the end there is still a page of each kind."""
WARM_SECONDS = 1.0
AT_ONCE = 10_000
OWNERS = 16


def run(settings: Settings, say: Say) -> dict[str, Any]:
    """Pages per second of all kinds of searches, by turns."""
    states = [msgspec.json.decode(state) for state in stored_states(settings)]
    with TemporaryDirectory(dir=settings.folder) as folder:
        long, short = (Path(folder) / f"{size}.sqlite" for size in (LONG, SHORT))
        for path, size in ((long, LONG), (short, SHORT)):
            fill(path, states, size)
            say(f"a log of {size:,} events is there")
        return compared_logs(long, short, settings, say)


def compared_logs(long: Path, short: Path, settings: Settings, say: Say) -> dict[str, Any]:
    """The same for logs that ``fill`` has made."""
    names = {"tallyhold": long, f"a log of {indexed(short):,}": short}
    contestants = {name: partial(_rate, path, settings.seconds) for name, path in names.items()}
    samples = interleaved(contestants, settings.rounds, say)
    ours, theirs = samples.values()
    return {
        "title": f"{TITLE}, log of {indexed(long):,}",
        "unit": "pages/s of CPU time",
        **{name: figures(rates) for name, rates in samples.items()},
        **compared(ours, theirs, GOAL),
    }


def indexed(path: Path) -> int:
    """Up to which position a log can be searched by its index."""
    with closing(SQLiteDatabase(path).reader()) as reader:
        position: int = reader.rows("SELECT position FROM digest")[0][0]
        return position


def _id(kind: int, number: int) -> UUID:
    return UUID(int=kind << 64 | number + 1)


def fill(path: Path, states: list[dict[str, Any]], size: int) -> None:
    """A log of so many events, and its index."""
    open_log(path).close()
    with closing(connect(str(path))) as connection:
        events = _events(states, size)
        while rows := list(islice(events, AT_ONCE)):
            connection.execute("BEGIN")
            connection.executemany(INSERT_EVENTS.one, rows)
            connection.execute("UPDATE head SET position = ?", (rows[-1][0],))
            connection.execute("COMMIT")
    database = SQLiteDatabase(path)
    with closing(SQLDigest(database.reader(), database.digest_session())) as digest:
        work_through(digest)


def _events(states: list[dict[str, Any]], size: int) -> Iterator[tuple[int, str, int, str, bytes]]:
    for position, (topic, state) in enumerate(islice(cycle(zip(TYPES, states, strict=True)), size), 1):
        number = (position - 1) // 2
        owner, job_id = _id(1, number % OWNERS), _id(2, number)
        at = START + number
        state |= {"occurred_at": at, "recorded_at": at, "request_id": f"r-{number}"}
        state["actor"] = {"kind": "owner", "id": str(owner), "key_id": str(owner)}
        is_job = topic == TYPES[0]
        state["event"] |= {"owner_id": str(owner)} if is_job else {"job_id": str(job_id)}
        stream, version = (job_id, 1) if is_job else (owner, number // OWNERS + 1)
        yield position, stream.hex, version, topic, msgspec.json.encode(state)


def _rate(path: Path, seconds: float) -> float:
    """Pages per second of processor time, which other work on the machine does not change so much."""
    with audit_of(path) as audit:
        commands, random = (indexed(path) - WHOLE_PAGE) // 2, Random(1)
        _pages(audit, random, commands, WARM_SECONDS)
        return _pages(audit, random, commands, seconds)


def _pages(audit: SQLAudit, random: Random, commands: int, seconds: float) -> float:
    pages, began = 0, process_time()
    while process_time() - began < seconds:
        number = random.randrange(commands)
        for wanted in _searches(number):
            audit.events(wanted, 2 * number, None, PAGE)
            pages += 1
    return pages / (process_time() - began)


def _searches(number: int) -> Iterator[EventFilter]:
    """One of each kind, for what one command has written."""
    owner = _id(1, number % OWNERS)
    yield EventFilter()
    yield EventFilter(actor=str(owner))
    yield EventFilter(subject=owner)
    yield EventFilter(subject=_id(2, number))
    yield EventFilter(types=frozenset({TYPES[0]}))
    yield EventFilter(actor=str(owner), types=frozenset({TYPES[1]}))
    yield EventFilter(request_id=f"r-{number}")
    yield EventFilter(actor="tester")
    yield EventFilter(subject=owner, from_instant=START + number, to_instant=START + number + 1_000)
