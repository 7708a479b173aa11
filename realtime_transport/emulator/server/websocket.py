"""One WebSocket connection: frames in and out, pings, faults, and all ways to end."""

from __future__ import annotations

import enum
import math
import socket
import struct
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol, cast

import anyio
import anyio.lowlevel
import attrs
from anyio.abc import SocketAttribute, SocketStream
from websockets.datastructures import Headers
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.frames import Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

from realtime_transport.emulator.conversation.effects import (
    AbortConnection,
    CloseWith,
    Effect,
    GoSilent,
    SendFrame,
    SendServerEvent,
)
from realtime_transport.protocol.wire.codec import dumps, encode
from realtime_transport.wire_logging import frame_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from websockets.frames import Frame
    from websockets.http11 import Request

    from realtime_transport.clock import Clock
    from realtime_transport.emulator.records import SessionRecord

    from .faults import FaultLane

__all__ = ["Peer", "WebSocketConnection", "new_protocol", "read_handshake"]

MAX_FRAME_BYTES = 32 * 1024 * 1024
"""Bytes. An append event may hold 15 MiB of audio, which is 20 MiB of base64."""

PING_INTERVAL = 20.0
"""Seconds between the server's pings, as in live sessions."""

MAX_FRAGMENTS = 16_384
"""The largest number of frames of one message: empty frames have no bytes, but cost time."""

MAX_WAITING_BYTES = 64 * 1024 * 1024
"""While this much waits to be sent, nothing is read: a client that does not read fills its own buffers, not the
server's. One larger event is admitted when nothing waits."""

MAX_PONGS = 16
"""The number of pongs that wait. Of more pings only the newest are answered, as RFC 6455 allows."""

_SLICE = 16 * 1024
"""Bytes parsed at once: at most some 2,700 frames, which take 15 ms. Then other tasks run."""

CLOSE_TIMEOUT = 5.0
"""Seconds that the server waits for the client's CLOSE after its own."""

_LINGER = 1.0
"""Seconds of real time that the server waits for the client to close TCP."""

_GONE = (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream, OSError)


class Peer(Protocol):
    """Serves the client of a connection: a conversation, a sideband, or a refusal."""

    def open(self, now: float) -> None:
        """Begin to serve the connection."""
        ...

    def receive(self, data: str | bytes, now: float) -> None:
        """Take a whole message."""
        ...

    def get_timer(self) -> float | None:
        """When to call `handle_timer`; ``None``: not at all."""
        ...

    def handle_timer(self, now: float) -> None:
        """Do what is due."""
        ...

    def take_effects(self) -> list[Effect]:
        """The effects on the connection."""
        ...


def new_protocol() -> ServerProtocol:
    """The sans-IO half of a connection, before the handshake."""
    return ServerProtocol(
        extensions=[ServerPerMessageDeflateFactory()],
        select_subprotocol=lambda _protocol, offered: next((name for name in offered if name == "realtime"), None),
        max_size=MAX_FRAME_BYTES,
        logger=frame_logger(),
    )


def read_handshake(protocol: ServerProtocol, data: bytes) -> Request | None:
    """Give *protocol* the request and what came after it; ``None`` if it is malformed: *protocol* is of no use then.

    Bytes of headers that are not ASCII are Latin-1, as HTTP has it; older versions of ``websockets`` make lone
    surrogates of them, which neither their own responses nor JSON can carry.
    """
    protocol.receive_data(data)
    request = cast("Request | None", next(iter(protocol.events_received()), None))
    if request is not None:
        pairs = request.headers.raw_items()
        request.headers = Headers(
            (name, value.encode("latin-1", "surrogateescape").decode("latin-1")) for name, value in pairs
        )
    return request


_PONG = bytes([0x80 | Opcode.PONG])
"""The first byte of a pong."""


@attrs.define(eq=False)
class _Message:
    """A message whose frames have not all arrived."""

    is_text: bool
    data: bytearray = attrs.field(factory=bytearray)
    fragments: int = 0


class _Phase(enum.Enum):
    """The state of the server's side of a connection."""

    OPEN = enum.auto()
    CLOSING = enum.auto()  # CLOSE was sent.
    LEAVING = enum.auto()  # The end of TCP was sent.
    ABORTING = enum.auto()  # TCP will be reset.
    SILENT = enum.auto()  # Nothing is sent any more; received data is ignored.


