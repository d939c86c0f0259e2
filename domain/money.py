"""Money is whole cents in an int; a float never comes near it."""

MAX_HOLD_CENTS = 10**12
"""The most that one job may hold in escrow: ten thousand million units of currency."""


def fee_cents(payout_cents: int, basis_points: int) -> int:
    """The platform's fee on one payout, rounded half up to the cent."""
    return (payout_cents * basis_points + 5_000) // 10_000
