"""A log from which events were taken is not read as if it had none there: whoever reads it is told."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import httpx2
import pytest

from api.service.portable_proof import whole_log
from api.service.reads import Moment
from api.service.refusals import Unavailable
from api.store.event_log import EventLog
from api.store.rebuild import rebuild
from api.store.sql_snapshot import SQLReplays
from projections.audit import EventFilter
from tests.api.server import Client, connected, done, listening, refused
from tests.api.test_committer import bought
from tests.builders import OWNER
from tests.given import NOW
from tests.local import Local, Where, a_digest, audit_of, database, execute, query, run, tables, work_through
from tests.program import create_key, failed, tallyhold, url

AT = 9
EVERY = EventFilter()
DAMAGES = [f"DELETE FROM stored_events WHERE position = {AT}", f"DELETE FROM stored_events WHERE position >= {AT}"]


@pytest.fixture
def size(where: Where) -> int:
    """Of a log of one owner's purchases."""

    async def story() -> None:
        async with Local(where) as local:
            for _ in range(8):
                await local.ask(bought(1))

    run(story())
    size: int = query(where, "SELECT position FROM head")[0][0]
    assert size > AT + 3
    return size


def unwatched(done: int, total: int) -> None:
    """Nobody looks at the progress."""


def pages(where: Where, size: int, wanted: EventFilter = EVERY) -> None:
    after, has_more = 0, True
    with audit_of(where) as audit:
        while has_more:
            page = audit.events(wanted, after, size, 2)
            after, has_more = page.reached, page.has_more


def pages_from(where: Where, size: int) -> None:
    pages(where, size, EventFilter(from_instant=NOW - 1))


def pages_up_to(where: Where, size: int) -> None:
    pages(where, size, EventFilter(to_instant=NOW + 1))


def exported(where: Where, size: int) -> None:
    with audit_of(where) as audit:
        list(whole_log(audit, size, unwatched))


def replayed(where: Where, size: int) -> None:
    with closing(database(where).log()) as log:
        events = EventLog(log)
        assert events.position() == size
        list(events.events(size, unwatched))


def replayed_on_a_snapshot(where: Where, size: int) -> None:
    with SQLReplays(database(where).reader).replay() as replay:
        list(replay.events(size))


def digested(where: Where, size: int) -> None:
    async def story() -> None:
        local = Local(where)
        with closing(local):
            await local.service.evidence.catch_up()

    run(story())


def rebuilt(where: Where, size: int) -> None:
    rebuild(database(where), unwatched)


READERS: dict[str, Callable[[Where, int], None]] = {
    "pages": pages,
    "pages from a time": pages_from,
    "pages up to a time": pages_up_to,
    "export": exported,
    "replay": replayed,
    "replay on a snapshot": replayed_on_a_snapshot,
    "digest": digested,
    "rebuild": rebuilt,
}


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
@pytest.mark.parametrize("damage", DAMAGES, ids=["a hole", "no end"])
def test_whoever_reads_the_log_is_told_that_events_are_missing(
    where: Where, size: int, damage: str, read: Callable[[Where, int], None]
) -> None:
    read(where, size)
    execute(where, "UPDATE digest SET position = 0")
    before = tables(where)
    execute(where, damage)
    with pytest.raises(Unavailable, match="does not have all events"):
        read(where, size)
    assert tables(where) == before


def test_an_event_that_the_index_names_is_missed(where: Where, size: int) -> None:
    with closing(a_digest(where)) as digest:
        work_through(digest)
    wanted = EventFilter(subject=OWNER)
    pages(where, size, wanted)
    execute(where, DAMAGES[0])
    with pytest.raises(Unavailable, match="does not have all events"):
        pages(where, size, wanted)


def test_a_moment_is_not_looked_for_in_a_log_without_its_end(where: Where, size: int) -> None:
    with audit_of(where) as audit:
        assert audit.position_at(Moment(as_of=NOW)) == size
        execute(where, DAMAGES[1])
        with pytest.raises(Unavailable, match="does not have all events"):
            audit.position_at(Moment(as_of=NOW))


def test_a_stream_is_not_told_without_one_of_its_events(where: Where, size: int) -> None:
    with audit_of(where) as audit:
        assert [event.version for event in audit.stream(OWNER, 0, size)] == [*range(1, size + 1)]
        execute(where, "DELETE FROM stored_events WHERE originator_version = 3")
        with pytest.raises(Unavailable, match="does not have all events"):
            audit.stream(OWNER, 0, size)
        with pytest.raises(Unavailable, match="does not have all events"):
            audit.stored(3)


def test_a_server_says_so_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "tallyhold.sqlite"
    for role in ("owner", "auditor"):
        auditor = create_key(tmp_path, url(path), role, role)
    with listening(tmp_path, url(path), "--sandbox") as address, connected(address) as (http, _):
        who = Client(http, "auditor", auditor["key"], auditor["keyId"], auditor["principalId"], None)
        assert len(done(who.get("/audit/events"))["data"]) == 4
        execute(path, "DELETE FROM stored_events WHERE position > 2")
        problem = refused(who.get("/audit/events", after=1), 503, "unavailable")
        assert "run tallyhold verify" in problem["detail"]
        with pytest.raises(httpx2.RemoteProtocolError):  # the answer has begun by then
            who.get("/audit/events", format="csv")
        refused(who.get("/audit/events?from=2020-01-01T00:00:00Z"), 503, "unavailable")
        done(who.get("/audit/events", after=4))
        logged = tmp_path / "server.log"
        assert "an answer broke off: The log does not have all events" in logged.read_text()
        logged.write_text("")  # what uvicorn says of it is an error
    out = tmp_path / "log"
    failed(tallyhold("export", "log", "--out", str(out), "--db", url(path), folder=tmp_path), 1, "run tallyhold verify")
    assert not out.exists()
