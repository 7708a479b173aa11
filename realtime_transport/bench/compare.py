"""Compares two runs, figure by figure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import attrs

from realtime_transport.bench.figures import FIGURES, groups_of, interval, narrowed, percentile, values_of
from realtime_transport.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from realtime_transport.bench.results import BenchResults

__all__ = ["Difference", "Threshold", "compare"]

_SHARES: dict[str, float] = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}


@attrs.frozen(kw_only=True)
class Difference:
    """One statistic of one figure in both runs.

    Attributes:
        figure: The figure.
        statistic: ``"p50"`` or ``"p95"``.
        old: Its value in the old run.
        new: Its value in the new run.
        low: Lower end of the 95 % bootstrap interval of ``new - old``.
        high: Its upper end.
    """

    figure: str
    statistic: str
    old: float
    new: float
    low: float
    high: float

    @property
    def change(self) -> float:
        """``new - old``, in the unit of the figure."""
        return self.new - self.old

    @property
    def ratio(self) -> float:
        """``new / old - 1``: 0.1 is 10 % more."""
        return self.new / self.old - 1 if self.old else 0.0

    @property
    def is_certain(self) -> bool:
        """Whether the interval excludes zero: the runs differ by more than chance."""
        return not self.low <= 0 <= self.high


@attrs.frozen(kw_only=True)
class Threshold:
    """A limit for a difference: ``turn_latency.p95=+10%`` or ``turn_latency.p50=+0.05``, in the unit of the figure."""

    figure: str
    statistic: str
    limit: float
    relative: bool

    @classmethod
    def parse(cls, text: str) -> Threshold:
        """Read a threshold.

        Raises:
            ConfigError: It has another form, or names a figure that does not exist.
        """
        found = re.fullmatch(r"(\w+)\.(p50|p90|p95|p99)=\+(\d+(?:\.\d+)?)(%?)", text)
        if found is None or found[1] not in FIGURES:
            raise ConfigError(
                f"{text!r}: FIGURE.p50=+10% or FIGURE.p95=+0.05 expected, with a figure of {', '.join(FIGURES)}",
                key="fail_on",
            )
        number = float(found[3])
        relative = found[4] == "%"
        return cls(figure=found[1], statistic=found[2], limit=number / 100 if relative else number, relative=relative)

    def is_passed(self, difference: Difference) -> bool:
        """Whether *difference* is beyond the limit, and not by chance."""
        value = difference.ratio if self.relative else difference.change
        return difference.is_certain and value > self.limit


def compare(old: BenchResults, new: BenchResults, *statistics: str) -> tuple[Difference, ...]:
    """The differences of all figures that both runs have, by *statistics* (``"p50"`` and ``"p95"`` if none).

    Only sessions at the same level, on the same wire and loop are compared: with more sessions at once, the same server
    is slower.

    Raises:
        ConfigError: The runs have no such sessions.
    """
    chosen: Sequence[str] = statistics or ("p50", "p95")
    common = set(groups_of(old)) & set(groups_of(new))
    if not common and (old.sessions or old.turns or new.sessions or new.turns):
        raise ConfigError("the runs have no level of sessions in common, on the same wire and loop", key="sessions")
    before, after = narrowed(old, common), narrowed(new, common)
    found: list[Difference] = []
    for name in FIGURES:
        ours, theirs = values_of(name, before), values_of(name, after)
        if ours and theirs:
            found += [_difference(name, statistic, ours, theirs) for statistic in chosen]
    return tuple(found)


def _difference(name: str, statistic: str, old: list[float], new: list[float]) -> Difference:
    share = _SHARES[statistic]

    def change(draw: Callable[[Sequence[float]], list[float]]) -> float:
        return percentile(sorted(draw(new)), share) - percentile(sorted(draw(old)), share)

    low, high = interval(change, seed=1)
    return Difference(
        figure=name,
        statistic=statistic,
        old=percentile(old, share),
        new=percentile(new, share),
        low=low,
        high=high,
    )
