"""What an owner agreed to when posting a job. Pinned in the job's first event; never changed after it."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from domain.times import Instant


class InputType(StrEnum):
    TEXT = "text"
    TEXTAREA = "textarea"
    MULTIPLE_CHOICE = "multiple_choice"
    FILE_UPLOAD = "file_upload"
    STAR_RATING = "star_rating"
    SWITCH = "switch"
    SLIDER = "slider"
    RANGE_SLIDER = "range_slider"
    DATE = "date"
    INTEGER = "integer"
    DECIMAL = "decimal"
    THUMBS = "thumbs"


class PayKind(StrEnum):
    FIXED = "fixed"
    PER_MINUTE = "per_minute"


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentRule:
    """One part of a tester's pay: ``amount_cents`` when fixed; ``rate_cents`` a minute up to ``cap_minutes``."""

    type: PayKind
    amount_cents: int | None = None
    rate_cents: int | None = None
    cap_minutes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    label: str
    value: str
    exclusive: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DisplayCondition:
    """Show a question only when an earlier answer is ``in`` or ``not_in`` the values."""

    question_id: str
    op: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackQuestion:
    id: str
    question_markdown: str
    input_type: InputType
    required: bool = True
    options: tuple[Option, ...] | None = None
    multi_select: bool = False
    labels: tuple[str, ...] | None = None
    min: int | float | None = None
    max: int | float | None = None
    display_condition: DisplayCondition | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    element: str
    position: str | None = None
    reveal_questions_during_test: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreenCaptureRule:
    type: str
    interval_seconds: int | None = None
    min: int | None = None
    max: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AudienceFilter:
    field: str
    op: str
    values: tuple[str | int, ...] | None = None
    min: int | None = None
    max: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TechConstraint:
    category: str
    rule: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LegalAgreement:
    type: str
    version: str | None = None
    agreement_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One version of the task. ``target_testers_max`` is null when the owner gave none (it starts at the minimum)."""

    id: UUID
    description: str
    feedback_questions: tuple[FeedbackQuestion, ...]
    target_testers_min: int
    target_testers_max: int | None = None
    url: str | None = None
    description_mime_type: str = "text/plain"
    placement: Placement | None = None
    screen_capture: tuple[ScreenCaptureRule, ...] = ()
    audience_filters: tuple[AudienceFilter, ...] = ()
    tech_constraints: tuple[TechConstraint, ...] = ()

    @property
    def first_maximum(self) -> int:
        """The most testers it takes before any resize widens it."""
        return self.target_testers_min if self.target_testers_max is None else self.target_testers_max


@dataclass(frozen=True, slots=True, kw_only=True)
class Pricing:
    """What money depends on besides the owner's own terms; pinned so that replay reads no configuration."""

    fee_basis_points: int = 3_000
    review_window_seconds: int = 24 * 3_600
    reservation_seconds: int = 10 * 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """A job as posted. Minutes are whole; ``proof_hash`` is an argon2 hash, the password itself is nowhere."""

    title: str
    target_testers: int
    category: str
    posting_window_minutes: int
    payment_rules: tuple[PaymentRule, ...]
    variants: tuple[Variant, ...]
    pricing: Pricing = Pricing()
    description: str | None = None
    description_mime_type: str = "text/plain"
    project_id: UUID | None = None
    project_testers_only: bool = False
    starts_at: Instant | None = None
    hard_limit_minutes: int = 30
    paid_limit_minutes: int | None = None
    legal_agreements: tuple[LegalAgreement, ...] = ()
    proof_hash: str | None = None
