"""A WebSocket server on loopback that does what the test says, down to single bytes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio
import attrs
from anyio.abc import SocketAttribute, SocketStream
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from realtime_transport.wire_logging import frame_logger


@attrs.define(eq=False)
class AcceptedConnection:
    """One accepted connection."""

    stream: SocketStream
    protocol: ServerProtocol = attrs.field(factory=lambda: ServerProtocol(logger=frame_logger()))
    frames: list[Frame] = attrs.field(factory=list[Frame])

    async def request(self) -> Request:
        """The upgrade request."""
        while True:
            self.protocol.receive_data(await self.stream.receive())
            for event in self.protocol.events_received():
                assert isinstance(event, Request)
                return event

    async def accept(self, request: Request) -> None:
        self.protocol.send_response(self.protocol.accept(request))
        await self.flush()

    async def flush(self) -> None:
        for data in self.protocol.data_to_send():
            if data:
                await self.stream.send(data)

    async def send(self, *messages: str) -> None:
        """Send text messages in one write."""
        for message in messages:
            self.protocol.send_text(message.encode())
        await self.stream.send(b"".join(self.protocol.data_to_send()))

    async def frame(self) -> Frame:
        """The next frame of the client; pings are answered and a close is echoed."""
        while not self.frames:
            self.protocol.receive_data(await self.stream.receive())
            self.frames += [event for event in self.protocol.events_received() if isinstance(event, Frame)]
            await self.flush()
        return self.frames.pop(0)

    async def until_closed(self) -> int | None:
        """Read until the client closes; its close code, or ``None`` if it just went."""
        try:
            while True:
                frame = await self.frame()
                if frame.opcode is Opcode.CLOSE:
                    return int.from_bytes(frame.data[:2], "big")
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            return None


@asynccontextmanager
async def serving(handler: Callable[[AcceptedConnection], Awaitable[None]]) -> AsyncGenerator[str]:
    """Serve every connection with *handler*; gives the ``ws://`` URL. What it raises fails the test."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(SocketAttribute.local_port)

    async def handle(stream: SocketStream) -> None:
        async with stream:
            await handler(AcceptedConnection(stream))

    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, handle)
        yield f"ws://127.0.0.1:{port}/v1/realtime"
        tasks.cancel_scope.cancel()
