"""Which variant a tester gets, and how variants grow with a job. Source: README, "Slots and variants"."""

from collections.abc import Container, Iterable, Sequence
from heapq import heapify, heapreplace
from typing import NamedTuple
from uuid import UUID

from domain.errors import AboveMaximum
from domain.job.state import Job
from domain.job.terms import Terms, Variant


def is_open_to_everyone(variant: Variant) -> bool:
    """Whether a tester of whom nothing is known may take it.

    No tester has a profile yet, so no audience filter and no ``only`` constraint is met; ``exclude`` always is.
    """
    return not variant.audience_filters and all(c.rule == "exclude" for c in variant.tech_constraints)


def eligible_variants(terms: Terms) -> tuple[Variant, ...]:
    """The variants that a tester may be given; none in a job for members of a project."""
    if terms.project_testers_only:
        return ()
    return tuple([v for v in terms.variants if is_open_to_everyone(v)])


class Room(NamedTuple):
    """How many testers one variant needs, may take and has taken."""

    variant_id: UUID
    minimum: int
    maximum: int
    taken: int

    @property
    def lacking(self) -> int:
        """How many testers it is short of its minimum."""
        return max(0, self.minimum - self.taken)


def open_room(rooms: Sequence[Room], eligible: Container[UUID], open_slots: int) -> Room | None:
    """Where the next tester goes: furthest below its minimum, then with the most room, then the first.

    A slot that another variant's minimum needs is not given away. A variant below its own minimum is always
    open: after a shrinking resize the open slots can be fewer than all that is lacking, and somebody has to be
    able to take them.
    """
    if not open_slots:
        return None
    lacking_in_all = sum(room.lacking for room in rooms)
    best: tuple[int, int] | None = None
    chosen = None
    for room in rooms:
        left = room.maximum - room.taken
        is_open = left > 0 and (room.lacking > 0 or open_slots > lacking_in_all)
        if is_open and room.variant_id in eligible and (best is None or (room.lacking, left) > best):
            best, chosen = (room.lacking, left), room
    return chosen


def open_variant(job: Job, eligible: Sequence[Variant]) -> Variant | None:
    """The variant for the next tester, if one that the tester may be given is open."""
    rooms = [Room(v.id, v.target_testers_min, job.maxima[v.id], job.taken_by_variant[v.id]) for v in job.variants]
    room = open_room(rooms, {v.id for v in eligible}, job.open_slots)
    return next((v for v in eligible if room is not None and v.id == room.variant_id), None)


def widened_maxima(job: Job, target: int) -> dict[UUID, int]:
    """The maxima of all variants for a target, by variant id; empty when none has to grow.

    The excess over all maxima goes out one slot at a time to the variant without an explicit maximum that has
    the fewest taken + widened so far, ties in order. Raises AboveMaximum when every maximum is explicit.
    """
    excess = target - sum(job.maxima.values())
    if excess <= 0:
        return {}
    widening = [v for v in job.variants if v.target_testers_max is None]
    if not widening:
        raise AboveMaximum(
            f"The variants take {sum(job.maxima.values())} testers together, and each has a maximum of its own."
        )
    return _handed_out(job, widening, excess)


def _handed_out(job: Job, widening: Iterable[Variant], excess: int) -> dict[UUID, int]:
    queue = [
        (job.taken_by_variant[v.id] + job.maxima[v.id] - v.first_maximum, order, v.id)
        for order, v in enumerate(widening)
    ]
    heapify(queue)
    maxima = dict(job.maxima)
    for _ in range(excess):
        count, order, variant_id = queue[0]
        heapreplace(queue, (count + 1, order, variant_id))
        maxima[variant_id] += 1
    return maxima
