"""The peer's voice: packets in, steady frames of 24 kHz mono samples out. Runs in the asyncio host."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from realtime_transport.audio.formats import AudioFormat
from realtime_transport.audio.resampling import Converter

from .aiortc_internals import take_packets
from .jitter import JitterBuffer, JitterStatistics
from .opus import OpusDecoder

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiortc import RTCRtpReceiver

__all__ = ["IncomingAudio"]

FRAME_SECONDS = 0.02

G711 = {0: AudioFormat.PCMU, 8: AudioFormat.PCMA}
"""The payload types that are not Opus (RFC 3551). Their timestamps count 8000 in a second, those of Opus 48,000."""

G711_TICKS = 6

MAX_BEHIND = 0.2
"""Seconds behind schedule after which the schedule begins anew: the loop was stalled."""


class IncomingAudio:
    """Receives a track and gives its frames away, one every 20 ms as long as something comes.

    Args:
        deliver: Takes a frame: 480 samples.
    """

    def __init__(self, deliver: Callable[[bytes], None]) -> None:
        self._deliver = deliver
        self._codec: AudioFormat | None = None
        self._buffer = JitterBuffer(OpusDecoder().decode)
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._closed = False

    def attach(self, receiver: RTCRtpReceiver) -> bool:
        """Take the packets of *receiver*. Whether that is possible with this version of aiortc."""
        return take_packets(receiver, self._take)

    def clear(self) -> None:
        """Forget what has not been delivered."""
        self._buffer.clear()

    def close(self) -> None:
        """Stop."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def statistics(self) -> JitterStatistics:
        """What the jitter buffer has done."""
        return self._buffer.statistics()

    def _take(self, timestamp: int, payload: bytes, payload_type: int) -> None:
        if self._closed:
            return
        codec = G711.get(payload_type)
        if codec != self._codec:
            self._change_codec(codec)
        if codec is not None:
            timestamp = timestamp * G711_TICKS % 2**32
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._buffer.put(timestamp, payload, now)
        if self._timer is None:
            self._due = now
            self._tick()

    def _change_codec(self, codec: AudioFormat | None) -> None:
        self._codec = codec
        if codec is None:
            self._buffer = JitterBuffer(OpusDecoder().decode)
        else:
            decode = Converter(codec, AudioFormat.PCM24K).process
            self._buffer = JitterBuffer(decode, lambda payload: len(payload) * G711_TICKS)

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        if now - self._due > MAX_BEHIND:
            self._due = now
        while self._due <= now:
            frame = self._buffer.pull(now)
            if frame is not None:
                self._deliver(frame)
            self._due += FRAME_SECONDS
        self._timer = loop.call_at(self._due, self._tick) if self._buffer.active else None
