"""Rows as the answers that users see: every field, null where empty."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from domain.job.events import Created
from domain.job.slots import Room, eligible_variants, open_room
from domain.job.state import MAX_STATEMENTS
from domain.job.terms import Terms
from domain.sealed import SealedText, answers_place, claim_place
from projections.json import text, to_json
from projections.ledger import entry_id
from projections.terms_view import offer_view, terms_view, variant_view
from projections.times import iso, iso_or_none

Row = Mapping[str, Any]
Opens = Callable[[UUID, str, SealedText], str | None]
"""Opens a text that was sealed under a person's key, given its place; null once the key is destroyed."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


LIST_COLUMNS = ("position", "job_id", "posted", "status", "settlement_status", "target_testers", "escrow_hold_cents")

DETAIL_COLUMNS = (
    *LIST_COLUMNS,
    "version",
    "assignments",
    "completed",
    "settlement_deadline",
    "escrow_balance_cents",
    "closed_reason",
    "maxima",
)


def job_list_item(columns: Sequence[Any]) -> str:
    """One job of the owner's list, as JSON: what was posted, and what has changed since. See LIST_COLUMNS."""
    _, _, posted, status, settled, target, hold_cents = columns
    settlement = "null" if settled is None else f'"{settled}"'
    return (
        f'{posted[:-1]},"status":"{status}","settlementStatus":{settlement},"targetTesters":{target},'
        f'"escrowHoldCents":{hold_cents}}}'
    )


def _quoted(word: str | None) -> str:
    """A word of ours as JSON; it holds nothing that would have to be escaped."""
    return "null" if word is None else f'"{word}"'


def job_detail_head(row: Any, created: Created) -> str:
    """A job's detail as JSON up to its variants, without the closing brace. See DETAIL_COLUMNS."""
    item = job_list_item(row[: len(LIST_COLUMNS)])
    terms = to_json(terms_view(created.terms, created.posting_ends_at))
    return (
        f'{item[:-1]},"settlementDeadline":{_quoted(iso_or_none(row["settlement_deadline"]))},'
        f'"escrowBalanceCents":{row["escrow_balance_cents"]},"closedReason":{_quoted(row["closed_reason"])},'
        f"{terms[1:-1]}"
    )


def variant_heads(row: Row, terms: Terms, counts: Mapping[str, tuple[int, int]]) -> Iterator[tuple[str, bytes]]:
    """Each variant's id, and the variant as JSON up to its completed assignments, without the closing brace.

    ``counts`` are the taken and completed assignments, by variant id.
    """
    maxima = _decode(row["maxima"])
    for variant in terms.variants:
        variant_id = text(variant.id)
        taken, completed = counts.get(variant_id, (0, 0))
        progress = b',"targetTestersMax":%d,"assignmentCount":%d,"completedCount":%d'
        yield variant_id, _encode(variant_view(variant))[:-1] + progress % (maxima[variant_id], taken, completed)


def assignment_pieces(rows: Iterator[Sequence[Row]], job_settlement: str | None, opens: Opens) -> Iterator[bytes]:
    """Completed assignments as JSON, a comma between them, a piece for each page of rows."""
    opening = b""
    for page in rows:
        if page:
            yield opening + b",".join(_encode(completed_assignment(row, job_settlement, opens)) for row in page)
            opening = b","


def completed_assignment(row: Row, job_settlement: str | None, opens: Opens) -> dict[str, Any]:
    """One completed assignment as the owner sees it."""
    return {
        "assignmentId": row["assignment_id"],
        "testerId": row["tester_public_id"],
        "testerUserId": row["tester_id"],
        "status": row["status"],
        "settlementStatus": assignment_settlement(row, job_settlement),
        "durationMinutes": row["duration_minutes"],
        "completedAt": iso_or_none(row["completed_at"]),
        "payoutCents": row["payout_cents"],
        "feedbackData": feedback(row, opens),
        "artifacts": [],
    }


def assignment_item(row: Row, job_settlement: str | None, opens: Opens) -> dict[str, Any]:
    """One assignment of any status as the owner sees it."""
    return {**completed_assignment(row, job_settlement, opens), "variantId": row["variant_id"]}


