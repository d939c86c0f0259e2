"""States of long streams: with them everything is as without them, and the log is right where they are not."""

from collections.abc import Mapping
from contextlib import closing, suppress
from random import Random
from typing import Any
from uuid import UUID

import pytest

from api.service import snapshots
from api.service.jobs import resize_job
from api.service.ports import Store
from api.service.snapshots import DECIDERS, JOB_FORM, from_snapshot
from api.service.tester import command_assignment
from api.service.work import Stream, UseCase, kib
from api.store.rebuild import rebuild
from api.store.verify import verify
from domain.access.events import Role
from domain.errors import AlreadyTaken
from domain.job import commands as c
from domain.job.decider import JOB
from domain.job.state import Job
from tests.api.test_committer import JOB_ID, asked, bought, handed_in, posted, started, taken
from tests.builders import ALICE, BOB, CAROL, OWNER, Person
from tests.given import NOW
from tests.local import HandClock, Local, Where, database, execute, issue_keys, query, run
from tests.simulation.books import File
from tests.simulation.drivers import InProcess
from tests.simulation.history import history
from tests.simulation.model import Model

STEPS = 150
LOOK = 10


@pytest.fixture(autouse=True)
def streams_are_long_from_their_second_event_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "LONG", 2)


@pytest.fixture
def folded(monkeypatch: pytest.MonkeyPatch) -> list[UUID]:
    """The jobs that were folded from their beginning."""
    found: list[UUID] = []

    def counted(store: Store, decider: Any, stream_id: UUID) -> Stream | None:
        stream = from_snapshot(store, decider, stream_id)
        if stream is None and decider is JOB:
            found.append(stream_id)
        return stream

    monkeypatch.setattr("api.service.committer.from_snapshot", counted)
    return found


def forget(local: Local) -> None:
    """As if all that was in memory had been pushed out by other streams."""
    local.committer._cache.clear()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_life_without_memory_is_as_any_other(where: Where, seed: int) -> None:
    issue_keys(where, {"Pat": Role.OPERATOR})
    model, jobs = Model(NOW), 0
    with closing(InProcess(where, HandClock(NOW), watched=False)) as driver:
        for number, moment in enumerate(history(Random(seed), STEPS, NOW)):
            driver.move_to(moment.at)
            model.move_to(moment.at)
            forget(driver.local)
            assert driver.ask(moment.command) == model.ask(moment.command), moment
            if number % LOOK == 0:
                jobs += check_snapshots(driver.local)
    File(where).check()
    assert jobs > LOOK
    assert verify(database(where), [], lambda done, total: None).findings == []


def check_snapshots(local: Local) -> int:
    """Each with the rows of its assignments is what its stream adds up to; how many of jobs there are."""
    jobs = 0
    local.store.begin()
    try:
        for name, version, form in query(local.path, "SELECT stream, version, form FROM snapshots"):
            stream = UUID(name)
            events = local.store.load(stream)
            found, whole = (
                from_snapshot(local.store, DECIDERS[form], stream),
                DECIDERS[form].fold(e.event for e in events),
            )
            assert found is not None and found.version == len(events) >= version
            if isinstance(whole, Job):
                jobs += 1
                assert found.state.assignments.at_hand == 0
                for one in whole.assignments.values():
                    assert found.state.assignments.of_tester(one.tester_id) == found.state.assignments[one.id] == one
                assert found.state.is_open
            assert found.state == whole
    finally:
        local.store.rollback()
    return jobs


async def begun(local: Local) -> None:
    """A job of three slots, of which one was handed in and one is at work."""
    await local.ask(bought(10_000))
    await local.ask(posted(slots=3))
    for who in (ALICE, BOB):
        await local.ask(taken(who))
        await local.ask(started(who))
    await local.ask(handed_in(ALICE))


def versions(where: Where) -> list[tuple[str, int]]:
    """What is kept of the job."""
    return query(where, "SELECT form, version FROM snapshots WHERE stream = ?", JOB_ID.hex)


def version_of_job(where: Where) -> int:
    version: int = query(
        where, "SELECT max(originator_version) FROM stored_events WHERE originator_id = ?", JOB_ID.hex
    )[0][0]
    return version


