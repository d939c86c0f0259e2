"""Refusals that come from serving commands, not from the rules of the domain."""

from typing import Any

from domain.errors import Refusal

EVENTS_MISSING = "The log does not have all events that were written to it; run tallyhold verify."
WRONG_HASHES = "The log does not have the hashes that it was written with; run tallyhold verify."


class NotAuthenticated(Refusal):
    code = "not_authenticated"


class IdempotencyMismatch(Refusal):
    code = "idempotency_mismatch"


class IdempotencyInProgress(Refusal):
    code = "idempotency_in_progress"


class VersionMismatch(Refusal):
    """The job has moved on: ``events`` are those since the version that was named, at most 100."""

    code = "version_mismatch"

    def __init__(self, named: int, current_version: int, events: list[dict[str, Any]]) -> None:
        had = "" if named <= current_version else ", and never had that one"
        super().__init__(
            f"If-Match names version {named}; the job is at version {current_version}{had}.",
            currentVersion=current_version,
        )
        self.events = events


class GatewayNotConfigured(Refusal):
    code = "gateway_not_configured"


class Overloaded(Refusal):
    code = "overloaded"


class Unavailable(Refusal):
    """The store is away, the service is shutting down, or the job was set aside; try again later."""

    code = "unavailable"
