"""Mistakes that everybody makes once: the error says what was meant."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

import realtime_transport
from realtime_transport import ConfigError, LocalProtocolError, OpenAIRealtimeWebSocket
from realtime_transport.testing.links import MemoryServer

pytestmark = pytest.mark.anyio


async def test_a_connect_that_is_awaited_says_async_with() -> None:
    transport = OpenAIRealtimeWebSocket(api_key="k")
    with pytest.raises(LocalProtocolError, match=r"async with transport\.connect"):
        await transport.connect()  # type: ignore[misc]
    assert transport.status == "disconnected"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("apiKey", "api_key"),
        ("pingInterval", "ping_interval"),
        ("conect_timeout", "connect_timeout"),
        ("baseUrl", "base_url"),
    ],
)
def test_an_option_that_does_not_exist_names_the_nearest(name: str, meant: str) -> None:
    options: dict[str, Any] = {name: 1}
    with pytest.raises(ConfigError, match=f"did you mean {meant}=") as caught:
        OpenAIRealtimeWebSocket(**options)
    assert caught.value.key == name
    with pytest.raises(ConfigError, match="no such option$"):
        OpenAIRealtimeWebSocket(nothing_like_it=1)  # type: ignore[arg-type]


async def test_a_second_reader_is_told_of_subscribe() -> None:
    server = MemoryServer()
    transport = OpenAIRealtimeWebSocket(connector=server.connector, api_key="k")
    async with transport.connect(wait_for_session=False), anyio.create_task_group() as tasks:

        async def read() -> None:
            async for _ in transport:
                pass

        tasks.start_soon(read)
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(anyio.BusyResourceError, match=r"async with transport\.subscribe\(\)"):
            await read()
        tasks.cancel_scope.cancel()


def test_the_package_lists_what_is_public() -> None:
    shown = {name for name in dir(realtime_transport) if not name.startswith("__")}
    assert shown == {*realtime_transport.__all__, "client_events", "errors", "events", "server_events"}
    assert "Settings" in shown
