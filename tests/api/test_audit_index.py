"""The audit trail finds exactly what is in the log, however far the index is, and looks at a bounded part of it."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.service.credits import complete_purchase, rehearse_purchase, start_purchase
from api.service.ids import new_id
from api.service.reads import EventPage
from api.service.work import Answer, Work
from api.store import sql_audit
from api.store.audit_index import index_key, positions_of
from api.store.sql_audit import SQLAudit
from domain.catalogue import NAMES
from domain.recorded import Recorded
from projections.audit import EventFilter
from tests.builders import OWNER
from tests.local import Local, Where, a_digest, audit_of, execute, query, run, work_through
from tests.simulation.books import File
from tests.simulation.living import live


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("lived") / "tallyhold.sqlite"
    live(path, 300)
    return path.read_bytes()


@pytest.fixture
def path(tmp_path: Path, lived: bytes) -> Path:
    path = tmp_path / "tallyhold.sqlite"
    path.write_bytes(lived)
    return path


def digest(path: Path, monkeypatch: pytest.MonkeyPatch, upto: int | None = None) -> None:
    """Work the log through, or its first events only."""
    monkeypatch.setattr("api.store.sql_digest.AT_ONCE", upto or 100)
    with closing(a_digest(path)) as digest:
        if upto is None:
            work_through(digest)
        elif step := digest.next_step():
            digest.keep(step)


def owners_of(file: File) -> dict[str, str]:
    """Whose each job's stream is, by the read models."""
    return {str(UUID(str(job["job_id"]))): str(job["owner_id"]) for job in file.jobs}


def named_in(event: object) -> list[str]:
    """Those whom an event names one by one."""
    parts = (*getattr(event, "claims", ()), *getattr(event, "verdicts", ()))
    return [str(part.tester_id) for part in parts]


def is_wanted(owners: Mapping[str, str], one: Recorded[object], wanted: EventFilter) -> bool:
    """The same said in another way."""
    named = {str(one.stream), owners.get(str(one.stream))}
    for name in ("owner_id", "tester_id", "job_id", "principal_id"):
        named.add(str(getattr(one.event, name, None)))
    named.update(named_in(one.event))
    return (
        wanted.actor in (None, one.actor.kind.value, str(one.actor.id))
        and (wanted.subject is None or str(wanted.subject) in named)
        and (wanted.types is None or NAMES[type(one.event)] in wanted.types)
        and wanted.request_id in (None, one.request_id)
        and (wanted.from_instant is None or one.occurred_at >= wanted.from_instant)
        and (wanted.to_instant is None or one.occurred_at < wanted.to_instant)
    )


def filters(file: File, random: Random) -> Iterator[EventFilter]:
    """What somebody might ask, most of it true of some event."""
    yield EventFilter()
    while True:
        one, other = random.choice(file.recorded), random.choice(file.recorded)
        event = one.event
        subjects = [one.stream, getattr(event, "owner_id", None), getattr(event, "tester_id", None)]
        yield EventFilter(
            actor=random.choice([None, None, one.actor.kind.value, "auditor"]),
            subject=random.choice([None, *subjects, UUID(int=random.getrandbits(128))]),
            types=random.choice(
                [None, None, frozenset({NAMES[type(event)], "job.paused"}), frozenset({"job.created"})]
            ),
            from_instant=random.choice([None, None, min(one, other, key=lambda e: e.position).occurred_at]),
            to_instant=random.choice([None, None, max(one, other, key=lambda e: e.position).occurred_at]),
        )


def pages(audit: SQLAudit, wanted: EventFilter, limit: int) -> Iterator[EventPage]:
    after, has_more = 0, True
    while has_more:
        page = audit.events(wanted, after, None, limit)
        yield page
        assert page.reached > after or not page.has_more, "no page may stand still"
        after, has_more = page.reached, page.has_more


