"""WebSocket frames without I/O: bytes in, messages out, and the other way round.

Nearly all that a server sends are whole text frames, and they take a short path, as do pings, pongs, and the answer to
our close. Every other frame is handed, whole, to ``websockets``, which knows the rest of RFC 6455; what cannot be a
frame is handed to it as it is, and it says what is wrong. The short path decides nothing by itself but that a text
frame is a message, and that a close frame with our code is an answer.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from websockets.exceptions import PayloadTooBig
from websockets.frames import Close, Frame, Opcode
from websockets.protocol import Protocol, Side, State

from realtime_transport.connection.link import LinkClosed
from realtime_transport.errors import MessageTooBig, RemoteProtocolError
from realtime_transport.wire_logging import frame_logger

try:
    from websockets.speedups import apply_mask
except ImportError:  # A build without the extension in C.
    from websockets.utils import apply_mask

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["FrameCodec"]

FRAMES_PER_STEP = 256
"""The number of frames of one read that are handled before other tasks run: 2 ms of audio deltas, 0.2 ms of pings."""

MASKS = 64
"""Random bytes that are drawn at once, 4 for each frame: one call of the operating system takes 0.6 µs."""

MAX_FRAGMENTS = 4096
"""The largest number of frames of one message: at 64 MiB, 16 KiB each. Smaller fragments are abuse."""

_TEXT, _CLOSE, _PING, _PONG = 0x81, 0x88, 0x89, 0x8A  # First bytes of whole frames.

_LONGEST = {
    first: length
    for opcode, length in ((0, 2**63), (1, 2**63), (2, 2**63), (8, 125), (9, 125), (10, 125))
    for first in ((opcode, 0x80 | opcode) if opcode < 8 else (0x80 | opcode,))
}
"""From the valid first bytes of a server's frame to the longest payload (RFC 6455, section 5.2)."""


