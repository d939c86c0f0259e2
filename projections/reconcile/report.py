"""A reconciliation as evidence: what was asked, of which log, and everything that was found."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from domain.times import SECOND, Instant
from projections.export.amounts import decimal
from projections.export.csv_text import csv_line
from projections.json import text
from projections.reconcile.accounts import Total
from projections.reconcile.ageing import aged
from projections.reconcile.breaks import Break
from projections.reconcile.files import FileRead
from projections.reconcile.jobs import WhatIf
from projections.reconcile.journal import Posted
from projections.reconcile.reconciliation import Result
from projections.statements.months import day_in, zone_of
from projections.times import iso, iso_or_none

MAX_BREAKS = 10_000
"""So many breaks are told in one document; ``breaks.csv`` has all of them."""


def is_clean(result: Result) -> bool:
    """Whether nothing differs anywhere."""
    return not result.breaks and all(control.agrees for control in result.controls)


def document(result: Result, parameters: dict[str, Any], statements: Iterable[FileRead]) -> dict[str, Any]:
    """The whole run."""
    kinds = result.accounts.by_kind()
    disputes = ((h.disputed_at, h.cents) for h in result.holds if h.disputed_at is not None)
    return {
        "clean": is_clean(result),
        "parameters": parameters,
        "statements": [{"file": one.name, "sha256": one.sha256, "lines": one.lines} for one in statements],
        "log": {"position": result.position, "treeRoot": result.root, "endsAt": iso(result.ends)},
        "counts": {
            "events": result.events,
            "entries": result.entries,
            "accounts": sum(total.accounts for total in kinds.values()),
            "breaks": len(result.breaks),
            "settled": len(result.settled),
            "priorPeriod": result.closed.later_count,
            "shifted": result.shifted.count,
            "toBook": result.to_book(),
            "byCategory": dict(sorted(Counter(one.category.value for one in result.breaks).items())),
        },
        "controls": [
            {
                "name": c.name,
                "left": c.left,
                "leftCents": c.left_cents,
                "right": c.right,
                "rightCents": c.right_cents,
                "agrees": c.agrees,
            }
            for c in result.controls
        ],
        "rollForward": [{"kind": kind.value, **_total(total)} for kind, total in kinds.items()],
        "ageing": {
            "openHolds": _aged(((h.created_at, h.cents) for h in result.holds), result.ends),
            "disputes": _aged(disputes, result.ends),
        },
        "priorPeriod": [{"month": one.month, **_entry(one.posted)} for one in result.closed.later],
        "shifted": [
            {"countsHere": result.shifted.counts_here(one), **_entry(one), "countsAt": iso(one.counts_at)}
            for one in result.shifted.listed
        ],
        "gateway": _gateway(result),
        "bank": None if result.bank is None else result.bank.totals,
        "whatIf": None if result.jobs.fee_basis_points is None else _what_if(result.jobs.what_if),
        "breaks": [break_item(n, one, result.ends) for n, one in enumerate(result.breaks[:MAX_BREAKS], 1)],
    }


def _entry(posted: Posted) -> dict[str, Any]:
    debit, credit = posted.entry.postings
    return {
        "entry": posted.id,
        "type": posted.entry.type.value,
        "description": posted.entry.description,
        "debitAccount": debit.account.name,
        "creditAccount": credit.account.name,
        "amountCents": posted.entry.amount_cents,
        "datedAt": iso(posted.dated_at),
        "occurredAt": iso(posted.occurred_at),
    }


def _total(total: Total) -> dict[str, int]:
    return {
        "accounts": total.accounts,
        "openingCents": total.opening_cents,
        "debitCents": total.debit_cents,
        "creditCents": total.credit_cents,
        "closingCents": total.closing_cents,
    }


def _aged(items: Iterable[tuple[Instant, int]], now: Instant) -> list[dict[str, Any]]:
    return [{"age": name, "count": one.count, "cents": one.cents} for name, one in aged(items, now).items()]


def _gateway(result: Result) -> list[dict[str, Any]] | None:
    """The statements in sum, by the gateway's own categories."""
    if result.gateway is None:
        return None
    return [
        {"category": name, "lines": lines, "grossCents": gross, "feeCents": fee, "netCents": net}
        for name, (lines, gross, fee, net) in sorted(result.gateway.totals.items())
    ]


def _what_if(owners: dict[Any, WhatIf]) -> dict[str, Any]:
    """What the other fee would have changed: in all, and for each owner."""
    whole = WhatIf()
    rows = []
    for owner_id, one in owners.items():
        rows.append({"ownerId": text(owner_id), **_priced(one)})
        whole.jobs += one.jobs
        whole.fee_cents += one.fee_cents
        whole.would_be_fee_cents += one.would_be_fee_cents
        whole.hold_cents += one.hold_cents
        whole.would_be_hold_cents += one.would_be_hold_cents
    return {**_priced(whole), "owners": rows}


def _priced(one: WhatIf) -> dict[str, int]:
    return {
        "jobs": one.jobs,
        "feeCents": one.fee_cents,
        "wouldBeFeeCents": one.would_be_fee_cents,
        "feeDifferenceCents": one.would_be_fee_cents - one.fee_cents,
        "holdCents": one.hold_cents,
        "wouldBeHoldCents": one.would_be_hold_cents,
    }


