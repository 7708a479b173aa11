"""The same conversation over pydantic-ai's own model and over ours: the same events, history, usage and spans."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic_ai.capabilities import Instrumentation
from pydantic_ai.models.instrumented import InstrumentationSettings
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.realtime.openai import OpenAIRealtimeModel

from realtime_transport.adapters.pydantic_ai import TransportRealtimeModel
from realtime_transport.emulator import RealtimeEmulator

from .conftest import MODEL, say, speech, transport_to, turn, weather_agent

pytestmark = pytest.mark.anyio

Make = Callable[[RealtimeEmulator], Any]


def theirs(emulator: RealtimeEmulator) -> Any:
    return OpenAIRealtimeModel(MODEL, provider=OpenAIProvider(api_key="k", base_url=emulator.base_url))


def ours(emulator: RealtimeEmulator) -> Any:
    return TransportRealtimeModel(transport_to("websocket", emulator, "k"))


async def converse(make: Make, says: list[str], **more: Any) -> tuple[list[str], list[Any], Any]:
    """Kinds of events, the history, and the usage."""
    async with RealtimeEmulator() as emulator:
        async with weather_agent(**more).realtime(make(emulator)).session() as session:
            events: list[Any] = []
            for each in says:
                if each == "(speaks)":
                    await say(session, await speech())
                    events += await turn(session)
                else:
                    events += await turn(session, each)
            told = [event.event_kind for event in events if event.event_kind != "part_delta"]
            return told, [described(message) for message in session.all_messages()], session.usage


def described(message: Any) -> Any:
    parts = [
        (type(part).__name__, getattr(part, "content", None), bool(getattr(part, "id", ""))) for part in message.parts
    ]
    if message.kind == "request":
        return parts
    ended = message.finish_reason, message.state, bool(message.provider_response_id), message.provider_details
    assert message.provider_url.startswith("http://127.0.0.1:")
    return [*parts, message.model_name, message.provider_name, *ended, message.usage]


TALKS = {
    "text": ["Hello", "And again"],
    "a tool": ['/call get_weather {"city": "Oslo"}', "Thanks"],
    "two tools": ['/call get_weather {"city": "Oslo"}\n/call get_weather {"city": "Rome"}'],
    "speech": ["(speaks)", "Hello"],
    "a failure": ["/fail server_error", "Hello"],
}


@pytest.mark.parametrize("name", TALKS)
async def test_a_conversation(name: str) -> None:
    assert await converse(ours, TALKS[name]) == await converse(theirs, TALKS[name])


async def test_the_spans_of_a_conversation() -> None:
    pytest.importorskip("opentelemetry.sdk")
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    async def spans(make: Make) -> list[Any]:
        exporter = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        instrumentation = Instrumentation(settings=InstrumentationSettings(tracer_provider=provider))
        await converse(make, TALKS["a tool"], capabilities=[instrumentation])
        return sorted((span.name, sorted(span.attributes or {})) for span in exporter.get_finished_spans())

    seen = await spans(ours)
    assert seen == await spans(theirs)
    assert {name.split()[0] for name, _ in seen} >= {"invoke_agent", "chat", "execute_tool"}
