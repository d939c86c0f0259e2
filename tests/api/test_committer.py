"""The committer: many commands, one transaction; answers only when it is durable; nobody suffers for another."""

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import msgspec
import pytest

from api.service import committer as module
from api.service import evidence as evidence_module
from api.service.committer import EVENTS_SHOWN, Reply
from api.service.credits import complete_purchase, fail_purchase, rehearse_purchase, start_purchase
from api.service.ids import new_id
from api.service.jobs import command_job, create_job, resize_job, status_body
from api.service.ports import ALL, Begun, DigestStep, Head, StoreFailed
from api.service.reads import LedgerFilter, Moment
from api.service.refusals import IdempotencyInProgress, IdempotencyMismatch, Overloaded, Unavailable, VersionMismatch
from api.service.sandbox import advance_clock
from api.service.tester import command_assignment, submit_task, take_slot, withdraw
from api.service.work import Answer, UseCase, Work
from api.store import postgres, sql_store
from api.store.rebuild import digest_anew
from api.store.sql_store import SQLStore
from api.store.verify import verify
from domain.credits.commands import StartPurchase
from domain.credits.decider import CREDITS
from domain.errors import NotEnoughCredits, PaymentFailed, Refusal
from domain.job import commands as c
from domain.job.events import Cancelled, Paused, TaskTimedOut
from domain.recorded import Recorded
from domain.times import DAY, HOUR, MINUTE, SECOND, Instant
from projections.audit import EventFilter
from tests.builders import ALICE, ANSWERS, BOB, OWNER, Person, some_terms, take_by
from tests.given import NOW
from tests.local import (
    HandClock,
    Local,
    Tables,
    Where,
    database,
    everything,
    execute,
    head_locked,
    new_database,
    query,
    run,
    url_of,
)
from tests.program import create_key
from tests.simulation.books import File

T = TypeVar("T")

JOB_ID, OTHER_JOB_ID = UUID(int=0xB001), UUID(int=0xB002)
HOLD = 1_950
"""What the usual job of 5 slots holds."""
WEEK = 7 * DAY


# What is asked


def bought(cents: int) -> UseCase:
    """Credits without a gateway."""
    return rehearse_purchase(OWNER, new_id(), cents)


def posted(job_id: UUID = JOB_ID, slots: int = 5) -> UseCase:
    return create_job(job_id, OWNER, some_terms(slots))


def asked(command: c.JobCommand, job_id: UUID = JOB_ID) -> UseCase:
    return command_job(job_id, command, status_body)


def taken(who: Person, job_id: UUID = JOB_ID) -> UseCase:
    return take_slot(job_id, take_by(who))


def started(who: Person) -> UseCase:
    return command_assignment(JOB_ID, c.StartTask(assignment_id=who.slot))


def handed_in(who: Person) -> UseCase:
    return submit_task(JOB_ID, who.slot, ANSWERS, None)


def poison(work: Work) -> Answer:
    """A use case with a mistake in it: it has recorded something when it breaks."""
    command = StartPurchase(purchase_id=new_id(), amount_cents=1)
    work.record(CREDITS, OWNER, CREDITS.decide(command, work.state(CREDITS, OWNER), work.now))
    raise ZeroDivisionError("nobody foresaw this")


def key(name: str, request: bytes = b"the request") -> dict[str, bytes]:
    """An idempotency key and what is asked under it."""
    return {"scope": name.encode().ljust(16), "fingerprint": request}


# Where it is asked


class Obstructed(SQLStore):
    """A store that fails or waits where a test wants it to, and counts."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.failures: Counter[str] = Counter()
        self.commits = 0
        self.gate: threading.Event | None = None
        self.at_the_gate = threading.Event()
        self.loses_the_answer = False

    def fail(self, method: str) -> None:
        """The next call of it fails."""
        self.failures[method] += 1

    def _perhaps(self, method: str) -> None:
        if self.failures[method]:
            self.failures[method] -= 1
            raise StoreFailed("the disk is gone")

    def load(self, stream: UUID, after_version: int = 0, limit: int = ALL) -> Any:
        self._perhaps("load")
        return super().load(stream, after_version, limit)

    def begin(self, known: int = 0, limit: int = 0) -> Begun:
        begun = super().begin(known, limit)
        self._perhaps("begin")
        return begun

    def append(self, recorded: Any) -> None:
        super().append(recorded)
        self._perhaps("append")

    def write_head(self, head: Head, without: Sequence[UUID]) -> None:
        self._perhaps("write_head")
        super().write_head(head, without)

    def commit(self) -> Instant | None:
        self.at_the_gate.set()
        if self.gate is not None:
            assert self.gate.wait(10)
        self._perhaps("commit")
        next_due = super().commit()
        self.commits += 1
        if self.loses_the_answer:
            self.loses_the_answer = False
            raise StoreFailed("the answer to the commit was lost")
        return next_due

    @contextmanager
    def closed_gate(self) -> Iterator[None]:
        """Commits wait meanwhile."""
        self.gate = threading.Event()
        self.at_the_gate.clear()
        yield
        self.gate.set()
        self.gate = None

    async def somebody_waits(self) -> None:
        """Until a commit stands at the gate."""
        assert await asyncio.to_thread(self.at_the_gate.wait, 10)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file in which the owner can pay two jobs."""
    path = tmp_path / "tallyhold.sqlite"
    new_database(path)

    async def story() -> None:
        async with Local(path) as local:
            await local.ask(bought(2 * HOLD))

    run(story())
    return path


def a_platform(path: Where, clock: HandClock | None = None) -> tuple[Local, Obstructed]:
    local = Local(path, clock, make_store=Obstructed)
    assert isinstance(local.store, Obstructed)
    return local, local.store


