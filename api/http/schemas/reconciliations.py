"""Reconciliations: what is asked, what was found, and what operators decide about it."""

from typing import Annotated, Any, Literal

from pydantic import Field

from api.http.schemas.base import Answer, Request
from api.http.schemas.common import Page, PageQuery
from api.http.schemas.fields import NOT_BLANK, IdOut, InstantIn, InstantOut
from domain.books.events import AdjustedAccount, Remedy
from domain.recorded import ActorKind
from projections.reconcile.breaks import Category


class StatementIn(Request):
    """A gateway's statement, CSV with the columns of a payout reconciliation report, or a bank's, camt.053.

    As long as the body may be.
    """

    name: Annotated[str, Field(max_length=200, pattern=NOT_BLANK)]
    content: str


class ReconciliationBody(Request):
    """``from``: movement counts from there. ``asOf``: only what had occurred, ``knownAt``: what had been recorded.

    ``timezone``: whose midnights the days of a bank's statement begin at, UTC unless given.
    """

    from_: Annotated[InstantIn | None, Field(alias="from")] = None
    as_of: InstantIn | None = None
    known_at: InstantIn | None = None
    timezone: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    statements: Annotated[list[StatementIn], Field(max_length=10)] | None = None


class ProposalBody(Request):
    """Why the break should be settled so; no names of people, for it is kept for ever."""

    reason: Annotated[str, Field(max_length=500, pattern=NOT_BLANK)]


class BreaksQuery(PageQuery):
    category: Annotated[Category, Field(strict=False)] | None = None
    status: Literal["open", "proposed", "adjusted"] | None = None


class ReadFile(Answer):
    name: str
    sha256: str
    lines: int


class RunBy(Answer):
    """``id`` is null where it was run on the machine itself."""

    kind: ActorKind
    id: IdOut | None


class ReconciliationItem(Answer):
    """``breaks`` are all that were open then; the first 1,000 are kept with the run."""

    id: IdOut
    created_at: InstantOut
    created_by: RunBy
    clean: bool
    breaks: int
    from_: Annotated[InstantOut | None, Field(alias="from")]
    as_of: InstantOut | None
    known_at: InstantOut | None
    timezone: str
    ends_at: InstantOut
    position: int
    tree_root: str
    statements: list[ReadFile]


class ReconciliationAnswer(ReconciliationItem):
    """``evidence`` has counts, controls, roll-forward, ageing, the statements in sum, and two lists of entries.

    Of each it has the first 100: ``priorPeriod``, what came into closed months later, and ``shifted``, what counts in
    another period than that in which it is dated.
    """

    evidence: dict[str, Any]


class ReconciliationPage(Page[ReconciliationItem]):
    pass


class BreakItem(Answer):
    """``amountCents`` is what the other side has more than the log says; ``account`` what an adjustment would move."""

    number: int
    category: Category
    remedy: Remedy
    subject: str
    detail: str
    amount_cents: int
    account: AdjustedAccount | None
    positions: list[int]
    since: InstantOut | None
    status: Literal["open", "proposed", "adjusted"]
    reason: str | None
    proposed_by: IdOut | None
    proposed_at: InstantOut | None
    confirmed_by: IdOut | None
    confirmed_at: InstantOut | None


class BreakPage(Page[BreakItem]):
    pass


class DecisionAnswer(Answer):
    """Where a break stands. Without an account nothing is booked: the break is accepted as it is."""

    run_id: IdOut
    number: int
    status: Literal["proposed", "adjusted"]
    account: AdjustedAccount | None
    amount_cents: int
    reason: str
    proposed_by: IdOut
