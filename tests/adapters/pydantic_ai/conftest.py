"""What the tests of the adapter share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from pydantic_ai import Agent, BinaryContent

from realtime_transport import FileSource, OpenAIRealtimeWebRTC, OpenAIRealtimeWebSocket
from realtime_transport.adapters.pydantic_ai import TransportRealtimeModel
from realtime_transport.emulator import RealtimeEmulator

RECORDING = Path(__file__).parents[3] / "examples" / "audio" / "vm-options.wav"
MODEL = "gpt-realtime-2.1"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"  # Sessions of pydantic-ai know no other.


@pytest.fixture(autouse=True)
async def _nothing_is_left_running(anyio_backend: str) -> AsyncGenerator[None]:
    yield
    running = [task for task in asyncio.all_tasks() if not task.done()]
    ours = ("TestRunner.", "anyio")  # What runs the fixtures.
    assert [repr(task) for task in running if not task.get_coro().__qualname__.startswith(ours)] == []


@pytest.fixture
async def emulator() -> AsyncGenerator[RealtimeEmulator]:
    async with RealtimeEmulator(keep_transcripts=True) as served:
        yield served


@pytest.fixture(params=["websocket", "webrtc"])
def wire(request: pytest.FixtureRequest) -> str:
    return str(request.param)


Make = Callable[..., TransportRealtimeModel]


@pytest.fixture
def model(wire: str, emulator: RealtimeEmulator) -> Make:
    """Makes a model over the wire of the test."""

    def make(key: str = "sk-test", **options: Any) -> TransportRealtimeModel:
        return TransportRealtimeModel(transport_to(wire, emulator, key, **options.pop("transport", {})), **options)

    return make


def transport_to(wire: str, emulator: RealtimeEmulator, key: str = "sk-test", **options: Any) -> Any:
    if wire == "webrtc":
        ends = {"audio_source": None, "audio_sink": None}
        return OpenAIRealtimeWebRTC(model=MODEL, api_key=key, base_url=emulator.base_url, **{**ends, **options})
    return OpenAIRealtimeWebSocket(model=MODEL, api_key=key, url=emulator.base_url, **options)


def sent_by_client(emulator: RealtimeEmulator, kind: str = "") -> list[dict[str, Any]]:
    events = (event for record in emulator.sessions for who, event in record.transcript if who == "client")
    return [event for event in events if not kind or event["type"] == kind]


def sent_by_server(emulator: RealtimeEmulator, kind: str = "") -> list[dict[str, Any]]:
    events = (event for record in emulator.sessions for who, event in record.transcript if who == "server")
    return [event for event in events if not kind or event["type"] == kind]


def weather_agent(**more: Any) -> Agent[None, str]:
    agent = Agent(instructions="Be brief.", **more)

    @agent.tool_plain
    async def get_weather(city: str) -> str:
        """The weather of a city."""
        return f"rain in {city}"

    return agent


async def until(session: Any, found: Callable[[Any], bool]) -> list[Any]:
    """The events up to the one that is looked for."""
    events: list[Any] = []
    stream = aiter(session)
    try:
        async for event in stream:
            events.append(event)
            if found(event):
                return events
    finally:
        await stream.aclose()
    raise AssertionError("the session ended without it")


async def turn(session: Any, said: str | None = None) -> list[Any]:
    """The events of a turn, which *said* begins."""
    if said is not None:
        await session.send(said)
    return await until(session, lambda event: event.event_kind == "realtime_turn_complete")


def speaks(event: Any) -> bool:
    """Whether the model has begun to speak."""
    return bool(getattr(getattr(event, "delta", None), "transcript", None))


def replies(messages: Iterable[Any]) -> list[str]:
    """What the model said, one text for each response that said something."""
    texts = [
        "".join(getattr(part, "content", "") or "" for part in each.parts)
        for each in messages
        if each.kind == "response"
    ]
    return [text for text in texts if text]


async def speech(seconds: float = 2.0, silence: float = 1.0) -> bytes:
    """Speech, and silence after it, at 24 kHz."""
    source, audio = FileSource(RECORDING), b""
    while len(audio) < seconds * 48_000:
        audio += await source.receive()
    await source.aclose()
    return audio[: int(seconds * 24_000) * 2] + bytes(int(silence * 48_000))


async def say(session: Any, audio: bytes) -> None:
    """Send audio as a microphone would, but faster."""
    for start in range(0, len(audio), 4800):
        await session.send(BinaryContent(audio[start : start + 4800], media_type="audio/pcm"))
