"""Who gets a slot, and in which variant."""

from collections.abc import Sequence
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from domain.errors import (
    AlreadyTaken,
    JobNotActive,
    LegalAgreementsRequired,
    NoSlotsLeft,
    NotEligible,
    NotStarted,
)
from domain.job import events as e
from domain.job.slots import is_open_to_everyone, open_variant
from domain.job.state import Job
from domain.job.terms import AudienceFilter, LegalAgreement, Pricing, TechConstraint, Variant
from domain.times import DAY, MINUTE
from tests.builders import (
    ALICE,
    BOB,
    CAROL,
    FIRST_VARIANT,
    SECOND_VARIANT,
    THIRD_VARIANT,
    an_active_job,
    cancelled_under,
    completed_by,
    crowd,
    done_by,
    expired_for,
    resized,
    returned_by,
    started_by,
    stopped,
    take_by,
    taken_by,
    timed_out_for,
    variant,
)
from tests.domain.strategies import crowded_jobs
from tests.given import JOB_SPEC, NOW

GROWN_UPS = AudienceFilter(field="age", op="between", min=18, max=99)
ONLY_DESKTOPS = TechConstraint(category="screen", rule="only", values=("desktop",))
NO_DESKTOPS = TechConstraint(category="screen", rule="exclude", values=("desktop",))

# Taking


def test_a_slot_is_reserved_for_ten_minutes() -> None:
    job = JOB_SPEC.given(*an_active_job()).when(take_by(ALICE), at=NOW + 5).then(taken_by(ALICE, at=NOW + 5)).state
    alice = job.assignments[ALICE.slot]
    assert (alice.status, alice.due_at, alice.settled_as) == ("pending", NOW + 5 + 10 * MINUTE, None)
    assert (job.at_work, job.taken, job.open_slots) == (1, 1, 4)


def test_the_reservation_is_the_pinned_one() -> None:
    short = JOB_SPEC.given(*an_active_job(pricing=Pricing(reservation_seconds=30)))
    job = short.when(take_by(ALICE)).then_kinds(e.SlotTaken).state
    assert job.assignments[ALICE.slot].due_at == NOW + MINUTE // 2


def test_the_last_slot_goes_to_the_first_to_ask() -> None:
    full = JOB_SPEC.given(*an_active_job(slots=1), taken_by(ALICE))
    full.when(take_by(BOB)).then_refused(NoSlotsLeft)


def test_exactly_as_many_as_there_are_slots_get_one() -> None:
    job = JOB_SPEC.given(*an_active_job(slots=10))
    outcomes = []
    for who in crowd(30):
        outcome = job.when(take_by(who))
        outcomes.append(outcome.refusal is None)
        job = job.and_then(*outcome.events)
    assert outcomes == [True] * 10 + [False] * 20


def test_a_tester_gets_a_job_once_whatever_became_of_it() -> None:
    ends = (
        (),
        (started_by(ALICE),),
        (started_by(ALICE), completed_by(ALICE)),
        (returned_by(ALICE),),
        (expired_for(ALICE),),
        (started_by(ALICE), timed_out_for(ALICE)),
    )
    for end in ends:
        JOB_SPEC.given(*an_active_job(), taken_by(ALICE), *end).when(take_by(ALICE)).then_refused(AlreadyTaken)


def test_a_slot_is_open_again_when_an_assignment_ends_without_completion() -> None:
    full = JOB_SPEC.given(*an_active_job(slots=1), taken_by(ALICE))
    for end in (returned_by(ALICE), expired_for(ALICE), timed_out_for(ALICE)):
        full.and_then(end).when(take_by(BOB)).then(taken_by(BOB))


def test_a_completed_slot_is_not_open_again() -> None:
    JOB_SPEC.given(*an_active_job(2), *done_by(ALICE), taken_by(BOB)).when(take_by(CAROL)).then_refused(NoSlotsLeft)


def test_a_paused_or_closing_job_takes_no_testers() -> None:
    busy = JOB_SPEC.given(*an_active_job(), taken_by(ALICE))
    paused = busy.and_then(e.Paused()).when(take_by(BOB)).then_refused(JobNotActive)
    assert paused.detail == "The job is paused and takes no testers now."
    busy.and_then(stopped()).when(take_by(BOB)).then_refused(JobNotActive)
    busy.and_then(e.Paused(), e.Resumed()).when(take_by(BOB)).then(taken_by(BOB))


