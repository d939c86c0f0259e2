"""What owners ask: a job to post, a job to resize, jobs to see."""

from collections.abc import Sequence
from typing import Annotated, Literal, TypeAlias
from uuid import UUID

from pydantic import Field

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
from domain.job.terms import (
    AudienceFilter,
    DisplayCondition,
    FeedbackQuestion,
    InputType,
    LegalAgreement,
    Option,
    PayKind,
    PaymentRule,
    Placement,
    Pricing,
    ScreenCaptureRule,
    TechConstraint,
    Terms,
    Variant,
)

PLAIN: MimeType = "text/plain"
PRICING = Pricing()

Title: TypeAlias = Annotated[str, Field(max_length=160, pattern=NOT_BLANK)]
Slots: TypeAlias = Annotated[int, Field(ge=1, le=10_000)]
Slug: TypeAlias = Annotated[str, Field(max_length=64, pattern=SLUG)]
Url: TypeAlias = Annotated[str, Field(max_length=2_048, pattern=WEB_URL)]
PayCents: TypeAlias = Annotated[int, Field(ge=1, le=1_000_000)]
TaskMinutes: TypeAlias = Annotated[int, Field(ge=1, le=1_440)]
Captures: TypeAlias = Annotated[int, Field(ge=0, le=1_000)]


class FixedRuleBody(Request):
    type: Literal["fixed"]
    amount_cents: PayCents

    def to_rule(self) -> PaymentRule:
        return PaymentRule(type=PayKind.FIXED, amount_cents=self.amount_cents)


class PerMinuteRuleBody(Request):
    type: Literal["per_minute"]
    rate_cents: PayCents
    cap_minutes: TaskMinutes | None = None

    def to_rule(self) -> PaymentRule:
        return PaymentRule(type=PayKind.PER_MINUTE, rate_cents=self.rate_cents, cap_minutes=self.cap_minutes)


PaymentRuleBody: TypeAlias = Annotated[FixedRuleBody | PerMinuteRuleBody, Field(discriminator="type")]


class OptionBody(Request):
    label: Label
    value: Label
    exclusive: bool | None = None

    def to_option(self) -> Option:
        return Option(label=self.label, value=self.value, exclusive=bool(self.exclusive))


class DisplayConditionBody(Request):
    question_id: Name
    op: Literal["in", "not_in"]
    values: Annotated[list[Label], Field(min_length=1, max_length=100)]

    def to_condition(self) -> DisplayCondition:
        return DisplayCondition(question_id=self.question_id, op=self.op, values=tuple(self.values))


class QuestionBody(Request):
    id: Name
    question_markdown: RequiredText
    input_type: InputType
    required: bool | None = None
    options: Annotated[list[OptionBody], Field(max_length=100)] | None = None
    multi_select: bool | None = None
    labels: Annotated[list[Label], Field(max_length=100)] | None = None
    min: Number | None = None
    max: Number | None = None
    display_condition: DisplayConditionBody | None = None

    def to_question(self) -> FeedbackQuestion:
        options, labels, condition = self.options, self.labels, self.display_condition
        return FeedbackQuestion(
            id=self.id,
            question_markdown=self.question_markdown,
            input_type=self.input_type,
            required=self.required is not False,
            options=None if options is None else tuple([each.to_option() for each in options]),
            multi_select=self.multi_select is True,
            labels=None if labels is None else tuple(labels),
            min=self.min,
            max=self.max,
            display_condition=None if condition is None else condition.to_condition(),
        )


class PlacementBody(Request):
    element: Literal["window", "iframe"]
    position: Literal["top", "bottom", "left", "right"] | None = None
    reveal_questions_during_test: bool | None = None

    def to_placement(self) -> Placement:
        return Placement(
            element=self.element,
            position=self.position,
            reveal_questions_during_test=self.reveal_questions_during_test is True,
        )


class ScreenCaptureBody(Request):
    type: Literal["scheduled", "testerTriggered"]
    interval_seconds: Annotated[int, Field(ge=1, le=86_400)] | None = None
    min: Captures | None = None
    max: Captures | None = None

    def to_rule(self) -> ScreenCaptureRule:
        return ScreenCaptureRule(type=self.type, interval_seconds=self.interval_seconds, min=self.min, max=self.max)


