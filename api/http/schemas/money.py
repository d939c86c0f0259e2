"""Credits, wallets and the ledger."""

from typing import Annotated, Any

from pydantic import Field

from api.http.schemas.base import Answer, Request
from api.http.schemas.common import MomentQuery, Page, PageQuery
from api.http.schemas.events import EventAnswer
from api.http.schemas.fields import Id, IdOut, InstantIn, InstantOut, MovedCents
from api.http.streams import Format
from domain.ledger.accounts import AccountKind, Side
from domain.ledger.journal import EntryType
from domain.recorded import ActorKind


class AddCreditsBody(Request):
    amount_cents: MovedCents


class WithdrawalBody(Request):
    amount_cents: MovedCents


class JobLedgerQuery(PageQuery):
    """Entries that occurred at or after ``from`` and before ``to``."""

    from_: Annotated[InstantIn | None, Field(alias="from")] = None
    to: InstantIn | None = None
    type: Annotated[EntryType, Field(strict=False)] | None = None


class LedgerQuery(JobLedgerQuery, MomentQuery):
    """Entries that occurred at or after ``from`` and before ``to``; the books as of ``asOf``, as known at ``knownAt``.

    With ``csv`` or ``jsonl`` all of them are streamed, and ``limit`` says nothing.
    """

    job_id: Id | None = None
    format: Format = "json"


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


class RuleAnswer(Answer):
    """The posting rule: this type of event debits and credits these kinds of accounts with the cents in its field."""

    event: str
    type: EntryType
    debit: AccountKind
    credit: AccountKind
    amount: str


class StepAnswer(Answer):
    """One step of the calculation and the cents that it comes to; the last one is the entry's amount."""

    text: str
    cents: int


class MeasuredAnswer(Answer):
    started_at: InstantOut
    completed_at: InstantOut
    duration_minutes: int


class PinnedTerms(Answer):
    """What the job's first event has pinned of all that money depends on."""

    payment_rules: list[dict[str, Any]]
    task_paid_time_limit_minutes: int | None
    task_hard_time_limit_minutes: int
    fee_basis_points: int
    fee_rounding: str
    slot_hold_cents: int


class ExplainedActor(Answer):
    """``name`` is told of the one who asks."""

    kind: ActorKind
    id: IdOut | None
    name: str | None


class Explanation(Answer):
    """Why an entry is what it is. ``command`` is the first event of the command that led to the entry's event;
    ``measured`` and ``terms`` are null where no assignment or job is concerned."""

    entry: LedgerEntry
    rule: RuleAnswer
    steps: list[StepAnswer]
    measured: MeasuredAnswer | None
    terms: PinnedTerms | None
    event: EventAnswer
    command: EventAnswer
    actor: ExplainedActor


class LedgerPage(Page[LedgerEntry]):
    """With a ``type`` a page looks at a bounded number of entries: it may be short, even empty, and not the last."""
