"""Scenarios of an agent session: agents, tools, guardrails, approvals."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs

from realtime_transport import (
    FunctionTool,
    GuardrailResult,
    GuardrailSettings,
    HostedMcpTool,
    OutputGuardrail,
    RealtimeAgent,
    RealtimeSession,
    background_result,
    handoff,
)
from realtime_transport.emitter.session import RealtimeSessionEmitter
from realtime_transport.session.core import events as session_events
from realtime_transport.session.core.events import (
    AgentEndEvent,
    AgentHandoffEvent,
    AgentToolEndEvent,
    AgentToolStartEvent,
    GuardrailTrippedEvent,
    HistoryAddedEvent,
    HistoryUpdatedEvent,
    McpToolCallCompletedEvent,
    McpToolsChangedEvent,
    ToolApprovalRequestedEvent,
)

from . import trace
from .runner import PARAMETERS, Run
from .values import snake

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from realtime_transport.events import FunctionCallEvent
    from realtime_transport.session.core.approval import ToolApproval

__all__ = ["SessionRun"]

OWN = {"tool_error", "tool_cancelled", "transport_event"}
"""Events that the reference does not have, or tells otherwise."""

OPTIONS = {
    "model": "model",
    "config": "config",
    "workflowName": "workflow_name",
    "groupId": "group_id",
    "traceMetadata": "trace_metadata",
    "tracingDisabled": "tracing_disabled",
    "automaticallyTriggerResponseForMcpToolCalls": "mcp_auto_response",
}

MCP = ("serverLabel", "serverUrl", "allowedTools", "requireApproval")

CONTEXT = {"$context": True}


@attrs.define(eq=False)
class SessionRun(Run):
    """A session on a WebSocket, through its emitter."""

    agents: dict[str, RealtimeAgent[Any]] = attrs.field(init=False, factory=dict)
    approvals: list[ToolApproval] = attrs.field(init=False, factory=list)

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        self.record |= {"tool_calls": [], "guardrail_runs": []}

    # Making it

    def _emitter(self) -> Any:
        for entry in reversed(self.scenario["agents"]):
            self.agents[entry["name"]] = self._agent(entry)
        given = self.scenario.get("session_options", {})
        options = {ours: given[theirs] for theirs, ours in OPTIONS.items() if theirs in given}
        settings = given.get("outputGuardrailSettings", {})
        session = RealtimeSession(
            self.agents[self.scenario["agents"][0]["name"]],
            transport=self._construct(self.scenario.get("options", {})),
            output_guardrails=[self._guardrail(entry) for entry in self.scenario.get("guardrails", [])],
            guardrail_settings=GuardrailSettings(debounce_text_length=settings.get("debounceTextLength", 100)),
            **options,
        )
        return RealtimeSessionEmitter(session)

    def _agent(self, entry: Mapping[str, Any]) -> RealtimeAgent[Any]:
        return RealtimeAgent(
            name=entry["name"],
            instructions=entry["instructions"],
            voice=entry.get("voice"),
            handoff_description=entry.get("handoff_description", ""),
            tools=[self._tool(tool) for tool in entry.get("tools", [])],
            handoffs=[handoff(self.agents[name]) for name in entry.get("handoffs", [])],
        )

    def _tool(self, entry: Mapping[str, Any]) -> Any:
        if "mcp" in entry:
            return HostedMcpTool(**{snake(name): entry["mcp"][name] for name in MCP if name in entry["mcp"]})

        async def invoke(ctx: Any, arguments: str) -> Any:
            self._note("tool_calls", tool=entry["name"], input=json.loads(arguments or "{}"), call_id=ctx.call_id)
            if "error" in entry:
                raise RuntimeError(entry["error"])
            return background_result(entry["background"]) if "background" in entry else entry.get("returns")

        schema = {"parameters": entry["parameters"]} if "parameters" in entry else {}
        return FunctionTool(
            name=entry["name"],
            description=entry["description"],
            invoke=invoke,
            needs_approval=entry.get("needs_approval", False),
            **schema,
        )

    def _guardrail(self, entry: Mapping[str, Any]) -> OutputGuardrail:
        def run(ctx: Any, agent: Any, text: str) -> GuardrailResult:
            self._note("guardrail_runs", guardrail=entry["name"], text=text)
            return GuardrailResult(entry["trips_if_contains"] in text, {"matched": True})

        return OutputGuardrail(name=entry["name"], run=run, policy_hint=entry.get("policy_hint"))

    # Writing down

    def _listen(self) -> None:
        for name in session_events.__all__:
            event_name = getattr(session_events, name).event_name
            if event_name and event_name not in OWN:
                self.emitter.on(event_name, partial(self._heard, event_name))

        self.emitter.transport.on("*", self._raw)

    def _raw(self, message: Mapping[str, Any]) -> None:
        self._note("events", kind="raw", type="transport_event", args=[trace.to_json(message)])

    def _heard(self, name: str, event: Any) -> None:
        self._note("events", kind="sdk", type=name, args=self._args(event))

    def _args(self, event: Any) -> list[Any]:
        match event:
            case HistoryAddedEvent():
                return [trace.item(event.item)]
            case HistoryUpdatedEvent():
                return [[trace.item(item) for item in event.history]]
            case AgentHandoffEvent():
                return [CONTEXT, _named(event.from_agent), _named(event.to_agent)]
            case McpToolsChangedEvent():
                return [trace.to_json(event.tools)]
            case session_events.AudioEvent() | session_events.ErrorEvent():
                return trace.event_args(event)
        rest: list[Any] = []
        match event:
            case AgentEndEvent():
                rest = [event.output]
            case AgentToolStartEvent():
                rest = [{"$tool": event.tool.name}, {"toolCall": _call(event.tool_call)}]
            case AgentToolEndEvent():
                rest = [{"$tool": event.tool.name}, event.result, {"toolCall": _call(event.tool_call)}]
            case GuardrailTrippedEvent():
                rest = [{"$error": trace.error(event.error)}, {"itemId": event.item_id}]
            case ToolApprovalRequestedEvent():
                self.approvals.append(event.approval)
                rest = [self._asked(event)]
            case McpToolCallCompletedEvent():
                rest = [trace.item(event.item)]
        return [CONTEXT, _named(event.agent), *rest]

    def _asked(self, event: ToolApprovalRequestedEvent) -> dict[str, Any]:
        asked = event.approval
        raw: dict[str, Any] = {"name": asked.tool_name, "arguments": asked.arguments}
        if event.tool is not None:
            number = asked.call_id.removeprefix("c")
            more = {"id": f"f{number}", "type": "function_call", "callId": asked.call_id, "responseId": "r1"}
            approval = {"index": self.approvals.index(asked), "agent": asked.agent.name, "rawItem": {**raw, **more}}
            return {"type": event.kind, "tool": {"$tool": event.tool.name}, "approvalItem": {"$approval": approval}}
        assert asked.request is not None
        provider = {"itemId": asked.call_id, "type": asked.request.type, "serverLabel": asked.request.server_label}
        more = {"type": "hosted_tool_call", "status": "in_progress", "providerData": provider}
        approval = {"index": self.approvals.index(asked), "agent": asked.agent.name, "rawItem": {**raw, **more}}
        return {"type": event.kind, "approvalItem": {"$approval": approval}}

    # Steps

    def _act(self, name: str, value: Any) -> None:
        match name, value:
            case "client", {"method": "updateHistory", "args": [{"$fn": "drop_last"}]}:
                self._outcome(
                    {"method": "updateHistory"}, partial(self.emitter.update_history, lambda items: items[:-1])
                )
            case "client", {"method": "updateHistory", "args": [items]}:
                self._outcome({"method": "updateHistory"}, partial(self.emitter.update_history, items))
            case "transport", {"method": method}:
                given = [self.reader.read(arg) for arg in value.get("args", [])]
                function = getattr(self.emitter.transport, snake(method))
                names = PARAMETERS[method]
                self._outcome({"method": method}, partial(function, **dict(zip(names, given, strict=False))))
            case "approve" | "reject", {"index": index, **rest}:
                options = {snake(key): entry for key, entry in rest.get("options", {}).items()}
                decide = getattr(self.emitter, name)
                self._await(name, partial(decide, self.approvals[index], **options), lambda value: None)
            case "update_agent", agent:
                self._await("updateAgent", partial(self.emitter.update_agent, self.agents[agent]), _named)
            case _:
                super()._act(name, value)

    def _await(self, method: str, begin: Callable[[], Awaitable[Any]], told: Callable[[Any], Any]) -> None:
        self._note("calls", method=method, outcome="pending")
        entry = self.record["calls"][-1]
        try:
            begun = begin()
        except Exception as exc:  # noqa: BLE001 - that is what is recorded
            entry |= {"outcome": "rejected", "error": trace.error(exc)}
            return

        async def wait() -> None:
            outcome: dict[str, Any] = {"outcome": "resolved"}
            try:
                value = told(await begun)
                outcome |= {} if value is None else {"value": value}
            except Exception as exc:  # noqa: BLE001 - that is what is recorded
                outcome = {"outcome": "rejected", "error": trace.error(exc)}
            if self.recording:
                entry.update(outcome)
            self.activity += 1
            self.pulse.beat()

        self.tasks.start_soon(wait)


def _named(agent: RealtimeAgent[Any]) -> dict[str, Any]:
    return {"$agent": agent.name}


def _call(event: FunctionCallEvent) -> dict[str, Any]:
    return {
        "id": event.id,
        "type": "function_call",
        "callId": event.call_id,
        "arguments": event.arguments,
        "name": event.name,
        "responseId": event.response_id,
    }
