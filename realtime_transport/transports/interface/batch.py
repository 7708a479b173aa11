"""Several messages that are queued together or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from realtime_transport.argument_names import named
from realtime_transport.late_classes import define

from . import operations
from .operations import Operation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from realtime_transport.protocol.engine.engine import Engine
    from realtime_transport.protocol.engine.events import FunctionCallEvent, McpApprovalRequestEvent
    from realtime_transport.protocol.engine.realtime_items import RealtimeItem, RealtimeMcpCallApprovalRequestItem
    from realtime_transport.protocol.wire.client_events import ClientEvent

    from ..endpoint.options import SessionConfig

__all__ = ["Batch"]


@define()
class Batch:
    """Collects calls, and carries out all of them or none when the block is left.

    ::

        async with transport.batch() as batch:
            batch.update_session_config(config)
            batch.send_function_call_output(call, output)

    Each call does what the same call of the transport does. Leaving the block waits for room for all messages together.
    Nothing is sent if the block is left by an exception, is cancelled while it waits, or if one of the calls is
    refused; that call's error is raised then.

    Attributes:
        queued: Whether the messages were queued; valid after the block.
    """

    _check_may_send_audio: Callable[[], None]
    _only_if: Callable[[], bool] | None = None
    queued: bool = attrs.field(default=False, init=False)
    _operations: list[Operation] = attrs.field(factory=list[Operation], init=False)

    def __len__(self) -> int:
        return len(self._operations)

    def operation(self) -> Operation:
        """All calls as one operation. If one of them raises, it raises the same and carries out none."""
        calls = tuple(self._operations)

        def run(engine: Engine, now: float) -> None:
            if self._only_if is not None and not self._only_if():
                return
            if len(calls) > 1:  # A single refused call has changed nothing anyway.
                rehearsal = engine.rehearsal()
                for call in calls:
                    call.run(rehearsal, now)
            for call in calls:
                call.run(engine, now)
            self.queued = True

        return Operation(sum(call.size for call in calls), run)

    def send_event(self, event: ClientEvent | Mapping[str, Any]) -> None:
        """See `RealtimeTransportLayer.send_event`; likewise for the other calls."""
        self._operations.append(operations.send_event(event))

    @named
    def send_message(
        self,
        message: str | Mapping[str, Any],
        other_event_data: Mapping[str, Any] | None = None,
        *,
        trigger_response: bool = True,
    ) -> None:
        """Send a user message and, if *trigger_response*, ask for a response."""
        self._operations.append(operations.send_message(message, other_event_data, trigger_response))

    @named
    def add_image(self, image: str, *, trigger_response: bool = True) -> None:
        """Send an image of the user and, if *trigger_response*, ask for a response."""
        self._operations.append(operations.add_image(image, trigger_response))

    def send_audio(self, audio: bytes | bytearray | memoryview[int], *, commit: bool = False) -> None:
        """Append audio to the input buffer of the server.

        Raises:
            LocalProtocolError: The transport has an audio source, which sends the audio.
            UnsupportedOperation: The audio of this wire is not sent as messages.
        """
        self._check_may_send_audio()
        self._operations.append(operations.send_audio(audio, commit))

    def commit_audio(self) -> None:
        """End the user's turn."""
        self._operations.append(operations.commit_audio())

    def clear_audio(self) -> None:
        """Clear the audio that was appended and not committed."""
        self._operations.append(operations.clear_audio())

    @named
    def send_function_call_output(
        self, tool_call: FunctionCallEvent | Mapping[str, Any], output: str, *, start_response: bool = True
    ) -> None:
        """Send the result of a function."""
        self._operations.append(operations.send_function_call_output(tool_call, output, start_response))

    @named
    def send_mcp_response(
        self,
        approval_request: McpApprovalRequestEvent | RealtimeMcpCallApprovalRequestItem | Mapping[str, Any],
        approved: bool,
        reason: str | None = None,
    ) -> None:
        """Answer a request to approve an MCP call, with an optional reason."""
        self._operations.append(operations.send_mcp_response(approval_request, approved, reason))

    @named
    def update_session_config(self, config: SessionConfig, *, reset: bool = False) -> None:
        """Change the session."""
        self._operations.append(operations.update_session_config(config, reset))

    @named
    def request_response(self, response: Mapping[str, Any] | None = None) -> None:
        """Ask for a response."""
        self._operations.append(operations.request_response(response))

    @named
    def reset_history(self, old_history: Sequence[RealtimeItem], new_history: Sequence[RealtimeItem]) -> None:
        """Change the conversation on the server from *old_history* to *new_history*."""
        self._operations.append(operations.reset_history(old_history, new_history))
