"""Why an entry of the books is what it is: posting, rule, event, command and actor in one answer."""

from typing import Any
from uuid import UUID

from api.service.reads import AuditReads
from domain.errors import NotFound
from domain.job.events import JobEvent
from projections import explain, views
from projections.audit import recorded_view
from projections.json import text
from projections.ledger import ENTRIES_PER_EVENT, journal_rows


def explain_entry(audit: AuditReads, entry: int, shown_to: UUID | None) -> dict[str, Any]:
    """All that led to an entry, of the principal who asks or, for null, of everybody. Raises NotFound."""
    position, number = divmod(entry, ENTRIES_PER_EVENT)
    recorded = audit.event(position)
    rows = [] if recorded is None else journal_rows(recorded)
    if recorded is None or number >= len(rows):
        raise NotFound("There is no such entry.")
    event = recorded.event
    is_of_job = isinstance(event, JobEvent)
    before = audit.stream(recorded.stream, 0, recorded.version) if is_of_job else [recorded]
    rule, actor = explain.rule_of(event, number), recorded.actor
    is_shown = shown_to in (None, actor.id)
    return {
        "entry": views.ledger_entry(rows[number]),
        "rule": explain.rule_view(event, rule),
        "steps": [{"text": step.text, "cents": step.cents} for step in explain.steps(event, rule, before)],
        "measured": explain.measured(event, before),
        "terms": explain.terms_of(before),
        "event": recorded_view(recorded, key_shown_to=shown_to),
        "command": recorded_view(audit.first_of_command(recorded), key_shown_to=shown_to),
        "actor": {
            "kind": actor.kind.value,
            "id": text(actor.id),
            "name": audit.name_of(actor.id) if actor.id is not None and is_shown else None,
        },
    }
