"""The tasks of a session, on a transport that the test plays the server of."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.from_thread
import pytest
from anyio.lowlevel import checkpoint

from realtime_transport import (
    ConfigError,
    ConnectionLost,
    ConnectOptions,
    ConsumerTooSlow,
    GuardrailResult,
    GuardrailSettings,
    HostedMcpTool,
    LocalProtocolError,
    NotConnectedError,
    OutputGuardrail,
    RealtimeAgent,
    RealtimeSession,
    RunContext,
    ToolContext,
    ToolGuardrail,
    ToolSettings,
    UnsupportedOperation,
    background_result,
    errors,
    function_tool,
    handoff,
    tool_output,
)
from realtime_transport.connection.subscription import SubscriptionLimits
from realtime_transport.events import (
    AudioEvent,
    AudioTranscriptDeltaEvent,
    ErrorEvent,
    Event,
    ItemUpdateEvent,
    McpApprovalRequestEvent,
    TurnStartedEvent,
)
from realtime_transport.protocol.engine.realtime_items import RealtimeMcpCallApprovalRequestItem, RealtimeMessageItem
from realtime_transport.protocol.wire.items import InputTextPart
from realtime_transport.session_events import (
    AgentEndEvent,
    AgentHandoffEvent,
    AgentStartEvent,
    AgentToolEndEvent,
    AudioInterruptedEvent,
    GuardrailTrippedEvent,
    HistoryUpdatedEvent,
    ToolApprovalRequestedEvent,
    ToolCancelledEvent,
    ToolErrorEvent,
    TransportEvent,
)
from realtime_transport.testing.session import FakeTool, ScriptedTransport

pytestmark = pytest.mark.anyio

GENERIC = "An error occurred while running the tool. Please try again."


def session_of(*tools: Any, name: str = "Front", handoffs: Any = (), **options: Any) -> RealtimeSession[Any]:
    agent = RealtimeAgent(name=name, tools=tools, handoffs=handoffs)
    return RealtimeSession(agent, transport=ScriptedTransport(), **options)


def transport_of(session: RealtimeSession[Any]) -> ScriptedTransport:
    assert isinstance(session.transport, ScriptedTransport)
    return session.transport


@asynccontextmanager
async def connected(
    session: RealtimeSession[Any], *types: type[Event]
) -> AsyncIterator[tuple[RealtimeSession[Any], ScriptedTransport, Callable[[], Any]]]:
    """A connected session whose model has begun a response, its transport, and what gives the next event."""
    with anyio.fail_after(10):
        async with session.connect(), session.subscribe(*types) as events:
            transport = transport_of(session)
            transport.begin("r1")
            yield session, transport, events.receive


async def until(receive: Callable[[], Any], kind: Any) -> Any:
    while True:
        event = await receive()
        if isinstance(event, kind):
            return event


# What a tool may do


@function_tool
async def explode(how: str = "") -> str:
    """Raise."""
    raise ValueError("the secret of the station")


async def test_a_tool_that_raises_is_answered_without_its_text_and_told() -> None:
    async with connected(session_of(explode)) as (_session, transport, receive):
        transport.call("explode")
        event = await until(receive, ToolErrorEvent)
        assert isinstance(event.error.__cause__, ValueError)
        assert "secret" not in str(event.error)
        await transport.wait_for("send_function_call_output")
        assert transport.outputs() == [GENERIC]
        transport.finish()
        await until(receive, AgentEndEvent)


async def test_the_text_for_a_failure_can_be_made() -> None:
    made = [
        function_tool(name="told", failure=lambda ctx, error: f"{ctx.tool_name}: {error}")(explode_plainly),
        function_tool(name="raised", failure=None)(explode_plainly),
        function_tool(name="broken", failure=lambda ctx, error: 1 // 0)(explode_plainly),
    ]
    async with connected(session_of(*made), ErrorEvent) as (_session, transport, receive):
        transport.call("told")
        await transport.wait_for("send_function_call_output")
        transport.call("raised")
        await transport.wait_for("send_function_call_output", 2)
        transport.call("broken")
        await transport.wait_for("send_function_call_output", 3)
        assert transport.outputs() == ["told: no", GENERIC, GENERIC]
        assert isinstance((await receive()).error, errors.ToolError)
        assert isinstance((await receive()).error, errors.CallbackError)


async def explode_plainly() -> None:
    raise ValueError("no")


async def test_a_tool_that_hangs_is_timed_out() -> None:
    fake = FakeTool("slow", {"timeout": 0.02})
    other = FakeTool("other", {"timeout": 0.02, "on_timeout": "raise"})
    async with connected(session_of(fake.tool, other.tool), ToolErrorEvent) as (_session, transport, receive):
        transport.call("slow")
        transport.call("other")
        await transport.wait_for("send_function_call_output", 2)
        assert sorted(transport.outputs()) == [GENERIC, "Tool 'slow' timed out after 20ms."]
        assert {(await receive()).tool.name, (await receive()).tool.name} == {"slow", "other"}
        assert fake.cancelled


async def test_the_time_limit_of_the_session_holds_where_a_tool_has_none() -> None:
    fake = FakeTool("slow")
    session = session_of(fake.tool, tools=ToolSettings(default_timeout=0.02))
    async with connected(session) as (_, transport, _):
        transport.call("slow")
        await transport.wait_for("send_function_call_output")
        assert transport.outputs() == ["Tool 'slow' timed out after 20ms."]


async def test_a_tool_may_return_what_cannot_be_told() -> None:
    @function_tool
    async def picture() -> bytes:
        return b"\x89PNG"

    @function_tool
    async def endless() -> str:
        return "x" * 101

    session = session_of(picture, endless, tools=ToolSettings(max_output_chars=100))
    async with connected(session, ToolErrorEvent) as (session, transport, receive):
        transport.call("picture")
        transport.call("endless")
        await transport.wait_for("send_function_call_output", 2)
        assert sorted(transport.outputs()) == [GENERIC, "The result of endless has 101 characters, which is too long."]
        await receive()
        await receive()


async def test_nothing_becomes_null_and_a_background_result_asks_for_no_response() -> None:
    @function_tool
    async def nothing() -> None: ...

    @function_tool
    async def note() -> Any:
        return background_result({"a": 1})

    @function_tool
    async def show() -> Any:
        return tool_output("a cat", image="data:image/png;base64,AA==")

    async with connected(session_of(nothing, note, show)) as (_, transport, _):
        for name in ("nothing", "note", "show"):
            transport.call(name)
        await transport.wait_for("add_image")
        sent = await transport.wait_for("send_function_call_output", 3)
        given = {entry.values["output"]: entry.values["start_response"] for entry in sent}
        assert given == {"null": True, '{"a":1}': False, "a cat": False}
        (image,) = await transport.wait_for("add_image")
        assert image.values["trigger_response"]


async def test_a_plain_function_runs_in_a_thread() -> None:
    threads: list[int] = []

    def where(ctx: ToolContext[Any]) -> str:
        threads.append(threading.get_ident())
        return ctx.call_id

    async with connected(session_of(where, function_tool(name="here", thread=False)(where))) as (_, transport, _):
        transport.call("where")
        transport.call("here")
        await transport.wait_for("send_function_call_output", 2)
        assert len(set(threads)) == 2
        assert threading.get_ident() in threads


async def test_a_thread_that_ignores_cancellation_is_abandoned() -> None:
    begun, go, over = threading.Event(), threading.Event(), threading.Event()

    def stubborn() -> str:
        begun.set()
        go.wait(10)
        over.set()
        return "late"

    session = session_of(stubborn)
    async with connected(session) as (_, transport, _):
        transport.call("stubborn")
        assert await anyio.to_thread.run_sync(begun.wait, 10)
    assert transport.outputs() == []
    go.set()
    assert await anyio.to_thread.run_sync(over.wait, 10)


class Stop(BaseException):
    """Not an `Exception`."""


async def test_what_is_no_exception_leaves_as_it_is() -> None:
    async def stop() -> None:
        raise Stop

    with pytest.raises(Stop):
        async with connected(session_of(stop)) as (_session, transport, receive):
            transport.call("stop")
            await until(receive, ErrorEvent)
    assert transport.status == "disconnected"


async def test_a_thousand_calls_in_one_response_are_all_answered() -> None:
    active = most = 0

    @function_tool
    async def count(n: int) -> int:
        nonlocal active, most
        active += 1
        most = max(most, active)
        await checkpoint()
        active -= 1
        return n

    async with connected(session_of(count)) as (_, transport, _):
        for number in range(1000):
            transport.call("count", f'{{"n": {number}}}')
        await transport.wait_for("send_function_call_output", 1000)
        assert sorted(map(int, transport.outputs())) == list(range(1000))
        assert most <= 8


# Guardrails of tools


async def test_guardrails_of_a_tool_replace_what_goes_in_and_out() -> None:
    ran: list[str] = []

    async def invoke(text: str) -> str:
        ran.append(text)
        return f"secret {text}"

    def no_swearing(ctx: ToolContext[Any], text: str) -> str | None:
        return "That is not asked here." if "damn" in text else None

    async def no_secrets(ctx: ToolContext[Any], text: str) -> str | None:
        return text.replace("secret", "***")

    made = function_tool(
        input_guardrails=[ToolGuardrail(name="words", run=no_swearing)],
        output_guardrails=[ToolGuardrail(name="secrets", run=no_secrets)],
    )(invoke)
    async with connected(session_of(made)) as (_, transport, _):
        transport.call("invoke", '{"text": "damn"}')
        transport.call("invoke", '{"text": "hello"}')
        await transport.wait_for("send_function_call_output", 2)
        assert sorted(transport.outputs()) == ["*** hello", "That is not asked here."]
        assert ran == ["hello"]


async def test_a_guardrail_of_a_tool_that_raises_is_told_and_the_call_answered() -> None:
    guard = ToolGuardrail(name="odd", run=lambda ctx, text: str(1 // 0))
    made = [
        function_tool(name="first", input_guardrails=[guard])(_nothing),
        function_tool(name="second", output_guardrails=[guard])(_nothing),
    ]
    async with connected(session_of(*made), ErrorEvent) as (_session, transport, receive):
        transport.call("first")
        transport.call("second")
        await transport.wait_for("send_function_call_output", 2)
        assert transport.outputs() == [GENERIC, GENERIC]
        assert (await receive()).error.role == "guardrail"


async def _nothing() -> None: ...


# Approval


async def test_approving_waits_for_the_output_and_a_second_time_does_nothing() -> None:
    fake = FakeTool("pay", {"needs_approval": True})
    async with connected(session_of(fake.tool), ToolApprovalRequestedEvent) as (session, transport, receive):
        transport.call("pay")
        asked = (await receive()).approval
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(session.approve, asked)
            await fake.called()
            await session.approve(asked)
            assert transport.outputs() == []
            fake.complete("paid")
        assert transport.outputs() == ["paid"]


async def test_always_and_rejections() -> None:
    fake = FakeTool("pay", {"needs_approval": True})
    session = session_of(fake.tool, tool_error_formatter=lambda ctx, default: f"{ctx.tool_name}? {default}")
    async with connected(session, ToolApprovalRequestedEvent) as (_, transport, receive):
        transport.call("pay")
        await session.reject((await receive()).approval)
        transport.call("pay")
        await session.reject((await receive()).approval, message="Not now.", always=True)
        transport.call("pay")
        await transport.wait_for("send_function_call_output", 3)
        assert transport.outputs() == ["pay? Tool execution was not approved.", "Not now.", "Not now."]


async def test_a_formatter_that_raises_is_told_and_the_call_answered() -> None:
    fake = FakeTool("pay", {"needs_approval": True})
    session = session_of(fake.tool, tool_error_formatter=lambda ctx, default: 1 // 0)
    async with connected(session, ToolApprovalRequestedEvent, ErrorEvent) as (_, transport, receive):
        transport.call("pay")
        await session.reject((await receive()).approval)
        assert transport.outputs() == ["Tool execution was not approved."]
        assert (await receive()).error.role == "formatter"


async def test_a_policy_decides_by_the_arguments() -> None:
    async def expensive(ctx: ToolContext[Any], arguments: Any, call_id: str) -> bool:
        return arguments["euros"] > 10

    fake = FakeTool("pay", {"needs_approval": expensive})
    async with connected(session_of(fake.tool), ToolApprovalRequestedEvent, ErrorEvent) as (_, transport, receive):
        transport.call("pay", '{"euros": 5}')
        await fake.called()
        transport.call("pay", '{"euros": 50}')
        assert (await receive()).approval.arguments == '{"euros": 50}'
        transport.call("pay", '{"dollars": 50}')
        assert (await receive()).error.role == "approval"
        await transport.wait_for("send_function_call_output")
        assert transport.outputs() == [GENERIC]


async def test_input_guardrails_may_answer_before_approval_is_asked_for() -> None:
    guard = ToolGuardrail(name="no", run=lambda ctx, text: "No.")
    fake = FakeTool("pay", {"needs_approval": True, "input_guardrails": [guard]})
    session = session_of(fake.tool, tools=ToolSettings(pre_approval_input_guardrails=True))
    async with connected(session) as (_, transport, _):
        transport.call("pay")
        await transport.wait_for("send_function_call_output")
        assert transport.outputs() == ["No."]


async def test_a_decision_that_comes_too_late_is_refused() -> None:
    fake = FakeTool("pay", {"needs_approval": True})
    session = session_of(fake.tool)
    with pytest.raises(LocalProtocolError):
        await session.approve("call_1")
    async with connected(session, ToolApprovalRequestedEvent) as (_, transport, receive):
        transport.call("pay")
        asked = (await receive()).approval
    for decide in (session.approve, session.reject):
        with pytest.raises(LocalProtocolError):
            await decide(asked)


async def test_waiting_for_a_decision_ends_with_the_connection() -> None:
    fake = FakeTool("pay", {"needs_approval": True})
    session = session_of(fake.tool)
    async with connected(session, ToolApprovalRequestedEvent) as (_, transport, receive):
        transport.call("pay")
        decision = session.approve_nowait((await receive()).approval)
        await fake.called()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(session.aclose)
            await decision
        assert fake.cancelled == ["call_1"]
        assert transport.outputs() == []


async def test_an_mcp_server_may_decide_by_itself() -> None:
    decided: list[Any] = []

    async def allow(ctx: RunContext[Any], request: Any) -> bool:
        decided.append(request.name)
        return True

    server = HostedMcpTool(server_label="docs", server_url="https://mcp.example", on_approval=allow)
    broken = HostedMcpTool(server_label="odd", server_url="https://mcp.example", on_approval=lambda ctx, r: 1 // 0)
    session = session_of(server, broken)
    async with connected(session, ToolApprovalRequestedEvent, ErrorEvent) as (_, transport, receive):
        item = RealtimeMcpCallApprovalRequestItem(item_id="q1", server_label="docs", name="search")
        transport.emit(McpApprovalRequestEvent(item=item))
        (sent,) = await transport.wait_for("send_mcp_response")
        assert (sent.values["approved"], decided) == (True, ["search"])
        item = RealtimeMcpCallApprovalRequestItem(item_id="q2", server_label="odd", name="search")
        transport.emit(McpApprovalRequestEvent(item=item))
        assert (await receive()).error.role == "approval"
        await session.approve((await receive()).approval)
        await session.approve("q2")
        assert len(await transport.wait_for("send_mcp_response", 2)) == 2


# Handoffs


async def test_a_handoff_prepares_the_agent_and_tells_its_input() -> None:
    given: list[Any] = []

    async def instructions(ctx: RunContext[str], agent: RealtimeAgent[str]) -> str:
        return f"{agent.name} for {ctx.context}"

    def note(ctx: RunContext[str], reason: Any) -> None:
        given.append(reason["why"])

    billing: RealtimeAgent[str] = RealtimeAgent(
        name="Billing", instructions=instructions, tools=[function_tool(enabled=lambda ctx, agent: False)(_nothing)]
    )
    front: RealtimeAgent[str] = RealtimeAgent(
        name="Front", handoffs=[handoff(billing, on_handoff=note, input_type=dict[str, str])]
    )
    session = RealtimeSession(front, transport=ScriptedTransport(), context="Ada")
    async with connected(session, AgentHandoffEvent) as (_, transport, receive):
        transport.call("transfer_to_Billing", '{"why": "money"}')
        event = await receive()
        assert (event.from_agent, event.to_agent) == (front, billing)
        assert transport.config["instructions"] == "Billing for Ada"
        assert transport.config["tools"] == []
        await transport.wait_for("send_function_call_output")
        assert given == ["money"]
        assert [entry.method for entry in transport.sent] == ["update_session_config", "send_function_call_output"]
        assert session.current_agent is billing


async def test_a_handoff_that_cannot_happen_is_answered_and_the_conversation_goes_on() -> None:
    def forbid(ctx: RunContext[Any]) -> None:
        raise PermissionError("no")

    async def broken(ctx: Any, agent: Any) -> str:
        raise ValueError("no")

    agents = [
        handoff(RealtimeAgent(name="Closed"), on_handoff=forbid),
        RealtimeAgent(name="Broken", instructions=broken),
        RealtimeAgent(name="Twice", tools=[_nothing, _nothing]),
    ]
    session = session_of(handoffs=agents)
    async with connected(session, ErrorEvent) as (_, transport, receive):
        for name in ("Closed", "Broken", "Twice"):
            transport.call(f"transfer_to_{name}")
            assert (await receive()).error.role == "handoff"
        await transport.wait_for("send_function_call_output", 3)
        assert transport.outputs() == [GENERIC] * 3
        assert session.current_agent.name == "Front"


async def test_the_application_hands_over_and_learns_why_not() -> None:
    session = session_of()
    other = RealtimeAgent[Any](name="Other", tools=[_nothing])
    with pytest.raises(NotConnectedError):
        await session.update_agent(other)
    async with connected(session, AgentHandoffEvent) as (_, transport, receive):
        assert await session.update_agent(other) is other
        assert (await receive()).to_agent is other
        with pytest.raises(ConfigError, match="Duplicate Realtime tool name found: '_nothing'"):
            await session.update_agent(RealtimeAgent(name="Twice", tools=[_nothing, _nothing]))
        transport.refuses = ConfigError("not that", key="x")
        with pytest.raises(ConfigError, match="not that"):
            await session.update_agent(RealtimeAgent(name="Third"))
        assert session.current_agent is other


async def test_what_an_agent_raises_leaves_connect_before_anything_is_opened() -> None:
    async def broken(ctx: Any, agent: Any) -> str:
        raise ValueError("no instructions")

    session = RealtimeSession(RealtimeAgent(name="A", instructions=broken), transport=ScriptedTransport())
    with pytest.raises(ValueError, match="no instructions"):
        async with session.connect():
            raise AssertionError("entered")
    assert transport_of(session).config is None
    wrong = RealtimeAgent[Any](name="A", instructions=lambda ctx, agent: 3)  # type: ignore[arg-type, return-value]
    with pytest.raises(ConfigError, match="not text"):
        async with RealtimeSession(wrong, transport=ScriptedTransport()).connect():
            raise AssertionError("entered")


# Guardrails


def says(transport: ScriptedTransport, text: str) -> None:
    transport.emit(AudioTranscriptDeltaEvent(delta=text, item_id="m1", response_id="r1"))


async def test_a_guardrail_stops_the_model_once() -> None:
    async def no_secrets(ctx: RunContext[Any], agent: RealtimeAgent[Any], text: str) -> GuardrailResult:
        return GuardrailResult("secret" in text, {"matched": True})

    session = session_of(
        output_guardrails=[OutputGuardrail(name="no_secrets", run=no_secrets)],
        guardrail_settings=GuardrailSettings(debounce_text_length=10),
    )
    async with connected(session, GuardrailTrippedEvent, AudioInterruptedEvent) as (_, transport, receive):
        transport.emit(AudioEvent(data=bytes(2), response_id="r1", item_id="m1"))
        says(transport, "all is well")
        says(transport, "the secret is out")
        event = await receive()
        assert (event.error.guardrail, event.error.policy_hint, event.item_id) == ("no_secrets", "no_secrets", "m1")
        await receive()
        (sent,) = await transport.wait_for("send_message")
        assert "Failed Guardrail Reason: no_secrets." in sent.values["message"]
        says(transport, "secret secret secret")
        transport.finish()
        await checkpoint()
    assert transport.interruptions == 1


async def test_guardrails_that_raise_or_hang_are_told_and_stop_nothing() -> None:
    async def hang(ctx: Any, agent: Any, text: str) -> GuardrailResult:
        await anyio.sleep_forever()
        raise AssertionError

    def broken(ctx: Any, agent: Any, text: str) -> GuardrailResult:
        raise ValueError("no")

    def fine(ctx: Any, agent: Any, text: str) -> GuardrailResult:
        return GuardrailResult(tripped=False)

    guards = [OutputGuardrail(name=run.__name__, run=run) for run in (hang, broken, fine)]
    session = session_of(output_guardrails=guards, guardrail_settings=GuardrailSettings(timeout=0.02))
    async with connected(session, ErrorEvent) as (_, transport, receive):
        transport.finish()
        assert {(await receive()).error.name, (await receive()).error.name} == {"hang", "broken"}
        assert transport.sent == []


# Interruptions


async def test_a_tool_is_cancelled_or_told_when_the_user_interrupts() -> None:
    cancel = FakeTool("cancel", {"when_interrupted": "cancel"})
    signal = FakeTool("signal", {"when_interrupted": "signal"})
    finish = FakeTool("finish")
    async with connected(session_of(cancel.tool, signal.tool, finish.tool), ToolCancelledEvent) as (
        session,
        transport,
        receive,
    ):
        for name in ("cancel", "signal", "finish"):
            transport.call(name)
        told = await signal.called()
        await cancel.called()
        await finish.called()
        session.interrupt()
        assert (await receive()).reason == "interrupted"
        await told.interrupted.wait()
        signal.complete("stopped early")
        finish.complete("done")
        await transport.wait_for("send_function_call_output", 3)
        text = "Tool call was cancelled because the user interrupted."
        assert sorted(transport.outputs()) == sorted([text, "stopped early", "done"])
        assert cancel.cancelled == ["call_1"]


async def test_the_application_cancels_a_tool() -> None:
    fake = FakeTool("slow")
    async with connected(session_of(fake.tool)) as (session, transport, _):
        assert not session.cancel_tool("call_1")
        transport.call("slow")
        await fake.called()
        assert session.cancel_tool("call_1")
        await transport.wait_for("send_function_call_output")
        assert transport.outputs() == ["Tool call was cancelled."]


# Life


async def test_leaving_gives_tools_the_time_that_was_granted() -> None:
    fake = FakeTool("slow")
    session = session_of(fake.tool, tools=ToolSettings(drain_timeout=5))
    async with anyio.create_task_group() as tasks:
        async with connected(session) as (_, transport, _):
            transport.call("slow")
            await fake.called()

            async def finish() -> None:
                fake.complete("in time")

            tasks.start_soon(finish)
    assert transport.outputs() == ["in time"]


@pytest.mark.parametrize("how", ["leave", "raise", "cancel", "lose", "aclose", "close_nowait"])
async def test_a_tool_that_runs_at_the_end_is_cancelled_and_sends_nothing(how: str) -> None:
    fake = FakeTool("slow")
    session = session_of(fake.tool)
    caught: list[BaseException] = []
    with anyio.CancelScope() as scope:
        try:
            async with connected(session, ToolCancelledEvent, AgentToolEndEvent) as (_, transport, receive):
                transport.call("slow")
                await fake.called()
                match how:
                    case "raise":
                        raise KeyError("mine")
                    case "cancel":
                        scope.cancel()
                        await checkpoint()
                    case "lose":
                        transport.lose()
                        assert (await receive()).reason == "closed"
                    case "aclose":
                        await session.aclose()
                    case "close_nowait":
                        session.close_nowait()
                    case _:
                        pass
        except Exception as exc:  # noqa: BLE001 - looked at below
            caught.append(exc)
    assert [type(exc) for exc in caught] == {"raise": [KeyError], "lose": [ConnectionLost]}.get(how, [])
    assert fake.cancelled == ["call_1"]
    assert transport_of(session).outputs() == []
    assert session.status == "disconnected"


async def test_a_lost_connection_does_not_cancel_the_block() -> None:
    session = session_of()
    with pytest.raises(ConnectionLost):
        async with connected(session) as (_, transport, receive):
            transport.lose()
            with pytest.raises(ConnectionLost):
                while True:
                    await receive()
            with pytest.raises(ConnectionLost):
                await session.send_message("late")
            raise ConnectionLost("the body's own", code=None, reason="")


async def test_a_loss_that_nobody_saw_leaves_the_block() -> None:
    with pytest.raises(ConnectionLost):
        async with session_of().connect() as session:
            transport_of(session).lose()


async def test_connecting_again_starts_over() -> None:
    session = session_of()
    async with connected(session):
        await session.update_agent(RealtimeAgent(name="Other"))
        item = RealtimeMessageItem(item_id="u1", role="user", content=(InputTextPart(text="Hi"),))
        transport_of(session).emit(ItemUpdateEvent(item=item))
        await checkpoint()
        with pytest.raises(LocalProtocolError):
            async with session.connect():
                raise AssertionError("entered")
    assert [entry.item_id for entry in session.history] == ["u1"]
    async with connected(session):
        assert session.history == ()
        assert session.current_agent is session.initial_agent
    with pytest.raises(NotConnectedError):
        await session.send_message("late")


async def test_run_is_the_primitive() -> None:
    session = session_of()
    with pytest.raises(ConfigError, match="initial_session_config"):
        await session.run(ConnectOptions(initial_session_config={}))
    async with anyio.create_task_group() as tasks:
        await tasks.start(session.run)
        assert session.status == "connected"
        await session.aclose()
    assert session.status == "disconnected"


async def test_a_consumer_that_is_too_slow_ends_the_connection() -> None:
    session = session_of(limits=SubscriptionLimits(max_events=5))
    with pytest.raises(ConsumerTooSlow):
        async with connected(session) as (_, transport, receive):
            await receive()
            for number in range(10):
                transport.emit(TurnStartedEvent(response_id=f"r{number}"))
            while True:
                await checkpoint()
                with anyio.move_on_after(0):
                    await receive()
                if session.status == "disconnected":
                    while True:
                        await receive()


async def test_cancelling_at_any_checkpoint_leaves_nothing_behind(anyio_backend: str) -> None:
    threads, tasks_before = threading.active_count(), len(anyio.get_running_tasks())
    for number in range(60):
        fake = FakeTool("slow")
        session = session_of(fake.tool, output_guardrails=[OutputGuardrail(name="g", run=_hang)])
        over = False
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as tasks:

                async def cancel_later(left: int = number, target: anyio.CancelScope = scope) -> None:
                    for _ in range(left):
                        await checkpoint()
                    target.cancel()

                tasks.start_soon(cancel_later)
                async with session.connect():
                    transport = transport_of(session)
                    transport.begin("r1")
                    transport.call("slow")
                    transport.finish()
                    await session.send_message("x")
                    await fake.called()
                    fake.complete("x")
                    await transport.wait_for("send_function_call_output")
                    for _ in range(5):
                        await checkpoint()
                over = True
                tasks.cancel_scope.cancel()
        assert session.status == "disconnected"
        assert len(anyio.get_running_tasks()) == tasks_before
        assert threading.active_count() <= threads  # One of an earlier test may have ended.
        if over:
            return
    raise AssertionError("it never came to its end")


async def _hang(ctx: Any, agent: Any, text: str) -> GuardrailResult:
    await anyio.sleep_forever()
    raise AssertionError


# Streams


async def test_the_default_stream_holds_what_the_session_tells() -> None:
    session = session_of()
    with pytest.raises(NotConnectedError):
        aiter(session)
    async with session.connect():
        transport = transport_of(session)
        transport.begin("r1")
        transport.emit(AudioEvent(data=bytes(2), response_id="r1", item_id="m1"))
        transport.finish()
        names: list[str] = []
        async for event in session:
            names.append(type(event).__name__)
            if isinstance(event, AgentEndEvent):
                break
    expected = ["HistoryUpdatedEvent", "AgentStartEvent", "AudioStartEvent", "AudioEvent", "AgentEndEvent"]
    assert names == expected


async def test_events_of_the_transport_come_to_those_who_ask() -> None:
    async with connected(session_of(), TurnStartedEvent, TransportEvent) as (_, _, receive):
        first, second = await until(receive, TransportEvent), await receive()
        while not isinstance(second, TurnStartedEvent):
            first, second = second, await receive()
        assert first.event is second


async def test_a_stream_may_be_of_one_agent() -> None:
    billing = RealtimeAgent[Any](name="Billing")
    session = session_of(handoffs=[billing])
    async with connected(session, AgentStartEvent) as (_, transport, receive):
        async with session.subscribe(AgentStartEvent, AudioInterruptedEvent, agent=billing) as of_billing:
            await receive()
            await session.update_agent(billing)
            transport.begin("r2")
            session.interrupt()
            assert (await of_billing.receive()).agent is billing  # type: ignore[attr-defined]


async def test_history_is_changed_by_a_function_of_it() -> None:
    async with connected(session_of(), HistoryUpdatedEvent) as (session, transport, receive):
        item = RealtimeMessageItem(item_id="u1", role="user", content=(InputTextPart(text="Hi"),))
        transport.emit(ItemUpdateEvent(item=item))
        while not (await receive()).history:
            pass
        await session.update_history(lambda history: history[:-1])
        new = {"itemId": "u1", "type": "message", "role": "user", "content": [{"type": "input_text", "text": "HI"}]}
        await session.update_history([new])
        first, second = await transport.wait_for("reset_history", 2)
        assert first.values == {"old_history": (item,), "new_history": []}
        assert second.values["new_history"][0].content[0].text == "HI"
        with pytest.raises(LocalProtocolError):
            await session.update_history([{"type": "message"}])
        assert session.history == (item,)


async def test_the_other_calls_go_to_the_transport() -> None:
    async with connected(session_of()) as (session, transport, _):
        await session.send_message("Hi", trigger_response=False)
        await session.send_audio(b"ab", commit=True)
        await session.add_image("data:image/png;base64,AA==")
        await session.request_response()
        assert [entry.method for entry in transport.sent] == [
            "send_message",
            "send_audio",
            "add_image",
            "request_response",
        ]
        assert session.muted is None
        with pytest.raises(UnsupportedOperation):
            session.mute(True)
        with pytest.raises(UnsupportedOperation):
            session.statistics()


async def test_an_output_that_the_transport_refuses_is_told() -> None:
    async with connected(session_of(_nothing), ErrorEvent) as (_, transport, receive):
        transport.refuses = LocalProtocolError("not now")
        transport.call("_nothing")
        assert str((await receive()).error) == "not now"


# Configuration


async def test_the_configuration_for_accepting_a_call() -> None:
    agent = RealtimeAgent[Any](name="A", instructions="Answer.", tools=[_nothing], voice="marin")
    session = RealtimeSession(agent, model="gpt-realtime-mini", config={"audio": {"output": {"speed": 1.1}}})
    payload = await session.get_initial_config({"toolChoice": "required"})
    assert payload["model"] == "gpt-realtime-mini"
    assert payload["audio"]["output"]["voice"] == "marin"
    assert payload["audio"]["output"]["speed"] == 1.1
    assert payload["tool_choice"] == "required"
    assert payload["instructions"] == "Answer."
    assert [entry["name"] for entry in payload["tools"]] == ["_nothing"]
    plain = await RealtimeSession.compute_initial_config(agent, model="m")
    assert (plain["model"], plain["audio"]["output"]["speed"]) == ("m", 1)
    assert "tool_choice" not in plain


@pytest.mark.parametrize(
    ("config", "overrides", "expected"),
    [
        (None, None, "agent"),
        ({"voice": "top"}, None, "top"),
        ({"voice": "top", "audio": {"output": {"voice": "nested"}}}, None, "nested"),
        ({"audio": {"output": {"voice": "nested"}}}, {"voice": "override"}, "nested"),
        ({"audio": {"output": {"voice": "nested"}}}, {"audio": {"output": {"voice": "override"}}}, "override"),
    ],
)
async def test_the_voice_that_wins(config: Any, overrides: Any, expected: str) -> None:
    session = RealtimeSession(RealtimeAgent[Any](name="A", voice="agent"), config=config)
    payload = await session.get_initial_config(overrides)
    assert payload["audio"]["output"]["voice"] == expected


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"group_id": "g"}, "group_id"),
        ({"trace_metadata": {}}, "trace_metadata"),
        ({"config": {"instructions": "x"}}, "instructions"),
        ({"config": {"tools": []}}, "tools"),
        ({"config": {"audio": {"output": {"speed": "x"}}}}, "audio.output.speed"),
        ({"transport": "carrier pigeon"}, "transport"),
    ],
)
def test_mistakes_in_a_session(options: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        RealtimeSession(RealtimeAgent[Any](name="A"), **options)
    assert caught.value.key == key


@pytest.mark.parametrize(
    "options", [{"max_concurrent": 0}, {"default_timeout": 0}, {"drain_timeout": -1}, {"respond": "never"}]
)
def test_mistakes_in_the_settings_of_tools(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        ToolSettings(**options)
    assert caught.value.key == next(iter(options))


def test_what_is_no_agent_is_refused() -> None:
    with pytest.raises(ConfigError):
        RealtimeSession("A")  # type: ignore[arg-type]
