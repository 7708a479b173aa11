"""An httpx client that the user passes in: TLS, a proxy, an application in the same process."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx
import pytest
import trustme
from anyio.abc import ByteStream, SocketAttribute
from anyio.streams.tls import TLSListener, TLSStream
from httpx_ws.transport import ASGIWebSocketTransport

from realtime_transport import OpenAIRealtimeWebSocket
from realtime_transport.errors import ConnectError, ConnectionLost, MessageTooBig
from realtime_transport.events import ErrorEvent
from tests.servers import AcceptedConnection, serving

pytestmark = pytest.mark.anyio

CREATED = json.dumps({"type": "session.created", "event_id": "e", "session": {"tracing": "auto"}})


async def talk(client: httpx.AsyncClient, url: str) -> list[str]:
    """Connect, send three messages of very different sizes, say what the server said it got."""
    transport = OpenAIRealtimeWebSocket(client=client, url=url, ping_interval=None, update_timeout=0)
    async with transport.connect(api_key="sk"):
        await transport.send_message("x" * 300_000, trigger_response=False)
        await transport.send_audio(b"\x00\x00")
        await transport.send_event({"type": "finish"})
        async for event in transport:
            if getattr(event, "type", "") == "finished":
                return event.extra["got"]  # type: ignore[attr-defined,no-any-return]
    raise AssertionError


GOT = ["session.update", "session.update", "conversation.item.create", "input_audio_buffer.append", "finish"]


async def handler(peer: AcceptedConnection) -> None:
    await peer.accept(await peer.request())
    await peer.send(CREATED)
    got: list[str] = []
    while "finish" not in got:
        got.append(json.loads((await peer.frame()).data)["type"])
    await peer.send(json.dumps({"type": "finished", "got": got}))
    await peer.until_closed()


@asynccontextmanager
async def tls_serving(context: ssl.SSLContext) -> AsyncGenerator[str]:
    plain = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = plain.extra(SocketAttribute.local_port)

    async def handle(stream: ByteStream) -> None:
        async with stream:
            await handler(AcceptedConnection(stream))  # type: ignore[arg-type]

    async with plain, anyio.create_task_group() as tasks:
        listener = TLSListener(plain, context, standard_compatible=False)
        tasks.start_soon(listener.serve, handle)
        yield f"wss://localhost:{port}/v1/realtime"
        tasks.cancel_scope.cancel()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def server_context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context


async def test_tls_with_a_private_authority(authority: trustme.CA) -> None:
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    async with tls_serving(server_context(authority)) as url, httpx.AsyncClient(verify=trusting) as client:
        assert await talk(client, url) == GOT


async def test_tls_that_is_not_trusted_says_why(authority: trustme.CA) -> None:
    async with tls_serving_quietly(server_context(authority)) as url:
        with pytest.raises(ConnectError, match="certificate"):
            async with OpenAIRealtimeWebSocket(url=url).connect(api_key="sk"):
                pass


@asynccontextmanager
async def tls_serving_quietly(context: ssl.SSLContext) -> AsyncGenerator[str]:
    """As above, for clients that will hang up in the handshake."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(SocketAttribute.local_port)

    async def handle(stream: ByteStream) -> None:
        async with stream:
            try:
                await TLSStream.wrap(stream, server_side=True, ssl_context=context, standard_compatible=False)
            except (ssl.SSLError, anyio.BrokenResourceError, anyio.EndOfStream):
                return

    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, handle)
        yield f"wss://localhost:{port}/v1/realtime"
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def proxy() -> AsyncGenerator[tuple[str, list[str]]]:
    """An HTTP proxy that tunnels; gives its URL and the hosts that it was asked for."""
    asked: list[str] = []
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(SocketAttribute.local_port)

    async def pump(source: ByteStream, sink: ByteStream, scope: anyio.CancelScope) -> None:
        try:
            async for data in source:
                await sink.send(data)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            pass
        scope.cancel()

    async def handle(stream: ByteStream) -> None:
        async with stream:
            head = b""
            while b"\r\n\r\n" not in head:
                head += await stream.receive()
            method, target, _ = head.split(b" ", 2)
            assert method == b"CONNECT"
            asked.append(target.decode())
            host, _, number = target.decode().rpartition(":")
            async with await anyio.connect_tcp(host, int(number)) as upstream, anyio.create_task_group() as tasks:
                await stream.send(b"HTTP/1.1 200 OK\r\n\r\n")
                tasks.start_soon(pump, stream, upstream, tasks.cancel_scope)
                tasks.start_soon(pump, upstream, stream, tasks.cancel_scope)

    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, handle)
        yield f"http://127.0.0.1:{port}", asked
        tasks.cancel_scope.cancel()


async def test_tls_through_a_proxy(authority: trustme.CA) -> None:
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    async with tls_serving(server_context(authority)) as url, proxy() as (proxy_url, asked):
        async with httpx.AsyncClient(verify=trusting, proxy=proxy_url) as client:
            assert await talk(client, url) == GOT
        assert asked == [url.split("/")[2]]


async def application(
    scope: dict[str, Any], receive: Callable[[], Awaitable[dict[str, Any]]], send: Callable[[Any], Awaitable[None]]
) -> None:
    assert scope["type"] == "websocket"
    assert (await receive())["type"] == "websocket.connect"
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": CREATED})
    got: list[str] = []
    while "finish" not in got:
        got.append(json.loads((await receive())["text"])["type"])
    await send({"type": "websocket.send", "text": json.dumps({"type": "finished", "got": got})})
    while (await receive())["type"] != "websocket.disconnect":
        pass


async def test_an_application_in_the_same_process() -> None:
    async with ASGIWebSocketTransport(app=application) as in_process:  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=in_process) as client:
            assert await talk(client, "ws://app/v1/realtime") == GOT


async def test_an_oversized_message_is_closed_and_said_so() -> None:
    async def flood(peer: AcceptedConnection) -> None:
        await peer.accept(await peer.request())
        await peer.send(CREATED, json.dumps({"type": "x", "pad": "p" * 5000}))
        assert await peer.until_closed() == 1009

    told: list[ErrorEvent] = []
    async with serving(flood) as url:
        transport = OpenAIRealtimeWebSocket(url=url, max_message_bytes=2000)
        with pytest.raises(ConnectionLost) as caught:
            async with transport.connect(api_key="sk"):
                async for event in transport:
                    if isinstance(event, ErrorEvent):
                        told.append(event)
        assert caught.value.code == 1009
        assert isinstance(caught.value.__cause__, MessageTooBig)
        assert isinstance(told[0].error, MessageTooBig)
        assert told[0].error.limit == 2000