@attrs.define(eq=False)
class WebSocketConnection:
    """Connects a socket and a peer. Ends when either side ends it.

    Args:
        stream: The socket; closed at the end.
        protocol: The protocol, with an accepted handshake whose answer is not sent yet.
        peer: The peer.
        record: Counts pings and keeps the close code.
        lane: Delays, reorders and drops frames to the client.
        clock: The clock.
        on_event: Called with each message, as ``("client" or "server", message)``.
    """

    _stream: SocketStream
    _protocol: ServerProtocol
    _peer: Peer
    _record: SessionRecord
    _lane: FaultLane
    _clock: Clock
    _on_event: Callable[[str, str | bytes], None] | None = None
    _pongs: deque[tuple[float, bytes]] = attrs.field(init=False, factory=lambda: deque[tuple[float, bytes]]())
    """Pongs, each with the time at which it is due."""
    _answers: list[bytes] = attrs.field(init=False, factory=list[bytes])
    """Other answers of the protocol itself: a CLOSE, and the end of TCP."""
    _message: _Message | None = attrs.field(init=False, default=None)
    _has_room: anyio.Event = attrs.field(init=False, factory=anyio.Event)
    """Set whenever waiting data was sent."""
    _phase: _Phase = attrs.field(init=False, default=_Phase.OPEN)
    _ending: CloseWith | AbortConnection | GoSilent | None = attrs.field(init=False, default=None)
    """The end that the peer asked for; carried out when everything before it was sent."""
    _has_left: anyio.Event = attrs.field(init=False, factory=anyio.Event)
    _ping_at: float = attrs.field(init=False, default=math.inf)
    _pings: int = attrs.field(init=False, default=0)
    _close_by: float = attrs.field(init=False, default=math.inf)
    _wake: anyio.Event = attrs.field(init=False, factory=anyio.Event)

    async def run(self) -> None:
        """Serve the connection to its end.

        If cancelled, the socket is closed without a CLOSE.

        Raises:
            Exception: What the peer raised, most likely a responder of the user.
        """
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._read, tasks.cancel_scope, name="emulator reader")
                await self._pump()
                tasks.cancel_scope.cancel()
        except ExceptionGroup as group:
            raise _first_of(group) from None
        finally:
            self._record.is_open = False
            self._note_close()
            with anyio.CancelScope(shield=True):
                await anyio.aclose_forcefully(self._stream)

    def _note_close(self) -> None:
        if self._record.close_code is not None:
            return
        close = self._protocol.close_sent  # The protocol closes by itself at an illegal frame.
        self._record.close_code, self._record.close_reason = (close.code, close.reason) if close else (1006, "")

    def wake(self) -> None:
        """Take the effects of the peer now, which neither a frame nor a timer caused."""
        self._wake.set()

    def now(self) -> float:
        """The time of the connection's clock."""
        return self._clock.now()

    def hurt(self, *, stall: float, delay: float | None, jitter: float | None) -> None:
        """Change the faults from now on."""
        faults = self._lane.faults
        self._lane.faults = attrs.evolve(
            faults,
            delay=faults.delay if delay is None else delay,
            jitter=faults.jitter if jitter is None else jitter,
        )
        if stall:
            self._lane.stall(stall, self._clock.now())

    # Reading

    async def _read(self, scope: anyio.CancelScope) -> None:
        try:
            while True:
                data = await self._stream.receive()
                for at in range(0, len(data), _SLICE):
                    await self._take(data[at : at + _SLICE])
        except _GONE:
            self._has_left.set()
            if self._phase is not _Phase.LEAVING:
                scope.cancel()  # The client does not read any more: stop the pump.

    async def _take(self, data: bytes) -> None:
        self._protocol.receive_data(data)
        for frame in self._protocol.events_received():
            now = self._clock.now()
            self._take_frame(frame, now)
            self._collect(now)
            self._take_answers(now)
            while self._is_full:  # One request may cause events of many megabytes.
                self._has_room = anyio.Event()
                self._wake.set()
                await self._has_room.wait()
        self._take_answers(self._clock.now())
        self._wake.set()
        await anyio.lowlevel.checkpoint()
        while self._peer.get_timer() == -math.inf:  # Turn detection runs on received audio before more is read.
            self._peer.handle_timer(self._clock.now())
            self._wake.set()
            await anyio.lowlevel.checkpoint()

    @property
    def _is_full(self) -> bool:
        return self._ending is None and self._lane.waiting_bytes > MAX_WAITING_BYTES

    def _take_answers(self, now: float) -> None:
        answers = self._protocol.data_to_send()
        if isinstance(self._ending, GoSilent):
            return
        for answer in answers:
            if answer[:1] != _PONG:
                self._answers.append(answer)
                continue
            self._pongs.append((now + self._lane.faults.late_pongs, answer))
            if len(self._pongs) > MAX_PONGS:
                self._pongs.popleft()
                self._record.pings_unanswered += 1

    def _take_frame(self, frame: Any, now: float) -> None:
        match frame.opcode:
            case Opcode.TEXT | Opcode.BINARY | Opcode.CONT:
                self._take_fragment(frame, now)
            case Opcode.PING:
                self._record.pings_received += 1
            case Opcode.PONG:
                self._record.pongs_received += 1
            case _:
                close = self._protocol.close_rcvd
                if close is not None and self._record.close_code is None:
                    self._record.close_code, self._record.close_reason = close.code, close.reason

    def _take_fragment(self, frame: Frame, now: float) -> None:
        message = self._message = self._message or _Message(frame.opcode is Opcode.TEXT)
        message.data += frame.data
        message.fragments += 1
        if frame.fin:
            self._message = None
            self._take_message(message, now)
        elif message.fragments >= MAX_FRAGMENTS:
            self._message = None
            self._protocol.fail(1009, f"a message may have {MAX_FRAGMENTS} frames")

    def _take_message(self, whole: _Message, now: float) -> None:
        if self._ending is not None:
            return
        try:
            message = whole.data.decode() if whole.is_text else bytes(whole.data)
        except UnicodeDecodeError:
            self._protocol.fail(1007, "invalid UTF-8")
            return
        if self._on_event is not None:
            self._on_event("client", message)
        self._peer.receive(message, now)

    # Writing

    async def _pump(self) -> None:
        self._ping_at = self._clock.now() + PING_INTERVAL
        self._peer.open(self._clock.now())
        while True:
            self._wake = anyio.Event()
            now = self._clock.now()
            self._collect(now)
            if not await self._flush(now):
                return
            deadline = self._deadline()
            if deadline > self._clock.now():
                with self._clock.move_on_at(None if math.isinf(deadline) else deadline):
                    await self._wake.wait()
            else:
                await anyio.lowlevel.checkpoint()
            now = self._clock.now()
            if now >= self._close_by:
                return
            timer = self._peer.get_timer()
            if timer is not None and timer <= now:
                self._peer.handle_timer(now)

    def _deadline(self) -> float:
        if self._phase is _Phase.SILENT:
            return math.inf
        moments = [self._peer.get_timer(), self._lane.get_timer(), self._ping_at, self._close_by]
        moments += [due for due, _ in self._pongs]
        if self._answers:
            return -math.inf
        return min(moment for moment in moments if moment is not None)

    def _collect(self, now: float) -> None:
        for effect in self._peer.take_effects():
            match effect:
                case SendServerEvent(event):
                    self._push(dumps(encode(event)), now)
                case SendFrame(text):
                    self._push(text, now)
                case CloseWith() | AbortConnection() | GoSilent():
                    self._ending = effect

    def _push(self, text: str, now: float) -> None:
        if self._on_event is not None:
            self._on_event("server", text)
        self._lane.push(text, now)

    async def _flush(self, now: float) -> bool:
        """Send what is due. Returns whether the connection goes on."""
        data = self._due_bytes(now)
        is_over = b"" in data
        try:
            if any(data):
                await self._stream.send(b"".join(data))
                self._has_room.set()
            if is_over:
                await self._leave()
        except _GONE:
            return False
        if self._phase is _Phase.ABORTING:
            self._reset()
            return False
        return not is_over

    def _due_bytes(self, now: float) -> Sequence[bytes]:
        if self._phase is _Phase.SILENT:
            self._pongs.clear()
            self._answers.clear()
            return ()
        data: list[bytes] = []
        while self._pongs and self._pongs[0][0] <= now:
            data.append(self._pongs.popleft()[1])
        data += self._answers
        self._answers.clear()
        if self._protocol.state is State.OPEN:
            for text in self._lane.take_due(now):
                self._protocol.send_text(text.encode())
            if now >= self._ping_at:
                self._pings += 1
                self._protocol.send_ping(struct.pack("!I", self._pings))
                self._ping_at = now + PING_INTERVAL
            self._end_if_asked(now)
        return data + self._protocol.data_to_send()

    def _end_if_asked(self, now: float) -> None:
        """End the connection as the peer or a fault asks, once everything before it was sent."""
        ending = self._ending if self._lane.is_empty else None
        if self._lane.is_dropped:
            code = self._lane.faults.drop_code
            ending = AbortConnection() if code is None else CloseWith(code, "")
        match ending:
            case CloseWith(code, reason):
                self._protocol.send_close(code, reason)
                self._record.close_code, self._record.close_reason = code, reason
                self._close_by, self._ping_at = now + CLOSE_TIMEOUT, math.inf
                self._phase = _Phase.CLOSING
            case AbortConnection():
                self._phase = _Phase.ABORTING
            case GoSilent():
                self._phase = _Phase.SILENT
            case None:
                pass

    async def _leave(self) -> None:
        """Wait until the client has read what was sent: closing a socket with unread data would reset it."""
        self._phase = _Phase.LEAVING
        await self._stream.send_eof()
        with anyio.move_on_after(_LINGER):
            await self._has_left.wait()

    def _reset(self) -> None:
        """Let the socket end by a reset."""
        raw: socket.socket = self._stream.extra(SocketAttribute.raw_socket)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _first_of(error: Exception) -> Exception:
    """The first exception in a group, however deep."""
    if isinstance(error, ExceptionGroup):
        return _first_of(cast("ExceptionGroup[Exception]", error).exceptions[0])
    return error
