"""Connecting and leaving, many times and in every way, leaves nothing behind."""

from __future__ import annotations

import gc
import json
import threading
import tracemalloc
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from realtime_transport import OpenAIRealtimeWebSocket
from realtime_transport.errors import ConnectError, ConnectionLost
from tests.servers import AcceptedConnection, serving

pytestmark = pytest.mark.anyio

CREATED = json.dumps({"type": "session.created", "event_id": "e", "session": {}})
FDS = Path("/proc/self/fd")
ROUNDS = 30


async def polite(peer: AcceptedConnection) -> None:
    await peer.accept(await peer.request())
    await peer.send(CREATED)
    await peer.until_closed()


async def patient(peer: AcceptedConnection) -> None:
    """As `polite`, to clients that may be gone at any moment."""
    with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
        await polite(peer)


async def drops(peer: AcceptedConnection) -> None:
    await peer.accept(await peer.request())
    await peer.send(CREATED)


async def refuses(peer: AcceptedConnection) -> None:
    await peer.request()
    await peer.stream.send(b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n")


async def visit(url: str) -> None:
    transport = OpenAIRealtimeWebSocket(url=url, update_timeout=0)
    async with transport.connect(api_key="sk"):
        await transport.send_message("hello")


async def visit_and_lose(url: str) -> None:
    transport = OpenAIRealtimeWebSocket(url=url, update_timeout=0)
    with pytest.raises(ConnectionLost):
        async with transport.connect(api_key="sk"):
            async for _ in transport:
                pass


async def visit_and_be_refused(url: str) -> None:
    with pytest.raises(ConnectError):
        await visit(url)


async def visit_and_be_cancelled(url: str) -> None:
    transport = OpenAIRealtimeWebSocket(url=url, update_timeout=0)
    with anyio.CancelScope() as scope:
        async with transport.connect(api_key="sk"):
            scope.cancel()
            await anyio.sleep_forever()


@pytest.mark.skipif(not FDS.exists(), reason="counts open files through /proc")
@pytest.mark.parametrize(
    ("server", "client"),
    [(polite, visit), (drops, visit_and_lose), (refuses, visit_and_be_refused), (polite, visit_and_be_cancelled)],
)
async def test_nothing_is_left_behind(server: Any, client: Any) -> None:
    async with serving(server) as url:
        await client(url)
        gc.collect()
        files, threads = len(list(FDS.iterdir())), threading.active_count()
        for _ in range(ROUNDS):
            await client(url)
        # The server's end of the last connection may be still on its way out.
        assert len(list(FDS.iterdir())) <= files + 2
        assert threading.active_count() <= threads


async def test_memory_is_level() -> None:
    async with serving(polite) as url:
        for _ in range(5):
            await visit(url)
        gc.collect()
        tracemalloc.start()
        try:
            before = tracemalloc.take_snapshot()
            for _ in range(ROUNDS):
                await visit(url)
            gc.collect()
            grown = sum(change.size_diff for change in tracemalloc.take_snapshot().compare_to(before, "filename"))
        finally:
            tracemalloc.stop()
    assert grown < ROUNDS * 2000, f"{grown / ROUNDS:.0f} bytes for each connection"


async def test_cancelling_at_any_moment_of_connecting_lets_go() -> None:
    """Cancelled after one, two, three… turns of the scheduler: in the key, the handshake, the wait, the block."""
    async with serving(patient) as url:
        transport = OpenAIRealtimeWebSocket(url=url, update_timeout=0)
        for turns in range(60):
            async with anyio.create_task_group() as tasks:
                scope = anyio.CancelScope()

                async def connect(scope: anyio.CancelScope = scope) -> None:
                    with scope:
                        async with transport.connect(api_key="sk"):
                            await anyio.sleep_forever()

                tasks.start_soon(connect)
                for _ in range(turns):
                    await anyio.lowlevel.checkpoint()
                scope.cancel()
            assert transport.status == "disconnected"
        await visit(url)
