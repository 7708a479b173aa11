"""Calls that wait for the application to approve or reject them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import attrs

from realtime_transport.errors import LocalProtocolError, brief

if TYPE_CHECKING:
    from realtime_transport.protocol.engine.realtime_items import RealtimeMcpCallApprovalRequestItem

    from ..agents.agent import RealtimeAgent

__all__ = ["ApprovalBook", "ToolApproval", "Verdict", "Verdicts"]

REJECTED = "Tool execution was not approved."


@attrs.frozen(kw_only=True, eq=False)
class ToolApproval:
    """A call that waits: give it to `RealtimeSession.approve` or `RealtimeSession.reject`.

    Attributes:
        kind: ``"function"``, or ``"mcp"`` for a tool of an MCP server.
        call_id: The id of the call; for MCP, the id of the request's item.
        tool_name: The tool.
        arguments: JSON text.
        agent: The agent whose tool it is.
        request: The item of the request, for MCP.
    """

    kind: Literal["function", "mcp"]
    call_id: str
    tool_name: str
    arguments: str = attrs.field(repr=False)
    agent: RealtimeAgent[Any]
    request: RealtimeMcpCallApprovalRequestItem | None = attrs.field(default=None, repr=False)


@attrs.frozen(kw_only=True)
class Verdict:
    """A decision.

    Attributes:
        approved: Whether the tool may run.
        message: The text for the model if it may not; ``None``: that of the session.
    """

    approved: bool
    message: str | None = None


@attrs.define(eq=False)
class Verdicts:
    """The decisions that hold for all calls of a tool, as long as the session object lives."""

    _always: dict[tuple[int, str], tuple[RealtimeAgent[Any], Verdict]] = attrs.field(
        init=False, factory=dict[tuple[int, str], "tuple[RealtimeAgent[Any], Verdict]"]
    )

    def remember(self, approval: ToolApproval, verdict: Verdict) -> None:
        """Apply *verdict* to later calls of the agent's tool."""
        self._always[id(approval.agent), approval.tool_name] = (approval.agent, verdict)

    def find(self, agent: RealtimeAgent[Any], tool_name: str) -> Verdict | None:
        """The remembered decision for a tool of an agent."""
        found = self._always.get((id(agent), tool_name))
        return None if found is None else found[1]


@attrs.define(eq=False)
class ApprovalBook:
    """The approvals that one connection has asked for: each is decided once.

    Attributes:
        closed: Whether the connection is over: then nothing can be decided.
    """

    # | state   | decide          | decide after close |
    # | pending | decided         | LocalProtocolError |
    # | decided | nothing happens | LocalProtocolError |
    _issued: dict[int, ToolApproval] = attrs.field(init=False, factory=dict[int, ToolApproval])
    _by_call: dict[str, ToolApproval] = attrs.field(init=False, factory=dict[str, ToolApproval])
    _decided: set[int] = attrs.field(init=False, factory=set[int])
    closed: bool = attrs.field(init=False, default=False)

    def issue(self, approval: ToolApproval) -> None:
        """Register an approval that the application is asked for."""
        self._issued[id(approval)] = approval
        self._by_call[approval.call_id] = approval

    def is_known(self, call_id: str) -> bool:
        """Whether a decision on this call has been asked for."""
        return call_id in self._by_call

    def decide(self, asked: ToolApproval | str) -> ToolApproval | None:
        """Decide an approval. Returns it, or ``None`` if it was decided before.

        Raises:
            LocalProtocolError: The approval is not of this connection, or the connection is over.
        """
        approval = self._by_call.get(asked) if isinstance(asked, str) else self._issued.get(id(asked))
        if not isinstance(asked, str | ToolApproval):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise LocalProtocolError(f"a ToolApproval or a call_id decides on a call, not {brief(asked)}")
        if approval is None or self.closed:
            call_id = asked if isinstance(asked, str) else asked.call_id
            raise LocalProtocolError(
                f"no approval of the call {call_id!r} waits here; it belongs to a connection that is closed, or to "
                "another session"
            )
        if id(approval) in self._decided:
            return None
        self._decided.add(id(approval))
        return approval

    def withdraw(self, call_id: str) -> None:
        """Note that the call is over: a later decision changes nothing."""
        approval = self._by_call.get(call_id)
        if approval is not None:
            self._decided.add(id(approval))
