"""A tester's wallet: what was granted less what was withdrawn."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvariantBroken, NotEnoughPayable
from domain.tester.commands import TakeBack, Withdraw
from domain.tester.decider import WALLET
from domain.tester.events import TakenBack, Withdrawn
from tests.given import NOW, WALLET_SPEC


def withdraw(amount: int, granted: int) -> Withdraw:
    return Withdraw(withdrawal_id=UUID(int=1), amount_cents=amount, granted_cents=granted)


def withdrawn(amount: int) -> Withdrawn:
    return Withdrawn(withdrawal_id=UUID(int=1), amount_cents=amount)


def test_all_that_was_granted_can_be_withdrawn() -> None:
    wallet = WALLET_SPEC.given().when(withdraw(300, granted=300)).then(withdrawn(300)).state
    assert wallet.withdrawn_cents == 300


def test_no_more_than_is_payable_can_be_withdrawn() -> None:
    WALLET_SPEC.given().when(withdraw(1, granted=0)).then_refused(NotEnoughPayable)
    refusal = WALLET_SPEC.given(withdrawn(100)).when(withdraw(201, granted=300)).then_refused(NotEnoughPayable)
    assert refusal.facts == {"neededCents": 201, "availableCents": 200}
    assert refusal.detail == "This needs 201 cents in the wallet; 200 are payable."


def test_what_was_withdrawn_is_remembered() -> None:
    twice = WALLET_SPEC.given(withdrawn(100), withdrawn(50)).when(withdraw(150, granted=300)).then(withdrawn(150))
    assert twice.state.withdrawn_cents == 300


def test_what_came_back_can_be_withdrawn_again() -> None:
    back = TakenBack(withdrawal_id=UUID(int=1), amount_cents=100)
    wallet = WALLET_SPEC.given(withdrawn(100)).when(TakeBack(withdrawal_id=UUID(int=1), amount_cents=100)).then(back)
    wallet.when(withdraw(100, granted=100)).then(withdrawn(100))
    with pytest.raises(InvariantBroken):
        WALLET.fold([withdrawn(99), back])


@pytest.mark.parametrize("behind", [0, 1, 100])
def test_a_sum_that_is_behind_refuses_too_early_but_never_pays_too_much(behind: int) -> None:
    wallet = WALLET_SPEC.given(withdrawn(100))
    outcome = wallet.when(withdraw(200, granted=300 - behind))
    assert (outcome.refusal is None) == (behind == 0)


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(1, 500)), max_size=20))
def test_withdrawals_never_exceed_what_was_granted(steps: list[tuple[int, int]]) -> None:
    wallet, granted = None, 0
    for more, amount in steps:
        granted += more
        try:
            events = WALLET.decide(withdraw(amount, granted), wallet, NOW)
        except NotEnoughPayable:
            continue
        wallet = WALLET.fold(events, wallet)
        assert wallet is not None
        assert wallet.withdrawn_cents <= granted
