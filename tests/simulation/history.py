"""Long random lives of a platform: what to ask next, drawn with the model's knowledge so that jobs get far."""

from collections.abc import Callable, Iterator
from random import Random
from typing import NamedTuple

from tests.simulation.commands import (
    AskJob,
    Buy,
    Command,
    Create,
    Dispute,
    JobVerb,
    Pay,
    Resize,
    Resolve,
    Return,
    Start,
    State,
    Submit,
    Take,
    Terms,
    Verdict,
    Version,
    Withdraw,
)
from tests.simulation.drivers import OWNERS, TESTERS
from tests.simulation.model import DAY, MINUTE, Job, Model

OPEN_AT_ONCE = 5


class Moment(NamedTuple):
    """A command and its time."""

    at: int
    command: Command


SPELL = 20
"""Commands that come close together."""


def history(chance: Random, steps: int, start: int, tick: int = 1, idle: int = 0) -> Iterator[Moment]:
    """So many commands, each at its time; most of them make sense, and the model says whether they do.

    After every spell nobody does anything for ``idle`` milliseconds.
    """
    model = Model(start)
    for owner in OWNERS:
        yield _asked(model, Buy(owner, chance.choice([3_000, 50_000, 500_000])))
    for step in range(steps):
        rest = 0 if step % SPELL else idle
        model.move_to(model.now + (rest + _pause(chance, model)) // tick * tick)
        yield _asked(model, _next(chance, model))


def _asked(model: Model, command: Command) -> Moment:
    model.ask(command)
    return Moment(model.now, command)


def _pause(chance: Random, model: Model) -> int:
    """Mostly short; sometimes to the very instant of a deadline or a step beside it; seldom long."""
    due = min(model.dues(), default=None)
    kind = chance.random()
    if kind < 0.35:
        return 0
    if kind < 0.45 and due is not None:
        return max(0, due.at - model.now + chance.choice((-1_000, -1, 0, 0, 1)))
    if kind < 0.47:
        return chance.randrange(2 * DAY)
    return chance.randrange(3 * MINUTE)


def _next(chance: Random, model: Model) -> Command:
    choices = [choose for choose, weight in _CHOICES for _ in range(weight)]
    while True:
        command = chance.choice(choices)(chance, model)
        if command is not None:
            return command


def _job(chance: Random, model: Model, holds: Callable[[Job], bool] = lambda _: True) -> Job | None:
    found = [job for job in model.jobs.values() if holds(job)]
    return chance.choice(found) if found else None


def _buy(chance: Random, model: Model) -> Command:
    return Buy(chance.choice(OWNERS), chance.choice((1, 700, 20_000, 100_402)))


def _create(chance: Random, model: Model) -> Command | None:
    if sum(job.is_open for job in model.jobs.values()) >= OPEN_AT_ONCE:
        return None
    return Create(chance.choice(OWNERS), f"job {len(model.jobs)}", some_terms(chance))


def some_terms(chance: Random) -> Terms:
    """Terms as an owner may post them."""
    versions = [
        Version(chance.randrange(3), chance.choice((None, 3, 4)), for_nobody=chance.random() < 0.06)
        for _ in range(chance.randint(1, 3))
    ]
    if not any(v.least or v.most for v in versions):
        versions[0] = Version(2)
    least, most = sum(v.least for v in versions), sum(v.least if v.most is None else v.most for v in versions)
    pay = [Pay(chance.randint(1, 500))] if chance.random() < 0.7 else []
    if not pay or chance.random() < 0.4:
        pay.append(Pay(chance.randint(1, 40), per_minute=True, cap=chance.choice((None, 1, 20))))
    return Terms(
        slots=chance.randint(max(1, least), max(1, most)),
        pay=tuple(pay),
        versions=tuple(versions),
        window=chance.choice((5, 60, 600, 4_000)),
        hard_limit=chance.choice((1, 10, 30)),
        paid_limit=chance.choice((None, 5)) if any(rule.per_minute for rule in pay) else None,
        starts_in=chance.choice((None, None, None, 10 * MINUTE)),
        agreement=chance.random() < 0.1,
        proof=chance.random() < 0.15,
    )


_VERBS: tuple[JobVerb, ...] = ("resume", "resume", "pause", "stop", "settle", "cancel", "approve")


def _verb(chance: Random, model: Model) -> Command | None:
    job = _job(chance, model, lambda job: job.is_open)
    return AskJob(chance.choice(_VERBS[:-1]), job.name) if job else None


def _any_verb(chance: Random, model: Model) -> Command | None:
    job = _job(chance, model)
    return AskJob(chance.choice(_VERBS), job.name) if job else None


def _approve(chance: Random, model: Model) -> Command | None:
    job = _job(chance, model, lambda job: job.settlement == "pending_approval")
    return AskJob("approve", job.name) if job else None


def _resize(chance: Random, model: Model) -> Command | None:
    job = _job(chance, model, lambda job: job.is_open)
    return Resize(job.name, max(1, job.target + chance.randint(-3, 6))) if job else None


def _take(chance: Random, model: Model) -> Command | None:
    job = _job(chance, model, lambda job: job.status == "active")
    return Take(chance.choice(TESTERS), job.name, chance.random() < 0.9) if job else None


def _start(chance: Random, model: Model) -> Command | None:
    job = _job(chance, model, lambda job: bool(job.those("pending")))
    return Start(chance.choice(job.those("pending")).tester, job.name) if job else None


def _submit(chance: Random, model: Model) -> Command | None:
    job = _job(chance, model, lambda job: bool(job.those("started")))
    if job is None:
        return None
    proof = chance.random() < 0.3 if job.terms.proof else None
    return Submit(chance.choice(job.those("started")).tester, job.name, chance.choice((1, 5, 5, None)), proof)


def _guess(chance: Random, model: Model) -> Command | None:
    """The same tester again and again, until the proof is locked."""
    job = _job(chance, model, lambda job: job.terms.proof and bool(job.those("started")))
    return Submit(job.those("started")[0].tester, job.name, proof=False) if job else None


def _odd_work(chance: Random, model: Model) -> Command | None:
    job = _job(chance, model, lambda job: bool(job.assignments))
    return chance.choice((Start, Return, Submit))(chance.choice(list(job.assignments)), job.name) if job else None


def _dispute(chance: Random, model: Model) -> Command | None:
    job = _job(chance, model, lambda job: job.settlement == "pending_approval")
    if job is None:
        return None
    listed = tuple(a.tester for a in job.completed if chance.random() < 0.5)
    return Dispute(job.name, listed, chance.random() < 0.2, chance.random() < 0.5)


def _odd_dispute(chance: Random, model: Model) -> Command | None:
    job = _job(chance, model, lambda job: job.settlement is not None)
    if job is None:
        return None
    anybody = tuple(chance.choices(TESTERS, k=2))
    if chance.random() < 0.5:
        return Dispute(job.name, anybody)
    return Resolve(job.name, tuple(Verdict(tester, chance.randrange(500), chance.randrange(100)) for tester in anybody))


def _state(chance: Random, model: Model) -> Command | None:
    job = _job(chance, model, lambda job: job.settlement == "disputed")
    return State(chance.choice(list(job.assignments)), job.name) if job else None


def _resolve(chance: Random, model: Model) -> Command | None:
    job = _job(chance, model, lambda job: job.settlement in ("disputed", "resolved"))
    if job is None:
        return None
    claimed = [a for a in job.completed if a.claim is not None and chance.random() < 0.7]
    verdicts = (Verdict(a.tester, chance.randint(0, a.earned), chance.choice((None, None, 0))) for a in claimed)
    return Resolve(job.name, tuple(verdicts)) if claimed else None


def _withdraw(chance: Random, model: Model) -> Command:
    tester = chance.choice(TESTERS)
    return Withdraw(tester, max(1, model.payable(tester) * chance.choice((50, 100, 101)) // 100))


_CHOICES: tuple[tuple[Callable[[Random, Model], Command | None], int], ...] = (
    # what may be asked next, and how often
    (_buy, 1),
    (_create, 3),
    (_verb, 2),
    (_any_verb, 1),
    (_approve, 1),
    (_resize, 2),
    (_take, 8),
    (_start, 8),
    (_submit, 8),
    (_guess, 4),
    (_odd_work, 1),
    (_dispute, 2),
    (_state, 2),
    (_resolve, 2),
    (_odd_dispute, 1),
    (_withdraw, 2),
)
