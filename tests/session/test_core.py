"""The rules of a session, without a loop: what comes in, what is told, what is to be done."""

from __future__ import annotations

import random
from typing import Any

import pytest

from realtime_transport import (
    HostedMcpTool,
    LocalProtocolError,
    RealtimeAgent,
    ToolSettings,
    errors,
    function_tool,
    handoff,
)
from realtime_transport.events import (
    ErrorEvent,
    McpApprovalRequestEvent,
    McpToolCallCompletedEvent,
    McpToolsListedEvent,
    Usage,
    UsageUpdateEvent,
)
from realtime_transport.protocol.engine.realtime_items import RealtimeMcpCallApprovalRequestItem, RealtimeMcpCallItem
from realtime_transport.protocol.wire.items import FunctionCallItem
from realtime_transport.server_events import (
    ConversationItemAdded,
    InputAudioBufferSpeechStarted,
    ResponseOutputItemDone,
)
from realtime_transport.session.core import actions as do
from realtime_transport.session.core.approval import Verdict
from realtime_transport.session.core.guarding import Trip
from realtime_transport.session.core.ledger import MAX_OPEN_CALLS
from realtime_transport.session_events import (
    AgentEndEvent,
    AgentHandoffEvent,
    AgentStartEvent,
    AgentToolEndEvent,
    AgentToolStartEvent,
    AudioInterruptedEvent,
    GuardrailTrippedEvent,
    HistoryUpdatedEvent,
    McpToolsChangedEvent,
    ToolApprovalRequestedEvent,
    ToolCancelledEvent,
)

from .wire import (
    Driver,
    audio,
    audio_done,
    call_item,
    done,
    function_call,
    interrupted,
    prepared,
    spoken,
    started,
    tool,
    written,
)

GENERIC = "An error occurred while running the tool. Please try again."


def agent(*tools: Any, name: str = "Front", **options: Any) -> RealtimeAgent[Any]:
    return RealtimeAgent(name=name, tools=tools, **options)


def running(driver: Driver, text: str = "ok", **outcome: Any) -> list[str]:
    """Let all tools that are to run finish; their calls."""
    actions = driver.of_type(do.RunTool)
    for action in actions:
        driver.core.tool_finished(action.call, do.ToolOutcome(text=text, **outcome))
    driver.take()
    return [action.call.key for action in actions]


def error_texts(driver: Driver) -> list[str]:
    return [str(event.error) for event in driver.told(ErrorEvent)]


# Turns


def test_audio_starts_once_per_turn_and_the_end_names_the_text() -> None:
    driver = Driver.of(agent()).receive(
        started("r1"), audio("r1"), audio("r1"), audio_done("r1"), done("r1", "Bye"), started("r2"), audio("r2")
    )
    assert driver.names() == ["AgentStart", "AudioStart", "AudioStopped", "AgentEnd", "AgentStart", "AudioStart"]
    assert driver.told(AgentEndEvent)[0].output == "Bye"


def test_written_text_is_the_end_too_and_nothing_is_empty() -> None:
    driver = Driver.of(agent()).receive(done("r1", "Hello", spoken=False), done("r2"))
    assert [event.output for event in driver.told(AgentEndEvent)] == ["Hello", ""]


def test_an_interruption_keeps_what_it_withdraws() -> None:
    driver = Driver.of(agent()).receive(started("r1"), audio("r1"), interrupted("r1"))
    (event,) = driver.told(AudioInterruptedEvent)
    assert event.withdraws == {"r1"}
    assert event.agent.name == "Front"
    assert len([e for e in driver.events if type(e).__name__ == "AudioInterruptedEvent"]) == 1


def test_usage_adds_up() -> None:
    driver = Driver.of(agent())
    usage = Usage(input_tokens=4, output_tokens=6, total_tokens=10, input_tokens_details={"text": 1, "more": {"a": 1}})
    driver.receive(UsageUpdateEvent(usage=usage), UsageUpdateEvent(usage=usage))
    total = driver.core.context().usage
    assert (total.requests, total.total_tokens) == (2, 20)
    assert total.input_tokens_details == {"text": 2, "more": {"a": 2}}


