"""The other end of a media stream: a telephone at Twilio, for tests of programs that bridge calls.

It keeps real time, as Twilio does: it sends a frame every 20 ms, plays what it gets at the pace of a telephone, and
returns a mark when its playout has reached it.
"""

from __future__ import annotations

import random
from collections import deque
from typing import TYPE_CHECKING, Any

import anyio
import attrs
import orjson
import pybase64

from realtime_transport.clock import Clock, EventLoopClock
from realtime_transport.connection.link import LinkClosed

if TYPE_CHECKING:
    from collections.abc import Callable

    from realtime_transport.connection.link import Link

__all__ = ["Clearing", "TwilioPhone"]

FRAME_MS = 20
FRAME_BYTES = 160
BYTES_PER_MS = 8
SILENCE = b"\xff"


@attrs.frozen(kw_only=True)
class Clearing:
    """A ``clear`` message that the telephone received.

    Attributes:
        at: When it arrived, in seconds of the clock.
        item_id: The item that was playing, by the name of its marks; empty if none was.
        played_ms: Milliseconds of it that had been played.
    """

    at: float
    item_id: str
    played_ms: float


@attrs.define(eq=False)
class _Piece:
    audio: bytes = b""
    mark: str | None = None
    place: int = 0  # bytes of the item before it
    item_id: str = ""


@attrs.define(eq=False)
class _Earpiece:
    """The playout of the telephone: what waits, and what was played. Without I/O."""

    heard: bytearray = attrs.field(factory=bytearray)
    gaps: list[float] = attrs.field(factory=list[float])
    clearings: list[Clearing] = attrs.field(factory=list[Clearing])
    first_heard_at: float | None = None
    buffer: deque[_Piece] = attrs.field(factory=deque[_Piece])
    _received: dict[str, int] = attrs.field(factory=dict[str, int])  # bytes, by item
    _unnamed: _Piece | None = None
    _playing: tuple[str, int] = ("", 0)
    _in_item: bool = False
    _played_until: float = 0.0

    @property
    def idle(self) -> bool:
        """Whether the last item has been played to its end and nothing waits."""
        return not self.buffer and not self._in_item

    def add(self, audio: bytes) -> None:
        """Play *audio* after everything else."""
        self._unnamed = _Piece(audio)
        self.buffer.append(self._unnamed)

    def add_mark(self, mark: str) -> None:
        """Queue *mark* behind the audio that waits. Its name says which item the audio before it belongs to."""
        piece, self._unnamed = self._unnamed, None
        if piece is not None and not mark.startswith("done:"):
            piece.item_id = mark.rpartition(":g")[0].rpartition(":")[0]
            piece.place = self._received.get(piece.item_id, 0)
            self._received[piece.item_id] = piece.place + len(piece.audio)
        self.buffer.append(_Piece(mark=mark))

    def clear(self, now: float) -> list[str]:
        """Drop what waits. Returns the marks among it."""
        item_id, place = self._playing
        played_ms = place / BYTES_PER_MS - max(0.0, self._played_until - now) * 1000
        self.clearings.append(Clearing(at=now, item_id=item_id, played_ms=played_ms))
        marks = [piece.mark for piece in self.buffer if piece.mark is not None]
        self.buffer.clear()
        self._end_item()
        return marks

    def reach_mark(self, mark: str) -> None:
        """Pass *mark*, which is the first that waits."""
        self.buffer.popleft()
        if mark.startswith("done:"):
            self._end_item()

    def play_frame(self, piece: _Piece, at: float) -> float:
        """Begin to play the next frame of *piece*, the first that waits. Returns when it will end."""
        if self._in_item and at > self._played_until:
            self.gaps.append(at - self._played_until)
        frame, piece.audio = piece.audio[:FRAME_BYTES], piece.audio[FRAME_BYTES:]
        piece.place += len(frame)
        self._playing, self._in_item = (piece.item_id, piece.place), True
        self._played_until = at + len(frame) / BYTES_PER_MS / 1000
        self.heard += frame
        if self.first_heard_at is None:
            self.first_heard_at = at
        if not piece.audio:
            self.buffer.popleft()
        return self._played_until

    def _end_item(self) -> None:
        self._in_item, self._playing = False, ("", 0)


