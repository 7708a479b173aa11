"""The calls that an emitter passes on to its transport."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import anyio

from realtime_transport.argument_names import named
from realtime_transport.errors import NotConnectedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from realtime_transport.protocol.engine.events import ConnectionStatus, FunctionCallEvent, McpApprovalRequestEvent
    from realtime_transport.protocol.engine.realtime_items import RealtimeItem, RealtimeMcpCallApprovalRequestItem
    from realtime_transport.protocol.wire.client_events import ClientEvent

    from ..connection.statistics import ConnectionStatistics
    from ..transports.endpoint.options import SessionConfig
    from ..transports.interface.layer import ConnectionState, RealtimeTransportLayer

__all__ = ["TransportCalls", "passed_on"]

P = ParamSpec("P")
T = TypeVar("T")


def passed_on(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call *function* of the transport; errors about its state name what to do with the emitter."""
    try:
        return function(*args, **kwargs)
    except NotConnectedError:
        raise NotConnectedError("there is no connection: `await emitter.connect(…)` comes first") from None
    except anyio.WouldBlock:
        raise anyio.WouldBlock(
            "the outbox is full (max_outbox_bytes), and nothing was queued: drop this piece of audio, or "
            "`await emitter.transport.send_audio(…)`"
        ) from None


class TransportCalls:
    """The properties of a transport, and its calls as plain functions.

    The sending calls raise `NotConnectedError` without a connection, `ConnectionLost` after a loss, and
    `anyio.WouldBlock` when the outbox is full (1 MiB by default, some 16 s of audio that the network did not take):
    memory does not grow and no listener waits. Nothing was queued then: drop that piece of audio, or await
    ``emitter.transport.send_audio(...)``.
    """

    def __init__(self, transport: RealtimeTransportLayer) -> None:
        self._transport = transport

    # State

    @property
    def transport(self) -> RealtimeTransportLayer:
        """The transport."""
        return self._transport

    @property
    def status(self) -> ConnectionStatus:
        """See `RealtimeTransportLayer.status`, as for the other properties."""
        return self._transport.status

    @property
    def connection_state(self) -> ConnectionState:
        """Status, URL and call of the current connection."""
        return self._transport.connection_state

    @property
    def current_model(self) -> str:
        """The model. A new value takes effect with the next ``session.update``."""
        return self._transport.current_model

    @current_model.setter
    def current_model(self, model: str) -> None:
        self._transport.current_model = model

    @property
    def call_id(self) -> str | None:
        """The call that the current connection is attached to."""
        return self._transport.call_id

    @property
    def tracing_config(self) -> Any:
        """The requested tracing."""
        return self._transport.tracing_config

    @property
    def muted(self) -> bool | None:
        """Whether the audio source is muted; ``None`` without one."""
        return self._transport.muted

    def statistics(self) -> ConnectionStatistics:
        """Counters of the current connection."""
        return passed_on(self._transport.statistics)

    # Sending

    def send_event(self, event: ClientEvent | Mapping[str, Any]) -> None:
        """Send one client event as it is; see `RealtimeTransportLayer.send_event`."""
        passed_on(self._transport.send_event_nowait, event)

    @named
    def send_message(
        self,
        message: str | Mapping[str, Any],
        other_event_data: Mapping[str, Any] | None = None,
        *,
        trigger_response: bool = True,
    ) -> None:
        """Send a user message; see `RealtimeTransportLayer.send_message`."""
        passed_on(self._transport.send_message_nowait, message, other_event_data, trigger_response=trigger_response)

    @named
    def add_image(self, image: str, *, trigger_response: bool = True) -> None:
        """Send an image of the user; see `RealtimeTransportLayer.add_image`."""
        passed_on(self._transport.add_image_nowait, image, trigger_response=trigger_response)

    def send_audio(self, audio: bytes | bytearray | memoryview[int], *, commit: bool = False) -> None:
        """Append audio to the input; see `RealtimeTransportLayer.send_audio`."""
        passed_on(self._transport.send_audio_nowait, audio, commit=commit)

    def commit_audio(self) -> None:
        """End the user's turn; see `RealtimeTransportLayer.commit_audio`."""
        passed_on(self._transport.commit_audio_nowait)

    def clear_audio(self) -> None:
        """Clear the appended audio; see `RealtimeTransportLayer.clear_audio`."""
        passed_on(self._transport.clear_audio_nowait)

    @named
    def send_function_call_output(
        self, tool_call: FunctionCallEvent | Mapping[str, Any], output: object, *, start_response: bool = True
    ) -> None:
        """Send the result of a function; see `RealtimeTransportLayer.send_function_call_output`."""
        passed_on(self._transport.send_function_call_output_nowait, tool_call, output, start_response=start_response)

    @named
    def send_mcp_response(
        self,
        approval_request: McpApprovalRequestEvent | RealtimeMcpCallApprovalRequestItem | Mapping[str, Any],
        approved: bool,
        reason: str | None = None,
    ) -> None:
        """Answer a request to approve an MCP call; see `RealtimeTransportLayer.send_mcp_response`."""
        passed_on(self._transport.send_mcp_response_nowait, approval_request, approved, reason)

    @named
    def update_session_config(self, config: SessionConfig, *, reset: bool = False) -> None:
        """Change the session; see `RealtimeTransportLayer.update_session_config`."""
        passed_on(self._transport.update_session_config_nowait, config, reset=reset)

    def request_response(self, response: Mapping[str, Any] | None = None) -> None:
        """Ask for a response; see `RealtimeTransportLayer.request_response`."""
        passed_on(self._transport.request_response_nowait, response)

    @named
    def reset_history(self, old_history: Sequence[RealtimeItem], new_history: Sequence[RealtimeItem]) -> None:
        """Change the conversation on the server; see `RealtimeTransportLayer.reset_history`."""
        passed_on(self._transport.reset_history_nowait, old_history, new_history)

    @named
    def interrupt(self, *, cancel_ongoing_response: bool = True, response_id: str | None = None) -> None:
        """Stop the model; see `RealtimeTransportLayer.interrupt`. Does nothing without a connection."""
        passed_on(self._transport.interrupt, cancel_ongoing_response=cancel_ongoing_response, response_id=response_id)

    def cancel_response(self) -> None:
        """Cancel the running response; see `RealtimeTransportLayer.cancel_response`."""
        passed_on(self._transport.cancel_response)

    def audio_played(self, item_id: str, content_index: int, samples: int) -> None:
        """Report how much of an item has been played; see `RealtimeTransportLayer.audio_played`."""
        passed_on(self._transport.audio_played, item_id, content_index, samples)

    def mute(self, muted: bool) -> None:
        """Mute or unmute the audio source; see `RealtimeTransportLayer.mute`."""
        self._transport.mute(muted)

    def build_session_payload(self, config: SessionConfig) -> dict[str, Any]:
        """The ``session`` object for *config*; see `RealtimeTransportLayer.build_session_payload`."""
        return self._transport.build_session_payload(config)
