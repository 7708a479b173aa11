"""A wire of one's own: the Realtime protocol as lines of JSON over TCP.

    python examples/custom_wire.py

A *connector* opens a link; everything else is `OpenAIRealtimeBase`. Here a relay, which could stand at the edge of a
network, takes lines and passes them on to a Realtime server. In the end the transport is run through the checks that
`realtime_transport.testing` has for every transport.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import anyio
from anyio.streams.buffered import BufferedByteReceiveStream

from realtime_transport import ConnectError, ConnectRequest, LinkClosed, OpenAIRealtimeBase, connect_websocket
from realtime_transport.emulator import RealtimeEmulator
from realtime_transport.testing.transports import check_transport

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from anyio.abc import SocketStream

    from realtime_transport import Link

MAX_LINE = 64 * 1024 * 1024
GONE = (anyio.EndOfStream, anyio.IncompleteRead, anyio.BrokenResourceError, anyio.ClosedResourceError)


class LineLink:
    """A link: `receive` gives whole messages, `send` takes them, `aclose` says goodbye."""

    def __init__(self, stream: SocketStream) -> None:
        self._stream = stream
        self._lines = BufferedByteReceiveStream(stream)

    async def receive(self) -> list[str | bytes]:
        try:
            return [(await self._lines.receive_until(b"\n", MAX_LINE)).decode()]
        except GONE:
            # Without a close code to go by, the end of the stream counts as a clean one.
            raise LinkClosed(1000) from None

    async def send(self, messages: Sequence[str], /) -> None:
        try:
            await self._stream.send("".join(f"{message}\n" for message in messages).encode())
        except GONE as exc:
            raise LinkClosed from exc

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        await self._stream.aclose()


@asynccontextmanager
async def connect_lines(request: ConnectRequest) -> AsyncGenerator[LineLink]:
    """The connector: an async context manager whose exit lets go of everything."""
    parts = urlsplit(request.url)
    try:
        stream = await anyio.connect_tcp(parts.hostname or "127.0.0.1", parts.port or 7000)
    except OSError as exc:
        raise ConnectError(f"could not connect to {parts.netloc}") from exc
    async with stream:
        await stream.send(f"{request.api_key} {request.model}\n".encode())
        yield LineLink(stream)


async def relay(stream: SocketStream, upstream_url: str) -> None:
    """The far end: takes the key and the model from the first line, then passes messages both ways."""
    client = LineLink(stream)
    key, model = str((await client.receive())[0]).split()
    request = ConnectRequest(url=f"{upstream_url}?model={model}", headers={"Authorization": f"Bearer {key}"})
    async with stream, connect_websocket(request) as server, anyio.create_task_group() as tasks:

        async def forward(source: Link, to: Link) -> None:
            try:
                while True:
                    await to.send([str(message) for message in await source.receive()])
            except LinkClosed:
                tasks.cancel_scope.cancel()

        tasks.start_soon(forward, client, server)
        await forward(server, client)


async def main() -> None:
    async with (
        RealtimeEmulator() as emulator,
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
    ):

        async def handle(stream: SocketStream) -> None:
            await relay(stream, emulator.websocket_url)

        tasks.start_soon(listener.serve, handle)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)

        def make() -> OpenAIRealtimeBase:
            return OpenAIRealtimeBase(connector=connect_lines, url=f"tcp://127.0.0.1:{port}", api_key="sk-any")

        for result in await check_transport(make):
            print(f"{'ok  ' if result.problem is None else 'FAIL'} {result.name}", result.problem or "")
        tasks.cancel_scope.cancel()


if __name__ == "__main__":
    anyio.run(main)
