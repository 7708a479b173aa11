"""The WebSocket link on trio: tasks of the connection read and write the socket."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel

from realtime_transport.connection.link import LinkClosed, LinkEnds
from realtime_transport.connection.wakeup import Wakeup

from .direct_link import DirectWebSocketLink, ignore, nothing, read_buffer

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable, Sequence

    from .frame_codec import FrameCodec

__all__ = ["TrioLink"]


class TrioLink(DirectWebSocketLink):
    """The link on a socket under trio. Until `upgrade`, `read` returns the answer to the handshake.

    Args:
        opened: The socket, connected and not blocking. The link closes it.
    """

    def __init__(self, opened: socket.socket) -> None:
        super().__init__()
        self._socket = opened
        self._unsent: memoryview = memoryview(b"")
        self._flusher = Wakeup()
        self._reading = self._writing = False  # Whether tasks do it.
        self._read_buffer = read_buffer()

    # Reading

    async def read(self) -> bytes:
        """Wait for a part of the answer to the handshake; empty at the end of the stream, or if it broke.

        If cancelled, nothing was taken.
        """
        return bytes(await self._read())

    async def _read(self) -> memoryview:
        """Read at least a byte; empty at the end of the stream, or if it broke. Valid until the next read."""
        import trio

        buffer = self._read_buffer
        while True:
            try:
                await trio.lowlevel.wait_readable(self._socket)
                return buffer[: self._socket.recv_into(buffer)]
            except (BlockingIOError, InterruptedError):
                continue
            except (OSError, trio.ClosedResourceError):
                return buffer[:0]

    async def write(self, data: bytes) -> None:
        """Write the request of the handshake. If cancelled, part of it may have been written."""
        self._write(data)
        await self._write_unsent()

    def upgrade(self, codec: FrameCodec, rest: bytes) -> None:
        """Begin to read frames; *rest* was received after the answer."""
        self._codec = codec
        if rest:
            self._step(codec.receive(rest))

    def attach(self, ends: LinkEnds, /) -> Sequence[tuple[str, Callable[[], Awaitable[None]]]]:
        """See `realtime_transport.connection.link.DirectLink.attach`."""
        self._ends = ends
        self._reading = self._writing = True
        return (("reader", self._read_on), ("writer", self._write_on))

    async def _read_on(self) -> None:
        assert self._ends is not None
        try:
            if self._inbox:
                self._ends.received(self._take_inbox())
            if self._ended:
                self._ends.ended(self._codec.closed())
            while not self._codec.finished:
                await self._read_step()
        finally:
            self._reading = False
            self._change.wake()

    async def _read_step(self) -> None:
        codec = self._codec
        if codec.has_more:
            await anyio.lowlevel.checkpoint()
            self._step(codec.messages())
            return
        data = await self._read()
        if data:
            self._step(codec.receive(data))
        else:
            codec.feed_eof()
            self._step([])

    async def receive(self) -> list[str | bytes]:
        """See `realtime_transport.connection.link.Link.receive`. If cancelled, no message was lost."""
        while not self._inbox:
            if self._ended:
                raise self._codec.closed()
            await self._read_step()
        return self._take_inbox()

    # Writing

    def _write(self, data: bytes) -> None:
        if self._unsent:
            self._unsent = memoryview(bytes(self._unsent) + data)
            return
        self._unsent = memoryview(data)
        self._send_some()
        if self._blocked:
            self._flusher.wake()

    def _send_some(self) -> None:
        try:
            while self._unsent:
                self._unsent = self._unsent[self._socket.send(self._unsent) :]
        except (BlockingIOError, InterruptedError):
            pass
        except OSError:
            self._unsent = memoryview(b"")  # The reader detects the broken connection and reports it.
        self._blocked = bool(self._unsent)

    async def _write_unsent(self) -> None:
        import trio

        while self._unsent:
            try:
                await trio.lowlevel.wait_writable(self._socket)
            except trio.ClosedResourceError:
                return
            self._send_some()

    def _flush_soon(self) -> None:
        self._flusher.wake()

    async def _write_on(self) -> None:
        try:
            while True:
                if self._blocked:
                    await self._write_unsent()
                self._flush()
                if not self._blocked:
                    await self._flusher.wait()
        finally:
            self._writing = False

    async def send(self, messages: Sequence[str], /) -> None:
        """Send *messages* in one write; see `realtime_transport.connection.link.Link.send`."""
        if self._ended and not self._codec.open:
            raise LinkClosed
        self._write(self._codec.encode(messages))
        await self._write_unsent()

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        """Send a close frame, read until the server's answer or its end, and close the socket.

        If cancelled, the socket is closed at once.
        """
        self._ends = LinkEnds(received=ignore, ended=ignore, take=nothing)
        try:
            self._codec.close(code, reason)
            self._write(self._codec.control_to_send())
            if not self._writing:
                await self._write_unsent()
            while not self._codec.finished:
                await (self._change.wait() if self._reading else self._read_step())
        finally:
            self._close()

    async def abort(self) -> None:
        """Close the socket without a close frame. Idempotent. If cancelled, the socket is closed all the same."""
        self._close()

    def _close(self) -> None:
        if self._socket.fileno() >= 0:
            import trio

            trio.lowlevel.notify_closing(self._socket)
            self._socket.close()
