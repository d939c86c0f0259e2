"""Use cases of the sandbox."""

from api.service.work import Answer, UseCase, Work
from domain.errors import invalid
from domain.times import SECOND, Instant
from projections.times import iso

END: Instant = 221_845_392_000_000
"""9000-01-01T00:00:00Z. What a job may still be waiting for then can be written in four digits of a year."""


def advance_clock(seconds: int) -> UseCase:
    """Move the sandbox's clock. What falls due by then is written before anything else is decided."""

    def run(work: Work) -> Answer:
        assert work.clock is not None, "real time is moved by nobody"
        moved = work.clock + seconds * SECOND
        if moved > END:
            raise invalid("/advanceSeconds", "would move the clock beyond the year 9000; begin with a new database")
        work.clock = moved
        return Answer({"now": iso(work.clock)})

    return run
