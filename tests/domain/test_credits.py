"""An owner's account of credits: bought, held, released, never overdrawn."""

from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.credits import commands as c
from domain.credits import events as e
from domain.credits.decider import CREDITS
from domain.credits.escrow import credits_command
from domain.credits.state import Account
from domain.errors import InvariantBroken, NotEnoughCredits, Refusal
from domain.job.events import ClosedReason, JobEvent
from tests.builders import (
    ALICE,
    JOB_ID,
    an_active_job,
    cancelled,
    completed_by,
    granted_to,
    refunded_for,
    resized,
    settled,
    taken_by,
)
from tests.given import CREDITS_SPEC, NOW

PURCHASE = UUID(int=1)


def bought(amount: int, purchase_id: UUID = PURCHASE) -> tuple[e.CreditsEvent, ...]:
    return (
        e.PurchaseStarted(purchase_id=purchase_id, amount_cents=amount),
        e.PurchaseCompleted(purchase_id=purchase_id, amount_cents=amount, reference="ch_1"),
    )


def hold(amount: int) -> c.HoldCredits:
    return c.HoldCredits(job_id=JOB_ID, amount_cents=amount)


def held(amount: int) -> e.Held:
    return e.Held(job_id=JOB_ID, amount_cents=amount)


def test_a_purchase_counts_once_the_gateway_took_the_payment() -> None:
    started = (
        CREDITS_SPEC.given()
        .when(c.StartPurchase(purchase_id=PURCHASE, amount_cents=500))
        .then(e.PurchaseStarted(purchase_id=PURCHASE, amount_cents=500))
    )
    assert started.state == Account(0, {PURCHASE: 500})
    completed = started.when(c.CompletePurchase(purchase_id=PURCHASE, reference="ch_1")).then(*bought(500)[1:])
    assert completed.state == Account(500, {})


def test_a_purchase_that_failed_brings_nothing() -> None:
    started = CREDITS_SPEC.given(e.PurchaseStarted(purchase_id=PURCHASE, amount_cents=500))
    failed = started.when(c.FailPurchase(purchase_id=PURCHASE, reason="declined")).then(
        e.PurchaseFailed(purchase_id=PURCHASE, reason="declined")
    )
    assert failed.state == Account(0, {})


def test_a_purchase_is_answered_once() -> None:
    answered = (
        CREDITS_SPEC.given(*bought(500)),
        CREDITS_SPEC.given(bought(500)[0], e.PurchaseFailed(purchase_id=PURCHASE, reason="declined")),
        CREDITS_SPEC.given(),
    )
    for account in answered:
        account.when(c.CompletePurchase(purchase_id=PURCHASE, reference="ch_2")).then_nothing()
        account.when(c.FailPurchase(purchase_id=PURCHASE, reason="declined")).then_nothing()


def test_open_purchases_are_answered_each_by_itself() -> None:
    other = UUID(int=2)
    both = CREDITS_SPEC.given(bought(500)[0], bought(70, other)[0])
    one = both.when(c.CompletePurchase(purchase_id=other, reference="ch_1")).then(bought(70, other)[1])
    assert one.state == Account(70, {PURCHASE: 500})


def test_a_hold_takes_from_the_balance() -> None:
    account = CREDITS_SPEC.given(*bought(1950)).when(hold(1950)).then(held(1950)).state
    assert account.balance_cents == 0


def test_a_hold_beyond_the_balance_tells_what_is_missing() -> None:
    refusal = CREDITS_SPEC.given(*bought(1949)).when(hold(1950)).then_refused(NotEnoughCredits)
    assert refusal.facts == {"neededCents": 1950, "availableCents": 1949}
    assert refusal.detail == "This needs 1950 cents of free credits; 1949 are available."
    CREDITS_SPEC.given().when(hold(1)).then_refused(NotEnoughCredits)


def test_a_release_gives_back() -> None:
    account = CREDITS_SPEC.given(*bought(1950), held(1950))
    back = account.when(c.ReleaseCredits(job_id=JOB_ID, amount_cents=390)).then(
        e.Released(job_id=JOB_ID, amount_cents=390)
    )
    assert back.state.balance_cents == 390


