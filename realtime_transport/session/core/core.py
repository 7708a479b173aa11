"""The rules of an agent session, without I/O.

Its inputs are the events of the transport (`SessionCore.receive`), the calls of the application, and the results of
earlier actions; its outputs are events for the application and actions for the tasks of the session
(`SessionCore.take`). Each input is one synchronous step, so nothing interleaves. A core serves one connection: inputs
after `SessionCore.close` change nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, cast

import attrs

from realtime_transport.protocol.engine import events as transport_events
from realtime_transport.protocol.wire import server_events as server
from realtime_transport.protocol.wire.items import FunctionCallItem, MessageItem, OutputAudioPart, OutputTextPart
from realtime_transport.protocol.wire.json_types import UNSET

from ..agents.guardrail import GuardrailDebouncer
from ..agents.mcp import McpCatalogue
from ..agents.scope import PreparedAgent, ResponseScope
from . import actions as do
from .approval import Verdict, Verdicts
from .calls import CallDesk
from .events import (
    AgentEndEvent,
    AgentStartEvent,
    AudioInterruptedEvent,
    AudioStartEvent,
    AudioStoppedEvent,
    McpToolCallCompletedEvent,
    McpToolsChangedEvent,
)
from .guarding import Guarding, Trip
from .history import History
from .output import CoreOutput, Tally
from .switch import SwitchRequest
from .switching import AgentSwitching

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from realtime_transport.errors import CallbackError
    from realtime_transport.protocol.engine.realtime_items import RealtimeItem
    from realtime_transport.protocol.wire.model import Event

    from ..agents.agent import RealtimeAgent
    from ..tools.context import RunContext
    from .approval import ToolApproval
    from .ledger import OpenCall
    from .settings import CoreSettings

__all__ = ["SessionCore"]


@attrs.define(eq=False)
class SessionCore:
    """One connection of a session.

    Args:
        initial: The agent to begin with, prepared.
        settings: The settings of the session.
        application: The application's own object.
        tally: Counts tokens.
        verdicts: The decisions that apply to all calls of a tool in the session.
    """

    _initial: PreparedAgent
    _settings: CoreSettings
    _application: Any = None
    _tally: Tally = attrs.field(factory=Tally)
    _verdicts: Verdicts = attrs.field(factory=Verdicts)
    _output: CoreOutput = attrs.field(init=False)
    _scope: ResponseScope = attrs.field(init=False)
    _calls: CallDesk = attrs.field(init=False)
    _switching: AgentSwitching = attrs.field(init=False)
    _mcp: McpCatalogue = attrs.field(init=False, factory=McpCatalogue)
    _guarding: Guarding | None = attrs.field(init=False, default=None)
    _cause: tuple[Event, ...] = attrs.field(init=False, default=())
    _closed: bool = attrs.field(init=False, default=False)

    def __attrs_post_init__(self) -> None:
        settings = self._settings
        self._output = CoreOutput(self._application, self._tally, History(settings.keep_audio))
        self._scope = ResponseScope(self._initial)
        self._calls = CallDesk(
            self._output,
            self._scope,
            settings.tools,
            self._verdicts,
            lambda request: self._switching.request(request),
            settings.formats_rejections,
        )
        self._switching = AgentSwitching(self._output, self._scope, self._calls, self._mcp, settings)
        self._mcp.use(self._initial.mcp_servers)
        if settings.guardrail_length is not None:
            debouncer = GuardrailDebouncer(settings.guardrail_length)
            self._guarding = Guarding(self._output, self._scope, debouncer)

    # State

    @property
    def current_agent(self) -> RealtimeAgent[Any]:
        """The active agent."""
        return self._scope.current.agent

    @property
    def history(self) -> tuple[RealtimeItem, ...]:
        """The conversation."""
        return self._output.history.snapshot

    @property
    def available_mcp_tools(self) -> tuple[Mapping[str, Any], ...]:
        """The tools that MCP servers offer to the active agent."""
        return self._mcp.available

    @property
    def has_running_tools(self) -> bool:
        """Whether a tool runs."""
        return self._calls.ledger.has_running

    @property
    def is_speaking(self) -> bool:
        """Whether audio of the response in progress has begun: further `AudioEvent` objects change nothing here."""
        return self._scope.speaking and not self._closed

    @property
    def closed(self) -> bool:
        """Whether the connection is over."""
        return self._closed

    def context(self) -> RunContext[Any]:
        """The state now, for a callback."""
        return self._output.context()

    def take(self) -> tuple[list[Event], list[do.Action]]:
        """The events since the last call, and what to do, each in order."""
        return self._output.take()

    # The transport

    def opened(self) -> None:
        """Note that the connection is open: emits the empty history."""
        self._output.history_changed()

    def receive(self, event: Event) -> None:
        """Handle an event of the transport; it is passed on to the application, too."""
        if self._closed:
            if isinstance(event, _OF_THE_END):
                self._output.emit(event)
            return
        if type(event) is transport_events.AudioEvent:  # Most of what comes.
            if self._scope.begin_audio():
                self._begin_audio(event.sequence)
            self._output.emit(event)
            return
        self._output.sequence = event.sequence
        if type(event) not in _REPLACED:
            self._output.emit(event)
        handler = self._HANDLERS.get(type(event))
        if handler is not None:
            handler(self, event)

    def _begin_audio(self, sequence: int) -> None:
        self._output.sequence = sequence
        self._output.emit(AudioStartEvent(agent=self.current_agent, **self._output.facts()))

    def _audio_done(self, event: transport_events.AudioDoneEvent) -> None:
        self._scope.end_audio()
        self._output.emit(AudioStoppedEvent(agent=self.current_agent, **self._output.facts()))

    def _buffer_started(self, event: server.OutputAudioBufferStarted) -> None:
        # Where the server plays the audio, this is its first sign.
        if self._scope.begin_audio():
            self._begin_audio(event.sequence)

    def _interrupted(self, event: transport_events.AudioInterruptedEvent) -> None:
        self._scope.end_audio()
        brings, self._cause = (*event.preceded_by, *self._cause), ()
        self._output.emit(AudioInterruptedEvent.of(event, brings, self._output.context(), self._scope.current.agent))
        self._calls.interrupt((event.withdraws or frozenset[str]()) | {self._scope.latest})

    def _speech_started(self, event: server.InputAudioBufferSpeechStarted) -> None:
        self._calls.interrupt(frozenset({self._scope.latest}))

    def interrupt_tools(self) -> None:
        """Interrupt the tools of the latest response, since the user speaks or the application interrupts.

        This holds even where nothing was playing, so that no interruption is emitted.
        """
        self._calls.interrupt(frozenset({self._scope.latest}))

    def _turn_started(self, event: transport_events.TurnStartedEvent) -> None:
        self._cause = ()
        source = self._scope.start(event.response_id)
        self._output.emit(AgentStartEvent(agent=source.agent, response_id=event.response_id, **self._output.facts()))

    def _turn_done(self, event: transport_events.TurnDoneEvent) -> None:
        self._tally.add_response(event.response_id, event.usage)
        source = self._scope.finish(event.response_id)
        text, item_id, spoken = _last_text(event.output)
        self._output.emit(
            AgentEndEvent(agent=source.agent, output=text, response_id=event.response_id, **self._output.facts())
        )
        self._calls.response_ended(event.response_id)
        if self._guarding is not None:
            self._guarding.finish(event.response_id, item_id, text, "audio" if spoken else "text")

    def _usage(self, event: transport_events.UsageUpdateEvent) -> None:
        self._tally.add(event.usage)

    # History

    def _item_update(self, event: transport_events.ItemUpdateEvent) -> None:
        self._output.update_item(event.item)

    def _item_deleted(self, event: transport_events.ItemDeletedEvent) -> None:
        if self._output.history.delete(event.item_id):
            self._output.history_changed()

    def _transcribed(self, event: server.ConversationItemInputAudioTranscriptionCompleted) -> None:
        item_id, transcript = event.item_id, event.transcript
        if not (isinstance(item_id, str) and isinstance(transcript, str)):
            return
        if self._output.history.transcribe(item_id, transcript):
            self._output.history_changed()

    def _placed(self, event: server.ConversationItemAdded | server.ConversationItemDone) -> None:
        item, previous = event.item, event.previous_item_id
        if isinstance(item, FunctionCallItem) and isinstance(item.id, str) and previous is not UNSET:
            place = previous if isinstance(previous, str) else None
            if self._output.history.place(item.id, place):
                self._output.history_changed()

    # Calls

    def _function_call(self, event: transport_events.FunctionCallEvent) -> None:
        self._calls.receive(event)

    def _output_item_done(self, event: server.ResponseOutputItemDone) -> None:
        """Handle a repeated call, for which the transport emits no `FunctionCallEvent`."""
        item = event.item
        if not isinstance(item, FunctionCallItem) or item.status != "completed":
            return
        call = transport_events.FunctionCallEvent(
            id=_text(item.id),
            call_id=_text(item.call_id),
            name=_text(item.name),
            arguments=_text(item.arguments),
            response_id=_text(event.response_id),
        )
        if self._calls.ledger.judge(call) != "new":
            self._calls.receive(call)

    def policy_given(self, call: OpenCall, needs_approval: bool) -> None:
        """Take the answer of an approval policy."""
        self._calls.policy_given(call, needs_approval)

    def policy_failed(self, call: OpenCall, error: Exception) -> None:
        """Note that an approval policy failed."""
        self._calls.policy_failed(call, error)

    def answered_by_guardrail(self, call: OpenCall, text: str) -> None:
        """Take the answer of an input guardrail that ran before approval."""
        self._calls.answered_by_guardrail(call, text)

    def tool_finished(self, call: OpenCall, outcome: do.ToolOutcome) -> None:
        """Take the outcome of a tool."""
        self._calls.finish(call, outcome)

    def rejection_formatted(self, call: OpenCall, text: str) -> None:
        """Take the text for a rejected call."""
        self._calls.reject(call, text)

    def output_sent(self, call: OpenCall) -> None:
        """Note that the answer of a call was sent."""
        if not self._closed:
            self._calls.sent(call)

    def call_settled(self, key: str) -> None:
        """Note that the answer to an MCP request was sent."""
        self._output.act(do.CallSettled(key))

    def decide(self, asked: ToolApproval | str, verdict: Verdict, *, always: bool = False) -> str | None:
        """Apply a decision. Returns the key of the call to wait for, or ``None`` if it was decided before.

        Raises:
            LocalProtocolError: The approval is not of this connection, or the connection is over.
        """
        return self._calls.decide(asked, verdict, always=always)

    def ask_mcp(self, approval: ToolApproval) -> None:
        """Ask the application for a decision on an MCP call, since ``on_approval`` failed."""
        self._calls.ask_mcp(approval)

    def cancel_tool(self, call_id: str) -> bool:
        """Cancel a call for the application. Returns whether it waited or ran."""
        return not self._closed and self._calls.cancel(call_id)

    # MCP

    def _mcp_listed(self, event: transport_events.McpToolsListedEvent) -> None:
        if self._mcp.list_tools(event.server_label, event.tools):
            self._output.emit(McpToolsChangedEvent(tools=self._mcp.available, **self._output.facts()))

    def _mcp_request(self, event: transport_events.McpApprovalRequestEvent) -> None:
        self._calls.receive_mcp_request(event.item, self._mcp.server(event.item.server_label))

    def _mcp_completed(self, event: transport_events.McpToolCallCompletedEvent) -> None:
        self._output.emit(McpToolCallCompletedEvent(item=event.item, agent=self.current_agent, **self._output.facts()))
        if self._settings.mcp_auto_response:
            self._output.act(do.RequestResponse())

    # Change of agent

    def update_agent(self, agent: RealtimeAgent[Any]) -> SwitchRequest:
        """Request a handoff to *agent* for the application."""
        request = SwitchRequest(agent)
        self._switching.request(request)
        return request

    def prepared(self, request: SwitchRequest, prepared: PreparedAgent) -> None:
        """Take the prepared agent of a request."""
        self._switching.prepared(request, prepared)

    def config_sent(self, request: SwitchRequest) -> None:
        """Note that the configuration of the new agent was sent."""
        self._switching.sent(request)

    def switch_failed(self, request: SwitchRequest, error: Exception) -> None:
        """Note that a change of agent failed: the active agent stays."""
        self._switching.failed(request, error)

    # Guardrails

    def _transcript(self, event: transport_events.AudioTranscriptDeltaEvent) -> None:
        if self._guarding is not None:
            self._guarding.add(event.response_id, event.item_id, event.delta, "audio")

    def _written(self, event: transport_events.OutputTextDeltaEvent) -> None:
        if self._guarding is not None:
            self._guarding.add(event.response_id, event.item_id, event.delta, "text")

    def guardrails_finished(self, action: do.RunGuardrails, trip: Trip | None) -> None:
        """Take the result of the guardrails for a text."""
        if self._guarding is not None and not self._closed:
            tripped = self._guarding.finished(action, trip)
            if tripped is not None:
                self._cause = (tripped,)

    def report(self, error: CallbackError) -> None:
        """Emit an error of a function of the application."""
        if not self._closed:
            self._output.error(error)

    # The end

    def close(self) -> None:
        """Note that the connection is over. Idempotent."""
        if self._closed:
            return
        self._closed = True
        self._calls.close()
        self._switching.close()

    _HANDLERS: ClassVar[Mapping[type[Any], Callable[..., None]]] = {
        transport_events.AudioDoneEvent: _audio_done,
        transport_events.AudioInterruptedEvent: _interrupted,
        transport_events.AudioTranscriptDeltaEvent: _transcript,
        transport_events.OutputTextDeltaEvent: _written,
        transport_events.FunctionCallEvent: _function_call,
        transport_events.ItemUpdateEvent: _item_update,
        transport_events.ItemDeletedEvent: _item_deleted,
        transport_events.McpToolsListedEvent: _mcp_listed,
        transport_events.McpApprovalRequestEvent: _mcp_request,
        transport_events.McpToolCallCompletedEvent: _mcp_completed,
        transport_events.TurnStartedEvent: _turn_started,
        transport_events.TurnDoneEvent: _turn_done,
        transport_events.UsageUpdateEvent: _usage,
        server.ConversationItemAdded: _placed,
        server.ConversationItemDone: _placed,
        server.ConversationItemInputAudioTranscriptionCompleted: _transcribed,
        server.InputAudioBufferSpeechStarted: _speech_started,
        server.OutputAudioBufferStarted: _buffer_started,
        server.ResponseOutputItemDone: _output_item_done,
    }


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _last_text(output: Any) -> tuple[str, str, bool]:
    """The last text of a response, the item that holds it, and whether any of the response was spoken."""
    items: list[Any] = list(output)
    spoken = any(
        isinstance(part, OutputAudioPart) for item in items if isinstance(item, MessageItem) for part in _parts(item)
    )
    for item in reversed(items):
        parts = _parts(item) if isinstance(item, MessageItem) else ()
        if parts:
            part = parts[-1]
            if isinstance(part, OutputAudioPart) and isinstance(part.transcript, str):
                return part.transcript, _text(item.id), spoken
            if isinstance(part, OutputTextPart) and isinstance(part.text, str):
                return part.text, _text(item.id), spoken
    return "", _text(getattr(items[-1], "id", "")) if items else "", spoken


def _parts(item: MessageItem) -> tuple[Any, ...]:
    return tuple(cast("Any", item.content)) if isinstance(item.content, list | tuple) else ()


_REPLACED = frozenset({transport_events.AudioInterruptedEvent, transport_events.McpToolCallCompletedEvent})
"""Events of the transport for which the session emits its own, with the agent, instead."""

_OF_THE_END = (
    transport_events.ConnectionChangeEvent,
    transport_events.DisconnectedEvent,
    transport_events.ErrorEvent,
)
"""The events that are passed on after the session has ended."""
