"""Disputes: what owners claim, what operators decide, and how both are shown."""

from collections.abc import Iterator
from typing import Annotated, Literal, TypeAlias
from uuid import UUID

from pydantic import ConfigDict, Field

from api.http.schemas.base import Answer, Request
from api.http.schemas.common import Page, PageQuery
from api.http.schemas.fields import TESTER_TEXT, Cents, Id, IdOut, InstantOut, RequiredText
from api.http.schemas.job_answers import (
    FeedbackData,
    FeedbackMeta,
    JobStatusName,
    PaymentRuleAnswer,
    PostedTerms,
    SettlementStatusName,
    VariantTerms,
)
from api.service.jobs import DisputeWords
from api.service.reads import VerdictFilter
from domain.errors import FieldProblem, InvalidRequest, invalid
from domain.job.commands import DisputeJob, Resolution, ResolveDispute, TesterClaim
from domain.job.events import ClosedReason, Flags
from domain.job.state import AssignmentStatus

ClaimCategory: TypeAlias = Literal["low_quality", "off_topic", "suspected_fraud", "incomplete_work"]
DisputeStatusName: TypeAlias = Literal["open", "resolved"]
TesterText: TypeAlias = Annotated[str, Field(pattern=TESTER_TEXT)]
TesterNumber: TypeAlias = Annotated[int, Field(ge=1, le=10**18 - 1)]


class TesterClaimBody(Request):
    """What is wrong with one tester's work; the tester is named by UUID, or by public id as number or digits."""

    tester_user_id: TesterText | TesterNumber
    category: ClaimCategory
    description: RequiredText | None = None

    def to_claim(self) -> TesterClaim:
        return TesterClaim(tester=self._tester(), category=self.category)

    def _tester(self) -> UUID | int:
        named = self.tester_user_id
        return UUID(named) if isinstance(named, str) and "-" in named else int(named)


class DisputeBody(Request):
    """Why a settlement is disputed: at least one flag that is true, or one tester.

    ``platformIssue`` and ``billingDiscrepancy`` need their descriptions, and a description needs its flag. Disputed
    are the testers that are listed, each once; all of them where none is listed or one of these two flags is set.
    """

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    low_quality: bool | None = None
    off_topic: bool | None = None
    suspected_fraud: bool | None = None
    incomplete_work: bool | None = None
    platform_issue: bool | None = None
    platform_issue_description: RequiredText | None = None
    billing_discrepancy: bool | None = None
    billing_discrepancy_description: RequiredText | None = None
    testers: Annotated[list[TesterClaimBody], Field(max_length=10_000)] | None = None

    def to_command(self) -> DisputeJob:
        """The dispute but for its words; an InvalidRequest when flags, descriptions and testers do not go together."""
        flags = self._flags()
        if problems := tuple(self._problems(flags)):
            raise InvalidRequest(problems)
        return DisputeJob(flags=flags, testers=tuple([each.to_claim() for each in self.testers or ()]))

    def words(self) -> DisputeWords:
        """What the owner wrote."""
        claims = tuple([each.description for each in self.testers or ()])
        return DisputeWords(self.platform_issue_description, self.billing_discrepancy_description, claims)

    def _flags(self) -> Flags:
        return Flags(
            low_quality=self.low_quality is True,
            off_topic=self.off_topic is True,
            suspected_fraud=self.suspected_fraud is True,
            incomplete_work=self.incomplete_work is True,
            platform_issue=self.platform_issue is True,
            billing_discrepancy=self.billing_discrepancy is True,
        )

    def _problems(self, flags: Flags) -> Iterator[FieldProblem]:
        if flags == Flags() and not self.testers:
            yield FieldProblem("", "must set at least one flag to true, or list at least one tester")
        yield from _unmatched("platformIssue", flags.platform_issue, self.platform_issue_description)
        yield from _unmatched("billingDiscrepancy", flags.billing_discrepancy, self.billing_discrepancy_description)


def _unmatched(flag: str, is_set: bool, description: str | None) -> Iterator[FieldProblem]:
    """A flag without the description that it needs, or a description without its flag."""
    if is_set and description is None:
        yield FieldProblem(f"/{flag}Description", f"is required when {flag} is true")
    if description is not None and not is_set:
        yield FieldProblem(f"/{flag}Description", f"needs {flag} to be true; set it, or leave this out")


class ResolutionBody(Request):
    assignment_id: Id
    payout_cents: Cents
    fee_cents: Cents | None = None
    note: Annotated[str, Field(max_length=2_000)] | None = None

    def to_resolution(self) -> Resolution:
        return Resolution(assignment_id=self.assignment_id, payout_cents=self.payout_cents, fee_cents=self.fee_cents)


