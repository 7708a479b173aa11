"""Somebody who hears the replies: a loudspeaker reckoned out, without a device and without I/O."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from realtime_transport.audio.formats import AudioFormat

__all__ = ["Heard", "Listener"]

SMALLEST_GAP = 0.001
"""Seconds: what the clock and the loop are off by is no gap."""

Part = tuple[str, str, int]
"""Response, item, content index."""


@attrs.frozen(kw_only=True)
class Heard:
    """What was heard of a response.

    Attributes:
        began_at: When its first sample was heard.
        samples: How many samples it has had so far, heard or not.
        gaps: Seconds of each silence in its midst: it ran dry, and went on when more came.
    """

    began_at: float
    samples: int
    gaps: tuple[float, ...]


@attrs.define(eq=False)
class Listener:
    """Hears audio at the pace at which it plays, one piece after the other, and knows when it went silent.

    Time is an argument: seconds of a monotonic clock.

    Args:
        format: What is heard.
        speed: How many times faster than real time the listener hears; ``None``: everything at once.
        buffer_ms: How long the first audio of a response waits, and what comes after a gap, as in a sound card.
    """

    format: AudioFormat
    speed: float | None = 1.0
    buffer_ms: float = 20.0
    _pieces: deque[_Piece] = attrs.field(init=False, factory=lambda: deque[_Piece]())
    _ends_at: float = attrs.field(init=False, default=float("-inf"))
    _responses: dict[str, _Response] = attrs.field(init=False, factory=lambda: dict[str, _Response]())
    _played: dict[tuple[str, int], int] = attrs.field(init=False, factory=dict[tuple[str, int], int])
    _told: dict[tuple[str, int], int] = attrs.field(init=False, factory=dict[tuple[str, int], int])

    def hear(self, part: Part, size: int, now: float) -> None:
        """*size* bytes of *part* arrived."""
        samples = self.format.samples_in(size)
        if not samples:
            return
        self._advance(now)
        response = self._responses.get(part[0])
        is_late = now - self._ends_at > SMALLEST_GAP and self.speed is not None
        starts_at = now + self._wait if is_late else max(now, self._ends_at)
        if response is None:
            response = self._responses[part[0]] = _Response(began_at=starts_at)
        elif is_late:
            response.gaps.append(starts_at - response.ends_at)
        self._ends_at = response.ends_at = starts_at + self._seconds(samples)
        response.samples += samples
        self._pieces.append(_Piece(part, starts_at, samples))

    def withdraw(self, response_ids: Collection[str] | None, now: float) -> bool:
        """Fall silent for these responses (``None``: all); whether any of them had something left to be heard."""
        self._advance(now)
        kept = [piece for piece in self._pieces if response_ids is not None and piece.part[0] not in response_ids]
        was_playing = len(kept) < len(self._pieces)
        if was_playing:
            self._pieces.clear()
            self._ends_at = now
            for piece in kept:
                self._pieces.append(_Piece(piece.part, self._ends_at, piece.samples - piece.counted))
                self._ends_at += self._seconds(piece.samples - piece.counted)
        return was_playing

    def positions(self, now: float) -> Iterator[tuple[str, int, int]]:
        """Item, content index and samples heard of everything that was heard further since the last time."""
        self._advance(now)
        for part, samples in self._played.items():
            if self._told.get(part, 0) < samples:
                self._told[part] = samples
                yield (*part, samples)

    @property
    def silent_at(self) -> float:
        """When everything that has arrived will have been heard, or was; before the first, minus infinity."""
        return self._ends_at

    def is_playing(self, now: float) -> bool:
        """Whether something is left to be heard."""
        return now < self._ends_at

    def when(self, response_id: str, seconds: float) -> float | None:
        """When so many seconds of a response will have been heard; ``None`` if they have not arrived."""
        left = int(seconds * self.format.rate) - self._counted(response_id)
        for piece in self._pieces:
            if piece.part[0] == response_id:
                rest = piece.samples - piece.counted
                if left <= rest:
                    return piece.starts_at + self._seconds(piece.counted + max(0, left))
                left -= rest
        return None if left > 0 else float("-inf")

    def heard(self, response_id: str) -> Heard | None:
        """What there was of a response; ``None`` if nothing."""
        found = self._responses.get(response_id)
        if found is None:
            return None
        return Heard(began_at=found.began_at, samples=found.samples, gaps=tuple(found.gaps))

    @property
    def _wait(self) -> float:
        return 0.0 if self.speed is None else self.buffer_ms / 1000 / self.speed

    def _seconds(self, samples: int) -> float:
        return 0.0 if self.speed is None else samples / self.format.rate / self.speed

    def _counted(self, response_id: str) -> int:
        found = self._responses.get(response_id)
        return 0 if found is None else found.heard

    def _advance(self, now: float) -> None:
        while self._pieces:
            piece = self._pieces[0]
            due = piece.due(now, self.format.rate, self.speed)
            new = due - piece.counted
            if new > 0:
                piece.counted = due
                self._responses[piece.part[0]].heard += new
                key = piece.part[1:]
                self._played[key] = self._played.get(key, 0) + new
            if due < piece.samples:
                return
            self._pieces.popleft()


@attrs.define(eq=False)
class _Piece:
    part: Part
    starts_at: float
    samples: int
    counted: int = 0

    def due(self, now: float, rate: int, speed: float | None) -> int:
        if speed is None:
            return self.samples
        # A thousandth of a sample is the rounding of a moment that was reckoned from a number of samples.
        return min(self.samples, max(0, int((now - self.starts_at) * rate * speed + 1e-3)))


@attrs.define(eq=False)
class _Response:
    began_at: float
    ends_at: float = 0.0
    samples: int = 0
    heard: int = 0
    gaps: list[float] = attrs.field(factory=list[float])
