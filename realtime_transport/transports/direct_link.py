"""The WebSocket link on a socket of our own: no layer between the operating system and the frames.

On asyncio it is a protocol on the loop's transport, with or without TLS; on trio it reads and writes the socket. A
connection need not run a task to read it or to write it, see `realtime_transport.connection.link.DirectLink`.
"""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import TYPE_CHECKING, cast

import anyio
import anyio.abc
import anyio.lowlevel

from realtime_transport.connection.link import LinkClosed, LinkEnds, LinkStatistics
from realtime_transport.connection.wakeup import Wakeup

if TYPE_CHECKING:
    import socket
    from abc import abstractmethod
    from collections.abc import Awaitable, Callable, Sequence

    from .frame_codec import FrameCodec
else:

    def abstractmethod(method):
        return method


__all__ = ["AsyncioLink", "DirectWebSocketLink", "TrioLink"]

READ_BYTES = 128 * 1024
"""Some twenty audio deltas of 100 ms: under load one read brings many messages (64 KiB: a third more CPU)."""

IDLE_SECONDS = 1e-3
"""A link that has not written for so long writes at once: a call does, every 20 ms; a loop that sends does not."""


class DirectWebSocketLink:
    """What both event loops have in common. Not used by itself."""

    _codec: FrameCodec

    def __init__(self) -> None:
        self._ends: LinkEnds | None = None
        self._inbox: list[str | bytes] = []
        self._change = Wakeup()
        self._drained = Wakeup()
        self._blocked = False
        self._flush_is_due = False
        self._written_at = 0.0
        self._ended = False

    # What the event loops do differently

    @abstractmethod
    def _write(self, data: bytes) -> None:
        """Write *data*, now or as soon as the peer reads; then `_blocked` says which."""

    @abstractmethod
    def _flush_soon(self) -> None:
        """Call `_flush` when the tasks that can run now have run."""

    # Reading

    def _step(self) -> None:
        """Hand over what the codec holds, answer its pings, notice its end. Other tasks run before the next step."""
        codec = self._codec
        messages = codec.messages()
        if codec.has_control and not self._blocked:
            self._write(codec.control_to_send())
        if messages:
            if self._ends is None:
                self._inbox.extend(messages)
                self._change.wake()
            else:
                self._ends.received(messages)
        if not codec.open:
            if not self._ended:
                self._end()
            self._change.wake()

    def _end(self) -> None:
        self._ended = True
        self._change.wake()
        self._drained.wake()
        if self._ends is not None:
            self._ends.ended(self._codec.closed())

    # Writing

    def poke(self, *, at_once: bool = False) -> None:
        """See `realtime_transport.connection.link.DirectLink.poke`."""
        if self._blocked or self._ended:
            return
        if at_once or perf_counter() - self._written_at > IDLE_SECONDS:
            self._flush()
        elif not self._flush_is_due:
            self._flush_is_due = True
            self._flush_soon()

    def _flush(self) -> None:
        self._flush_is_due = False
        codec, take = self._codec, _nothing if self._ends is None else self._ends.take
        while not self._blocked and not self._ended:
            batch = take()
            if batch:
                self._write(codec.encode(batch))
                self._written_at = perf_counter()
                continue
            if codec.has_control:
                self._write(codec.control_to_send())
            if not self._blocked:
                self._drained.wake()
            return

    async def drain(self) -> None:
        """See `realtime_transport.connection.link.DirectLink.drain`."""
        if self._flush_is_due and not self._blocked:
            self._flush()
        while self._blocked and not self._ended:
            await self._drained.wait()

    def on_control(self, _wake: Callable[[], None], /) -> None:
        """Control frames need nobody to send them here."""

    def ping(self) -> bool:
        """See `realtime_transport.connection.link.KeepAliveLink.ping`."""
        if not self._codec.ping():
            return False
        if not self._blocked:
            self._write(self._codec.control_to_send())
        return True

    # State

    @property
    def bytes_received(self) -> int:
        """See `realtime_transport.connection.link.KeepAliveLink.bytes_received`."""
        return self._codec.bytes_received

    def statistics(self) -> LinkStatistics:
        """The counters right now."""
        codec = self._codec
        return LinkStatistics(path="direct", bytes_received=codec.bytes_received, pings_received=codec.pings_received)

    def _take_inbox(self) -> list[str | bytes]:
        messages, self._inbox = self._inbox, []
        return messages