class AudienceFilterBody(Request):
    field: Word
    op: Literal["in", "not_in", "between"]
    values: Annotated[list[Label | Whole], Field(max_length=100)] | None = None
    min: Whole | None = None
    max: Whole | None = None

    def to_filter(self) -> AudienceFilter:
        values = None if self.values is None else tuple(self.values)
        return AudienceFilter(field=self.field, op=self.op, values=values, min=self.min, max=self.max)


class TechConstraintBody(Request):
    category: Literal["screen", "os", "hardware", "internet", "browser", "peripheral"]
    rule: Literal["only", "exclude"]
    values: Annotated[list[Word], Field(min_length=1, max_length=20)]

    def to_constraint(self) -> TechConstraint:
        return TechConstraint(category=self.category, rule=self.rule, values=tuple(self.values))


class LegalAgreementBody(Request):
    type: Word
    version: Word | None = None
    agreement_id: Name | None = None

    def to_agreement(self) -> LegalAgreement:
        return LegalAgreement(type=self.type, version=self.version, agreement_id=self.agreement_id)


class ProofBody(Request):
    """How testers prove completion; the password is hashed at once and never shown."""

    method: Literal["password"]
    password: Annotated[Secret, Field(repr=False)]


class VariantBody(Request):
    """One version of the task."""

    description: RequiredText
    feedback_questions: Annotated[list[QuestionBody], Field(max_length=100)]
    target_testers_min: Annotated[int, Field(ge=0, le=10_000)]
    target_testers_max: Slots | None = None
    url: Url | None = None
    description_mime_type: MimeType | None = None
    placement: PlacementBody | None = None
    screen_capture: Annotated[list[ScreenCaptureBody], Field(max_length=20)] | None = None
    audience_filters: Annotated[list[AudienceFilterBody], Field(max_length=20)] | None = None
    tech_constraints: Annotated[list[TechConstraintBody], Field(max_length=20)] | None = None

    def to_variant(self, variant_id: UUID) -> Variant:
        placement = self.placement
        return Variant(
            id=variant_id,
            description=self.description,
            feedback_questions=tuple([each.to_question() for each in self.feedback_questions]),
            target_testers_min=self.target_testers_min,
            target_testers_max=self.target_testers_max,
            url=self.url,
            description_mime_type=self.description_mime_type or PLAIN,
            placement=None if placement is None else placement.to_placement(),
            screen_capture=tuple([each.to_rule() for each in self.screen_capture or ()]),
            audience_filters=tuple([each.to_filter() for each in self.audience_filters or ()]),
            tech_constraints=tuple([each.to_constraint() for each in self.tech_constraints or ()]),
        )


class CreateJobBody(Request):
    """A job to post. What its fields must be to each other, the domain checks on the terms made of it."""

    title: Title
    target_testers: Slots
    category: Slug
    job_posting_time_limit_minutes: Annotated[int, Field(ge=5, le=10_080)]
    payment_rules: Annotated[list[PaymentRuleBody], Field(min_length=1, max_length=10)]
    variants: Annotated[list[VariantBody], Field(min_length=1, max_length=20)]
    description: LongText | None = None
    description_mime_type: MimeType | None = None
    project_id: Id | None = None
    project_testers_only: bool | None = None
    starts_at: InstantIn | None = None
    task_hard_time_limit_minutes: TaskMinutes | None = None
    task_paid_time_limit_minutes: TaskMinutes | None = None
    legal_agreements: Annotated[list[LegalAgreementBody], Field(max_length=20)] | None = None
    proof_of_completion: ProofBody | None = None

    def to_terms(self, variant_ids: Sequence[UUID], pricing: Pricing = PRICING) -> Terms:
        """The terms of the job, with an id for each variant; the caller adds the hash of a proof's password."""
        named = zip(self.variants, variant_ids, strict=True)
        return Terms(
            title=self.title,
            target_testers=self.target_testers,
            category=self.category,
            posting_window_minutes=self.job_posting_time_limit_minutes,
            payment_rules=tuple([each.to_rule() for each in self.payment_rules]),
            variants=tuple([variant.to_variant(variant_id) for variant, variant_id in named]),
            pricing=pricing,
            description=self.description,
            description_mime_type=self.description_mime_type or PLAIN,
            project_id=self.project_id,
            project_testers_only=self.project_testers_only is True,
            starts_at=self.starts_at,
            hard_limit_minutes=self.task_hard_time_limit_minutes or 30,
            paid_limit_minutes=self.task_paid_time_limit_minutes,
            legal_agreements=tuple([each.to_agreement() for each in self.legal_agreements or ()]),
        )


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
