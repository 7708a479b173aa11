"""The events of an agent session.

A session stream holds these, `AudioEvent` and `ErrorEvent`, in the order in which they happened. The events of the
transport and of the server reach those who ask for them by class. ``event_name`` is the name that the JavaScript SDK
uses for the same thing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

import attrs

from realtime_transport.protocol.engine import events as transport_events
from realtime_transport.protocol.engine.events import AudioEvent, ErrorEvent, SemanticEvent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from realtime_transport.errors import OutputGuardrailTripwireTriggered, ToolError
    from realtime_transport.protocol.engine.events import FunctionCallEvent
    from realtime_transport.protocol.engine.realtime_items import RealtimeItem
    from realtime_transport.protocol.wire.model import Event

    from ..agents.agent import RealtimeAgent
    from ..tools.context import RunContext
    from ..tools.tool import FunctionTool
    from .approval import ToolApproval

__all__ = [
    "AgentEndEvent",
    "AgentHandoffEvent",
    "AgentStartEvent",
    "AgentToolEndEvent",
    "AgentToolStartEvent",
    "AudioEvent",
    "AudioInterruptedEvent",
    "AudioStartEvent",
    "AudioStoppedEvent",
    "ErrorEvent",
    "GuardrailTrippedEvent",
    "HistoryAddedEvent",
    "HistoryUpdatedEvent",
    "McpToolCallCompletedEvent",
    "McpToolsChangedEvent",
    "SessionEvent",
    "ToolApprovalRequestedEvent",
    "ToolCancelledEvent",
    "ToolErrorEvent",
    "TransportEvent",
]


@attrs.frozen(kw_only=True)
class SessionEvent(SemanticEvent):
    """Base class of the session's own events.

    Attributes:
        context: The state of the session at that moment.
    """

    context: RunContext[Any] = attrs.field(repr=False, eq=False)


@attrs.frozen(kw_only=True)
class _AgentEvent(SessionEvent):
    """An event that belongs to an agent.

    Attributes:
        agent: The agent.
    """

    agent: RealtimeAgent[Any]


@attrs.frozen(kw_only=True)
class AgentStartEvent(_AgentEvent):
    """The agent begins a response."""

    event_name: ClassVar[str] = "agent_start"

    response_id: str = ""


@attrs.frozen(kw_only=True)
class AgentEndEvent(_AgentEvent):
    """A response has ended. Audio may still be playing.

    Attributes:
        agent: The agent that was active when the response began.
        output: The last text of the response, or the transcript of its last audio; may be empty.
    """

    event_name: ClassVar[str] = "agent_end"

    output: str
    response_id: str = ""


@attrs.frozen(kw_only=True)
class AgentHandoffEvent(SessionEvent):
    """Another agent has taken over.

    Attributes:
        from_agent: The agent that was active when the response of the handoff began.
        to_agent: The one that is active now.
    """

    event_name: ClassVar[str] = "agent_handoff"

    from_agent: RealtimeAgent[Any]
    to_agent: RealtimeAgent[Any]

    @property
    def agent(self) -> RealtimeAgent[Any]:
        """The agent that handed over."""
        return self.from_agent


@attrs.frozen(kw_only=True)
class AgentToolStartEvent(_AgentEvent):
    """A tool starts to run.

    Attributes:
        tool: The tool.
        tool_call: The call of the model.
    """

    event_name: ClassVar[str] = "agent_tool_start"

    tool: FunctionTool
    tool_call: FunctionCallEvent


@attrs.frozen(kw_only=True)
class AgentToolEndEvent(_AgentEvent):
    """The output of a tool has been sent.

    Attributes:
        tool: The tool.
        result: The output that the model got.
        tool_call: The call of the model.
    """

    event_name: ClassVar[str] = "agent_tool_end"

    tool: FunctionTool
    result: str
    tool_call: FunctionCallEvent


@attrs.frozen(kw_only=True)
class ToolErrorEvent(_AgentEvent):
    """A tool raised, timed out, or returned a value that has no text form or is too long.

    The text for the model holds nothing of the tool's exception, unless the tool's ``failure`` puts it there.

    Attributes:
        tool: The tool.
        tool_call: The call of the model.
        error: What happened; the tool's exception is its ``__cause__``.
    """

    event_name: ClassVar[str] = "tool_error"

    tool: FunctionTool
    tool_call: FunctionCallEvent
    error: ToolError


@attrs.frozen(kw_only=True)
class ToolCancelledEvent(_AgentEvent):
    """A call of a tool was cancelled, while it ran or before.

    Attributes:
        tool: The tool.
        tool_call: The call of the model.
        reason: ``"interrupted"`` by the user, ``"requested"`` by the application, or ``"closed"`` with the session.
    """

    event_name: ClassVar[str] = "tool_cancelled"

    tool: FunctionTool
    tool_call: FunctionCallEvent
    reason: Literal["interrupted", "requested", "closed"]


@attrs.frozen(kw_only=True)
class AudioStartEvent(_AgentEvent):
    """The first audio of a response follows."""

    event_name: ClassVar[str] = "audio_start"


@attrs.frozen(kw_only=True)
class AudioStoppedEvent(_AgentEvent):
    """All audio of a content part has been received. It may still be playing."""

    event_name: ClassVar[str] = "audio_stopped"


@attrs.frozen(kw_only=True)
class AudioInterruptedEvent(transport_events.AudioInterruptedEvent):
    """The model was interrupted: stop playing. It overtakes undelivered events and withdraws undelivered audio.

    Attributes:
        context: The state of the session at that moment.
        agent: The agent that was speaking.
        brings: The events that caused it, delivered just before it: speech of the user, or a guardrail.
    """

    # In all other events this is a class attribute.
    brings: tuple[Event, ...] = attrs.field(default=(), eq=False, repr=False)  # pyright: ignore[reportIncompatibleVariableOverride]
    context: RunContext[Any] = attrs.field(repr=False, eq=False)
    agent: RealtimeAgent[Any]

    @classmethod
    def of(
        cls,
        event: transport_events.AudioInterruptedEvent,
        brings: tuple[Event, ...],
        context: RunContext[Any],
        agent: RealtimeAgent[Any],
    ) -> AudioInterruptedEvent:
        """The same interruption, as an event of the session."""
        return cls(
            sequence=event.sequence,
            response_id=event.response_id,
            item_id=event.item_id,
            content_index=event.content_index,
            samples_heard=event.samples_heard,
            audio_end_ms=event.audio_end_ms,
            truncations=event.truncations,
            withdraws=event.withdraws,
            brings=brings,
            context=context,
            agent=agent,
        )


@attrs.frozen(kw_only=True)
class GuardrailTrippedEvent(_AgentEvent):
    """A guardrail refused the model's output; the model is stopped and asked to respond again.

    Attributes:
        error: The guardrail and its reason.
        item_id: The item that holds the text; empty where that is not known.
    """

    event_name: ClassVar[str] = "guardrail_tripped"

    error: OutputGuardrailTripwireTriggered
    item_id: str = ""


@attrs.frozen(kw_only=True)
class HistoryAddedEvent(SessionEvent):
    """The conversation has a new item; `HistoryUpdatedEvent` follows.

    Attributes:
        item: The item.
    """

    event_name: ClassVar[str] = "history_added"

    item: RealtimeItem


@attrs.frozen(kw_only=True)
class HistoryUpdatedEvent(SessionEvent):
    """The conversation has changed.

    Attributes:
        history: The whole of it, immutable.
    """

    event_name: ClassVar[str] = "history_updated"

    history: tuple[RealtimeItem, ...]


@attrs.frozen(kw_only=True)
class ToolApprovalRequestedEvent(_AgentEvent):
    """A call waits for a decision: `RealtimeSession.approve` or `RealtimeSession.reject`.

    Attributes:
        kind: ``"function_approval"``, or ``"mcp_approval_request"`` for a tool of an MCP server.
        approval: The argument for ``approve`` or ``reject``.
        tool: The tool; ``None`` for those of MCP servers.
    """

    event_name: ClassVar[str] = "tool_approval_requested"

    kind: Literal["function_approval", "mcp_approval_request"]
    approval: ToolApproval
    tool: FunctionTool | None = None


@attrs.frozen(kw_only=True)
class McpToolCallCompletedEvent(transport_events.McpToolCallCompletedEvent):
    """The server has finished an MCP call.

    Attributes:
        context: The state of the session at that moment.
        agent: The agent that is active.
    """

    context: RunContext[Any] = attrs.field(repr=False, eq=False)
    agent: RealtimeAgent[Any]


@attrs.frozen(kw_only=True)
class McpToolsChangedEvent(SessionEvent):
    """The tools that MCP servers offer to the active agent have changed.

    Attributes:
        tools: The tools as the server's messages describe them, filtered by ``allowed_tools``.
    """

    event_name: ClassVar[str] = "mcp_tools_changed"

    tools: Sequence[Mapping[str, Any]]


@attrs.frozen(kw_only=True)
class TransportEvent(SessionEvent):
    """An event of the transport, unchanged. Only in streams that name this class.

    Attributes:
        event: The event.
    """

    event_name: ClassVar[str] = "transport_event"

    event: Event