class AsyncioLink(DirectWebSocketLink, asyncio.Protocol):
    """The link as a protocol of asyncio. Until `upgrade`, `read` gives the answer to the handshake."""

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._transport = cast("asyncio.Transport", None)
        self._early: bytearray | None = bytearray()
        self._eof = False
        self._lost = False
        self._paused = False

    # Called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        # What the socket does not take at once waits in the outbox, where it is bounded, counted and can be overtaken.
        # 1 rather than 0: the limit of TLS transports is one that they may not reach.
        self._transport.set_write_buffer_limits(high=1)

    def data_received(self, data: bytes) -> None:
        if self._early is not None:
            self._early += data
            self._change.wake()
            if len(self._early) > READ_BYTES:
                self._pause()
            return
        self._codec.feed(data)
        self._step_on()

    def eof_received(self) -> None:
        self._finish_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        self._blocked = False
        self._finish_reading()
        self._drained.wake()

    def pause_writing(self) -> None:
        self._blocked = True

    def resume_writing(self) -> None:
        self._blocked = False
        if self._early is None:
            self._flush()
        self._drained.wake()

    # Reading

    def _step_on(self) -> None:
        self._step()
        if self._codec.has_more:
            # Other tasks first, however much one read has brought.
            self._pause()
            self._loop.call_soon(self._step_on)
        elif self._ends is None and self._inbox:
            self._pause()
        else:
            self._resume()

    def _finish_reading(self) -> None:
        self._eof = True
        if self._early is not None:
            self._change.wake()
            return
        while self._codec.has_more:
            self._step()
        self._codec.feed_eof()
        if self._ended:
            self._change.wake()
        else:
            self._end()

    def _pause(self) -> None:
        if not self._paused and not self._lost:
            self._paused = True
            self._transport.pause_reading()

    def _resume(self) -> None:
        if self._paused and not self._lost:
            self._paused = False
            self._transport.resume_reading()

    async def read(self) -> bytes:
        """What has come of the answer to the handshake; empty at the end of the stream."""
        assert self._early is not None
        while not self._early and not self._eof:
            await self._change.wait()
        data = bytes(self._early)
        self._early.clear()
        return data

    async def write(self, data: bytes) -> None:
        """Write the request of the handshake."""
        self._transport.write(data)

    def upgrade(self, codec: FrameCodec, rest: bytes) -> None:
        """From here on the stream carries frames; *rest* came with the answer."""
        assert self._early is not None
        rest += bytes(self._early)
        self._codec, self._early = codec, None
        if rest:
            codec.feed(rest)
        if self._eof:
            self._finish_reading()
        elif rest:
            self._step_on()

    def attach(self, ends: LinkEnds, /) -> Sequence[tuple[str, Callable[[], Awaitable[None]]]]:
        """See `realtime_transport.connection.link.DirectLink.attach`."""
        self._ends = ends
        waiting = self._take_inbox()
        if waiting:
            self._loop.call_soon(self._hand_over, ends, waiting)
        elif self._ended:
            self._loop.call_soon(ends.ended, self._codec.closed())
        else:
            self._resume()
        return ()

    def _hand_over(self, ends: LinkEnds, waiting: list[str | bytes]) -> None:
        ends.received(waiting)
        if self._ended:
            ends.ended(self._codec.closed())
        elif not self._codec.has_more:
            self._resume()

    async def receive(self) -> list[str | bytes]:
        """Wait for messages; see `realtime_transport.connection.link.Link.receive`."""
        while not self._inbox:
            if self._ended:
                raise self._codec.closed()
            await self._change.wait()
        messages = self._take_inbox()
        if not self._codec.has_more:
            self._resume()
        return messages

    # Writing

    def _write(self, data: bytes) -> None:
        if data and not self._lost:
            self._transport.write(data)

    def _flush_soon(self) -> None:
        self._loop.call_soon(self._flush)

    async def send(self, messages: Sequence[str], /) -> None:
        """Send *messages* in one write; see `realtime_transport.connection.link.Link.send`."""
        if self._lost:
            raise LinkClosed
        self._write(self._codec.encode(messages))
        while self._blocked:
            await self._drained.wait()
        if self._lost:
            raise LinkClosed

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        """Send a close frame, read until the server's answer or its end, and close the socket.

        If cancelled, the socket is closed at once.
        """
        self._ends = LinkEnds(received=_ignore, ended=_ignore, take=_nothing)
        self._inbox.clear()
        try:
            if self._early is None and not self._lost:
                self._codec.close(code, reason)
                self._write(self._codec.control_to_send())
                self._resume()
                while not self._codec.finished and not self._lost:
                    await self._change.wait()
            self._transport.close()
            await self._wait_lost()
        finally:
            with anyio.CancelScope(shield=True):
                await self.abort()

    async def abort(self) -> None:
        """Close the socket without a word. Idempotent."""
        self._transport.abort()
        await self._wait_lost()

    async def _wait_lost(self) -> None:
        while not self._lost:
            await self._drained.wait()


