"""The client events that the calls of a transport consist of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias, cast

import pybase64

from realtime_transport.errors import LocalProtocolError
from realtime_transport.protocol.wire.codec import encode
from realtime_transport.protocol.wire.items import UserMessageItem
from realtime_transport.protocol.wire.json_types import UNSET
from realtime_transport.protocol.wire.model import ClientEvent

from .events import FunctionCallEvent, McpApprovalRequestEvent
from .realtime_items import RealtimeMcpCallApprovalRequestItem, realtime_item

__all__ = [
    "RealtimeUserInput",
    "append_text",
    "client_event",
    "function_call",
    "function_output",
    "mcp_response",
    "user_image",
    "user_message",
]

RealtimeUserInput: TypeAlias = str | UserMessageItem | Mapping[str, Any]
"""What a user says: text, or a message with parts of the types ``input_text`` and ``input_image``."""

MAX_APPEND_CHARS = 15 * 1024 * 1024
"""The service's limit for one ``input_audio_buffer.append``, as base64."""

_CALL_NAMES = {"callId": "call_id", "itemId": "id", "responseId": "response_id", "previousItemId": "previous_item_id"}


def client_event(event: ClientEvent | Mapping[str, Any]) -> dict[str, Any]:
    """*event* as a message.

    Raises:
        LocalProtocolError: It has no type.
    """
    if isinstance(event, ClientEvent):
        return encode(event)
    message = dict(event)
    if not isinstance(message.get("type"), str):
        raise LocalProtocolError('a client event must have a text as "type"')
    return message


def user_message(message: RealtimeUserInput, other_event_data: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A ``conversation.item.create`` with something that the user says; *other_event_data* goes on top of it.

    Raises:
        LocalProtocolError: *message* has no content.
    """
    if isinstance(message, str):
        content: list[Any] = [{"type": "input_text", "text": message}]
    elif isinstance(message, UserMessageItem):
        content = list(message.content or ())
    else:
        given = message.get("content")
        if not isinstance(given, list | tuple):
            raise LocalProtocolError("a message must have a list of parts as its content")
        content = [_user_part(part) for part in cast("list[Any]", given)]
    item = {"type": "message", "role": "user", "content": content}
    return {"type": "conversation.item.create", "item": item, **(other_event_data or {})}


def user_image(image: str) -> dict[str, Any]:
    """A message of the user that is a picture."""
    return {"type": "message", "role": "user", "content": [{"type": "input_image", "image_url": image}]}


def _user_part(part: Any) -> Any:
    """A part; an image may be written as the JavaScript SDK does: ``image``, and ``provider_data`` for the rest."""
    if not isinstance(part, Mapping):
        return part
    given = cast("Mapping[str, Any]", part)
    if given.get("type") != "input_image" or "image_url" in given:
        return given
    image = {"image_url": given["image"]} if "image" in given else {}
    more = cast("Mapping[str, Any] | None", given.get("provider_data", given.get("providerData")))
    return {"type": "input_image", **image, **(more or {})}


def function_call(call: FunctionCallEvent | Mapping[str, Any]) -> FunctionCallEvent:
    """*call* as an event; a mapping has its names in snake_case or camelCase.

    Raises:
        LocalProtocolError: It has no ``call_id``.
    """
    if isinstance(call, FunctionCallEvent):
        return call
    fields = {_CALL_NAMES.get(name, name): value for name, value in call.items()}
    if not isinstance(fields.get("call_id"), str):
        raise LocalProtocolError("a function call must have a call_id to be answered")
    known = ("id", "call_id", "name", "arguments", "response_id")
    texts = {name: fields[name] for name in known if isinstance(fields.get(name), str)}
    return FunctionCallEvent(**texts, previous_item_id=fields.get("previous_item_id", UNSET))


def function_output(call_id: str, output: str) -> dict[str, Any]:
    """A ``conversation.item.create`` with what a function returned."""
    item = {"type": "function_call_output", "output": output, "call_id": call_id}
    return {"type": "conversation.item.create", "item": item}


def mcp_response(
    request: RealtimeMcpCallApprovalRequestItem | McpApprovalRequestEvent | Mapping[str, Any],
    approved: bool,
    reason: str | None,
) -> dict[str, Any]:
    """A ``conversation.item.create`` with the decision about an MCP call."""
    asked = request.item if isinstance(request, McpApprovalRequestEvent) else realtime_item(request)
    item: dict[str, Any] = {
        "type": "mcp_approval_response",
        "approval_request_id": asked.item_id,
        "approve": approved,
    }
    if reason is not None:
        item["reason"] = reason
    return {"type": "conversation.item.create", "previous_item_id": asked.item_id, "item": item}


def append_text(audio: Any) -> str:
    """The text of an ``input_audio_buffer.append``. Base64 needs no escaping.

    Raises:
        LocalProtocolError: It is more than the service takes at once.
    """
    encoded = pybase64.b64encode_as_string(audio)
    if len(encoded) > MAX_APPEND_CHARS:
        raise LocalProtocolError(f"{len(encoded)} characters of audio at once; the service takes {MAX_APPEND_CHARS}")
    return f'{{"type":"input_audio_buffer.append","audio":"{encoded}"}}'
