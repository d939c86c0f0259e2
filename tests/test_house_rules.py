"""What every change must keep: layers, style, types, and the domain covered to its last branch."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import api
import domain
import projections

ROOT = Path(__file__).parent.parent


def run(*command: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV_")}
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, env=environment, check=False
    )


def said(outcome: subprocess.CompletedProcess[str]) -> str:
    return outcome.stdout + outcome.stderr


@pytest.mark.parametrize("package", [api, domain, projections], ids=lambda package: package.__name__)
def test_the_packages_are_ours(package: object) -> None:
    """Another distribution's package of such a plain name could shadow ours in silence."""
    assert Path(str(package.__file__)).is_relative_to(ROOT)  # type: ignore[attr-defined]


def test_imports_point_inward() -> None:
    outcome = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode == 0, said(outcome)


def test_the_code_is_formatted_and_linted() -> None:
    for command in (("ruff", "check", "."), ("ruff", "format", "--check", ".")):
        outcome = run(*command)
        assert outcome.returncode == 0, said(outcome)


def test_every_type_is_checked_strictly() -> None:
    outcome = run("mypy")
    assert outcome.returncode == 0, said(outcome)


def test_every_branch_of_the_domain_is_tested() -> None:
    """By examples that somebody wrote down: what properties come upon is chance."""
    examples = ("tests/domain", "-m", "not hypothesis", "-p", "no:cacheprovider")
    outcome = run("pytest", "-q", *examples, "--cov=domain", "--cov-branch", "--cov-fail-under=100")
    assert outcome.returncode == 0, said(outcome)


def test_the_top_level_is_as_agreed() -> None:
    agreed = {"pyproject.toml", "README.md", "domain", "projections", "api", "tests"}
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    tops = {name.partition("/")[0] for name in tracked}
    assert {name for name in tops if not name.startswith(".")} == agreed


def test_the_check_runs_the_test_line_of_the_readme() -> None:
    pattern = re.search(r"grep -m1 -E '([^']+)'", (ROOT / ".ci/run").read_text())
    assert pattern is not None
    lines = [line for line in (ROOT / "README.md").read_text().splitlines() if re.search(pattern[1], line)]
    assert len(lines) == 1
    assert lines[0].endswith("-m pytest -q -n auto --dist loadfile")
