"""Our voice: frames in, one packet every 20 ms out. Runs in the asyncio host."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

from aiortc import MediaStreamTrack

from .opus import OpusEncoder
from .settings import OpusSettings
from .waveform import FRAME_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from av.packet import Packet

__all__ = ["OutgoingTrack"]

FRAME_SECONDS = 0.02
FRAME_TICKS = 960

PATIENCE = 0.06
"""Seconds that a late frame is waited for, before silence takes its place: three frames, the jitter of a busy loop."""

MAX_LATE = 0.1
"""Seconds behind schedule after which the schedule begins anew: no bursts after a stall."""

MAX_WAITING = 10
"""Frames (200 ms) that wait. More come only from a microphone that was stalled; the oldest are stale then."""

SILENCE = bytes(FRAME_BYTES)


class OutgoingTrack(MediaStreamTrack):
    """Sends what `put` brings, silence where nothing comes, and nothing at all before `open`.

    Silence is sent because a server that detects speech needs to hear that it is over.

    Args:
        settings: How to encode.
        pull: Where frames come from instead of `put`: called when one is due, gives one or ``None``.
    """

    kind = "audio"

    def __init__(self, settings: OpusSettings | None = None, pull: Callable[[], bytes | None] | None = None) -> None:
        super().__init__()
        self._encoder = OpusEncoder(settings or OpusSettings())
        self._pull = pull
        self._frames: deque[bytes] = deque()
        self._wake: asyncio.Event = asyncio.Event()
        self._opened = asyncio.Event()
        self._due: float | None = None
        self._idle = True
        self._timestamp = 0
        self.dropped: int = 0
        """Frames that were stale before they could be sent."""
        self.sent: int = 0
        """Frames that were sent, silence included."""

    def open(self) -> None:
        """Begin to send."""
        self._opened.set()

    def put(self, frame: bytes) -> None:
        """Send *frame*, 20 ms of 24 kHz mono samples, after those that wait. Never waits."""
        if not self._opened.is_set():
            return
        self._frames.append(frame.ljust(FRAME_BYTES, b"\0"))
        while len(self._frames) > MAX_WAITING:
            self._frames.popleft()
            self.dropped += 1
        self._wake.set()

    async def recv(self) -> Packet[Any]:
        """The next packet, when it is due.

        If cancelled, no frame is lost.
        """
        await self._opened.wait()
        frame = await self._next_frame()
        packet = self._encoder.encode(frame, self._timestamp)
        self._timestamp += FRAME_TICKS
        self.sent += 1
        return packet

    async def _next_frame(self) -> bytes:
        loop = asyncio.get_running_loop()
        if self._due is None:
            self._due = loop.time()
        elif not self._frames and not self._idle and self._pull is None:
            await self._wait_for_frame(loop)
        now = loop.time()
        if now < self._due:
            await asyncio.sleep(self._due - now)
        elif now - self._due > MAX_LATE:
            self._skip(now)
        self._due += FRAME_SECONDS
        if self._frames:
            self._idle = False
            return self._frames.popleft()
        pulled = self._pull() if self._pull is not None else None
        self._idle = True
        return SILENCE if pulled is None else pulled

    async def _wait_for_frame(self, loop: asyncio.AbstractEventLoop) -> None:
        assert self._due is not None
        self._wake.clear()
        handle = loop.call_at(self._due + PATIENCE, self._wake.set)
        try:
            await self._wake.wait()
        finally:
            handle.cancel()
        if not self._frames:
            self._skip(loop.time())

    def _skip(self, now: float) -> None:
        """Begin the schedule anew; the timestamps tell the peer that time has passed."""
        assert self._due is not None
        frames = max(0, round((now - self._due) / FRAME_SECONDS))
        self._timestamp += frames * FRAME_TICKS
        self._due = now