def feedback(row: Row, opens: Opens) -> dict[str, Any] | None:
    """A tester's words, marked as such: whoever reads them, a program above all, must not take them for orders.

    The answers are null once the tester's data was erased.
    """
    if row["answers"] is None:
        return None
    answers = opened(row, "answers", answers_place, opens)
    shown = None if answers is None else msgspec.Raw(answers.encode())
    return {"_meta": TESTER_INPUT, "answers": shown}


TESTER_INPUT: Mapping[str, Any] = {"source": "tester_input", "untrusted": True}


def opened(row: Row, column: str, place: Callable[[UUID], str], opens: Opens) -> str | None:
    """A text of an assignment's row that is sealed under its tester's key."""
    sealed = row[column]
    return None if sealed is None else opens(UUID(row["tester_id"]), place(UUID(row["assignment_id"])), sealed)


_OF_ALL = {
    "pending_approval": "pending_approval",
    "approved": "approved",
    "disputed": "approved",
    "resolved": "approved",
}


def assignment_settlement(row: Row, job_settlement: str | None) -> str | None:
    """Its own settlement where it has one; else what its job's says of all that are not disputed."""
    if row["status"] != "completed" or job_settlement is None:
        return None
    own: str | None = row["settlement_status"]
    return own or _OF_ALL[job_settlement]


def tester_assignment(row: Row, terms: Terms, opens: Opens) -> dict[str, Any]:
    """One assignment as its tester sees it; its row is joined with its job's, with the dispute and with the claim."""
    variant = variant_of(row, terms)
    return {
        "id": row["assignment_id"],
        "jobId": row["job_id"],
        "variantId": row["variant_id"],
        "status": row["status"],
        "reservedUntil": iso(row["reserved_until"]),
        "startedAt": iso_or_none(row["started_at"]),
        "hardDeadline": iso_or_none(row["hard_deadline"]),
        "completedAt": iso_or_none(row["completed_at"]),
        "durationMinutes": row["duration_minutes"],
        "payoutCents": row["payout_cents"],
        "settlementStatus": assignment_settlement(row, row["job_settlement"]),
        "dispute": _claim(row, opens),
        "variant": variant,
        **offer_view(terms),
    }


def _claim(row: Row, opens: Opens) -> dict[str, Any] | None:
    """What is said of a tester's work, and how many statements the tester may still give."""
    if row["settlement_status"] is None:
        return None
    given, is_open = row["statements"], row["settlement_status"] == "disputed"
    return {
        "category": row["category"],
        "description": opened(row, "description", claim_place, opens),
        "ofAll": flags_view(row),
        "statementsGiven": given,
        "statementsLeft": MAX_STATEMENTS - given if is_open else 0,
    }


def variant_of(row: Row, terms: Terms) -> dict[str, Any]:
    """The variant of an assignment's row, which is joined with its job's."""
    variant_id = row["variant_id"]
    variant = next(v for v in terms.variants if text(v.id) == variant_id)
    return {**variant_view(variant), "targetTestersMax": _decode(row["maxima"])[variant_id]}


def offered_job(row: Row, created: Created) -> dict[str, Any]:
    """A job as a tester sees it who may take it."""
    posted = _decode(row["posted"])
    return {
        "id": posted["id"],
        "createdAt": posted["createdAt"],
        "openSlots": row["open_slots"],
        "postingEndsAt": iso(created.posting_ends_at),
        **offer_view(created.terms),
    }


def has_room(row: Row, terms: Terms, counts: Mapping[str, tuple[int, int]]) -> bool:
    """Whether a job has an open slot in a variant that takes a tester of whom nothing is known."""
    maxima = _decode(row["maxima"])
    rooms = [
        Room(v.id, v.target_testers_min, maxima[text(v.id)], counts.get(text(v.id), (0, 0))[0]) for v in terms.variants
    ]
    eligible = {v.id for v in eligible_variants(terms)}
    return open_room(rooms, eligible, row["open_slots"]) is not None


