"""What type checkers know of agents, tools and guardrails. Nothing here is run."""

from __future__ import annotations

from typing import Annotated, Any, Literal, assert_type

import attrs

from realtime_transport import (
    FunctionTool,
    GuardrailResult,
    OutputGuardrail,
    RealtimeAgent,
    RealtimeSession,
    RunContext,
    ToolContext,
    function_tool,
    handoff,
)
from realtime_transport.telemetry import Instrumentation, instrument


@attrs.frozen
class Caller:
    name: str


@function_tool
async def get_weather(city: Annotated[str, "A town"], unit: Literal["C", "F"] = "C") -> str:
    return f"{city} {unit}"


@function_tool(needs_approval=True, timeout=5.0)
def pay(ctx: ToolContext[Caller], euros: int) -> str:
    assert_type(ctx.context, Caller)
    assert_type(ctx.call_id, str)
    return f"{ctx.context.name} pays {euros}"


assert_type(get_weather, FunctionTool)
assert_type(pay, FunctionTool)


def instructions(ctx: RunContext[Caller], agent: RealtimeAgent[Caller]) -> str:
    assert_type(ctx.context.name, str)
    return agent.name


async def no_secrets(ctx: RunContext[Caller], agent: RealtimeAgent[Caller], text: str) -> GuardrailResult:
    return GuardrailResult("secret" in text)


billing: RealtimeAgent[Caller] = RealtimeAgent(name="Billing", tools=[pay])
front: RealtimeAgent[Caller] = RealtimeAgent(
    name="Front", instructions=instructions, tools=[get_weather], handoffs=[billing, handoff(billing)]
)
guardrail = OutputGuardrail(name="no_secrets", run=no_secrets)
session = RealtimeSession(front, context=Caller("Ada"), output_guardrails=[guardrail])
assert_type(session, RealtimeSession[Caller])
assert_type(session.context.context, Caller)
assert_type(session.initial_agent, RealtimeAgent[Caller])
assert_type(session.current_agent, RealtimeAgent[Any])
assert_type(instrument(session), Instrumentation)
