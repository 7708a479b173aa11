"""The data channel as a link, for the caller's event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from realtime_transport.connection.link import LinkClosed
from realtime_transport.errors import LocalProtocolError, MessageTooBig

from .host import Inbox

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .host import AsyncioHost
    from .peer import Peer

__all__ = ["PeerLink"]

MAX_WAITING = 64 * 1024 * 1024
"""Characters that wait for the reader, which never waits itself."""


class PeerLink:
    """A `realtime_transport.connection.link.Link` over the data channel of a peer.

    The peer's callbacks `message`, `opened` and `closed` are to be given to it.
    """

    def __init__(self, host: AsyncioHost) -> None:
        self._host = host
        self._inbox = Inbox(host, MAX_WAITING)
        self._why = ""
        self._too_much = False
        self._opened = anyio.Event()
        self._over = anyio.Event()
        self.peer: Peer | None = None

    # For the host

    def opened(self) -> None:
        """The channel is open."""
        self._host.notify(self._opened.set)

    def message(self, data: str | bytes) -> None:
        """A message came."""
        if not self._inbox.put(data, len(data)):
            self._too_much = True
            self._inbox.end()

    def closed(self, why: str) -> None:
        """It is over."""
        self._why = self._why or why
        self._inbox.end()
        self._host.notify(self._over.set)
        self._host.notify(self._opened.set)

    # For the caller

    async def wait_open(self) -> str | None:
        """Wait until the channel is open; why it closed instead, if it did. If cancelled, nothing has changed."""
        await self._opened.wait()
        return (self._why or "it was closed") if self._inbox.ended else None

    def check_size(self, size: int, /) -> None:
        """See `LimitedLink.check_size`."""
        if self.peer is not None and size > self.peer.max_message_bytes:
            raise LocalProtocolError(
                f"the message has about {size} bytes, and the data channel takes {self.peer.max_message_bytes}; "
                "send it in smaller pieces, or over the sideband WebSocket (OpenAIRealtimeWebSocket, call_id=)"
            )

    async def receive(self) -> list[str | bytes]:
        """See `Link.receive`."""
        messages = await self._inbox.receive()
        if messages:
            return messages
        if self._too_much:
            raise LinkClosed(1009, "too much waits to be read") from MessageTooBig(
                f"more than {MAX_WAITING} characters came at once", limit=MAX_WAITING
            )
        raise LinkClosed(1006, self._why)

    async def send(self, messages: Sequence[str], /) -> None:
        """See `Link.send`."""
        assert self.peer is not None
        try:
            await self._host.run(self.peer.send, messages)
        except ConnectionError as exc:
            # The end is known there before it is known here; the reader tells why.
            await self._over.wait()
            raise LinkClosed(1006, self._why) from exc

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        """See `Link.aclose`."""
        assert self.peer is not None
        await self._host.run(self.peer.close)
