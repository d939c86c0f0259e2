"""Recomputed totals as a document, and as a person reads them."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from domain.ledger.accounts import AccountKind
from projections.columns.totals import Difference, Key, Measure, Totals, events, kind_cents
from projections.export.amounts import decimal

MAX_DIFFERENCES = 10_000
"""So many are told in one document."""


def document(log: str, position: int, totals: Totals, found: Sequence[Difference]) -> dict[str, Any]:
    """All that is told of partitions but single accounts: of these only what differs."""
    return {
        "agrees": not found,
        "log": {"name": log, "position": position},
        "counts": {
            "events": events(totals),
            "streams": totals.get(Key(Measure.STREAMS), 0),
            "entries": sum(number for key, number in totals.items() if key.measure == Measure.ENTRIES),
            "differences": len(found),
        },
        "kinds": [_kind(totals, kind) for kind in AccountKind],
        "months": [
            {
                "month": key.which,
                "type": key.of,
                "entries": totals.get(Key(Measure.ENTRIES, key.of, key.which), 0),
                "cents": cents,
            }
            for key, cents in sorted(totals.items(), key=lambda item: (item[0].which, item[0].of))
            if key.measure == Measure.CENTS
        ],
        "differences": [
            {"name": one.name, "left": one.left, "leftNumber": one.left_number, "right": one.right}
            | {"rightNumber": one.right_number}
            for one in islice(found, MAX_DIFFERENCES)
        ],
    }


def _kind(totals: Totals, kind: AccountKind) -> dict[str, Any]:
    return {
        "kind": kind.value,
        "openAccounts": sum(key.measure == Measure.BALANCE and key.of == kind for key in totals),
        "debitCents": totals.get(Key(Measure.DEBITS, kind.value), 0),
        "creditCents": totals.get(Key(Measure.CREDITS, kind.value), 0),
        "closingCents": kind_cents(totals, kind),
    }


def summary(told: dict[str, Any]) -> Iterator[str]:
    """A document as a person reads it on a terminal."""
    counts, log = told["counts"], told["log"]
    yield (
        f"{counts['events']} events of {counts['streams']} streams up to position {log['position']} of {log['name']}, "
        f"{counts['entries']} entries"
    )
    yield ""
    yield f"{'account kind':<22}{'not empty':>10}{'debits':>18}{'credits':>18}{'closing':>18}"
    for row in told["kinds"]:
        cents = (decimal(row[name]) for name in ("debitCents", "creditCents", "closingCents"))
        yield f"{row['kind']:<22}{row['openAccounts']:>10}" + "".join(f"{one:>18}" for one in cents)
    yield ""
    yield f"{'month':<8}  {'entry':<26}{'entries':>10}{'amount':>18}"
    for row in told["months"]:
        yield f"{row['month']:<8}  {row['type']:<26}{row['entries']:>10}{decimal(row['cents']):>18}"
    yield ""
    for one in told["differences"]:
        yield f"{one['name']}: {one['left']} {one['leftNumber']}, {one['right']} {one['rightNumber']}"
    if counts["differences"] > len(told["differences"]):
        yield f"… and {counts['differences'] - len(told['differences'])} more"
    yield "every total agrees" if told["agrees"] else f"{counts['differences']} totals differ"
