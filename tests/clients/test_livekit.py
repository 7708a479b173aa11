"""LiveKit's agents: instructions, tools and history, a reply, a call, and an interruption."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from realtime_transport.emulator import RealtimeEmulator

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),  # Its own.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

livekit = pytest.importorskip("livekit.plugins.openai")


@pytest.fixture
async def session(emulator: RealtimeEmulator) -> AsyncGenerator[Any]:
    options = {"base_url": emulator.base_url, "api_key": "sk-test", "model": "gpt-realtime-2.1", "voice": "marin"}
    model = livekit.realtime.RealtimeModel(**options)
    session = model.session()
    errors: list[Any] = []
    session.on("error", errors.append)
    yield session
    await session.aclose()
    await model.aclose()
    assert errors == []


async def reply(session: Any, **options: Any) -> tuple[str, float, list[Any]]:
    """What is said, for how long, and what is called."""
    generation = await asyncio.wait_for(session.generate_reply(**options), 20)
    text, seconds = "", 0.0
    async for message in generation.message_stream:
        async for piece in message.text_stream:
            text += piece
        async for frame in message.audio_stream:
            seconds += frame.samples_per_channel / frame.sample_rate
    return text, seconds, [call async for call in generation.function_stream]


async def test_a_reply_without_instructions(emulator: RealtimeEmulator, session: Any) -> None:
    from livekit.agents import llm

    history = llm.ChatContext()
    history.add_message(role="user", content="Hello from LiveKit")
    await session.update_chat_ctx(history)
    text, seconds, calls = await reply(session)
    assert (text, calls) == ("You said: Hello from LiveKit", [])
    assert seconds > 1
    sent = [event for who, event in emulator.sessions[0].transcript if who == "client"]
    (create,) = [event for event in sent if event["type"] == "response.create"]
    assert create["response"]["instructions"] is None  # What this test is for.


async def test_a_tool_that_is_required(session: Any) -> None:
    from livekit.agents import llm

    @llm.function_tool
    async def get_weather(city: str) -> str:
        """The weather of a city."""
        return f"rain in {city}"

    await session.update_instructions("Be brief.")
    await session.update_tools([get_weather])
    _, _, calls = await reply(session, instructions="Look it up", tool_choice="required")
    assert [(call.name, call.arguments) for call in calls] == [("get_weather", '{"city": "example"}')]


async def test_options_that_are_taken_back(session: Any) -> None:
    session.update_options(max_response_output_tokens=100, tool_choice="none", speed=1.2)
    session.update_options(max_response_output_tokens=None, tool_choice=None, tracing=None, turn_detection=None)
    text, _, _ = await reply(session, instructions="Say hello")
    assert "Say hello" in text


async def test_an_interruption(session: Any) -> None:
    from livekit.agents import llm

    history = llm.ChatContext()
    history.add_message(role="user", content="/say 20")
    await session.update_chat_ctx(history)
    generation = await asyncio.wait_for(session.generate_reply(), 20)
    async for message in generation.message_stream:
        async for _ in message.audio_stream:
            break
        session.interrupt()
        session.truncate(message_id=message.message_id, modalities=["audio"], audio_end_ms=100)
        break
    text, _, _ = await reply(session, instructions="Say hello")
    assert "Say hello" in text
