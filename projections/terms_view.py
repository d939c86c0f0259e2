"""A job's terms as users see them: the contract's fields in camelCase, every field, null where empty."""

from typing import Any

from domain.job.terms import FeedbackQuestion, PayKind, PaymentRule, Terms, Variant
from domain.times import Instant
from projections.json import text
from projections.times import iso, iso_or_none


def posted_view(job_id: str, terms: Terms, created_at: Instant) -> dict[str, Any]:
    """What never changes in a job's item of the list."""
    return {
        "id": job_id,
        "title": terms.title,
        "createdAt": iso(created_at),
        "projectId": text(terms.project_id),
        "paymentRules": [payment_rule_view(rule) for rule in terms.payment_rules],
    }


def terms_view(terms: Terms, posting_ends_at: Instant) -> dict[str, Any]:
    """What never changes in a job's detail, besides its item of the list and its variants."""
    return {
        **_task(terms),
        "jobPostingTimeLimitMinutes": terms.posting_window_minutes,
        "startsAt": iso_or_none(terms.starts_at),
        "postingEndsAt": iso(posting_ends_at),
        "projectTestersOnly": terms.project_testers_only,
        "feeBasisPoints": terms.pricing.fee_basis_points,
    }


def offer_view(terms: Terms) -> dict[str, Any]:
    """What a tester has to know of a job besides the variant: what is asked for, and by which rules it is paid."""
    return {
        "title": terms.title,
        "paymentRules": [payment_rule_view(rule) for rule in terms.payment_rules],
        **_task(terms),
    }


def _task(terms: Terms) -> dict[str, Any]:
    return {
        "description": terms.description,
        "descriptionMimeType": terms.description_mime_type,
        "category": terms.category,
        "taskHardTimeLimitMinutes": terms.hard_limit_minutes,
        "taskPaidTimeLimitMinutes": terms.paid_limit_minutes,
        "legalAgreements": [
            {"type": a.type, "version": a.version, "agreementId": a.agreement_id} for a in terms.legal_agreements
        ],
        "proofOfCompletion": {"method": "password"} if terms.proof_hash else None,
    }


def payment_rule_view(rule: PaymentRule) -> dict[str, Any]:
    """One part of a tester's pay, as the owner has posted it."""
    if rule.type is PayKind.FIXED:
        return {"type": "fixed", "amountCents": rule.amount_cents}
    return {"type": "per_minute", "rateCents": rule.rate_cents, "capMinutes": rule.cap_minutes}


def variant_view(variant: Variant) -> dict[str, Any]:
    """One version of the task, but for its maximum, which a resize may widen."""
    placement = variant.placement
    return {
        "id": text(variant.id),
        "description": variant.description,
        "descriptionMimeType": variant.description_mime_type,
        "url": variant.url,
        "targetTestersMin": variant.target_testers_min,
        "feedbackQuestions": [_question(q) for q in variant.feedback_questions],
        "placement": placement
        and {
            "element": placement.element,
            "position": placement.position,
            "revealQuestionsDuringTest": placement.reveal_questions_during_test,
        },
        "screenCapture": [
            {"type": r.type, "intervalSeconds": r.interval_seconds, "min": r.min, "max": r.max}
            for r in variant.screen_capture
        ],
        "audienceFilters": [
            {"field": f.field, "op": f.op, "values": f.values, "min": f.min, "max": f.max}
            for f in variant.audience_filters
        ],
        "techConstraints": [
            {"category": c.category, "rule": c.rule, "values": c.values} for c in variant.tech_constraints
        ],
    }


def _question(question: FeedbackQuestion) -> dict[str, Any]:
    condition = question.display_condition
    return {
        "id": question.id,
        "questionMarkdown": question.question_markdown,
        "inputType": question.input_type.value,
        "required": question.required,
        "options": question.options
        and [{"label": o.label, "value": o.value, "exclusive": o.exclusive} for o in question.options],
        "multiSelect": question.multi_select,
        "labels": question.labels,
        "min": question.min,
        "max": question.max,
        "displayCondition": condition
        and {"questionId": condition.question_id, "op": condition.op, "values": condition.values},
    }
