"""From the peer to an audio sink, and word of how much of it was heard."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import anyio
import attrs

from realtime_transport.audio._timeline import PlaybackKey, Position, Run, Timeline
from realtime_transport.audio.resampling import Converter
from realtime_transport.clock import Clock, EventLoopClock
from realtime_transport.errors import ConsumerTooSlow

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from realtime_transport.audio.formats import AudioFormat
    from realtime_transport.audio.sinks import AudioSink

__all__ = ["PlaybackKey", "PlaybackPump", "PlaybackStatistics"]

_PIECE_MS = 100
"""What the sink is given at once: half of what `PacedSink` holds, and as fine as positions need to be in between."""

_FLUSH_AFTER = 0.1
"""Seconds without input after which an item may be over."""

_FLUSH_BEFORE = 0.06
"""Seconds before the sink runs dry at which the converter is flushed then, so that the end of an item follows without
a gap. The service sends faster than real time, so that nothing having come by then means that nothing will."""


@attrs.frozen(kw_only=True)
class PlaybackStatistics:
    """What a `PlaybackPump` has done so far; bytes and samples are those of its input.

    Attributes:
        bytes_received: All that was put in.
        bytes_queued: What has not been given to the sink.
        bytes_queued_max: The most that this has been.
        bytes_withdrawn: What was dropped from the queue by `PlaybackPump.withdraw`.
        samples_played: What was reported as played, of all items.
    """

    bytes_received: int
    bytes_queued: int
    bytes_queued_max: int
    bytes_withdrawn: int
    samples_played: int


@attrs.define(eq=False)
class PlaybackPump:
    """Gives audio to a sink, in order, and reports how much of each item the sink has played.

    `put`, `withdraw` and `refresh` are plain functions that never wait; `run` does the waiting. The sink is not closed.

    Positions are in samples of *format*, per item and content index. They never go back, never pass what was put in,
    and never count what was cleared.

    Args:
        sink: Where the audio is played; it is converted to the sink's format.
        format: What `put` takes.
        report: Called as ``report(item_id, content_index, samples)`` when more of that has been played: by `run` after
            each piece and every *report_interval*, and by `refresh` and `withdraw`. It must not wait.
        max_bytes: How much may be queued.
        report_interval: How often to ask the sink, in seconds, while it plays and there is nothing to give it.
        clock: Where time comes from.

    Raises:
        MissingExtraError: The sink has another rate, and numpy or soxr is not installed.
    """

    sink: AudioSink
    format: AudioFormat
    report: Callable[[str, int, int], None]
    max_bytes: int = attrs.field(kw_only=True, default=64 * 1024 * 1024)
    report_interval: float = attrs.field(kw_only=True, default=0.08)
    clock: Clock = attrs.field(kw_only=True, factory=EventLoopClock)
    _queue: deque[_Chunk] = attrs.field(init=False, factory=lambda: deque[_Chunk]())
    _converter: Converter = attrs.field(init=False)
    _timeline: Timeline = attrs.field(init=False)
    _outgoing: _Piece | None = attrs.field(init=False, default=None)  # Converted, and not yet taken by the sink.
    _dry: bool = attrs.field(init=False, default=True)  # Neither the sink nor the converter has anything left.
    _last_put: float = attrs.field(init=False, default=0.0)
    _finished: bool = attrs.field(init=False, default=False)
    _clears: int = attrs.field(init=False, default=0)
    _sending: anyio.CancelScope | None = attrs.field(init=False, default=None)
    _draining: anyio.CancelScope | None = attrs.field(init=False, default=None)
    _wake: anyio.Event = attrs.field(init=False, factory=anyio.Event)
    _tally: _Tally = attrs.field(init=False, factory=lambda: _Tally())
    _guard: anyio.ResourceGuard = attrs.field(init=False, factory=lambda: anyio.ResourceGuard("running"))

    def __attrs_post_init__(self) -> None:
        self._converter = Converter(self.format, self.sink.format)
        self._timeline = Timeline(self.format, self.sink.format, self.sink.samples_played)

    def put(self, key: PlaybackKey, data: bytes) -> None:
        """Queue *data* for playback after what was put in before. Never waits.

        Raises:
            ConsumerTooSlow: More than *max_bytes* would be queued; nothing was queued.
            anyio.ClosedResourceError: `finish` was called.
        """
        if self._finished:
            raise anyio.ClosedResourceError
        tally = self._tally
        if tally.queued + len(data) > self.max_bytes:
            raise ConsumerTooSlow(
                f"more than {self.max_bytes} bytes of audio wait for playback", limit=self.max_bytes, unit="bytes"
            )
        if not data:
            return
        self._queue.append(_Chunk(key, memoryview(data)))
        self._last_put = self.clock.now()
        tally.received += len(data)
        tally.queued += len(data)
        tally.queued_max = max(tally.queued_max, tally.queued)
        self._wake_up()

    def withdraw(self, response_ids: Collection[str] | None = None) -> None:
        """Drop what has not been played of these responses, at once, and report how far playback got.

        If the sink holds any of it, the sink is cleared. A sink can only be cleared as a whole: what it holds of other
        responses is lost as well, and not reported as played.

        Args:
            response_ids: The responses; ``None`` for all.
        """
        self._drop_queued(response_ids)
        timeline, outgoing = self._timeline, self._outgoing
        holders = [run.key for run in timeline.unplayed(self.sink.samples_played)]
        if outgoing is not None:  # The sink may be about to take it.
            holders.append(outgoing.run.key)
        if any(_among(key, response_ids) for key in holders):
            self._clear_sink()
        elif timeline.current is not None and _among(timeline.current.key, response_ids):
            timeline.abandon_current()
            self._converter.reset()
        self.refresh()

    def refresh(self) -> None:
        """Report now how far playback got. Cheap: call it before acting on a barge-in."""
        self._report(self._timeline.advance(self.sink.samples_played))

    def finish(self) -> None:
        """Nothing more will be put in: `run` returns when all has been played. Idempotent."""
        self._finished = True
        self._wake_up()

    async def run(self) -> None:
        """Give the sink what was put in. Returns after `finish`, once all has been played.

        If cancelled, nothing was lost: what was not given to the sink stays queued, and the sink plays on with what it
        has; call `withdraw` to stop that.

        Raises:
            anyio.BusyResourceError: It is running; whatever else the sink or *report* raises.
        """
        with self._guard:
            while True:
                if self._outgoing is None and self._queue:
                    self._outgoing = self._next_piece()
                if self._outgoing is not None:
                    await self._send(self._outgoing)
                elif not self._dry:
                    await self._wait_for_sink()
                elif self._finished:
                    return
                else:
                    await self._more()

    def statistics(self) -> PlaybackStatistics:
        """What has been done so far."""
        tally = self._tally
        return PlaybackStatistics(
            bytes_received=tally.received,
            bytes_queued=tally.queued,
            bytes_queued_max=tally.queued_max,
            bytes_withdrawn=tally.withdrawn,
            samples_played=tally.played,
        )

    def _next_piece(self) -> _Piece:
        chunk, run = self._queue[0], self._timeline.current
        if run is not None and run.key != chunk.key:
            return _Piece(self._converter.flush(), run, completes=True)
        if run is None:
            run = self._timeline.begin(chunk.key)
        part = chunk.data[: self.format.bytes_for(self.format.samples_for_ms(_PIECE_MS))]
        chunk.data = chunk.data[len(part) :]
        if not chunk.data:
            self._queue.popleft()
        self._tally.queued -= len(part)
        run.bytes_in += len(part)
        return _Piece(self._converter.process(part), run, completes=False)

    async def _send(self, piece: _Piece) -> None:
        clears = self._clears
        if piece.pcm:
            try:
                with anyio.CancelScope() as self._sending:
                    await self.sink.send(piece.pcm)
            finally:
                self._sending = None
        if clears != self._clears:
            # Whether the sink took the piece before it was cleared or after is not known: clear it once more.
            self.sink.clear()
            self._timeline.cut(self.sink.samples_played)
            return
        self._outgoing = None
        self._dry = False
        self._timeline.sent(piece.run, self.sink.format.samples_in(len(piece.pcm)), completes=piece.completes)
        self.refresh()

    async def _wait_for_sink(self) -> None:
        """Wait until the sink has run dry, there is more to give it, or it is time to report or to flush."""
        now, run = self.clock.now(), self._timeline.current
        report_at = now + self.report_interval
        if run is not None and self.format.rate != self.sink.format.rate:
            flush_at = self._flush_at(now)
            if flush_at <= now:
                self._outgoing = _Piece(self._converter.flush(), run, completes=True)
                return
            with self.clock.move_on_at(min(flush_at, report_at)):
                await self._more()
            self.refresh()
            return
        try:
            with self.clock.move_on_at(report_at) as self._draining:
                scope = self._draining
                await self.sink.drain()
        finally:
            self._draining = None
        self.refresh()
        self._dry = not scope.cancel_called and not self._queue

    def _flush_at(self, now: float) -> float:
        """When to bring out what the converter holds back: too early is audible, since more of the item may come."""
        if self._finished:
            return now
        left = self.sink.format.seconds(self._timeline.left(self.sink.samples_played))
        return max(self._last_put + _FLUSH_AFTER, now + left - _FLUSH_BEFORE)

    async def _more(self) -> None:
        self._wake = anyio.Event()
        await self._wake.wait()

    def _wake_up(self) -> None:
        self._wake.set()
        if self._draining is not None:
            self._draining.cancel()

    def _drop_queued(self, response_ids: Collection[str] | None) -> None:
        self._queue = deque(chunk for chunk in self._queue if not _among(chunk.key, response_ids))
        queued = sum(len(chunk.data) for chunk in self._queue)
        self._tally.withdrawn += self._tally.queued - queued
        self._tally.queued = queued

    def _clear_sink(self) -> None:
        self._clears += 1
        self._outgoing = None
        self._dry = True
        if self._sending is not None:
            self._sending.cancel()
        self.sink.clear()
        self._converter.reset()
        played = self.sink.samples_played
        positions = self._timeline.advance(played)
        self._timeline.cut(played)
        self._report(positions)

    def _report(self, positions: list[Position]) -> None:
        for position in positions:
            if position.played == position.reported:
                continue
            self._tally.played += position.played - position.reported
            position.reported = position.played
            self.report(position.item_id, position.content_index, position.played)


def _among(key: PlaybackKey, response_ids: Collection[str] | None) -> bool:
    return response_ids is None or key.response_id in response_ids


@attrs.define(eq=False)
class _Chunk:
    """What was put in, without what was taken of it."""

    key: PlaybackKey
    data: memoryview


@attrs.define(eq=False)
class _Piece:
    """What the sink is to take next, and whether its run is complete then."""

    pcm: bytes
    run: Run
    completes: bool = attrs.field(kw_only=True)


@attrs.define(eq=False)
class _Tally:
    received: int = 0
    queued: int = 0
    queued_max: int = 0
    withdrawn: int = 0
    played: int = 0
