"""Refusals: one family, each with a name of its own."""

from collections.abc import Iterator

import pytest

from domain import errors
from domain.errors import FieldProblem, InvalidRequest, InvariantBroken, Refusal, invalid

CODES = {
    "InvalidRequest": "invalid_request",
    "NotFound": "not_found",
    "Forbidden": "forbidden",
    "InvalidState": "invalid_state",
    "NotEnoughCredits": "not_enough_credits",
    "NotEnoughPayable": "not_enough_payable",
    "PaymentFailed": "payment_failed",
    "JobNotActive": "job_not_active",
    "NotStarted": "not_started",
    "NoSlotsLeft": "no_slots_left",
    "AlreadyTaken": "already_taken",
    "NotEligible": "not_eligible",
    "LegalAgreementsRequired": "legal_agreements_required",
    "ReservationExpired": "reservation_expired",
    "PastHardLimit": "past_hard_limit",
    "ProofLocked": "proof_locked",
    "TestersAtWork": "testers_at_work",
    "NotPendingApproval": "not_pending_approval",
    "NotDisputed": "not_disputed",
    "AlreadyResolved": "already_resolved",
    "BelowTaken": "below_taken",
    "BelowMinimum": "below_minimum",
    "AboveMaximum": "above_maximum",
}


def family(kind: type[Refusal]) -> Iterator[type[Refusal]]:
    for child in kind.__subclasses__():
        yield child
        yield from family(child)


@pytest.mark.parametrize(("name", "code"), CODES.items())
def test_codes_are_stable(name: str, code: str) -> None:
    assert getattr(errors, name).code == code


def test_each_refusal_has_a_code_of_its_own() -> None:
    codes = [kind.code for kind in family(Refusal) if kind.__module__ == errors.__name__]
    assert len(codes) == len(set(codes)) >= len(CODES)


def test_an_invalid_request_speaks_of_its_first_problem_and_keeps_all() -> None:
    problems = [FieldProblem("/a", "is wrong"), FieldProblem("/b", "is wrong too")]
    refusal = InvalidRequest(iter(problems))
    assert (refusal.detail, refusal.problems) == ("/a: is wrong", tuple(problems))
    assert str(refusal) == refusal.detail


def test_a_problem_of_the_whole_request_has_no_pointer() -> None:
    assert invalid("", "says nothing").detail == "The request: says nothing"


def test_what_is_impossible_is_no_refusal() -> None:
    assert not issubclass(InvariantBroken, Refusal)
