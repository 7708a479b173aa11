"""What a benchmark does."""

from __future__ import annotations

from typing import Any

import attrs

from realtime_transport.errors import ConfigError

__all__ = ["BenchPlan"]


def _positive(_plan: BenchPlan, attribute: attrs.Attribute[Any], value: float | None) -> None:
    if value is not None and not value > 0:
        raise ConfigError(f"{attribute.name}={value}: a positive number expected", key=attribute.name)


def _levels(_plan: BenchPlan, _attribute: attrs.Attribute[tuple[int, ...]], value: tuple[int, ...]) -> None:
    if not value or any(count < 1 for count in value):
        raise ConfigError(f"sessions={value}: at least one level of at least one session", key="sessions")


@attrs.frozen(kw_only=True)
class BenchPlan:
    """How a corpus is played.

    Attributes:
        sessions: How many sessions run at once, level after level.
        speed: How many times faster than real time; ``None``: as fast as the connection takes it.
        repeats: How often each session plays its part of the corpus.
        utterances: How many recordings each session plays in a row; they are dealt round from the corpus.
        commit: No turn detection: each recording is one turn, committed by hand at its end.
        tail_ms: Silence behind each recording, for the detector to see its end.
        settle: How long to listen on when all turns are answered, in seconds.
        reply_timeout: How long to wait for an answer that is due, without any event, in seconds.
        warm_up: Sessions before the first level, which do not count: the first connect imports, the server warms up.
        stagger: Seconds over which the sessions of a level begin, so that they do not all connect in one moment.
        max_seconds: No session begins after so many seconds; what runs then is finished.

    Raises:
        ConfigError: A value makes no sense.
    """

    sessions: tuple[int, ...] = attrs.field(default=(1,), validator=_levels)
    speed: float | None = attrs.field(default=1.0, validator=_positive)
    repeats: int = attrs.field(default=1, validator=_positive)
    utterances: int = attrs.field(default=4, validator=_positive)
    commit: bool = False
    tail_ms: float = 1000.0
    settle: float = 0.2
    reply_timeout: float = attrs.field(default=30.0, validator=_positive)
    warm_up: int = 1
    stagger: float = 0.5
    max_seconds: float | None = attrs.field(default=None, validator=_positive)
