"""The interface of every transport: its required and its optional members."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from realtime_transport.errors import UnsupportedOperation
from realtime_transport.late_classes import frozen
from realtime_transport.protocol.config.settings import DEFAULT_MODEL, SessionSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager
    from typing import Self

    from realtime_transport.connection.statistics import ConnectionStatistics
    from realtime_transport.connection.subscription import Subscription
    from realtime_transport.protocol.engine.events import (
        ConnectionStatus,
        Event,
        FunctionCallEvent,
        McpApprovalRequestEvent,
    )
    from realtime_transport.protocol.engine.realtime_items import RealtimeItem, RealtimeMcpCallApprovalRequestItem
    from realtime_transport.protocol.wire.client_events import ClientEvent

    from ..endpoint.options import ApiKey, SessionConfig
    from .batch import Batch

__all__ = ["ConnectionState", "RealtimeTransportLayer"]


@frozen()
class ConnectionState:
    """The state of the current connection.

    Attributes:
        status: The transport's ``status``.
        url: The requested URL, without user info and secrets in its query; ``None`` before the first connect.
        call_id: The call that the connection is attached to, if any.
    """

    status: ConnectionStatus
    url: str | None = None
    call_id: str | None = None


class RealtimeTransportLayer(ABC):
    """A connection to a speech-to-speech model, whatever carries it.

    Implement this for a transport from scratch. To keep the protocol and change only the wire, build on
    `OpenAIRealtimeBase` with a connector.

    Required are the members without an implementation here: with them a transport serves the checks of
    `realtime_transport.testing.transports` and a session. The others are optional. Where possible their implementation
    uses the required ones; otherwise they raise `UnsupportedOperation`, and so does what needs them (`RealtimeEmitter`
    needs `close_nowait` and the ``…_nowait`` twins).
    """

    # Required

    @property
    @abstractmethod
    def status(self) -> ConnectionStatus:
        """``"connecting"``, ``"connected"``, ``"disconnecting"`` or ``"disconnected"``."""

    @property
    @abstractmethod
    def muted(self) -> bool | None:
        """Whether the microphone is muted; ``None`` where the transport has none."""

    @abstractmethod
    def connect(
        self,
        *,
        api_key: ApiKey | None = None,
        model: str | None = None,
        url: str | None = None,
        call_id: str | None = None,
        initial_session_config: SessionConfig | None = None,
        wait_for_session: bool = True,
    ) -> AbstractAsyncContextManager[Self]:
        """Open a connection for the time of an ``async with`` block.

        The block is entered when the session is ready, or with ``wait_for_session=False`` when the connection is open.
        """

    @abstractmethod
    async def aclose(self) -> None:
        """Close the connection and wait until it is closed. Idempotent.

        If cancelled, the connection closes all the same.
        """

    @abstractmethod
    def __aiter__(self) -> AsyncIterator[Event]:
        """The events of the connection, in order."""

    @abstractmethod
    def subscribe(self, *types: type[Event]) -> AbstractAsyncContextManager[Subscription[Event]]:
        """A stream of the events of *types* from now on; without types, of the events that iterating gives."""

    @abstractmethod
    async def send_event(self, event: ClientEvent | Mapping[str, Any]) -> None:
        """Send one client event as it is. If cancelled, nothing was queued."""

    @abstractmethod
    async def send_message(
        self,
        message: str | Mapping[str, Any],
        other_event_data: Mapping[str, Any] | None = None,
        *,
        trigger_response: bool = True,
    ) -> None:
        """Send a user message and, if *trigger_response*, ask for a response.

        If cancelled, nothing was queued.
        """

    @abstractmethod
    async def add_image(self, image: str, *, trigger_response: bool = True) -> None:
        """Send an image (a data URI) of the user and, if *trigger_response*, ask for a response.

        If cancelled, nothing was queued.
        """

    @abstractmethod
    async def send_audio(self, audio: bytes | bytearray | memoryview[int], *, commit: bool = False) -> None:
        """Append audio to the input buffer of the server. If cancelled, nothing was queued."""

    @abstractmethod
    async def send_function_call_output(
        self, tool_call: FunctionCallEvent | Mapping[str, Any], output: object, *, start_response: bool = True
    ) -> None:
        """Send the result of a function. If cancelled, nothing was queued."""

    @abstractmethod
    async def send_mcp_response(
        self,
        approval_request: McpApprovalRequestEvent | RealtimeMcpCallApprovalRequestItem | Mapping[str, Any],
        approved: bool,
        reason: str | None = None,
    ) -> None:
        """Answer a request to approve an MCP call, with an optional reason. If cancelled, nothing was queued."""

    @abstractmethod
    async def update_session_config(self, config: SessionConfig, *, reset: bool = False) -> None:
        """Change the session. If cancelled, nothing was queued."""

    @abstractmethod
    async def request_response(self, response: Mapping[str, Any] | None = None) -> None:
        """Ask for a response. If cancelled, nothing was queued."""

    @abstractmethod
    async def reset_history(self, old_history: Sequence[RealtimeItem], new_history: Sequence[RealtimeItem]) -> None:
        """Change the conversation on the server from *old_history* to *new_history*.

        If cancelled, nothing was queued.
        """

    @abstractmethod
    def interrupt(self, *, cancel_ongoing_response: bool = True, response_id: str | None = None) -> None:
        """Stop the model: its response, and the playback of audio that was not heard yet."""

    @abstractmethod
    def mute(self, muted: bool) -> None:
        """Mute or unmute the microphone."""

    # Optional: state

    @property
    def connection_state(self) -> ConnectionState:
        """Status, URL and call of the current connection."""
        return ConnectionState(status=self.status, call_id=self.call_id)

    @property
    def call_id(self) -> str | None:
        """The call that the current connection is attached to, if any."""
        return None

    @property
    def current_model(self) -> str:
        """The model. A new value takes effect with the next ``session.update``."""
        raise _unsupported(self, "current_model")

    @current_model.setter
    def current_model(self, model: str) -> None:
        raise _unsupported(self, "current_model")

    @property
    def tracing_config(self) -> Any:
        """The requested tracing, if it is known."""
        return None

    @property
    def response_requested(self) -> bool:
        """Whether a requested response has not begun."""
        raise _unsupported(self, "response_requested")

    def statistics(self) -> ConnectionStatistics:
        """Counters of the current connection."""
        raise _unsupported(self, "statistics")

    def build_session_payload(self, config: SessionConfig) -> dict[str, Any]:
        """The ``session`` object for *config*, defaults included; nothing is sent.

        Raises:
            ConfigError: A setting has a wrong name, type or value.
        """
        return SessionSettings(DEFAULT_MODEL).preview(config)

    # Optional: control calls, which never wait

    def close_nowait(self, *, discard: bool = False) -> None:
        """Begin to close, and return at once; with *discard*, what is queued is not sent."""
        raise _unsupported(self, "close_nowait")

    def cancel_response(self) -> None:
        """Cancel the running response, if there is one; what was received of it is kept."""
        raise _unsupported(self, "cancel_response")

    def audio_played(self, item_id: str, content_index: int, samples: int) -> None:
        """Report how many samples of an item have been played, when the application plays the audio itself."""
        raise _unsupported(self, "audio_played")

    # Optional: sending

    async def commit_audio(self) -> None:
        """End the user's turn: the appended audio becomes a message. Only with turn detection off.

        If cancelled, nothing was queued.
        """
        await self.send_event({"type": "input_audio_buffer.commit"})

    async def clear_audio(self) -> None:
        """Clear the audio that was appended and not committed. If cancelled, nothing was queued."""
        await self.send_event({"type": "input_audio_buffer.clear"})

    def batch(self, *, only_if: Callable[[], bool] | None = None) -> AbstractAsyncContextManager[Batch]:
        """Several messages that are queued together or not at all; see `Batch`."""
        raise _unsupported(self, "batch")

    def send_event_nowait(self, event: ClientEvent | Mapping[str, Any]) -> None:
        """`send_event` without waiting. All twins raise `anyio.WouldBlock` if there is no room: nothing was queued."""
        raise _unsupported(self, "send_event_nowait")

    def send_message_nowait(
        self,
        message: str | Mapping[str, Any],
        other_event_data: Mapping[str, Any] | None = None,
        *,
        trigger_response: bool = True,
    ) -> None:
        """`send_message` without waiting."""
        raise _unsupported(self, "send_message_nowait")

    def add_image_nowait(self, image: str, *, trigger_response: bool = True) -> None:
        """`add_image` without waiting."""
        raise _unsupported(self, "add_image_nowait")

    def send_audio_nowait(self, audio: bytes | bytearray | memoryview[int], *, commit: bool = False) -> None:
        """`send_audio` without waiting."""
        raise _unsupported(self, "send_audio_nowait")

    def commit_audio_nowait(self) -> None:
        """`commit_audio` without waiting."""
        self.send_event_nowait({"type": "input_audio_buffer.commit"})

    def clear_audio_nowait(self) -> None:
        """`clear_audio` without waiting."""
        self.send_event_nowait({"type": "input_audio_buffer.clear"})

    def send_function_call_output_nowait(
        self, tool_call: FunctionCallEvent | Mapping[str, Any], output: object, *, start_response: bool = True
    ) -> None:
        """`send_function_call_output` without waiting."""
        raise _unsupported(self, "send_function_call_output_nowait")

    def send_mcp_response_nowait(
        self,
        approval_request: McpApprovalRequestEvent | RealtimeMcpCallApprovalRequestItem | Mapping[str, Any],
        approved: bool,
        reason: str | None = None,
    ) -> None:
        """`send_mcp_response` without waiting."""
        raise _unsupported(self, "send_mcp_response_nowait")

    def update_session_config_nowait(self, config: SessionConfig, *, reset: bool = False) -> None:
        """`update_session_config` without waiting."""
        raise _unsupported(self, "update_session_config_nowait")

    def request_response_nowait(self, response: Mapping[str, Any] | None = None) -> None:
        """`request_response` without waiting."""
        raise _unsupported(self, "request_response_nowait")

    def reset_history_nowait(self, old_history: Sequence[RealtimeItem], new_history: Sequence[RealtimeItem]) -> None:
        """`reset_history` without waiting."""
        raise _unsupported(self, "reset_history_nowait")


def _unsupported(transport: object, name: str) -> UnsupportedOperation:
    return UnsupportedOperation(f"{type(transport).__name__} has no {name}")
