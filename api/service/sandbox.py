"""Use cases of the sandbox."""

from api.service.work import Answer, UseCase, Work
from domain.times import SECOND
from projections.times import iso


def advance_clock(seconds: int) -> UseCase:
    """Move the sandbox's clock. What falls due by then is written before anything else is decided."""

    def run(work: Work) -> Answer:
        assert work.clock is not None, "real time is moved by nobody"
        work.clock += seconds * SECOND
        return Answer({"now": iso(work.clock)})

    return run
