"""`tallyhold explain`: an entry of the books as a small tree, from its cents back to who decided."""

import json
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

WIDTH = 200
Json = dict[str, Any]


def explanation_text(told: Json) -> str:
    """The tree, as wide as the terminal is."""
    entry = told["entry"]
    amount = entry["postings"][0]["amountCents"]
    tree = Tree(_text(f"{entry['id']}  {entry['type']}  {amount} cents: {entry['description']}"))
    for branch, leaves in _branches(told):
        below = tree.add(_text(branch))
        for leaf in leaves:
            below.add(_text(leaf))
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = WIDTH
    with console.capture() as captured:
        console.print(tree)
    return captured.get().rstrip("\n")


def _text(words: str) -> Text:
    """Words as they are: nothing in them is markup."""
    return Text(words)


def _branches(told: Json) -> Iterator[tuple[str, list[str]]]:
    yield "postings", [f"{p['side']:<6} {p['account']}  {p['amountCents']}" for p in told["entry"]["postings"]]
    rule = told["rule"]
    yield f"rule: {rule['event']} debits {rule['debit']} and credits {rule['credit']} with its {rule['amount']}", []
    yield "calculation", [f"{step['cents']:>8}  {step['text']}" for step in told["steps"]]
    if told["measured"] is not None:
        measured = told["measured"]
        took = f"{measured['durationMinutes']} minutes, from {measured['startedAt']} to {measured['completedAt']}"
        yield f"measured: {took}", []
    if told["terms"] is not None:
        yield "pinned terms", [f"{name}: {_plain(value)}" for name, value in told["terms"].items()]
    yield f"event: {_event(told['event'])}", []
    asked = told["command"]["requestId"]
    yield f"command: {_event(told['command'])}" + (f", request {asked}" if asked else ""), []
    actor = told["actor"]
    yield f"decided by: {actor['kind']} {actor['name'] or ''} {actor['id'] or ''}".rstrip(), []


def _plain(value: object) -> str:
    """A text as it is, any other value as JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def _event(event: Json) -> str:
    at = event["occurredAt"] + (
        f" (recorded {event['recordedAt']})" if event["recordedAt"] != event["occurredAt"] else ""
    )
    return f"{event['type']} at {at}, position {event['position']}, version {event['version']} of {event['stream']}"
