"""The calls that send: each waits for room in the outbox and has a twin that does not wait."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import orjson

from realtime_transport.errors import LocalProtocolError, UnsupportedOperation

from .layer import RealtimeTransportLayer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from realtime_transport.connection.connection import Connection
    from realtime_transport.protocol.engine.engine import Engine
    from realtime_transport.protocol.engine.events import FunctionCallEvent, McpApprovalRequestEvent
    from realtime_transport.protocol.engine.realtime_items import RealtimeItem, RealtimeMcpCallApprovalRequestItem
    from realtime_transport.protocol.wire.client_events import ClientEvent

    from .options import SessionConfig

__all__ = ["SendingTransport", "audio_size"]

OVERHEAD = 256
"""Characters that the envelope of a message takes at most, ids included."""


def audio_size(audio: bytes | bytearray | memoryview[int]) -> int:
    """The characters that an append event with *audio* takes, at most."""
    return OVERHEAD + len(audio) * 4 // 3


def _size(*values: object) -> int:
    """About how many characters *values* take on the wire: what the outbox reserves for a call."""
    return OVERHEAD + sum(map(_size_of, values))


def _size_of(value: object) -> int:
    match value:
        case None:
            return 0
        case str():
            return len(value)
        case _:
            return len(orjson.dumps(value, default=repr, option=orjson.OPT_NON_STR_KEYS))


class SendingTransport(RealtimeTransportLayer):
    """What a transport can send.

    All messages of one call are queued together or not at all. Without a connection every call raises
    `NotConnectedError`, after a loss `ConnectionLost`; only `interrupt` then does nothing. If a waiting call is
    cancelled, nothing was queued. The ``…_nowait`` twins raise `anyio.WouldBlock` when there is no room, and have then
    queued nothing.
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

    def _check_may_send_audio(self) -> None:
        if self._audio_refused is not None:
            raise UnsupportedOperation(self._audio_refused)
        if self.muted is not None:
            raise LocalProtocolError("the audio source speaks on this transport; send_audio() is for one without")

    async def _send(self, size: int, operation: Callable[[Engine, float], None]) -> None:
        connection, engine = self._open_connection()
        await connection.send(size, lambda now: operation(engine, now))

    def _send_nowait(self, size: int, operation: Callable[[Engine, float], None]) -> None:
        connection, engine = self._open_connection()
        connection.send_nowait(size, lambda now: operation(engine, now))

    # Events

    async def send_event(self, event: ClientEvent | Mapping[str, Any]) -> None:
        """Send one client event as it is; a ``response.create`` waits its turn, see `request_response`.

        Raises:
            ConfigError: It has no type.
        """
        await self._send(_size(event), lambda engine, now: engine.send_event(event, now))

    def send_event_nowait(self, event: ClientEvent | Mapping[str, Any]) -> None:
        """`send_event` without waiting."""
        self._send_nowait(_size(event), lambda engine, now: engine.send_event(event, now))

    # Messages

    async def send_message(
        self,
        message: str | Mapping[str, Any],
        other_event_data: Mapping[str, Any] | None = None,
        *,
        trigger_response: bool = True,
    ) -> None:
        """Send a message of the user and, unless told otherwise, ask for a response.

        Args:
            message: Text, or an item: ``{"type": "message", "role": "user", "content": [...]}``.
            other_event_data: Further fields of the ``conversation.item.create`` event.
            trigger_response: Whether to ask for a response.
        """
        await self._send(
            _size(message, other_event_data),
            lambda engine, now: engine.send_message(message, other_event_data, trigger_response, now),
        )

    def send_message_nowait(
        self,
        message: str | Mapping[str, Any],
        other_event_data: Mapping[str, Any] | None = None,
        *,
        trigger_response: bool = True,
    ) -> None:
        """`send_message` without waiting."""
        self._send_nowait(
            _size(message, other_event_data),
            lambda engine, now: engine.send_message(message, other_event_data, trigger_response, now),
        )

    async def add_image(self, image: str, *, trigger_response: bool = True) -> None:
        """Send an image of the user and, unless told otherwise, ask for a response.

        Args:
            image: A data URI with a PNG or JPEG (``data:image/png;base64,…``).
            trigger_response: Whether to ask for a response.
        """
        await self._send(_size(image), lambda engine, now: engine.add_image(image, trigger_response, now))

    def add_image_nowait(self, image: str, *, trigger_response: bool = True) -> None:
        """`add_image` without waiting."""
        self._send_nowait(_size(image), lambda engine, now: engine.add_image(image, trigger_response, now))

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
            LocalProtocolError: The transport has an audio source, which is what speaks.
            UnsupportedOperation: The audio of this wire goes another way, as that of a SIP call.
        """
        self._check_may_send_audio()
        await self._send(audio_size(audio), lambda engine, now: engine.send_audio(audio, commit, now))

    def send_audio_nowait(self, audio: bytes | bytearray | memoryview[int], *, commit: bool = False) -> None:
        """`send_audio` without waiting."""
        self._check_may_send_audio()
        self._send_nowait(audio_size(audio), lambda engine, now: engine.send_audio(audio, commit, now))

    # Tools

    async def send_function_call_output(
        self, tool_call: FunctionCallEvent | Mapping[str, Any], output: str, *, start_response: bool = True
    ) -> None:
        """Return what a function gave.

        Args:
            tool_call: The event of the call, or a mapping with ``call_id``.
            output: Free text, often JSON; may be empty.
            start_response: Whether to ask for a response.
        """
        await self._send(
            _size(output),
            lambda engine, now: engine.send_function_call_output(tool_call, output, start_response, now),
        )

    def send_function_call_output_nowait(
        self, tool_call: FunctionCallEvent | Mapping[str, Any], output: str, *, start_response: bool = True
    ) -> None:
        """`send_function_call_output` without waiting."""
        self._send_nowait(
            _size(output),
            lambda engine, now: engine.send_function_call_output(tool_call, output, start_response, now),
        )

    async def send_mcp_response(
        self,
        approval_request: McpApprovalRequestEvent | RealtimeMcpCallApprovalRequestItem | Mapping[str, Any],
        approved: bool,
        reason: str | None = None,
    ) -> None:
        """Answer a request to approve an MCP call, perhaps with a reason."""
        await self._send(
            _size(reason), lambda engine, now: engine.send_mcp_response(approval_request, approved, now, reason)
        )

    def send_mcp_response_nowait(
        self,
        approval_request: McpApprovalRequestEvent | RealtimeMcpCallApprovalRequestItem | Mapping[str, Any],
        approved: bool,
        reason: str | None = None,
    ) -> None:
        """`send_mcp_response` without waiting."""
        self._send_nowait(
            _size(reason), lambda engine, now: engine.send_mcp_response(approval_request, approved, now, reason)
        )

    # Session and responses

    async def update_session_config(self, config: SessionConfig, *, reset: bool = False) -> None:
        """Change the session.

        Args:
            config: What changes; a class, or a mapping in snake_case or camelCase.
            reset: Start from the defaults instead of from what this connection last sent.

        Raises:
            ConfigError: A setting has a wrong name, type or value; nothing was sent.
        """
        await self._send(_size(config), lambda engine, now: engine.update_session_config(config, reset, now))

    def update_session_config_nowait(self, config: SessionConfig, *, reset: bool = False) -> None:
        """`update_session_config` without waiting."""
        self._send_nowait(_size(config), lambda engine, now: engine.update_session_config(config, reset, now))

    async def request_response(self, response: Mapping[str, Any] | None = None) -> None:
        """Ask for a response, at once or when the running one has ended.

        Args:
            response: Parameters of this response. Requests with parameters stay separate and ordered; requests
                without any that wait at the same time become one.
        """
        await self._send(_size(response), lambda engine, now: engine.request_response(response, now))

    def request_response_nowait(self, response: Mapping[str, Any] | None = None) -> None:
        """`request_response` without waiting."""
        self._send_nowait(_size(response), lambda engine, now: engine.request_response(response, now))

    async def reset_history(self, old_history: Sequence[RealtimeItem], new_history: Sequence[RealtimeItem]) -> None:
        """Change the conversation on the server from *old_history* to *new_history*, by deleting and creating items.

        Raises:
            ConfigError: An item of the new history cannot be created by a client.
        """
        await self._send(_size(*new_history), lambda engine, now: engine.reset_history(old_history, new_history, now))

    def reset_history_nowait(self, old_history: Sequence[RealtimeItem], new_history: Sequence[RealtimeItem]) -> None:
        """`reset_history` without waiting."""
        self._send_nowait(_size(*new_history), lambda engine, now: engine.reset_history(old_history, new_history, now))
