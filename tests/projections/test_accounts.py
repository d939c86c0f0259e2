"""Replay for billing: the accounts that the log adds up to are those of the read model, at any instant."""

from contextlib import closing
from pathlib import Path

import pytest

from api.store.sql_reads import SQLReads
from domain.ledger.accounts import Side
from projections.reconcile.accounts import Accounts
from projections.reconcile.journal import posted
from projections.reconcile.period import Period
from tests.given import NOW
from tests.local import database, query
from tests.simulation.books import File
from tests.simulation.lives import YEAR, live_a_year

SEEDS = (1, 2)


@pytest.fixture(scope="module", params=SEEDS)
def path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("year") / "tallyhold.sqlite"
    live_a_year(path, request.param, told_by_others=True)
    return path


def accounts(path: Path, period: Period) -> Accounts:
    made = Accounts(period)
    for one in posted(period.of(File(path).recorded)):
        assert not list(made.post(one)), "an account is below zero"
    return made


def closing_balances(made: Accounts) -> dict[str, int]:
    return {line.account.name: line.closing_cents for line in made.lines()}


def test_the_replayed_accounts_are_those_of_the_read_model(path: Path) -> None:
    with closing(SQLReads(database(path).reader(), lambda *_: None)) as reads:
        told = dict(reads.balances())
    replayed = closing_balances(accounts(path, Period()))
    assert replayed == {name: cents for name, cents in told.items() if name in replayed}
    assert not any(cents for name, cents in told.items() if name not in replayed)


@pytest.mark.parametrize("part", [0, 1, 2, 3])
def test_opening_and_movement_make_closing(path: Path, part: int) -> None:
    begins = NOW + part * YEAR // 4
    ends = begins + YEAR // 4
    before = closing_balances(accounts(path, Period(as_of=begins - 1)))
    whole = closing_balances(accounts(path, Period(as_of=ends)))
    for line in accounts(path, Period(begins=begins, as_of=ends)).lines():
        assert line.opening_cents == before.get(line.account.name, 0)
        assert line.closing_cents == whole[line.account.name]
        assert line.opening_cents + line.movement_cents == line.closing_cents


def test_debits_and_credits_are_equal_in_every_total(path: Path) -> None:
    made = accounts(path, Period(begins=NOW + YEAR // 2))
    sides = made.trial_balance()
    assert sides[Side.DEBIT] == sides[Side.CREDIT] > 0
    totals = made.by_kind().values()
    assert sum(t.debit_cents for t in totals) == sum(t.credit_cents for t in totals) > 0
    assert sum(t.accounts for t in totals) == len(closing_balances(made))


def test_what_was_not_known_yet_does_not_count(path: Path) -> None:
    """A deadline that passed while nobody looked is true from then on, but was recorded later."""
    late = query(path, "SELECT count(*) FROM stored_events")[0][0]
    recorded = File(path).recorded
    assert len(recorded) == late
    behind = next(one for one in recorded if one.recorded_at > one.occurred_at)
    true = list(Period(as_of=behind.occurred_at).of(recorded))
    known = list(Period(as_of=behind.occurred_at, known_at=behind.recorded_at - 1).of(recorded))
    assert behind in true
    assert behind not in known
    assert known == true[: len(known)], "what is known is a beginning of the log"