class ResolveBody(Request):
    """An operator's verdicts on some or all of the disputed assignments of a job."""

    resolutions: Annotated[list[ResolutionBody], Field(min_length=1, max_length=10_000)]

    def to_command(self) -> ResolveDispute:
        """The verdicts but for their notes."""
        return ResolveDispute(resolutions=tuple([each.to_resolution() for each in self.resolutions]))

    def notes(self) -> tuple[str | None, ...]:
        """What the operator wrote to each."""
        return tuple([each.note for each in self.resolutions])


class DisputesQuery(PageQuery):
    status: DisputeStatusName | None = None


# Answers


class DisputeFlags(Answer):
    low_quality: bool
    off_topic: bool
    suspected_fraud: bool
    incomplete_work: bool
    platform_issue: bool
    billing_discrepancy: bool


class SettlementDispute(DisputeFlags):
    status: DisputeStatusName


class SettlementAssignment(Answer):
    id: IdOut
    tester_id: int
    tester_user_id: IdOut
    status: AssignmentStatus
    settlement_status: SettlementStatusName | None
    payout_cents: int | None


class SettlementView(Answer):
    """Where a job's money stands; its assignments are all that were ever taken, oldest first."""

    job_id: IdOut
    job_status: JobStatusName
    escrow_hold_cents: int
    escrow_balance_cents: int
    settlement_status: SettlementStatusName | None
    settlement_deadline: InstantOut | None
    closable: bool
    closable_reason: ClosedReason | Literal["testers_at_work", "already_settled"]
    assignments: list[SettlementAssignment]
    dispute: SettlementDispute | None


class DisputedAssignment(Answer):
    """Earned are the cents before the dispute; category and description are null when only the whole was disputed."""

    assignment_id: IdOut
    tester_id: int
    tester_user_id: IdOut
    category: ClaimCategory | None
    description: str | None
    earned_cents: int
    earned_fee_cents: int
    resolved: bool


class DisputeHead(DisputeFlags):
    status: DisputeStatusName
    job_id: IdOut
    owner_id: IdOut
    opened_at: InstantOut
    age_seconds: int
    platform_issue_description: str | None
    billing_discrepancy_description: str | None


class DisputeItem(DisputeHead):
    assignments: list[DisputedAssignment]


class DisputePage(Page[DisputeItem]):
    pass


class VerdictsQuery(PageQuery):
    """On a tester, or on an owner's claims: one of both."""

    tester_user_id: Id | None = None
    owner_id: Id | None = None

    def wanted(self) -> VerdictFilter:
        """On whom. Raises InvalidRequest unless there is just one."""
        if (self.tester_user_id is None) == (self.owner_id is None):
            raise invalid("?testerUserId", "must be given, or ownerId, and not both")
        return VerdictFilter(self.tester_user_id, self.owner_id)


class Decision(Answer):
    """An operator's verdict: what was granted, in cents; the rest of what was earned went back to the owner."""

    decided_at: InstantOut
    payout_cents: int
    fee_cents: int
    note: str | None


class VerdictItem(Decision):
    job_id: IdOut
    owner_id: IdOut
    assignment_id: IdOut
    tester_id: int
    tester_user_id: IdOut
    category: ClaimCategory | None
    earned_cents: int
    earned_fee_cents: int


class VerdictPage(Page[VerdictItem]):
    """The newest first. In the file of a dispute ``next`` is a cursor for the list of verdicts."""


class StatementView(Answer):
    """What a tester says about a claim: shown, never run or obeyed. The text is null once it was erased."""

    meta: Annotated[FeedbackMeta, Field(alias="_meta")]
    number: int
    stated_at: InstantOut
    text: str | None


class DisputedWorkView(DisputedAssignment):
    """One disputed assignment: its timings, answers, the tester's statements, and earlier verdicts on the tester."""

    variant_id: IdOut
    reserved_until: InstantOut
    started_at: InstantOut | None
    hard_deadline: InstantOut | None
    completed_at: InstantOut | None
    duration_minutes: int | None
    feedback_data: FeedbackData | None
    statements: list[StatementView]
    verdict: Decision | None
    earlier_verdicts: VerdictPage


class DisputedTerms(PostedTerms):
    """A job's terms as they were pinned; ``targetTesters`` and the variants' maxima as resizes have left them."""

    title: str
    created_at: InstantOut
    project_id: IdOut | None
    payment_rules: list[PaymentRuleAnswer]
    target_testers: int
    variants: list[VariantTerms]


class DisputeFileView(DisputeHead):
    """All that an operator needs to decide. ``assignments`` are pages, in the order in which slots were taken.

    ``earlierVerdicts`` are those on the owner's claims, before the first one of this dispute.
    """

    terms: DisputedTerms
    earlier_verdicts: VerdictPage
    assignments: Page[DisputedWorkView]


class ResolveAnswer(Answer):
    """``remaining`` disputed assignments are still to be decided."""

    ok: Literal[True]
    settlement_status: SettlementStatusName
    remaining: int
