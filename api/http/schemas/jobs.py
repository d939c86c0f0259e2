"""What owners ask: a job to post, a job to resize, jobs to see."""

from collections.abc import Sequence
from typing import Annotated, Literal, TypeAlias, TypeVar
from uuid import UUID

from msgspec import convert
from pydantic import AfterValidator, Field

from api.http.schemas.base import Request
from api.http.schemas.common import MomentQuery, PageQuery
from api.http.schemas.fields import (
    NOT_BLANK,
    SLUG,
    WEB_URL,
    Id,
    InstantIn,
    Label,
    LongText,
    Name,
    Number,
    RequiredText,
    Secret,
    Whole,
    Word,
)
from api.http.schemas.job_answers import JobStatusName, MimeType, SettlementStatusName
from domain.job.commands import ResizeJob
from domain.job.terms import InputType, Pricing, Terms

PLAIN: MimeType = "text/plain"
PRICING = Pricing()

Title: TypeAlias = Annotated[str, Field(max_length=160, pattern=NOT_BLANK)]
Slots: TypeAlias = Annotated[int, Field(ge=1, le=10_000)]
Slug: TypeAlias = Annotated[str, Field(max_length=64, pattern=SLUG)]
Url: TypeAlias = Annotated[str, Field(max_length=2_048, pattern=WEB_URL)]
PayCents: TypeAlias = Annotated[int, Field(ge=1, le=1_000_000)]
TaskMinutes: TypeAlias = Annotated[int, Field(ge=1, le=1_440)]
Captures: TypeAlias = Annotated[int, Field(ge=0, le=1_000)]


def or_else(default: object) -> AfterValidator:
    """Null is as not given: it stands for the default of the field."""
    return AfterValidator(lambda given: default if given is None else given)


T = TypeVar("T")
Yes: TypeAlias = Annotated[bool | None, or_else(True)]
No: TypeAlias = Annotated[bool | None, or_else(False)]
TextType: TypeAlias = Annotated[MimeType | None, or_else(PLAIN)]
UpTo20: TypeAlias = Annotated[Annotated[list[T], Field(max_length=20)] | None, or_else([])]
UpTo100: TypeAlias = Annotated[
    Annotated[list[T], Field(max_length=100)] | None, AfterValidator(lambda given: given or None)
]
"""An empty list is as not given."""


class FixedRuleBody(Request):
    """So much for each completed assignment. The rules of a job add up."""

    type: Literal["fixed"]
    amount_cents: PayCents
    rate_cents: None = None
    cap_minutes: None = None


class PerMinuteRuleBody(Request):
    """So much for each started minute, up to the smallest of ``capMinutes``, the job's ``taskPaidTimeLimitMinutes``
    and its ``taskHardTimeLimitMinutes``. The rules of a job add up."""

    type: Literal["per_minute"]
    rate_cents: PayCents
    cap_minutes: TaskMinutes | None = None
    amount_cents: None = None


PaymentRuleBody: TypeAlias = Annotated[FixedRuleBody | PerMinuteRuleBody, Field(discriminator="type")]


class OptionBody(Request):
    """A choice; an ``exclusive`` one is chosen alone. Each ``value`` stands once in its question."""

    label: Label
    value: Label
    exclusive: No = False


class DisplayConditionBody(Request):
    """Show the question only where the text of the answer to an earlier one of the variant is in, or not in, these."""

    question_id: Name
    op: Literal["in", "not_in"]
    values: Annotated[list[Label], Field(min_length=1, max_length=100)]


class QuestionBody(Request):
    """A question, with an ``id`` of its own in the variant.

    ``multiple_choice`` needs at least two ``options`` and may have ``multiSelect``; ``switch`` needs two ``labels``,
    ``slider`` and ``range_slider`` at least two, all of them different; ``integer`` and ``decimal`` may have ``min``
    and ``max``, whole for an ``integer``. No other type has any of these.
    """

    id: Name
    question_markdown: RequiredText
    input_type: InputType
    required: Yes = True
    options: UpTo100[OptionBody] = None
    multi_select: No = False
    labels: UpTo100[Label] = None
    min: Number | None = None
    max: Number | None = None
    display_condition: DisplayConditionBody | None = None


class PlacementBody(Request):
    """Where the page is shown; an ``iframe`` needs ``position`` and the variant's ``url``."""

    element: Literal["window", "iframe"]
    position: Literal["top", "bottom", "left", "right"] | None = None
    reveal_questions_during_test: No = False


class ScreenCaptureBody(Request):
    """``scheduled`` needs ``intervalSeconds`` and has no more; ``testerTriggered`` may have ``min`` and ``max`` alone.

    The task must be placed in an ``iframe``.
    """

    type: Literal["scheduled", "testerTriggered"]
    interval_seconds: Annotated[int, Field(ge=1, le=86_400)] | None = None
    min: Captures | None = None
    max: Captures | None = None


