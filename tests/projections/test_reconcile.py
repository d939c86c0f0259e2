"""Reconciliation: a sound history has no break, and of faults put in at random all are found, and nothing else."""

from pathlib import Path
from random import Random
from uuid import UUID

import pytest

from domain.credits import events as credits
from projections.reconcile.breaks import Category
from projections.reconcile.gaps import Gaps
from projections.reconcile.period import Period
from projections.reconcile.reconciliation import reconcile
from tests.builders import OWNER, recorded
from tests.given import NOW
from tests.projections.faults import AFTER_IT, IN_THE_LOG, World, spoil
from tests.projections.told import told_of
from tests.simulation.books import File
from tests.simulation.lives import live_a_year

SEEDS = range(25)


@pytest.fixture(scope="module", params=[1, 2, 3])
def file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> File:
    path: Path = tmp_path_factory.mktemp("year") / "tallyhold.sqlite"
    live_a_year(path, request.param, 900, told_by_others=request.param == 3)
    return File(path)


def world(file: File, seed: int) -> World:
    made = World(file.recorded, file.head["last_time"], Random(seed))
    made.derive()
    return made


def test_a_sound_history_has_no_break_and_every_control_agrees(file: File) -> None:
    result = world(file, 0).run()
    assert result.breaks == ()
    assert all(control.agrees for control in result.controls)
    assert result.events == len(file.recorded)
    assert result.entries == len(file.journal)


@pytest.mark.parametrize("seed", SEEDS)
def test_all_faults_are_found_each_in_its_category_and_none_is_invented(file: File, seed: int) -> None:
    it = world(file, seed)
    spoil(it, of_each=1 + seed % 4)
    found = list(it.run().breaks)
    for expected in it.expected:
        met = next((one for one in found if expected.is_met_by(one)), None)
        assert met is not None, f"seed {seed}: {expected} is not among {found}"
        found.remove(met)
    assert not found, f"seed {seed}: invented"


def test_faults_of_every_category_are_put_in(file: File) -> None:
    categories = set()
    for seed in (0, 1):
        it = world(file, seed)
        spoil(it, of_each=2)
        assert len(it.expected) >= len(IN_THE_LOG) + len(AFTER_IT)
        categories |= {expected.category for expected in it.expected}
    assert categories == set(Category)


def test_every_missing_event_is_told_once(file: File) -> None:
    """Whatever is missing, also of money and several in a row."""
    chance = Random(5)
    for _ in range(50):
        gone = set(chance.sample(range(1, len(file.recorded)), chance.randint(1, 60)))
        gaps = Gaps()
        for one in file.recorded:
            if one.position not in gone:
                gaps.see(one)
        assert len(list(gaps.breaks())) == len(gone)


def test_billing_that_is_missing_is_told_of_an_owner_who_has_posted_nothing() -> None:
    bought = (
        credits.PurchaseStarted(purchase_id=UUID(int=1), amount_cents=1_000),
        credits.PurchaseCompleted(purchase_id=UUID(int=1), amount_cents=1_000, reference="ch_1"),
    )
    log = [recorded(event, OWNER, number) for number, event in enumerate(bought, 1)]
    told = told_of(log, NOW)
    assert reconcile(log, told, Period(), NOW, None, None).breaks == ()
    del told.owners[str(OWNER)]
    (found,) = reconcile(log, told, Period(), NOW, None, None).breaks
    assert (found.category, found.amount_cents, found.positions) == (Category.READ_MODEL_DRIFT, -1_000, (2,))
    assert found.subject == f"billing of owner {OWNER}"
