"""A link without a network, for tests of what uses a link."""

from __future__ import annotations

import math
from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import attrs

from realtime_transport.connection.link import LinkClosed
from realtime_transport.protocol.wire.codec import dumps, parse_json

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence
    from typing import Any

    from realtime_transport.transports.endpoint.options import ConnectRequest

__all__ = ["MemoryLink", "MemoryServer"]


@attrs.define(eq=False)
class MemoryServer:
    """The server's end of a `MemoryLink`, for tests; its `connector` goes into a transport.

    ::

        server = MemoryServer()
        transport = OpenAIRealtimeWebSocket(connector=server.connector)
        async with transport.connect(api_key="test", wait_for_session=False):
            server.send({"type": "session.created", "event_id": "1", "session": {}})

    Attributes:
        requests: The requests to open a link, oldest first.
        received: Received messages, oldest first.
        writes: The same, one list for each write.
        answers_close: Whether it answers a close; if not, the client gives up at its close deadline.
        closed_with: The code that the client closed with, if it did.
    """

    requests: list[ConnectRequest] = attrs.field(factory=list["ConnectRequest"])
    received: list[dict[str, Any]] = attrs.field(factory=list["dict[str, Any]"])
    writes: list[list[dict[str, Any]]] = attrs.field(factory=list["list[dict[str, Any]]"])
    answers_close: bool = True
    closed_with: int | None = None
    _waiting: deque[str | bytes] = attrs.field(factory=deque["str | bytes"])
    _closed: LinkClosed | None = None
    _change: anyio.Event = attrs.field(factory=anyio.Event)
    _resume: anyio.Event = attrs.field(factory=anyio.Event)
    _paused: bool = False

    @asynccontextmanager
    async def connector(self, request: ConnectRequest) -> AsyncGenerator[MemoryLink]:
        """Open a link to this server, as a transport's ``connector``. Messages sent before arrive at once.

        If cancelled, the link is closed.
        """
        self.requests.append(request)
        self.closed_with = None
        yield MemoryLink(self)
        self._closed = None
        self._waiting.clear()

    def send(self, *events: Mapping[str, Any] | str | bytes) -> None:
        """Send messages, which arrive in one read; a mapping is sent as JSON."""
        for event in events:
            self._waiting.append(event if isinstance(event, str | bytes) else dumps(event))
        self._changed()

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the link as the server; with code 1006 the connection is lost."""
        self._closed = LinkClosed(code, reason)
        self._changed()

    def pause_writes(self) -> None:
        """Block the client's writes, like a server that does not read."""
        self._paused = True

    def resume_writes(self) -> None:
        """Take the client's writes again."""
        self._paused = False
        self._resume.set()
        self._resume = anyio.Event()

    def types(self) -> list[str]:
        """The types of the received messages."""
        return [message["type"] for message in self.received]

    def _changed(self) -> None:
        self._change.set()
        self._change = anyio.Event()

    async def _receive(self) -> list[str | bytes]:
        while not self._waiting:
            if self._closed is not None:
                raise LinkClosed(self._closed.code, self._closed.reason)
            await self._change.wait()
        messages = list(self._waiting)
        self._waiting.clear()
        return messages

    async def _send(self, messages: Sequence[str]) -> None:
        while self._paused:
            await self._resume.wait()
        if self._closed is not None:
            raise LinkClosed(self._closed.code, self._closed.reason)
        if messages:
            self.writes.append([parse_json(message) for message in messages])
            self.received += self.writes[-1]

    async def _aclose(self, code: int) -> None:
        self.closed_with = code
        if not self.answers_close and self._closed is None:
            await anyio.sleep(math.inf)


class MemoryLink:
    """A link to a `MemoryServer`; see `realtime_transport.connection.link.Link`."""

    def __init__(self, server: MemoryServer) -> None:
        self._server = server

    async def receive(self) -> list[str | bytes]:
        """See `Link.receive`. If cancelled, no message is lost."""
        return await self._server._receive()  # pyright: ignore[reportPrivateUsage]

    async def send(self, messages: Sequence[str], /) -> None:
        """See `Link.send`. If cancelled, nothing was sent."""
        await self._server._send(messages)  # pyright: ignore[reportPrivateUsage]

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        """See `Link.aclose`. If cancelled, the link is closed all the same."""
        await self._server._aclose(code)  # pyright: ignore[reportPrivateUsage]
