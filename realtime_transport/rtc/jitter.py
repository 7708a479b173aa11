"""The jitter buffer: packets in, steady 20 ms of sound out, without I/O.

It holds as much as the network needs and no more. A lost packet is filled in from what was heard before it, and costs
no time. A late one is waited for by stretching, which adds delay; once the buffer has not run low for a while, pitch
periods are taken out until it has gone again. So the delay follows the jitter of the last seconds, up and down.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import attrs

from .waveform import FRAME_BYTES, RATE, blend, conceal, energy, shorten

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["JitterBuffer", "JitterStatistics", "opus_ticks"]

CLOCK_RATE = 48_000
"""Units of RTP timestamps of Opus, at any audio rate (RFC 7587, section 4.1)."""

TICKS_PER_FRAME = CLOCK_RATE // 50

START_DELAY = 0.04
"""Seconds that the first packet waits: two frames, the usual jitter of a good network."""

LOW_WATER_MS = 25
"""What the buffer should still hold when it is lowest; one frame and a bit for what tomorrow's jitter has more."""

SLACK_MS = 15
"""How much more than that is left alone: taking out a pitch period brings 10 to 20 ms."""

WATCH_FRAMES = 100
"""For how many frames (2 s) the low water is remembered."""

SHORTEN_EVERY = 5
"""At most every so many frames loud sound is shortened; silence at any."""

QUIET = 1e-5
"""-50 dBFS: what is taken out here is not heard."""

MAX_MADE_UP = 5
"""Frames (100 ms) that are made up when nothing comes at all; then the stream counts as paused."""

MAX_GAP = CLOCK_RATE // 5
"""A hole longer than 200 ms is no loss but a pause of the sender: it is not filled."""

_NEVER = -(2**62)
"""Before any timestamp."""

MAX_BUFFERED = CLOCK_RATE
"""More than a second waiting (we were stalled): the oldest is dropped."""


@attrs.frozen(kw_only=True)
class JitterStatistics:
    """What the jitter buffer of a WebRTC connection has done.

    Attributes:
        received: Packets that came.
        lost: Packets that were missing when their time came, and filled in.
        late: Packets that came after that, and were dropped.
        stretched_ms: Sound made up while waiting for late packets.
        shortened_ms: Sound taken out to get the delay down.
        delay_ms: What the buffer holds now.
        pauses: How often nothing came and the stream stopped.
    """

    received: int
    lost: int
    late: int
    stretched_ms: int
    shortened_ms: int
    delay_ms: int
    pauses: int


