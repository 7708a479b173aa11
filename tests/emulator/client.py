"""A small client that knows nothing of this package: anyio sockets and the protocol half of websockets."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import anyio
import attrs
from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from anyio.abc import SocketStream

    from realtime_transport.emulator import RealtimeEmulator


class ClosedByServer(Exception):
    """The connection ended; 1006 without a close frame."""

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


@attrs.define(eq=False)
class Client:
    stream: SocketStream
    protocol: ClientProtocol
    answers_close: bool = True
    frames: list[Any] = attrs.field(factory=list)
    pings: int = 0
    pongs: int = 0

    async def flush(self) -> None:
        for data in self.protocol.data_to_send():
            if data:
                await self.stream.send(data)

    async def send(self, *events: dict[str, Any]) -> None:
        for event in events:
            self.protocol.send_text(json.dumps(event).encode())
        await self.flush()

    async def send_text(self, text: str) -> None:
        self.protocol.send_text(text.encode())
        await self.flush()

    async def send_binary(self, data: bytes) -> None:
        self.protocol.send_binary(data)
        await self.flush()

    async def ping(self) -> None:
        self.protocol.send_ping(b"ping")
        await self.flush()

    async def close(self, code: int = 1000) -> None:
        self.protocol.send_close(code)
        await self.flush()

    async def read(self) -> None:
        """Take in what comes next, pings and all.

        Raises:
            ClosedByServer: Nothing more comes.
        """
        try:
            self.protocol.receive_data(await self.stream.receive())
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            close = self.protocol.close_rcvd
            raise ClosedByServer(close.code if close else 1006, close.reason if close else "") from None
        for frame in self.protocol.events_received():
            opcode = getattr(frame, "opcode", None)
            self.pings += opcode is Opcode.PING
            self.pongs += opcode is Opcode.PONG
            if opcode in (Opcode.TEXT, None):
                self.frames.append(frame)
        if self.answers_close or self.protocol.close_rcvd is None:
            with contextlib.suppress(anyio.BrokenResourceError):
                await self.flush()

    async def receive_text(self) -> str:
        while not self.frames:
            await self.read()
        return bytes(self.frames.pop(0).data).decode()

    async def receive(self) -> dict[str, Any]:
        return json.loads(await self.receive_text())

    async def until(self, kind: str) -> list[dict[str, Any]]:
        """The events up to the next of that type."""
        events = [await self.receive()]
        while events[-1]["type"] != kind:
            events.append(await self.receive())
        return events

    async def until_closed(self) -> ClosedByServer:
        """Read to the end of the connection."""
        while True:
            try:
                await self.read()
            except ClosedByServer as end:
                return end

    async def ask(self, text: str) -> None:
        content = [{"type": "input_text", "text": text}]
        item = {"type": "message", "role": "user", "content": content}
        await self.send(
            {"type": "conversation.item.create", "item": item}, {"type": "response.create", "event_id": "mine"}
        )


@contextlib.asynccontextmanager
async def connect(
    emulator: RealtimeEmulator,
    query: str = "model=gpt-realtime",
    *,
    path: str = "/v1/realtime",
    key: str | None = "sk-test",
    headers: dict[str, str] | None = None,
    subprotocols: list[str] | None = None,
    deflate: bool = False,
) -> AsyncGenerator[Client]:
    uri = parse_uri(f"ws://127.0.0.1:{emulator.port}{path}?{query}")
    extensions = [ClientPerMessageDeflateFactory()] if deflate else None
    protocol = ClientProtocol(uri, subprotocols=subprotocols, extensions=extensions, max_size=None)  # type: ignore[arg-type]
    request = protocol.connect()
    if key is not None:
        request.headers["Authorization"] = f"Bearer {key}"
    for name, value in (headers or {}).items():
        request.headers[name] = value
    protocol.send_request(request)
    async with await anyio.connect_tcp("127.0.0.1", emulator.port) as stream:
        client = Client(stream, protocol)
        await client.flush()
        while protocol.state is State.CONNECTING and protocol.handshake_exc is None:
            await client.read()
        if protocol.handshake_exc is not None:
            raise protocol.handshake_exc
        assert client.frames.pop(0).status_code == 101
        yield client
