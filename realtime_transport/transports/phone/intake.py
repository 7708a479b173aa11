"""From the caller to the model: audio as it came, and silence where none did. Without I/O.

A turn detector counts samples. Where packets of a call were lost, or a caller's telephone falls silent in the middle
of a word and sends nothing, it would wait for ever for the end of the turn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from realtime_transport.audio.formats import AudioFormat

__all__ = ["Intake"]

MAX_PADDING_MS = 10_000
"""A longer gap is no loss of packets, and nobody wants to wait for the model to listen to it."""

INACTIVITY_PADDING_MS = 1_000
"""Enough for every turn detector to hear the end of a turn."""


@attrs.define(eq=False)
class Intake:
    """Fills gaps in the caller's audio.

    Args:
        inactivity_ms: While the caller speaks: after this long without audio, send silence, once; ``None``: never.
    """

    _inactivity_ms: float | None
    _format: AudioFormat | None = attrs.field(default=None, init=False)
    _next_ms: float | None = attrs.field(default=None, init=False)
    _last_at: float | None = attrs.field(default=None, init=False)
    _speaking: bool = attrs.field(default=False, init=False)
    _armed: bool = attrs.field(default=False, init=False)
    _padded: bool = attrs.field(default=False, init=False)

    def start(self, audio_format: AudioFormat | None) -> None:
        """A stream begins; nothing is filled in one of an unknown format."""
        self.reset()
        self._format = audio_format

    def reset(self) -> None:
        """Forget the timing: there is a new connection to the model, or none."""
        self._next_ms = self._last_at = None
        self._speaking = self._armed = self._padded = False

    def receive(self, audio: bytes, timestamp_ms: int | None, now: float) -> list[bytes]:
        """What to send for *audio*: it, and before it the silence that is missing."""
        pieces = [audio]
        if self._format is None or timestamp_ms is None or (self._next_ms is not None and timestamp_ms < self._next_ms):
            self._next_ms = None
        else:
            missing = 0 if self._next_ms is None else int(timestamp_ms - self._next_ms)
            if missing > 0 and not self._padded:
                pieces.insert(0, self._silence(min(missing, MAX_PADDING_MS)))
            self._next_ms = timestamp_ms + len(audio) * 1000 / self._format.bytes_per_second
        self._padded = False
        self._armed = self._speaking
        self._last_at = now
        return pieces

    def speech_started(self) -> None:
        """The server hears the caller speak."""
        self._speaking = self._armed = True

    def speech_stopped(self) -> None:
        """The server has heard the end."""
        self._speaking = self._armed = False

    def get_timer(self) -> float | None:
        """When `handle_timer` is to be called."""
        if not self._armed or self._inactivity_ms is None or self._format is None or self._last_at is None:
            return None
        return self._last_at + self._inactivity_ms / 1000

    def handle_timer(self, now: float) -> bytes | None:
        """The silence that is due."""
        deadline = self.get_timer()
        if deadline is None or now < deadline:
            return None
        self._armed, self._padded = False, True
        return self._silence(INACTIVITY_PADDING_MS)

    def _silence(self, ms: int) -> bytes:
        assert self._format is not None
        return self._format.silence(self._format.samples_for_ms(ms))
