"""Watching what goes to the wire costs no link its short way."""

from __future__ import annotations

import json

import anyio
import anyio.lowlevel
import pytest

from realtime_transport import OpenAIRealtimeWebSocket
from realtime_transport.emulator import RealtimeEmulator
from realtime_transport.events import TurnDoneEvent
from realtime_transport.replay import WireWatch
from realtime_transport.testing.links import MemoryServer

pytestmark = pytest.mark.anyio


async def test_a_direct_link_stays_direct_and_every_message_is_seen() -> None:
    watch, seen = WireWatch(), list[str]()
    async with RealtimeEmulator(audio_speed=None) as emulator:
        transport = OpenAIRealtimeWebSocket(url=emulator.base_url, api_key="any")
        with transport.observe(watch):
            async with transport.connect():
                watch.sent = seen.append
                await transport.send_message("Hello")
                async for event in transport:
                    if isinstance(event, TurnDoneEvent):
                        break
                for _ in range(3):  # By the short path of audio, where the link is idle.
                    await transport.send_audio(bytes(960))
                while emulator.sessions[0].received["input_audio_buffer.append"] < 3:
                    await anyio.lowlevel.checkpoint()
                link = transport.statistics().link
                assert link is not None
                assert link.path == "direct"
                assert link.bytes_received > 0
    audio = ["input_audio_buffer.append"] * 3
    assert [json.loads(message)["type"] for message in seen] == ["conversation.item.create", "response.create", *audio]


async def test_any_other_link_is_watched_too() -> None:
    server, seen = MemoryServer(), list[str]()
    transport = OpenAIRealtimeWebSocket(connector=server.connector, api_key="any")
    with transport.observe(WireWatch(sent=seen.append)):
        async with transport.connect(wait_for_session=False):
            await transport.send_message("Hello")
            await anyio.wait_all_tasks_blocked()
    assert len(seen) == len(server.types())
