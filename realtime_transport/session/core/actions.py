"""The actions that the core of a session asks its tasks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from realtime_transport.protocol.engine.realtime_items import RealtimeItem, RealtimeMcpCallApprovalRequestItem
    from realtime_transport.protocol.wire.model import Event

    from ..agents.agent import RealtimeAgent
    from ..agents.guardrail import GuardrailRun
    from ..agents.mcp import HostedMcpTool
    from .approval import ToolApproval
    from .ledger import OpenCall
    from .switch import SwitchRequest

__all__ = [
    "Action",
    "AskPolicy",
    "CallSettled",
    "CancelResponse",
    "CancelTool",
    "DecideMcp",
    "FormatRejection",
    "Interrupt",
    "Outgoing",
    "Prepare",
    "RequestResponse",
    "RunGuardrails",
    "RunTool",
    "SendConfig",
    "SendMcpAnswer",
    "SendMessage",
    "SendOutput",
    "SignalTool",
    "SwitchSettled",
    "ToolOutcome",
]


@attrs.frozen
class AskPolicy:
    """Ask whether a call needs approval; `SessionCore.policy_given` takes the answer."""

    call: OpenCall


@attrs.frozen
class RunTool:
    """Run a tool; `SessionCore.tool_finished` takes the outcome."""

    call: OpenCall
    history: tuple[RealtimeItem, ...]


@attrs.frozen
class CancelTool:
    """Cancel a running tool; its outcome is ignored."""

    call: OpenCall


@attrs.frozen
class SignalTool:
    """Set ``interrupted`` of a running tool."""

    call: OpenCall


@attrs.frozen
class FormatRejection:
    """Ask for the text for a rejected call; `SessionCore.rejection_formatted` takes it."""

    call: OpenCall


@attrs.frozen
class DecideMcp:
    """Ask ``on_approval`` of an MCP server; `SessionCore.decide` or `SessionCore.ask_mcp` takes the answer."""

    approval: ToolApproval
    server: HostedMcpTool


@attrs.frozen
class RunGuardrails:
    """Run all output guardrails on a text; `SessionCore.guardrails_finished` takes the result."""

    run: GuardrailRun
    agent: RealtimeAgent[Any]
    number: int


@attrs.frozen
class Prepare:
    """Call ``on_handoff`` and prepare the agent; then `SessionCore.prepared` or `SessionCore.switch_failed`."""

    request: SwitchRequest


@attrs.frozen
class Interrupt:
    """Stop the model and playback at once."""


@attrs.frozen
class CallSettled:
    """A call is over: wake the tasks that wait for it."""

    key: str


@attrs.frozen
class SwitchSettled:
    """A change of agent is over: wake the tasks that wait for it."""

    request: SwitchRequest


# Messages, sent strictly in order


@attrs.frozen
class SendOutput:
    """Send the output of a call; then `SessionCore.output_sent`."""

    call: OpenCall
    repeated: bool = False


@attrs.frozen
class SendConfig:
    """Send a configuration that replaces the previous one; then `SessionCore.config_sent`."""

    request: SwitchRequest
    config: Mapping[str, Any]


@attrs.frozen
class SendMessage:
    """Send a user message, and ask for a response."""

    text: str


@attrs.frozen
class SendMcpAnswer:
    """Answer an approval request; then the call is settled."""

    approval: ToolApproval
    request: RealtimeMcpCallApprovalRequestItem
    approve: bool
    reason: str | None


@attrs.frozen
class CancelResponse:
    """Cancel one response."""

    response_id: str


@attrs.frozen
class RequestResponse:
    """Ask for a response."""


Outgoing: TypeAlias = SendOutput | SendConfig | SendMessage | SendMcpAnswer | CancelResponse | RequestResponse

Action: TypeAlias = (
    AskPolicy
    | RunTool
    | CancelTool
    | SignalTool
    | FormatRejection
    | DecideMcp
    | RunGuardrails
    | Prepare
    | Interrupt
    | CallSettled
    | SwitchSettled
    | Outgoing
)


@attrs.frozen(kw_only=True)
class ToolOutcome:
    """How the run of a tool ended.

    Attributes:
        text: The output for the model.
        respond: Whether to ask for a response.
        image: An image that follows the output.
        report: An event that tells the application what went wrong.
    """

    text: str
    respond: bool = True
    image: str | None = None
    report: Event | None = None
