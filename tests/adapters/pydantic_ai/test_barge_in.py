"""How soon an interruption is told, in turns of the event loop: a server in memory, no time."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from pydantic_ai import Agent, BinaryContent
from pydantic_ai.models import ModelRequestParameters

from realtime_transport import BufferSink, OpenAIRealtimeWebSocket
from realtime_transport.adapters.pydantic_ai import TransportRealtimeModel
from realtime_transport.testing.links import MemoryServer

from .parity import settled
from .test_parity import IDS, by_server, done, event, speech

pytestmark = pytest.mark.anyio

SECOND = base64.b64encode(bytes(48_000)).decode()


@pytest.fixture
async def server() -> AsyncGenerator[MemoryServer]:
    server = MemoryServer()
    vad = {"audio": {"input": {"turn_detection": {"type": "server_vad", "interrupt_response": True}}}}
    server.send(event("session.created", session={"id": "s"}), event("session.updated", session={"id": "s", **vad}))
    return server


def model_of(server: MemoryServer, **options: Any) -> TransportRealtimeModel:
    return TransportRealtimeModel(
        OpenAIRealtimeWebSocket(connector=server.connector, api_key="k", ping_interval=None, **options)
    )


async def until_cut(server: MemoryServer) -> int:
    """Turns of the loop until the server knows where to cut."""
    for turns in range(100):
        if "conversation.item.truncate" in server.types():
            return turns
        await asyncio.sleep(0)
    raise AssertionError("it was never told")


async def test_a_sink_is_cut_off_within_a_turn_of_the_loop(server: MemoryServer) -> None:
    """The transport decides when it reads that the user speaks: no task of the session has to run for it."""
    async with Agent().realtime(model_of(server, audio_sink=BufferSink())).session():
        server.send(by_server("r1"), event("response.output_audio.delta", delta=SECOND, **IDS))
        await settled()
        server.send(speech())
        assert await until_cut(server) <= 2


async def test_what_the_application_plays_is_cut_off_as_soon_as_the_session_has_heard(server: MemoryServer) -> None:
    async with Agent().realtime(model_of(server)).session(handle_barge_in=True) as session:
        heard = session.stream_audio()
        session_task = asyncio.create_task(_drain(session))
        deltas = [event("response.output_audio.delta", delta=SECOND, **IDS)] * 3
        server.send(by_server("r1"), *deltas)
        await anext(heard)
        await anext(heard)  # Of which one has been played.
        server.send(speech())
        assert await until_cut(server) <= 4
        (cut,) = [message for message in server.received if message["type"] == "conversation.item.truncate"]
        assert cut["audio_end_ms"] == 1000
        session_task.cancel()


async def test_a_truncation_overtakes_the_microphone(server: MemoryServer) -> None:
    """Behind a slow line, seconds of the user's audio wait to be sent: the model is told to stop before them."""
    async with Agent().realtime(model_of(server)).session(handle_barge_in=True) as session:
        heard = session.stream_audio()
        server.send(by_server("r1"), *[event("response.output_audio.delta", delta=SECOND, **IDS)] * 3)
        await anext(heard)
        await anext(heard)
        server.pause_writes()
        for _ in range(4):
            await session.send(BinaryContent(bytes(96_000), media_type="audio/pcm"))
            await settled()
        server.received.clear()
        server.send(speech())
        await settled()
        server.resume_writes()
        await settled()
        assert server.types().index("conversation.item.truncate") <= 1  # One piece was being written.
        assert server.types().count("input_audio_buffer.append") == 4


async def test_a_session_that_does_not_read_holds_no_audio_without_bound(server: MemoryServer) -> None:
    """Undelivered audio of a slow reader is bounded by the transport, and told as a loss."""
    made = model_of(server, max_audio_bytes=200_000)
    async with made.connect(
        messages=[], model_settings=None, model_request_parameters=ModelRequestParameters()
    ) as connection:
        frames = connection.frames()
        server.send(by_server("r1"), event("response.output_audio.delta", delta=SECOND, **IDS))
        await anext(frames)
        for _ in range(10):
            server.send(event("response.output_audio.delta", delta=SECOND, **IDS))
            await settled()
        told = [each async for frame in frames for each in frame]
        assert "200000 bytes" in told[-1].message
        assert not told[-1].recoverable


async def test_a_reply_that_is_over_can_still_be_cut(server: MemoryServer) -> None:
    async with Agent().realtime(model_of(server)).session(handle_barge_in=True) as session:
        heard = session.stream_audio()
        server.send(by_server("r1"), *[event("response.output_audio.delta", delta=SECOND, **IDS)] * 3, done())
        await anext(heard)
        await anext(heard)
        server.send(speech())
        await settled()
        assert "conversation.item.truncate" in server.types()
        assert session.all_messages()[-1].parts[0].interrupted_at_ms == 1000


async def _drain(session: Any) -> None:
    async for _ in session:
        pass
