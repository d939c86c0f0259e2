"""What can be asked of the books."""

from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

from domain.books.events import FoundBreak, Reconciled, ToldByStatement
from domain.times import Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """Take in what a statement tells."""

    told: ToldByStatement


BookingCommand: TypeAlias = Book


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposeAdjustment:
    """``found`` is the break with this number of a run."""

    run_id: UUID
    number: int
    found: FoundBreak
    operator_id: UUID
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmAdjustment:
    """``dated_at`` is the end of the period of the run that found it."""

    run_id: UUID
    number: int
    found: FoundBreak
    operator_id: UUID
    dated_at: Instant


CaseCommand: TypeAlias = ProposeAdjustment | ConfirmAdjustment


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepRun:
    """Keep a reconciliation as evidence."""

    run: Reconciled


RunCommand: TypeAlias = KeepRun


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseMonth:
    """``position`` and ``tree_root`` are those of the log that was reconciled."""

    month: str
    timezone: str
    begins_at: Instant
    ends_at: Instant
    position: int
    tree_root: str


MonthCommand: TypeAlias = CloseMonth