@pytest.mark.parametrize(
    ("kind", "event"), [(c.Reversal.CHARGEBACK, e.ChargedBack), (c.Reversal.REFUND, e.PurchaseRefunded)]
)
@pytest.mark.parametrize(("free", "taken", "owed"), [(500, 500, 0), (200, 200, 300), (0, 0, 500)])
def test_what_the_gateway_takes_back_was_spent_or_not(
    kind: c.Reversal, event: Any, free: int, taken: int, owed: int
) -> None:
    account = CREDITS_SPEC.given(*bought(500), *([held(500 - free)] if free < 500 else []))
    asked = c.ReversePurchase(purchase_id=PURCHASE, kind=kind, reference="txn_2", amount_cents=500, dated_at=NOW)
    told = event(purchase_id=PURCHASE, reference="txn_2", credits_cents=taken, receivable_cents=owed, dated_at=NOW)
    assert account.when(asked).then(told).state.balance_cents == 0


def test_history_that_overdraws_is_impossible() -> None:
    back = e.ChargedBack(purchase_id=PURCHASE, reference="txn_2", credits_cents=11, receivable_cents=0, dated_at=NOW)
    for too_much in (held(11), back):
        with pytest.raises(InvariantBroken):
            CREDITS.fold([*bought(10), too_much])


@given(st.integers(0, 10_000), st.integers(1, 2_000), st.integers(0, 20))
def test_as_many_holds_succeed_as_the_balance_covers(balance: int, each: int, asked: int) -> None:
    account = CREDITS.fold(bought(balance))
    succeeded = 0
    for _ in range(asked):
        try:
            account = CREDITS.fold(CREDITS.decide(hold(each), account, NOW), account)
        except NotEnoughCredits:
            continue
        succeeded += 1
    assert succeeded == min(asked, balance // each)


COMMANDS = st.one_of(
    st.builds(c.HoldCredits, job_id=st.just(JOB_ID), amount_cents=st.integers(1, 100)),
    st.builds(c.ReleaseCredits, job_id=st.just(JOB_ID), amount_cents=st.integers(1, 100)),
    st.builds(c.StartPurchase, purchase_id=st.uuids(), amount_cents=st.integers(1, 100)),
    st.integers(-4, 3),
)


@given(st.lists(COMMANDS, max_size=30))
def test_the_balance_is_what_was_bought_and_released_less_what_was_held(
    commands: list[c.CreditsCommand | int],
) -> None:
    account, events = Account(), list[e.CreditsEvent]()
    for asked in commands:
        command = answer(account, asked) if isinstance(asked, int) else asked
        if command is None:
            continue
        try:
            decided = CREDITS.decide(command, account, NOW)
        except Refusal:
            continue
        events.extend(decided)
        account = CREDITS.fold(decided, account) or account
    paid_in = sum(x.amount_cents for x in events if isinstance(x, e.PurchaseCompleted | e.Released))
    assert account.balance_cents == paid_in - sum(x.amount_cents for x in events if isinstance(x, e.Held)) >= 0
    assert CREDITS.fold(events) in (account, None)


def answer(account: Account, number: int) -> c.CreditsCommand | None:
    """The gateway's answer to one of the open purchases: paid if the number is not negative."""
    waiting = sorted(account.open_purchases)
    if not waiting:
        return None
    purchase_id = waiting[number % len(waiting)]
    if number >= 0:
        return c.CompletePurchase(purchase_id=purchase_id, reference="ch_1")
    return c.FailPurchase(purchase_id=purchase_id, reason="declined")


# What a job's events ask of the account

RELEASES = (
    (resized(5, 3), 780),
    (settled(390, 1560), 1560),
    (cancelled(1950, ClosedReason.CANCELLED), 1950),
    (refunded_for(ALICE, 200, 60), 260),
)


def test_creating_and_growing_hold() -> None:
    assert credits_command(JOB_ID, an_active_job()[0]) == c.HoldCredits(job_id=JOB_ID, amount_cents=1950)
    assert credits_command(JOB_ID, resized(5, 6)) == c.HoldCredits(job_id=JOB_ID, amount_cents=390)


@pytest.mark.parametrize(("event", "amount"), RELEASES)
def test_shrinking_settling_cancelling_and_refunding_release(event: JobEvent, amount: int) -> None:
    assert credits_command(JOB_ID, event) == c.ReleaseCredits(job_id=JOB_ID, amount_cents=amount)


@pytest.mark.parametrize("event", [taken_by(ALICE), completed_by(ALICE), granted_to(ALICE), settled(1950, 0)])
def test_all_else_leaves_the_account_alone(event: JobEvent) -> None:
    assert credits_command(JOB_ID, event) is None
