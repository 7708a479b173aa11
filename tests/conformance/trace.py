"""What happened, in the form that scenarios have it."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs

from realtime_transport.protocol.engine.events import (
    AudioEvent,
    AudioTranscriptDeltaEvent,
    ConnectionChangeEvent,
    DisconnectedEvent,
    ErrorEvent,
    FunctionCallEvent,
    ItemDeletedEvent,
    ItemUpdateEvent,
    McpApprovalRequestEvent,
    McpToolCallCompletedEvent,
    McpToolsListedEvent,
    OutputTextDeltaEvent,
    SemanticEvent,
    ServerError,
    TurnDoneEvent,
    TurnStartedEvent,
    Usage,
    UsageUpdateEvent,
)
from realtime_transport.protocol.engine.realtime_items import (
    RealtimeMcpCallItem,
    RealtimeMessageItem,
    RealtimeToolCallItem,
)
from realtime_transport.protocol.wire import codec
from realtime_transport.protocol.wire.json_types import UNSET
from realtime_transport.protocol.wire.model import WireModel

if TYPE_CHECKING:
    from realtime_transport.protocol.engine.events import Event

__all__ = ["SDK_NAMES", "error", "event_args", "item", "to_json"]

SDK_NAMES = sorted({cls.event_name for cls in SemanticEvent.__subclasses__()} - {""})
"""The names of the SDK's own events."""


def to_json(value: Any) -> Any:
    """*value* as JSON with the tags of traces."""
    match value:
        case _ if value is UNSET:
            return {"$undefined": True}
        case str():
            return str(value)  # A call id knows more than its text.
        case bool() | int() | None:
            return value
        case float():
            return value if math.isfinite(value) else {"$number": str(value)}
        case bytes() | bytearray():
            return {"$bytes": base64.b64encode(value).decode()}
        case Mapping():
            return {str(key): to_json(item) for key, item in value.items() if item is not UNSET}
        case list() | tuple():
            return [to_json(item) for item in value]
        case WireModel():
            return codec.encode(value)
        case BaseException():
            return {"$error": error(value)}
        case RealtimeMessageItem() | RealtimeToolCallItem() | RealtimeMcpCallItem():
            return item(value)
    if attrs.has(type(value)):
        return {
            a.name: to_json(found) for a in attrs.fields(type(value)) if (found := getattr(value, a.name)) is not UNSET
        }
    return repr(value)


def error(exc: BaseException) -> dict[str, Any]:
    """An exception."""
    facts = {"class": type(exc).__name__, "message": str(exc)}
    code = getattr(exc, "code", None)
    return facts if code is None else {**facts, "code": code}


def event_args(event: Event) -> list[Any]:
    """What a listener of *event* would have got from the reference, and what ours tells beyond that."""
    match event:
        case ConnectionChangeEvent():
            return [event.status]
        case DisconnectedEvent():
            why = {"code": event.code, "reason": event.reason}
            return [why if event.error is None else {**why, **to_json(event.error)}]
        case AudioEvent():
            return [{"type": "audio", "data": to_json(event.data), "responseId": event.response_id}]
        case AudioTranscriptDeltaEvent() | OutputTextDeltaEvent():
            kind = "transcript_delta" if isinstance(event, AudioTranscriptDeltaEvent) else "output_text_delta"
            return [{"type": kind, "delta": event.delta, "itemId": event.item_id, "responseId": event.response_id}]
        case TurnStartedEvent():
            return [{"type": "response_started", "providerData": to_json(event.raw)}]
        case TurnDoneEvent():
            return [_turn_done(event)]
        case UsageUpdateEvent():
            usage = _usage(event.usage)
            details = {name: [usage[name]] for name in ("inputTokensDetails", "outputTokensDetails")}
            return [{"$type": "Usage", "requests": event.usage.requests, **usage, **details}]
        case ItemUpdateEvent() | McpApprovalRequestEvent() | McpToolCallCompletedEvent():
            return [item(event.item)]
        case ItemDeletedEvent():
            return [{"itemId": event.item_id}]
        case FunctionCallEvent():
            return [_function_call(event)]
        case McpToolsListedEvent():
            return [{"serverLabel": event.server_label, "tools": to_json(event.tools)}]
        case ErrorEvent():
            theirs = isinstance(event.error, ServerError)
            return [{"type": "error", "error": to_json(event.raw if theirs else event.error)}]
        case _:
            return []


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "inputTokens": usage.input_tokens,
        "outputTokens": usage.output_tokens,
        "totalTokens": usage.total_tokens,
        "inputTokensDetails": to_json(usage.input_tokens_details),
        "outputTokensDetails": to_json(usage.output_tokens_details),
    }


def _turn_done(event: TurnDoneEvent) -> dict[str, Any]:
    response = {
        "id": event.response_id,
        "output": to_json(event.output),
        "usage": _usage(event.usage),
        "status": event.status,
    }
    return {"type": "response_done", "response": to_json(response)}


def item(item: Any) -> dict[str, Any]:
    """An item of the conversation."""
    fields = {a.name: to_json(found) for a in attrs.fields(type(item)) if (found := getattr(item, a.name)) is not UNSET}
    told = {"type": item.type, **fields}
    if isinstance(item, RealtimeMessageItem):
        told["content"] = [to_json(part) for part in item.content]
    return told


def _function_call(event: FunctionCallEvent) -> dict[str, Any]:
    names = ("id", "call_id", "name", "arguments", "response_id", "previous_item_id")
    told = {name: to_json(value) for name in names if (value := getattr(event, name)) is not UNSET}
    return {"type": "function_call", **told}