def test_a_job_that_starts_later_is_open_from_its_start_on() -> None:
    waiting = JOB_SPEC.given(*an_active_job(starts_at=NOW + DAY))
    waiting.when(take_by(ALICE), at=NOW + DAY - 1).then_refused(NotStarted)
    waiting.when(take_by(ALICE), at=NOW + DAY).then(taken_by(ALICE, at=NOW + DAY))


def test_legal_agreements_must_be_accepted() -> None:
    bound = JOB_SPEC.given(*an_active_job(legal_agreements=(LegalAgreement(type="nda"),)))
    bound.when(take_by(ALICE)).then_refused(LegalAgreementsRequired)
    bound.when(take_by(ALICE, accepts_legal_agreements=True)).then(taken_by(ALICE))


def test_accepting_agreements_that_nobody_asked_for_is_fine() -> None:
    JOB_SPEC.given(*an_active_job()).when(take_by(ALICE, accepts_legal_agreements=True)).then(taken_by(ALICE))


def test_a_job_for_members_of_a_project_is_for_nobody_else() -> None:
    closed = JOB_SPEC.given(*an_active_job(project_id=UUID(int=1), project_testers_only=True))
    closed.when(take_by(ALICE)).then_refused(NotEligible)


def test_a_job_of_a_project_is_open_to_all_unless_it_says_otherwise() -> None:
    JOB_SPEC.given(*an_active_job(project_id=UUID(int=1))).when(take_by(ALICE)).then(taken_by(ALICE))


def test_a_tester_of_whom_nothing_is_known_meets_no_filter_and_no_only() -> None:
    assert is_open_to_everyone(variant())
    assert is_open_to_everyone(variant(tech_constraints=(NO_DESKTOPS,)))
    assert not is_open_to_everyone(variant(audience_filters=(GROWN_UPS,)))
    assert not is_open_to_everyone(variant(tech_constraints=(NO_DESKTOPS, ONLY_DESKTOPS)))
    picky = (variant(0, 1, 2, audience_filters=(GROWN_UPS,)), variant(1, 1, 2, tech_constraints=(ONLY_DESKTOPS,)))
    JOB_SPEC.given(*an_active_job(2, variants=picky)).when(take_by(ALICE)).then_refused(NotEligible)


def test_the_eligible_variant_is_given_and_not_the_better_one() -> None:
    variants = (variant(0, 2, 3, audience_filters=(GROWN_UPS,)), variant(1, 1, 2))
    job = JOB_SPEC.given(*an_active_job(3, variants=variants))
    full = job.when(take_by(ALICE)).then(taken_by(ALICE, variant_id=SECOND_VARIANT))
    full.when(take_by(BOB)).then_refused(NoSlotsLeft)


def test_a_full_variant_is_closed_to_those_for_whom_only_it_would_be() -> None:
    """Another one has room, but not for this tester."""
    variants = (variant(0, 0, 1), variant(1, 0, 2, audience_filters=(GROWN_UPS,)))
    JOB_SPEC.given(*an_active_job(3, variants=variants), taken_by(ALICE)).when(take_by(BOB)).then_refused(NoSlotsLeft)


# Which variant


def test_the_variant_furthest_below_its_minimum_comes_first() -> None:
    job = JOB_SPEC.given(*an_active_job(6, variants=(variant(0, 1, 5), variant(1, 3, 3))))
    job = job.when(take_by(ALICE)).then(taken_by(ALICE, variant_id=SECOND_VARIANT))
    job = job.when(take_by(BOB)).then(taken_by(BOB, variant_id=SECOND_VARIANT))
    # Both lack one now; the first one has more room.
    job.when(take_by(CAROL)).then(taken_by(CAROL, variant_id=FIRST_VARIANT))


def test_with_all_minima_met_the_most_room_decides_then_the_order() -> None:
    job = JOB_SPEC.given(*an_active_job(6, variants=(variant(0, 0, 3), variant(1, 0, 4), variant(2, 0, 3))))
    job = job.when(take_by(ALICE)).then(taken_by(ALICE, variant_id=SECOND_VARIANT))
    job = job.when(take_by(BOB)).then(taken_by(BOB, variant_id=FIRST_VARIANT))
    job.when(take_by(CAROL)).then(taken_by(CAROL, variant_id=SECOND_VARIANT))


def test_a_slot_that_another_minimum_needs_is_not_given_away() -> None:
    variants = (variant(0, 0, 3), variant(1, 2, 2, audience_filters=(GROWN_UPS,)))
    job = JOB_SPEC.given(*an_active_job(3, variants=variants))
    job = job.when(take_by(ALICE)).then(taken_by(ALICE, variant_id=FIRST_VARIANT))
    assert "in particular" in job.when(take_by(BOB)).then_refused(NoSlotsLeft).detail


