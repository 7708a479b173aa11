"""The plan of a benchmark."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from realtime_transport.argument_names import named_fields
from realtime_transport.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from realtime_transport.replay import BargeInAt

__all__ = ["BenchPlan", "Place"]

TRANSPORTS = ("websocket", "webrtc")
BACKENDS = ("asyncio", "trio")


def _positive(_plan: BenchPlan, attribute: attrs.Attribute[Any], value: float | None) -> None:
    if value is not None and not value > 0:
        raise ConfigError(f"{attribute.name}={value}: a positive number expected", key=attribute.name)


def _not_negative(_plan: BenchPlan, attribute: attrs.Attribute[Any], value: float) -> None:
    if not value >= 0:
        raise ConfigError(f"{attribute.name}={value}: 0 or more expected", key=attribute.name)


def _levels(_plan: BenchPlan, _attribute: attrs.Attribute[tuple[int, ...]], value: tuple[int, ...]) -> None:
    if not value or any(count < 1 for count in value) or len(set(value)) < len(value):
        raise ConfigError(f"sessions={value}: levels of at least one session expected, each once", key="sessions")


def _some_of(known: tuple[str, ...]) -> Any:
    def check(_plan: BenchPlan, attribute: attrs.Attribute[tuple[str, ...]], value: tuple[str, ...]) -> None:
        if not value or not set(value) <= set(known) or len(set(value)) < len(value):
            expected = ", ".join(known)
            raise ConfigError(f"{attribute.name}={value}: some of {expected} expected, each once", key=attribute.name)

    return check


@attrs.frozen(kw_only=True)
class Place:
    """Identifies one session of a plan.

    Attributes:
        transport: The wire: ``"websocket"`` or ``"webrtc"``.
        backend: The event loop: ``"asyncio"`` or ``"trio"``.
        sessions: How many sessions ran at once.
        repeat: Which repeat, from 0; -1 in the warm-up.
        session: Which of the sessions, from 0.
    """

    sessions: int
    session: int
    repeat: int
    transport: str = "websocket"
    backend: str = "asyncio"

    @property
    def name(self) -> str:
        """The place in one word, for files."""
        return f"{self.transport}-{self.backend}-{self.sessions}-{self.repeat}-{self.session}"


LevelKey = tuple[str, str, int, int]
"""Transport, backend, sessions, repeat: identifies the sessions that run together."""


@named_fields
@attrs.frozen(kw_only=True)
class BenchPlan:
    """How a corpus is played.

    Attributes:
        sessions: How many sessions run at once, level after level.
        transports: The wires, one after the other: ``"websocket"``, ``"webrtc"``.
        backends: The event loops, likewise: ``"asyncio"``, ``"trio"``.
        speed: How many times faster than real time; ``None``: as fast as the connection allows. Replies play at that
            speed, too.
        repeats: How often each session plays its part of the corpus.
        utterances: How many recordings each session plays in a row; the corpus is dealt out in turn.
        commit: No turn detection: each recording is one turn, committed at its end.
        barge_in: When each recording but the first of a session interrupts the previous reply; ``None``: only where the
            corpus says so (`Utterance.barge_in`).
        tail_ms: Milliseconds of silence after each recording, so that turn detection sees its end.
        settle: Seconds to listen after all turns are answered.
        reply_timeout: Seconds without any event to wait for an answer that is due.
        warm_up: Sessions before the first level, one after the other, which do not count: the first connect imports
            modules, the server warms up, and a server that refuses is noticed at once.
        connects_at_once: How many sessions of a level connect at the same time. All are open before the first speaks,
            so that turns are measured, and not the connecting of others.
        stagger: Seconds over which the sessions of a level begin to speak, so that they do not do it in one moment.
        max_seconds: No session begins after this many seconds; running ones are finished.
        max_usd: The run ends once the tokens of its responses have cost this much.

    Raises:
        ConfigError: A value is out of range, or two do not go together.
    """

    sessions: tuple[int, ...] = attrs.field(default=(1,), validator=_levels)
    transports: tuple[str, ...] = attrs.field(default=("websocket",), validator=_some_of(TRANSPORTS))
    backends: tuple[str, ...] = attrs.field(default=("asyncio",), validator=_some_of(BACKENDS))
    speed: float | None = attrs.field(default=1.0, validator=_positive)
    repeats: int = attrs.field(default=1, validator=_positive)
    utterances: int = attrs.field(default=4, validator=_positive)
    commit: bool = False
    barge_in: BargeInAt | None = None
    tail_ms: float = attrs.field(default=1000.0, validator=_not_negative)
    settle: float = attrs.field(default=0.2, validator=_not_negative)
    reply_timeout: float = attrs.field(default=30.0, validator=_positive)
    warm_up: int = attrs.field(default=1, validator=_not_negative)
    connects_at_once: int = attrs.field(default=10, validator=_positive)
    stagger: float = attrs.field(default=0.5, validator=_not_negative)
    max_seconds: float | None = attrs.field(default=None, validator=_positive)
    max_usd: float | None = attrs.field(default=None, validator=_positive)

    def __attrs_post_init__(self) -> None:
        if "webrtc" in self.transports:
            if self.speed != 1.0:
                raise ConfigError("speed: over WebRTC audio goes at the pace of real time; 1 expected", key="speed")
            if self.commit:
                raise ConfigError("commit: over WebRTC the end of the audio is not known exactly", key="commit")
            if self.barge_in is not None and self.barge_in.share is not None:
                raise ConfigError(
                    "barge_in: over WebRTC a reply arrives as it plays, and its length is not known before it ends; "
                    "give seconds instead of a share",
                    key="barge_in",
                )
        if self.commit and self.barge_in is not None:
            raise ConfigError("barge_in: it needs turn detection, which commit switches off", key="barge_in")

    def levels(self, backend: str) -> Iterator[LevelKey]:
        """The levels that run on *backend*, in order."""
        for transport in self.transports:
            for sessions in self.sessions:
                for repeat in range(self.repeats):
                    yield transport, backend, sessions, repeat

    @property
    def total(self) -> int:
        """The number of all sessions, without the warm-up."""
        return sum(self.sessions) * self.repeats * len(self.transports) * len(self.backends)
