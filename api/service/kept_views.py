"""Answers of reads that are asked again and again, kept in memory for as long as the log says that they hold."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Generic, TypeVar
from uuid import UUID

from api.service.cache import GenerationCache
from api.service.reads import JobFilter, Page, Reads
from api.service.recent_changes import RecentChanges

V = TypeVar("V")

DETAILS_KEPT = 4_096
MAX_KEPT_BYTES = 16_384
"""A longer detail is made anew for each who asks: so many bytes x 2 x DETAILS_KEPT is the most that details take."""
PIECES_AT_ONCE = 8
PAGES_KEPT = 1_024
EVERY_JOB = JobFilter()


@dataclass(frozen=True, slots=True)
class _Kept(Generic[V]):
    """A value that was true at a position of the log, and the streams whose events it shows."""

    position: int
    streams: tuple[UUID, ...]
    value: V


@dataclass(frozen=True, slots=True)
class Detail:
    """A job's version and its detail as JSON: whole, or where that is long, in pieces made as they are sent."""

    version: int
    whole: bytes | None
    pieces: Iterator[bytes] | None = None


class KeptViews:
    """Jobs and lists of jobs, exact at any time: what an event has changed, in any process, is made anew."""

    def __init__(self, reads: Reads, changes: RecentChanges) -> None:
        self._reads = reads
        self._changes = changes
        self._details: GenerationCache[UUID, _Kept[Detail]] = GenerationCache(DETAILS_KEPT)
        self._pages: GenerationCache[tuple[UUID, int | None, int], _Kept[Page]] = GenerationCache(PAGES_KEPT)

    def clear(self) -> None:
        """Make everything anew: somebody may have been forgotten, whose words stand in what is kept."""
        self._details.clear()
        self._pages.clear()

    def job_detail(self, job_id: UUID) -> Detail:
        """A job as its owner sees it."""
        kept = self._details.get(job_id)
        if kept is not None and self._changes.holds_since(kept.position, kept.streams):
            return kept.value
        # Asked before the read: what happens in between makes the answer count as old, never as new.
        position = self._changes.position()
        detail = self._read_detail(job_id)
        if detail.whole is not None and len(detail.whole) <= MAX_KEPT_BYTES:
            self._details.put(job_id, _Kept(position, (job_id,), detail))
        return detail

    def waited_detail(self, job_id: UUID, timed_out: bool) -> Detail:
        """A job as somebody sees it who has waited for it. Not kept: few ask for the same one twice."""
        return self._read_detail(job_id, timed_out)

    def _read_detail(self, job_id: UUID, timed_out: bool | None = None) -> Detail:
        version, pieces = self._reads.job_detail(job_id, timed_out=timed_out)
        begun = list(islice(pieces, PIECES_AT_ONCE))
        if len(begun) < PIECES_AT_ONCE:
            return Detail(version, b"".join(begun))
        return Detail(version, None, chain(begun, pieces))

    def jobs(self, owner_id: UUID, wanted: JobFilter, before: int | None, limit: int) -> Page:
        """A page of an owner's jobs; a new one is an event in the owner's own stream too, where its credits are held.

        A page of some jobs only is not kept: one that it does not show may become one that it has to.
        """
        if wanted != EVERY_JOB:
            return self._reads.jobs(owner_id, wanted, before, limit)
        key = (owner_id, before, limit)
        kept = self._pages.get(key)
        if kept is not None and self._changes.holds_since(kept.position, kept.streams):
            return kept.value
        position = self._changes.position()
        page = self._reads.jobs(owner_id, wanted, before, limit)
        self._pages.put(key, _Kept(position, (owner_id, *page.streams), page))
        return page
