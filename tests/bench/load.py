"""Load from a process of its own: wrk with a script that makes every request."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from tests.bench.client import Address
from tests.bench.settings import BenchFailed

SCRIPT = Path(__file__).with_name("load.lua")
MARK = "@DONE@"
LATE_SECONDS = 10
ONCE_SECONDS = 120
"""The longest that a run may take which sends each request once."""
NO_WRK = "The benchmarks over HTTP need wrk; install it with `apt-get update && apt-get install -y wrk`."


@dataclass(frozen=True, slots=True)
class Target:
    """What is asked, and by the holder of which key."""

    path: str
    key: str


@dataclass(frozen=True, slots=True)
class Measured:
    """What one run of wrk saw; as many answers were 2xx as had to be."""

    requests: int
    per_second: float
    p50_ms: float
    p99_ms: float


class Load:
    """Requests by turns over targets: POST of a body with unique idempotency keys, or else GET."""

    def __init__(self, folder: Path, targets: Sequence[Target], body: bytes | None = None) -> None:
        if shutil.which("wrk") is None:
            raise BenchFailed(NO_WRK)
        self._count = len(targets)
        self._targets = folder / f"targets-{uuid4().hex}"
        self._targets.write_text("".join(f"{target.path} {target.key}\n" for target in targets))
        self._body: Path | None = None
        if body is not None:
            self._body = folder / f"body-{uuid4().hex}"
            self._body.write_bytes(body)

    def run(self, address: Address, connections: int, seconds: int) -> Measured:
        """Send for so many seconds. Raises BenchFailed unless every request was answered with 2xx."""
        return self._wrk(address, connections, seconds, [])

    def run_once(self, address: Address, connections: int, refused: int = 0) -> Measured:
        """POST to each target once. Raises BenchFailed unless all but exactly ``refused`` were answered with 2xx."""
        measured = self._wrk(address, connections, ONCE_SECONDS, [str(connections)], refused)
        if measured.requests != self._count:
            raise BenchFailed(f"Of {self._count} requests {measured.requests} were answered.")
        return measured

    def _wrk(self, address: Address, connections: int, seconds: int, once: Sequence[str], refused: int = 0) -> Measured:
        body = [] if self._body is None else [str(self._body)]
        command = ["wrk", "--threads", "1", "--connections", str(connections)]
        command += ["--duration", f"{seconds}s", "--timeout", f"{LATE_SECONDS}s"]
        command += ["--script", str(SCRIPT), address.url, "--", str(self._targets), uuid4().hex, *body, *once]
        ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds + 60)
        return _measured(ended, refused)


def _measured(ended: "subprocess.CompletedProcess[str]", refused: int) -> Measured:
    said = ended.stdout + ended.stderr
    if ended.returncode or MARK not in ended.stdout:
        raise BenchFailed(f"wrk failed: {said.strip()[-500:]}")
    told = json.loads(ended.stdout.partition(MARK)[2].strip().splitlines()[0])
    if told["refused"] != refused or told["broken"] or told["late"]:
        raise BenchFailed(
            f"Of {told['requests']} requests {told['refused']} were refused, where {refused} should have been; "
            f"{told['broken']} broke off, {told['late']} took more than {LATE_SECONDS} seconds."
        )
    if not told["requests"]:
        raise BenchFailed("wrk got no answer at all.")
    per_second = told["requests"] * 1e6 / told["microseconds"]
    return Measured(told["requests"], per_second, told["p50_us"] / 1e3, told["p99_us"] / 1e3)