class FrameCodec:
    """The frames of one open WebSocket, on the client's side.

    Args:
        max_message_bytes: A larger message fails the connection with 1009; ``None``: no limit.

    Attributes:
        open: Whether neither side has sent a close frame, and the stream has not ended.
        has_more: Whether `messages` stopped early: let other tasks run, and call it again.
        has_control: Whether `control_to_send` has something: a pong, a ping, a close.
        bytes_received: Bytes fed so far: each shows that the peer is alive.
        pings_received: Pings of the peer so far. Only the newest that waits is answered (RFC 6455, section 5.5.3).
    """

    def __init__(self, *, max_message_bytes: int | None) -> None:
        self._made: Protocol | None = None
        self._max_message_bytes = max_message_bytes
        self._buffer = bytearray()
        # The longest payload of the next frame: earlier fragments reduce it. Control frames are shorter anyway.
        self._longest = self._room = 2**63 if max_message_bytes is None else max_message_bytes
        self._fragments: list[Frame] = []
        self._too_many_fragments = False
        self._ping: bytes | None = None
        self._to_send = b""  # Control frames of ours.
        self._close: tuple[int, str] | None = None  # Sent by us.
        self._close_answered = False
        self._masks = b""
        self.has_more: bool = False
        self.open: bool = True
        self.has_control: bool = False
        self.bytes_received: int = 0
        self.pings_received: int = 0

    @property
    def _protocol(self) -> Protocol:
        # Made for the first frame that is not usual: most calls have none.
        protocol = self._made
        if protocol is None:
            limit = self._max_message_bytes
            protocol = self._made = Protocol(Side.CLIENT, state=State.OPEN, max_size=limit, logger=frame_logger())
            if self._close is not None:
                protocol.send_close(*self._close)
                protocol.data_to_send()  # They went out already.
        return protocol

    # From the peer

    def feed(self, data: bytes | memoryview) -> None:
        """Store a copy of what was read; `messages` returns its messages."""
        self.bytes_received += len(data)
        self._buffer += data

    def feed_eof(self) -> None:
        """The peer has closed its side, or the stream broke."""
        if self._close_answered:
            return
        if self._protocol.state is not State.CLOSED:
            self._protocol.receive_data(bytes(self._buffer))  # A partial frame may be invalid already.
            self._protocol.events_received()
        self._buffer.clear()
        self.has_more = False
        self._protocol.receive_eof()
        self._look()

    def messages(self) -> list[str | bytes]:
        """As `receive`, for data that was fed before."""
        return self.receive(b"")

    def receive(self, data: bytes | bytearray | memoryview) -> list[str | bytes]:
        """Take what was read, and return the messages that it completes, of `FRAMES_PER_STEP` frames at most.

        Afterwards call `control_to_send`, and check `open`. Only copies of *data* are kept.
        """
        self.bytes_received += len(data)
        buffer = data
        if self._buffer or not self.open:
            buffer = self._buffer
            buffer += data
            if not self.open:
                self._look_for_close()
                return []
        size, at, left = len(buffer), 0, FRAMES_PER_STEP
        messages: list[str | bytes] = []
        while left and size - at >= 2 and self.open:
            first, length, start = buffer[at], buffer[at + 1], at + 2
            if length > 125:
                # A server must not send a masked frame (above 127): its length does not matter.
                start += 2 if length == 126 else 8 if length == 127 else 0
                if start > size:
                    break
                length = 0 if length > 127 else int.from_bytes(buffer[at + 2 : start], "big")
            end = start + length
            if first == _TEXT and length <= self._room and buffer[at + 1] < 128 and not self._fragments:
                if end > size:
                    break
                try:
                    messages.append(str(buffer[start:end], "utf-8"))
                except UnicodeDecodeError:
                    self._fail(1007, "text that is not UTF-8")
            elif buffer[at + 1] > 127 or length > _LONGEST.get(first, -1) or length > self._room:
                end = size
                self._receive_frame(bytes(buffer[at:]), messages)  # The library reports the fault.
            elif end > size:
                break
            elif first == _PING:
                self._ping = bytes(buffer[start:end])
                self.has_control = True
                self.pings_received += 1
            elif first != _PONG:  # A pong needs nothing: any bytes show that the peer is alive.
                self._receive_frame(bytes(buffer[at:end]), messages)
            at = end
            left -= 1
        self.has_more = not left and at < size
        if buffer is self._buffer:
            del self._buffer[:at]
        elif at < size:
            self._buffer += buffer[at:]
        if not self.open:
            self._look_for_close()
        return messages

    def _look_for_close(self) -> None:
        # The library takes what there is, whole frames or not. Nothing but a close is of use, and nothing is answered.
        if self._close_answered or self._is_answer(self._buffer):
            self._close_answered = True
            self._buffer.clear()
            self.has_more = False
            return
        protocol, waiting = self._protocol, len(self._protocol.writes)
        if not self._buffer or protocol.state is State.CLOSED:
            return
        protocol.receive_data(bytes(self._buffer))
        protocol.events_received()
        del protocol.writes[waiting:]
        self._buffer.clear()
        self.has_more = False
        self._look()

    def _is_answer(self, data: bytearray) -> bool:
        """Whether *data* is what most servers answer to our close: its code, and no more."""
        if self._made is not None or self._close is None:
            return False
        return bytes(data) == b"\x88\x02" + self._close[0].to_bytes(2, "big")

    def _receive_frame(self, data: bytes, messages: list[str | bytes]) -> None:
        protocol, fragments = self._protocol, self._fragments
        protocol.receive_data(data)
        self._look()
        for frame in protocol.events_received():
            if not isinstance(frame, Frame) or frame.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                continue
            fragments.append(frame)
            self._room -= len(frame.data)
            if not frame.fin:
                if len(fragments) > MAX_FRAGMENTS:
                    self._too_many_fragments = True
                    self._fail(1009, "message of too many fragments")
                continue
            whole = b"".join(part.data for part in fragments)
            binary = fragments[0].opcode is Opcode.BINARY
            fragments.clear()
            self._room = self._longest
            try:
                messages.append(whole if binary else whole.decode())
            except UnicodeDecodeError:
                self._fail(1007, "text that is not UTF-8")

    def _fail(self, code: int, reason: str) -> None:
        self._protocol.fail(code, reason)
        self._look()

    def _look(self) -> None:
        """Update `open` and `has_control` after the library has changed its state."""
        protocol = self._protocol
        self.open = protocol.state is State.OPEN
        self.has_control = self._ping is not None or bool(self._to_send or protocol.writes)

    # To the peer

    def encode(self, messages: Sequence[str]) -> bytes:
        """The frames of *messages*, preceded by the control frames that wait; empty once a close was sent."""
        parts = self._control() if self.has_control else []
        if self.open:
            for message in messages:
                parts += self._text_frame(message.encode())
        return b"".join(parts)

    def _text_frame(self, payload: bytes) -> tuple[bytes, bytes, bytes]:
        mask, size = self._mask(), len(payload)
        if size < 126:
            head = bytes((_TEXT, 0x80 | size))
        elif size < 65536:
            head = b"\x81\xfe" + size.to_bytes(2, "big")
        else:
            head = b"\x81\xff" + size.to_bytes(8, "big")
        return head, mask, apply_mask(payload, mask)

    def _mask(self) -> bytes:
        masks = self._masks or os.urandom(MASKS)
        self._masks = masks[4:]
        return masks[:4]

    def _send_control(self, first: int, payload: bytes) -> None:
        mask = self._mask()
        self._to_send += bytes((first, 0x80 | len(payload))) + mask + apply_mask(payload, mask)
        self.has_control = True

    def control_to_send(self) -> bytes:
        """The control frames that wait to be sent: a pong, a ping, a close."""
        return b"".join(self._control())

    def _control(self) -> list[bytes]:
        if self._ping is not None:
            ping, self._ping = self._ping, None
            if self.open:
                self._send_control(_PONG, ping)
        waiting, self._to_send, self.has_control = self._to_send, b"", False
        return [waiting, *(self._made.data_to_send() if self._made is not None and self._made.writes else ())]

    def ping(self) -> bool:
        """Queue a ping. Returns whether the connection is still open for one."""
        if not self.open:
            return False
        self._send_control(_PING, os.urandom(4))
        return True

    def close(self, code: int, reason: str) -> None:
        """Queue a close frame, unless there was one. The messages of the peer no longer matter."""
        if not self.open:
            return
        self._control()  # A pong after a close is of no use to anybody.
        said = Close(code, reason).serialize()
        if self._made is None and len(said) <= _LONGEST[_CLOSE]:
            self.open, self._close = False, (code, reason)
            self._send_control(_CLOSE, said)
        else:
            self._protocol.send_close(code, reason)
            self._look()

    # The end

    @property
    def finished(self) -> bool:
        """The closing handshake is done, or the stream has ended: nothing more is to be read."""
        protocol = self._made
        if protocol is None:
            return self._close_answered
        return protocol.state is State.CLOSED or protocol.close_rcvd is not None

    def closed(self) -> LinkClosed:
        """Why the connection is no longer open."""
        if self._close_answered and self._close is not None:
            return LinkClosed(self._close[0], "")
        protocol = self._protocol
        limit = self._max_message_bytes or 0
        if isinstance(protocol.parser_exc, PayloadTooBig):
            said = f"the server sent a message above the limit of {limit} bytes; raise max_message_bytes to admit it"
            return _caused(LinkClosed(1009, "message too big"), MessageTooBig(said, limit=limit))
        if self._too_many_fragments:
            said = f"the server sent a message in more than {MAX_FRAGMENTS} fragments"
            return _caused(LinkClosed(1009, "message too big"), MessageTooBig(said, limit=MAX_FRAGMENTS))
        if protocol.close_rcvd is not None:
            return LinkClosed(protocol.close_rcvd.code, protocol.close_rcvd.reason)
        ours = protocol.close_sent
        if ours is not None and ours.code != 1000:
            said = f"the server broke the WebSocket protocol ({ours.reason}), and was told so with code {ours.code}"
            return _caused(LinkClosed(ours.code, ours.reason), RemoteProtocolError(said))
        return LinkClosed()


def _caused(closed: LinkClosed, cause: Exception) -> LinkClosed:
    closed.__cause__ = cause
    return closed
