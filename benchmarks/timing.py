"""Medians of contestants that take turns, ratios, and the table with floors and goals."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

Clocked = Callable[[], Sequence[float]]  # one turn: the seconds of each unit of work in it


@dataclass(frozen=True)
class Check:
    """One number that was measured, and what it is held to: at least `floor`, or, where `most` is set, at most that."""

    name: str
    value: float
    unit: str
    floor: float | None = None
    goal: float | None = None
    most: float | None = None

    @property
    def met(self) -> bool:
        """Whether it is where it has to be; one without a bound is."""
        return not (self.floor is not None and self.value < self.floor) and not (self.most is not None and self.value > self.most)

    def line(self) -> str:
        """A row of the table."""
        shown = f"{self.value:.3g} {self.unit}".strip()
        held = f"at most {self.most:g}" if self.most is not None else "" if self.floor is None else f"at least {self.floor:g}"
        goal = "" if self.goal is None else f"{self.goal:g}{'' if self.value >= self.goal else ' (short)'}"
        verdict = "" if self.floor is None and self.most is None else "ok" if self.met else "MISSED"
        return f"{self.name:<66} {shown:>14}  {held:<14} {goal:<12} {verdict}"


HEADER = f"{'measure':<66} {'median':>14}  {'floor':<14} {'goal':<12}"


class Stopwatch:
    """Called at the end of each unit of work; `seconds` between calls. Waits for a GPU, so that work asked for is done."""

    def __init__(self) -> None:
        self.marks: list[float] = []
        self.losses: list[float] = []

    def __call__(self, loss: float | torch.Tensor | None = None) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.marks.append(time.perf_counter())
        if loss is not None:
            self.losses.append(float(loss))

    @property
    def seconds(self) -> list[float]:
        """Between calls: the first unit, a warm-up, is left out."""
        return [after - before for before, after in zip(self.marks, self.marks[1:], strict=False)]


def clocked(work: Callable[[Stopwatch], None]) -> Clocked:
    """A turn in which `work` calls a stopwatch after each unit."""

    def turn() -> list[float]:
        watch = Stopwatch()
        work(watch)
        return watch.seconds

    return turn


def whole(work: Callable[[], object]) -> Clocked:
    """A turn of one unit."""

    def once(watch: Stopwatch) -> None:
        watch()
        work()
        watch()

    return clocked(once)


def medians(contestants: dict[str, Clocked], rounds: int) -> dict[str, float]:
    """The median seconds of a unit for each. They take turns, so that what else the machine does falls on all."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, turn in contestants.items():
            seconds[name] += turn()
    return {name: statistics.median(theirs) for name, theirs in seconds.items()}


def ratios(work: str, contestants: dict[str, Clocked], rounds: int, bounds: dict, judged: bool) -> list[Check]:
    """Our time, and the others' over ours. Only judged ones are held to their floors."""
    times = medians(contestants, rounds)
    checks = [Check(f"{work}: ours", 1e3 * times["ours"], "ms")]
    for name, (floor, goal) in bounds.items():
        held = {"floor": floor, "goal": goal} if judged else {}
        checks.append(Check(f"{work}: {name}, over ours", times[name] / times["ours"], "x", **held))
    return checks


def equal_losses(work: str, mine: Stopwatch, others: Stopwatch) -> Check:
    """The largest difference of the losses, step by step."""
    difference = np.abs(np.subtract(mine.losses, others.losses)).max()
    return Check(f"  largest difference of a loss in {len(mine.losses)} steps of {work}", float(difference), "nats", most=1e-5)


def verdict(checks: Sequence[Check]) -> tuple[str, int]:
    """The last line, which says which floors were missed, and the exit status."""
    missed = [check.name for check in checks if not check.met]
    if missed:
        return f"floors missed: {'; '.join(missed)}", 1
    return "every floor is met", 0
