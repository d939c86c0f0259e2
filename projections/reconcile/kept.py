"""A reconciliation as the event that keeps it."""

from collections.abc import Iterable
from typing import Any

from domain.books.events import FoundBreak, Reconciled, StatementFile
from projections.json import to_json
from projections.reconcile.breaks import MAX_KEPT, Break
from projections.reconcile.files import FileRead
from projections.reconcile.period import Period
from projections.reconcile.reconciliation import Result
from projections.reconcile.report import is_clean

MAX_DETAIL = 500
MAX_ENTRIES = 100
"""Prior-period adjustments that are kept of a run, and shifted entries; their counts are of all."""
_TOLD_APART = ("breaks", "whatIf", "parameters", "statements")
_FIRST = ("priorPeriod", "shifted")


def kept(
    result: Result, document: dict[str, Any], period: Period, timezone: str, statements: Iterable[FileRead]
) -> Reconciled:
    """``document`` is that of the result; its breaks, and what each owner would have paid, are left out of it."""
    rest = {name: value for name, value in document.items() if name not in _TOLD_APART}
    rest |= {name: document[name][:MAX_ENTRIES] for name in _FIRST}
    rest["program"] = document["parameters"]["program"]
    return Reconciled(
        begins=period.begins,
        as_of=period.as_of,
        known_at=period.known_at,
        timezone=timezone,
        statements=tuple(
            StatementFile(name=s.name, sha256=s.sha256, lines=s.lines, of_bank=s.is_bank) for s in statements
        ),
        position=result.position,
        tree_root=result.root,
        ends_at=result.ends,
        is_clean=is_clean(result),
        breaks=tuple(_found(one) for one in result.breaks[:MAX_KEPT]),
        breaks_total=len(result.breaks),
        evidence=to_json(rest),
    )


def _found(one: Break) -> FoundBreak:
    return FoundBreak(
        category=one.category.value,
        remedy=one.remedy,
        key=one.key,
        ordinal=one.ordinal,
        subject=one.subject[:MAX_DETAIL],
        detail=one.detail[:MAX_DETAIL],
        difference_cents=one.amount_cents,
        account=one.account,
        positions=one.positions,
        since=one.since,
    )
