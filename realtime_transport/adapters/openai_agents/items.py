"""Converts items of the conversation and counts of tokens to the framework's classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from agents.realtime import (
    RealtimeMessageItem,
    RealtimeModelCachedTokensDetails,
    RealtimeModelInputTokensDetails,
    RealtimeModelOutputTokensDetails,
    RealtimeModelUsageEvent,
    RealtimeToolCallItem,
)
from agents.usage import Usage
from pydantic import TypeAdapter

if TYPE_CHECKING:
    from collections.abc import Iterable

    from realtime_transport.protocol.engine.events import FunctionCallEvent

__all__ = ["mapping", "message_item", "tool_item", "usage_event"]

_MESSAGE: TypeAdapter[RealtimeMessageItem] = TypeAdapter(RealtimeMessageItem)

_NAMES = {"output_text": "text", "output_audio": "audio"}
"""From the type of a part to its name in the framework, which uses those of the beta protocol."""

_PARTS = {
    "assistant": frozenset({"text", "audio"}),
    "user": frozenset({"input_text", "input_audio", "input_image"}),
    "system": frozenset({"input_text"}),
}

_STATUSES = frozenset({"in_progress", "completed", "incomplete"})


def mapping(value: object) -> Mapping[str, Any]:
    """*value* if it is a mapping, else an empty mapping."""
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def message_item(
    item: Mapping[str, Any], *, previous_item_id: object = None, status: str = "in_progress"
) -> RealtimeMessageItem:
    """A message of the conversation.

    Args:
        item: The item, as the server sent it. Parts that the framework does not know are left out.
        previous_item_id: The item before it, if the server named it.
        status: The status if the item has none that the framework knows.

    Raises:
        pydantic.ValidationError: The framework does not know such a message.
    """
    role = item.get("role", "assistant")
    given = item.get("status")
    parts: Iterable[object] = item.get("content") or ()
    return _MESSAGE.validate_python(
        {
            "item_id": item.get("id") or "",
            "previous_item_id": previous_item_id or None,
            "type": "message",
            "role": role,
            "content": [part for part in map(_part, parts) if part.get("type") in _PARTS.get(role, ())],
            "status": given if given in _STATUSES else status,
        }
    )


def _part(part: object) -> dict[str, Any]:
    given = mapping(part)
    kind = given.get("type")
    return {**given, "type": _NAMES.get(kind, kind)} if isinstance(kind, str) else {}


def tool_item(call: FunctionCallEvent, *, previous_item_id: str | None) -> RealtimeToolCallItem:
    """A new call of the model."""
    return RealtimeToolCallItem(
        item_id=call.id,
        previous_item_id=previous_item_id,
        call_id=call.call_id,
        type="function_call",
        # One item stands for the call and its output, which completes it.
        status="in_progress",
        arguments=call.arguments,
        name=call.name,
        output=None,
    )


def usage_event(usage: Mapping[str, Any]) -> RealtimeModelUsageEvent:
    """The tokens of a response."""
    came, went = _count(usage, "input_tokens") or 0, _count(usage, "output_tokens") or 0
    total = _count(usage, "total_tokens")
    counted = Usage(
        requests=1, input_tokens=came, output_tokens=went, total_tokens=came + went if total is None else total
    )
    details, output = mapping(usage.get("input_token_details")), mapping(usage.get("output_token_details"))
    if details:
        counted.input_tokens_details.cached_tokens = _count(details, "cached_tokens") or 0
    return RealtimeModelUsageEvent(
        usage=counted,
        input_tokens_details=_input_details(details) if details else None,
        output_tokens_details=_output_details(output) if output else None,
    )


def _input_details(details: Mapping[str, Any]) -> RealtimeModelInputTokensDetails:
    cached = mapping(details.get("cached_tokens_details"))
    return RealtimeModelInputTokensDetails(
        text_tokens=_count(details, "text_tokens"),
        audio_tokens=_count(details, "audio_tokens"),
        image_tokens=_count(details, "image_tokens"),
        cached_tokens=_count(details, "cached_tokens"),
        cached_tokens_details=_cached_details(cached) if cached else None,
    )


def _cached_details(details: Mapping[str, Any]) -> RealtimeModelCachedTokensDetails:
    return RealtimeModelCachedTokensDetails(
        text_tokens=_count(details, "text_tokens"),
        audio_tokens=_count(details, "audio_tokens"),
        image_tokens=_count(details, "image_tokens"),
    )


def _output_details(details: Mapping[str, Any]) -> RealtimeModelOutputTokensDetails:
    return RealtimeModelOutputTokensDetails(
        text_tokens=_count(details, "text_tokens"), audio_tokens=_count(details, "audio_tokens")
    )


def _count(counts: Mapping[str, Any], name: str) -> int | None:
    value = counts.get(name)
    return value if isinstance(value, int) else None