# Tools


def test_a_call_runs_once_and_its_output_comes_in_order() -> None:
    driver = Driver.of(agent(tool())).receive(started("r1"), call_item(1), function_call(1))
    assert running(driver) == ["c1"]
    assert driver.told(AgentToolEndEvent) == []
    assert driver.outputs() == [("c1", "ok", True)]
    assert driver.actions == []
    driver.receive(done("r1"))
    assert driver.names() == ["AgentStart", "HistoryAdded", "HistoryUpdated", "AgentToolStart", "AgentEnd"]


def test_history_comes_before_the_end_of_the_tool_and_the_echo_is_swallowed() -> None:
    driver = Driver.of(agent(tool())).receive(started("r1"), call_item(1), function_call(1))
    running(driver)
    driver.send_all()
    driver.receive(call_item(1, output="ok"))
    assert driver.names()[-3:] == ["AgentToolStart", "HistoryUpdated", "AgentToolEnd"]
    assert driver.core.history[0].output == "ok"
    assert driver.told(AgentToolEndEvent)[0].result == "ok"


def test_an_echo_that_comes_first_is_told_once() -> None:
    driver = Driver.of(agent(tool())).receive(started("r1"), call_item(1), function_call(1))
    running(driver)
    driver.receive(call_item(1, output="ok")).send_all()
    assert driver.names()[-3:] == ["AgentToolStart", "HistoryUpdated", "AgentToolEnd"]


def test_a_background_result_asks_for_no_response() -> None:
    driver = Driver.of(agent(tool())).receive(started("r1"), function_call(1))
    running(driver, "noted", respond=False)
    assert driver.outputs() == [("c1", "noted", False)]


@pytest.mark.parametrize("asks", [False, True])
def test_an_unknown_tool_is_answered_and_reported(asks: bool) -> None:
    driver = Driver.of(agent(tool()), tools=ToolSettings(respond_to_unknown=asks))
    driver.receive(started("r1"), function_call(1, "no_such_tool"))
    (action,) = driver.of_type(do.SendOutput)
    assert (action.call.output, action.call.respond) == ("Tool no_such_tool not found", asks)
    assert error_texts(driver) == []
    driver.core.output_sent(action.call)
    assert error_texts(driver.take()) == ["Tool no_such_tool not found"]
    assert isinstance(driver.told(ErrorEvent)[0].error, errors.ModelBehaviorError)


@pytest.mark.parametrize(
    ("arguments", "problem"), [("{broken", "not JSON"), ('{"town": 1}', "town: unknown"), ("{}", "city: required")]
)
def test_bad_arguments_are_answered_and_nothing_runs(arguments: str, problem: str) -> None:
    @function_tool
    async def get_weather(city: str) -> str:
        return city

    driver = Driver.of(agent(get_weather)).receive(started("r1"), function_call(1, arguments=arguments))
    assert driver.of_type(do.RunTool) == []
    ((_, output, respond),) = driver.outputs()
    assert output.startswith("Invalid arguments for get_weather: ")
    assert problem in output
    assert respond


def test_a_call_without_a_response_is_answered_and_not_run() -> None:
    driver = Driver.of(agent(tool())).receive(function_call(1, response=""))
    assert driver.of_type(do.RunTool) == []
    driver.send_all()
    assert driver.core.history[0].output == GENERIC
    assert "names no response" in error_texts(driver)[0]


def test_a_call_of_a_response_that_nobody_saw_begin_uses_the_active_agent() -> None:
    driver = Driver.of(agent(tool())).receive(function_call(1, response="r9"))
    assert [action.call.agent.name for action in driver.of_type(do.RunTool)] == ["Front"]


# Repeats


def item_done(number: int, name: str = "get_weather", arguments: str = "{}") -> ResponseOutputItemDone:
    item = FunctionCallItem(id=f"f{number}", call_id=f"c{number}", name=name, arguments=arguments, status="completed")
    return ResponseOutputItemDone(response_id="r1", item=item)


