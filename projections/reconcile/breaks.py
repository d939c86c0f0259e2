"""What a reconciliation finds: each difference by its kind, its amount, and the events that cause it."""

from enum import StrEnum
from typing import NamedTuple

from domain.times import Instant


class Category(StrEnum):
    """Why two sides differ; stable names, for people who work through a list."""

    MISSING_IN_READ_MODEL = "missing_in_read_model"
    READ_MODEL_DRIFT = "read_model_drift"
    MISSING_AT_GATEWAY = "missing_at_gateway"
    UNKNOWN_AT_GATEWAY = "unknown_at_gateway"
    """The gateway tells of money of which the log knows nothing."""
    AMOUNT = "amount"
    FEE = "fee"
    DUPLICATE = "duplicate"
    TIMING = "timing"
    """One side is behind, by less than the settlement window."""
    VERSION_GAP = "version_gap"
    UNBALANCED_ENTRY = "unbalanced_entry"
    ORPHAN_HOLD = "orphan_hold"
    """Credits are held for which no job is responsible any more, or only one side tells of a hold."""


class Break(NamedTuple):
    """One difference. ``amount_cents`` is what the second side has more than the log says; 0 where it is no amount.

    ``since`` is when its event occurred, from which its age counts; null when no event is known.
    """

    category: Category
    subject: str
    detail: str
    amount_cents: int = 0
    positions: tuple[int, ...] = ()
    since: Instant | None = None
