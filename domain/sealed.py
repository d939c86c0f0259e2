"""Personal text as events carry it: sealed under a key of the person it is about, which the domain never opens.

A place says where a sealed text belongs. It is bound into the sealing, so that no text passes for another one's.
"""

from typing import NewType
from uuid import UUID

SealedText = NewType("SealedText", str)
"""Ciphertext. Once the person's key is destroyed nobody can read it any more, and nothing else changes."""


def answers_place(assignment_id: UUID) -> str:
    """A tester's answers, under the tester's key."""
    return f"{assignment_id}/answers"


def claim_place(assignment_id: UUID) -> str:
    """What the owner says of a tester's work, under the tester's key."""
    return f"{assignment_id}/claim"


def statement_place(assignment_id: UUID, number: int) -> str:
    """What a tester says of a claim, each time anew, under the tester's key."""
    return f"{assignment_id}/statement/{number}"


def note_place(assignment_id: UUID) -> str:
    """An operator's note on a verdict, under the tester's key."""
    return f"{assignment_id}/note"


def platform_issue_place(job_id: UUID) -> str:
    """What the owner says of the platform in a dispute, under the owner's key."""
    return f"{job_id}/platform_issue"


def billing_discrepancy_place(job_id: UUID) -> str:
    """What the owner says of the bill in a dispute, under the owner's key."""
    return f"{job_id}/billing_discrepancy"