def test_a_repeated_call_gets_its_answer_again_and_does_not_run_again() -> None:
    driver = Driver.of(agent(tool())).receive(started("r1"), item_done(1), call_item(1), function_call(1))
    assert running(driver) == ["c1"]
    driver.send_all()
    before = driver.names()
    driver.receive(item_done(1), call_item(1))
    (again,) = driver.of_type(do.SendOutput)
    assert again.repeated
    assert again.call.output == "ok"
    driver.core.output_sent(again.call)
    assert driver.take().names() == before
    assert driver.core.history[0].output == "ok"


def test_a_call_that_is_repeated_while_it_runs_does_nothing() -> None:
    driver = Driver.of(agent(tool())).receive(started("r1"), function_call(1), item_done(1), function_call(1))
    assert running(driver) == ["c1"]
    assert len(driver.outputs()) == 1


def test_an_id_that_is_used_for_another_call_is_reported() -> None:
    driver = Driver.of(agent(tool())).receive(started("r1"), function_call(1))
    driver.receive(function_call(1, arguments='{"other": 1}'))
    assert "used again" in error_texts(driver)[0]
    assert running(driver) == ["c1"]


# Many at once


def test_no_more_than_the_limit_run_at_once_and_the_others_follow() -> None:
    driver = Driver.of(agent(tool()), tools=ToolSettings(max_concurrent=2)).receive(started("r1"))
    driver.receive(*(function_call(number) for number in range(5)))
    assert running(driver) == ["c0", "c1"]
    assert running(driver) == ["c2", "c3"]
    assert running(driver) == ["c4"]


def test_an_exclusive_tool_runs_alone() -> None:
    driver = Driver.of(agent(tool("a"), tool("alone", execution="exclusive"))).receive(started("r1"))
    driver.receive(function_call(1, "a"), function_call(2, "alone"), function_call(3, "a"))
    assert running(driver) == ["c1"]
    assert running(driver) == ["c2"]
    assert running(driver) == ["c3"]


def test_beyond_the_bound_calls_are_answered_with_an_error() -> None:
    driver = Driver.of(agent(tool())).receive(started("r1"))
    driver.receive(*(function_call(number) for number in range(MAX_OPEN_CALLS + 1)))
    ((key, output, _),) = driver.outputs()
    assert key == f"c{MAX_OPEN_CALLS}"
    assert output.startswith("Too many tool calls")


def test_one_response_for_all_calls_of_a_response_if_wanted() -> None:
    driver = Driver.of(agent(tool()), tools=ToolSettings(respond="all_done")).receive(started("r1"))
    driver.receive(function_call(1))
    running(driver)
    assert driver.outputs() == [("c1", "ok", False)]  # More calls may come.
    driver.receive(function_call(2), done("r1"))
    assert driver.of_type(do.RequestResponse) == []
    running(driver, respond=False)
    assert driver.outputs() == [("c2", "ok", True)]
    driver.receive(started("r2"), function_call(3, response="r2"))
    running(driver)
    driver.receive(done("r2"))
    assert len(driver.of_type(do.RequestResponse)) == 1


# Approval


def asking(**options: Any) -> Driver:
    driver = Driver.of(agent(tool(needs_approval=True)), **options)
    return driver.receive(started("r1"), function_call(1), function_call(2))


def test_an_approved_call_runs_once() -> None:
    driver = asking()
    first, _ = driver.told(ToolApprovalRequestedEvent)
    assert driver.told(AgentToolStartEvent) == []
    assert driver.core.decide(first.approval, Verdict(approved=True)) == "c1"
    assert driver.core.decide("c1", Verdict(approved=True)) is None
    assert running(driver.take()) == ["c1"]


def test_a_rejected_call_is_told_and_answered() -> None:
    driver = asking()
    first, second = driver.told(ToolApprovalRequestedEvent)
    driver.core.decide(first.approval, Verdict(approved=False))
    driver.core.decide(second.approval, Verdict(approved=False, message="The user said no."))
    driver.take()
    assert [output for _, output, _ in driver.outputs()] == ["Tool execution was not approved.", "The user said no."]
    assert len(driver.told(AgentToolStartEvent)) == 2


