"""Arguments of the wrong type, or out of range, are refused where they are passed in, by the name of the argument."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from realtime_transport import (
    ConfigError,
    OpenAIRealtimeSIP,
    OpenAIRealtimeWebRTC,
    OpenAIRealtimeWebSocket,
    RealtimeRestClient,
    SubscriptionLimits,
)
from realtime_transport.testing.links import MemoryServer

EVERYWHERE: dict[str, tuple[Any, str]] = {
    "model": (5, "model: text expected, not 5"),
    "headers": (5, "headers: a mapping expected"),
    "query": ({"a": None}, "query: the value of a is text, not of the type NoneType"),
    "connect_timeout": ("5", "connect_timeout: a number from 0 expected, not '5'"),
    "session_timeout": (-1, "session_timeout: a number from 0 expected, not -1"),
    "update_timeout": (None, "update_timeout: a number from 0 expected, not None"),
    "create_timeout": (float("nan"), "create_timeout: a number from 0 expected, not nan"),
    "ping_interval": (0, "ping_interval: None switches pings off, not 0"),
    "close_timeout": (True, "close_timeout: a number from 0 expected, not True"),
    "max_message_bytes": (0, "max_message_bytes: a whole number from 1 expected, not 0"),
    "max_outbox_bytes": (1e6, "max_outbox_bytes: a whole number from 0 expected, not 1000000.0"),
    "max_events": (None, "max_events: a whole number from 0 expected, not None"),
    "clock": (5, "clock: a Clock expected, not 5"),
}


@pytest.mark.parametrize("transport", [OpenAIRealtimeWebSocket, OpenAIRealtimeWebRTC, OpenAIRealtimeSIP])
@pytest.mark.parametrize("name", EVERYWHERE)
def test_the_argument_of_a_transport_is_named(transport: type[Any], name: str) -> None:
    value, said = EVERYWHERE[name]
    with pytest.raises(ConfigError, match=f"^{said}") as caught:
        transport(api_key="k", **{name: value})
    assert caught.value.key == name


def sync_client() -> httpx.Client:
    return httpx.Client()


OWN: list[tuple[type[Any], str, Any, str]] = [
    (OpenAIRealtimeWebSocket, "url", b"wss://x", "url: text expected, not b'wss://x'"),
    (OpenAIRealtimeWebSocket, "connector", 5, "connector: a function expected, not 5"),
    (OpenAIRealtimeWebSocket, "client", sync_client, "client: an httpx.AsyncClient expected, not <httpx.Client"),
    (OpenAIRealtimeWebSocket, "audio_source", "x.wav", "audio_source: an object that gives audio .*, not 'x.wav'"),
    (OpenAIRealtimeWebSocket, "audio_sink", [], "audio_sink: an object that takes audio"),
    (OpenAIRealtimeSIP, "client", sync_client, "client: an httpx.AsyncClient expected"),
    (OpenAIRealtimeWebRTC, "client", sync_client, "client: an httpx.AsyncClient expected"),
    (OpenAIRealtimeWebRTC, "base_url", 5, "base_url: text expected, not 5"),
    (OpenAIRealtimeWebRTC, "audio_source", [], "audio_source: an object that gives audio"),
    (OpenAIRealtimeWebRTC, "ice_servers", "stun:x", "ice_servers: a list expected, not 'stun:x'"),
    (OpenAIRealtimeWebRTC, "ice_servers", ["stun:x"], r"ice_servers\[0\]: an IceServer expected, not 'stun:x'"),
    (OpenAIRealtimeWebRTC, "opus", {}, "opus: OpusSettings expected, not {}"),
    (OpenAIRealtimeWebRTC, "silence_timeout", "5", "silence_timeout: a number from 0 expected"),
    (OpenAIRealtimeWebRTC, "change_peer_connection", 5, "change_peer_connection: a function expected"),
    (RealtimeRestClient, "client", sync_client, "client: an httpx.AsyncClient expected"),
    (RealtimeRestClient, "base_url", 5, "base_url: text expected, not 5"),
    (RealtimeRestClient, "timeout", "5", "timeout: a number from 0 expected"),
]


@pytest.mark.parametrize(("cls", "name", "value", "said"), OWN, ids=[f"{c.__name__}-{n}" for c, n, _, _ in OWN])
def test_an_argument_of_its_own_is_named(cls: type[Any], name: str, value: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=f"^{said}"):
        cls(api_key="k", **{name: value() if callable(value) else value})


@pytest.mark.parametrize("options", [{"max_audio_bytes": -1}, {"max_events": 1.5}, {"on_overflow": "drop"}])
def test_the_limits_of_a_subscription_are_checked(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"^{next(iter(options))}: "):
        SubscriptionLimits(**options)


CONNECT: dict[str, tuple[Any, str]] = {
    "api_key": (5, "api_key: text expected, or a function that gives it, not int"),
    "model": (5, "model: text expected, not 5"),
    "url": (5, "url: text expected, not 5"),
    "call_id": (5, "call_id: text expected, not 5"),
    "headers": ({"a": 5}, "headers: the value of a is text, not of the type int"),
    "playback_position": (5, "playback_position: a function expected, not 5"),
}


@pytest.mark.anyio
@pytest.mark.parametrize("name", CONNECT)
async def test_an_argument_of_connect_is_named(name: str) -> None:
    value, said = CONNECT[name]
    server = MemoryServer()
    transport = OpenAIRealtimeWebSocket(connector=server.connector, api_key="k")
    with pytest.raises(ConfigError, match=f"^{said}"):
        async with transport.connect(**{name: value}):
            pass
    assert transport.status == "disconnected"
    async with transport.connect(wait_for_session=False):
        assert transport.status == "connected"
