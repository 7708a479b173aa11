"""Listeners for the events of a session."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from realtime_transport import (
    ConfigError,
    NotConnectedError,
    OpenAIRealtimeWebSocket,
    RealtimeAgent,
    RealtimeSession,
    RealtimeSessionEmitter,
)
from realtime_transport.testing.links import MemoryServer
from realtime_transport.testing.session import FakeTool

pytestmark = pytest.mark.anyio

CALL = {"type": "function_call", "id": "f1", "call_id": "c1", "name": "pay", "arguments": "{}", "status": "completed"}


@asynccontextmanager
async def connected(*tools: Any, **options: Any) -> AsyncIterator[tuple[Any, MemoryServer]]:
    server = MemoryServer()
    agent = RealtimeAgent(name="A", tools=tools)
    session = RealtimeSession(agent, transport=OpenAIRealtimeWebSocket(connector=server.connector), **options)
    with anyio.fail_after(10):
        async with RealtimeSessionEmitter(session) as emitter:
            await emitter.connect(api_key="k")
            yield emitter, server


def call(server: MemoryServer) -> None:
    server.send(
        {"type": "response.created", "event_id": "e1", "response": {"id": "r1"}},
        {"type": "response.output_item.done", "event_id": "e2", "response_id": "r1", "item": CALL},
        {"type": "response.done", "event_id": "e3", "response": {"id": "r1", "output": []}},
    )


async def test_listeners_hear_the_session_and_those_of_the_transport_the_wire() -> None:
    fake = FakeTool("pay", {"needs_approval": True})
    over = anyio.Event()
    heard: list[str] = []
    async with connected(fake.tool) as (emitter, server):
        emitter.on("tool_approval_requested", lambda event: emitter.approve(event.approval))
        emitter.on("agent_tool_end", lambda event: (heard.append(event.result), over.set()))
        emitter.once("transport_event", lambda event: heard.append(type(event.event).__name__))
        emitter.transport.on("*", lambda message: heard.append(message["type"]))
        emitter.transport.once("turn_started", lambda event: heard.append(event.response_id))
        call(server)
        await fake.called()
        fake.complete("paid")
        await over.wait()
        emitter.transport.send_event({"type": "custom"})
        assert [item.output for item in emitter.history] == ["paid"]
    expected = ["response.created", "ResponseCreated", "r1", "response.output_item.done", "response.done", "paid"]
    assert heard == expected
    assert server.types()[-1] == "custom"


async def test_calls_return_at_once_and_what_they_give_can_be_awaited() -> None:
    async with connected() as (emitter, server):
        emitter.send_message("Hi", trigger_response=False)
        emitter.send_audio(b"ab", commit=True)
        emitter.add_image("data:image/png;base64,AA==", trigger_response=False)
        emitter.update_history([])
        other = RealtimeAgent[Any](name="Other")
        assert await emitter.update_agent(other) is other
        assert emitter.current_agent is other
        assert emitter.initial_agent.name == "A"
        emitter.interrupt()
        emitter.request_response()
        assert emitter.status == "connected"
        assert (emitter.muted, emitter.available_mcp_tools, emitter.usage.requests) == (None, (), 0)
    types = [kind for kind in server.types() if kind != "session.update"]
    assert types == [
        "conversation.item.create",
        "input_audio_buffer.append",
        "input_audio_buffer.commit",
        "conversation.item.create",
        "response.create",
    ]
    with pytest.raises(NotConnectedError):
        emitter.send_message("late")


async def test_closing_cancels_tools_and_tells_the_end() -> None:
    fake = FakeTool("pay")
    heard: list[str] = []
    async with connected(fake.tool) as (emitter, server):
        emitter.transport.on("disconnected", lambda event: heard.append("disconnected"))
        emitter.on("agent_tool_end", lambda event: heard.append("end"))
        call(server)
        await fake.called()
        emitter.close()
        fake.complete("too late")
    assert fake.cancelled == ["c1"]
    assert heard == ["disconnected"]
    assert "conversation.item.create" not in server.types()


async def test_names_are_checked() -> None:
    async with connected() as (emitter, _):
        with pytest.raises(ConfigError, match="did you mean 'agent_start'"):
            emitter.on("agent_started", print)
        with pytest.raises(ConfigError, match="did you mean 'turn_done'"):
            emitter.transport.on("turn_doen", print)
        with pytest.raises(ConfigError):
            emitter.off("turn_done", print)


async def test_two_tools_of_one_name_only_raise() -> None:
    fake = FakeTool("pay")
    heard: list[Any] = []
    session = RealtimeSession(RealtimeAgent(name="A", tools=[fake.tool, fake.tool]))
    async with RealtimeSessionEmitter(session) as emitter:
        emitter.on("error", heard.append)
        with pytest.raises(ConfigError, match="Duplicate Realtime tool name"):
            await emitter.connect(api_key="k")
    assert heard == []