def test_always_holds_for_later_calls_and_other_connections() -> None:
    driver = asking()
    first, second = driver.told(ToolApprovalRequestedEvent)
    driver.core.decide(first.approval, Verdict(approved=True), always=True)
    driver.receive(function_call(3))
    assert running(driver) == ["c1", "c3"]
    driver.core.decide(second.approval, Verdict(approved=False, message="no"), always=True)
    driver.receive(function_call(4))
    assert ("c4", "no", True) in driver.outputs()


def test_an_approval_of_another_session_or_a_closed_connection_is_refused() -> None:
    driver, other = asking(), asking()
    approval = driver.told(ToolApprovalRequestedEvent)[0].approval
    with pytest.raises(LocalProtocolError):
        other.core.decide(approval, Verdict(approved=True))
    with pytest.raises(LocalProtocolError):
        driver.core.decide("c9", Verdict(approved=True))
    driver.core.close()
    with pytest.raises(LocalProtocolError):
        driver.core.decide(approval, Verdict(approved=True))


def test_a_policy_is_asked_and_its_failure_is_answered() -> None:
    driver = Driver.of(agent(tool(needs_approval=lambda *given: True))).receive(started("r1"))
    driver.receive(function_call(1), function_call(2), function_call(3))
    first, second, third = driver.of_type(do.AskPolicy)
    driver.core.policy_given(first.call, False)
    driver.core.policy_given(second.call, True)
    driver.core.policy_failed(third.call, ValueError("secret"))
    assert running(driver.take()) == ["c1"]
    assert len(driver.told(ToolApprovalRequestedEvent)) == 1
    assert ("c3", GENERIC, True) in driver.outputs()
    assert isinstance(driver.told(ErrorEvent)[0].error, errors.CallbackError)


def test_a_call_that_waits_holds_no_place() -> None:
    driver = Driver.of(agent(tool("a", needs_approval=True), tool("b")), tools=ToolSettings(max_concurrent=1))
    driver.receive(started("r1"), function_call(1, "a"), function_call(2, "b"))
    assert running(driver) == ["c2"]


# Interruptions


@pytest.mark.parametrize("how", ["audio", "speech"])
@pytest.mark.parametrize(("policy", "left"), [("finish", ["c1"]), ("cancel", []), ("signal", ["c1"])])
def test_the_policies_of_a_tool_when_the_user_interrupts(policy: Any, left: list[str], how: str) -> None:
    driver = Driver.of(agent(tool(when_interrupted=policy))).receive(started("r1"), function_call(1))
    driver.receive(interrupted("r1") if how == "audio" else InputAudioBufferSpeechStarted())
    assert len(driver.of_type(do.CancelTool)) == (policy == "cancel")
    assert len(driver.of_type(do.SignalTool)) == (policy == "signal")
    if policy == "cancel":
        text = "Tool call was cancelled because the user interrupted."
        assert driver.outputs() == [("c1", text, False)]
        assert [event.reason for event in driver.told(ToolCancelledEvent)] == ["interrupted"]
    running(driver)
    assert [key for key, _, _ in driver.outputs()] == left


def test_calls_of_other_responses_are_not_concerned() -> None:
    driver = Driver.of(agent(tool(when_interrupted="cancel"))).receive(started("r1"), function_call(1), done("r1"))
    driver.receive(started("r2"), function_call(2, response="r2"), interrupted("r2"))
    assert [action.call.key for action in driver.of_type(do.CancelTool)] == ["c2"]


def test_the_application_cancels_a_call() -> None:
    driver = Driver.of(agent(tool(), tool("ask", needs_approval=True))).receive(started("r1"))
    driver.receive(function_call(1), function_call(2, "ask"))
    assert driver.core.cancel_tool("c1")
    assert not driver.core.cancel_tool("c1")
    assert driver.core.cancel_tool("c2")
    assert not driver.core.cancel_tool("c9")
    assert driver.take().outputs() == [(key, "Tool call was cancelled.", True) for key in ("c1", "c2")]
    assert driver.core.decide("c2", Verdict(approved=True)) is None


