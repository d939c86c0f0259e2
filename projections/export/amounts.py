"""Cents as other programs write them."""

CURRENCY = "USD"


def decimal(cents: int) -> str:
    """Cents in units of currency, with two decimals and never by way of a float."""
    sign = "-" if cents < 0 else ""
    units, rest = divmod(abs(cents), 100)
    return f"{sign}{units}.{rest:02d}"
