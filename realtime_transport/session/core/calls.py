"""Function calls: finds the tool, reads the arguments, asks for approval, answers."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Literal

import attrs

from realtime_transport.errors import CallbackError, ModelBehaviorError
from realtime_transport.protocol.engine.realtime_items import RealtimeToolCallItem

from ..tools.arguments import InvalidArguments
from ..tools.rendering import default_render
from ..tools.tool import GENERIC_ERROR
from . import actions as do
from .approval import REJECTED, ApprovalBook, ToolApproval, Verdict, Verdicts
from .events import AgentToolEndEvent, AgentToolStartEvent, ToolApprovalRequestedEvent, ToolCancelledEvent
from .ledger import MAX_OPEN_CALLS, CallState, OpenCall, ToolLedger
from .switch import SwitchRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from realtime_transport.protocol.engine.events import FunctionCallEvent
    from realtime_transport.protocol.engine.realtime_items import RealtimeMcpCallApprovalRequestItem

    from ..agents.handoff import Handoff
    from ..agents.mcp import HostedMcpTool
    from ..agents.scope import ResponseScope
    from .output import CoreOutput
    from .settings import ToolSettings

__all__ = ["CallDesk"]

logger: logging.Logger = logging.getLogger("realtime_transport")

INTERRUPTED = "Tool call was cancelled because the user interrupted."
CANCELLED = "Tool call was cancelled."
TOO_MANY = "Too many tool calls are open. Please wait for their results."


@attrs.define(eq=False)
class CallDesk:
    """Handles the calls of one connection; each is answered once."""

    _output: CoreOutput
    _scope: ResponseScope
    _settings: ToolSettings
    _verdicts: Verdicts
    _request_switch: Callable[[SwitchRequest], None]
    _formats_rejections: bool = False
    ledger: ToolLedger = attrs.field(init=False)
    book: ApprovalBook = attrs.field(init=False, factory=ApprovalBook)
    _owed: set[str] = attrs.field(init=False, factory=set[str])
    _after: dict[str, ModelBehaviorError] = attrs.field(init=False, factory=dict[str, ModelBehaviorError])

    def __attrs_post_init__(self) -> None:
        self.ledger = ToolLedger(self._settings.max_concurrent)

    # Receiving

    def receive(self, event: FunctionCallEvent) -> None:
        """Handle a call of the model."""
        match self.ledger.judge(event):
            case "new":
                self._dispatch(event)
            case "repeated":
                self.repeat(event)
            case "reused":
                self._output.error(
                    ModelBehaviorError(f"the call id {event.call_id!r} was used again for another call; it is not run")
                )

    def repeat(self, event: FunctionCallEvent) -> None:
        """Send the answer of a known call again, if it has one: the server has repeated the call."""
        call = self.ledger.find(event.call_id or event.id)
        if call is not None and call.state is CallState.ANSWERED:
            self._output.act(do.SendOutput(call, repeated=True))

    def _dispatch(self, event: FunctionCallEvent) -> None:
        source = self._scope.source(event.response_id)
        tool, handoff = source.tool(event.name), source.handoff(event.name)
        full = self.ledger.is_full
        call = self.ledger.add(event, source.agent, tool)
        if not event.response_id:
            self._refuse(call, GENERIC_ERROR, f"the call of {event.name} names no response, and is not run")
        elif full:
            self._refuse(call, TOO_MANY, f"more than {MAX_OPEN_CALLS} calls are open; that of {event.name} is not run")
        elif tool is not None:
            self._begin(call)
        elif handoff is not None:
            self._hand_over(call, handoff)
        else:
            text = f"Tool {event.name} not found"
            self._refuse(call, text, text, respond=self._settings.respond_to_unknown)

    def _refuse(self, call: OpenCall, text: str, reason: str, *, respond: bool = True) -> None:
        """Answer without running anything; once that is sent, an `ErrorEvent` tells the application."""
        self._after[call.key] = ModelBehaviorError(reason)
        self._answer(call, text, respond=respond)

    def _hand_over(self, call: OpenCall, handoff: Handoff) -> None:
        try:
            value = handoff.read_arguments(call.event.arguments)
        except InvalidArguments as error:
            text = f"Invalid arguments for {handoff.tool_name}: {error}"
            self._refuse(call, text, text)
            return
        self._request_switch(SwitchRequest(handoff.agent, source=call.agent, call=call, handoff=handoff, input=value))

    def _begin(self, call: OpenCall) -> None:
        tool = call.tool
        assert tool is not None
        try:
            call.arguments = tool.read_arguments(call.event.arguments)
        except InvalidArguments as error:
            text = f"Invalid arguments for {tool.name}: {error}"
            self._refuse(call, text, text)
            return
        verdict = self._verdicts.find(call.agent, tool.name)
        if verdict is not None:
            self._apply(call, verdict)
        elif tool.needs_approval is False:
            self._admit(call)
        elif tool.needs_approval is True and not self._guards_first(call):
            self.ask(call)
        else:
            self._output.act(do.AskPolicy(call))

    def _guards_first(self, call: OpenCall) -> bool:
        return bool(self._settings.pre_approval_input_guardrails and call.tool and call.tool.input_guardrails)

    # Approval

    def policy_given(self, call: OpenCall, needs_approval: bool) -> None:
        """Take the answer of the approval policy."""
        if call.state is CallState.RECEIVED:
            if needs_approval:
                self.ask(call)
            else:
                self._admit(call)

    def policy_failed(self, call: OpenCall, error: Exception) -> None:
        """Answer with an error, since the approval policy failed; the tool does not run."""
        if call.state is CallState.RECEIVED:
            failure = CallbackError(
                f"the approval of {call.event.name} raised {error!r}", role="approval", name=call.event.name
            )
            failure.__cause__ = error
            self._output.error(failure)
            self._answer(call, GENERIC_ERROR)

    def answered_by_guardrail(self, call: OpenCall, text: str) -> None:
        """Answer with the text of an input guardrail that ran before approval."""
        self._answer(call, text)

    def ask(self, call: OpenCall) -> None:
        """Ask the application for a decision."""
        if not call.advance("ask"):
            return
        approval = ToolApproval(
            kind="function",
            call_id=call.key,
            tool_name=call.event.name,
            arguments=call.event.arguments,
            agent=call.agent,
        )
        self.book.issue(approval)
        self._output.emit(
            ToolApprovalRequestedEvent(
                kind="function_approval", approval=approval, tool=call.tool, agent=call.agent, **self._output.facts()
            )
        )

    def receive_mcp_request(self, item: RealtimeMcpCallApprovalRequestItem, server: HostedMcpTool | None) -> None:
        """Handle the server's question whether it may run a tool of an MCP server."""
        if self.book.is_known(item.item_id):
            return
        approval = ToolApproval(
            kind="mcp",
            call_id=item.item_id,
            tool_name=item.name,
            arguments=default_render(item.arguments),
            agent=self._scope.current.agent,
            request=item,
        )
        self.book.issue(approval)
        if server is not None and server.on_approval is not None:
            self._output.act(do.DecideMcp(approval, server))
        else:
            self.ask_mcp(approval)

    def ask_mcp(self, approval: ToolApproval) -> None:
        """Ask the application for a decision on an MCP call."""
        self._output.emit(
            ToolApprovalRequestedEvent(
                kind="mcp_approval_request", approval=approval, agent=approval.agent, **self._output.facts()
            )
        )

    def decide(self, asked: ToolApproval | str, verdict: Verdict, *, always: bool = False) -> str | None:
        """Apply a decision. Returns the key of the call to wait for, or ``None`` if it was decided before.

        Raises:
            LocalProtocolError: The approval is not of this connection, or the connection is over.
        """
        approval = self.book.decide(asked)
        if approval is None:
            return None
        if approval.kind == "mcp":
            if always:
                logger.warning("a decision on a tool of an MCP server holds once; use allowed_tools for more")
            assert approval.request is not None
            self._output.act(do.SendMcpAnswer(approval, approval.request, verdict.approved, verdict.message))
            return approval.call_id
        if always:
            self._verdicts.remember(approval, verdict)
        call = self.ledger.find(approval.call_id)
        if call is None or call.state is not CallState.AWAITING_APPROVAL:
            return None
        self._apply(call, verdict)
        return call.key

    def _apply(self, call: OpenCall, verdict: Verdict) -> None:
        if verdict.approved:
            self._admit(call)
        elif verdict.message is not None:
            self.reject(call, verdict.message)
        elif self._formats_rejections:
            self._output.act(do.FormatRejection(call))
        else:
            self.reject(call, REJECTED)

    def reject(self, call: OpenCall, text: str) -> None:
        """Answer with *text* instead of running the tool."""
        if call.state in (CallState.RECEIVED, CallState.AWAITING_APPROVAL):
            self._emit_start(call)
            self._answer(call, text)

    # Running

    def _admit(self, call: OpenCall) -> None:
        if self.ledger.admit(call):
            self._start()

    def _start(self) -> None:
        for call in self.ledger.start():
            self._emit_start(call)
            self._output.act(do.RunTool(call, self._output.history.snapshot))

    def _emit_start(self, call: OpenCall) -> None:
        assert call.tool is not None
        call.started = True
        self._output.emit(
            AgentToolStartEvent(agent=call.agent, tool=call.tool, tool_call=call.event, **self._output.facts())
        )

    def finish(self, call: OpenCall, outcome: do.ToolOutcome) -> None:
        """Answer with the outcome of a tool, if the call still runs."""
        if call.state is CallState.RUNNING:
            if outcome.report is not None:
                self._output.emit(outcome.report)
            self._answer(call, outcome.text, respond=outcome.respond, image=outcome.image)

    def interrupt(self, responses: frozenset[str]) -> None:
        """Apply ``when_interrupted`` to the calls of *responses*."""
        for call in self.ledger.yielding:
            policy = None if call.tool is None else call.tool.when_interrupted
            if call.event.response_id not in responses or call.state not in (CallState.READY, CallState.RUNNING):
                continue
            if policy == "cancel":
                self._cancel(call, INTERRUPTED, "interrupted", respond=False)
            elif policy == "signal" and call.state is CallState.RUNNING:
                self._output.act(do.SignalTool(call))

    def cancel(self, key: str) -> bool:
        """Cancel a call for the application. Returns whether it waited or ran."""
        call = self.ledger.find(key)
        if call is None or call.tool is None:
            return False
        return self._cancel(call, CANCELLED, "requested", respond=True)

    def _cancel(self, call: OpenCall, text: str, reason: Literal["interrupted", "requested"], *, respond: bool) -> bool:
        if call.state not in (CallState.AWAITING_APPROVAL, CallState.READY, CallState.RUNNING):
            return False
        if call.state is CallState.RUNNING:
            self._output.act(do.CancelTool(call))
        self._emit_cancelled(call, reason)
        self._answer(call, text, respond=respond)
        return True

    def _emit_cancelled(self, call: OpenCall, reason: Literal["interrupted", "requested", "closed"]) -> None:
        assert call.tool is not None
        self._output.emit(
            ToolCancelledEvent(
                agent=call.agent, tool=call.tool, tool_call=call.event, reason=reason, **self._output.facts()
            )
        )

    # Answering

    def answer_handoff(self, call: OpenCall, text: str) -> None:
        """Answer the call of a handoff."""
        self._answer(call, text)

    def _answer(self, call: OpenCall, text: str, *, respond: bool = True, image: str | None = None) -> None:
        if not self.ledger.answer(call, text, respond=respond, image=image):
            return
        self.book.withdraw(call.key)
        if self._settings.respond == "all_done":
            self._respond_at_the_end(call)
        self._output.act(do.SendOutput(call))
        self._start()

    def _respond_at_the_end(self, call: OpenCall) -> None:
        response_id = call.event.response_id
        if call.respond:
            self._owed.add(response_id)
        call.respond = self._is_due(response_id)
        if call.respond:
            self._owed.discard(response_id)

    def _is_due(self, response_id: str) -> bool:
        over = self._scope.active != response_id  # A response in progress may bring more calls.
        return over and response_id in self._owed and not self.ledger.waits_in(response_id)

    def response_ended(self, response_id: str) -> None:
        """Ask for the response that is due when a response has ended and all its calls are answered."""
        if self._is_due(response_id):
            self._owed.discard(response_id)
            self._output.act(do.RequestResponse())

    def sent(self, call: OpenCall) -> None:
        """Note that the answer of a call was sent: update the history, emit its events."""
        if not self.ledger.sent(call):
            return
        event, output = call.event, self._output
        if event.id:
            output.update_item(
                RealtimeToolCallItem(
                    item_id=event.id,
                    name=event.name,
                    arguments=event.arguments,
                    status="completed",
                    output=call.output,
                    previous_item_id=event.previous_item_id,
                )
            )
        if call.started:
            assert call.tool is not None
            output.emit(
                AgentToolEndEvent(
                    agent=call.agent, tool=call.tool, result=call.output, tool_call=event, **output.facts()
                )
            )
        failure = self._after.pop(call.key, None)
        if failure is not None:
            output.error(failure)
        output.act(do.CallSettled(call.key))

    def close(self) -> None:
        """Drop all open calls, since the connection is over."""
        self.book.closed = True
        running = self.ledger.running
        for call in self.ledger.drop_all():
            if call in running:
                self._output.act(do.CancelTool(call))
                self._emit_cancelled(call, "closed")
            self._output.act(do.CallSettled(call.key))
