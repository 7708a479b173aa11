"""From the caller to the model: audio in order, with silence for gaps. Without I/O.

Turn detection counts samples. When packets are lost, or a telephone stops sending in the middle of a word, it would
wait forever for the end of the turn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from realtime_transport.late_classes import define

from .reordering import Packet, Reorderer

if TYPE_CHECKING:
    from realtime_transport.audio.formats import AudioFormat

__all__ = ["Intake"]

FRAME_MS = 20
"""The length of one packet. A shorter gap is jitter of the timestamps: nothing is missing."""

MAX_PADDING_MS = 10_000
"""At most this much silence fills a gap: a longer gap is not packet loss, and the model would have to listen to it."""

INACTIVITY_PADDING_MS = 1_000
"""Enough for turn detection to see the end of a turn."""


@define()
class Intake:
    """Orders the caller's audio and fills its gaps.

    The time of the stream advances with the received audio; timestamps correct it only if they differ by a frame or
    more.

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
        """Begin a stream; in an unknown format no gaps are filled."""
        self.reset()
        self._order.start(1)
        self._format = audio_format

    def reset(self) -> None:
        """Forget the timing, since there is a new connection to the model, or none."""
        self._next_ms = self._last_at = None
        self._speaking = self._armed = self._padded = False
        self._order.start(None)

    def receive(self, audio: bytes, timestamp_ms: int | None, now: float, chunk: int | None = None) -> list[bytes]:
        """Take a packet. Returns the audio to send: pieces in order, with silence for gaps before them.

        Args:
            audio: The received audio; may be empty.
            timestamp_ms: When it began, in milliseconds since the start of the stream.
            now: The time.
            chunk: Its number in the stream, if packets may arrive out of order.
        """
        self._armed = self._speaking
        self._last_at = now
        contiguous = timestamp_ms is not None and self._next_ms is not None and timestamp_ms < self._next_ms + FRAME_MS
        packets = self._order.receive(Packet(audio, timestamp_ms), chunk, now, contiguous=contiguous)
        return self._fill(packets)

    def speech_started(self) -> None:
        """Note that the server detected speech."""
        self._speaking = self._armed = True

    def speech_stopped(self) -> None:
        """Note that the server detected the end of speech."""
        self._speaking = self._armed = False

    def get_timer(self) -> float | None:
        """When to call `handle_timer`; ``None``: not at all."""
        deadlines = (self._order.get_timer(), self._inactive_at())
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def handle_timer(self, now: float) -> list[bytes]:
        """The audio to send because of the time."""
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
