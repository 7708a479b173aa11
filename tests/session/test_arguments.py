"""Arguments of the wrong type are refused where they are passed in, by the name of the argument."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from realtime_transport import (
    ConfigError,
    LocalProtocolError,
    OpenAIRealtimeWebSocket,
    RealtimeAgent,
    RealtimeSession,
    function_tool,
    handoff,
)
from realtime_transport.testing.links import MemoryServer

AGENT = RealtimeAgent[Any](name="a")


def guardrail(ctx: Any, agent: Any, text: str) -> None: ...


def agent_with(**options: Any) -> Callable[[], Any]:
    return lambda: RealtimeAgent(**{"name": "a", **options})


def session_with(agent: Any = AGENT, **options: Any) -> Callable[[], Any]:
    return lambda: RealtimeSession(agent, **options)


def tool_of(function: Any) -> Callable[[], Any]:
    return lambda: function_tool(function)


def handoff_to(agent: Any, **options: Any) -> Callable[[], Any]:
    return lambda: handoff(agent, **options)


REFUSED: list[tuple[Callable[[], Any], str]] = [
    (agent_with(name=5), "name: an agent has a name"),
    (agent_with(instructions=5), "instructions: text or a function expected, not 5"),
    (agent_with(voice=5), "voice: text expected, not 5"),
    (agent_with(handoff_description=5), "handoff_description: text expected, not 5"),
    (agent_with(prompt="pmpt_1"), "prompt: a mapping or a function expected, not 'pmpt_1'"),
    (agent_with(tools=guardrail), "tools: a list expected, not <function guardrail"),
    (agent_with(tools="f"), "tools: a list expected, not 'f'"),
    (agent_with(tools={"f": guardrail}), "tools: a list expected"),
    (agent_with(tools=[guardrail, "f"]), r"tools\[1\]: a tool or a function expected, not 'f'"),
    (agent_with(tools=[int]), r"tools\[0\]: a tool or a function expected, not <class 'int'>"),
    (agent_with(handoffs=AGENT), "handoffs: a list expected, not RealtimeAgent"),
    (agent_with(handoffs=[AGENT, 5]), r"handoffs\[1\]: an agent or a handoff expected, not 5"),
    (agent_with(handoffs=lambda: None)().resolve_handoffs, "handoffs: a list expected, not None"),
    (session_with("a"), "agent: a RealtimeAgent expected, not 'a'"),
    (session_with(output_guardrails=[guardrail]), r"output_guardrails\[0\]: an OutputGuardrail expected"),
    (session_with(output_guardrails=guardrail), "output_guardrails: a list expected"),
    (session_with(guardrail_settings={"debounce_text_length": 5}), "guardrail_settings: GuardrailSettings expected"),
    (session_with(tools=[guardrail]), "tools: ToolSettings .tools themselves belong to the agent. expected"),
    (session_with(limits=5), "limits: SubscriptionLimits expected, not 5"),
    (session_with(model=5), "model: text expected, not 5"),
    (session_with(render=5), "render: a function expected, not 5"),
    (session_with(tool_error_formatter="x"), "tool_error_formatter: a function expected, not 'x'"),
    (session_with(workflow_name=5), "workflow_name: text expected, not 5"),
    (session_with(workflow_name="w", trace_metadata=5), "trace_metadata: a mapping expected, not 5"),
    (tool_of(5), "function_tool: a function expected, not 5"),
    (tool_of(int), "function_tool: a function expected, not <class 'int'>"),
    (handoff_to("a"), "agent: a RealtimeAgent expected, not 'a'"),
    (handoff_to(AGENT, on_handoff="x"), "on_handoff: a function expected, not 'x'"),
]


@pytest.mark.parametrize(("make", "said"), REFUSED, ids=[said for _, said in REFUSED])
def test_the_argument_is_named(make: Callable[[], Any], said: str) -> None:
    with pytest.raises(ConfigError, match=f"^{said}") as caught:
        make()
    assert caught.value.key is not None
    assert said.startswith(caught.value.key.replace("[", r"\[").replace("]", r"\]"))


CALLS: dict[str, tuple[Callable[[Any], Any], type[Exception], str]] = {
    "agent": (lambda session: session.update_agent("b"), ConfigError, "agent: a RealtimeAgent expected, not 'b'"),
    "history": (lambda session: session.update_history(5), LocalProtocolError, "a list of items, not 5"),
    "function": (lambda session: session.update_history(lambda _: None), LocalProtocolError, "items, not None"),
    "one item": (lambda session: session.update_history({"type": "message"}), LocalProtocolError, "a list of items"),
    "approval": (lambda session: session.approve(5), LocalProtocolError, "a ToolApproval or a call_id .* not 5"),
    "rejection": (lambda session: session.reject(None), LocalProtocolError, "a ToolApproval or a call_id .* not None"),
}


@pytest.mark.anyio
@pytest.mark.parametrize("call", CALLS)
async def test_a_call_with_the_wrong_thing_is_refused_and_sends_nothing(call: str) -> None:
    make, error, said = CALLS[call]
    server = MemoryServer()
    transport = OpenAIRealtimeWebSocket(connector=server.connector, api_key="sk", ping_interval=None)
    session = RealtimeSession(AGENT, transport=transport)
    async with session.connect(wait_for_session=False):
        with pytest.raises(error, match=said):
            await make(session)
        assert session.current_agent is AGENT
    assert [message["type"] for message in server.received] == ["session.update"]
