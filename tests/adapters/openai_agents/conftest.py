"""What these tests share: one event loop, an emulator in it, and the two wires."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest

from realtime_transport import OpenAIRealtimeBase, OpenAIRealtimeWebRTC, OpenAIRealtimeWebSocket
from realtime_transport.emulator import RealtimeEmulator


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"  # The frameworks know no other.


@pytest.fixture
async def emulator() -> AsyncGenerator[RealtimeEmulator]:
    """An emulator that keeps what was said."""
    before = asyncio.all_tasks()
    async with RealtimeEmulator(keep_transcripts=True) as served:
        yield served
    assert not {task for task in asyncio.all_tasks() - before if not _is_pytests(task)}


MakeTransport = Callable[..., OpenAIRealtimeBase]


@pytest.fixture(params=["websocket", "webrtc"])
def make_transport(request: pytest.FixtureRequest, emulator: RealtimeEmulator) -> MakeTransport:
    """Makes transports to the emulator, over either wire, without audio ends."""
    if request.param == "websocket":
        return lambda **options: OpenAIRealtimeWebSocket(**{"url": emulator.base_url, "api_key": "sk-test", **options})
    ends: dict[str, Any] = {"audio_source": None, "audio_sink": None}
    return lambda **options: OpenAIRealtimeWebRTC(
        **{"base_url": emulator.base_url, "api_key": "sk-test", **ends, **options}
    )


@pytest.fixture
async def nothing_left(emulator: RealtimeEmulator) -> AsyncGenerator[None]:
    """No task that was begun in the test is left at its end."""
    before = asyncio.all_tasks()
    yield
    left = {task for task in asyncio.all_tasks() - before if not (_is_pytests(task) or _is_the_servers(task))}
    assert not left


def _is_pytests(task: asyncio.Task[Any]) -> bool:
    return getattr(task.get_coro(), "__qualname__", "").startswith("TestRunner.")


def _is_the_servers(task: asyncio.Task[Any]) -> bool:
    """The server hears of the end when it has read it, and then lets its peer go; `emulator` waits for that."""
    closes_peer = getattr(task.get_coro(), "__qualname__", "") == "RTCPeerConnection.close"
    return closes_peer or task.get_name().startswith("emulator")
