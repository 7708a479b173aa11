"""The WebSocket link on a given byte stream: that of an HTTP client, or TLS on trio."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Literal, Protocol

import anyio
import anyio.lowlevel

from realtime_transport.connection.link import LinkClosed, LinkStatistics

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from anyio.abc import ByteStream

    from .frame_codec import FrameCodec

__all__ = ["StreamLink", "TLSOverTrio"]

READ_BYTES = 128 * 1024
"""As in `realtime_transport.transports.links.direct_link`."""


class Stream(Protocol):
    """The interface of a network stream of httpcore, and of `TLSOverTrio`.

    If ``read`` is cancelled, no data is lost; if ``write`` is, part of the data may have been written; if ``aclose``
    is, the stream is closed at once.
    """

    async def read(self, max_bytes: int) -> bytes: ...
    async def write(self, buffer: bytes) -> None: ...
    async def aclose(self) -> None: ...


_OURS = (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream, ssl.SSLError, OSError)


def _is_broken(error: Exception) -> bool:
    # By name: importing httpcore for its classes takes longer than connecting without it.
    return isinstance(error, _OURS) or any(
        cls.__name__ in ("NetworkError", "ProtocolError") and cls.__module__.startswith("httpcore")
        for cls in type(error).__mro__
    )


class StreamLink:
    """An open WebSocket on *stream*; several messages are sent in one write.

    Args:
        stream: The stream after the upgrade.
        codec: Its frames.
        path: See `LinkStatistics`.
        has_socket: Whether pings and a closing handshake are possible.
        rest: The data received after the answer to the upgrade.
    """

    def __init__(
        self,
        stream: Stream,
        codec: FrameCodec,
        *,
        path: Literal["direct", "client"],
        has_socket: bool = True,
        rest: bytes = b"",
    ) -> None:
        self._stream = stream
        self._codec = codec
        self._path: Literal["direct", "client"] = path
        self._has_socket = has_socket
        self._rest = rest
        self._wake: Callable[[], None] | None = None
        self._torn = False

    async def receive(self) -> list[str | bytes]:
        """See `realtime_transport.connection.link.Link.receive`. If cancelled, no message was lost."""
        codec = self._codec
        while True:
            if codec.has_more:
                await anyio.lowlevel.checkpoint()  # Let other tasks run, however much one read has brought.
            elif codec.open:
                await self._read()
            else:
                raise codec.closed()
            messages = codec.messages()
            if codec.has_control and self._wake is not None:
                self._wake()
            if messages:
                return messages

    async def _read(self) -> None:
        try:
            data, self._rest = self._rest or await self._stream.read(READ_BYTES), b""
        except Exception as exc:
            if not _is_broken(exc):
                raise
            data = b""
        if data:
            self._codec.feed(data)
        else:
            self._codec.feed_eof()

    async def send(self, messages: Sequence[str], /) -> None:
        """Send *messages* and waiting control frames in one write.

        If cancelled, part of them may have been sent: close the link.
        """
        await self._write(self._codec.encode(messages))

    async def _write(self, data: bytes) -> None:
        if not data:
            return
        self._torn = True  # If the write does not return, the stream may end in the middle of a frame.
        try:
            await self._stream.write(data)
        except Exception as exc:
            if not _is_broken(exc):
                raise
            self._codec.feed_eof()
            raise LinkClosed from exc
        self._torn = False

    def on_control(self, wake: Callable[[], None], /) -> None:
        """Call *wake* whenever a pong waits to be sent."""
        self._wake = wake

    def ping(self) -> bool:
        """Queue a ping. Returns ``False`` if the stream cannot carry pings."""
        return self._has_socket and self._codec.ping()

    @property
    def bytes_received(self) -> int:
        """See `realtime_transport.connection.link.KeepAliveLink.bytes_received`."""
        return self._codec.bytes_received

    def statistics(self) -> LinkStatistics:
        """The counters right now."""
        codec = self._codec
        return LinkStatistics(path=self._path, bytes_received=codec.bytes_received, pings_received=codec.pings_received)

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        """Send a close frame, read until the server's answer or its end, and close the stream.

        If cancelled, the stream is closed at once.
        """
        codec = self._codec
        try:
            if not self._torn:
                codec.close(code, reason)
                await self._write(codec.control_to_send())
                while self._has_socket and not codec.finished:
                    await self._read()
                    codec.messages()
        except LinkClosed:
            pass  # It is closed already.
        finally:
            with anyio.CancelScope(shield=True):
                await self._aclose_stream()

    async def abort(self) -> None:
        """Close the stream without a close frame. Idempotent. If cancelled, the stream is closed all the same."""
        with anyio.CancelScope() as scope:
            scope.cancel()
            await self._aclose_stream()

    async def _aclose_stream(self) -> None:
        try:
            await self._stream.aclose()
        except Exception as exc:
            if not _is_broken(exc):  # A broken stream is closed already.
                raise


class TLSOverTrio:
    """A TLS stream of anyio with the interface that `StreamLink` and the handshake use."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream

    async def read(self, max_bytes: int = READ_BYTES) -> bytes:
        """Read what arrives; empty at the end of the stream, or if it broke. If cancelled, nothing was taken."""
        try:
            return await self._stream.receive(max_bytes)
        except _OURS:
            return b""

    async def write(self, buffer: bytes) -> None:
        """Write all of *buffer*. If cancelled, part of it may have been written."""
        await self._stream.send(buffer)

    async def aclose(self) -> None:
        """Close the stream and its socket. If cancelled, the socket is closed at once."""
        await self._stream.aclose()

    async def abort(self) -> None:
        """Close the socket without a TLS shutdown. Idempotent. If cancelled, the socket is closed all the same."""
        await anyio.aclose_forcefully(self._stream)