# Handoffs


def desk() -> tuple[Driver, RealtimeAgent[Any], RealtimeAgent[Any]]:
    billing = agent(tool("find_invoice"), name="Billing")
    front = agent(tool(), voice="marin", handoffs=[billing])
    return Driver.of(front), front, billing


def test_a_handoff_sends_the_config_then_tells_then_answers() -> None:
    driver, front, billing = desk()
    driver.receive(started("r1"), function_call(1, "transfer_to_Billing"))
    (action,) = driver.of_type(do.Prepare)
    assert driver.core.current_agent is front
    driver.core.prepared(action.request, prepared(billing, instructions="Handle billing."))
    (config,) = driver.take().of_type(do.SendConfig)
    assert config.config["instructions"] == "Handle billing."
    assert [entry["name"] for entry in config.config["tools"]] == ["find_invoice"]
    assert "audio" not in config.config  # The voice of the other agent does not leak.
    assert driver.told(AgentHandoffEvent) == []
    driver.core.config_sent(config.request)
    assert driver.take().outputs() == [("c1", '{"assistant":"Billing"}', True)]
    assert driver.core.current_agent is billing
    driver.receive(done("r1"))
    assert driver.told(AgentEndEvent)[0].agent is front


def test_calls_of_a_response_keep_its_agent_after_a_handoff() -> None:
    driver, front, billing = desk()
    driver.receive(started("r1"), function_call(1, "transfer_to_Billing"))
    (action,) = driver.of_type(do.Prepare)
    driver.core.prepared(action.request, prepared(billing))
    driver.take().send_all()
    driver.receive(function_call(2, "get_weather"), started("r2"), function_call(3, "find_invoice", response="r2"))
    assert [(a.call.key, a.call.agent) for a in driver.of_type(do.RunTool)] == [("c2", front), ("c3", billing)]


def test_a_second_handoff_waits_for_the_first_and_the_last_one_wins() -> None:
    third = agent(name="Third")
    billing = agent(name="Billing")
    driver = Driver.of(agent(handoffs=[billing, third])).receive(started("r1"))
    driver.receive(function_call(1, "transfer_to_Billing"), function_call(2, "transfer_to_Third"))
    (first,) = driver.of_type(do.Prepare)
    driver.core.prepared(first.request, prepared(billing))
    driver.take().send_all()
    (second,) = driver.of_type(do.Prepare)
    driver.core.prepared(second.request, prepared(third))
    driver.take().send_all()
    assert driver.core.current_agent is third
    assert [event.from_agent.name for event in driver.told(AgentHandoffEvent)] == ["Front", "Front"]


def test_a_handoff_that_fails_is_answered_and_the_agent_stays() -> None:
    driver, front, _ = desk()
    driver.receive(started("r1"), function_call(1, "transfer_to_Billing"))
    (action,) = driver.of_type(do.Prepare)
    driver.core.switch_failed(action.request, ValueError("no"))
    assert driver.take().outputs() == [("c1", GENERIC, True)]
    assert driver.core.current_agent is front
    assert isinstance(driver.told(ErrorEvent)[0].error, errors.CallbackError)
    driver.receive(function_call(2, "transfer_to_Billing"))
    assert len(driver.of_type(do.Prepare)) == 1


def test_a_handoff_to_itself_is_a_handoff() -> None:
    front: RealtimeAgent[Any] = RealtimeAgent(name="Front", handoffs=lambda: [front])
    driver = Driver.of(front).receive(started("r1"), function_call(1, "transfer_to_Front"))
    (action,) = driver.of_type(do.Prepare)
    driver.core.prepared(action.request, prepared(front))
    driver.take().send_all().send_all()
    assert driver.told(AgentHandoffEvent)[0].to_agent is front
    assert driver.core.history[-1].output == '{"assistant":"Front"}'


def test_an_agent_without_tools_clears_those_of_the_one_before() -> None:
    driver = Driver.of(agent(tool()))
    for prompt, expected in ((None, []), ({"id": "p"}, None)):
        request = driver.core.update_agent(agent(name="Bare"))
        driver.take()
        driver.core.prepared(request, prepared(request.target, prompt=prompt))
        (config,) = driver.take().of_type(do.SendConfig)
        assert config.config.get("tools") == expected
        driver.core.config_sent(request)
        driver.take()


