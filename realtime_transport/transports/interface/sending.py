"""The calls that send: each waits for room in the outbox and has a twin that does not wait."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from realtime_transport.argument_names import named
from realtime_transport.errors import LocalProtocolError, UnsupportedOperation

from . import operations
from .batch import Batch
from .layer import RealtimeTransportLayer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping, Sequence

    from realtime_transport.connection.connection import Connection
    from realtime_transport.protocol.engine.engine import Engine
    from realtime_transport.protocol.engine.events import FunctionCallEvent, McpApprovalRequestEvent
    from realtime_transport.protocol.engine.realtime_items import RealtimeItem, RealtimeMcpCallApprovalRequestItem
    from realtime_transport.protocol.wire.client_events import ClientEvent

    from ..endpoint.options import SessionConfig
    from .operations import Operation

__all__ = ["SendingTransport"]


class SendingTransport(RealtimeTransportLayer):
    """The sending calls of a transport.

    All messages of one call are queued together or not at all. Without a connection every call raises
    `NotConnectedError`, after a loss `ConnectionLost`; only `interrupt` does nothing instead. From an event loop or
    thread other than the connection's, every call raises `LocalProtocolError`. If a waiting call is cancelled, nothing
    was queued. The ``…_nowait`` twins raise `anyio.WouldBlock` when there is no room; nothing was queued then.
    """

    @abstractmethod
    def _open_connection(self) -> tuple[Connection, Engine]:
        """The connection and its engine.

        Raises:
            NotConnectedError: There is none.
        """

    @property
    @abstractmethod
    def _audio_refused(self) -> str | None:
        """Why audio cannot be sent on this wire; ``None`` if it can."""

    @abstractmethod
    def _send_audio_at_once(self, audio: object) -> bool:
        """The short path of `send_audio`, for nearly every call. Returns whether it was taken.

        The other path has the same effect, but can wait and raise.
        """

    def _check_may_send_audio(self) -> None:
        if self._audio_refused is not None:
            raise UnsupportedOperation(self._audio_refused)
        if self.muted is not None:
            raise LocalProtocolError(
                "the audio source of this transport sends the audio; send_audio() is for one without"
            )

    async def _send(self, operation: Operation) -> None:
        connection, engine = self._open_connection()
        await connection.send(operation.size, lambda now: operation.run(engine, now))

    def _send_nowait(self, operation: Operation) -> None:
        connection, engine = self._open_connection()
        connection.send_nowait(operation.size, lambda now: operation.run(engine, now))

    @named
    @asynccontextmanager
    async def batch(self, *, only_if: Callable[[], bool] | None = None) -> AsyncGenerator[Batch]:
        """Queue several messages together or not at all: the calls of a `Batch`, when the block is left.

        Leaving waits for room. If cancelled, or left by an exception, nothing was queued.

        Args:
            only_if: Called when there is room, in the step that queues the messages; must not wait. If it returns
                false, nothing is queued. `Batch.queued` holds the result.

        Raises:
            NotConnectedError: No connection is open.
            ConnectionLost: The connection was lost.
            ConfigError: One of the calls was refused, and none was carried out; likewise for its other exceptions.
        """
        self._open_connection()
        batch = Batch(self._check_may_send_audio, only_if)
        yield batch
        if len(batch):
            await self._send(batch.operation())

    # Events

    async def send_event(self, event: ClientEvent | Mapping[str, Any]) -> None:
        """Send one client event as it is; a ``response.create`` waits for the running response, see `request_response`.

        If cancelled, nothing was queued.

        Raises:
            ConfigError: It has no type.
        """
        await self._send(operations.send_event(event))

    def send_event_nowait(self, event: ClientEvent | Mapping[str, Any]) -> None:
        """`send_event` without waiting."""
        self._send_nowait(operations.send_event(event))

    # Messages

    @named
    async def send_message(
        self,
        message: str | Mapping[str, Any],
        other_event_data: Mapping[str, Any] | None = None,
        *,
        trigger_response: bool = True,
    ) -> None:
        """Send a user message and, if *trigger_response*, ask for a response.

        If cancelled, nothing was queued.

        Args:
            message: Text, or an item: ``{"type": "message", "role": "user", "content": [...]}``.
            other_event_data: Further fields of the ``conversation.item.create`` event.
            trigger_response: Whether to ask for a response.
        """
        await self._send(operations.send_message(message, other_event_data, trigger_response))

    @named
    def send_message_nowait(
        self,
        message: str | Mapping[str, Any],
        other_event_data: Mapping[str, Any] | None = None,
        *,
        trigger_response: bool = True,
    ) -> None:
        """`send_message` without waiting."""
        self._send_nowait(operations.send_message(message, other_event_data, trigger_response))

    @named
    async def add_image(self, image: str, *, trigger_response: bool = True) -> None:
        """Send an image of the user and, if *trigger_response*, ask for a response.

        If cancelled, nothing was queued.

        Args:
            image: A data URI with a PNG or JPEG (``data:image/png;base64,…``).
            trigger_response: Whether to ask for a response.
        """
        await self._send(operations.add_image(image, trigger_response))

    @named
    def add_image_nowait(self, image: str, *, trigger_response: bool = True) -> None:
        """`add_image` without waiting."""
        self._send_nowait(operations.add_image(image, trigger_response))

    # Audio

    async def send_audio(self, audio: bytes | bytearray | memoryview[int], *, commit: bool = False) -> None:
        """Append *audio* to the input buffer of the server.

        Waits while the outbox is full. If cancelled, nothing was queued.

        Args:
            audio: Raw samples in the session's input format; for ``audio/pcm``, 16-bit little-endian mono at the
                configured rate. Any length up to 15 MiB once encoded.
            commit: End the user's turn after this audio (needed when turn detection is off).

        Raises:
            NotConnectedError: No connection is open.
            ConnectionLost: The link broke; ``code`` holds the close code, if there was one.
            LocalProtocolError: The transport has an audio source, which sends the audio.
            UnsupportedOperation: The audio of this wire is not sent as messages, as in a SIP call.
        """
        if not commit and self._send_audio_at_once(audio):
            return
        self._check_may_send_audio()
        connection, engine = self._open_connection()
        size = operations.audio_size(audio)
        await connection.send(size, lambda _: engine.send_audio(audio, commit))

    def send_audio_nowait(self, audio: bytes | bytearray | memoryview[int], *, commit: bool = False) -> None:
        """`send_audio` without waiting."""
        self._check_may_send_audio()
        self._send_nowait(operations.send_audio(audio, commit))

    async def commit_audio(self) -> None:
        """End the user's turn: the appended audio becomes a message. Only with turn detection off.

        If cancelled, nothing was queued.
        """
        await self._send(operations.commit_audio())

    def commit_audio_nowait(self) -> None:
        """`commit_audio` without waiting."""
        self._send_nowait(operations.commit_audio())

    async def clear_audio(self) -> None:
        """Clear the audio that was appended and not committed. If cancelled, nothing was queued."""
        await self._send(operations.clear_audio())

    def clear_audio_nowait(self) -> None:
        """`clear_audio` without waiting."""
        self._send_nowait(operations.clear_audio())

    # Tools

    @named
    async def send_function_call_output(
        self, tool_call: FunctionCallEvent | Mapping[str, Any], output: object, *, start_response: bool = True
    ) -> None:
        """Send the result of a function.

        If cancelled, nothing was queued.

        Args:
            tool_call: The event of the call, or a mapping with ``call_id``.
            output: Text is sent as it is (often JSON, possibly empty); anything else as compact JSON.
            start_response: Whether to ask for a response.
        """
        await self._send(operations.send_function_call_output(tool_call, output, start_response))

    @named
    def send_function_call_output_nowait(
        self, tool_call: FunctionCallEvent | Mapping[str, Any], output: object, *, start_response: bool = True
    ) -> None:
        """`send_function_call_output` without waiting."""
        self._send_nowait(operations.send_function_call_output(tool_call, output, start_response))

    @named
    async def send_mcp_response(
        self,
        approval_request: McpApprovalRequestEvent | RealtimeMcpCallApprovalRequestItem | Mapping[str, Any],
        approved: bool,
        reason: str | None = None,
    ) -> None:
        """Answer a request to approve an MCP call, with an optional reason. If cancelled, nothing was queued."""
        await self._send(operations.send_mcp_response(approval_request, approved, reason))

    @named
    def send_mcp_response_nowait(
        self,
        approval_request: McpApprovalRequestEvent | RealtimeMcpCallApprovalRequestItem | Mapping[str, Any],
        approved: bool,
        reason: str | None = None,
    ) -> None:
        """`send_mcp_response` without waiting."""
        self._send_nowait(operations.send_mcp_response(approval_request, approved, reason))

    # Session and responses

    @named
    async def update_session_config(self, config: SessionConfig, *, reset: bool = False) -> None:
        """Change the session.

        If cancelled, nothing was queued.

        Args:
            config: The settings to change: the class, or a mapping in snake_case or camelCase.
            reset: Start from the defaults instead of from what this connection last sent.

        Raises:
            ConfigError: A setting has a wrong name, type or value; nothing was sent.
        """
        await self._send(operations.update_session_config(config, reset))

    @named
    def update_session_config_nowait(self, config: SessionConfig, *, reset: bool = False) -> None:
        """`update_session_config` without waiting."""
        self._send_nowait(operations.update_session_config(config, reset))

    async def request_response(self, response: Mapping[str, Any] | None = None) -> None:
        """Ask for a response, at once or when the running one has ended.

        If cancelled, nothing was queued.

        Args:
            response: Parameters of this response. Requests with parameters stay separate and in order; waiting requests
                without parameters become one.
        """
        await self._send(operations.request_response(response))

    def request_response_nowait(self, response: Mapping[str, Any] | None = None) -> None:
        """`request_response` without waiting."""
        self._send_nowait(operations.request_response(response))

    @named
    async def reset_history(self, old_history: Sequence[RealtimeItem], new_history: Sequence[RealtimeItem]) -> None:
        """Change the conversation on the server from *old_history* to *new_history*, by deleting and creating items.

        If cancelled, nothing was queued.

        Raises:
            ConfigError: An item of the new history cannot be created by a client.
        """
        await self._send(operations.reset_history(old_history, new_history))

    @named
    def reset_history_nowait(self, old_history: Sequence[RealtimeItem], new_history: Sequence[RealtimeItem]) -> None:
        """`reset_history` without waiting."""
        self._send_nowait(operations.reset_history(old_history, new_history))