def break_item(number: int, one: Break, ends: Instant) -> dict[str, Any]:
    """One break, with its age at the end of the period."""
    return {
        "number": number,
        "category": one.category.value,
        "subject": one.subject,
        "detail": one.detail,
        "amountCents": one.amount_cents,
        "positions": list(one.positions),
        "since": iso_or_none(one.since),
        "remedy": one.remedy.value,
        "account": None if one.account is None else one.account.value,
        "ageSeconds": None if one.since is None else max(0, ends - one.since) // SECOND,
    }


BREAK_COLUMNS = (
    "number",
    "category",
    "subject",
    "detail",
    "amount_cents",
    "amount",
    "positions",
    "since",
    "age_seconds",
    "remedy",
    "account",
)
"""In this order, for ever; a new column comes at the end."""


def breaks_csv(result: Result) -> Iterator[str]:
    """All breaks as CSV; the positions of one are separated by spaces."""
    yield csv_line(BREAK_COLUMNS)
    for number, one in enumerate(result.breaks, 1):
        item = break_item(number, one, result.ends)
        positions = " ".join(map(str, one.positions))
        yield csv_line(
            (
                number,
                item["category"],
                one.subject,
                one.detail,
                one.amount_cents,
                decimal(one.amount_cents),
                positions,
                item["since"],
                item["ageSeconds"],
                item["remedy"],
                item["account"],
            )
        )


ROLL_FORWARD_COLUMNS = ("account", "kind", "opening_cents", "debit_cents", "credit_cents", "closing_cents", "closing")


def roll_forward_csv(result: Result) -> Iterator[str]:
    """Every account: opening + movement = closing, on its normal side."""
    yield csv_line(ROLL_FORWARD_COLUMNS)
    for line in result.accounts.lines():
        cents = (line.opening_cents, line.debit_cents, line.credit_cents, line.closing_cents)
        yield csv_line((line.account.name, line.account.kind.value, *cents, decimal(line.closing_cents)))


def summary(run: dict[str, Any]) -> Iterator[str]:
    """A run as a person reads it on a terminal."""
    log, counts, zone = run["log"], run["counts"], zone_of(run["parameters"]["timezone"])
    yield f"{counts['events']} events up to position {log['position']}, {counts['entries']} entries, {log['endsAt']}"
    yield f"tree root {log['treeRoot']}"
    yield ""
    yield f"{'account kind':<22}{'accounts':>10}{'opening':>16}{'debits':>16}{'credits':>16}{'closing':>16}"
    for row in run["rollForward"]:
        cents = (row[name] for name in ("openingCents", "debitCents", "creditCents", "closingCents"))
        yield f"{row['kind']:<22}{row['accounts']:>10}" + "".join(f"{decimal(one):>16}" for one in cents)
    yield ""
    for c in run["controls"]:
        sign = "=" if c["agrees"] else "is not"
        yield f"{c['name']}: {c['left']} {decimal(c['leftCents'])} {sign} {c['right']} {decimal(c['rightCents'])}"
    for name, shown in (("openHolds", "open holds"), ("disputes", "open disputes")):
        aged_so = [f"{a['age']}: {a['count']} ({decimal(a['cents'])})" for a in run["ageing"][name] if a["count"]]
        yield f"{shown} by age: {', '.join(aged_so) or 'none'}"
    for p in run["priorPeriod"]:
        yield f"prior-period adjustment of {p['month']}: {_of_entry(p)}"
    for one in run["shifted"]:
        dated, counts = (day_in(zone, one[name]) for name in ("datedAt", "countsAt"))
        yield f"dated {dated} and counted {counts}, when it was written: {_of_entry(one)}"
    if count := run["counts"]["toBook"]:
        lines = "one line of the statements is" if count == 1 else f"{count} lines of the statements are"
        yield f"{lines} not in the books yet: tallyhold close takes in what they tell"
    for g in run["gateway"] or ():
        amounts = f"gross {decimal(g['grossCents'])}, net {decimal(g['netCents'])}"
        yield f"gateway, {g['category']}: {_counted(g['lines'], 'line')}, {amounts}"
    if run["bank"] is not None:
        moved = f"in {decimal(run['bank']['inCents'])}, out {decimal(run['bank']['outCents'])}"
        yield f"bank: {_counted(run['bank']['lines'], 'movement')}, {moved}"
    if run["whatIf"] is not None:
        yield from _what_if_lines(run["whatIf"], run["parameters"]["feeBasisPoints"])
    yield ""
    yield from _break_lines(run)


def _of_entry(told: dict[str, Any]) -> str:
    return f"{told['type']} {decimal(told['amountCents'])}, {told['description']} [entry {told['entry']}]"


def _what_if_lines(told: dict[str, Any], basis_points: int) -> Iterator[str]:
    would_be, were, differ = (decimal(told[name]) for name in ("wouldBeFeeCents", "feeCents", "feeDifferenceCents"))
    jobs = _counted(told["jobs"], "job")
    yield (
        f"at {basis_points} basis points {jobs} would have paid fees of {would_be} "
        f"in place of {were}: {differ}; nothing was changed"
    )


def _break_lines(run: dict[str, Any]) -> Iterator[str]:
    for one in run["breaks"]:
        places = " ".join(map(str, one["positions"]))
        where = f" [position {places}]" if places else ""
        head = f"{one['number']:>4}  {one['category']:<22}{decimal(one['amountCents']):>12}"
        yield f"{head}  {one['subject']}: {one['detail']}{where}"
    count = run["counts"]["breaks"]
    if count > len(run["breaks"]):
        yield f"… and {count - len(run['breaks'])} more; --out writes all of them"
    yield _counted(count, "break") if count else "no breaks"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