@attrs.define(eq=False)
class JitterBuffer:
    """Puts packets in order and in time.

    Args:
        decode: Gives the 24 kHz mono samples of a packet; packets are given to it in order.
        duration: Gives the length of a packet in units of 1/48000 s, as its timestamps count.
    """

    _decode: Callable[[bytes], bytes]
    _duration: Callable[[bytes], int] = attrs.field(default=lambda payload: opus_ticks(payload))
    _packets: dict[int, bytes] = attrs.field(init=False, factory=dict[int, bytes])
    _next: int = attrs.field(init=False, default=0)
    _newest: int | None = attrs.field(init=False, default=None)
    _end: int = attrs.field(init=False, default=_NEVER)
    _start_at: float | None = attrs.field(init=False, default=None)
    _playing: bool = attrs.field(init=False, default=False)
    _sound: bytearray = attrs.field(init=False, factory=bytearray)
    _history: bytes = attrs.field(init=False, default=bytes(2 * FRAME_BYTES))
    _made_up: int = attrs.field(init=False, default=0)
    _levels: deque[float] = attrs.field(init=False, factory=lambda: deque[float](maxlen=WATCH_FRAMES))
    _since_shortened: int = attrs.field(init=False, default=0)
    _received: int = attrs.field(init=False, default=0)
    _lost: int = attrs.field(init=False, default=0)
    _late: int = attrs.field(init=False, default=0)
    _stretched: int = attrs.field(init=False, default=0)
    _shortened: int = attrs.field(init=False, default=0)
    _pauses: int = attrs.field(init=False, default=0)

    @property
    def active(self) -> bool:
        """Whether `pull` has anything to do."""
        return self._playing or bool(self._packets)

    def put(self, timestamp: int, payload: bytes, now: float) -> None:
        """Take a packet.

        Args:
            timestamp: Its RTP timestamp.
            payload: What *decode* takes.
            now: The time in seconds.
        """
        self._received += 1
        place = self._unwrap(timestamp)
        if self._playing and place < self._next:
            self._late += 1
            return
        self._packets[place] = payload
        self._end = max(self._end, place + TICKS_PER_FRAME)
        if not self._playing and self._start_at is None:
            self._start_at = now + START_DELAY
        while self._packets and self._end - min(self._packets) > MAX_BUFFERED:
            del self._packets[min(self._packets)]

    def pull(self, now: float) -> bytes | None:
        """The next 20 ms; ``None`` while the stream has not begun or is paused. To be called every 20 ms."""
        if not self._playing and not self._begin(now):
            return None
        self._watch()
        if self._should_shorten():
            while len(self._sound) < 2 * FRAME_BYTES and self._fill_real():
                pass
            self._shorten()
        while len(self._sound) < FRAME_BYTES:
            if not self._fill_real() and not self._fill_hole():
                self._pause()
                return None
        frame = bytes(self._sound[:FRAME_BYTES])
        del self._sound[:FRAME_BYTES]
        self._history = self._history[FRAME_BYTES:] + frame
        return frame

    def clear(self) -> None:
        """Forget what waits; the stream goes on with what comes."""
        self._packets.clear()
        self._end = _NEVER
        self._pause()

    def statistics(self) -> JitterStatistics:
        """What has been done so far."""
        return JitterStatistics(
            received=self._received,
            lost=self._lost,
            late=self._late,
            stretched_ms=self._stretched,
            shortened_ms=self._shortened * 1000 // RATE,
            delay_ms=int(self._level()),
            pauses=self._pauses,
        )

    def _unwrap(self, timestamp: int) -> int:
        newest = self._newest
        if newest is None:
            place = timestamp
        else:
            step = (timestamp - newest + 2**31) % 2**32 - 2**31
            place = newest + step
            if abs(step) > 10 * CLOCK_RATE:  # Another stream, or one that began anew.
                self.clear()
        self._newest = place if newest is None or abs(place - newest) > 10 * CLOCK_RATE else max(place, newest)
        return place

    def _begin(self, now: float) -> bool:
        if self._start_at is None or now < self._start_at or not self._packets:
            return False
        self._playing, self._start_at = True, None
        self._next = min(self._packets)
        self._levels.clear()
        return True

    def _pause(self) -> None:
        self._pauses += self._playing
        self._playing, self._start_at, self._made_up = False, None, 0
        self._sound.clear()
        self._history = bytes(2 * FRAME_BYTES)

    def _fill_real(self) -> bool:
        """Add the sound of the next packet; whether it is there."""
        payload = self._packets.pop(self._next, None)
        if payload is not None:
            self._add(self._decode(payload), self._duration(payload))
        return payload is not None

    def _fill_hole(self) -> bool:
        """The next packet is not there: make up for it, or skip a pause. Whether there is anything to go on with."""
        later = min(self._packets, default=None)
        if later is None:
            if self._made_up >= MAX_MADE_UP:
                return False
            self._stretched += 20
        elif later - self._next > MAX_GAP or later < self._next:
            self._next = later
            return True
        else:
            self._lost += 1
            self._next = min(self._next + TICKS_PER_FRAME, later)
        self._sound += conceal(self._history + self._sound, self._made_up)
        self._made_up += 1
        return True

    def _add(self, pcm: bytes, ticks: int) -> None:
        self._next += ticks  # Not by its samples: a resampler gives a few less at first.
        self._end = max(self._end, self._next)
        if self._made_up:
            pcm = blend(conceal(self._history + self._sound, self._made_up), pcm)
            self._made_up = 0
        self._sound += pcm

    def _level(self) -> float:
        """Milliseconds of sound that wait, holes included."""
        start = self._next if self._playing else min(self._packets, default=0)
        waiting = max(0, self._end - start) if self._packets else 0
        return waiting * 1000 / CLOCK_RATE + len(self._sound) * 500 / RATE

    def _watch(self) -> None:
        self._levels.append(self._level())
        self._since_shortened += 1

    def _should_shorten(self) -> bool:
        if len(self._levels) < WATCH_FRAMES // 2 or min(self._levels) < LOW_WATER_MS + SLACK_MS:
            return False
        return self._since_shortened >= SHORTEN_EVERY or energy(self._history[FRAME_BYTES:]) < QUIET

    def _shorten(self) -> None:
        if len(self._sound) < 2 * FRAME_BYTES:
            return
        short = shorten(bytes(self._sound[: 2 * FRAME_BYTES]))
        removed = (2 * FRAME_BYTES - len(short)) // 2
        self._sound[: 2 * FRAME_BYTES] = short
        self._shortened += removed
        self._since_shortened = 0
        self._levels = deque((level - removed * 1000 / RATE for level in self._levels), maxlen=WATCH_FRAMES)


def opus_ticks(payload: bytes) -> int:
    """How long an Opus packet plays, in units of 1/48000 s (RFC 6716, section 3.1)."""
    if not payload:
        return TICKS_PER_FRAME
    config, code = payload[0] >> 3, payload[0] & 3
    if config < 12:
        ticks = (480, 960, 1920, 2880)[config & 3]
    elif config < 16:
        ticks = (480, 960)[config & 1]
    else:
        ticks = (120, 240, 480, 960)[config & 3]
    if code == 3:
        return ticks * max(1, payload[1] & 63) if len(payload) > 1 else ticks
    return ticks if code == 0 else 2 * ticks
