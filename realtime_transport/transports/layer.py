"""What every transport offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager
    from typing import Self

    from realtime_transport.connection.subscription import Subscription
    from realtime_transport.protocol.engine.events import (
        ConnectionStatus,
        Event,
        FunctionCallEvent,
        McpApprovalRequestEvent,
    )
    from realtime_transport.protocol.engine.realtime_items import RealtimeItem, RealtimeMcpCallApprovalRequestItem
    from realtime_transport.protocol.wire.client_events import ClientEvent

    from .options import ApiKey, SessionConfig

__all__ = ["RealtimeTransportLayer"]


class RealtimeTransportLayer(ABC):
    """A connection to a speech-to-speech model, whatever carries it.

    Implement this for a transport from scratch. To keep the protocol and change only the wire, build on
    `OpenAIRealtimeBase` with a connector.
    """

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
    ) -> AbstractAsyncContextManager[Self]:
        """Open a connection for the time of an ``async with`` block."""

    @abstractmethod
    async def aclose(self) -> None:
        """Close the connection and wait until it is closed. Idempotent."""

    @abstractmethod
    def __aiter__(self) -> AsyncIterator[Event]:
        """The events of the connection, in order."""

    @abstractmethod
    def subscribe(self, *types: type[Event]) -> AbstractAsyncContextManager[Subscription[Event]]:
        """A stream of the events of *types* from now on; without types, of the same events as iterating gives."""

    @abstractmethod
    async def send_event(self, event: ClientEvent | Mapping[str, Any]) -> None:
        """Send one client event as it is."""

    @abstractmethod
    async def send_message(
        self,
        message: str | Mapping[str, Any],
        other_event_data: Mapping[str, Any] | None = None,
        *,
        trigger_response: bool = True,
    ) -> None:
        """Send a message of the user and, unless told otherwise, ask for a response."""

    @abstractmethod
    async def add_image(self, image: str, *, trigger_response: bool = True) -> None:
        """Send an image (a data URI) of the user and, unless told otherwise, ask for a response."""

    @abstractmethod
    async def send_audio(self, audio: bytes | bytearray | memoryview[int], *, commit: bool = False) -> None:
        """Append audio to the input buffer of the server."""

    @abstractmethod
    async def send_function_call_output(
        self, tool_call: FunctionCallEvent | Mapping[str, Any], output: str, *, start_response: bool = True
    ) -> None:
        """Return what a function gave."""

    @abstractmethod
    async def send_mcp_response(
        self,
        approval_request: McpApprovalRequestEvent | RealtimeMcpCallApprovalRequestItem | Mapping[str, Any],
        approved: bool,
        reason: str | None = None,
    ) -> None:
        """Answer a request to approve an MCP call, perhaps with a reason."""

    @abstractmethod
    async def update_session_config(self, config: SessionConfig, *, reset: bool = False) -> None:
        """Change the session."""

    @abstractmethod
    async def request_response(self, response: Mapping[str, Any] | None = None) -> None:
        """Ask for a response."""

    @abstractmethod
    async def reset_history(self, old_history: Sequence[RealtimeItem], new_history: Sequence[RealtimeItem]) -> None:
        """Change the conversation on the server from *old_history* to *new_history*."""

    @abstractmethod
    def interrupt(self, *, cancel_ongoing_response: bool = True, response_id: str | None = None) -> None:
        """Stop the model: what it says and what it has said but nobody has heard."""

    @abstractmethod
    def mute(self, muted: bool) -> None:
        """Mute or unmute the microphone."""
