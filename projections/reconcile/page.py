"""A reconciliation as a page to print."""

from collections.abc import Iterable, Iterator
from typing import Any

from domain.times import HOUR, SECOND
from projections.export.amounts import decimal
from projections.export.html import document, table
from projections.statements.months import day_in, zone_of


def run_page(run: dict[str, Any]) -> str:
    """One document without scripts or anything from elsewhere."""
    log = run["log"]
    count = run["counts"]["breaks"]
    verdict = "No breaks" if run["clean"] else f"{count} break{'' if count == 1 else 's'}"
    lead = f"{verdict}. Log up to position {log['position']}, as of {log['endsAt']}, tree root {log['treeRoot']}."
    return document("Reconciliation", lead, _parts(run))


def _parts(run: dict[str, Any]) -> Iterator[str]:
    yield table("Asked", ("Parameter", "Value"), run["parameters"].items())
    yield table(
        "Statements", ("File", "SHA-256", "Lines"), ((s["file"], s["sha256"], s["lines"]) for s in run["statements"])
    )
    told = ("#", "Category", "Amount", "Age", "Remedy", "Of", "What", "Positions")
    yield table("Breaks", told, map(_break, run["breaks"]))
    yield table("Controls", ("Control", "One side", "Other side", "Agrees"), map(_control, run["controls"]))
    if run["priorPeriod"]:
        prior = (
            (p["month"], p["entry"], p["type"], decimal(p["amountCents"]), p["description"]) for p in run["priorPeriod"]
        )
        yield table("Prior-period adjustments", ("Month", "Entry", "Type", "Amount", "What"), prior)
    if run["shifted"]:
        zone = zone_of(run["parameters"]["timezone"])
        shifted = (
            (
                *(day_in(zone, s[name]) for name in ("datedAt", "countsAt")),
                s["entry"],
                s["type"],
                decimal(s["amountCents"]),
                s["description"],
            )
            for s in run["shifted"]
        )
        yield table("Counted when written", ("Dated", "Counted", "Entry", "Type", "Amount", "What"), shifted)
    if run["gateway"] is not None:
        gateway = ((g["category"], g["lines"], *(decimal(g[n]) for n in _AMOUNTS)) for g in run["gateway"])
        yield table("Gateway", ("Category", "Lines", "Gross", "Fee", "Net"), gateway)
    if run["bank"] is not None:
        bank = run["bank"]
        yield table("Bank", ("Movements", "In", "Out"), [(bank["lines"], *(decimal(bank[n]) for n in _BANK))])
    if run["whatIf"] is not None:
        owners = ((o["ownerId"], o["jobs"], *(decimal(o[n]) for n in _WHAT_IF)) for o in run["whatIf"]["owners"])
        columns = ("Owner", "Jobs", "Fees", "Would be", "Hold", "Would be")
        yield table(f"What if the fee were {run['parameters']['feeBasisPoints']} basis points", columns, owners)
    roll = ("Accounts", "Number", "Opening", "Debits", "Credits", "Closing")
    yield table("Roll-forward", roll, map(_rolled, run["rollForward"]))
    for name, shown in (("openHolds", "Open holds by age"), ("disputes", "Open disputes by age")):
        rows = ((a["age"], a["count"], decimal(a["cents"])) for a in run["ageing"][name])
        yield table(shown, ("Age", "Number", "Amount"), rows)


_AMOUNTS = ("grossCents", "feeCents", "netCents")
_BANK = ("inCents", "outCents")
_WHAT_IF = ("feeCents", "wouldBeFeeCents", "holdCents", "wouldBeHoldCents")


def _break(one: dict[str, Any]) -> Iterable[Any]:
    places = " ".join(map(str, one["positions"]))
    facts = (decimal(one["amountCents"]), _age(one["ageSeconds"]), one["remedy"], one["subject"], one["detail"], places)
    return one["number"], one["category"], *facts


def _age(seconds: int | None) -> str | None:
    if seconds is None:
        return None
    hours = seconds * SECOND // HOUR
    return f"{hours // 24} d" if hours >= 24 else f"{hours} h"


def _control(c: dict[str, Any]) -> Iterable[Any]:
    left, right = decimal(c["leftCents"]), decimal(c["rightCents"])
    return c["name"], f"{c['left']} {left}", f"{c['right']} {right}", "yes" if c["agrees"] else "no"


def _rolled(row: dict[str, Any]) -> Iterable[Any]:
    cents = ("openingCents", "debitCents", "creditCents", "closingCents")
    return row["kind"], row["accounts"], *(decimal(row[name]) for name in cents)
