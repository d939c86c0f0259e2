"""What an owner's account of credits adds up to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Account:
    """``balance_cents`` is free to use; ``open_purchases`` are started and not yet answered, in cents by id."""

    balance_cents: int = 0
    open_purchases: Mapping[UUID, int] = field(default_factory=lambda: MappingProxyType({}))
