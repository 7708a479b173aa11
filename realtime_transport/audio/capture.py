"""From an audio source to the peer: equal frames, at the pace of real time."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from typing import TYPE_CHECKING, Any, Literal

import anyio
import attrs

from realtime_transport.audio.resampling import Converter
from realtime_transport.clock import Clock, EventLoopClock
from realtime_transport.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from realtime_transport.audio.formats import AudioFormat
    from realtime_transport.audio.sources import AudioSource

__all__ = ["CapturePump", "CaptureStatistics"]


@attrs.frozen(kw_only=True)
class CaptureStatistics:
    """What a `CapturePump` has done so far.

    Attributes:
        frames: Frames that were sent.
        bytes: Bytes that were sent.
        samples: Samples that were sent.
        muted_frames: Frames of the recording that were withheld, or replaced by silence, while muted.
        stalls: How often a frame was so late that the schedule began anew with it.
        late_p50_ms: Half of the frames were no later than this, in milliseconds after their moment.
        late_p99_ms: The same for 99 of 100. Both are right to 5 %, or 0.01 ms.
        late_max_ms: The latest frame, exactly.
        sent_sha256: SHA-256 of all bytes that were sent, in hexadecimal: the recording, silence while muted, the tail.
        recording_sha256: SHA-256 of the recording alone, converted, whether it was sent or muted.
    """

    frames: int
    bytes: int
    samples: int
    muted_frames: int
    stalls: int
    late_p50_ms: float
    late_p99_ms: float
    late_max_ms: float
    sent_sha256: str
    recording_sha256: str


@attrs.define(eq=False)
class CapturePump:
    """Takes audio from a source and sends it on in frames of equal length, each at its moment.

    Frame *n* is sent when the audio before it has lasted, counted in samples from the first frame, so that errors do
    not add up. A frame that is a little late is made up for by the next ones; one that is later than *max_late_ms*
    begins the schedule anew, so that no burst follows a stall. A live source paces itself: its frames are sent as soon
    as they are complete. The last frame may be shorter than the others.

    The source is not closed.

    If `run` is cancelled, nothing was lost: the next `run` goes on with the frame that was not sent.

    Args:
        source: Where the audio comes from.
        format: What to send; the audio is converted.
        send: Takes one frame. It may wait; if cancelled, it must have taken nothing.
        frame_ms: Length of a frame in milliseconds, rounded down to whole samples.
        speed: How many times faster than real time; ``None`` sends as fast as *send* accepts. A live source
            has its own.
        tail_ms: Silence after the recording, in milliseconds, for the peer's voice detection to see the end of speech.
        when_muted: Send ``"nothing"`` while muted, or ``"silence"``.
        max_late_ms: How late a frame may be and still be made up for; bounds the burst that this takes.
        clock: Where time comes from.
        muted: Whether to withhold the audio, which runs on meanwhile. Can be set at any time.

    Raises:
        ConfigError: *frame_ms* holds no sample, or *speed* is not positive.
        MissingExtraError: The source has another rate, and numpy or soxr is not installed.
    """

    source: AudioSource
    format: AudioFormat
    send: Callable[[bytes], Awaitable[None]] = attrs.field(kw_only=True)
    frame_ms: float = attrs.field(kw_only=True, default=20)
    speed: float | None = attrs.field(kw_only=True, default=1.0)
    tail_ms: float = attrs.field(kw_only=True, default=0)
    when_muted: Literal["nothing", "silence"] = attrs.field(kw_only=True, default="nothing")
    max_late_ms: float = attrs.field(kw_only=True, default=100)
    clock: Clock = attrs.field(kw_only=True, factory=EventLoopClock)
    muted: bool = attrs.field(kw_only=True, default=False)
    _converter: Converter = attrs.field(init=False)
    _frame_samples: int = attrs.field(init=False)
    _pace: _Pace | None = attrs.field(init=False)
    _pending: bytearray = attrs.field(init=False, factory=bytearray)  # Converted, and not yet sent.
    _ended: bool = attrs.field(init=False, default=False)
    _tail_samples: int = attrs.field(init=False)  # Still to be sent.
    _tally: _Tally = attrs.field(init=False, factory=lambda: _Tally())
    _guard: anyio.ResourceGuard = attrs.field(init=False, factory=lambda: anyio.ResourceGuard("running"))

    def __attrs_post_init__(self) -> None:
        self._frame_samples = self.format.samples_for_ms(self.frame_ms)
        if self._frame_samples < 1:
            raise ConfigError(f"frame_ms={self.frame_ms} holds no sample at {self.format.rate} Hz", key="frame_ms")
        if self.speed is not None and not self.speed > 0:
            raise ConfigError(f"speed={self.speed}: a positive factor, or None for no pace", key="speed")
        self._converter = Converter(self.source.format, self.format)
        self._tail_samples = self.format.samples_for_ms(self.tail_ms)
        self._pace = None
        if self.speed is not None:
            self._pace = _Pace(self.clock, self.format.rate * self.speed, self.max_late_ms / 1000)

    async def run(self) -> None:
        """Send everything until the source ends, then the tail. If cancelled, nothing was lost.

        Raises:
            anyio.BusyResourceError: It is running.
            ConfigError: The source cannot be read; whatever else the source or *send* raises.
        """
        with self._guard:
            if self._pace is not None:
                self._pace.restart()
            while frame := await self._next_frame():
                await self._deliver(frame, paced=not self.source.live)
                del self._pending[: len(frame)]
                self._tally.recording.update(frame)
            while self._tail_samples:
                samples = min(self._frame_samples, self._tail_samples)
                await self._deliver(self.format.silence(samples), paced=True)
                self._tail_samples -= samples

    def statistics(self) -> CaptureStatistics:
        """What has been done so far."""
        tally, late = self._tally, self._tally.late
        return CaptureStatistics(
            frames=tally.frames,
            bytes=tally.bytes,
            samples=self.format.samples_in(tally.bytes),
            muted_frames=tally.muted_frames,
            stalls=tally.stalls,
            late_p50_ms=late.percentile(0.50),
            late_p99_ms=late.percentile(0.99),
            late_max_ms=late.max_ms,
            sent_sha256=tally.sent.hexdigest(),
            recording_sha256=tally.recording.hexdigest(),
        )

    async def _next_frame(self) -> bytes:
        """The next frame, which stays in `_pending` until it has been sent; empty at the end."""
        size = self.format.bytes_for(self._frame_samples)
        while len(self._pending) < size and not self._ended:
            try:
                data = await self.source.receive()
            except anyio.EndOfStream:
                self._ended = True
                self._pending += self._converter.flush()
            else:
                self._pending += self._converter.process(data)
        return bytes(self._pending[:size])

    async def _deliver(self, frame: bytes, *, paced: bool) -> None:
        """Wait for the moment of *frame* and send it, or what stands for it while muted."""
        tally, samples = self._tally, self.format.samples_in(len(frame))
        if paced and self._pace is not None:
            late = await self._pace.wait(samples)
            tally.late.add(late * 1000)
            tally.stalls += late > self._pace.max_late
        muted = self.muted
        if muted:
            frame = self.format.silence(samples) if self.when_muted == "silence" else b""
        if frame:
            await self.send(frame)
            tally.frames += 1
            tally.bytes += len(frame)
            tally.sent.update(frame)
        tally.muted_frames += muted


@attrs.define(eq=False)
class _Pace:
    """When which sample is due. Counts samples from an anchor, so that nothing adds up."""

    clock: Clock
    samples_per_second: float
    max_late: float
    _anchor: float | None = attrs.field(init=False, default=None)
    _samples: int = attrs.field(init=False, default=0)

    def restart(self) -> None:
        """What comes next is due at once."""
        self._anchor = None

    async def wait(self, samples: int) -> float:
        """Wait until the next *samples* samples are due; return by how many seconds they are late."""
        if self._anchor is None:
            self._anchor, self._samples = self.clock.now(), 0
        due = self._anchor + self._samples / self.samples_per_second
        await self.clock.sleep_until(due)
        now = self.clock.now()
        late = max(0.0, now - due)
        if late > self.max_late:
            self._anchor, self._samples = now, 0
        self._samples += samples
        return late


_FINEST_MS = 0.01
_RATIO = 1.05


@attrs.define(eq=False)
class _Lateness:
    """A histogram with buckets that grow by 5 %: some 400 of them reach from 10 µs to an hour."""

    max_ms: float = 0.0
    _buckets: Counter[int] = attrs.field(init=False, factory=Counter[int])

    def add(self, ms: float) -> None:
        self.max_ms = max(self.max_ms, ms)
        self._buckets[0 if ms <= _FINEST_MS else math.ceil(math.log(ms / _FINEST_MS, _RATIO))] += 1

    def percentile(self, share: float) -> float:
        missing = share * self._buckets.total()
        for bucket, count in sorted(self._buckets.items()):
            missing -= count
            if missing <= 0:
                return min(_FINEST_MS * _RATIO**bucket, self.max_ms)
        return 0.0


@attrs.define(eq=False)
class _Tally:
    frames: int = 0
    bytes: int = 0
    muted_frames: int = 0
    stalls: int = 0
    late: _Lateness = attrs.field(factory=_Lateness)
    sent: Any = attrs.field(factory=hashlib.sha256)
    recording: Any = attrs.field(factory=hashlib.sha256)
