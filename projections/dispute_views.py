"""Disputes as operators see them: what each side says, and what was decided before."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import msgspec

from domain.job.events import Created
from domain.sealed import (
    SealedText,
    billing_discrepancy_place,
    claim_place,
    note_place,
    platform_issue_place,
    statement_place,
)
from domain.times import Instant
from projections.json import text
from projections.terms_view import terms_view, variant_view
from projections.times import iso, iso_or_none
from projections.views import TESTER_INPUT, Opens, Row, feedback, flags_view, opened

_decode = msgspec.json.Decoder().decode


def dispute_head(dispute: Row, now: Instant, opens: Opens) -> dict[str, Any]:
    """A dispute but for its claims, with its age in seconds."""
    return {
        "jobId": dispute["job_id"],
        "ownerId": dispute["owner_id"],
        "status": dispute["status"],
        "openedAt": iso(dispute["opened_at"]),
        "ageSeconds": (now - dispute["opened_at"]) // 1_000,
        **flags_view(dispute),
        "platformIssueDescription": _of_owner(dispute, "platform_issue_description", platform_issue_place, opens),
        "billingDiscrepancyDescription": _of_owner(
            dispute, "billing_discrepancy_description", billing_discrepancy_place, opens
        ),
    }


def _of_owner(dispute: Row, column: str, place: Callable[[UUID], str], opens: Opens) -> str | None:
    """A text of a dispute's row that is sealed under the owner's key."""
    sealed = dispute[column]
    return None if sealed is None else opens(UUID(dispute["owner_id"]), place(UUID(dispute["job_id"])), sealed)


def dispute_item(dispute: Row, claims: Sequence[Row], now: Instant, opens: Opens) -> dict[str, Any]:
    """A dispute in the list; claims are joined with their assignments."""
    return {**dispute_head(dispute, now, opens), "assignments": [_claimed(claim, opens) for claim in claims]}


def _claimed(claim: Row, opens: Opens) -> dict[str, Any]:
    return {
        "assignmentId": claim["assignment_id"],
        "testerId": claim["tester_public_id"],
        "testerUserId": claim["tester_id"],
        "category": claim["category"],
        "description": opened(claim, "description", claim_place, opens),
        "earnedCents": claim["earned_cents"],
        "earnedFeeCents": claim["earned_fee_cents"],
        "resolved": claim["verdict"] is not None,
    }


def pinned_terms(row: Row, created: Created) -> dict[str, Any]:
    """What the owner posted, and everybody agreed to. The row is the job's."""
    posted, maxima = _decode(row["posted"]), _decode(row["maxima"])
    terms = terms_view(created.terms, created.posting_ends_at)
    variants = [{**variant_view(v), "targetTestersMax": maxima[text(v.id)]} for v in created.terms.variants]
    shown = {name: posted[name] for name in ("title", "createdAt", "projectId", "paymentRules")}
    return {**shown, **terms, "targetTesters": row["target_testers"], "variants": variants}


def disputed_work(claim: Row, statements: Sequence[Row], opens: Opens) -> dict[str, Any]:
    """All that there is to know of one disputed assignment, but for earlier verdicts on its tester."""
    return {
        **_claimed(claim, opens),
        "variantId": claim["variant_id"],
        "reservedUntil": iso(claim["reserved_until"]),
        "startedAt": iso_or_none(claim["started_at"]),
        "hardDeadline": iso_or_none(claim["hard_deadline"]),
        "completedAt": iso_or_none(claim["completed_at"]),
        "durationMinutes": claim["duration_minutes"],
        "feedbackData": feedback(claim, opens),
        "statements": [_statement(claim, statement, opens) for statement in statements],
        "verdict": None if claim["verdict"] is None else _decided(claim, opens),
    }


def _statement(claim: Row, statement: Row, opens: Opens) -> dict[str, Any]:
    """What the tester says; null once the tester's data was erased."""
    place = statement_place(UUID(claim["assignment_id"]), statement["number"])
    return {
        "_meta": TESTER_INPUT,
        "number": statement["number"],
        "statedAt": iso(statement["stated_at"]),
        "text": opens(UUID(claim["tester_id"]), place, SealedText(statement["text"])),
    }


def _decided(claim: Row, opens: Opens) -> dict[str, Any]:
    return {
        "decidedAt": iso(claim["decided_at"]),
        "payoutCents": claim["earned_cents"] - claim["refunded_cents"],
        "feeCents": claim["earned_fee_cents"] - claim["refunded_fee_cents"],
        "note": opened(claim, "note", note_place, opens),
    }


def verdict_item(claim: Row, opens: Opens) -> dict[str, Any]:
    """One verdict in a list of them; the claim is joined with its assignment."""
    return {
        "jobId": claim["job_id"],
        "ownerId": claim["owner_id"],
        "assignmentId": claim["assignment_id"],
        "testerId": claim["tester_public_id"],
        "testerUserId": claim["tester_id"],
        "category": claim["category"],
        "earnedCents": claim["earned_cents"],
        "earnedFeeCents": claim["earned_fee_cents"],
        **_decided(claim, opens),
    }