class AudienceFilterBody(Request):
    """``in`` and ``not_in`` need ``values`` and have no more; ``between`` needs ``min`` and ``max`` alone."""

    field: Word
    op: Literal["in", "not_in", "between"]
    values: UpTo100[Label | Whole] = None
    min: Whole | None = None
    max: Whole | None = None


class TechConstraintBody(Request):
    """Each of ``values`` once, and of its category: ``screen`` desktop, mobile, tablet; ``os`` windows, macos, linux,
    ios, android; ``hardware`` iphone, android; ``internet`` broadband, mobile_data; ``browser`` chrome, edge, firefox,
    brave, safari; ``peripheral`` microphone, headphones, camera."""

    category: Literal["screen", "os", "hardware", "internet", "browser", "peripheral"]
    rule: Literal["only", "exclude"]
    values: Annotated[list[Word], Field(min_length=1, max_length=20)]


class LegalAgreementBody(Request):
    type: Word
    version: Word | None = None
    agreement_id: Name | None = None


class ProofBody(Request):
    """How testers prove completion; the password is hashed at once and never shown."""

    method: Literal["password"]
    password: Annotated[Secret, Field(repr=False)]


class VariantBody(Request):
    """One version of the task.

    ``targetTestersMax`` is at least 1 and ``targetTestersMin``; without it that minimum counts, and a resize may widen
    it. ``screenCapture`` needs a placement in an ``iframe``.
    """

    description: RequiredText
    feedback_questions: Annotated[list[QuestionBody], Field(max_length=100)]
    target_testers_min: Annotated[int, Field(ge=0, le=10_000)]
    target_testers_max: Slots | None = None
    url: Url | None = None
    description_mime_type: TextType = PLAIN
    placement: PlacementBody | None = None
    screen_capture: UpTo20[ScreenCaptureBody] = Field(default_factory=list)
    audience_filters: UpTo20[AudienceFilterBody] = Field(default_factory=list)
    tech_constraints: UpTo20[TechConstraintBody] = Field(default_factory=list)


class CreateJobBody(Request):
    """A job to post.

    ``targetTesters`` lies between the sums of its variants' ``targetTestersMin`` and ``targetTestersMax``.
    ``taskPaidTimeLimitMinutes`` needs a ``per_minute`` rule, ``projectTestersOnly`` needs ``projectId``. ``startsAt``
    may lie 90 days ahead; one that is not later than now counts as not given. All slots together may hold
    1000000000000 cents.
    """

    # The fields are called as those of the terms: what they must be to each other, the domain checks on these.

    title: Title
    target_testers: Slots
    category: Slug
    posting_window_minutes: Annotated[int, Field(ge=5, le=10_080, alias="jobPostingTimeLimitMinutes")]
    payment_rules: Annotated[list[PaymentRuleBody], Field(min_length=1, max_length=10)]
    variants: Annotated[list[VariantBody], Field(min_length=1, max_length=20)]
    description: LongText | None = None
    description_mime_type: TextType = PLAIN
    project_id: Id | None = None
    project_testers_only: No = False
    starts_at: InstantIn | None = None
    hard_limit_minutes: Annotated[TaskMinutes | None, or_else(30), Field(alias="taskHardTimeLimitMinutes")] = 30
    paid_limit_minutes: Annotated[TaskMinutes | None, Field(alias="taskPaidTimeLimitMinutes")] = None
    legal_agreements: UpTo20[LegalAgreementBody] = Field(default_factory=list)
    proof_of_completion: ProofBody | None = None

    def to_terms(self, variant_ids: Sequence[UUID], pricing: Pricing = PRICING) -> Terms:
        """The terms of the job, with an id for each variant; the caller adds the hash of a proof's password."""
        variants = [{**each.__dict__, "id": id_} for each, id_ in zip(self.variants, variant_ids, strict=True)]
        said = {**self.__dict__, "variants": variants, "pricing": pricing, "proof_hash": None}
        return convert(said, Terms, from_attributes=True)


class ResizeBody(Request):
    target_testers: Slots

    def to_command(self) -> ResizeJob:
        return ResizeJob(target=self.target_testers)


class ListJobsQuery(PageQuery):
    """``settlementStatus=none`` asks for the jobs that have no settlement."""

    status: JobStatusName | None = None
    settlement_status: Literal["none", SettlementStatusName] | None = None


class JobQuery(MomentQuery):
    """The job as it was at a version, or at ``asOf`` as far as it was known at ``knownAt``; now unless given."""

    version: Annotated[int, Field(ge=1, le=10**17)] | None = None


class WaitQuery(Request):
    """How long to wait for a job to end, in real milliseconds."""

    timeout_ms: Annotated[int, Field(ge=0, le=86_400_000)] = 3_600_000
