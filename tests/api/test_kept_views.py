"""What is kept in memory for reads never shows anything that the log has outdated."""

import asyncio
from collections.abc import Iterator
from typing import Any, cast
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.service import recent_changes
from api.service.kept_views import MAX_KEPT_BYTES, PIECES_AT_ONCE, KeptViews
from api.service.ports import Head
from api.service.reads import JobFilter, Page, Reads
from api.service.recent_changes import RecentChanges
from tests.api.server import Client, Platform, done
from tests.given import NOW
from tests.local import execute
from tests.program import tallyhold

JOBS = [UUID(int=number) for number in range(1, 5)]
OWNER = UUID(int=100)
ANY = JobFilter()


class Log:
    """Reads over a log in memory: a job's version is the number of its events. Counts what it is asked."""

    def __init__(self) -> None:
        self.events: list[UUID] = []
        self.detail_bytes = 1
        self.asked: list[str] = []

    def head(self) -> Head:
        return Head(len(self.events), NOW, None, None)

    def changes(self, after: int, upto: int) -> list[tuple[UUID, bool]]:
        return [(stream, stream == OWNER) for stream in self.events[max(after, 0) : upto]]

    def version(self, job_id: UUID) -> int:
        return self.events.count(job_id)

    def job_detail(self, job_id: UUID, *, timed_out: bool | None = None) -> tuple[int, Iterator[bytes]]:
        self.asked.append("detail")
        version = self.version(job_id)
        return version, iter([b"%d" % version, b"." * self.detail_bytes])

    def jobs(self, owner_id: UUID, wanted: JobFilter, before: int | None, limit: int) -> Page:
        self.asked.append("jobs")
        shown = [job for job in JOBS if job in self.events][:limit]
        return Page([(job, self.version(job)) for job in shown], None, tuple(shown))


def _views(log: Log) -> KeptViews:
    reads = cast(Reads, log)
    return KeptViews(reads, RecentChanges(reads))


async def _next_turn() -> None:
    await asyncio.sleep(0)


EVENTS = st.lists(st.sampled_from(JOBS), min_size=1, max_size=6)
STEPS = st.lists(st.one_of(EVENTS, st.sampled_from(["detail", "list", "turn", "learn", "much"])), max_size=40)


@given(steps=STEPS, taken_in=st.integers(1, 8), remembered=st.integers(1, 4))
def test_an_answer_shows_every_event_from_before_its_turn(steps: list[Any], taken_in: int, remembered: int) -> None:
    async def play() -> None:
        log = Log()
        changes = RecentChanges(cast(Reads, log))
        views = KeptViews(cast(Reads, log), changes)
        learnt = 0  # the end of the log when the committer saw it last
        certain = 0  # the end of the log when this turn first looked: what an answer may not fall behind
        looked = False
        for step in steps:
            if isinstance(step, list):
                for job in step:  # only a new job is an event in its owner's stream too
                    log.events += [job] if job in log.events else [job, OWNER]
                continue
            if step == "turn":
                await _next_turn()
                looked = False
                continue
            if step in ("learn", "much"):
                upto = len(log.events)
                changes.learn(learnt, upto, log.changes(learnt, upto) if step == "learn" else None)
                learnt = upto
                continue
            if not looked:
                looked, certain = True, len(log.events)
            before = log.events[:certain]
            if step == "detail":
                for job in JOBS:
                    assert views.job_detail(job).version >= before.count(job)
            else:
                shown = dict(views.jobs(OWNER, ANY, None, 10).items)
                assert all(shown[job] >= before.count(job) for job in set(before) - {OWNER})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recent_changes, "MAX_TAKEN_IN", taken_in)
        patch.setattr(recent_changes, "MAX_REMEMBERED", remembered)
        asyncio.run(play())


def test_what_has_not_changed_is_read_once() -> None:
    async def play() -> list[str]:
        log = Log()
        log.events += [JOBS[0], OWNER, JOBS[1], OWNER]
        views = _views(log)
        for _ in range(3):
            views.job_detail(JOBS[0])
            views.jobs(OWNER, ANY, None, 1)
            log.events.append(JOBS[1])  # another job, that the page of one does not show
            await _next_turn()
        return log.asked

    assert asyncio.run(play()) == ["detail", "jobs"]


def test_what_the_committer_has_seen_is_not_asked_for_again() -> None:
    class Silent(Log):
        def changes(self, after: int, upto: int) -> list[tuple[UUID, bool]]:
            pytest.fail("the log was asked")

    async def play() -> list[int]:
        log, told = Silent(), list[int]()
        changes = RecentChanges(cast(Reads, log))
        changes.on_change.append(lambda streams: told.append(-1 if streams is None else len(list(streams))))
        changes.learn(-1, 0, [])
        log.events += [JOBS[0], JOBS[1]]
        changes.learn(0, 2, [(JOBS[0], False), (JOBS[1], False)])
        changes.learn(0, 1, [(JOBS[0], False)])  # told already
        await _next_turn()
        assert changes.position() == changes.reached == 2
        return told

    assert asyncio.run(play()) == [0, 2]


