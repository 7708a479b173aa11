"""The operation of each sending call on the engine, and its size in the outbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from typing_extensions import Buffer

from realtime_transport.late_classes import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from realtime_transport.protocol.engine.engine import Engine
    from realtime_transport.protocol.engine.events import FunctionCallEvent, McpApprovalRequestEvent
    from realtime_transport.protocol.engine.realtime_items import RealtimeItem, RealtimeMcpCallApprovalRequestItem
    from realtime_transport.protocol.wire.client_events import ClientEvent

    from ..endpoint.options import SessionConfig

__all__ = [
    "Operation",
    "add_image",
    "audio_size",
    "clear_audio",
    "commit_audio",
    "request_response",
    "reset_history",
    "send_audio",
    "send_event",
    "send_function_call_output",
    "send_mcp_response",
    "send_message",
    "update_session_config",
]

OVERHEAD = 256
"""The largest size of a message's envelope in characters, ids included."""

LONG_TEXT = 16 * 1024
"""The encoded size of text is computed from this length on: text outside of ASCII, or with many escapes, grows."""


@frozen(kw_only=False)
class Operation:
    """A call on the engine.

    Attributes:
        size: About the size of its messages on the wire, in characters.
        run: Carries it out at a time.
    """

    size: int
    run: Callable[[Engine, float], None]


def send_event(event: ClientEvent | Mapping[str, Any]) -> Operation:
    """One client event, as it is."""
    return Operation(_size(event), lambda engine, now: engine.send_event(event, now))


def send_message(
    message: str | Mapping[str, Any], other_event_data: Mapping[str, Any] | None, trigger_response: bool
) -> Operation:
    """A user message."""
    return Operation(
        _size(message, other_event_data),
        lambda engine, now: engine.send_message(message, other_event_data, trigger_response, now),
    )


def add_image(image: str, trigger_response: bool) -> Operation:
    """A picture of the user."""
    return Operation(_size(image), lambda engine, now: engine.add_image(image, trigger_response, now))


def send_audio(audio: bytes | bytearray | memoryview[int], commit: bool = False) -> Operation:
    """Audio for the input buffer."""
    return Operation(audio_size(audio), lambda engine, _: engine.send_audio(audio, commit))


def audio_size(audio: object) -> int:
    """About the size of the message with *audio* on the wire, in characters."""
    # len() of a memoryview counts items. The engine refuses what is not a buffer.
    size = len(audio) if type(audio) is bytes else memoryview(audio).nbytes if isinstance(audio, Buffer) else 0
    return OVERHEAD + size * 4 // 3


def commit_audio() -> Operation:
    """The end of the user's turn."""
    return send_event({"type": "input_audio_buffer.commit"})


def clear_audio() -> Operation:
    """Clearing the appended audio."""
    return send_event({"type": "input_audio_buffer.clear"})


def send_function_call_output(
    tool_call: FunctionCallEvent | Mapping[str, Any], output: object, start_response: bool
) -> Operation:
    """The result of a function."""
    return Operation(
        _size(output),
        lambda engine, now: engine.send_function_call_output(tool_call, output, start_response, now),
    )


def send_mcp_response(
    approval_request: McpApprovalRequestEvent | RealtimeMcpCallApprovalRequestItem | Mapping[str, Any],
    approved: bool,
    reason: str | None,
) -> Operation:
    """The decision about an MCP call."""
    return Operation(_size(reason), lambda engine, _: engine.send_mcp_response(approval_request, approved, reason))


def update_session_config(config: SessionConfig, reset: bool) -> Operation:
    """A change of the session."""
    return Operation(_size(config), lambda engine, _: engine.update_session_config(config, reset))


def request_response(response: Mapping[str, Any] | None) -> Operation:
    """A request for a response."""
    return Operation(_size(response), lambda engine, now: engine.request_response(response, now))


def reset_history(old_history: Sequence[RealtimeItem], new_history: Sequence[RealtimeItem]) -> Operation:
    """Another history of the conversation."""
    return Operation(_size(new_history), lambda engine, _: engine.reset_history(old_history, new_history))


def _size(*values: object) -> int:
    return OVERHEAD + sum(map(_size_of, values))


def _size_of(value: object) -> int:
    if value is None:
        return 0
    if isinstance(value, str):
        return len(value) if len(value) < LONG_TEXT else _encoded_size(value)
    try:
        return len(orjson.dumps(value, default=repr, option=orjson.OPT_NON_STR_KEYS))
    except orjson.JSONEncodeError:
        return 0  # The engine raises the error.


def _encoded_size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass")) + sum(text.count(escaped) for escaped in '"\\\n\r\t')
