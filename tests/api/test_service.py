"""What the service does beside the commands goes on, whatever happens to it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from uuid import UUID

import pytest

from api.service.refusals import Overloaded
from domain.job.commands import PauseJob
from domain.times import HOUR
from tests.api.test_committer import JOB_ID, asked, bought, posted
from tests.given import NOW
from tests.local import Local, Where, execute, query, run

PATIENCE_SECONDS = 10
NEVER_SECONDS = 10 * PATIENCE_SECONDS


@pytest.fixture(autouse=True)
def nobody_else_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what a test is about runs again and again."""
    for name in ("EVIDENCE_SECONDS", "LONGEST_NAP_SECONDS", "FOLLOW_SECONDS"):
        monkeypatch.setattr(f"api.service.service.{name}", NEVER_SECONDS)


@asynccontextmanager
async def after_an_error(local: Local) -> AsyncIterator[None]:
    """A service with a job, for which looking at the log has failed at first."""

    def fails() -> int:
        raise RuntimeError("nobody foresaw this")

    async with local:
        await local.ask(bought(1_950))
        await local.ask(posted())
        with pytest.MonkeyPatch.context() as broken, local.service.watch_job(JOB_ID):
            broken.setattr(local.service.changes, "position", fails)
            await local.service.start()
            await asyncio.sleep(0.1)
        local.service.changes.position()
        yield
        await local.service.close()


def test_who_waits_hears_of_others_after_an_error_that_nobody_foresaw(
    where: Where, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.service.service.FOLLOW_SECONDS", 0.01)

    async def story() -> None:
        local = Local(where)
        async with after_an_error(local), Local(where) as other:
            with (watch := local.service.watch_job(JOB_ID)):
                await other.ask(asked(PauseJob()))
                assert await watch.changed(PATIENCE_SECONDS)

    run(story())


def test_deadlines_pass_after_an_error_that_nobody_foresaw(where: Where, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.service.service.LONGEST_NAP_SECONDS", 0.01)

    async def story() -> None:
        local = Local(where)
        async with after_an_error(local):
            written = asyncio.Event()
            local.committer.on_written.append(lambda *_: written.set())
            local.clock.at = NOW + 2 * HOUR
            async with asyncio.timeout(PATIENCE_SECONDS):
                await written.wait()

    run(story())
    assert query(where, "SELECT status FROM jobs") == [("cancelled",)]


def test_no_more_is_watched_than_there_is_room_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.service.service.MAX_WATCHED", 1)
    job, owner = UUID(int=1), UUID(int=2)
    with closing(Local(tmp_path / "tallyhold.sqlite")) as local:
        with local.service.watch_job(job), local.service.watch_owner(owner):
            for watch in (local.service.watch_job, local.service.watch_owner):
                with pytest.raises(Overloaded):
                    watch(UUID(int=3))
        with local.service.watch_job(UUID(int=3)), local.service.watch_owner(UUID(int=3)):
            pass


def test_wrong_tiles_are_told_once_however_often_they_are_looked_at(
    where: Where, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("api.service.service.EVIDENCE_SECONDS", 0.01)

    async def story() -> None:
        async with Local(where) as local:
            evidence, looked = local.service.evidence, asyncio.Event()
            await local.ask(bought(1))
            await evidence.catch_up()
            execute(where, "DELETE FROM tiles")
            await local.ask(bought(1))
            keep_up, times = evidence.keep_up, 0

            async def counted(now: int) -> None:
                nonlocal times
                times += 1
                if times == 10:
                    looked.set()
                await keep_up(now)

            monkeypatch.setattr(evidence, "keep_up", counted)
            await local.service.start()
            async with asyncio.timeout(PATIENCE_SECONDS):
                await looked.wait()
            await local.service.close()

    run(story())
    said = [(record.levelname, record.getMessage()) for record in caplog.records if "tallyhold" in record.name]
    told = "the log's evidence could not be kept; trying again: The log does not have the hashes that it was written "
    assert said == [
        ("CRITICAL", "the log or its tiles are not as they were written; run tallyhold verify"),
        ("WARNING", told + "with; run tallyhold verify."),
    ]
