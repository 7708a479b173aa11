"""Where sessions leave the JavaScript SDK: one test for each line of the list in docs/coming-from-javascript.md."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import anyio
import pytest

from realtime_transport import (
    GuardrailResult,
    GuardrailSettings,
    LocalProtocolError,
    NotConnectedError,
    OutputGuardrail,
    RealtimeAgent,
    RealtimeSession,
    ToolSettings,
    errors,
    function_tool,
    handoff,
)
from realtime_transport.events import AudioEvent, AudioTranscriptDeltaEvent, ErrorEvent
from realtime_transport.session_events import AudioInterruptedEvent, HistoryUpdatedEvent, ToolErrorEvent
from realtime_transport.testing.session import FakeTool, ScriptedTransport

pytestmark = pytest.mark.anyio

PAGE = (Path(__file__).parents[2] / "docs" / "coming-from-javascript.md").read_text()


def made(*tools: Any, handoffs: Any = (), **options: Any) -> tuple[RealtimeSession[Any], ScriptedTransport]:
    transport = ScriptedTransport()
    agent = RealtimeAgent[Any](name="A", tools=tools, handoffs=handoffs)
    return RealtimeSession(agent, transport=transport, **options), transport


def test_every_departure_is_listed_and_tested() -> None:
    listed = re.findall(r"^- \*\*(S\d)\*\*", PAGE, flags=re.MULTILINE)
    assert listed == [f"S{number}" for number in range(1, 8)]
    tests = {name for name in globals() if re.match(r"test_s\d_", name)}
    assert {name[5:7] for name in tests} == {name.lower() for name in listed}


async def test_s1_arguments_that_do_not_fit_are_answered() -> None:
    @function_tool
    async def get_weather(city: str) -> str:
        raise AssertionError("not run")

    session, transport = made(get_weather)
    with anyio.fail_after(10):
        async with session.connect(), session.subscribe(ErrorEvent) as events:
            transport.call("get_weather", "{}")
            (sent,) = await transport.wait_for("send_function_call_output")
            assert sent.values["output"] == "Invalid arguments for get_weather: city: required"
            assert sent.values["start_response"]
            assert isinstance((await events.receive()).error, errors.ModelBehaviorError)  # type: ignore[attr-defined]


async def test_s2_nothing_is_null_and_failures_are_told() -> None:
    @function_tool
    async def nothing() -> None: ...

    @function_tool
    async def fail() -> None:
        raise ValueError("why")

    session, transport = made(nothing, fail)
    with anyio.fail_after(10):
        async with session.connect(), session.subscribe(ToolErrorEvent) as events:
            transport.call("nothing")
            await transport.wait_for("send_function_call_output")
            transport.call("fail")
            event: Any = await events.receive()
            assert transport.outputs()[0] == "null"
            assert isinstance(event.error.__cause__, ValueError)


async def test_s3_histories_do_not_change_and_edits_are_checked_first() -> None:
    session, transport = made(FakeTool("t").tool)
    with anyio.fail_after(10):
        async with session.connect(), session.subscribe(HistoryUpdatedEvent) as events:
            transport.call("t")
            event: Any = await events.receive()
            assert isinstance(event.history, tuple)
            with pytest.raises(LocalProtocolError):
                await session.update_history([{"type": "message"}])
            assert transport.sent == []


async def test_s4_a_slow_guardrail_sees_the_newest_text() -> None:
    seen: list[int] = []
    go = anyio.Event()

    async def slow(ctx: Any, agent: Any, text: str) -> GuardrailResult:
        seen.append(len(text))
        await go.wait()
        return GuardrailResult(tripped=False)

    session, transport = made(
        output_guardrails=[OutputGuardrail(name="slow", run=slow)],
        guardrail_settings=GuardrailSettings(debounce_text_length=10),
    )
    with anyio.fail_after(10):
        async with session.connect():
            transport.begin("r1")
            for _ in range(4):
                transport.emit(AudioTranscriptDeltaEvent(delta="x" * 10, item_id="i", response_id="r1"))
            while not seen:
                await anyio.lowlevel.checkpoint()
            go.set()
            while len(seen) < 2:
                await anyio.lowlevel.checkpoint()
    assert seen == [10, 40]


async def test_s5_policies_are_neutral_unless_asked_for() -> None:
    settings = ToolSettings()
    assert (settings.default_timeout, settings.drain_timeout, settings.respond) == (None, 0.0, "each")
    fake = FakeTool("t")
    assert (fake.tool.when_interrupted, fake.tool.timeout, fake.tool.execution) == ("finish", None, "concurrent")
    session, transport = made(fake.tool)
    with anyio.fail_after(10):
        async with session.connect():
            transport.call("t")
            await fake.called()
            session.interrupt()
            fake.complete("went on")
            await transport.wait_for("send_function_call_output")
    assert transport.outputs() == ["went on"]


async def test_s6_a_handoff_that_fails_is_answered() -> None:
    def forbid(ctx: Any) -> None:
        raise PermissionError

    session, transport = made(handoffs=[handoff(RealtimeAgent(name="B"), on_handoff=forbid)])
    with anyio.fail_after(10):
        async with session.connect():
            transport.call("transfer_to_B")
            await transport.wait_for("send_function_call_output")
            assert session.current_agent.name == "A"
    assert transport.outputs() == ["An error occurred while running the tool. Please try again."]


async def test_s7_what_the_transports_promise_holds() -> None:
    session, transport = made()
    with anyio.fail_after(10):
        async with session.connect(), session.subscribe(AudioEvent, AudioInterruptedEvent) as events:
            transport.begin("r1")
            transport.emit(*[AudioEvent(data=bytes(2), response_id="r1", item_id="i") for _ in range(3)])
            session.interrupt()
            assert isinstance(await events.receive(), AudioInterruptedEvent)  # Audio that nobody heard is taken back.
            with pytest.raises(anyio.WouldBlock):
                events.receive_nowait()
    with pytest.raises(NotConnectedError):
        await session.send_message("late")
