"""Faults between the server and the client, seeded so that a failure can be repeated."""

from __future__ import annotations

import random
from collections import deque
from typing import TYPE_CHECKING, Any

import attrs

from realtime_transport.argument_names import named_fields
from realtime_transport.emulator.checks.schema import Array, Field, Integer, Number, Object
from realtime_transport.emulator.refusal import Refusal
from realtime_transport.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["FaultLane", "Faults", "Stall"]


def _probability(_faults: Faults, attribute: attrs.Attribute[float], value: float) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"{attribute.name} is a probability, from 0 to 1, not {value!r}")


def _seconds(_faults: object, attribute: attrs.Attribute[float], value: float) -> None:
    if value < 0:
        raise ValueError(f"{attribute.name} is a number of seconds, not {value!r}")


@named_fields
@attrs.frozen(kw_only=True)
class Stall:
    """Send nothing for *seconds* before frame number *before_frame* (from 1)."""

    before_frame: int
    seconds: float = attrs.field(validator=_seconds)


@named_fields
@attrs.frozen(kw_only=True)
class Faults:
    """The faults of each connection; all are off by default.

    Attributes:
        delay: Seconds by which each frame is delayed.
        jitter: Up to this many seconds more, uniformly distributed; frames keep their order.
        stalls: Pauses.
        reorder: Probability that a frame is swapped with the next one, if that follows soon enough.
        duplicate: Probability that a frame is sent twice.
        drop_at_frame: The connection is lost in place of this frame (from 1).
        drop_code: Code of the close frame with which it is lost; ``None``: TCP is reset.
        late_pongs: Seconds by which pongs are delayed.
        connections: Numbers (from 1) of the connections with faults; ``None``: all.
        seed: The seed of the random choices.
    """

    delay: float = attrs.field(default=0.0, validator=_seconds)
    jitter: float = attrs.field(default=0.0, validator=_seconds)
    stalls: Sequence[Stall] = ()
    reorder: float = attrs.field(default=0.0, validator=_probability)
    duplicate: float = attrs.field(default=0.0, validator=_probability)
    drop_at_frame: int | None = None
    drop_code: int | None = None
    late_pongs: float = attrs.field(default=0.0, validator=_seconds)
    connections: Sequence[int] | None = None
    seed: int = 0

    @classmethod
    def parse(cls, data: Any) -> Faults:
        """Read faults from a JSON object with the attributes as keys.

        Raises:
            ConfigError: It is not one; ``key`` is the path of the fault.
        """
        try:
            faults = _FAULTS.read(data, "")
        except Refusal as refusal:
            raise ConfigError(f"faults: {refusal.message}", key=refusal.param or "") from None
        stalls = [Stall(**stall) for stall in faults.get("stalls", ())]
        settings: dict[str, Any] = {**faults, "stalls": stalls}
        return cls(**settings)

    def lane(self, connection: int) -> FaultLane:
        """The lane for connection number *connection*, from 1."""
        is_hurt = self.connections is None or connection in self.connections
        return FaultLane(self if is_hurt else Faults(), random.Random(f"{self.seed}/{connection}"))


_SECONDS = Number(minimum=0.0)
_PROBABILITY = Number(minimum=0.0, maximum=1.0)
_STALL = Object({"before_frame": Field(Integer(minimum=1), required=True), "seconds": Field(_SECONDS, required=True)})
_FAULTS = Object(
    {
        "delay": Field(_SECONDS),
        "jitter": Field(_SECONDS),
        "stalls": Field(Array(of=_STALL)),
        "reorder": Field(_PROBABILITY),
        "duplicate": Field(_PROBABILITY),
        "drop_at_frame": Field(Integer(minimum=1), nullable=True),
        "drop_code": Field(Integer(minimum=1000, maximum=4999), nullable=True),
        "late_pongs": Field(_SECONDS),
        "connections": Field(Array(of=Integer(minimum=1)), nullable=True),
        "seed": Field(Integer()),
    }
)

_WRITE_SIZE = 256 * 1024
"""The limit of one write in characters: frames are copied."""

_REORDER_WAIT = 0.05
"""Seconds that a frame waits for the one to swap with."""


@attrs.define(eq=False)
class _Waiting:
    due: float
    text: str


@attrs.define(eq=False)
class FaultLane:
    """A queue of text frames between the conversation and the connection. Time is an argument."""

    faults: Faults
    _random: random.Random
    _queue: deque[_Waiting] = attrs.field(init=False, factory=lambda: deque[_Waiting]())
    _held: _Waiting | None = attrs.field(init=False, default=None)
    _last_due: float = attrs.field(init=False, default=float("-inf"))
    _entered: int = attrs.field(init=False, default=0)
    _left: int = attrs.field(init=False, default=0)
    waiting_bytes: int = attrs.field(init=False, default=0)
    """Characters of the frames in the queue."""
    is_dropped: bool = attrs.field(init=False, default=False)

    def stall(self, seconds: float, now: float) -> None:
        """Hold back frames that are pushed from now on until *seconds* have passed."""
        self._last_due = max(self._last_due, now + seconds)

    def push(self, text: str, now: float) -> None:
        """Queue a frame."""
        self._entered += 1
        faults = self.faults
        if faults.reorder and self._held is None and self._random.random() < faults.reorder:
            self._held = _Waiting(now + _REORDER_WAIT, text)
            return
        self._enter(text, now)
        if self._held is not None:
            held, self._held = self._held, None
            self._enter(held.text, now)

    def _enter(self, text: str, now: float) -> None:
        faults = self.faults
        due = now + faults.delay
        if faults.jitter:
            due += self._random.random() * faults.jitter
        due += sum(stall.seconds for stall in faults.stalls if stall.before_frame == self._entered)
        self._last_due = max(due, self._last_due)
        copies = 2 if faults.duplicate and self._random.random() < faults.duplicate else 1
        self._queue += [_Waiting(self._last_due, text)] * copies
        self.waiting_bytes += len(text) * copies

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return not self._queue and self._held is None

    def get_timer(self) -> float | None:
        """When the next frame is due."""
        dues = [entry.due for entry in (self._queue[0] if self._queue else None, self._held) if entry is not None]
        return min(dues, default=None)

    def take_due(self, now: float) -> list[str]:
        """The frames that are due, in order, up to the size of one write; `get_timer` says when there are more.

        At the frame that drops the connection, `is_dropped` becomes true.
        """
        if self._held is not None and self._held.due <= now:
            held, self._held = self._held, None
            self._enter(held.text, now)
        texts: list[str] = []
        size = 0
        while self._queue and self._queue[0].due <= now and size < _WRITE_SIZE and not self.is_dropped:
            self._left += 1
            if self._left == self.faults.drop_at_frame:
                self.is_dropped = True
                break
            texts.append(self._queue.popleft().text)
            size += len(texts[-1])
        self.waiting_bytes -= size
        return texts
