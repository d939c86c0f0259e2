"""Contestants measured by turns: a machine's speed wanders, so only figures of one round are compared."""

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

from tests.bench.client import Address
from tests.bench.load import Measured
from tests.bench.servers import cpu_seconds

Measure = Callable[[], float]
Say = Callable[[str], None]


def interleaved(contestants: Mapping[str, Measure], rounds: int, say: Say) -> dict[str, list[float]]:
    """All samples of each contestant. Every second round runs backwards, so that a drift favours nobody."""
    samples: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(rounds):
        names = list(contestants) if number % 2 == 0 else list(reversed(list(contestants)))
        for name in names:
            samples[name].append(contestants[name]())
        say(f"round {number + 1}/{rounds}: " + ", ".join(f"{name} {samples[name][-1]:,.0f}/s" for name in contestants))
    return samples


def figures(samples: Sequence[float]) -> dict[str, Any]:
    """A contestant's median and all that it is the median of."""
    return {"median": round(median(samples), 1), "samples": [round(sample, 1) for sample in samples]}


def compared(ours: Sequence[float], theirs: Sequence[float], goal: float) -> dict[str, Any]:
    """The ratio of each round, their median, and whether that reaches the goal."""
    ratios = [one / other for one, other in zip(ours, theirs, strict=True)]
    ratio = median(ratios)
    return {"ratio": round(ratio, 3), "ratios": [round(each, 3) for each in ratios], "goal": goal, "met": ratio >= goal}


class Costs:
    """What each contestant's requests cost: latency, and the server's CPU time, which noise moves least."""

    def __init__(self, addresses: Mapping[str, Address]) -> None:
        self._addresses = addresses
        self._seen: dict[str, list[Measured]] = {name: [] for name in addresses}
        self._cpu_us: dict[str, list[float]] = {name: [] for name in addresses}

    def of(self, name: str, send: Callable[[Address], Measured]) -> float:
        """Requests per second of one sample."""
        address = self._addresses[name]
        before = cpu_seconds(address.pid)
        measured = send(address)
        self._seen[name].append(measured)
        self._cpu_us[name].append((cpu_seconds(address.pid) - before) * 1e6 / measured.requests)
        return measured.per_second

    def medians(self, name: str) -> dict[str, float]:
        """Of the rounds."""
        return {
            "p50_ms": round(median(each.p50_ms for each in self._seen[name]), 2),
            "p99_ms": round(median(each.p99_ms for each in self._seen[name]), 2),
            "cpu_us": round(median(self._cpu_us[name]), 1),
        }