@asynccontextmanager
async def a_commit_at_the_gate(local: Local, store: Obstructed) -> AsyncIterator["asyncio.Future[Reply]"]:
    """One command's, which waits meanwhile."""
    with store.closed_gate():
        first = local.ask(bought(1))
        await store.somebody_waits()
        yield first


async def outcomes(*asks: Awaitable[Reply]) -> list[Reply | BaseException]:
    return await asyncio.gather(*asks, return_exceptions=True)


async def all_done(*asks: Awaitable[Reply]) -> list[Reply]:
    return await asyncio.gather(*asks)


def kinds(found: list[Reply | BaseException]) -> list[type]:
    return [type(one) for one in found]


def play(story: Coroutine[Any, Any, None], path: Where) -> None:
    """Whatever the story was about: the file is sound after it."""
    run(story)
    File(path).check()


def log_length(path: Where) -> int:
    length: int = query(path, "SELECT count(*) FROM stored_events")[0][0]
    return length


def balance(path: Where) -> tuple[int, int]:
    """The owner's free and held credits."""
    free, held = query(path, "SELECT balance_cents, held_cents FROM billing WHERE owner_id = ?", str(OWNER))[0]
    return free, held


# Batches


def test_what_is_asked_together_is_committed_together(path: Where) -> None:
    async def story() -> None:
        local, store = a_platform(path)
        async with local:
            before = store.commits
            replies = await all_done(*(local.ask(bought(100)) for _ in range(50)))
            assert store.commits == before + 1
            assert [reply.position for reply in replies] == [2 * n + 4 for n in range(50)]

    play(story(), path)


def test_a_batch_is_bounded(path: Where) -> None:
    async def story() -> None:
        local, store = a_platform(path)
        async with local:
            before = store.commits
            await all_done(*(local.ask(bought(1)) for _ in range(2 * module.MAX_BATCH + 1)))
            assert store.commits == before + 3

    play(story(), path)


def test_while_one_batch_is_committed_the_next_one_forms(path: Where) -> None:
    async def story() -> None:
        local, store = a_platform(path)
        async with local:
            before = store.commits
            async with a_commit_at_the_gate(local, store) as first:
                rest = [local.ask(bought(1)) for _ in range(20)]
                assert not first.done()
            await all_done(first, *rest)
            assert store.commits == before + 2

    play(story(), path)


def test_commands_of_a_batch_see_what_those_before_them_did(path: Where) -> None:
    async def story() -> None:
        async with Local(path) as local:
            replies = await all_done(
                local.ask(posted()), local.ask(taken(ALICE)), local.ask(started(ALICE)), local.ask(handed_in(ALICE))
            )
            assert [reply.etag for reply in replies] == ['"1"', '"2"', '"3"', '"4"']

    play(story(), path)


def test_the_sums_that_no_stream_has_count_what_the_batch_did(path: Where) -> None:
    """A wallet's payouts lie in the streams of jobs, an owner's holds in many of them."""

    async def story() -> None:
        async with Local(path) as local:
            everything_at_once = [
                local.ask(posted()),
                local.ask(taken(ALICE)),
                local.ask(started(ALICE)),
                local.ask(handed_in(ALICE)),
                local.ask(asked(c.SettleJob())),
                local.ask(asked(c.ApproveJob())),
                local.ask(withdraw(ALICE.id, new_id(), 200)),
                local.ask(withdraw(ALICE.id, new_id(), 101)),
                local.ask(posted(OTHER_JOB_ID)),
                local.ask(bought(1)),
            ]
            found = await outcomes(*everything_at_once)
            assert kinds(found)[:7] == [Reply] * 7
            assert isinstance(found[7], Refusal)
            assert found[7].facts == {"neededCents": 101, "availableCents": 100}
            assert isinstance(found[9], Reply)
            assert msgspec.json.decode(found[9].body)["heldCents"] == HOLD

    play(story(), path)


def test_creates_that_race_for_the_last_cents_get_exactly_what_there_is(path: Where) -> None:
    async def story() -> None:
        async with Local(path) as local:
            found = await outcomes(*(local.ask(posted(new_id())) for _ in range(30)))
            assert Counter(kinds(found)) == {Reply: 2, NotEnoughCredits: 28}

    play(story(), path)
    assert balance(path) == (0, 2 * HOLD)


# Answers


def test_nobody_is_answered_before_the_commit_whatever_the_answer(path: Where) -> None:
    async def story() -> None:
        local, store = a_platform(path)
        async with local:
            await local.ask(posted())
            with store.closed_gate():
                done = local.ask(asked(c.PauseJob()))
                no_op = local.ask(asked(c.PauseJob()))
                refused = local.ask(asked(c.ApproveJob()))
                rehearsed = local.ask(asked(c.ResumeJob()), dry_run=True)
                await store.somebody_waits()
                await asyncio.sleep(0.02)
                assert not any(one.done() for one in (done, no_op, refused, rehearsed))
            found = await outcomes(done, no_op, refused, rehearsed)
            assert [getattr(one, "code", None) for one in found] == [None, None, "not_pending_approval", None]
            assert isinstance(found[1], Reply)
            assert found[1].etag == '"2"'

    play(story(), path)


def test_a_refusal_that_rests_on_a_batch_that_was_lost_is_not_told(path: Where) -> None:
    """The hold that left too little was never kept: 'not enough credits' would be a lie."""

    async def story() -> None:
        local, store = a_platform(path)
        async with local:
            await local.ask(posted())
            store.fail("commit")
            found = await outcomes(local.ask(posted(new_id())), local.ask(posted(new_id())))
            assert kinds(found) == [Unavailable, Unavailable]

    play(story(), path)


