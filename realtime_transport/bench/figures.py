"""Computes figures from turns and sessions: percentiles and their confidence intervals."""

from __future__ import annotations

import math
import random
from collections import Counter
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from realtime_transport.bench.results import BenchResults

__all__ = ["FIGURES", "Figure", "errors_by_kind", "figures_of", "groups_of", "percentile", "values_of"]

RESAMPLES = 500
"""Resamples of the bootstrap: enough for a 95 % interval that varies by less than a tenth of its width."""


@attrs.frozen(kw_only=True)
class Figure:
    """The distribution of one figure.

    Attributes:
        name: As in `FIGURES`.
        unit: ``"s"``, ``"ms"``, …
        count: The number of values.
        p50: The median: half of the values are no larger.
        p90: 90 of 100 values are no larger.
        p95: 95 of 100 values are no larger.
        p99: 99 of 100 values are no larger.
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


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


FIGURES: dict[str, tuple[str, str, Callable[[BenchResults], list[float]]]] = {
    "turn_latency": (
        "s",
        "from the end of speech to the first audio of the answer received",
        lambda found: _known(turn.latency for turn in found.turns),
    ),
    "turn_latency_heard": (
        "s",
        "from the end of speech to the first audio of the answer heard by a listener who buffers 20 ms",
        lambda found: _known(turn.heard for turn in found.turns),
    ),
    "thinking": (
        "s",
        "from the commit of a turn, by hand or as the server tells it, to the first audio of the answer received",
        lambda found: _known(turn.thinking for turn in found.turns),
    ),
    "first_audio": (
        "s",
        "from the first frame of a session sent to the first audio received",
        lambda found: _known(session.first_audio for session in found.sessions),
    ),
    "transcript_latency": (
        "s",
        "from the end of speech to the transcript of the turn",
        lambda found: _known(turn.transcript for turn in found.turns),
    ),
    "barge_in_silence": (
        "s",
        "from the onset of speech over an answer to the silence of the listener",
        lambda found: _known(one.silence for one in found.barge_ins),
    ),
    "barge_in_truncation": (
        "s",
        "from the onset of speech over an answer to the truncation on the wire",
        lambda found: _known(one.truncation for one in found.barge_ins),
    ),
    "barge_in_acknowledged": (
        "s",
        "from the onset of speech over an answer to the server's word that it was cut",
        lambda found: _known(one.acknowledged for one in found.barge_ins),
    ),
    "late_frames": (
        "",
        "how many pieces of audio of an answer came after the moment at which they should have been heard",
        lambda found: [float(len(turn.gaps)) for turn in found.turns if turn.reply_seconds],
    ),
    "gap": (
        "ms",
        "the longest silence in the midst of an answer, of those that have one",
        lambda found: [max(turn.gaps) * 1000 for turn in found.turns if turn.gaps],
    ),
    "drift": (
        "ms",
        "how much later the end of an answer is heard than it would be without gaps",
        lambda found: [sum(turn.gaps) * 1000 for turn in found.turns if turn.reply_seconds],
    ),
    "lost_packets": (
        "%",
        "packets of the model's voice in a session that were missing when their time came (WebRTC)",
        lambda found: _known(session.lost_packets for session in found.sessions),
    ),
    "made_up": (
        "ms",
        "sound that a session had to make up for packets that were lost or late (WebRTC)",
        lambda found: _known(session.made_up_ms for session in found.sessions),
    ),
    "reply": (
        "s",
        "how long an answer plays",
        lambda found: [turn.reply_seconds for turn in found.turns if turn.status is not None],
    ),
    "connect": (
        "s",
        "from the first step of a connection until the session is ready",
        lambda found: _known(session.connect for session in found.sessions),
    ),
    "pacing_late": (
        "ms",
        "how late the latest of 99 of 100 frames of a session was sent",
        lambda found: [session.late_p99_ms for session in found.sessions if session.frames],
    ),
    "cpu": (
        "ms",
        "CPU time of the client for one session and one second of its audio",
        lambda found: [level.cpu_per_session * 1000 for level in found.levels],
    ),
    "busy": (
        "%",
        "CPU time of the client while a level ran, of one core; near 100 it measures itself, not the server",
        lambda found: [level.busy * 100 for level in found.levels],
    ),
    "memory": (
        "kB",
        "by how much the client grew for one session",
        lambda found: [level.memory_kb for level in found.levels if level.memory_kb > 0],
    ),
    "usd": (
        "USD",
        "what the tokens of one session cost",
        lambda found: _known(session.usd for session in found.sessions),
    ),
    "segment_error": (
        "ms",
        "the largest distance in a session between an edge of speech that was told and the one that the emulator noted",
        lambda found: _known(check.segment_ms for check in found.checks),
    ),
    "not_echoed": (
        "%",
        "answers that are not, to the bit, the turn that the emulator had to repeat, in a session",
        lambda found: list(_not_echoed(found)),
    ),
    "input_damaged": (
        "%",
        "sessions of a level of which the emulator did not get, to the bit, what was sent",
        lambda found: list(_damaged(found)),
    ),
}
"""By name: the unit, the meaning, and a function that gives the values."""


def _not_echoed(found: BenchResults) -> Iterator[float]:
    sessions: dict[object, list[bool]] = {}
    for turn in found.turns:
        if turn.is_echo is not None:
            place = (turn.transport, turn.backend, turn.sessions, turn.repeat, turn.session)
            sessions.setdefault(place, []).append(turn.is_echo)
    for echoes in sessions.values():
        yield 100 * echoes.count(False) / len(echoes)


def _damaged(found: BenchResults) -> Iterator[float]:
    levels: dict[object, list[bool]] = {}
    for check in found.checks:
        key = (check.transport, check.backend, check.sessions, check.repeat)
        levels.setdefault(key, []).append(check.is_input_whole and not check.segments_off)
    for whole in levels.values():
        yield 100 * whole.count(False) / len(whole)


def values_of(name: str, results: BenchResults) -> list[float]:
    """The values of one figure, sorted."""
    return sorted(FIGURES[name][2](results))


def figures_of(results: BenchResults) -> tuple[Figure, ...]:
    """All figures that *results* have values for."""
    return tuple(_figure(name, values) for name in FIGURES if (values := values_of(name, results)))


def groups_of(results: BenchResults) -> dict[tuple[str, str, int], BenchResults]:
    """The results of each transport, backend and number of sessions, in order."""
    keys = {
        (row.transport, row.backend, row.sessions): None
        for rows in (results.levels, results.sessions, results.turns)
        for row in rows
    }
    return {key: narrowed(results, {key}) for key in sorted(keys)}


def narrowed(results: BenchResults, keys: set[tuple[str, str, int]]) -> BenchResults:
    """The part of *results* with these transports, backends and numbers of sessions."""
    return attrs.evolve(
        results,
        turns=tuple(row for row in results.turns if (row.transport, row.backend, row.sessions) in keys),
        barge_ins=tuple(row for row in results.barge_ins if (row.transport, row.backend, row.sessions) in keys),
        sessions=tuple(row for row in results.sessions if (row.transport, row.backend, row.sessions) in keys),
        checks=tuple(row for row in results.checks if (row.transport, row.backend, row.sessions) in keys),
        levels=tuple(row for row in results.levels if (row.transport, row.backend, row.sessions) in keys),
    )


def errors_by_kind(results: BenchResults) -> dict[str, int]:
    """How often each error was reported, the most frequent first; ``"unanswered"`` are turns without an answer."""
    found = Counter(error for session in results.sessions for error in session.errors)
    found["unanswered"] = sum(turn.status is None for turn in results.turns)
    return {kind: count for kind, count in found.most_common() if count}


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
    """The 95 % interval of the median, by a bootstrap with a fixed seed."""
    return interval(lambda draw: percentile(sorted(draw(ordered)), 0.5), seed)


def interval(statistic: Callable[[Callable[[Sequence[float]], list[float]]], float], seed: int) -> tuple[float, float]:
    """The 95 % interval of *statistic*, which takes a function that draws from values with replacement."""
    dice = random.Random(seed)

    def draw(values: Sequence[float]) -> list[float]:
        return dice.choices(values, k=len(values))

    found = sorted(statistic(draw) for _ in range(RESAMPLES))
    return percentile(found, 0.025), percentile(found, 0.975)