def test_what_the_committer_has_left_out_counts_as_changed() -> None:
    async def play() -> None:
        log = Log()
        changes = RecentChanges(cast(Reads, log))
        views = KeptViews(cast(Reads, log), changes)
        log.events.append(JOBS[0])
        assert views.job_detail(JOBS[0]).version == 1
        log.events += [JOBS[0], JOBS[1]]
        changes.learn(2, 3, [(JOBS[1], False)])
        assert views.job_detail(JOBS[0]).version == 2

    asyncio.run(play())


def test_what_is_remembered_is_bounded_and_what_is_forgotten_counts_as_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent_changes, "MAX_REMEMBERED", 2)

    async def play() -> list[bool]:
        changes, held = RecentChanges(cast(Reads, Log())), list[bool]()
        changes.learn(-1, 0, [])
        for position, job in enumerate(JOBS, 1):
            changes.learn(position - 1, position, [(job, False)])
            held.append(changes.holds_since(0, [OWNER]))
        assert changes.holds_since(len(JOBS), [OWNER])
        return held

    assert asyncio.run(play()) == [True, True, True, False]


def test_that_the_read_models_were_made_anew_is_told_at_any_position() -> None:
    async def play() -> list[object]:
        changes, told = RecentChanges(cast(Reads, Log())), list[object]()
        changes.on_change.append(told.append)
        changes.on_access_change.append(lambda: told.append("access"))
        changes.learn(-1, 3, None)
        changes.learn(3, 3, None)
        return told

    assert asyncio.run(play()) == [None, "access"] * 2


def test_a_page_of_some_jobs_only_is_read_each_time() -> None:
    async def play() -> list[str]:
        log = Log()
        views = _views(log)
        for _ in range(2):
            views.jobs(OWNER, JobFilter(status="active"), None, 10)
        return log.asked

    assert asyncio.run(play()) == ["jobs", "jobs"]


def test_a_long_detail_is_not_kept_and_one_of_many_pieces_is_streamed() -> None:
    class Long(Log):
        def job_detail(self, job_id: UUID, *, timed_out: bool | None = None) -> tuple[int, Iterator[bytes]]:
            self.asked.append("detail")
            return 1, iter([b"piece"] * 3 * PIECES_AT_ONCE)

    async def play() -> tuple[Log, Log, bytes]:
        large, many = Log(), Long()
        large.detail_bytes = MAX_KEPT_BYTES
        views = _views(large)
        for _ in range(2):
            assert views.job_detail(JOBS[0]).whole is not None
        detail = _views(many).job_detail(JOBS[0])
        assert detail.whole is None and detail.pieces is not None
        return large, many, b"".join(detail.pieces)

    large, _, streamed = asyncio.run(play())
    assert large.asked == ["detail", "detail"]
    assert streamed == b"piece" * 3 * PIECES_AT_ONCE


def test_whoever_keeps_what_hangs_on_a_principal_is_told_that_one_has_changed() -> None:
    async def play() -> list[int]:
        log, told = Log(), list[int]()
        changes = RecentChanges(cast(Reads, log))
        changes.on_access_change.append(lambda: told.append(len(log.events)))
        for stream in (JOBS[0], OWNER, JOBS[0]):
            log.events.append(stream)
            changes.position()
            await _next_turn()
        return told

    assert asyncio.run(play()) == [2]


def test_what_a_forgotten_tester_wrote_is_not_kept() -> None:
    async def play() -> list[str]:
        log = Log()
        views = _views(log)
        for _ in range(2):
            views.job_detail(JOBS[0])
            views.jobs(OWNER, ANY, None, 10)
            views.clear()
        return log.asked

    assert asyncio.run(play()) == ["detail", "jobs"] * 2


def test_what_was_read_before_the_read_models_were_made_anew_is_not_kept(platform: Platform, owner: Client) -> None:
    job_id = owner.post_job(5)
    execute(platform.where, "UPDATE jobs SET target_testers = 6 WHERE job_id = ?", job_id)

    def seen() -> list[int]:
        (item,) = done(owner.get("/jobs"))["data"]
        return [owner.job(job_id)["targetTesters"], item["targetTesters"]]

    assert [seen(), seen()] == [[6, 6], [6, 6]]
    assert tallyhold("rebuild", "--db", platform.db).returncode == 0
    assert seen() == [5, 5]
