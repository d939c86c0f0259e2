"""Contestants measured by turns: a machine's speed wanders, so only figures of one round are compared."""

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

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
