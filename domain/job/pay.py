"""What an assignment may cost and what it did cost. Source: README, "Money"."""

from domain.job.terms import PayKind, PaymentRule, Terms
from domain.money import fee_cents


def paid_minutes_cap(rule: PaymentRule, terms: Terms) -> int:
    """The most minutes that a per-minute rule pays: the smallest of its own cap, the paid limit and the hard limit."""
    limits = (rule.cap_minutes, terms.paid_limit_minutes, terms.hard_limit_minutes)
    return min(limit for limit in limits if limit is not None)


def rule_cents(rule: PaymentRule, terms: Terms, minutes: int) -> int:
    """What one rule pays for so many started minutes."""
    if rule.type is PayKind.FIXED:
        return rule.amount_cents or 0
    return (rule.rate_cents or 0) * min(minutes, paid_minutes_cap(rule, terms))


def payout_cents(terms: Terms, minutes: int) -> int:
    """A tester's pay for one assignment: its rules add up."""
    return sum(rule_cents(rule, terms, minutes) for rule in terms.payment_rules)


def slot_hold_cents(terms: Terms) -> int:
    """What must lie in escrow for one slot: the greatest possible payout and its fee."""
    greatest = payout_cents(terms, terms.hard_limit_minutes)
    return greatest + fee_cents(greatest, terms.pricing.fee_basis_points)
