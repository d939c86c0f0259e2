"""What an assignment costs, to the cent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.job.pay import paid_minutes_cap, payout_cents, slot_hold_cents
from domain.job.terms import PaymentRule
from domain.money import fee_cents
from domain.times import MINUTE, SECOND, started_minutes
from tests.builders import fixed, per_minute, some_terms


@pytest.mark.parametrize(
    ("payout", "fee"),
    [(0, 0), (1, 0), (2, 1), (3, 1), (4, 1), (5, 2), (15, 5), (300, 90), (500, 150), (1_000_000, 300_000)],
)
def test_the_fee_is_thirty_percent_rounded_half_up(payout: int, fee: int) -> None:
    assert fee_cents(payout, 3_000) == fee


def test_half_a_cent_of_fee_is_rounded_up() -> None:
    assert fee_cents(1, 5_000) == 1
    assert fee_cents(1, 4_999) == 0


@given(st.integers(0, 10**9), st.integers(0, 10_000))
def test_the_fee_is_never_half_a_cent_off(payout: int, basis_points: int) -> None:
    exact_in_ten_thousandths = payout * basis_points
    assert -5_000 <= exact_in_ten_thousandths - fee_cents(payout, basis_points) * 10_000 < 5_000


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10_000))
def test_a_smaller_payout_never_has_a_greater_fee(one: int, other: int, basis_points: int) -> None:
    less, more = sorted((one, other))
    assert fee_cents(less, basis_points) <= fee_cents(more, basis_points)


@pytest.mark.parametrize(
    ("spent", "minutes"),
    [(0, 0), (1, 1), (59 * SECOND, 1), (MINUTE, 1), (MINUTE + 1, 2), (8 * MINUTE, 8), (8 * MINUTE + 1, 9)],
)
def test_every_started_minute_counts(spent: int, minutes: int) -> None:
    assert started_minutes(1_000, 1_000 + spent) == minutes


def test_a_fixed_rule_pays_its_amount_whatever_the_time() -> None:
    terms = some_terms(pay=300)
    assert [payout_cents(terms, minutes) for minutes in (0, 8, 500)] == [300, 300, 300]


def test_a_per_minute_rule_pays_each_minute_up_to_its_cap() -> None:
    terms = some_terms(pay=per_minute(20, cap_minutes=10))
    assert [payout_cents(terms, minutes) for minutes in (0, 1, 10, 11)] == [0, 20, 200, 200]


def test_rules_add_up() -> None:
    terms = some_terms(pay=(fixed(100), per_minute(20), per_minute(5, cap_minutes=2)))
    assert payout_cents(terms, 8) == 100 + 8 * 20 + 2 * 5


@pytest.mark.parametrize(
    ("own", "paid", "hard", "cap"),
    [(None, None, 30, 30), (10, None, 30, 10), (None, 12, 30, 12), (10, 12, 30, 10), (50, 40, 30, 30), (50, 5, 30, 5)],
)
def test_the_smallest_limit_caps_the_paid_minutes(own: int | None, paid: int | None, hard: int, cap: int) -> None:
    terms = some_terms(hard_limit_minutes=hard, paid_limit_minutes=paid)
    assert paid_minutes_cap(per_minute(20, own), terms) == cap


def test_the_default_hard_limit_of_thirty_minutes_caps_the_pay() -> None:
    assert payout_cents(some_terms(pay=per_minute(10)), 45) == 300


@pytest.mark.parametrize(("slots", "pay", "hold"), [(5, 300, 1950), (5, 500, 3250), (10, 500, 6500)])
def test_the_examples_of_the_contract(slots: int, pay: int, hold: int) -> None:
    assert slots * slot_hold_cents(some_terms(slots, pay)) == hold


def test_the_fee_is_taken_once_on_the_sum_of_the_rules() -> None:
    assert slot_hold_cents(some_terms(pay=(fixed(1), fixed(1)))) == 2 + fee_cents(2, 3_000) == 3


RULES = st.one_of(
    st.integers(1, 1_000).map(fixed),
    st.builds(per_minute, st.integers(1, 1_000), st.none() | st.integers(1, 1_440)),
)


@given(
    rules=st.lists(RULES, min_size=1, max_size=10).map(tuple),
    hard=st.integers(1, 1_440),
    paid=st.none() | st.integers(1, 1_440),
    minutes=st.integers(0, 2_000),
)
def test_no_assignment_costs_more_than_its_slot_holds(
    rules: tuple[PaymentRule, ...], hard: int, paid: int | None, minutes: int
) -> None:
    terms = some_terms(pay=rules, hard_limit_minutes=hard, paid_limit_minutes=paid)
    payout = payout_cents(terms, minutes)
    assert 0 <= payout + fee_cents(payout, terms.pricing.fee_basis_points) <= slot_hold_cents(terms)
    assert payout_cents(terms, hard) == payout_cents(terms, hard + 1)