def test_a_batch_of_refusals_no_ops_and_replays_writes_nothing(path: Where) -> None:
    async def story() -> None:
        local, store = a_platform(path)
        async with local:
            first = await local.ask(posted(), **key("one"))
            await local.ask(asked(c.PauseJob()))
            before, commits = everything(path), store.commits
            found = await outcomes(
                local.ask(asked(c.ApproveJob())),
                local.ask(asked(c.PauseJob())),
                local.ask(resize_job(JOB_ID, 5)),
                local.ask(posted(), **key("one")),
            )
            assert kinds(found)[1:3] == [Reply, Reply]
            assert isinstance(found[3], Reply)
            assert (found[3].replayed, found[3].body) == (True, first.body)
            assert (everything(path), store.commits) == (before, commits)

    play(story(), path)


def test_what_a_caller_asked_who_has_gone_away_is_done_all_the_same(path: Where) -> None:
    async def story() -> None:
        async with Local(path) as local:
            gone, other = local.ask(posted()), local.ask(bought(1))
            gone.cancel()
            await other
            assert (await local.ask(asked(c.PauseJob()))).etag == '"2"'

    play(story(), path)


def test_an_if_match_that_names_another_version_is_told_what_happened_since(path: Where) -> None:
    """Also what happened in the same batch."""

    async def story() -> None:
        async with Local(path) as local:
            await local.ask(posted())
            found = await outcomes(
                local.ask(asked(c.PauseJob()), job_id=JOB_ID, if_match=1),
                local.ask(asked(c.ResumeJob()), job_id=JOB_ID, if_match=1),
                local.ask(asked(c.ResumeJob()), job_id=JOB_ID, if_match=2),
            )
            assert kinds(found) == [Reply, VersionMismatch, Reply]
            assert isinstance(found[1], VersionMismatch)
            assert found[1].facts == {"currentVersion": 2}
            assert [event["type"] for event in found[1].events] == ["job.paused"]

    play(story(), path)


def test_no_more_is_told_of_what_happened_since_than_a_hundred_events(path: Where) -> None:
    """Also where a hundred were written before, and the batch has one more."""

    async def story() -> None:
        async with Local(path) as local:
            await local.ask(posted())
            await outcomes(
                *(local.ask(asked((c.PauseJob, c.ResumeJob)[number % 2]())) for number in range(EVENTS_SHOWN))
            )
            found = await outcomes(
                local.ask(asked(c.PauseJob())), local.ask(asked(c.PauseJob()), job_id=JOB_ID, if_match=1)
            )
            assert isinstance(found[1], VersionMismatch)
            assert found[1].facts == {"currentVersion": EVENTS_SHOWN + 2}
            assert [event["version"] for event in found[1].events] == list(range(2, EVENTS_SHOWN + 2))

    play(story(), path)


# Mistakes of ours


def test_a_poisoned_command_hurts_nobody_else_in_its_batch(path: Where) -> None:
    async def story() -> None:
        local, store = a_platform(path)
        async with local:
            before, length = store.commits, log_length(path)
            found = await outcomes(
                local.ask(posted()),
                local.ask(poison, **key("poisoned")),
                local.ask(posted(OTHER_JOB_ID)),
                local.ask(poison),
            )
            assert kinds(found) == [Reply, ZeroDivisionError, Reply, ZeroDivisionError]
            assert store.commits == before + 1
            assert log_length(path) == length + 4, "nothing of the poisoned ones was written"
            assert query(path, "SELECT count(*) FROM purchases WHERE status = 'open'") == [(0,)]
            assert query(path, "SELECT count(*) FROM kept_answers") == [(0,)]
            # The states are those of the log, not those that the poisoned commands left half done.
            assert kinds(await outcomes(local.ask(posted(new_id())), local.ask(bought(1)))) == [NotEnoughCredits, Reply]

    play(story(), path)


def test_a_poisoned_command_may_be_tried_again_under_its_key(path: Where) -> None:
    async def story() -> None:
        async with Local(path) as local:
            assert kinds(await outcomes(local.ask(poison, **key("one")))) == [ZeroDivisionError]
            assert not (await local.ask(posted(), **key("one"))).replayed

    play(story(), path)


def test_a_job_whose_deadline_raises_is_set_aside_and_stops_nobody_else(path: Where) -> None:
    async def story() -> None:
        async with Local(path) as local:
            await all_done(local.ask(posted()), local.ask(posted(OTHER_JOB_ID)))
            # A row that waits for what the job's history knows nothing of.
            execute(path, "UPDATE jobs SET due_kind = 3, due_at = ? WHERE job_id = ?", NOW + MINUTE, str(JOB_ID))
            local.clock.at = NOW + 2 * HOUR
            await local.committer.catch_up()
            assert local.committer.set_aside == {JOB_ID}
            assert local.committer.is_ready
            assert not local.committer.has_due()
            rows = query(path, "SELECT status FROM jobs ORDER BY position")
            assert rows == [("active",), ("cancelled",)]
            refused = await outcomes(local.ask(asked(c.PauseJob()), job_id=JOB_ID))
            assert kinds(refused) == [Unavailable]
            assert isinstance(await local.ask(posted(new_id())), Reply)

    run(story())


class Choking(SQLStore):
    """A store whose read models choke on one kind of event."""

    def append(self, recorded: Sequence[Recorded[Any]]) -> None:
        if any(isinstance(one.event, CHOKES_ON) for one in recorded):
            raise ValueError("this event cannot be projected")
        super().append(recorded)


CHOKES_ON = (Paused, TaskTimedOut, Cancelled)


def test_a_command_whose_events_cannot_be_written_fails_alone(path: Where) -> None:
    async def story() -> None:
        async with Local(path, make_store=Choking) as local:
            await all_done(local.ask(posted()))
            asks = (posted(OTHER_JOB_ID), asked(c.PauseJob()), asked(c.ResumeJob()))
            found = await outcomes(*(local.ask(one) for one in asks))
            assert kinds(found) == [Reply, ValueError, Reply]
            assert query(path, "SELECT status FROM jobs") == [("active",)] * 2

    run(story())


