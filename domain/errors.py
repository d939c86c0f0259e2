"""Why a command is refused, and the one error that says the program itself is wrong."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar


class InvariantBroken(Exception):
    """Something impossible was found in history or in code. Never caught by the domain."""


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One wrong field: where (RFC 6901 from the body's root, or ``?name`` of the query) and what to do."""

    pointer: str
    detail: str


MAX_PROBLEMS = 100
"""That one refusal names."""


class Refusal(Exception):
    """A command that the rules do not allow; nothing was changed.

    ``code`` is the stable name that clients branch on; ``detail`` the sentence that a person reads;
    ``facts`` are what the sentence was made of, for clients that count (cents, versions).
    """

    code: ClassVar[str] = "invalid_state"

    def __init__(self, detail: str, **facts: int | str | None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.facts = facts


class InvalidRequest(Refusal):
    """What was asked makes no sense whatever the state; every wrong field is named."""

    code = "invalid_request"

    def __init__(self, problems: Iterable[FieldProblem]) -> None:
        self.problems = tuple(problems)
        first = self.problems[0]
        super().__init__(f"{first.pointer or 'The request'}: {first.detail}")


def invalid(pointer: str, detail: str) -> InvalidRequest:
    """The refusal of one wrong field."""
    return InvalidRequest([FieldProblem(pointer, detail)])


class NotFound(Refusal):
    code = "not_found"


class Forbidden(Refusal):
    code = "forbidden"


class InvalidState(Refusal):
    code = "invalid_state"


class NotEnoughCredits(Refusal):
    """402: the owner's free balance does not cover the hold; ``facts`` tell both in cents."""

    code = "not_enough_credits"

    def __init__(self, needed_cents: int, available_cents: int) -> None:
        super().__init__(
            f"This needs {needed_cents} cents of free credits; {available_cents} are available.",
            neededCents=needed_cents,
            availableCents=available_cents,
        )


class NotEnoughPayable(Refusal):
    """402: the tester's wallet does not cover the withdrawal; ``facts`` tell both in cents."""

    code = "not_enough_payable"

    def __init__(self, needed_cents: int, available_cents: int) -> None:
        super().__init__(
            f"This needs {needed_cents} cents in the wallet; {available_cents} are payable.",
            neededCents=needed_cents,
            availableCents=available_cents,
        )


class PaymentFailed(Refusal):
    code = "payment_failed"


class JobNotActive(Refusal):
    code = "job_not_active"


class NotStarted(Refusal):
    code = "not_started"


class NoSlotsLeft(Refusal):
    code = "no_slots_left"


class AlreadyTaken(Refusal):
    code = "already_taken"


class NotEligible(Refusal):
    code = "not_eligible"


class LegalAgreementsRequired(Refusal):
    code = "legal_agreements_required"


class ReservationExpired(Refusal):
    code = "reservation_expired"


class PastHardLimit(Refusal):
    code = "past_hard_limit"


class ProofLocked(Refusal):
    code = "proof_locked"


class TestersAtWork(Refusal):
    __test__ = False  # not a test class, whatever its name says to pytest
    code = "testers_at_work"


class NotPendingApproval(Refusal):
    code = "not_pending_approval"


class NotDisputed(Refusal):
    code = "not_disputed"


class AlreadyResolved(Refusal):
    code = "already_resolved"


class BelowTaken(Refusal):
    code = "below_taken"


class BelowMinimum(Refusal):
    code = "below_minimum"


class AboveMaximum(Refusal):
    code = "above_maximum"
