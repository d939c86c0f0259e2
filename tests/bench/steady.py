"""Latency at a fixed rate, half of the greatest load; each answer counts from when its request was meant to be sent."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import msgspec

from tests.bench import servers
from tests.bench.client import Address
from tests.bench.load import Load, Target
from tests.bench.owners import JOB, everyones, post_jobs, sign_up
from tests.bench.rounds import Say
from tests.bench.settings import BenchFailed, Settings

SOURCE = Path(__file__).with_name("open_loop.c")
NO_COMPILER = (
    "The benchmark of latency needs a C compiler; install one with `apt-get update && apt-get install -y gcc`."
)
GOAL = 5.0
PART = 0.5
WARM_SECONDS = 1
PATIENCE_SECONDS = 120


class Latencies(msgspec.Struct):
    """Of one run, in microseconds."""

    requests: int
    seconds: float
    p50_us: float
    p90_us: float
    p99_us: float
    p999_us: float
    max_us: float


@dataclass(frozen=True, slots=True)
class OpenLoop:
    """Requests at a fixed rate from a process of its own."""

    program: Path
    targets: Path
    body: Path

    @classmethod
    def made(cls, folder: Path, targets: Sequence[Target], body: bytes) -> "OpenLoop":
        """Compiled in a folder. Raises BenchFailed."""
        compiler = shutil.which("cc")
        if compiler is None:
            raise BenchFailed(NO_COMPILER)
        made = cls(folder / "open_loop", folder / "steady-targets", folder / "steady-body")
        subprocess.run([compiler, "-O2", "-o", made.program, SOURCE], check=True)
        made.targets.write_text("".join(f"{target.path} {target.key}\n" for target in targets))
        made.body.write_bytes(body)
        return made

    def run(self, address: Address, rate: float, settings: Settings) -> Latencies:
        """Raises BenchFailed unless every request was answered with 2xx."""
        where = [address.host, str(address.port), f"{rate:.1f}", str(settings.seconds), str(settings.waiting)]
        ended = subprocess.run(
            [self.program, *where, self.targets, uuid4().hex, self.body],
            capture_output=True,
            text=True,
            check=False,
            timeout=settings.seconds + PATIENCE_SECONDS,
        )
        if ended.returncode:
            raise BenchFailed(f"The load at a fixed rate failed: {(ended.stdout + ended.stderr).strip()[-500:]}")
        return msgspec.convert(json.loads(ended.stdout), Latencies)


def run(settings: Settings, say: Say) -> dict[str, Any]:
    """POST /jobs, ours and the bare route by turns, each at half of what it could do just before."""
    with TemporaryDirectory(dir=settings.folder) as name, settings.store.new(Path(name)) as db:
        folder = Path(name)
        with servers.tallyhold(folder, db, settings.workers) as (ours, operator_key):
            owners = sign_up(ours, operator_key, settings.owners)
            created = post_jobs(ours, owners, 1)
            targets = everyones(owners, "/jobs")
            with servers.bare(folder, {"created": created}) as bare:
                load, steady = Load(folder, targets, JOB), OpenLoop.made(folder, targets, JOB)
                contestants = {"tallyhold": ours, "bare": bare}
                for address in contestants.values():
                    load.run(address, settings.waiting, WARM_SECONDS)
                seen: dict[str, list[tuple[float, Latencies]]] = {name: [] for name in contestants}
                for number in range(settings.rounds):
                    for who, address in contestants.items():
                        rate = PART * load.run(address, settings.waiting, settings.seconds).per_second
                        seen[who].append((rate, steady.run(address, rate, settings)))
                    told = (f"{who} {_times(seen[who][-1][1]):.1f}" for who in contestants)
                    say(f"round {number + 1}/{settings.rounds}, p99 over p50: {', '.join(told)}")
    ratios = [_times(each) for _, each in seen["tallyhold"]]
    return {
        "title": "p99 over p50 of POST /jobs at half of the greatest load",
        "unit": "ms, p99",
        **{who: _figures(each) for who, each in seen.items()},
        "ratio": round(median(ratios), 2),
        "ratios": [round(each, 2) for each in ratios],
        "goal": GOAL,
        "met": median(ratios) <= GOAL,
    }


def _times(one: Latencies) -> float:
    return one.p99_us / one.p50_us


def _figures(seen: Sequence[tuple[float, Latencies]]) -> dict[str, Any]:
    milliseconds = {
        name: round(median(getattr(each, f"{name}_us") for _, each in seen) / 1e3, 2)
        for name in ("p50", "p90", "p99", "p999", "max")
    }
    return {
        "median": milliseconds["p99"],
        "samples": [round(each.p99_us / 1e3, 2) for _, each in seen],
        "rate_per_second": round(median(rate for rate, _ in seen), 1),
        "milliseconds": milliseconds,
        "p99_over_p50": [round(_times(each), 2) for _, each in seen],
    }