class TrioLink(DirectWebSocketLink):
    """The link on a socket under trio. Until `upgrade`, `read` gives the answer to the handshake.

    Args:
        stream: The stream that owns the socket.
    """

    def __init__(self, stream: anyio.abc.SocketStream) -> None:
        super().__init__()
        self._stream = stream
        self._socket: socket.socket = stream.extra(anyio.abc.SocketAttribute.raw_socket)
        self._unsent: memoryview = memoryview(b"")
        self._flusher = Wakeup()
        self._reading = self._writing = False  # By tasks of their own.

    # Reading

    async def read(self) -> bytes:
        """What the peer sends, at least a byte; empty at the end of the stream, or if it broke."""
        import trio

        while True:
            try:
                await trio.lowlevel.wait_readable(self._socket)
                return self._socket.recv(READ_BYTES)
            except (BlockingIOError, InterruptedError):
                continue
            except (OSError, trio.ClosedResourceError):
                return b""

    async def write(self, data: bytes) -> None:
        """Write the request of the handshake."""
        self._write(data)
        await self._write_unsent()

    def upgrade(self, codec: FrameCodec, rest: bytes) -> None:
        """From here on the stream carries frames; *rest* came with the answer."""
        self._codec = codec
        if rest:
            codec.feed(rest)
            self._step()

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
        else:
            data = await self.read()
            if data:
                codec.feed(data)
            else:
                codec.feed_eof()
        self._step()

    async def receive(self) -> list[str | bytes]:
        """Wait for messages; see `realtime_transport.connection.link.Link.receive`."""
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
            self._unsent = memoryview(b"")  # The reader finds the connection broken, and says so.
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
        self._ends = LinkEnds(received=_ignore, ended=_ignore, take=_nothing)
        try:
            self._codec.close(code, reason)
            self._write(self._codec.control_to_send())
            if not self._writing:
                await self._write_unsent()
            while not self._codec.finished:
                await (self._change.wait() if self._reading else self._read_step())
        finally:
            with anyio.CancelScope(shield=True):
                await self._stream.aclose()

    async def abort(self) -> None:
        """Close the socket without a word. Idempotent."""
        await anyio.aclose_forcefully(self._stream)


def _ignore(_ignored: object) -> None:
    """The link is being closed: nobody listens."""


def _nothing() -> list[str]:
    return []
