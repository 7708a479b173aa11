"""The client events that the calls of a transport consist of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias, cast

import pybase64

from realtime_transport.errors import LocalProtocolError
from realtime_transport.protocol.wire.codec import dumps, encode
from realtime_transport.protocol.wire.items import UserMessageItem
from realtime_transport.protocol.wire.json_types import UNSET
from realtime_transport.protocol.wire.model import ClientEvent
from realtime_transport.protocol.wire.responses import ResponseCreateParams

from .events import FunctionCallEvent, McpApprovalRequestEvent
from .realtime_items import RealtimeMcpCallApprovalRequestItem, realtime_item

__all__ = [
    "RealtimeUserInput",
    "append_text",
    "client_event",
    "function_call",
    "function_output",
    "mcp_response",
    "output_text",
    "response_create",
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
    message = dict(_mapping(event, "a client event"))
    if not isinstance(message.get("type"), str):
        raise LocalProtocolError('a client event must have a text as "type"')
    return message


def response_create(options: ResponseCreateParams | Mapping[str, Any]) -> dict[str, Any]:
    """A ``response.create`` with settings of its own.

    Raises:
        LocalProtocolError: *options* are no settings.
    """
    if not isinstance(options, ResponseCreateParams):
        options = _mapping(options, "the parameters of a response")
    return {"type": "response.create", "response": options}


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
        fields = _mapping(message, "a message that is not text")
        if fields.get("role", "user") != "user":
            raise LocalProtocolError(
                f"send_message() sends what the user says, and this is a message of the role {fields['role']!r}: "
                "create it with send_event({'type': 'conversation.item.create', 'item': …}), or with reset_history()"
            )
        given = fields.get("content")
        if not isinstance(given, list | tuple):
            raise LocalProtocolError("a message must have a list of parts as its content")
        content = [_user_part(part) for part in cast("list[Any]", given)]
    item = {"type": "message", "role": "user", "content": content}
    return {"type": "conversation.item.create", "item": item, **_mapping(other_event_data or {}, "other_event_data")}


def user_image(image: object) -> dict[str, Any]:
    """A message of the user that is a picture.

    Raises:
        LocalProtocolError: *image* is no text.
    """
    if not isinstance(image, str):
        raise LocalProtocolError(f"an image is text, a data URI, not {type(image).__name__}")
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
    given = _mapping(call, "a function call")
    fields = {_CALL_NAMES.get(name, name): value for name, value in given.items()}
    if not isinstance(fields.get("call_id"), str):
        raise LocalProtocolError("a function call must have a call_id to be answered")
    known = ("id", "call_id", "name", "arguments", "response_id")
    texts = {name: fields[name] for name in known if isinstance(fields.get(name), str)}
    return FunctionCallEvent(**texts, previous_item_id=fields.get("previous_item_id", UNSET))


def output_text(output: object) -> str:
    """What a function returned, as the text that is sent: text as it is, everything else as compact JSON.

    Raises:
        LocalProtocolError: It has no form in JSON.
    """
    return output if isinstance(output, str) else dumps(cast("Mapping[str, Any]", output))


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
        LocalProtocolError: *audio* is no buffer of bytes or 16-bit samples, or more than the service takes at once.
    """
    encoded = pybase64.b64encode_as_string(audio if type(audio) is bytes else _samples(audio))
    if len(encoded) > MAX_APPEND_CHARS:
        raise LocalProtocolError(f"{len(encoded)} characters of audio at once; the service takes {MAX_APPEND_CHARS}")
    return f'{{"type":"input_audio_buffer.append","audio":"{encoded}"}}'


_SAMPLE_FORMATS = frozenset({"B", "b", "c", "h", "<h", "=h", "@h"})
"""Items of a buffer that are raw bytes, or 16-bit samples in the order of this machine or little-endian."""


def _samples(audio: object) -> bytes | memoryview:
    wanted = "audio is a contiguous bytes-like object of raw bytes or int16 samples"
    try:
        view = memoryview(cast("bytes", audio))
    except TypeError:
        raise LocalProtocolError(f"{wanted}, not {type(audio).__name__}") from None
    if view.format not in _SAMPLE_FORMATS:
        raise LocalProtocolError(f"{wanted}, not one of items of the format {view.format!r}; convert it first")
    if not view.contiguous:
        raise LocalProtocolError(f"{wanted}; this one is not contiguous: copy it first")
    return view if view.c_contiguous else view.tobytes()


def _mapping(value: object, what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise LocalProtocolError(f"{what} is a mapping, not {type(value).__name__}")
    return cast("Mapping[str, Any]", value)
