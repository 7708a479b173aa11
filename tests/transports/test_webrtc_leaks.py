"""Leaving a WebRTC connection, in every way and at every point, is quick and leaves nothing behind."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest

from realtime_transport import BufferSink, BytesSource
from realtime_transport.audio.formats import AudioFormat
from realtime_transport.errors import ConnectError, ConnectionLost

from .webrtc_server import CallServer, call_server, tone, transport_to

pytestmark = pytest.mark.anyio

LIMIT = 2.5
"""Seconds that leaving may take, as promised; a fence, not a measurement."""


def sockets() -> int:
    return sum(1 for link in Path("/proc/self/fd").iterdir() if "socket" in str(_target(link)))


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except FileNotFoundError:
        return ""


def tasks() -> int:
    try:
        return len(asyncio.all_tasks())
    except RuntimeError:
        return 0


def threads() -> set[str]:
    """Threads, but for the idle workers of the backends, which are kept for the next job."""
    ours = (thread.name for thread in threading.enumerate())
    return {name for name in ours if not name.startswith(("AnyIO worker", "Trio thread", "asyncio_", "ThreadPool"))}


async def settled() -> tuple[set[str], int, int]:
    with anyio.CancelScope(shield=True):
        for _ in range(20):
            await anyio.lowlevel.checkpoint()
    gc.collect()
    return threads(), sockets(), tasks()


@pytest.fixture
async def warm() -> None:
    """What is loaded at the first connection is there."""
    async with call_server() as server, transport_to(server).connect():
        pass


async def normal(server: CallServer, transport: Any) -> None:
    async with transport.connect():
        await transport.send_event({"type": "x"})
        with anyio.move_on_after(0.2):
            async for _ in transport:
                pass


async def by_exception(server: CallServer, transport: Any) -> None:
    with pytest.raises(ZeroDivisionError):
        async with transport.connect():
            raise ZeroDivisionError


async def peer_gone(server: CallServer, transport: Any) -> None:
    with pytest.raises(ConnectionLost):
        async with transport.connect():
            await server.vanish()
            async for _ in transport:
                pass


async def peer_gone_unnoticed(server: CallServer, transport: Any) -> None:
    async with transport.connect():
        await server.vanish()


async def channel_dropped(server: CallServer, transport: Any) -> None:
    with pytest.raises(ConnectionLost):
        async with transport.connect():
            await server.close_channel()
            async for _ in transport:
                pass


async def answer_never_came(server: CallServer, transport: Any) -> None:
    server.hold = anyio.Event()
    with pytest.raises(ConnectError):
        async with transport.connect():
            pass


async def refused(server: CallServer, transport: Any) -> None:
    server.respond = lambda _: httpx.Response(401)
    with pytest.raises(ConnectError):
        async with transport.connect():
            pass


async def run_cancelled(server: CallServer, transport: Any) -> None:
    async with anyio.create_task_group() as group:
        await group.start(transport.run)
        group.cancel_scope.cancel()


WAYS: list[Callable[[CallServer, Any], Awaitable[None]]] = [
    normal,
    by_exception,
    peer_gone,
    peer_gone_unnoticed,
    channel_dropped,
    answer_never_came,
    refused,
    run_cancelled,
]


def make(server: CallServer) -> Any:
    source, sink = BytesSource(tone(30.0), AudioFormat.PCM24K), BufferSink()
    return transport_to(server, audio_source=source, audio_sink=sink, connect_timeout=0.5, silence_timeout=0.5)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
async def test_leaving_leaves_nothing_behind(warm: None, way: Callable[..., Awaitable[None]]) -> None:
    before = await settled()
    async with call_server() as server:
        within = await settled()
        with anyio.fail_after(LIMIT + 3):  # What the way itself waits for comes on top.
            await way(server, make(server))
        for peer in server.peers:
            with anyio.CancelScope(shield=True):
                await server.host.run(peer.close, False)
        assert await settled() == within
    assert await settled() == before


@pytest.mark.parametrize("turns", [*range(12), 15, 30, 60, 125, 250, 500, 1000, 2000, 4000])
async def test_connecting_can_be_cancelled_at_any_point(warm: None, turns: int) -> None:
    before = await settled()
    async with call_server() as server:
        transport = make(server)

        async def connect() -> None:
            async with transport.connect():
                await anyio.sleep_forever()

        async with anyio.create_task_group() as group:
            group.start_soon(connect)
            for _ in range(turns):
                await anyio.lowlevel.checkpoint()
            with anyio.fail_after(LIMIT):
                group.cancel_scope.cancel()
                with anyio.CancelScope(shield=True):
                    await transport.aclose()
        assert transport.status == "disconnected"
    assert await settled() == before


async def test_many_connections_in_a_row(warm: None) -> None:
    async with call_server() as server:
        before = await settled()
        for _ in range(10):
            async with make(server).connect():
                pass
            await server.host.run(server.peers.pop().close, False)
            server.received.clear()
        assert await settled() == before
