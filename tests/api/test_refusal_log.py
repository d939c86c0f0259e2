"""Refusals are written in batches, bounded in memory and on disk; what is dropped is counted."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from uuid import UUID

import pytest

from api.evidence.notes import new_signing_key
from api.service import evidence as evidence_module
from api.service import refusal_log
from api.service.evidence import Evidence
from api.service.ports import RefusalNote, StoreBusy, StoreFailed
from api.service.reads import RefusalFilter
from api.service.refusal_log import RefusalLog
from api.store.checkpoint_files import CheckpointFiles
from api.store.sql_digest import FORGOTTEN_AT_ONCE, SQLDigest
from domain.access.events import Role
from domain.times import DAY, HOUR, Instant
from tests.given import NOW
from tests.local import Local, Where, a_digest, issue_keys, new_database, query, run

ADA = UUID(int=1)


def note(at: Instant, number: int | str = 0) -> RefusalNote:
    return RefusalNote(at, "owner", ADA, UUID(int=2), "getJob", f"/jobs/{number}", 404, "not_found", "None.", "r-1")


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Local]:
    with closing(Local(tmp_path / "tallyhold.sqlite")) as local:
        yield local


def paths(local: Local) -> list[str]:
    return [item["path"] for item in local.audit.refusals(RefusalFilter(ADA), None, 50).items]


def test_what_does_not_fit_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusal_log, "MAX_GATHERED", 2)
    kept = RefusalLog()
    for number in range(5):
        kept.add(note(NOW, number))
    taken, dropped = kept.taken()
    assert ([one.path for one in taken], dropped) == (["/jobs/0", "/jobs/1"], 3)
    assert kept.taken() == ([], 0)
    kept.add(note(NOW, 7))
    kept.put_back(taken, dropped)
    taken, dropped = kept.taken()
    assert ([one.path for one in taken], dropped) == (["/jobs/0", "/jobs/1"], 4)


def test_they_are_written_and_forgotten_after_thirty_days(local: Local) -> None:
    evidence = local.service.evidence

    async def story() -> None:
        evidence.refusals.add(note(NOW, 1))
        await evidence.keep_refusals(NOW)
        evidence.refusals.add(note(NOW + DAY, 2))
        await evidence.keep_refusals(NOW + 30 * DAY)
        assert paths(local) == ["/jobs/2", "/jobs/1"]
        await evidence.keep_refusals(NOW + 30 * DAY + HOUR)
        assert paths(local) == ["/jobs/2"]

    run(story())


def test_what_cannot_be_written_now_is_written_later(local: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    evidence = local.service.evidence

    async def story() -> None:
        evidence.refusals.add(note(NOW, 1))
        with monkeypatch.context() as broken, pytest.raises(StoreFailed, match="full"):
            broken.setattr(SQLDigest, "keep_refusals", fails)
            await evidence.keep_refusals(NOW)
        await evidence.keep_refusals(NOW)
        assert paths(local) == ["/jobs/1"]

    def fails(*_: object) -> None:
        raise StoreFailed("the disk is full")

    run(story())


def test_what_was_about_to_be_written_when_the_service_ends_is_written_in_the_end(local: Local) -> None:
    evidence = local.service.evidence

    async def story() -> None:
        evidence.refusals.add(note(NOW, 1))
        async with evidence.turn:
            writing = asyncio.create_task(evidence.keep_refusals(NOW))
            await asyncio.sleep(0.01)
            writing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await writing
        await evidence.finish(NOW)
        assert paths(local) == ["/jobs/1"]

    run(story())


def test_who_lists_them_waits_for_those_that_are_being_written(local: Local) -> None:
    evidence = local.service.evidence

    async def story() -> None:
        evidence.refusals.add(note(NOW, 1))
        async with evidence.turn:
            writing, listing = (asyncio.create_task(evidence.keep_refusals(NOW)) for _ in range(2))
            await asyncio.sleep(0.01)
        await listing
        assert paths(local) == ["/jobs/1"]
        await writing

    run(story())


def test_old_ones_are_forgotten_a_bounded_number_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "tallyhold.sqlite"
    new_database(path)
    with closing(a_digest(path)) as digest:
        digest.keep_refusals([note(NOW)] * (3 * FORGOTTEN_AT_ONCE), 4, 0)
        digest.keep_refusals([], 5, NOW + 1)
        assert query(path, "SELECT count(*) FROM refusals") == [(2 * FORGOTTEN_AT_ONCE,)]
        assert query(path, "SELECT dropped FROM digest") == [(9,)]


def test_many_are_written_a_few_at_a_time_and_each_once(local: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that no command waits for all of them, and what was written before something failed is not written again."""
    monkeypatch.setattr(evidence_module, "REFUSALS_AT_ONCE", 2)
    evidence, keep = local.service.evidence, local.digest.keep_refusals
    sizes: list[int] = []

    def fails_once(notes: Sequence[RefusalNote], dropped: int, forget_before: Instant) -> None:
        sizes.append(len(notes))
        if len(sizes) == 2:
            raise StoreFailed("the disk is gone")
        keep(notes, dropped, forget_before)

    monkeypatch.setattr(local.digest, "keep_refusals", fails_once)

    async def story() -> None:
        for number in range(5):
            evidence.refusals.add(note(NOW, number))
        with pytest.raises(StoreFailed):
            await evidence.keep_refusals(NOW)
        await evidence.keep_refusals(NOW)
        assert sizes == [2, 2, 2, 1]
        assert sorted(paths(local)) == [f"/jobs/{number}" for number in range(5)]

    run(story())


NEVER_TAKEN = "\ud800"
"""Half of a character: no database stores it."""


def test_what_the_store_never_takes_is_dropped_and_counted(where: Where, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence_module, "REFUSALS_AT_ONCE", 1)

    async def story(local: Local) -> None:
        evidence = local.service.evidence
        for text in (1, NEVER_TAKEN, 2):
            evidence.refusals.add(note(NOW, text))
        for _ in range(2):
            await evidence.keep_refusals(NOW)
        assert paths(local) == ["/jobs/2", "/jobs/1"]
        assert local.audit.refusals_dropped() == 1

    with closing(Local(where)) as local:
        run(story(local))


@pytest.mark.parametrize("error", [StoreBusy("locked"), StoreFailed("gone"), ValueError("not to be stored")], ids=repr)
def test_the_log_is_indexed_and_published_whatever_becomes_of_refusals(
    where: Where, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    issue_keys(where, {"Olga": Role.OWNER})
    monkeypatch.setattr(evidence_module, "BUSY_LIMIT_SECONDS", 0)
    files = CheckpointFiles(tmp_path / "checkpoints")

    def fails(*_: object) -> None:
        raise error

    async def story(local: Local) -> None:
        monkeypatch.setattr(local.digest, "keep_refusals", fails)
        for end in (Evidence.keep_up, Evidence.finish):
            evidence = Evidence(local.digest, new_signing_key("test"), files)
            for _ in range(2):
                evidence.refusals.add(note(NOW))
                await end(evidence, NOW)
            assert local.digest.position() == local.digest.head()[1] > 0
            (published,) = files.paths()
            published.unlink()

    with closing(Local(where)) as local:
        run(story(local))


def test_the_service_ends_well_whatever_becomes_of_its_evidence(local: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(_: Instant) -> None:
        raise RuntimeError("nobody foresaw this")

    async def story() -> None:
        await local.service.start()
        monkeypatch.setattr(local.service.evidence, "finish", fails)
        await local.service.close()

    run(story())