@pytest.mark.parametrize("indexed", [0, 1, 200, None])
@pytest.mark.parametrize("bound", [4_096, 20])
def test_pages_are_what_a_look_at_every_event_finds(
    path: Path, monkeypatch: pytest.MonkeyPatch, indexed: int | None, bound: int
) -> None:
    if indexed != 0:
        digest(path, monkeypatch, indexed)
    monkeypatch.setattr(sql_audit, "MAX_SCANNED", bound)
    monkeypatch.setattr(sql_audit, "MAX_BLOCKS", max(bound // 10, 3))
    file, random = File(path), Random(indexed or 99)
    owners = owners_of(file)
    found_any = 0
    with audit_of(path) as audit:
        for wanted in islice(filters(file, random), 25):
            limit = random.choice([1, 7, 50])
            found = [event.position for page in pages(audit, wanted, limit) for event in page.events]
            assert found == [one.position for one in file.recorded if is_wanted(owners, one, wanted)], wanted
            found_any += bool(found)
    assert found_any > 8


@pytest.mark.parametrize("indexed", [0, None])
def test_a_page_looks_at_no_more_than_it_may(path: Path, monkeypatch: pytest.MonkeyPatch, indexed: int | None) -> None:
    """However much of the log has what is searched for by the index, and however little of that is wanted."""
    if indexed != 0:
        digest(path, monkeypatch)
    monkeypatch.setattr(sql_audit, "MAX_SCANNED", 20)
    monkeypatch.setattr(sql_audit, "MAX_BLOCKS", 3)
    looks: Counter[str] = Counter()

    def counted(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def counting(*asked: Any) -> Any:
            looks[name] += 1
            return call(*asked)

        return counting

    monkeypatch.setattr("api.store.sql_audit.positions_of", counted("blocks", positions_of))
    rare = frozenset({"job.disputed", "job.resolved"})
    owner = UUID(str(query(path, "SELECT owner_id FROM jobs LIMIT 1")[0][0]))
    most: Counter[str] = Counter()
    with audit_of(path) as audit:
        monkeypatch.setattr(audit, "is_wanted", counted("events", audit.is_wanted))
        for wanted in (EventFilter(types=rare), EventFilter(subject=owner, types=rare), EventFilter(actor="auditor")):
            for _ in pages(audit, wanted, 50):
                most |= looks
                looks.clear()
    assert most == {"events": 20} | ({"blocks": 3} if indexed is None else {})


@pytest.mark.parametrize("indexed", [0, None])
def test_claims_and_verdicts_are_found_by_each_tester_that_they_are_on(
    path: Path, monkeypatch: pytest.MonkeyPatch, indexed: int | None
) -> None:
    if indexed != 0:
        digest(path, monkeypatch)
    said = [(one.position, UUID(tester)) for one in File(path).recorded for tester in named_in(one.event)]
    assert said, "the life was too poor to say anything"
    types = frozenset({"job.disputed", "job.resolved"})
    with audit_of(path) as audit:
        for tester in {tester for _, tester in said}:
            found = pages(audit, EventFilter(subject=tester, types=types), 50)
            assert [event.position for page in found for event in page.events] == sorted(
                position for position, on in said if on == tester
            )


def test_a_request_and_an_actor_are_found_by_the_index(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = 'CAST(replace(state, \'"request_id":null\', \'"request_id":"r-1"\') AS BLOB)'
    execute(path, f"UPDATE stored_events SET state = {named} WHERE position IN (5, 90, 91)")
    digest(path, monkeypatch)
    with audit_of(path) as audit:
        page = audit.events(EventFilter(request_id="r-1"), 0, None, 50)
        assert [event.position for event in page.events] == [5, 90, 91]
        assert not page.has_more
        assert audit.events(EventFilter(request_id="r-2"), 0, None, 50).events == []


VERSION_7 = st.builds(
    lambda time, chance: UUID(int=time << 80 | chance & ~(0xF << 76) | 0x7 << 76),
    st.integers(0, 2**48 - 1),
    st.integers(0, 2**80 - 1),
)


@given(VERSION_7, VERSION_7, st.sampled_from(["actor", "subject", "request"]))
def test_keys_of_ids_are_in_the_order_of_their_time(one: UUID, other: UUID, kind: str) -> None:
    earlier, later = sorted((one, other), key=lambda each: each.int >> 80)
    if earlier.int >> 80 < later.int >> 80:
        assert index_key(kind, earlier.hex) < index_key(kind, later.hex)
    assert index_key(kind, one.hex) == index_key(kind, str(one))


@given(st.text(max_size=40) | st.uuids().map(str) | VERSION_7.map(str))
def test_a_key_is_that_of_one_kind_and_fits_in_a_column(value: str) -> None:
    keys = [index_key(kind, value) for kind in ("type", "actor", "subject", "request")]
    assert keys == sorted(set(keys))
    assert all(0 <= key < 2**63 for key in keys)


def test_an_event_costs_about_two_rows_of_the_index(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest(path, monkeypatch)
    (events,), (rows,) = (query(path, f"SELECT count(*) FROM {table}")[0] for table in ("stored_events", "audit_index"))
    assert rows < 2.5 * events


def test_what_two_processes_work_through_at_once_is_done_once(path: Path) -> None:
    with closing(a_digest(path)) as one, closing(a_digest(path)) as other:
        while step := one.next_step():
            same = other.next_step()
            assert same is not None
            one.keep(step)
            other.keep(same)
        assert one.position() == other.position() == one.head()[1]


def test_each_event_of_a_life_belongs_to_the_first_one_of_its_command(path: Path) -> None:
    firsts: dict[UUID, int] = {}
    with audit_of(path) as audit:
        for one in File(path).recorded:
            began = firsts.setdefault(one.correlation_id, one.position)
            assert audit.first_of_command(one).position == began


def many_purchases(work: Work) -> Answer:
    """One command with more than a thousand events, all of the owner's credits."""
    for _ in range(600):
        rehearse_purchase(OWNER, new_id(), 100)(work)
    return Answer({})


def test_the_first_event_of_a_long_command_is_found(where: Where) -> None:
    async def story() -> None:
        async with Local(where) as local:
            before = (await local.ask(rehearse_purchase(OWNER, new_id(), 100))).position
            last = (await local.ask(many_purchases)).position
            assert last == before + 1_200
            for position in (before + 1, before + 2, last):
                assert first_of_command(local, position) == before + 1

    run(story())


def test_a_purchase_begins_with_its_start_whatever_happened_before_the_gateway_answered(where: Where) -> None:
    async def story() -> None:
        async with Local(where) as local:
            purchase = new_id()
            started = await local.ask(start_purchase(OWNER, purchase, 100), correlation_id=purchase)
            await local.ask(many_purchases)
            completed = await local.ask(complete_purchase(OWNER, purchase, "ref"), correlation_id=purchase)
            for reply in (started, completed):
                assert first_of_command(local, reply.position) == started.position

    run(story())


def first_of_command(local: Local, position: int) -> int:
    recorded = local.audit.event(position)
    assert recorded is not None
    return local.audit.first_of_command(recorded).position


def test_an_end_that_was_given_is_not_passed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest(path, monkeypatch)
    with audit_of(path) as audit:
        page = audit.events(EventFilter(actor="system"), 0, 40, 50)
        assert max(event.position for event in page.events) <= 40
        assert (page.reached, page.has_more) == (40, False)
        assert audit.events(EventFilter(), 10**9, None, 5) == EventPage([], 10**9, False)