def test_a_deadline_whose_events_cannot_be_written_stops_nobody_else(path: Where) -> None:
    async def story() -> None:
        async with Local(path, make_store=Choking) as local:
            await all_done(local.ask(posted()))
            local.clock.at = NOW + 2 * HOUR
            await local.committer.catch_up()
            assert local.committer.set_aside == {JOB_ID}
            assert isinstance(await local.ask(posted(OTHER_JOB_ID)), Reply)

    run(story())
    assert query(path, "SELECT next_due FROM head") == [(NOW + 3 * HOUR,)], "that of the other job"
    assert verify(database(path), [], lambda done, total: None).findings == []


def test_commands_keep_their_order_while_more_is_due_than_fits_into_a_transaction(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        async with Local(path) as local:
            for who, job_id in ((ALICE, JOB_ID), (BOB, OTHER_JOB_ID)):
                await all_done(local.ask(posted(job_id)), local.ask(taken(who, job_id)))
            local.clock.at = NOW + 30 * MINUTE
            monkeypatch.setattr(module, "MAX_DUE_IN_BATCH", 1)
            monkeypatch.setattr(module, "MAX_BATCH", 1)
            replies = await all_done(local.ask(asked(c.PauseJob())), local.ask(asked(c.ResumeJob())))
            assert [reply.etag for reply in replies] == ['"4"', '"5"']

    play(story(), path)


def test_a_deadline_that_was_set_aside_is_tried_again_and_keeps_the_log_in_the_order_of_time(where: Where) -> None:
    """Looking back finds the holds of both jobs until the first is given up, and nothing in between."""

    async def story() -> None:
        async with Local(where, make_store=Choking) as local:
            await all_done(local.ask(bought(2 * HOLD)), local.ask(posted()))
            local.clock.at = NOW + 2 * HOUR
            await local.ask(posted(OTHER_JOB_ID))
            assert local.committer.set_aside == {JOB_ID}
        async with Local(where, HandClock(NOW + 4 * HOUR)) as local:
            times = [one.occurred_at - NOW for one in local.audit.events(EventFilter(), 0, None, 100).events]
            assert times == sorted(times)
            assert times[-3:] == [2 * HOUR, 3 * HOUR, 3 * HOUR], "the second job's own deadline passed in its time"
            early = LedgerFilter(OWNER, to_instant=NOW + 90 * MINUTE)
            late = LedgerFilter(OWNER, from_instant=NOW + 90 * MINUTE)
            assert entry_types(local, early) == ["credit_purchase", "escrow_hold"]
            assert entry_types(local, late) == ["escrow_hold", "escrow_release_cancelled", "escrow_release_cancelled"]
            for hours, free in ((1, HOLD), (2, HOLD), (3, 2 * HOLD)):
                position = local.audit.position_at(Moment(as_of=NOW + hours * HOUR))
                assert local.audit.billing_at(OWNER, position) == (free, 2 * HOLD - free)

    run(story())


def entry_types(local: Local, wanted: LedgerFilter) -> list[str]:
    return [entry["type"] for entry in local.reads.ledger(wanted, None, 50).items]


# Repeats


def test_a_key_repeated_inside_one_batch_is_answered_once_and_replayed(path: Where) -> None:
    async def story() -> None:
        async with Local(path) as local:
            asks = [local.ask(bought(100), **key("one")) for _ in range(3)]
            other = local.ask(bought(100), **key("one", b"another request"))
            first, *repeats = await all_done(*asks)
            assert kinds(await outcomes(other)) == [IdempotencyMismatch]
            assert not first.replayed
            for repeat in repeats:
                assert repeat.replayed
                same = ("status", "body", "location", "etag", "position")
                assert all(getattr(repeat, name) == getattr(first, name) for name in same)

    play(story(), path)
    assert balance(path) == (2 * HOLD + 100, 0)


def test_a_key_is_remembered_by_the_next_process(path: Where) -> None:
    async def story() -> Reply:
        async with Local(path) as local:
            return await local.ask(posted(), **key("one"))

    first, second = run(story()), run(story())
    assert (first.replayed, second.replayed) == (False, True)
    assert (second.status, second.body, second.location, second.etag) == (201, first.body, f"/jobs/{JOB_ID}", '"1"')


def test_a_refusal_may_be_tried_again_under_its_key(path: Where) -> None:
    async def story() -> None:
        async with Local(path) as local:
            big = posted(slots=20)
            assert kinds(await outcomes(local.ask(big, **key("one")))) == [NotEnoughCredits]
            await local.ask(bought(10_000))
            assert not (await local.ask(big, **key("one"))).replayed

    play(story(), path)


def test_a_key_of_last_week_is_forgotten_at_last_and_one_of_this_week_is_not(path: Where) -> None:
    async def story() -> None:
        async with Local(path) as local:
            await local.ask(bought(1), **key("old"))
            local.clock.at += WEEK
            assert (await local.ask(bought(1), **key("old"))).replayed
            await local.ask(bought(1), **key("young"))
            local.clock.at += 2 * DAY
            await local.ask(bought(1), **key("new"))
            kept = query(path, "SELECT scope FROM kept_answers ORDER BY number")
            assert kept == [(key("young")["scope"],), (key("new")["scope"],)]

    play(story(), path)


def test_answers_that_are_too_old_go_a_few_with_each_batch_although_time_stands_still(
    path: Where, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql_store, "STUCK", 0)
    monkeypatch.setattr(sql_store, "SWEEPS", 2)

    async def story() -> None:
        async with Local(path) as local:
            await all_done(*(local.ask(bought(1), **key(f"old {number}")) for number in range(7)))
            local.clock.at += 9 * DAY
            left = []
            for number in range(6):
                await local.ask(bought(1), **key(f"new {number}"))
                left.append(query(path, "SELECT count(*) FROM kept_answers")[0][0])
            assert left == [6, 5, 4, 4, 5, 6]

    play(story(), path)


def test_a_key_that_waits_for_a_purchase_is_never_too_old(path: Where) -> None:
    """Else a repeat would begin another purchase, while the first one may still be charged."""

    async def story() -> None:
        async with Local(path) as local:
            waits = start_purchase(OWNER, new_id(), 100)
            await all_done(local.ask(waits, **key("open")), local.ask(bought(1), **key("old")))
            local.clock.at += 9 * DAY
            await local.ask(bought(1), **key("new"))
            assert kinds(await outcomes(local.ask(waits, **key("open")))) == [IdempotencyInProgress]
            assert query(path, "SELECT status FROM kept_answers ORDER BY number") == [(0,), (201,)]

    play(story(), path)


def test_a_purchase_that_was_completed_keeps_its_answer_whatever_is_told_of_it_later(path: Where) -> None:
    """Two processes may have asked the gateway: the second answer comes when the first one is written."""

    async def story() -> None:
        async with Local(path) as local:
            purchase_id = new_id()
            starts = start_purchase(OWNER, purchase_id, 100)
            await local.ask(starts, **key("one"))
            await local.ask(complete_purchase(OWNER, purchase_id, "ch_1"))
            assert kinds(await outcomes(local.ask(fail_purchase(OWNER, purchase_id, "the card")))) == [PaymentFailed]
            again = await local.ask(starts, **key("one"))
            assert (again.replayed, again.status) == (True, 201)

    play(story(), path)


# Failures of the store


def test_a_batch_that_is_done_again_takes_nobody_in(path: Where, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else commands that fail again and again would keep those beside them from being written."""
    monkeypatch.setattr(module, "MAX_BATCH", 4)

    async def story() -> None:
        local, store = a_platform(path)
        async with local:
            before = store.commits
            async with a_commit_at_the_gate(local, store) as first:
                rest = [local.ask(use_case) for use_case in (poison, bought(1), bought(1), bought(1), bought(1))]
            found = await outcomes(first, *rest)
            assert kinds(found) == [Reply, ZeroDivisionError, *[Reply] * 4]
            assert store.commits == before + 3, "three of the four that were taken, and then the one that came later"

    play(story(), path)


def test_a_batch_that_cannot_be_written_fails_nobody_who_came_later(path: Where) -> None:
    async def story() -> None:
        local, store = a_platform(path)
        async with local:
            async with a_commit_at_the_gate(local, store) as first:
                store.fail("commit")
                rest = [local.ask(bought(1)) for _ in range(5)]
            assert kinds(await outcomes(first, *rest)) == [Unavailable, *[Reply] * 5]

    play(story(), path)


@pytest.mark.parametrize("where", ["append", "write_head", "commit"])
def test_a_batch_that_cannot_be_written_leaves_nothing_and_the_next_one_works(path: Where, where: str) -> None:
    async def story() -> None:
        local, store = a_platform(path)
        async with local:
            await local.ask(posted(), **key("acknowledged"))
            before = everything(path)
            store.fail(where)
            found = await outcomes(
                local.ask(posted(OTHER_JOB_ID), **key("lost")), local.ask(asked(c.PauseJob())), local.ask(bought(1))
            )
            assert kinds(found) == [Unavailable] * 3
            assert everything(path) == before
            # No state remembers what was lost: there are credits for the other job, and the first is not paused.
            again = await all_done(local.ask(posted(OTHER_JOB_ID), **key("lost")), local.ask(asked(c.PauseJob())))
            assert [reply.etag for reply in again] == ['"1"', '"2"']
            assert not again[0].replayed
            assert (await local.ask(posted(), **key("acknowledged"))).replayed

    play(story(), path)


def test_when_the_answer_to_a_commit_is_lost_the_key_tells_that_it_was_kept(path: Where) -> None:
    async def story() -> None:
        local, store = a_platform(path)
        async with local:
            store.loses_the_answer = True
            found = await outcomes(local.ask(posted(), **key("one")))
            assert kinds(found) == [Unavailable]
            again, paused = await all_done(local.ask(posted(), **key("one")), local.ask(asked(c.PauseJob())))
            assert again.replayed
            assert paused.etag == '"2"'

    play(story(), path)
    assert balance(path) == (HOLD, HOLD)


def test_a_history_that_cannot_be_read_fails_its_commands_as_unavailable(path: Where) -> None:
    async def story() -> None:
        async with Local(path) as local:
            await local.ask(posted())
        local, store = a_platform(path)
        async with local:
            store.fail("load")
            assert kinds(await outcomes(local.ask(asked(c.PauseJob())))) == [Unavailable]
            assert isinstance(await local.ask(asked(c.PauseJob())), Reply)

    play(story(), path)


def test_a_history_that_cannot_be_read_sets_no_job_aside(path: Where) -> None:
    async def story() -> None:
        async with Local(path) as local:
            await local.ask(posted())
        local, store = a_platform(path)
        async with local:
            local.clock.at = NOW + 2 * HOUR
            store.fail("load")
            with pytest.raises(Unavailable):
                await local.committer.catch_up()
            assert not local.committer.set_aside
            await local.committer.catch_up()
            assert query(path, "SELECT status FROM jobs") == [("cancelled",)]

    play(story(), path)


def test_a_transaction_that_fails_at_its_beginning_stands_in_nobodys_way(path: Where) -> None:
    async def story() -> None:
        local, store = a_platform(path)
        async with local, Local(path) as other:
            await other.ask(posted())
            store.fail("begin")
            assert kinds(await outcomes(local.ask(asked(c.PauseJob())))) == [Unavailable]
            assert (await other.ask(asked(c.PauseJob()))).etag == '"2"'
            assert (await local.ask(asked(c.ResumeJob()))).etag == '"3"'

    play(story(), path)


@pytest.mark.parametrize("column", ["schema_version", "views_version"])
def test_a_file_that_another_version_of_the_program_took_over_is_written_no_more(path: Where, column: str) -> None:
    async def story() -> None:
        async with Local(path) as local:
            await local.ask(posted())
            [(ours,)] = query(path, f"SELECT {column} FROM head")
            execute(path, f"UPDATE head SET {column} = 99")
            before = everything(path)
            assert not local.service.is_closing
            assert kinds(await outcomes(local.ask(asked(c.PauseJob())), local.ask(bought(1)))) == [Unavailable] * 2
            assert everything(path) == before
            assert local.service.is_closing
            execute(path, f"UPDATE head SET {column} = ?", ours)
            await local.ask(asked(c.PauseJob()))

    play(story(), path)


# Others on the same file


def test_two_committers_on_one_file_never_conflict_and_see_each_other(path: Where) -> None:
    async def story() -> None:
        async with Local(path) as one, Local(path) as other:
            await one.ask(posted())
            versions = []
            for number in range(12):
                command = c.PauseJob() if number % 2 == 0 else c.ResumeJob()
                reply = await (one, other, other)[number % 3].ask(asked(command))
                versions.append(reply.etag)
            assert versions == [f'"{number + 2}"' for number in range(12)]

    play(story(), path)


@pytest.mark.parametrize("learnt", [0, 10_000])
def test_two_committers_that_race_spend_each_cent_once(
    path: Where, learnt: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether each looks through what the other wrote, or forgets all states after it."""
    monkeypatch.setattr(module, "MAX_LEARNT", learnt)

    async def story() -> None:
        async with Local(path) as one, Local(path) as other:
            await one.ask(bought(18 * HOLD))
            for _ in range(3):
                asks = [local.ask(posted(new_id())) for _ in range(10) for local in (one, other)]
                assert set(kinds(await outcomes(*asks))) <= {Reply, NotEnoughCredits}
            await one.ask(bought(1))

    play(story(), path)
    assert balance(path) == (1, 20 * HOLD)


def test_a_slot_that_one_process_gave_away_is_not_given_by_the_other(path: Where) -> None:
    async def story() -> None:
        async with Local(path) as one, Local(path) as other:
            await one.ask(posted(slots=1))
            found = await outcomes(other.ask(taken(ALICE)), one.ask(taken(BOB)))
            assert sorted(getattr(each, "code", "taken") for each in found) == ["no_slots_left", "taken"]

    play(story(), path)


def test_a_clock_that_another_process_has_moved_is_seen_though_nothing_was_written(path: Where) -> None:
    database(path).claim_mode(sandbox=True)

    async def story() -> None:
        async with Local(path) as one, Local(path) as other:
            before = one.committer.now()
            await other.ask(advance_clock(60))
            assert not one.service.has_due()
            assert one.committer.now() == before + MINUTE

    play(story(), path)


def test_what_the_command_line_writes_beside_a_server_is_seen_at_once(path: Where, tmp_path: Path) -> None:
    database(path).claim_mode(sandbox=True)

    async def story() -> None:
        async with Local(path) as local:
            await local.ask(posted())
            await asyncio.to_thread(create_key, tmp_path, url_of(path), "owner", "Olga")
            assert local.reads.keys(None, 10).items[0]["name"] == "Olga"
            reply = await local.ask(asked(c.PauseJob()))
            assert (reply.etag, reply.position) == ('"2"', log_length(path))

    play(story(), path)


def test_the_evidence_has_its_turn_between_two_batches(path: Where) -> None:
    """However many commands wait; and it never runs into a batch that is being committed."""

    async def story() -> None:
        local, store = a_platform(path)
        async with local:
            async with a_commit_at_the_gate(local, store) as first:
                size = local.digest.head()[1]
                evidence = asyncio.create_task(local.service.evidence.catch_up())
                await asyncio.sleep(0)
                rest = [local.ask(bought(1)) for _ in range(3 * module.MAX_BATCH)]
                await asyncio.sleep(0.05)
                assert not first.done()
            await evidence
            assert local.digest.position() >= size
            assert not rest[-1].done()
            await all_done(first, *rest)

    play(story(), path)


def test_those_who_wait_for_the_evidence_together_share_its_steps(path: Where, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.store.sql_digest.AT_ONCE", 2)

    async def story() -> None:
        async with Local(path) as local:
            await all_done(*(local.ask(bought(1)) for _ in range(10)))
            kept: list[int] = []
            keep = local.digest.keep

            def counted(step: DigestStep) -> None:
                kept.append(step.after)
                keep(step)

            monkeypatch.setattr(local.digest, "keep", counted)
            await asyncio.gather(*(local.service.evidence.catch_up() for _ in range(10)))
            assert len(kept) == len(set(kept)) == local.digest.head()[1] // 2

    play(story(), path)


def test_evidence_of_a_log_without_its_end_is_not_waited_for(path: Where) -> None:
    async def story() -> None:
        async with Local(path) as local:
            execute(path, "UPDATE head SET position = position + 1")
            with pytest.raises(Unavailable, match="tallyhold verify"):
                await local.service.evidence.catch_up()
            execute(path, "UPDATE head SET position = position - 1")

    play(story(), path)


@pytest.mark.parametrize("change", ["DELETE FROM tiles", "UPDATE tiles SET hashes = substr(hashes, 1, 64)"])
def test_tiles_that_are_missing_or_cut_short_prove_nothing_and_do_not_grow(path: Where, change: str) -> None:
    async def story() -> None:
        async with Local(path) as local:
            evidence = local.service.evidence
            await all_done(*(local.ask(bought(1)) for _ in range(4)))
            await evidence.catch_up()
            execute(path, change)
            with pytest.raises(Unavailable, match="it was written with; run tallyhold verify"):
                await evidence.inclusion(1, None)
            with pytest.raises(Unavailable, match="does not have the hashes"):
                await evidence.consistency(1, None)
            await all_done(local.ask(bought(1)))
            with pytest.raises(Unavailable, match="does not have the hashes"):
                await evidence.catch_up()
            digest_anew(local.database)
            await evidence.catch_up()
            assert (await evidence.inclusion(1, None)).size == local.digest.head()[1]

    play(story(), path)


def test_the_further_it_is_behind_the_larger_are_its_steps(path: Where, monkeypatch: pytest.MonkeyPatch) -> None:
    """While commands come without a pause; and refusals are written in between however far it is behind."""
    monkeypatch.setattr(evidence_module, "MAX_BEHIND", 4)
    monkeypatch.setattr(evidence_module, "REST_SECONDS", 0)
    monkeypatch.setattr("api.store.sql_digest.AT_ONCE", 2)

    async def story() -> None:
        async with Local(path) as local:
            evidence, digest = local.service.evidence, local.digest
            await all_done(*(local.ask(bought(1)) for _ in range(10)))
            size, asked, rests = digest.head()[1], [], []
            next_step, keep_refusals = digest.next_step, evidence.keep_refusals

            def counted(times: int = 1) -> DigestStep | None:
                asked.append(times)
                return next_step(times)

            async def rested(now: Instant) -> None:
                rests.append(now)
                await keep_refusals(now)

            monkeypatch.setattr(digest, "next_step", counted)
            monkeypatch.setattr(evidence, "keep_refusals", rested)
            await evidence.keep_up(NOW)
            assert asked[0] == size // 4 > asked[-1] == 1
            assert len(rests) == len(asked) + 1
            assert size - digest.position() < 4

    play(story(), path)


def test_a_writer_in_the_way_is_waited_for(path: Where) -> None:
    async def story() -> None:
        async with Local(path) as local:
            with head_locked(path):
                reply = local.ask(posted())
                await asyncio.sleep(0.05)
                assert not reply.done()
            await reply

    play(story(), path)


def test_what_comes_while_a_writer_is_in_the_way_joins_the_batch(path: Where) -> None:
    async def story() -> None:
        local, store = a_platform(path)
        async with local:
            before = store.commits
            with head_locked(path):
                first = local.ask(bought(1))
                await asyncio.sleep(0.05)
                rest = [local.ask(bought(1)) for _ in range(20)]
                await asyncio.sleep(0.05)
            await all_done(first, *rest)
            assert store.commits == before + 1

    play(story(), path)


def test_but_not_for_ever(path: Where, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BUSY_LIMIT_SECONDS", 0.02)
    monkeypatch.setattr(postgres, "LOCK_MILLISECONDS", 20)

    async def story() -> None:
        async with Local(path) as local:
            with head_locked(path):
                assert kinds(await outcomes(local.ask(posted()))) == [Unavailable]
            await local.ask(posted())

    play(story(), path)


# The end


def test_close_finishes_what_was_accepted_and_refuses_the_rest(path: Where) -> None:
    async def story() -> None:
        local, store = a_platform(path)
        async with local:
            async with a_commit_at_the_gate(local, store) as first:
                accepted = [local.ask(bought(1)) for _ in range(300)]
                closing_down = asyncio.create_task(local.committer.close())
                await asyncio.sleep(0)
                with pytest.raises(Unavailable):
                    await local.ask(bought(1))
                with pytest.raises(Unavailable):
                    await local.committer.catch_up()
                assert not local.committer.is_ready
            await all_done(first, *accepted)
            await closing_down

    play(story(), path)
    assert balance(path) == (2 * HOLD + 301, 0)


def test_a_second_start_changes_nothing(path: Where) -> None:
    async def story() -> None:
        async with Local(path) as local:
            tasks = len(asyncio.all_tasks())
            local.committer.start()
            assert len(asyncio.all_tasks()) == tasks
            await local.ask(posted())

    play(story(), path)


def test_close_without_anything_to_do_is_the_end(path: Where) -> None:
    async def story() -> None:
        async with Local(path) as local:
            await local.committer.close()

    play(story(), path)


# Dry runs


DRY_RUNS: dict[str, UseCase] = {
    "post": posted(OTHER_JOB_ID),
    "pause": asked(c.PauseJob()),
    "cancel": asked(c.CancelJob()),
    "grow": resize_job(JOB_ID, 6),
    "take": taken(BOB),
    "start": started(ALICE),
    "buy": bought(5),
}


@pytest.mark.parametrize("name", DRY_RUNS)
def test_a_dry_run_changes_nothing_and_tells_what_the_command_does(path: Where, name: str) -> None:
    use_case = DRY_RUNS[name]

    async def story() -> tuple[Tables, Tables, Reply, Reply]:
        async with Local(path) as local:
            await all_done(local.ask(posted()), local.ask(taken(ALICE)))
            before = everything(path)
            rehearsed = await local.ask(use_case, dry_run=True, **key("one"))
            after = everything(path)
            real = await local.ask(use_case, **key("one"))
            assert not real.replayed
            return before, after, rehearsed, real

    before, after, rehearsed, real = run(story())
    assert after == before
    assert rehearsed.status == 200
    told = msgspec.json.decode(rehearsed.body)
    assert told["dryRun"] is True
    assert told["answer"] == msgspec.json.decode(real.body)
    length = len(before["stored_events"])
    assert [event["type"] for event in told["events"]] == [
        topic for (topic,) in query(path, "SELECT topic FROM stored_events WHERE position > ?", length)
    ]
    entries = query(
        path, "SELECT type, debit_account, credit_account, amount_cents FROM journal WHERE entry >= ?", length * 4 + 4
    )
    assert [(p["entryType"], p["account"], p["amountCents"]) for p in told["postings"]] == [
        (kind, account, cents) for kind, debit, credit, cents in entries for account in (debit, credit)
    ]


def test_a_dry_run_refuses_as_the_command_would(path: Where) -> None:
    async def story() -> None:
        async with Local(path) as local:
            await local.ask(posted())
            for use_case in (asked(c.ApproveJob()), posted(new_id(), slots=50), asked(c.PauseJob(), OTHER_JOB_ID)):
                [rehearsed] = await outcomes(local.ask(use_case, dry_run=True))
                [real] = await outcomes(local.ask(use_case))
                assert isinstance(rehearsed, Refusal)
                assert isinstance(real, Refusal)
                assert (rehearsed.code, rehearsed.detail) == (real.code, real.detail)

    play(story(), path)


def test_a_dry_run_sees_its_batch_and_its_batch_does_not_see_it(path: Where) -> None:
    async def story() -> None:
        async with Local(path) as local:
            found = await outcomes(
                local.ask(posted(slots=10)),
                local.ask(asked(c.PauseJob()), dry_run=True),
                local.ask(asked(c.CancelJob()), dry_run=True),
                local.ask(posted(OTHER_JOB_ID), dry_run=True),
                local.ask(asked(c.ResumeJob())),
                local.ask(asked(c.PauseJob())),
            )
            assert kinds(found) == [Reply, Reply, Reply, NotEnoughCredits, Reply, Reply]
            assert [reply.etag for reply in found[4:] if isinstance(reply, Reply)] == ['"1"', '"2"']

    play(story(), path)


# Limits


def test_one_command_more_than_may_wait_is_refused_as_overloaded(path: Where, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 3)

    async def story() -> None:
        async with Local(path) as local:
            accepted = [local.ask(bought(1)) for _ in range(3)]
            assert local.committer.waiting == 3
            with pytest.raises(Overloaded):
                await local.ask(bought(1))
            await all_done(*accepted)
            await local.ask(bought(1))

    play(story(), path)
    assert balance(path) == (2 * HOLD + 4, 0)


def test_a_long_absence_is_written_in_bounded_transactions(path: Where, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_DUE_IN_BATCH", 4)

    async def story() -> None:
        async with Local(path) as local:
            await local.ask(bought(30 * HOLD))
            await all_done(*(local.ask(posted(new_id())) for _ in range(20)))
        local, store = a_platform(path, HandClock(NOW + DAY))
        async with local:
            assert store.commits == 5
            found = query(path, "SELECT DISTINCT status FROM jobs")
            assert found == [("cancelled",)]

    play(story(), path)


def test_commands_wait_until_everything_due_is_written(path: Where, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_DUE_IN_BATCH", 2)

    async def story() -> None:
        async with Local(path) as local:
            await local.ask(bought(30 * HOLD))
            ids = [new_id() for _ in range(9)]
            await all_done(*(local.ask(posted(job_id)) for job_id in ids))
            local.clock.at = NOW + DAY
            found = await outcomes(*(local.ask(asked(c.PauseJob(), job_id)) for job_id in ids))
            assert {getattr(each, "code", "paused") for each in found} == {"invalid_state"}

    play(story(), path)


def test_a_command_that_waited_for_a_catch_up_that_failed_is_refused_for_good(
    path: Where, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was answered with 'nothing was kept' must not be done a moment later."""
    monkeypatch.setattr(module, "MAX_DUE_IN_BATCH", 1)

    async def story() -> None:
        local, store = a_platform(path)
        async with local:
            await all_done(local.ask(posted()), local.ask(posted(OTHER_JOB_ID)))
            local.clock.at = NOW + DAY
            store.fail("commit")
            assert kinds(await outcomes(local.ask(bought(1)))) == [Unavailable]
            await local.committer.catch_up()
            await local.ask(bought(10))

    play(story(), path)
    assert balance(path) == (2 * HOLD + 10, 0)


# The sandbox's clock


def test_moves_of_the_clock_that_come_together_add_up(path: Where) -> None:
    """And none of them ever moves it back."""
    database(path).claim_mode(sandbox=True)

    async def story() -> None:
        async with Local(path) as local:
            began = local.committer.now()
            replies = await all_done(*(local.ask(advance_clock(seconds)) for seconds in (20, 10, 0)))
            assert local.committer.now() == began + 30 * SECOND
            told = [msgspec.json.decode(reply.body)["now"] for reply in replies]
            assert told == sorted(told)

    play(story(), path)


def test_a_dry_run_does_not_move_the_clock(path: Where) -> None:
    database(path).claim_mode(sandbox=True)

    async def story() -> None:
        async with Local(path) as local:
            began = local.committer.now()
            await local.ask(advance_clock(20), dry_run=True)
            assert local.committer.now() == began

    play(story(), path)


def test_the_platforms_time_never_goes_back(path: Where) -> None:
    """Whatever the machine's clock says."""

    async def story() -> None:
        async with Local(path) as local:
            local.clock.at = NOW + MINUTE
            await local.ask(posted())
            local.clock.at = NOW - DAY
            assert local.committer.now() == NOW + MINUTE
            await local.ask(asked(c.PauseJob()))

    play(story(), path)
    assert query(path, "SELECT last_time FROM head") == [(NOW + MINUTE,)]
