"""Credits, wallets and the ledger."""

from typing import Annotated

from pydantic import Field

from api.http.schemas.base import Answer, Request
from api.http.schemas.common import Page, PageQuery
from api.http.schemas.fields import Id, IdOut, InstantIn, InstantOut, MovedCents
from domain.ledger.accounts import Side
from domain.ledger.journal import EntryType


class AddCreditsBody(Request):
    amount_cents: MovedCents


class WithdrawalBody(Request):
    amount_cents: MovedCents


class JobLedgerQuery(PageQuery):
    """Entries that occurred at or after ``from`` and before ``to``."""

    from_: Annotated[InstantIn | None, Field(alias="from")] = None
    to: InstantIn | None = None
    type: Annotated[EntryType, Field(strict=False)] | None = None


class LedgerQuery(JobLedgerQuery):
    """Entries that occurred at or after ``from`` and before ``to``."""

    job_id: Id | None = None


class AutoReload(Answer):
    enabled: bool
    threshold_cents: int | None
    reload_amount_cents: int | None


class Billing(Answer):
    """``balanceCents`` are free to use, ``heldCents`` lie in escrow."""

    balance_cents: int
    held_cents: int
    total_cents: int
    currency: str
    has_payment_method: bool
    auto_reload: AutoReload


class Wallet(Answer):
    """``pendingCents`` are earned and not yet approved."""

    payable_cents: int
    pending_cents: int
    paid_out_cents: int


class WithdrawalAnswer(Answer):
    """``payableCents`` is what the wallet has left."""

    id: IdOut
    amount_cents: int
    payable_cents: int
    created_at: InstantOut


class PostingAnswer(Answer):
    account: str
    side: Side
    amount_cents: int


class EventReference(Answer):
    """The event that caused an entry."""

    stream: IdOut
    version: int
    position: int


class LedgerEntry(Answer):
    id: str
    type: EntryType
    description: str
    postings: list[PostingAnswer]
    event: EventReference
    occurred_at: InstantOut


class LedgerPage(Page[LedgerEntry]):
    pass