def test_bad_input_of_a_handoff_is_answered() -> None:
    made = handoff(RealtimeAgent(name="B"))
    driver = Driver.of(agent(handoffs=[made])).receive(started("r1"), function_call(1, "transfer_to_B", "[broken"))
    assert driver.of_type(do.Prepare) == []
    assert driver.outputs()[0][1].startswith("Invalid arguments for transfer_to_B")


def test_a_configuration_that_cannot_be_sent_fails_the_change() -> None:
    driver = Driver.of(agent(), config={"audio": {"output": {"speed": "fast"}}})
    change = driver.core.update_agent(agent(name="B"))
    driver.take()
    driver.core.prepared(change, prepared(change.target))
    assert isinstance(change.failure, errors.ConfigError)
    assert driver.take().of_type(do.SwitchSettled) == [do.SwitchSettled(change)]
    assert driver.core.current_agent.name == "Front"


# Guardrails


def guarded(length: int = 10) -> Driver:
    return Driver.of(agent(), guardrail_length=length).receive(started("r1"))


TRIP = Trip(guardrail="no_secrets", policy_hint="Do not", info={"matched": True})


def test_each_multiple_of_the_length_is_looked_at_and_the_end_too() -> None:
    driver = guarded()
    texts: list[str] = []
    for event in (spoken("r1", "x" * 9), spoken("r1", "yy"), spoken("r1", "z" * 20), done("r1", "all")):
        driver.receive(event)
        for action in driver.of_type(do.RunGuardrails):
            texts.append(action.run.text)
            driver.core.guardrails_finished(action, None)
    assert texts == ["x" * 9 + "yy", "x" * 9 + "yy" + "z" * 20, "all"]


def test_only_the_end_is_looked_at_if_wanted() -> None:
    driver = guarded(-1).receive(spoken("r1", "x" * 500), done("r1"))
    assert [action.run.text for action in driver.of_type(do.RunGuardrails)] == [""]


def test_while_one_run_is_under_way_the_newest_text_waits() -> None:
    driver = guarded().receive(*(spoken("r1", "x" * 10) for _ in range(5)))
    (first,) = driver.of_type(do.RunGuardrails)
    assert len(first.run.text) == 10
    driver.core.guardrails_finished(first, None)
    (second,) = driver.take().of_type(do.RunGuardrails)
    assert len(second.run.text) == 50


def test_speech_is_interrupted_once_per_response() -> None:
    driver = guarded().receive(audio("r1"), spoken("r1", "x" * 10))
    for _ in range(2):
        (action,) = driver.of_type(do.RunGuardrails)
        driver.core.guardrails_finished(action, TRIP)
        driver.take().receive(spoken("r1", "x" * 10))
    assert len(driver.of_type(do.Interrupt)) == 1
    (message,) = driver.of_type(do.SendMessage)
    assert message.text.startswith("⚠️ Your last answer was blocked. \nFailed Guardrail Reason: Do not. \n")
    assert 'Failure Details: {"matched":true}. \n' in message.text
    (event,) = driver.told(GuardrailTrippedEvent)
    assert (event.item_id, event.error.guardrail) == ("m_r1", "no_secrets")


def test_text_is_cancelled_and_what_is_over_only_answered() -> None:
    driver = guarded().receive(written("r1", "x" * 10))
    (action,) = driver.of_type(do.RunGuardrails)
    driver.core.guardrails_finished(action, TRIP)
    assert driver.take().of_type(do.CancelResponse) == [do.CancelResponse("r1")]
    driver = guarded().receive(done("r1", "x", spoken=False))
    (action,) = driver.of_type(do.RunGuardrails)
    driver.core.guardrails_finished(action, TRIP)
    assert driver.take().of_type(do.CancelResponse, do.Interrupt) == []
    assert len(driver.of_type(do.SendMessage)) == 1


