"""House rules of the pure parts, read off their source: no clock, no chance, no I/O, no floats near money."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# fmt: off
OUTSIDE = frozenset({
    "asyncio", "concurrent", "contextvars", "ctypes", "ftplib", "getpass", "glob", "http", "importlib", "io",
    "locale", "logging", "mmap", "multiprocessing", "os", "pathlib", "pickle", "platform", "queue", "random", "runpy",
    "sched", "secrets", "select", "selectors", "shelve", "shutil", "signal", "site", "smtplib", "socket",
    "socketserver", "sqlite3", "ssl", "subprocess", "sys", "sysconfig", "syslog", "tempfile", "threading", "time",
    "timeit", "urllib", "warnings", "webbrowser", "zipfile", "zoneinfo",
})
# fmt: on
"""Modules of the standard library through which the outside gets in or out."""

CALLS = frozenset({"open", "print", "input", "eval", "exec", "compile", "__import__", "breakpoint", "id", "hash"})
ATTRIBUTES = frozenset({"now", "utcnow", "today", "uuid1", "uuid4", "getnode", "fromtimestamp"})

KNOWS_FLOATS = frozenset({"domain/job/feedback.py", "domain/job/validity.py"})
"""Testers' answers and their limits may be decimals; nothing else is."""

ORDER = {
    "job": {"job"},
    "credits": {"credits", "job"},
    "tester": {"tester"},
    "access": {"access"},
    "books": {"books", "credits", "tester"},
    "ledger": {"ledger", "job", "credits", "tester", "books"},
}
"""What each folder of the domain may import of the others."""


def sources(folder: str) -> list[str]:
    return sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / folder).rglob("*.py"))


def tree(source: str) -> ast.Module:
    return ast.parse((ROOT / source).read_text(encoding="utf-8"))


def imported(module: ast.Module) -> Iterator[str]:
    """Full names of all that is imported, of modules and of what is taken from them."""
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def impurities(module: ast.Module) -> Iterator[str]:
    """What a pure module may not do, by line."""
    for name in imported(module):
        top, last = name.split(".")[0], name.split(".")[-1]
        if top != "domain" and (top not in sys.stdlib_module_names or top in OUTSIDE or last in ATTRIBUTES):
            yield f"imports {name}"
    for node in ast.walk(module):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLS:
            yield f"line {node.lineno} calls {node.func.id}"
        elif isinstance(node, ast.Attribute) and node.attr in ATTRIBUTES:
            yield f"line {node.lineno} uses {node.attr}"
        elif isinstance(node, ast.Global | ast.Nonlocal):
            yield f"line {node.lineno} changes what is outside of it"


def floats(module: ast.Module) -> Iterator[str]:
    for node in ast.walk(module):
        if isinstance(node, ast.Constant) and isinstance(node.value, float):
            yield f"line {node.lineno} has the float {node.value}"
        elif isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div):
            yield f"line {node.lineno} divides into a float"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"float", "round"}:
            yield f"line {node.lineno} calls {node.func.id}"


def catches(module: ast.Module) -> Iterator[str]:
    """Handlers that could swallow a refusal or the impossible."""
    for node in ast.walk(module):
        if isinstance(node, ast.ExceptHandler):
            caught = ast.unparse(node.type) if node.type else "everything"
            if caught not in {"ValueError", "KeyError", "ArithmeticError", "InvalidOperation"}:
                yield f"line {node.lineno} catches {caught}"


@pytest.mark.parametrize("source", sources("domain"))
def test_the_domain_is_pure(source: str) -> None:
    assert list(impurities(tree(source))) == []


@pytest.mark.parametrize("source", sorted({*sources("domain")} - KNOWS_FLOATS))
def test_no_float_comes_near_money(source: str) -> None:
    assert list(floats(tree(source))) == []


@pytest.mark.parametrize("source", sources("domain"))
def test_the_domain_catches_no_refusal(source: str) -> None:
    assert list(catches(tree(source))) == []


@pytest.mark.parametrize("source", [s for s in sources("domain") if s.split("/")[1] in ORDER])
def test_aggregates_import_inwards_only(source: str) -> None:
    allowed = ORDER[source.split("/")[1]]
    of_others = {name.split(".")[1] for name in imported(tree(source)) if name.startswith("domain.")} & ORDER.keys()
    assert of_others <= allowed


@pytest.mark.parametrize("source", sources("projections"))
def test_projections_know_events_and_neither_commands_nor_deciders(source: str) -> None:
    names = list(imported(tree(source)))
    assert [name for name in names if name.split(".")[0] == "api"] == []
    modules = {".".join(name.split(".")[:depth]) for name in names for depth in range(1, 5)}
    assert [m for m in sorted(modules) if m.startswith("domain.") and m.split(".")[-1] in {"commands", "decider"}] == []


@pytest.mark.parametrize(
    "guilty",
    [
        "import time",
        "from time import monotonic",
        "import os.path",
        "from uuid import uuid4",
        "import msgspec",
        "from api.service import ports",
        "import projections",
        "import datetime\ndatetime.datetime.now()",
        "uuid.uuid4()",
        "open('x')",
        "def f():\n    global x\n    x = 1",
    ],
)
def test_the_guard_of_purity_bites(guilty: str) -> None:
    assert list(impurities(ast.parse(guilty)))


@pytest.mark.parametrize("innocent", ["from uuid import UUID, uuid5", "from domain.job import events", "now = begin"])
def test_the_guard_of_purity_lets_the_innocent_go(innocent: str) -> None:
    assert not list(impurities(ast.parse(innocent)))


@pytest.mark.parametrize("guilty", ["0.3 * x", "x / y", "x /= 2", "float(x)", "round(x)"])
def test_the_guard_against_floats_bites(guilty: str) -> None:
    assert list(floats(ast.parse(guilty)))


@pytest.mark.parametrize("caught", ["", " Exception", " Refusal", " (KeyError, InvariantBroken)"])
def test_the_guard_against_catching_bites(caught: str) -> None:
    assert list(catches(ast.parse(f"try:\n    f()\nexcept{caught}:\n    pass")))
