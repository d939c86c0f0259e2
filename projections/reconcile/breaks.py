"""What a reconciliation finds: each difference by its kind, its amount, and the events that cause it."""

from enum import StrEnum
from typing import NamedTuple

from domain.books.events import AdjustedAccount, Remedy
from domain.times import Instant

MAX_KEY = 300
MAX_KEPT = 1_000
"""Breaks that are kept of a run, the first ones in the order of the log; what is behind them shows in the next run."""


class Category(StrEnum):
    """Why two sides differ; stable names, for people who work through a list."""

    MISSING_IN_READ_MODEL = "missing_in_read_model"
    READ_MODEL_DRIFT = "read_model_drift"
    MISSING_AT_GATEWAY = "missing_at_gateway"
    UNKNOWN_AT_GATEWAY = "unknown_at_gateway"
    """The gateway tells of money of which the log knows nothing."""
    MISSING_AT_BANK = "missing_at_bank"
    UNKNOWN_AT_BANK = "unknown_at_bank"
    """The bank tells of a movement that no withdrawal and no payout explains."""
    AMOUNT = "amount"
    FEE = "fee"
    DUPLICATE = "duplicate"
    TIMING = "timing"
    """One side is behind, by less than the settlement window."""
    VERSION_GAP = "version_gap"
    UNBALANCED_ENTRY = "unbalanced_entry"
    ORPHAN_HOLD = "orphan_hold"
    """Credits are held for which no job is responsible any more, or only one side tells of a hold."""


_REMEDIES = {
    Category.MISSING_IN_READ_MODEL: Remedy.REBUILD,
    Category.READ_MODEL_DRIFT: Remedy.REBUILD,
    Category.UNBALANCED_ENTRY: Remedy.REBUILD,
    Category.TIMING: Remedy.WAIT,
}
"""Any other is decided by two operators."""


class Break(NamedTuple):
    """One difference. ``amount_cents`` is what the second side has more than the log says; 0 where it is no amount.

    ``since`` is when its event occurred, from which its age counts; null when no event is known. ``account`` is that
    which an adjustment would bring to what the second side says. ``named`` is what names it in every run, where its
    subject does not; ``ordinal`` how many adjustments were confirmed under that name before.
    """

    category: Category
    subject: str
    detail: str
    amount_cents: int = 0
    positions: tuple[int, ...] = ()
    since: Instant | None = None
    account: AdjustedAccount | None = None
    named: str = ""
    ordinal: int = 0

    @property
    def key(self) -> str:
        places = ",".join(map(str, self.positions))
        return (self.named or f"{self.category}:{self.subject}:{places}")[:MAX_KEY]

    @property
    def remedy(self) -> Remedy:
        return _REMEDIES.get(self.category, Remedy.ADJUST)
