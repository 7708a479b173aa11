"""From the caller to the model: audio in its order, and silence where none came. Without I/O.

A turn detector counts samples. Where packets of a call were lost, or a caller's telephone falls silent in the middle
of a word and sends nothing, it would wait for ever for the end of the turn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from .reordering import Packet, Reorderer

if TYPE_CHECKING:
    from realtime_transport.audio.formats import AudioFormat

__all__ = ["Intake"]

FRAME_MS = 20
"""What a telephone sends at once. A gap that is shorter is jitter of the timestamps: nothing is missing."""

MAX_PADDING_MS = 10_000
"""A longer gap is no loss of packets, and nobody wants to wait for the model to listen to it."""

INACTIVITY_PADDING_MS = 1_000
"""Enough for every turn detector to hear the end of a turn."""


@attrs.define(eq=False, repr=False)
class Intake:
    """Orders the caller's audio and fills its gaps.

    The clock of the stream runs on by the audio that came; timestamps correct it only where they are off by a frame
    or more.

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
    _order: Reorderer = attrs.field(factory=Reorderer, init=False)

    def start(self, audio_format: AudioFormat | None) -> None:
        """A stream begins; nothing is filled in one of an unknown format."""
        self.reset()
        self._order.start(1)
        self._format = audio_format

    def reset(self) -> None:
        """Forget the timing: there is a new connection to the model, or none."""
        self._next_ms = self._last_at = None
        self._speaking = self._armed = self._padded = False
        self._order.start(None)

    def receive(self, audio: bytes, timestamp_ms: int | None, now: float, chunk: int | None = None) -> list[bytes]:
        """What to send now that *audio* has come: pieces in order, each behind the silence that is missing before it.

        Args:
            audio: What has come; may be empty.
            timestamp_ms: When it began, since the start of the stream.
            now: The time.
            chunk: Its number in the stream, where the order is not certain.
        """
        self._armed = self._speaking
        self._last_at = now
        contiguous = timestamp_ms is not None and self._next_ms is not None and timestamp_ms < self._next_ms + FRAME_MS
        packets = self._order.receive(Packet(audio, timestamp_ms), chunk, now, contiguous=contiguous)
        return self._fill(packets)

    def speech_started(self) -> None:
        """The server hears the caller speak."""
        self._speaking = self._armed = True

    def speech_stopped(self) -> None:
        """The server has heard the end."""
        self._speaking = self._armed = False

    def get_timer(self) -> float | None:
        """When `handle_timer` is to be called."""
        deadlines = (self._order.get_timer(), self._inactive_at())
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def handle_timer(self, now: float) -> list[bytes]:
        """What to send because of the time."""
        pieces = self._fill(self._order.handle_timer(now))
        inactive_at = self._inactive_at()
        if inactive_at is not None and now >= inactive_at:
            self._armed, self._padded = False, True
            pieces.append(self._silence(INACTIVITY_PADDING_MS))
        return pieces

    def _inactive_at(self) -> float | None:
        if not self._armed or self._inactivity_ms is None or self._format is None or self._last_at is None:
            return None
        return self._last_at + self._inactivity_ms / 1000

    def _fill(self, packets: list[Packet]) -> list[bytes]:
        pieces: list[bytes] = []
        for audio, timestamp_ms in packets:
            missing = self._missing_ms(timestamp_ms)
            if missing and not self._padded:
                pieces.append(self._silence(min(missing, MAX_PADDING_MS)))
            self._advance(len(audio), timestamp_ms)
            self._padded = False
            pieces.append(audio)
        return pieces

    def _missing_ms(self, timestamp_ms: int | None) -> int:
        if self._format is None or timestamp_ms is None or self._next_ms is None:
            return 0
        missing = timestamp_ms - self._next_ms
        return int(missing) if missing >= FRAME_MS else 0

    def _advance(self, size: int, timestamp_ms: int | None) -> None:
        if self._format is None or timestamp_ms is None:
            self._next_ms = None
            return
        if self._next_ms is None or abs(timestamp_ms - self._next_ms) >= FRAME_MS:
            self._next_ms = timestamp_ms
        self._next_ms += size * 1000 / self._format.bytes_per_second

    def _silence(self, ms: int) -> bytes:
        assert self._format is not None
        return self._format.silence(self._format.samples_for_ms(ms))
