"""Hypothesis strategies: jobs as owners may post them, and jobs that are partly taken."""

from itertools import count
from uuid import UUID

from hypothesis import strategies as st

from domain.job import events as e
from domain.job.decider import JOB
from domain.job.state import Job
from domain.job.terms import PaymentRule, Terms, Variant
from tests.builders import created, fixed, per_minute, person, resized, some_terms, taken_by, variant

PAYMENT_RULES: st.SearchStrategy[tuple[PaymentRule, ...]] = st.lists(
    st.one_of(
        st.integers(1, 500).map(fixed),
        st.builds(per_minute, st.integers(1, 50), st.none() | st.integers(1, 40)),
    ),
    min_size=1,
    max_size=2,
).map(tuple)


@st.composite
def variants(draw: st.DrawFn, most: int = 4) -> tuple[Variant, ...]:
    """One to three variants that together take somebody."""
    made = []
    for number in range(draw(st.integers(1, 3))):
        least = draw(st.integers(0, most))
        greatest = draw(st.none() | st.integers(max(1, least), most + 2))
        made.append(variant(number, least, greatest))
    if not any(v.first_maximum for v in made):
        made[0] = variant(0, 1)
    return tuple(made)


@st.composite
def targets(draw: st.DrawFn, of: tuple[Variant, ...]) -> int:
    """A number of testers that the variants allow."""
    least = sum(v.target_testers_min for v in of)
    return draw(st.integers(max(1, least), sum(v.first_maximum for v in of)))


@st.composite
def some_posted_terms(draw: st.DrawFn) -> Terms:
    """Terms as they pass the checks on arrival."""
    of = draw(variants())
    return some_terms(
        draw(targets(of)),
        draw(PAYMENT_RULES),
        of,
        posting_window_minutes=draw(st.sampled_from((5, 60, 600, 600))),
        hard_limit_minutes=draw(st.sampled_from((1, 10, 30, 60))),
        proof_hash=draw(st.sampled_from((None, None, "$argon2id$"))),
    )


@st.composite
def crowded_jobs(draw: st.DrawFn) -> Job:
    """An active job, perhaps resized before and after some of its slots were taken in any of its variants."""
    of = draw(variants())
    history: list[e.JobEvent] = [created(some_terms(draw(targets(of)), 300, of))]
    job = JOB.fold(history)
    assert job is not None
    job = _grown(draw, job)
    newcomers = count()
    for chosen in draw(st.lists(st.sampled_from([v.id for v in of]), max_size=job.target)):
        if job.taken_by_variant[chosen] < job.maxima[chosen]:
            job = JOB.evolve(job, taken_by(person(next(newcomers)), variant_id=chosen))
    least = max(1, job.taken, sum(v.target_testers_min for v in of))
    if least < job.target:
        job = JOB.evolve(job, resized(job.target, draw(st.integers(least, job.target))))
    return job


def _grown(draw: st.DrawFn, job: Job) -> Job:
    """Somewhat wider, where the owner left some maximum open."""
    open_ended = [v.id for v in job.variants if v.target_testers_max is None]
    if not open_ended:
        return job
    chosen: list[UUID] = draw(st.lists(st.sampled_from(open_ended), max_size=6))
    maxima = {key: job.maxima[key] + chosen.count(key) for key in open_ended if key in chosen}
    return JOB.evolve(job, resized(job.target, job.target + len(chosen), maxima=maxima))
