"""Over HTTP: our server against bare Starlette routes that answer the same bytes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from tests.bench import servers
from tests.bench.client import Address, Client
from tests.bench.load import Load, Measured, Target
from tests.bench.owners import JOB, Owner, every_job, everyones, post_jobs, sign_up
from tests.bench.rounds import Say, compared, figures, interleaved
from tests.bench.servers import cpu_seconds
from tests.bench.settings import BenchFailed, Settings

WARM_SECONDS = 1
SIZE_TOLERANCE = 0.01
SIZES_LOOKED_AT = 64


@dataclass(frozen=True, slots=True)
class Case:
    """One route and what it has to reach beside the bare one that answers ``answer``."""

    title: str
    goal: float
    answer: str
    targets: Callable[[list[Owner], Settings], Sequence[Target]]
    body: bytes | None = None


CASES = {
    "post-jobs": Case("POST /jobs", 0.45, "created", lambda owners, _: everyones(owners, "/jobs"), JOB),
    "get-job": Case("GET /jobs/{id}", 0.6, "detail", every_job),
    "list-jobs": Case("GET /jobs", 0.3, "list", lambda owners, _: everyones(owners, "/jobs")),
}


class _Pair:
    """Both servers under the same load; keeps what wrk saw of each."""

    def __init__(self, load: Load, ours: Address, bare: Address, settings: Settings) -> None:
        self._load = load
        self._addresses = {"tallyhold": ours, "bare": bare}
        self._settings = settings
        self._seen: dict[str, list[Measured]] = {name: [] for name in self._addresses}
        self._cpu_us: dict[str, list[float]] = {name: [] for name in self._addresses}

    def measure(self, say: Say) -> dict[str, list[float]]:
        """Requests per second of both, after each has been warmed up."""
        for address in self._addresses.values():
            self._load.run(address, self._settings.waiting, WARM_SECONDS)
        contestants = {name: partial(self._once, name) for name in self._addresses}
        return interleaved(contestants, self._settings.rounds, say)

    def _once(self, name: str) -> float:
        address = self._addresses[name]
        before = cpu_seconds(address.pid)
        measured = self._load.run(address, self._settings.waiting, self._settings.seconds)
        self._seen[name].append(measured)
        self._cpu_us[name].append((cpu_seconds(address.pid) - before) * 1e6 / measured.requests)
        return measured.per_second

    def costs(self, name: str) -> dict[str, float]:
        """Medians of the rounds: latency, and the server's CPU time for a request, which noise moves least."""
        return {
            "p50_ms": round(median(each.p50_ms for each in self._seen[name]), 2),
            "p99_ms": round(median(each.p99_ms for each in self._seen[name]), 2),
            "cpu_us": round(median(self._cpu_us[name]), 1),
        }


def run(case: Case, settings: Settings, say: Say) -> dict[str, Any]:
    """Both servers side by side, measured by turns."""
    with TemporaryDirectory(dir=settings.folder) as name:
        folder = Path(name)
        with servers.tallyhold(folder) as (ours, operator_key):
            owners = sign_up(ours, operator_key, settings.owners)
            created = post_jobs(ours, owners, settings.jobs_each)
            answers = _answers(ours, owners, created)
            targets = case.targets(owners, settings)
            with servers.bare(folder, answers) as bare:
                answer = answers[case.answer]
                _check(case, targets, ours, bare, answer)
                pair = _Pair(Load(folder, targets, case.body), ours, bare, settings)
                samples = pair.measure(say)
    return {
        "title": case.title,
        "unit": "requests/s",
        **{name: {**figures(rates), **pair.costs(name)} for name, rates in samples.items()},
        **compared(samples["tallyhold"], samples["bare"], case.goal),
        "request_bytes": len(case.body or b""),
        "answer_bytes": len(answer),
    }


def _answers(ours: Address, owners: list[Owner], created: bytes) -> dict[str, bytes]:
    """What the platform answers, for the bare routes to repeat."""
    with Client(ours, owners[0].key) as client:
        detail = client.ask("GET", f"/jobs/{owners[0].job_ids[0]}")
        return {"created": created, "detail": detail, "list": client.ask("GET", "/jobs")}


def _check(case: Case, targets: Sequence[Target], ours: Address, bare: Address, answer: bytes) -> None:
    """The bare route answers the very bytes, and the platform's other answers have the same size."""
    method = "GET" if case.body is None else "POST"
    with Client(bare, targets[0].key) as client:
        if client.ask(method, targets[0].path, case.body) != answer:
            raise BenchFailed(f"The bare {case.title} answers other bytes than the platform.")
    for target in targets[:SIZES_LOOKED_AT]:
        with Client(ours, target.key) as client:
            size = len(client.ask(method, target.path, case.body))
        if abs(size - len(answer)) > SIZE_TOLERANCE * len(answer):
            raise BenchFailed(f"{case.title} answers {size} bytes here and {len(answer)} there.")