def test_a_variant_at_its_maximum_is_closed() -> None:
    job = JOB_SPEC.given(*an_active_job(3, variants=(variant(0, 0, 1), variant(1, 0, 2))))
    job = job.and_then(taken_by(ALICE, variant_id=SECOND_VARIANT), taken_by(BOB, variant_id=SECOND_VARIANT))
    job.when(take_by(CAROL)).then(taken_by(CAROL, variant_id=FIRST_VARIANT))


def shrunk_below_what_is_lacking() -> tuple[e.JobEvent, ...]:
    """The first variant took five; the others lack three each, and only two slots are left."""
    variants = (variant(0, 1, 5), variant(1, 3, 3), variant(2, 3, 3))
    return (
        *an_active_job(11, variants=variants),
        *(taken_by(who, variant_id=FIRST_VARIANT) for who in crowd(5)),
        resized(11, 7),
    )


def test_a_shrunk_job_still_fills_the_slots_that_its_minima_lack() -> None:
    job = JOB_SPEC.given(*shrunk_below_what_is_lacking())
    job = job.when(take_by(ALICE)).then(taken_by(ALICE, variant_id=SECOND_VARIANT))
    job.when(take_by(BOB)).then(taken_by(BOB, variant_id=THIRD_VARIANT))


def test_a_full_job_takes_nobody_even_if_a_minimum_is_lacking() -> None:
    full = JOB_SPEC.given(
        *shrunk_below_what_is_lacking(),
        taken_by(ALICE, variant_id=SECOND_VARIANT),
        taken_by(BOB, variant_id=THIRD_VARIANT),
    )
    assert full.state.open_slots == 0
    assert "Every slot" in full.when(take_by(CAROL)).then_refused(NoSlotsLeft).detail


def lacking(job: Job, variant: Variant) -> int:
    return max(0, variant.target_testers_min - job.taken_by_variant[variant.id])


def open_by_the_letter(job: Job, eligible: Sequence[Variant]) -> list[Variant]:
    """The rule as the docs say it, word for word."""
    return [
        variant
        for variant in eligible
        if job.taken_by_variant[variant.id] < job.maxima[variant.id]
        and job.open_slots > sum(lacking(job, other) for other in job.variants if other is not variant)
    ]


def best_by_the_letter(job: Job, candidates: Sequence[Variant]) -> Variant | None:
    """First the one furthest below its minimum, then the one with the most room, then the first."""
    best = sorted(
        candidates,
        key=lambda v: (-lacking(job, v), -(job.maxima[v.id] - job.taken_by_variant[v.id]), job.variants.index(v)),
    )
    return best[0] if best else None


@given(crowded_jobs(), st.data())
def test_the_variant_is_the_one_that_the_rule_says(job: Job, data: st.DataObject) -> None:
    eligible = [v for v in job.variants if data.draw(st.booleans())]
    chosen = open_variant(job, eligible)
    by_the_letter = best_by_the_letter(job, open_by_the_letter(job, eligible))
    if by_the_letter is not None:
        assert chosen is by_the_letter
    elif chosen is not None:
        # Fewer slots are open than all minima lack (after shrinking): those that lack something may fill them.
        assert 0 < job.open_slots < sum(lacking(job, v) for v in job.variants)
        assert chosen is best_by_the_letter(job, [v for v in eligible if lacking(job, v)])


@given(crowded_jobs())
def test_while_slots_are_open_somebody_who_fits_everywhere_gets_one(job: Job) -> None:
    chosen = open_variant(job, job.variants)
    assert (chosen is not None) == (job.open_slots > 0)
    if chosen is not None:
        assert job.taken_by_variant[chosen.id] < job.maxima[chosen.id]


def test_the_counts_follow_who_leaves_and_who_stays() -> None:
    variants = (variant(0, 2, 3), variant(1, 2, 3))
    job = JOB_SPEC.given(
        *an_active_job(4, variants=variants),
        taken_by(ALICE),
        taken_by(BOB, variant_id=SECOND_VARIANT),
        taken_by(CAROL),
        started_by(CAROL),
        completed_by(CAROL),
        returned_by(BOB),
        cancelled_under(ALICE),
    ).state
    assert job.taken_by_variant == {FIRST_VARIANT: 1, SECOND_VARIANT: 0}
    assert [a.tester_id for a in job.completed_assignments()] == [CAROL.id]
    assert list(job.assignments_at_work()) == []
