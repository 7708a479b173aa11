"""From turns and sessions to figures: percentiles, and how sure they are."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from realtime_transport.bench.results import BenchResults

__all__ = ["FIGURES", "Figure", "figures_of", "percentile", "values_of"]

RESAMPLES = 500
"""Of the bootstrap: enough for an interval of 95 % that moves by less than a tenth of its width."""


@attrs.frozen(kw_only=True)
class Figure:
    """The distribution of one figure.

    Attributes:
        name: As in `FIGURES`.
        unit: ``"s"``, ``"ms"``, …
        count: How many values there are.
        p50: Half of the values are no larger.
        p90: 90 of 100.
        p95: 95 of 100.
        p99: 99 of 100.
        maximum: The largest.
        low: Lower end of the 95 % bootstrap interval of the median.
        high: Its upper end.
    """

    name: str
    unit: str
    count: int
    p50: float
    p90: float
    p95: float
    p99: float
    maximum: float
    low: float
    high: float


FIGURES: dict[str, tuple[str, str, Callable[[BenchResults], list[float]]]] = {
    "turn_latency": (
        "s",
        "from the end of speech to the first audio of the answer received",
        lambda found: [turn.latency for turn in found.turns if turn.latency is not None],
    ),
    "connect": (
        "s",
        "from the beginning of a session until it is ready",
        lambda found: [session.connect for session in found.sessions if session.connect is not None],
    ),
    "pacing_late": (
        "ms",
        "how late the latest of 99 of 100 frames of a session was sent",
        lambda found: [session.late_p99_ms for session in found.sessions if session.frames],
    ),
    "reply": (
        "s",
        "how long an answer plays",
        lambda found: [turn.reply_seconds for turn in found.turns if turn.status is not None],
    ),
    "cpu": (
        "ms",
        "CPU time of the client for one session and one second of its audio",
        lambda found: [level.cpu_per_session * 1000 for level in found.levels],
    ),
    "memory": (
        "kB",
        "by how much the client grew for one session",
        lambda found: [level.memory_kb for level in found.levels if level.memory_kb > 0],
    ),
}
"""Name, unit, meaning, and where the values come from."""


def values_of(name: str, results: BenchResults) -> list[float]:
    """The values of one figure, sorted."""
    return sorted(FIGURES[name][2](results))


def figures_of(results: BenchResults) -> tuple[Figure, ...]:
    """All figures that *results* have values for."""
    return tuple(_figure(name, values) for name in FIGURES if (values := values_of(name, results)))


def _figure(name: str, values: list[float]) -> Figure:
    low, high = median_interval(values)
    return Figure(
        name=name,
        unit=FIGURES[name][0],
        count=len(values),
        p50=percentile(values, 0.5),
        p90=percentile(values, 0.9),
        p95=percentile(values, 0.95),
        p99=percentile(values, 0.99),
        maximum=values[-1],
        low=low,
        high=high,
    )


def percentile(ordered: Sequence[float], share: float) -> float:
    """The smallest of the *ordered* values that *share* of them do not exceed."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def median_interval(ordered: Sequence[float], seed: int = 1) -> tuple[float, float]:
    """The 95 % interval of the median, by a bootstrap that is the same each time."""
    return interval(lambda draw: percentile(sorted(draw(ordered)), 0.5), seed)


def interval(statistic: Callable[[Callable[[Sequence[float]], list[float]]], float], seed: int) -> tuple[float, float]:
    """The 95 % interval of *statistic*, which gets a function that draws from values with replacement."""
    dice = random.Random(seed)

    def draw(values: Sequence[float]) -> list[float]:
        return dice.choices(values, k=len(values))

    found = sorted(statistic(draw) for _ in range(RESAMPLES))
    return percentile(found, 0.025), percentile(found, 0.975)
