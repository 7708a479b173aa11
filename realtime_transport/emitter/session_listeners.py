"""The arguments of a session's listeners, for type checkers.

An unknown name is an error, and the argument of a listener has the class of its event.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, TypeVar, overload

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..session.core import events as session

__all__ = ["ListenToSession"]

Owner = TypeVar("Owner", covariant=True)


class ListenToSession(Protocol[Owner]):
    """The type of ``on``, ``once`` and ``off`` of an emitter of a session."""

    @overload
    def __call__(
        self, event: Literal["agent_end"], listener: Callable[[session.AgentEndEvent], object], /
    ) -> Owner: ...
    @overload
    def __call__(
        self, event: Literal["agent_handoff"], listener: Callable[[session.AgentHandoffEvent], object], /
    ) -> Owner: ...
    @overload
    def __call__(
        self, event: Literal["agent_start"], listener: Callable[[session.AgentStartEvent], object], /
    ) -> Owner: ...
    @overload
    def __call__(
        self, event: Literal["agent_tool_end"], listener: Callable[[session.AgentToolEndEvent], object], /
    ) -> Owner: ...
    @overload
    def __call__(
        self, event: Literal["agent_tool_start"], listener: Callable[[session.AgentToolStartEvent], object], /
    ) -> Owner: ...
    @overload
    def __call__(self, event: Literal["audio"], listener: Callable[[session.AudioEvent], object], /) -> Owner: ...
    @overload
    def __call__(
        self, event: Literal["audio_interrupted"], listener: Callable[[session.AudioInterruptedEvent], object], /
    ) -> Owner: ...
    @overload
    def __call__(
        self, event: Literal["audio_start"], listener: Callable[[session.AudioStartEvent], object], /
    ) -> Owner: ...
    @overload
    def __call__(
        self, event: Literal["audio_stopped"], listener: Callable[[session.AudioStoppedEvent], object], /
    ) -> Owner: ...
    @overload
    def __call__(self, event: Literal["error"], listener: Callable[[session.ErrorEvent], object], /) -> Owner: ...
    @overload
    def __call__(
        self, event: Literal["guardrail_tripped"], listener: Callable[[session.GuardrailTrippedEvent], object], /
    ) -> Owner: ...
    @overload
    def __call__(
        self, event: Literal["history_added"], listener: Callable[[session.HistoryAddedEvent], object], /
    ) -> Owner: ...
    @overload
    def __call__(
        self, event: Literal["history_updated"], listener: Callable[[session.HistoryUpdatedEvent], object], /
    ) -> Owner: ...
    @overload
    def __call__(
        self,
        event: Literal["mcp_tool_call_completed"],
        listener: Callable[[session.McpToolCallCompletedEvent], object],
        /,
    ) -> Owner: ...
    @overload
    def __call__(
        self, event: Literal["mcp_tools_changed"], listener: Callable[[session.McpToolsChangedEvent], object], /
    ) -> Owner: ...
    @overload
    def __call__(
        self,
        event: Literal["tool_approval_requested"],
        listener: Callable[[session.ToolApprovalRequestedEvent], object],
        /,
    ) -> Owner: ...
    @overload
    def __call__(
        self, event: Literal["tool_cancelled"], listener: Callable[[session.ToolCancelledEvent], object], /
    ) -> Owner: ...
    @overload
    def __call__(
        self, event: Literal["tool_error"], listener: Callable[[session.ToolErrorEvent], object], /
    ) -> Owner: ...
    @overload
    def __call__(
        self, event: Literal["transport_event"], listener: Callable[[session.TransportEvent], object], /
    ) -> Owner: ...
