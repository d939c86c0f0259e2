"""Pay, fees and holds computed a second time, by other means than the rules of the service: exact fractions.

What a job costs follows from the terms in its first event and from the minutes between start and submission alone.
"""

from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal
from typing import NamedTuple

from domain.job.terms import PayKind, Terms
from domain.times import MINUTE, Instant

_WHOLE = Decimal(1)


class Prices(NamedTuple):
    """What is needed of a job's terms: fixed cents, rates with their caps in minutes, and the fee in basis points."""

    fixed_cents: int
    rates: tuple[tuple[int, int], ...]
    hard_limit_minutes: int
    fee_basis_points: int

    def payout_cents(self, minutes: int) -> int:
        return self.fixed_cents + sum(rate * min(minutes, cap) for rate, cap in self.rates)

    def fee_cents(self, payout_cents: int, basis_points: int | None = None) -> int:
        """The fee on a payout, rounded half up; at another rate where one is given."""
        rate = self.fee_basis_points if basis_points is None else basis_points
        exact = Decimal(payout_cents) * Decimal(rate) / Decimal(10_000)
        return int(exact.quantize(_WHOLE, ROUND_HALF_UP))

    def slot_cents(self, basis_points: int | None = None) -> int:
        """The hold of one slot."""
        most = self.payout_cents(self.hard_limit_minutes)
        return most + self.fee_cents(most, basis_points)


def prices_of(terms: Terms) -> Prices:
    """The prices that an owner agreed to."""
    limits = [limit for limit in (terms.paid_limit_minutes, terms.hard_limit_minutes) if limit is not None]
    fixed, rates = 0, []
    for rule in terms.payment_rules:
        if rule.type is PayKind.FIXED:
            fixed += rule.amount_cents or 0
        else:
            cap = min([*limits, rule.cap_minutes] if rule.cap_minutes is not None else limits)
            rates.append((rule.rate_cents or 0, cap))
    return Prices(fixed, tuple(rates), terms.hard_limit_minutes, terms.pricing.fee_basis_points)


def measured_minutes(start: Instant, end: Instant) -> int:
    """The minutes from start to end, every started one counting."""
    return int((Decimal(end - start) / Decimal(MINUTE)).quantize(_WHOLE, ROUND_CEILING))