def test_a_result_of_an_older_response_is_told_and_stops_nothing() -> None:
    driver = guarded().receive(spoken("r1", "x" * 10))
    (action,) = driver.of_type(do.RunGuardrails)
    driver.receive(done("r1"), started("r2"))
    driver.core.guardrails_finished(action, TRIP)
    assert len(driver.take().told(GuardrailTrippedEvent)) == 1
    assert driver.of_type(do.Interrupt, do.CancelResponse, do.SendMessage) == []


# MCP


def mcp_agent(**options: Any) -> RealtimeAgent[Any]:
    return agent(HostedMcpTool(server_label="docs", server_url="https://mcp.example", **options))


def mcp_driver(**options: Any) -> Driver:
    made = mcp_agent(**options)
    servers = tuple(entry for entry in made.tools if isinstance(entry, HostedMcpTool))
    from realtime_transport.session.core.core import SessionCore
    from realtime_transport.session.core.settings import CoreSettings

    return Driver(SessionCore(prepared(made, mcp_servers=servers), CoreSettings()))


def test_listed_tools_are_filtered_and_told_when_they_change() -> None:
    driver = mcp_driver(allowed_tools=["search"])
    listed = McpToolsListedEvent(server_label="docs", tools=[{"name": "search"}, {"name": "delete"}, "odd"])
    driver.receive(listed, listed, McpToolsListedEvent(server_label="other", tools=[{"name": "x"}]))
    assert [event.tools for event in driver.told(McpToolsChangedEvent)] == [({"name": "search"},)]
    assert driver.core.available_mcp_tools == ({"name": "search"},)


def request(item_id: str = "q1") -> McpApprovalRequestEvent:
    item = RealtimeMcpCallApprovalRequestItem(item_id=item_id, server_label="docs", name="search", arguments={"q": "x"})
    return McpApprovalRequestEvent(item=item)


def test_an_mcp_request_is_decided_once() -> None:
    driver = mcp_driver().receive(request(), request())
    (event,) = driver.told(ToolApprovalRequestedEvent)
    assert (event.kind, event.approval.arguments) == ("mcp_approval_request", '{"q":"x"}')
    assert driver.core.decide(event.approval, Verdict(approved=False, message="no"), always=True) == "q1"
    (action,) = driver.take().of_type(do.SendMcpAnswer)
    assert (action.approve, action.reason) == (False, "no")
    assert driver.core.decide(event.approval, Verdict(approved=True)) is None
    driver.receive(request("q2"))
    assert len(driver.told(ToolApprovalRequestedEvent)) == 2


def test_a_server_with_on_approval_decides_by_itself() -> None:
    driver = mcp_driver(on_approval=lambda ctx, asked: True).receive(request())
    (action,) = driver.of_type(do.DecideMcp)
    assert driver.told(ToolApprovalRequestedEvent) == []
    driver.core.decide(action.approval, Verdict(approved=True))
    assert len(driver.take().of_type(do.SendMcpAnswer)) == 1


def test_a_finished_mcp_call_asks_for_a_response() -> None:
    event = McpToolCallCompletedEvent(item=RealtimeMcpCallItem(item_id="m1", name="search", status="completed"))
    assert len(mcp_driver().receive(event).of_type(do.RequestResponse)) == 1
    assert Driver.of(agent(), mcp_auto_response=False).receive(event).of_type(do.RequestResponse) == []


# Placement


def test_a_call_takes_the_place_that_the_server_names() -> None:
    driver = Driver.of(agent(tool())).receive(started("r1"), call_item(1), call_item(2))
    item = FunctionCallItem(id="f2", call_id="c2", name="get_weather", arguments="{}")
    driver.receive(ConversationItemAdded(item=item, previous_item_id=None))
    assert [entry.item_id for entry in driver.core.history] == ["f2", "f1"]


# The end


