"""The WebSocket link on asyncio: a protocol on the loop's transport, with or without TLS."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

import anyio

from realtime_transport.connection.link import LinkClosed, LinkEnds

from .direct_link import READ_BYTES, DirectWebSocketLink, ignore, nothing, read_buffer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from .frame_codec import FrameCodec

__all__ = ["AsyncioLink"]


class AsyncioLink(DirectWebSocketLink, asyncio.BufferedProtocol):
    """The link as a protocol of asyncio. Until `upgrade`, `read` returns the answer to the handshake."""

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._transport = cast("asyncio.Transport", None)
        self._early: bytearray | None = bytearray()
        self._eof = False
        self._lost = False
        self._paused = False
        self._read_buffer = read_buffer()

    # Called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        # Data that the socket does not accept at once waits in the outbox, where it is bounded, counted and can be
        # overtaken. 1 rather than 0: a TLS transport must stay below its limit to be writable.
        self._transport.set_write_buffer_limits(high=1)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._read_buffer

    def buffer_updated(self, nbytes: int) -> None:
        data = self._read_buffer[:nbytes]
        if self._early is not None:
            self._early += data
            self._change.wake()
            if len(self._early) > READ_BYTES:
                self._pause()
            return
        codec, ends = self._codec, self._ends
        messages = codec.receive(data)
        if ends is None or codec.has_control or codec.has_more or self._paused or not codec.open:
            self._step(messages)
            self._go_on()
        elif messages:  # The short path.
            ends.received(messages)

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
        self._step(self._codec.messages())
        self._go_on()

    def _go_on(self) -> None:
        if self._codec.has_more:
            # Let other tasks run, however much one read has brought.
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
            self._step(self._codec.messages())
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
        """Wait for a part of the answer to the handshake; empty at the end of the stream.

        If cancelled, nothing was taken.
        """
        assert self._early is not None
        while not self._early and not self._eof:
            await self._change.wait()
        data = bytes(self._early)
        self._early.clear()
        return data

    async def write(self, data: bytes) -> None:
        """Write the request of the handshake. Never waits: there is nothing to cancel."""
        self._transport.write(data)

    def upgrade(self, codec: FrameCodec, rest: bytes) -> None:
        """Begin to read frames; *rest* was received after the answer."""
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
        """See `realtime_transport.connection.link.Link.receive`. If cancelled, no message was lost."""
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
        self._ends = LinkEnds(received=ignore, ended=ignore, take=nothing)
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
            await self.abort()

    async def abort(self) -> None:
        """Close the socket without a word. Idempotent. If cancelled, the socket is closed all the same."""
        if self._lost:
            return
        self._transport.abort()
        with anyio.CancelScope(shield=True):  # For a turn of the loop.
            await self._wait_lost()

    async def _wait_lost(self) -> None:
        while not self._lost:
            await self._drained.wait()
