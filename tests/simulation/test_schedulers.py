"""Deadlines are rules, not timers: who watches the clock, and whether anybody does, leaves no trace in the log."""

import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.given import NOW
from tests.local import HandClock, new_database, tables
from tests.simulation.books import File
from tests.simulation.commands import Buy, Command, Create, Pay, Start, Submit, Take, Terms, Version
from tests.simulation.drivers import TESTERS, InProcess
from tests.simulation.history import Moment, history
from tests.simulation.model import DAY, MINUTE

JOBS_DUE_TOGETHER = ("to be approved", "posted", "started", "reserved")

Watch = Callable[[InProcess, int], None]
"""How somebody watches the clock while it runs up to an instant."""


def punctual(driver: InProcess, until: int) -> None:
    """Wakes at every deadline."""
    while (due := driver.local.committer.next_due) is not None and due <= until:
        driver.move_to(due)
        driver.catch_up()


def late(chance: Random) -> Watch:
    """Wakes when it likes."""

    def watch(driver: InProcess, until: int) -> None:
        if chance.random() < 0.3:
            driver.move_to(chance.randint(driver.clock.at, until))
            driver.catch_up()

    return watch


def absent(driver: InProcess, until: int) -> None:
    """Only commands, and one read at the end, make anything happen."""


def impatient(driver: InProcess, until: int) -> None:
    """Wakes just before, at and just after each deadline, and all the time in between."""
    while (due := driver.local.committer.next_due) is not None and due <= until:
        for instant in (due - 1, due, due + 1):
            if driver.clock.at <= instant <= until:
                driver.move_to(instant)
                driver.catch_up()


def lived(moments: Sequence[Moment], watch: Watch) -> dict[str, Any]:
    """All that a life leaves behind, under somebody who watches the clock."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tallyhold.sqlite"
        new_database(path)
        answered = []
        with closing(InProcess(path, HandClock(NOW), watched=False)) as driver:
            for moment in moments:
                watch(driver, moment.at)
                driver.move_to(moment.at)
                answered.append(driver.ask(moment.command))
            end = moments[-1].at + 30 * DAY
            watch(driver, end)
            driver.move_to(end)
            driver.catch_up()
        file = File(path)
        file.check()
        rows = tables(path)
        rows.pop("purchases")  # their ids are new each time
        return {"answered": answered, "log": list(map(_told, file.stored)), **rows}


def _told(stored: Any) -> tuple[Any, ...]:
    """An event without what is new each time: ids, and when and by which command it was written."""
    recorded = stored.recorded()
    event = msgspec.to_builtins(recorded.event, str_keys=True)
    event.pop("purchase_id", None)
    return stored.position, stored.stream, stored.version, stored.name, recorded.occurred_at, recorded.actor.kind, event


@settings(max_examples=8, deadline=None, derandomize=True, print_blob=True)
@given(st.integers(0, 2**32))
def test_a_punctual_a_late_and_an_absent_scheduler_write_the_same_log(seed: int) -> None:
    moments = list(history(Random(seed), 60, NOW))
    expected = lived(moments, absent)
    for who, watch in {"punctual": punctual, "late": late(Random(seed)), "impatient": impatient}.items():
        for name, left in lived(moments, watch).items():
            assert left == expected[name], f"{name} under the {who} one"


@pytest.mark.parametrize("seed", range(2))
def test_and_so_they_do_in_a_long_life(seed: int) -> None:
    moments = list(history(Random(seed), 300, NOW))
    assert lived(moments, punctual) == lived(moments, absent)


def test_at_one_instant_deadlines_pass_by_kind_and_then_by_order_of_creation(tmp_path: Path) -> None:
    """Reservations, hard limits, ends of posting, approvals; here everything was created the other way round."""
    path, then = tmp_path / "tallyhold.sqlite", NOW + DAY
    new_database(path)
    one_slot = Terms(slots=1, pay=(Pay(300),), versions=(Version(1),), window=600, hard_limit=10)
    two_slots = replace(one_slot, slots=2, versions=(Version(2),))
    asked: list[tuple[int, Command]] = [
        (NOW, Buy("Olga", 100_000)),
        (NOW, Create("Olga", "to be approved", one_slot)),
        *((NOW, work("Ada", "to be approved")) for work in (Take, Start, Submit)),
        (then - 60 * MINUTE, Create("Olga", "posted", replace(one_slot, window=60))),
        (then - 10 * MINUTE, Create("Olga", "started", two_slots)),
        *((then - 10 * MINUTE, work(who, "started")) for who in ("Ben", "Ada") for work in (Take, Start)),
        (then - 10 * MINUTE, Create("Olga", "reserved", two_slots)),
        *((then - 10 * MINUTE, Take(who, "reserved")) for who in ("Eve", "Dan")),
    ]
    with closing(InProcess(path, HandClock(NOW), watched=False)) as driver:
        for at, command in asked:
            driver.move_to(at)
            assert driver.ask(command) is None
        driver.move_to(then)
        driver.catch_up()
        names = {driver.id_of(name): name for name in (*JOBS_DUE_TOGETHER, *TESTERS)}
    passed = File(path).deadlines_passed()
    assert {at for at, *_ in passed} == {then}
    assert [(kind, names[job], tester and names[tester]) for _, kind, job, tester in passed] == [
        (0, "reserved", "Eve"),
        (0, "reserved", "Dan"),
        (1, "started", "Ben"),
        (1, "started", "Ada"),
        (2, "posted", None),
        (3, "to be approved", None),
    ]


def test_a_deadline_that_another_one_sets_passes_in_its_own_time(tmp_path: Path) -> None:
    """What nobody has watched: a job closes and is approved a day later, before another one's end of posting."""
    path = tmp_path / "tallyhold.sqlite"
    new_database(path)
    soon = Terms(slots=2, pay=(Pay(300),), versions=(Version(2),), window=60, hard_limit=10)
    asked: list[Command] = [
        Buy("Olga", 100_000),
        Create("Olga", "later", replace(soon, window=3 * 24 * 60)),
        Create("Olga", "sooner", soon),
        *(work("Ada", "sooner") for work in (Take, Start, Submit)),
    ]
    with closing(InProcess(path, HandClock(NOW), watched=False)) as driver:
        assert [driver.ask(command) for command in asked] == [None] * len(asked)
        driver.move_to(NOW + 5 * DAY)
        driver.catch_up()
        names = {driver.id_of(name): name for name in ("sooner", "later")}
    closed = NOW + 60 * MINUTE
    assert [(at, kind, names[job]) for at, kind, job, _ in File(path).deadlines_passed()] == [
        (closed, 2, "sooner"),
        (closed + DAY, 3, "sooner"),
        (NOW + 3 * DAY, 2, "later"),
    ]
