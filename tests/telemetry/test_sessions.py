"""The telemetry of sessions and of both wires, with the emulator."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from opentelemetry import trace
from opentelemetry.trace import StatusCode

from realtime_transport import (
    GuardrailResult,
    GuardrailSettings,
    OpenAIRealtimeWebRTC,
    OpenAIRealtimeWebSocket,
    OutputGuardrail,
    RealtimeAgent,
    RealtimeSession,
    function_tool,
)
from realtime_transport.emulator import RealtimeEmulator
from realtime_transport.errors import LocalProtocolError
from realtime_transport.events import AudioInterruptedEvent, TurnDoneEvent
from realtime_transport.server_events import OutputAudioBufferStarted
from realtime_transport.session_events import AgentEndEvent, GuardrailTrippedEvent, ToolApprovalRequestedEvent
from realtime_transport.transports.base.realtime import OpenAIRealtimeBase

from .collected import Collected, seconds

pytestmark = pytest.mark.anyio

WIRES = ["websocket", "webrtc"]
CONNECTION = "realtime.connection gpt-realtime-2.1"
RESPONSE = "generate_live_content gpt-realtime-2.1"

SCRIPT = {
    "rules": [
        {"when": {"text": "weather"}, "reply": {"calls": [{"name": "get_weather", "arguments": {"city": "Oslo"}}]}},
        {"when": {"function_output": "get_weather"}, "reply": {"calls": [{"name": "transfer_to_Billing"}]}},
        {"when": {"function_output": "transfer_to_Billing"}, "reply": {"text": "How much is it?", "seconds": 0.2}},
        {"when": {"text": "pay"}, "reply": {"calls": [{"name": "pay"}]}},
        {"when": {"text": "break"}, "reply": {"calls": [{"name": "broken"}]}},
    ]
}


@asynccontextmanager
async def wire(kind: str, script: Any = SCRIPT) -> AsyncGenerator[OpenAIRealtimeBase]:
    """A transport of that kind to an emulator."""
    # A call is paced by its media; a socket need not be.
    async with RealtimeEmulator(script=script, audio_speed=None if kind == "websocket" else 1.0) as emulator:
        if kind == "webrtc":
            yield OpenAIRealtimeWebRTC(
                base_url=emulator.base_url, api_key="sk-test", audio_source=None, audio_sink=None
            )
        else:
            yield OpenAIRealtimeWebSocket(url=emulator.base_url, api_key="sk-test")


async def until(session: RealtimeSession[Any], *kinds: Any, count: int = 1) -> Any:
    """The event after which that many of these classes have come."""
    async for event in session:
        count -= isinstance(event, kinds)
        if not count:
            return event
    raise AssertionError("the session ended")


@pytest.mark.parametrize("kind", WIRES)
async def test_tools_and_handoffs_of_a_session(kind: str) -> None:
    seen, inside = Collected(), list[Any]()

    @function_tool
    async def get_weather(city: str) -> str:
        inside.append(trace.get_current_span())
        with seen.tracers.get_tracer("app").start_as_current_span("ask the weather service"):
            return f"Snow in {city}"

    billing = RealtimeAgent(name="Billing")
    front = RealtimeAgent(name="Front", tools=[get_weather], handoffs=[billing])
    async with wire(kind) as transport:
        session = RealtimeSession(front, transport=transport, model="gpt-realtime-2.1")
        with seen.instrument(session):
            async with session.connect():
                await session.send_message("How is the weather?")
                await until(session, AgentEndEvent, count=3)
                usage = session.usage
    assert seen.tree() == [
        CONNECTION,
        "  realtime.turn",
        "    invoke_agent Front",
        f"      {RESPONSE}",
        "      execute_tool get_weather",
        "        ask the weather service",
        f"      {RESPONSE}",
        "      execute_tool transfer_to_Billing",
        "    invoke_agent Billing",
        f"      {RESPONSE}",
    ]
    assert (seen.one(CONNECTION).attributes or {})["realtime.wire"] == kind
    tool = seen.one("execute_tool get_weather")
    assert inside[0].get_span_context() == tool.context
    assert (tool.attributes or {})["realtime.tool.outcome"] == "completed"
    agent = seen.one("invoke_agent Billing").attributes or {}
    assert agent["gen_ai.agent.name"] == "Billing"
    assert agent["realtime.agent.handed_over_by"] == "Front"
    assert usage.input_tokens > 0
    assert seen.total("gen_ai.client.token.usage", gen_ai__token__type="input") == usage.input_tokens
    assert seen.total("gen_ai.client.token.usage", gen_ai__token__type="output") == usage.output_tokens
    responses = seen.named(RESPONSE)
    assert sum((span.attributes or {})["gen_ai.usage.output_tokens"] for span in responses) == usage.output_tokens  # type: ignore[misc]
    durations = seen.points("gen_ai.invoke_agent.duration")
    assert sorted(point.attributes["gen_ai.agent.name"] for point in durations) == ["Billing", "Front"]


@pytest.mark.parametrize("kind", WIRES)
async def test_a_barge_in(kind: str) -> None:
    seen = Collected()
    async with wire(kind) as transport:
        with seen.instrument(transport):
            async with transport.connect(), transport.subscribe(AudioInterruptedEvent, TurnDoneEvent) as events:
                async with transport.subscribe(OutputAudioBufferStarted, TurnDoneEvent) as playing:
                    await transport.send_message("/say 2")
                    await playing.receive()
                transport.interrupt()
                async for event in events:
                    if isinstance(event, AudioInterruptedEvent):
                        break
                while kind == "webrtc" and not isinstance(await events.receive(), TurnDoneEvent):
                    pass
    interruption = seen.one("realtime.interruption").attributes or {}
    assert interruption["realtime.audio.heard"] == event.audio_end_ms / 1000
    assert interruption["gen_ai.response.id"] == event.response_id
    response = seen.one(RESPONSE)
    parent = seen.one("realtime.interruption").parent
    assert parent is not None
    assert parent.span_id == response.context.span_id
    assert (response.attributes or {})["gen_ai.output.type"] == "speech"
    assert 0 <= (response.attributes or {})["realtime.time_to_first_audio"] <= seconds(response) + 1  # type: ignore[operator]
    assert seen.total("realtime.interruptions") == 1
    assert seen.points("realtime.time_to_first_audio")[0].count == 1
    received = seen.total("realtime.audio.duration", realtime__audio__direction="received")
    assert (received == pytest.approx(2.0)) if kind == "websocket" else (received > 0)


@pytest.mark.parametrize("kind", WIRES)
async def test_a_guardrail_that_trips(kind: str) -> None:
    seen = Collected()

    async def no_secrets(_ctx: Any, _agent: Any, text: str) -> GuardrailResult:
        return GuardrailResult("secret" in text)

    async with wire(kind) as transport:
        session = RealtimeSession(
            RealtimeAgent(name="Keeper"),
            transport=transport,
            output_guardrails=[OutputGuardrail(name="no_secrets", run=no_secrets)],
            guardrail_settings=GuardrailSettings(debounce_text_length=10),
        )
        with seen.instrument(session):
            async with session.connect():
                await session.send_message("/say 2 " + "This is a long story. " * 3 + "There is a secret.")
                await until(session, GuardrailTrippedEvent)
    tripped = seen.one("run_guardrail no_secrets")
    assert tripped.parent is not None
    assert tripped.parent.span_id == seen.named("generate_live_content")[0].context.span_id
    assert (tripped.attributes or {})["realtime.guardrail.name"] == "no_secrets"
    assert seen.total("realtime.guardrail.trips", realtime__guardrail__name="no_secrets") == 1


async def test_a_tool_is_run_when_it_is_allowed_and_not_when_it_is_asked_for() -> None:
    seen, threads = Collected(), list[Any]()

    @function_tool(needs_approval=True)
    def pay() -> str:
        threads.append(trace.get_current_span())
        return "paid"

    async with wire("websocket") as transport:
        session = RealtimeSession(RealtimeAgent(name="Till", tools=[pay]), transport=transport)
        with seen.instrument(session):
            async with session.connect():
                await session.send_message("pay")
                asked = await until(session, ToolApprovalRequestedEvent)
                before = trace.get_current_span()
                await session.approve(asked.approval)
                await session.send_message("pay")
                asked = await until(session, ToolApprovalRequestedEvent)
                await session.reject(asked.approval)
                assert trace.get_current_span() is before
    ran, rejected = seen.named("execute_tool pay")
    assert threads[0].get_span_context() == ran.context  # In a worker thread.
    assert (ran.attributes or {})["realtime.tool.wait"] >= 0  # type: ignore[operator]
    assert "realtime.tool.wait" not in (rejected.attributes or {})
    assert (rejected.attributes or {})["realtime.tool.outcome"] == "answered"


async def test_tools_that_fail_or_are_cancelled() -> None:
    seen, begun = Collected(), anyio.Event()

    @function_tool
    async def broken() -> str:
        raise KeyError("Canary")

    @function_tool
    async def pay() -> str:
        begun.set()
        await anyio.sleep_forever()
        return ""

    async with wire("websocket") as transport:
        session = RealtimeSession(RealtimeAgent(name="Till", tools=[broken, pay]), transport=transport)
        with seen.instrument(session):
            async with session.connect():
                await session.send_message("break")
                await until(session, AgentEndEvent, count=2)
                await session.send_message("pay")
                await begun.wait()
    failed, cancelled = seen.one("execute_tool broken"), seen.one("execute_tool pay")
    assert failed.status.status_code is StatusCode.ERROR
    assert (failed.attributes or {})["error.type"] == "KeyError"
    assert (failed.attributes or {})["realtime.tool.outcome"] == "failed"
    assert (cancelled.attributes or {})["error.type"] == "closed"
    assert (cancelled.attributes or {})["realtime.tool.outcome"] == "cancelled"
    assert "Canary" not in "".join(span.to_json() for span in seen.spans)
    assert seen.total("gen_ai.execute_tool.duration", error__type="KeyError") >= 0


async def test_a_session_that_talks_is_not_instrumented_any_more() -> None:
    seen = Collected()
    async with wire("websocket") as transport:
        session = RealtimeSession(RealtimeAgent(name="A"), transport=transport)
        async with session.connect():
            with pytest.raises(LocalProtocolError, match="put this around connect"):
                seen.instrument(session)
        assert transport.observers == ()


async def test_without_providers_nothing_is_recorded() -> None:
    from realtime_transport.telemetry import instrument

    async with wire("websocket") as transport:
        with instrument(transport):
            async with transport.connect():
                await transport.send_message("Hello")
                async for event in transport:
                    if isinstance(event, TurnDoneEvent):
                        break


async def test_audio_that_is_sent_to_a_socket_is_counted() -> None:
    seen = Collected()
    async with wire("websocket") as transport:
        with seen.instrument(transport):
            async with transport.connect(initial_session_config={"audio": {"input": {"turn_detection": None}}}):
                for _ in range(4):
                    await transport.send_audio(bytes(12_000))
    assert seen.total("realtime.audio.duration", realtime__audio__direction="sent") == pytest.approx(1.0)