COMMANDS: Mapping[str, Any] = {
    "take": lambda: taken(CAROL),
    "submit": lambda: handed_in(BOB),
    "pause": lambda: asked(c.PauseJob()),
    "resize": lambda: resize_job(JOB_ID, 4),
    "take again": lambda: taken(ALICE),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_long_job_is_not_folded_for_a_command_on_a_part_of_it(where: Where, folded: list[UUID], command: str) -> None:
    async def story() -> None:
        async with Local(where) as local:
            await begun(local)
            folded.clear()
            forget(local)
            with suppress(AlreadyTaken):
                await local.ask(COMMANDS[command]())
            assert folded == []

    run(story())
    assert versions(where) == [(JOB_FORM, version_of_job(where))]
    File(where).check()


@pytest.mark.parametrize(
    "change",
    ["UPDATE snapshots SET form = 'job-older'", "UPDATE snapshots SET version = version - 1", "DELETE FROM snapshots"],
)
def test_a_snapshot_that_does_not_fit_is_none_and_made_again(where: Where, folded: list[UUID], change: str) -> None:
    async def story() -> None:
        async with Local(where) as local:
            await begun(local)
            execute(where, change)
            folded.clear()
            for use_case in (handed_in(BOB), taken(CAROL)):
                forget(local)
                await local.ask(use_case)
            assert folded == [JOB_ID]

    run(story())
    assert versions(where) == [(JOB_FORM, version_of_job(where))]
    File(where).check()


def test_nothing_is_kept_of_a_job_that_is_over(where: Where) -> None:
    async def story() -> None:
        async with Local(where) as local:
            await begun(local)
            forget(local)
            await local.ask(asked(c.CancelJob()))
            forget(local)
            await local.ask(asked(c.ApproveJob()))

    run(story())
    assert versions(where) == []
    File(where).check()


def test_no_snapshot_outlives_a_rebuild(where: Where) -> None:
    async def story() -> None:
        async with Local(where) as local:
            await begun(local)
            rebuild(local.database, lambda done, total: None)
            assert query(where, "SELECT * FROM snapshots") == []
            forget(local)
            await local.ask(taken(CAROL))

    run(story())
    assert versions(where) == [(JOB_FORM, version_of_job(where))]
    File(where).check()


def test_what_is_in_memory_does_not_outlive_a_rebuild_by_another_process(where: Where, folded: list[UUID]) -> None:
    async def story() -> None:
        async with Local(where) as local:
            await begun(local)
            rebuild(local.database, lambda done, total: None)
            folded.clear()
            await local.ask(taken(CAROL))
            assert folded == [JOB_ID]

    run(story())
    File(where).check()


def test_a_dry_run_fetches_and_changes_nothing(where: Where) -> None:
    async def story() -> None:
        async with Local(where) as local:
            await begun(local)
            forget(local)
            for _ in range(2):
                assert (await local.ask(taken(CAROL), dry_run=True)).status == 200
            assert (await local.ask(taken(CAROL))).status == 201

    run(story())
    File(where).check()


def test_a_snapshot_that_is_not_what_its_stream_adds_up_to_is_found(where: Where) -> None:
    async def story() -> None:
        async with Local(where) as local:
            await begun(local)

    run(story())
    (state,) = query(where, "SELECT state FROM snapshots WHERE stream = ?", JOB_ID.hex)[0]
    execute(
        where, "UPDATE snapshots SET state = ? WHERE stream = ?", bytes(state).replace(b"active", b"paused"), JOB_ID.hex
    )
    (found,) = verify(database(where), [], lambda done, total: None).findings
    assert found.sentence == f"The snapshot of stream {JOB_ID.hex} is not what its events add up to."


FALSE_SNAPSHOTS = {
    "of a stream of another kind": "SET stream = '{owner}'",
    "of no stream": "SET stream = 'x'",
    "of a later version": "SET version = version + 1000",
    "no state": "SET state = '{empty}'",
}


@pytest.mark.parametrize("change", FALSE_SNAPSHOTS.values(), ids=FALSE_SNAPSHOTS)
def test_a_snapshot_that_no_stream_can_have_is_found(where: Where, change: str) -> None:
    async def story() -> None:
        async with Local(where) as local:
            await begun(local)

    run(story())
    execute(where, "DELETE FROM snapshots WHERE stream = ?", OWNER.hex)
    execute(where, f"UPDATE snapshots {change.format(owner=OWNER.hex, empty='')} WHERE stream = ?", JOB_ID.hex)
    (stream,) = query(where, "SELECT stream FROM snapshots")[0]
    (found,) = verify(database(where), [], lambda done, total: None).findings
    assert found.sentence == f"The snapshot of stream {stream} is not what its events add up to."


def test_a_form_is_of_its_fields() -> None:
    assert snapshots._form("job", {"a": int}) == snapshots._form("job", {"a": int})
    assert len({snapshots._form("job", types) for types in ({"a": int}, {"a": str}, {"b": int})}) == 3


def test_a_job_that_was_closed_is_weighed_anew(where: Where, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have fetched all its assignments at once, and is then heavier than its uses tell."""
    weighed: list[Any] = []

    def seen(stream: Stream) -> int:
        weighed.append(stream.state)
        return kib(stream)

    monkeypatch.setattr("api.service.committer.kib", seen)

    async def story() -> None:
        async with Local(where) as local:
            await begun(local)
            await local.ask(asked(c.StopJob()))
            forget(local)
            await local.ask(returned(BOB), dry_run=True)
            await local.ask(bought(1))
            weighed.clear()
            await local.ask(returned(BOB))
            assert not jobs(weighed)
            await local.ask(bought(1))
            assert [job.is_open for job in jobs(weighed)] == [False]

    run(story())


def jobs(states: list[Any]) -> list[Job]:
    return [state for state in states if isinstance(state, Job)]


def returned(who: Person) -> UseCase:
    return command_assignment(JOB_ID, c.ReturnSlot(assignment_id=who.slot))