@attrs.define(eq=False)
class TwilioPhone:
    """One call, from ``start`` to ``stop``.

    Args:
        link: An open WebSocket to the program under test.
        jitter: A frame is sent up to this many seconds late, with its regular timestamp.
        latency: Seconds until a mark is returned.
        clock: The clock that paces the call.
        seed: The seed of the jitter.
        parameters: ``customParameters`` of the start message.

    Attributes:
        spoken_at: When the last speech of `say` ended.
        closed: Whether the link has ended.
    """

    link: Link
    jitter: float = attrs.field(default=0.0, kw_only=True)
    latency: float = attrs.field(default=0.0, kw_only=True)
    clock: Clock = attrs.field(factory=EventLoopClock, kw_only=True)
    seed: int = attrs.field(default=0, kw_only=True)
    parameters: dict[str, str] = attrs.field(factory=dict[str, str], kw_only=True)
    spoken_at: float | None = attrs.field(default=None, init=False)
    closed: bool = attrs.field(default=False, init=False)
    _speech: deque[bytes] = attrs.field(factory=deque[bytes], init=False)
    _earpiece: _Earpiece = attrs.field(factory=_Earpiece, init=False)
    _sending: anyio.Lock = attrs.field(factory=anyio.Lock, init=False)
    _out: deque[tuple[float, str]] = attrs.field(factory=deque["tuple[float, str]"], init=False)
    _change: anyio.Event = attrs.field(factory=anyio.Event, init=False)

    @property
    def heard(self) -> bytearray:
        """The µ-law audio that the telephone has played, without the silence between pieces."""
        return self._earpiece.heard

    @property
    def gaps(self) -> list[float]:
        """The gaps in the middle of items, in seconds."""
        return self._earpiece.gaps

    @property
    def clearings(self) -> list[Clearing]:
        """The ``clear`` messages it received."""
        return self._earpiece.clearings

    @property
    def first_heard_at(self) -> float | None:
        """When the first audio after `spoken_at` was played."""
        return self._earpiece.first_heard_at

    def say(self, audio: bytes) -> None:
        """Speak *audio* (µ-law), from the next frame on."""
        padded = audio + SILENCE * (-len(audio) % FRAME_BYTES)
        self._speech.extend(padded[at : at + FRAME_BYTES] for at in range(0, len(padded), FRAME_BYTES))
        self.spoken_at = self._earpiece.first_heard_at = None

    async def press(self, digit: str) -> None:
        """Press a key. If cancelled, the key may have been pressed."""
        await self._send({"event": "dtmf", "streamSid": "MZ1", "dtmf": {"track": "inbound_track", "digit": digit}})

    async def run(self) -> None:
        """Run the call until the link ends. If cancelled, nothing more is sent; the link stays open."""
        await self._send({"event": "connected", "protocol": "Call", "version": "1.0.0"})
        media = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
        start: dict[str, Any] = {"streamSid": "MZ1", "callSid": "CA1", "tracks": ["inbound"], "mediaFormat": media}
        await self._send(
            {"event": "start", "streamSid": "MZ1", "start": {**start, "customParameters": self.parameters}}
        )
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._speak)
            tasks.start_soon(self._play)
            tasks.start_soon(self._return_marks)
            try:
                while True:
                    for message in await self.link.receive():
                        self._take(orjson.loads(message))
            except LinkClosed:
                self.closed = True
                self._changed()
            tasks.cancel_scope.cancel()

    async def hang_up(self) -> None:
        """End the call, as Twilio does, and wait until the program has closed its end.

        If cancelled, the call may have ended.
        """
        await self._send({"event": "stop", "streamSid": "MZ1", "stop": {"callSid": "CA1"}})
        await self.until(lambda: False)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until *condition* is true or the call is over.

        If cancelled, nothing has changed.
        """
        while not condition() and not self.closed:
            await self._change.wait()

    @property
    def replied(self) -> bool:
        """Whether the last item has been played to its end and nothing waits."""
        return self._earpiece.idle

    # Towards the program

    async def _send(self, message: dict[str, Any]) -> None:
        async with self._sending:
            try:
                await self.link.send([orjson.dumps(message).decode()])
            except LinkClosed:
                self.closed = True
                self._changed()

    async def _speak(self) -> None:
        begun, number, chance = self.clock.now(), 0, random.Random(self.seed)
        while True:
            late = chance.random() * self.jitter
            await self.clock.sleep_until(begun + number * FRAME_MS / 1000 + late)
            frame = self._speech.popleft() if self._speech else SILENCE * FRAME_BYTES
            payload = pybase64.b64encode(frame).decode()
            media = {"track": "inbound", "chunk": str(number + 1), "timestamp": str(number * FRAME_MS)}
            await self._send({"event": "media", "streamSid": "MZ1", "media": {**media, "payload": payload}})
            if not self._speech and self.spoken_at is None:
                self.spoken_at = self.clock.now()
            number += 1

    async def _return_marks(self) -> None:
        while True:
            if not self._out:
                await self._change.wait()
                continue
            due, name = self._out.popleft()
            await self.clock.sleep_until(due)
            await self._send({"event": "mark", "streamSid": "MZ1", "mark": {"name": name}})

    # From the program

    def _take(self, message: dict[str, Any]) -> None:
        match message:
            case {"event": "media", "media": {"payload": payload}}:
                self._earpiece.add(pybase64.b64decode(payload))
            case {"event": "mark", "mark": {"name": name}}:
                self._earpiece.add_mark(name)
            case {"event": "clear"}:
                now = self.clock.now()
                self._out.extend((now + self.latency, mark) for mark in self._earpiece.clear(now))
            case _:
                pass
        self._changed()

    async def _play(self) -> None:
        earpiece, at = self._earpiece, self.clock.now()
        while True:
            if not earpiece.buffer:
                await self._change.wait()
                # Late audio is played on arrival.
                at = max(at, self.clock.now())
                continue
            piece = earpiece.buffer[0]
            if piece.mark is not None:
                earpiece.reach_mark(piece.mark)
                self._out.append((self.clock.now() + self.latency, piece.mark))
                self._changed()
                continue
            at = earpiece.play_frame(piece, at)
            if not piece.audio:
                self._changed()
            await self.clock.sleep_until(at)

    def _changed(self) -> None:
        self._change.set()
        self._change = anyio.Event()
