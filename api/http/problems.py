"""Refusals as problems (RFC 9457). One table says which status each has; a test holds that it is complete."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from api.service import refusals as r
from domain import errors as e


class MethodNotAllowed(e.Refusal):
    code = "method_not_allowed"


class TooLarge(e.Refusal):
    code = "too_large"


class HeadTooLarge(e.Refusal):
    code = "head_too_large"


class NotJson(e.Refusal):
    code = "not_json"


class RateLimited(e.Refusal):
    code = "rate_limited"


STATUSES: Mapping[type[e.Refusal], HTTPStatus] = {
    e.InvalidRequest: HTTPStatus.BAD_REQUEST,
    r.NotAuthenticated: HTTPStatus.UNAUTHORIZED,
    e.NotEnoughCredits: HTTPStatus.PAYMENT_REQUIRED,
    e.NotEnoughPayable: HTTPStatus.PAYMENT_REQUIRED,
    e.PaymentFailed: HTTPStatus.PAYMENT_REQUIRED,
    e.Forbidden: HTTPStatus.FORBIDDEN,
    e.NotEligible: HTTPStatus.FORBIDDEN,
    e.NotFound: HTTPStatus.NOT_FOUND,
    MethodNotAllowed: HTTPStatus.METHOD_NOT_ALLOWED,
    e.JobNotActive: HTTPStatus.CONFLICT,
    e.NotStarted: HTTPStatus.CONFLICT,
    e.NoSlotsLeft: HTTPStatus.CONFLICT,
    e.AlreadyTaken: HTTPStatus.CONFLICT,
    e.LegalAgreementsRequired: HTTPStatus.CONFLICT,
    e.ReservationExpired: HTTPStatus.CONFLICT,
    e.PastHardLimit: HTTPStatus.CONFLICT,
    e.ProofLocked: HTTPStatus.CONFLICT,
    e.TestersAtWork: HTTPStatus.CONFLICT,
    e.NotPendingApproval: HTTPStatus.CONFLICT,
    e.NotDisputed: HTTPStatus.CONFLICT,
    e.AlreadyResolved: HTTPStatus.CONFLICT,
    e.BelowTaken: HTTPStatus.CONFLICT,
    e.BelowMinimum: HTTPStatus.CONFLICT,
    e.AboveMaximum: HTTPStatus.CONFLICT,
    e.InvalidState: HTTPStatus.CONFLICT,
    r.IdempotencyInProgress: HTTPStatus.CONFLICT,
    r.VersionMismatch: HTTPStatus.PRECONDITION_FAILED,
    TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    NotJson: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    r.IdempotencyMismatch: HTTPStatus.UNPROCESSABLE_ENTITY,
    RateLimited: HTTPStatus.TOO_MANY_REQUESTS,
    HeadTooLarge: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    r.GatewayNotConfigured: HTTPStatus.SERVICE_UNAVAILABLE,
    r.Overloaded: HTTPStatus.SERVICE_UNAVAILABLE,
    r.Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}

RETRY_AFTER_SECONDS: Mapping[type[e.Refusal], int] = {
    RateLimited: 1,
    r.Overloaded: 1,
    r.Unavailable: 2,
    r.GatewayNotConfigured: 3_600,
    r.IdempotencyInProgress: 1,
}


def problem(refusal: e.Refusal, request_id: str) -> tuple[HTTPStatus, dict[str, Any]]:
    """The status and body of a refusal; ``error`` is the one sentence that clients of the contract read."""
    status = STATUSES[type(refusal)]
    body: dict[str, Any] = {
        "type": f"urn:tallyhold:problem:{refusal.code}",
        "title": status.phrase,
        "status": status.value,
        "detail": refusal.detail,
        "code": refusal.code,
        "requestId": request_id,
        "error": refusal.detail,
        **refusal.facts,
    }
    if isinstance(refusal, e.InvalidRequest):
        body["errors"] = [{"pointer": one.pointer, "detail": one.detail} for one in refusal.problems]
    if isinstance(refusal, r.VersionMismatch):
        body["events"] = refusal.events
    return status, body


def unforeseen(request_id: str) -> tuple[HTTPStatus, dict[str, Any]]:
    """What a caller is told of an error that nobody foresaw: that it is ours, and by which id to ask for it."""
    sentence = f"The service failed; ask for request {request_id}, and repeat a command with the same Idempotency-Key."
    return HTTPStatus.INTERNAL_SERVER_ERROR, {
        "type": "urn:tallyhold:problem:unavailable",
        "title": HTTPStatus.INTERNAL_SERVER_ERROR.phrase,
        "status": 500,
        "detail": sentence,
        "code": "unavailable",
        "requestId": request_id,
        "error": sentence,
    }
