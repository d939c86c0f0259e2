"""Portable proofs and the exported log: out of the log as it was at a signed checkpoint."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any
from uuid import UUID

from api.evidence import tree
from api.evidence.proof_file import JOB, TESTER, About, Stored, proof_pieces
from api.evidence.tiles import WrongTiles, subtrees
from api.service.evidence import Evidence
from api.service.reads import AuditReads
from api.service.refusals import WRONG_HASHES, Unavailable
from domain.catalogue import EVENTS
from domain.errors import NotFound
from domain.job.events import Created, Disputed, Resolved
from projections.audit import EventFilter, recorded_view

AT_ONCE = 200
OF_ONE_TESTER = frozenset(
    name for name, kind in EVENTS.items() if not name.startswith("access.") and kind not in (Disputed, Resolved)
)
"""A tester's proof has these: stored bytes of access have keys' hashes, and those of a dispute name other testers."""


async def prove_job(evidence: Evidence, audit: AuditReads, job_id: UUID) -> tuple[int, Iterator[bytes]]:
    """The size of the log that is signed, and the pieces of a job's proof. Raises NotFound, and Unavailable."""
    checkpoint, note, key = await evidence.proving()
    if not any(isinstance(first.event, Created) for first in audit.stream(job_id, 0, 1)):
        raise NotFound(f"There is no job {job_id}.")
    positions = _of_job(audit, job_id, checkpoint.size)
    proved = _proved(audit, positions, checkpoint.size)
    return checkpoint.size, proof_pieces(About(JOB, job_id), note, key, proved)


async def prove_tester(evidence: Evidence, audit: AuditReads, tester_id: UUID) -> tuple[int, Iterator[bytes]]:
    """The size of the log that is signed, and the pieces of a tester's proof. Raises Unavailable."""
    checkpoint, note, key = await evidence.proving()
    positions = _of_tester(audit, tester_id, checkpoint.size)
    proved = _proved(audit, positions, checkpoint.size)
    return checkpoint.size, proof_pieces(About(TESTER, tester_id), note, key, proved)


def _of_job(audit: AuditReads, job_id: UUID, size: int) -> Iterator[int]:
    version = 0
    while page := audit.stream(job_id, version, AT_ONCE):
        yield from (one.position for one in page if one.position <= size)
        version = page[-1].version


def _of_tester(audit: AuditReads, tester_id: UUID, size: int) -> Iterator[int]:
    wanted, after, has_more = EventFilter(subject=tester_id, types=OF_ONE_TESTER), 0, True
    while has_more:
        page = audit.events(wanted, after, size, AT_ONCE)
        yield from (one.position for one in page.events)
        after, has_more = page.reached, page.has_more


def whole_log(
    audit: AuditReads, size: int, told: Callable[[int, int], None]
) -> Iterator[tuple[dict[str, Any], Stored]]:
    """Every event up to a size of the log, readable and as it lies there; a page of them in memory."""
    after = 0
    while after < size:
        page = audit.events(EventFilter(), after, size, AT_ONCE)
        for one in page.events:
            yield recorded_view(one), audit.stored(one.position)
        after = page.reached
        told(after, size)


def _proved(audit: AuditReads, positions: Iterator[int], size: int) -> Iterator[tuple[Stored, Sequence[bytes]]]:
    """Each event and what proves it. Raises Unavailable."""
    subtree = subtrees(audit.tile)
    for position in positions:
        try:
            path = tree.inclusion(position - 1, size, subtree)
        except WrongTiles:
            raise Unavailable(WRONG_HASHES) from None
        yield audit.stored(position), path
