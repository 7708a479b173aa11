"""What type checkers know of the events of an emitter. Nothing here is run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, assert_type

from realtime_transport import OpenAIRealtimeWebSocket, RealtimeEmitter, RealtimeSession, RealtimeSessionEmitter
from realtime_transport.events import AudioEvent, ErrorEvent, FunctionCallEvent
from realtime_transport.session_events import AgentEndEvent, AgentToolEndEvent


def of_a_transport(transport: OpenAIRealtimeWebSocket) -> None:
    emitter = RealtimeEmitter(transport)
    same = emitter.on("audio", lambda event: assert_type(event, AudioEvent).data)
    assert_type(same, RealtimeEmitter)
    emitter.once("function_call", lambda event: assert_type(event, FunctionCallEvent).arguments)
    emitter.on("error", lambda event: assert_type(event, ErrorEvent).path)
    emitter.on("*", lambda message: assert_type(message, Mapping[str, Any])["type"])

    async def answer(call: FunctionCallEvent) -> None:
        """A coroutine function listens, too."""

    emitter.on("function_call", answer).off("function_call", answer)


def of_a_session(session: RealtimeSession[int]) -> None:
    emitter = RealtimeSessionEmitter(session)
    emitter.on("agent_end", lambda event: assert_type(event, AgentEndEvent).output)
    emitter.on("agent_tool_end", lambda event: assert_type(event, AgentToolEndEvent).result)
    emitter.transport.on("audio", lambda event: assert_type(event, AudioEvent).data)