def test_nothing_follows_the_end() -> None:
    driver = Driver.of(agent(tool(), tool("ask", needs_approval=True)), guardrail_length=5).receive(started("r1"))
    driver.receive(function_call(1), function_call(2, "ask"), spoken("r1", "123456"))
    (run,) = driver.of_type(do.RunTool)
    (guard,) = driver.of_type(do.RunGuardrails)
    driver.core.close()
    driver.core.close()
    assert [event.reason for event in driver.take().told(ToolCancelledEvent)] == ["closed"]
    assert {action.key for action in driver.of_type(do.CallSettled)} == {"c1", "c2"}
    driver.of_type(do.CancelTool)
    before = len(driver.events)
    driver.core.tool_finished(run.call, do.ToolOutcome(text="late"))
    driver.core.output_sent(run.call)
    driver.core.guardrails_finished(guard, TRIP)
    driver.receive(started("r2"), function_call(3, response="r2"), audio("r2"))
    assert driver.actions == []
    assert len(driver.events) == before


@pytest.mark.parametrize("seed", range(60))
def test_whatever_happens_each_call_is_answered_once_or_the_session_is_over(seed: int) -> None:
    chance = random.Random(seed)
    billing = agent(tool("find_invoice", when_interrupted="cancel"), name="Billing")
    front = agent(
        tool("plain"), tool("alone", execution="exclusive"), tool("ask", needs_approval=True), handoffs=[billing]
    )
    names = ["plain", "alone", "ask", "transfer_to_Billing", "find_invoice", "nothing"]
    limit = chance.randrange(1, 4)
    driver = Driver.of(front, tools=ToolSettings(max_concurrent=limit), guardrail_length=20)
    answers: list[str] = []
    asked: list[str] = []
    response, number = "r0", 0

    def settle(everything: bool = False) -> None:
        for action in list(driver.actions):
            if not everything and chance.random() < 0.5:
                continue
            driver.actions.remove(action)
            match action:
                case do.RunTool(call=call):
                    driver.core.tool_finished(call, do.ToolOutcome(text="ok"))
                case do.SendOutput(call=call, repeated=False):
                    answers.append(call.key)
                    driver.core.output_sent(call)
                case do.Prepare(request=change):
                    if chance.random() < 0.3:
                        driver.core.switch_failed(change, ValueError())
                    else:
                        driver.core.prepared(change, prepared(change.target))
                case do.SendConfig(request=change):
                    driver.core.config_sent(change)
                case do.RunGuardrails():
                    driver.core.guardrails_finished(action, TRIP if chance.random() < 0.3 else None)
                case _:
                    pass
        driver.take()
        assert len([action for action in driver.actions if isinstance(action, do.RunTool)]) <= limit

    for _ in range(60):
        match chance.randrange(7):
            case 0:
                response = f"r{number}"
                driver.receive(started(response))
            case 1 | 2:
                number += 1
                asked.append(f"c{number}")
                driver.receive(function_call(number, chance.choice(names), response=response))
            case 3:
                driver.receive(spoken(response, "x" * chance.randrange(30)))
            case 4:
                driver.receive(interrupted(response))
            case 5:
                for event in driver.told(ToolApprovalRequestedEvent):
                    driver.core.decide(event.approval, Verdict(approved=chance.random() < 0.5))
                driver.take()
            case _:
                driver.receive(done(response, "text"))
        settle()
        if chance.random() < 0.005:
            break
    if chance.random() < 0.3:
        driver.core.close()
        driver.take()
        driver.actions.clear()
        settle(everything=True)
        assert len(answers) == len(set(answers))
        return
    for _ in range(200):
        for event in driver.told(ToolApprovalRequestedEvent):
            driver.core.decide(event.approval, Verdict(approved=True))
        driver.take()
        settle(everything=True)
        if not driver.actions:
            break
    assert sorted(answers) == sorted(asked)
    starts, ends = driver.told(AgentToolStartEvent), driver.told(AgentToolEndEvent)
    assert sorted(event.tool_call.call_id for event in starts) == sorted(event.tool_call.call_id for event in ends)


def test_events_of_the_transport_pass_as_they_are() -> None:
    event = started("r1")
    driver = Driver.of(agent()).receive(event)
    assert driver.events[0] is event
    assert isinstance(driver.events[1], AgentStartEvent)
    assert driver.told(HistoryUpdatedEvent) == []
