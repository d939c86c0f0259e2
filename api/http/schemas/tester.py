"""A tester's side: taking a slot, handing in, and what the tester is shown."""

from typing import Annotated, Any, TypeAlias
from uuid import UUID

from pydantic import Field

from api.http.schemas.base import Answer, Request
from api.http.schemas.common import Page
from api.http.schemas.disputes import ClaimCategory, DisputeFlags
from api.http.schemas.fields import IdOut, InstantOut, RequiredText, Secret
from api.http.schemas.job_answers import (
    LegalAgreementAnswer,
    MimeType,
    PaymentRuleAnswer,
    ProofAnswer,
    SettlementStatusName,
    VariantTerms,
)
from domain.job.commands import TakeSlot
from domain.job.state import AssignmentStatus

QuestionId: TypeAlias = Annotated[str, Field(max_length=128)]


class TakeBody(Request):
    accept_legal_agreements: bool | None = None

    def to_command(self, assignment_id: UUID, tester_id: UUID, tester_public_id: int) -> TakeSlot:
        return TakeSlot(
            assignment_id=assignment_id,
            tester_id=tester_id,
            tester_public_id=tester_public_id,
            accepts_legal_agreements=self.accept_legal_agreements is True,
        )


class SubmitBody(Request):
    """Answers by question id, one to each required question that is shown; none to one that is hidden.

    ``text`` takes up to 500 characters, ``textarea`` up to 10000, not blank where required; ``multiple_choice`` the
    ``value`` of an option, with ``multiSelect`` a list of these; ``star_rating`` an integer from 1 to 5; ``switch`` one
    of its labels; ``slider`` the index of a label, from 0; ``range_slider`` two of them, the lower first; ``date``
    YYYY-MM-DD; ``integer`` an integer; ``decimal`` a number or its digits as a string; ``thumbs`` up or down;
    ``file_upload`` a string of up to 200 characters, or a list of up to 20 of these.

    A dry run takes no ``proofValue``, and counts the proof as right.
    """

    # Whether each fits its question, the domain checks.

    answers: Annotated[dict[QuestionId, Any], Field(max_length=200)]
    proof_value: Annotated[Secret | None, Field(repr=False)] = None

    def given(self) -> dict[str, Any]:
        """The answers; null is as not given."""
        return {question: answer for question, answer in self.answers.items() if answer is not None}


class Offer(Answer):
    title: str
    description: str | None
    description_mime_type: MimeType
    category: str
    payment_rules: list[PaymentRuleAnswer]
    task_hard_time_limit_minutes: int
    task_paid_time_limit_minutes: int | None
    legal_agreements: list[LegalAgreementAnswer]
    proof_of_completion: ProofAnswer | None


class OfferedJob(Offer):
    """A job as a tester sees it who may take it now."""

    id: IdOut
    open_slots: int
    posting_ends_at: InstantOut
    created_at: InstantOut


class OfferedJobPage(Page[OfferedJob]):
    """A page looks at a bounded number of jobs that have no room for you: it may be short, even empty, and yet not the
    last."""


class StatementBody(Request):
    """What the tester says about the claim."""

    text: RequiredText


class StatementAnswer(Answer):
    """``number`` is that of the statement among those on this assignment."""

    assignment_id: IdOut
    number: int
    stated_at: InstantOut
    statements_left: int


class ClaimView(Answer):
    """What the owner says of the tester's work; null where only ``ofAll`` says it, or data was erased.

    ``ofAll`` is what the owner says of the whole job.
    """

    category: ClaimCategory | None
    description: str | None
    of_all: DisputeFlags
    statements_given: int
    statements_left: int


class AssignmentView(Offer):
    """An assignment as its tester sees it. ``payoutCents`` is what was earned, or granted after a dispute.

    ``title`` and what else the offer told are the job's, ``variant`` is the version of the task to do.
    """

    id: IdOut
    job_id: IdOut
    variant_id: IdOut
    status: AssignmentStatus
    reserved_until: InstantOut
    started_at: InstantOut | None
    hard_deadline: InstantOut | None
    completed_at: InstantOut | None
    duration_minutes: int | None
    payout_cents: int | None
    settlement_status: SettlementStatusName | None
    dispute: ClaimView | None
    variant: VariantTerms


class AssignmentViewPage(Page[AssignmentView]):
    pass
