"""What requests and answers of every kind share: pages, dry runs, refusals."""

from typing import Annotated, Any, Generic, Literal, TypeAlias, TypeVar

from pydantic import ConfigDict, Field

from api.http.schemas.base import Answer, Request
from api.http.schemas.fields import InstantIn, InstantOut
from domain.ledger.accounts import Side
from domain.ledger.journal import EntryType

T = TypeVar("T")

Cursor: TypeAlias = Annotated[str, Field(min_length=1, max_length=200)]
PageSize: TypeAlias = Annotated[int, Field(ge=1, le=50)]

ProblemCode: TypeAlias = Literal[
    "invalid_request",
    "not_authenticated",
    "forbidden",
    "not_found",
    "method_not_allowed",
    "too_large",
    "head_too_large",
    "not_json",
    "not_enough_credits",
    "not_enough_payable",
    "payment_failed",
    "gateway_not_configured",
    "job_not_active",
    "not_started",
    "no_slots_left",
    "already_taken",
    "not_eligible",
    "legal_agreements_required",
    "reservation_expired",
    "past_hard_limit",
    "proof_locked",
    "testers_at_work",
    "not_pending_approval",
    "not_disputed",
    "already_resolved",
    "below_taken",
    "below_minimum",
    "above_maximum",
    "invalid_state",
    "version_mismatch",
    "idempotency_mismatch",
    "idempotency_in_progress",
    "rate_limited",
    "overloaded",
    "unavailable",
]
"""Why a request was refused. Stable: clients branch on it."""


class EmptyBody(Request):
    """A command without fields: no body, or ``{}``."""


class CommandQuery(Request):
    """With ``dryRun`` nothing is written: the answer tells what would be, or the refusal that there would be."""

    dry_run: bool = False


class MomentQuery(Request):
    """What had occurred by ``asOf``, as far as it was recorded by ``knownAt``; both are now unless given."""

    as_of: InstantIn | None = None
    known_at: InstantIn | None = None


class PageQuery(Request):
    limit: PageSize = 20
    cursor: Cursor | None = None


class Page(Answer, Generic[T]):
    """One page of a list; ``next`` is the cursor of the following one, null at the end."""

    data: list[T]
    next: str | None


class DryRunEvent(Answer):
    """An event that the command would have written, with the fields of its type."""

    model_config = ConfigDict(extra="allow")

    type: str


class DryRunPosting(Answer):
    account: str
    side: Side
    amount_cents: int
    entry_type: EntryType


class DryRun(Answer):
    """What a command would have done; nothing was written. Testers see the events of their own work and wallet."""

    dry_run: Literal[True]
    events: list[DryRunEvent]
    postings: list[DryRunPosting]
    answer: dict[str, Any]


class WrongField(Answer):
    """One wrong field: an RFC 6901 pointer from the body's root, ``?name`` of the query, or a header's name."""

    pointer: str
    detail: str


class Problem(Answer):
    """A refusal (RFC 9457). ``error`` is its one sentence; with some codes come facts, in fields of their own."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    code: ProblemCode
    request_id: str
    error: str


class WrongRequest(Problem):
    """A request of which every wrong field is named."""

    errors: Annotated[list[WrongField], Field(min_length=1)]


class Shortage(Problem):
    """Money that does not suffice."""

    needed_cents: int
    available_cents: int


class MissedEvent(Answer):
    version: int
    type: str
    occurred_at: InstantOut


class VersionProblem(Problem):
    """A job that has moved on: its version, and the events since the version that was named, at most 100."""

    current_version: int
    events: Annotated[list[MissedEvent], Field(max_length=100)]


class Health(Answer):
    status: str


class Document(Answer):
    """An OpenAPI 3.1 document."""

    model_config = ConfigDict(extra="allow")

    openapi: str
    info: dict[str, Any]
    paths: dict[str, Any]
    components: dict[str, Any]
