"""What a run found: JSON for machines, a table for people."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

Report = dict[str, Any]


def make(machine: Report, settings: Report, floors: Report, cases: Mapping[str, Report]) -> Report:
    """One object: on what, how, the machine's floors, each case's figures, and the goals with their ratios."""
    goals = {name: {key: case[key] for key in ("title", "ratio", "goal", "met")} for name, case in cases.items()}
    return {"machine": machine, "settings": settings, "floors": floors, "cases": dict(cases), "goals": goals}


def as_json(report: Report) -> str:
    return json.dumps(report, indent=2)


def show(report: Report, console: Console) -> None:
    """The report as tables."""
    machine = report["machine"]
    console.print(
        f"{machine['cpu']}, {machine['cores']} cores, load {machine['load_average'][0]}, {machine['filesystem']}, "
        f"Python {machine['python']}, SQLite {machine['sqlite']}, commit {machine['commit']}"
    )
    console.print(_floors(report["floors"]))
    console.print(_cases(report["cases"]))


def _floors(floors: Mapping[str, Report]) -> Table:
    table = Table("machine floor", "unit", title="The machine")
    table.add_column("median", justify="right")
    for name, floor in floors.items():
        table.add_row(name, floor["unit"], f"{floor['median']:,.0f}")
    return table


def _cases(cases: Mapping[str, Report]) -> Table:
    table = Table("case", title="Medians a second, and the median of the rounds' ratios")
    for name in ("ours", "compared with", "", "ratio", "lowest", "highest", "goal", "met"):
        table.add_column(name, justify="left" if name == "compared with" else "right")
    for case in cases.values():
        table.add_row(case["title"], *_cells(case))
    return table


def _cells(case: Report) -> Iterator[str]:
    others = {name: part for name, part in case.items() if name != "tallyhold" and "samples" in _parts(part)}
    yield f"{case['tallyhold']['median']:,.0f}"
    yield "\n".join(others)
    yield "\n".join(f"{part['median']:,.0f}" for part in others.values())
    yield f"{case['ratio']:.2f}"
    yield f"{min(case['ratios']):.2f}"
    yield f"{max(case['ratios']):.2f}"
    yield f"{case['goal']:.2f}"
    yield "yes" if case["met"] else "no"


def _parts(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