def settlement(row: Row, assignments: Sequence[Row], dispute: Row | None) -> dict[str, Any]:
    """Where a job's settlement stands, with all assignments ever taken."""
    closable, reason = _closable(row, assignments)
    return {
        "jobId": row["job_id"],
        "jobStatus": row["status"],
        "escrowHoldCents": row["escrow_hold_cents"],
        "escrowBalanceCents": row["escrow_balance_cents"],
        "settlementStatus": row["settlement_status"],
        "settlementDeadline": iso_or_none(row["settlement_deadline"]),
        "closable": closable,
        "closableReason": reason,
        "assignments": [
            {
                "id": a["assignment_id"],
                "testerId": a["tester_public_id"],
                "testerUserId": a["tester_id"],
                "status": a["status"],
                "settlementStatus": assignment_settlement(a, row["settlement_status"]),
                "payoutCents": a["payout_cents"],
            }
            for a in assignments
        ],
        "dispute": None if dispute is None else {"status": dispute["status"], **flags_view(dispute)},
    }


_RAN_OUT = frozenset({"expired", "timed_out"})


def _closable(row: Row, assignments: Sequence[Row]) -> tuple[bool, str]:
    if row["settlement_status"] is not None:
        return False, "already_settled"
    if row["status"] == "cancelled":
        return False, "cancelled"
    statuses = [a["status"] for a in assignments]
    if any(status in ("pending", "started") for status in statuses):
        return False, "testers_at_work"
    ran_out = bool(statuses) and all(status in _RAN_OUT for status in statuses)
    return True, "all_timed_out" if ran_out else "no_active_testers"


_FLAGS = {
    "lowQuality": "low_quality",
    "offTopic": "off_topic",
    "suspectedFraud": "suspected_fraud",
    "incompleteWork": "incomplete_work",
    "platformIssue": "platform_issue",
    "billingDiscrepancy": "billing_discrepancy",
}


def flags_view(dispute: Row) -> dict[str, bool]:
    """The six flags of a dispute."""
    flags = _decode(dispute["flags"])
    return {shown: flags[kept] for shown, kept in _FLAGS.items()}


def ledger_entry(row: Row) -> dict[str, Any]:
    """One journal entry: two postings of one amount, and the event that caused it."""
    entry: int = row["entry"]
    shown = entry_id(entry)
    amount = row["amount_cents"]
    return {
        "id": shown,
        "type": row["type"],
        "description": row["description"],
        "postings": [
            {"account": row["debit_account"], "side": "debit", "amountCents": amount},
            {"account": row["credit_account"], "side": "credit", "amountCents": amount},
        ],
        "event": {"stream": row["stream"], "version": row["version"], "position": int(shown.partition("-")[0])},
        "occurredAt": iso(row["occurred_at"]),
    }


def wallet(row: Row | None) -> dict[str, Any]:
    """A tester's wallet in cents."""
    if row is None:
        return {"payableCents": 0, "pendingCents": 0, "paidOutCents": 0}
    return {
        "payableCents": row["granted_cents"] - row["withdrawn_cents"],
        "pendingCents": row["pending_cents"],
        "paidOutCents": row["withdrawn_cents"],
    }


def reconciliation_item(row: Row) -> dict[str, Any]:
    """A reconciliation as lists show it."""
    item: dict[str, Any] = _decode(row["item"])
    return item


def reconciliation(row: Row) -> dict[str, Any]:
    """A reconciliation with all that was counted."""
    return {**reconciliation_item(row), "evidence": msgspec.Raw(row["evidence"].encode())}


def reconciliation_break(row: Row) -> dict[str, Any]:
    """A break, and what operators have decided about it."""
    item: dict[str, Any] = _decode(row["item"])
    return {
        **item,
        "status": row["status"] or "open",
        "reason": row["reason"],
        "proposedBy": row["proposed_by"],
        "proposedAt": iso_or_none(row["proposed_at"]),
        "confirmedBy": row["confirmed_by"],
        "confirmedAt": iso_or_none(row["confirmed_at"]),
    }


def key_item(row: Row) -> dict[str, Any]:
    """A key as operators see it; the key itself is nowhere."""
    return {
        "keyId": row["key_id"],
        "principalId": row["principal_id"],
        "role": row["role"],
        "name": row["name"],
        "createdAt": iso(row["created_at"]),
        "revokedAt": iso_or_none(row["revoked_at"]),
    }
