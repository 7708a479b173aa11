"""The checks that a transport of anybody's can be run through: our own pass, broken ones do not."""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from realtime_transport import OpenAIRealtimeBase, OpenAIRealtimeWebSocket
from realtime_transport.emulator import RealtimeEmulator
from realtime_transport.testing.transports import TRANSPORT_CHECKS, TransportCheck, check_transport

pytestmark = pytest.mark.anyio

EXAMPLE = Path(__file__).parents[2] / "examples" / "custom_wire.py"


@pytest.fixture(params=TRANSPORT_CHECKS)
def check(request: pytest.FixtureRequest) -> TransportCheck:
    return TRANSPORT_CHECKS[request.param]


async def test_the_websocket_passes(check: TransportCheck) -> None:
    async with RealtimeEmulator() as emulator:
        url = f"{emulator.websocket_url}?model=gpt-realtime"
        await check(lambda: OpenAIRealtimeWebSocket(url=url, model="gpt-realtime", api_key="sk-1"))


async def test_a_wire_of_ones_own_passes(check: TransportCheck) -> None:
    spec = importlib.util.spec_from_file_location("custom_wire", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    example: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    async with (
        RealtimeEmulator() as emulator,
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(listener.serve, lambda stream: example.relay(stream, emulator.websocket_url))
        url = f"tcp://127.0.0.1:{listener.extra(anyio.abc.SocketAttribute.local_port)}"
        await check(lambda: OpenAIRealtimeBase(connector=example.connect_lines, url=url, api_key="sk-1"))
        tasks.cancel_scope.cancel()


class Dropping(OpenAIRealtimeWebSocket):
    """Sends nothing without a connection, and says nothing."""

    async def send_message(self, *args: Any, **kwargs: Any) -> None:
        if self.status == "connected":
            await super().send_message(*args, **kwargs)


class Grouping(OpenAIRealtimeWebSocket):
    """Lets its task group out."""

    @asynccontextmanager
    async def connect(self, **options: Any) -> AsyncGenerator[Any]:
        async with anyio.create_task_group(), super().connect(**options):
            yield self


@pytest.mark.parametrize(
    ("broken", "caught"), [(Dropping, "before connecting"), (Grouping, "the exception of the body")]
)
async def test_a_broken_one_does_not(broken: Any, caught: str) -> None:
    async with RealtimeEmulator() as emulator:
        url = f"{emulator.websocket_url}?model=gpt-realtime"
        results = await check_transport(lambda: broken(url=url, model="gpt-realtime", api_key="sk-1"))
    problems = {result.name: result.problem for result in results}
    assert problems[caught] is not None
    assert problems["a turn"] is None
