"""Schemathesis over the served document: whatever it sends, each answer is as documented, for every role's key.

U+0000 is refused by design and left out. Each role's own operations are tried in depth; the others only answer 403.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from api.http.route import Route
from api.http.routes import ROUTES
from domain.access.events import Role
from tests.api.server import Client, Platform, done, serving
from tests.api.test_http_reconciliations import unknown_charge
from tests.program import environment

SECONDS = 150
EXAMPLES = 5
FOREIGN_EXAMPLES = 2
STATEFUL_EXAMPLES = 3


class World(NamedTuple):
    """A platform with people at every stage of their work."""

    platform: Platform
    clients: dict[Role, Client]
    config: str


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Of its own: here the clock is moved at random."""
    folder = tmp_path_factory.mktemp("schemathesis")
    with serving(folder, folder / "tallyhold.sqlite") as platform:
        owner, tester = platform.owner(100_000_000), platform.tester()
        clients = {
            Role.OWNER: owner,
            Role.TESTER: tester,
            Role.OPERATOR: platform.operator,
            Role.AUDITOR: platform.somebody("auditor"),
        }
        yield World(platform, clients, configured(platform, owner, tester))


def configured(platform: Platform, owner: Client, tester: Client) -> str:
    """The settings, with ids of things that there are."""
    offered, settled, approved, disputed = (owner.post_job(9), *(owner.post_job(1) for _ in range(3)))
    for job_id in (settled, approved):
        tester.complete(job_id)
    claimed = platform.tester().complete(disputed)
    done(owner.post(f"/owner/jobs/{approved}/approve"))
    done(owner.post(f"/owner/jobs/{disputed}/dispute", {"lowQuality": True}))
    dictionaries = {
        "jobs": [owner.post_job(), owner.post_job(), settled, disputed],
        "assignments": [tester.take(owner.post_job()), *(tester.start(owner.post_job()) for _ in range(3))],
        "claimed": [claimed],
        "principals": [owner.id, tester.id],
        "keys": [platform.somebody("owner").key_id for _ in range(3)],
    }
    reconciled = done(platform.operator.post("/operator/reconciliations", unknown_charge(platform)[1]), 201)
    dictionaries["runs"] = [reconciled["id"]]
    fixed = {"waitForJob": settled, "takeSlot": offered, "resolveDispute": disputed}
    lines = [SETTINGS]
    lines += [f"[dictionaries.{name}]\nvalues = {json.dumps(values)}" for name, values in dictionaries.items()]
    lines += [of_operation(name, {"path.id": job_id}) for name, job_id in fixed.items()]
    drawn = {"principals": ["issueKey", "body.principalId"], "keys": ["revokeKey", "path.id"]}
    lines += [of_operation(name, {where: from_dictionary(what)}) for what, (name, where) in drawn.items()]
    for route in ROUTES:
        if "{id}" in route.path and route.name not in (*fixed, "revokeKey"):
            named = next((name for word, name in OTHER_IDS.items() if word in route.path), "jobs")
            lines.append(of_operation(route.name, {"path.id": from_dictionary(named)}))
    return "\n".join(lines)


OTHER_IDS = {"/assignments/": "assignments", "/reconciliations/": "runs"}
"""Whose ids stand in paths with these words; in all others those of jobs."""

SETTINGS = f"""
workers = 1
warnings = false
continue-on-failure = true
request-timeout = 10

[cache]
enabled = false

[generation]
deterministic = true
allow-x00 = false

[checks]
positive_data_acceptance.expected-statuses = ["2xx", "400", "401", "402", "403", "404", "409", "412", "422"]

[phases.fuzzing.error-feedback]
enabled = false

[phases.stateful.generation]
max-examples = {STATEFUL_EXAMPLES}
"""
"""A 400 to what fits the schema has a check of its own, in the hooks."""


def of_operation(name: str, parameters: dict[str, Any]) -> str:
    told = "\n".join(f'"{key}" = {toml(value)}' for key, value in parameters.items())
    return f'[[operations]]\ninclude-operation-id = "{name}"\n[operations.parameters]\n{told}'


def from_dictionary(name: str) -> dict[str, Any]:
    return {"dictionary": name, "probability": 0.8}


def toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml(inner)}" for key, inner in value.items()) + " }"
    return json.dumps(value)


def run(world: World, folder: Path, role: Role, routes: list[Route], *options: str) -> str:
    """What schemathesis says with one role's key; an AssertionError with all of it when it finds something."""
    (folder / "schemathesis.toml").write_text(world.config)
    names = "|".join(re.escape(route.name) for route in routes)
    key, url = world.clients[role].key, world.platform.url
    asked = [
        "--checks",
        "all",
        "--header",
        f"Authorization: Bearer {key}",
        "--include-operation-id-regex",
        f"^({names})$",
    ]
    outcome = subprocess.run(
        [sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json", "--url", url, *asked, *options],
        cwd=folder,
        env=environment(
            SCHEMATHESIS_HOOKS="tests.api.schemathesis_hooks",
            # What hypothesis works out about all characters is worked out once, not for each role.
            HYPOTHESIS_STORAGE_DIRECTORY=str(world.platform.folder / "hypothesis"),
        ),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    return outcome.stdout


@pytest.mark.parametrize("role", [Role.OWNER, Role.TESTER, Role.OPERATOR])
def test_schemathesis_finds_nothing_in_a_roles_own_operations(world: World, tmp_path: Path, role: Role) -> None:
    routes = [route for route in ROUTES if role in route.roles or not route.roles]
    phases = "examples,coverage,fuzzing,stateful" if role is Role.OWNER else "examples,coverage,fuzzing"
    said = run(world, tmp_path, role, routes, "--phases", phases, "--max-examples", str(EXAMPLES))
    assert f"{len(routes)} passed" in said


def test_schemathesis_finds_nothing_with_a_key_that_opens_nothing(world: World, tmp_path: Path) -> None:
    options = ("--phases", "fuzzing", "--max-examples", str(FOREIGN_EXAMPLES))
    said = run(world, tmp_path, Role.AUDITOR, list(ROUTES), *options)
    assert f"{len(ROUTES)} passed" in said
