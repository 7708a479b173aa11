"""What the server's events mean for the application: a table from the class of an event to its projection.

A projection is a function from one server event to the semantic events that follow it; it has no state, and is given
what numbers the events. It never raises: what it cannot read becomes an `ErrorEvent`, and everything else goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import attrs
import orjson

from realtime_transport.errors import DecodeError
from realtime_transport.late_classes import frozen
from realtime_transport.protocol.wire import old_events as old, server_events as server
from realtime_transport.protocol.wire.items import (
    FunctionCallItem,
    McpApprovalRequestItem,
    McpCallItem,
    McpListToolsItem,
    MessageItem,
    OutputAudioPart,
    OutputTextPart,
)
from realtime_transport.protocol.wire.json_types import UNSET, Unset
from realtime_transport.protocol.wire.responses import Response

from .events import (
    AudioDoneEvent,
    AudioTranscriptDeltaEvent,
    ErrorEvent,
    FunctionCallEvent,
    ItemDeletedEvent,
    ItemUpdateEvent,
    McpApprovalRequestEvent,
    McpToolCallCompletedEvent,
    McpToolsListedEvent,
    OutputTextDeltaEvent,
    SemanticEvent,
    TurnDoneEvent,
    TurnStartedEvent,
    Usage,
    UsageUpdateEvent,
)
from .realtime_items import (
    RealtimeMcpCallApprovalRequestItem,
    RealtimeMcpCallItem,
    RealtimeMessageItem,
    RealtimeToolCallItem,
)

if TYPE_CHECKING:
    from realtime_transport.protocol.wire.model import ServerEvent

__all__ = ["PROJECTIONS", "Place", "Projection", "function_call", "item_to_retrieve", "text"]

Place: TypeAlias = Callable[[], int]
"""Gives the next place in the true order (`Event.sequence`); one that no event takes stays empty."""


def text(value: object, default: str = "") -> str:
    """*value* if it is text; fields of the wire may hold anything."""
    return value if isinstance(value, str) else default


def _index(value: object) -> int:
    return value if isinstance(value, int) else 0


# Deltas and turns


def _audio_done(event: Any, place: Place) -> Iterator[SemanticEvent]:
    yield AudioDoneEvent(
        sequence=place(),
        response_id=text(event.response_id),
        item_id=text(event.item_id),
        content_index=_index(event.content_index),
        output_index=_index(event.output_index),
    )


def _transcript_delta(event: Any, place: Place) -> Iterator[SemanticEvent]:
    if isinstance(event.delta, str):
        yield AudioTranscriptDeltaEvent(
            sequence=place(),
            delta=event.delta,
            item_id=text(event.item_id),
            response_id=text(event.response_id),
            content_index=_index(event.content_index),
        )


def _text_delta(event: Any, place: Place) -> Iterator[SemanticEvent]:
    if isinstance(event.delta, str):
        yield OutputTextDeltaEvent(
            sequence=place(),
            delta=event.delta,
            item_id=text(event.item_id),
            response_id=text(event.response_id),
            content_index=_index(event.content_index),
        )


def _turn_started(event: Any, place: Place) -> Iterator[SemanticEvent]:
    response = event.response
    yield TurnStartedEvent(
        sequence=place(), response_id=text(response.id) if isinstance(response, Response) else "", raw=event.raw
    )


def _turn_done(event: Any, place: Place) -> Iterator[SemanticEvent]:
    response = event.response if isinstance(event.response, Response) else Response()
    usage = _usage(event.raw)
    yield UsageUpdateEvent(sequence=place(), usage=usage)
    yield TurnDoneEvent(
        sequence=place(),
        response_id=text(response.id),
        status=response.status,
        output=response.output if isinstance(response.output, list | tuple) else (),
        usage=usage,
        response=response,
        raw=event.raw,
    )


def _usage(raw: Mapping[str, Any]) -> Usage:
    # xAI leaves it empty there, and says it beside the response.
    usage = _mapping(_mapping(raw.get("response")).get("usage")) or _mapping(raw.get("usage"))
    given = _count(usage.get("input_tokens")), _count(usage.get("output_tokens"))
    total = usage.get("total_tokens")
    return Usage(
        input_tokens=given[0],
        output_tokens=given[1],
        total_tokens=total if isinstance(total, int) else sum(given),
        input_tokens_details=_mapping(usage.get("input_token_details")),
        output_tokens_details=_mapping(usage.get("output_token_details")),
    )


def _mapping(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def _count(value: object) -> int:
    return value if isinstance(value, int) else 0


# Items


def _item_deleted(event: Any, place: Place) -> Iterator[SemanticEvent]:
    if isinstance(event.item_id, str):
        yield ItemDeletedEvent(sequence=place(), item_id=event.item_id)


def _item_added(event: Any, place: Place) -> Iterator[SemanticEvent]:
    match event.item:
        case MessageItem() as item:
            yield from _message(event, place, item, "in_progress", event.previous_item_id)
        case McpCallItem() as item:
            yield from _mcp_call(event, place, item, "in_progress")
        case _:
            pass


def _item_done(event: Any, place: Place) -> Iterator[SemanticEvent]:
    match event.item:
        case McpListToolsItem() as item:
            tools = _mapping(event.raw.get("item")).get("tools")
            yield McpToolsListedEvent(
                sequence=place(),
                server_label=text(item.server_label),
                tools=cast("list[Any]", tools) if isinstance(tools, list) else [],
            )
        case MessageItem() as item:
            yield from _message(event, place, item, "completed", event.previous_item_id)
        case McpApprovalRequestItem() as item:
            yield from _approval_request(event, place, item)
        case McpCallItem() as item:
            for told in _mcp_call(event, place, item, "completed"):
                yield told
                if isinstance(told, ItemUpdateEvent) and isinstance(told.item, RealtimeMcpCallItem):
                    yield McpToolCallCompletedEvent(sequence=place(), item=told.item)
        case _:
            pass


def _item_retrieved(event: Any, place: Place) -> Iterator[SemanticEvent]:
    match event.item:
        case MessageItem() as item:
            yield from _message(event, place, item, "completed", UNSET)
        case McpCallItem() as item:
            finished = item.output or item.output == "" or item.error
            yield from _mcp_call(event, place, item, "completed" if finished else "in_progress")
        case _:
            pass


def _output_item_added(event: Any, place: Place) -> Iterator[SemanticEvent]:
    yield from _output_item(event, place, "in_progress", ("completed",))


def _output_item_done(event: Any, place: Place) -> Iterator[SemanticEvent]:
    # Not every server repeats in the item that it is complete.
    yield from _output_item(event, place, "completed", ("completed", None, UNSET))


def _output_item(event: Any, place: Place, status: str, complete: tuple[object, ...]) -> Iterator[SemanticEvent]:
    match event.item:
        case FunctionCallItem() as item if item.status in complete:
            yield from function_call(event, place, item, text(event.response_id))
        case McpCallItem() as item:
            yield from _mcp_call(event, place, item, status)
        case MessageItem() as item:
            yield from _message(event, place, item, status, UNSET)
        case _:
            pass


def _message(
    event: Any, place: Place, item: MessageItem, status: str, previous: str | Unset | None
) -> Iterator[SemanticEvent]:
    if not isinstance(item.id, str):
        yield _unreadable(event, place, "item.id", "a message without an id cannot be placed")
    elif not isinstance(item.role, str):
        yield _unreadable(event, place, "item.role", "a message without a role cannot be placed")
    else:
        content = item.content if isinstance(item.content, list | tuple) else ()
        parts = tuple(map(_spoken_part, content)) if item.role == "assistant" else tuple(content)
        told = UNSET if item.role == "system" else text(item.status, status)
        update = RealtimeMessageItem(
            item_id=item.id, role=item.role, content=parts, status=told, previous_item_id=previous
        )
        yield ItemUpdateEvent(sequence=place(), item=update)


def _spoken_part(part: Any) -> Any:
    """A part of a response under the name that it has in items."""
    match part:
        case OutputAudioPart(type="audio"):
            return attrs.evolve(part, type="output_audio")
        case OutputTextPart(type="text"):
            return attrs.evolve(part, type="output_text")
        case _:
            return part


def function_call(
    event: ServerEvent, place: Place, item: FunctionCallItem, response_id: str
) -> Iterator[SemanticEvent]:
    """The events of a call that is complete, as *event* says."""
    arguments = text(item.arguments)
    if isinstance(item.id, str):
        call = RealtimeToolCallItem(item_id=item.id, name=text(item.name), arguments=arguments)
        yield ItemUpdateEvent(sequence=place(), item=call)
    try:
        _read_arguments(arguments)
    except ValueError as error:
        yield _unreadable(event, place, "item.arguments", f"the arguments of a function call are not JSON: {error}")
    yield FunctionCallEvent(
        sequence=place(),
        id=text(item.id),
        call_id=text(item.call_id),
        name=text(item.name),
        arguments=arguments,
        response_id=response_id,
    )


def _mcp_call(event: Any, place: Place, item: McpCallItem, status: str) -> Iterator[SemanticEvent]:
    if not isinstance(item.id, str):
        yield _unreadable(event, place, "item.id", "an MCP call without an id cannot be placed")
        return
    call = RealtimeMcpCallItem(
        item_id=item.id,
        type=text(item.type, "mcp_call"),
        name=text(item.name),
        arguments=text(item.arguments),
        status=status,
        output=item.output if isinstance(item.output, str) else None,
        error=item.error or None,
        server_label=item.server_label if isinstance(item.server_label, str) else None,
    )
    yield ItemUpdateEvent(sequence=place(), item=call)


def _approval_request(event: Any, place: Place, item: McpApprovalRequestItem) -> Iterator[SemanticEvent]:
    if not isinstance(item.id, str):
        yield _unreadable(event, place, "item.id", "an approval request without an id cannot be answered")
        return
    try:
        arguments = _read_arguments(text(item.arguments))
        if not isinstance(arguments, dict):
            raise ValueError("they are not an object")
    except ValueError as error:
        yield _unreadable(
            event, place, "item.arguments", f"the arguments of an approval request cannot be read: {error}"
        )
        return
    approved = item.extra.get("approved")
    request = RealtimeMcpCallApprovalRequestItem(
        item_id=item.id,
        server_label=text(item.server_label),
        name=text(item.name),
        arguments=cast("dict[str, Any]", arguments),
        approved=approved if isinstance(approved, bool) else None,
    )
    yield ItemUpdateEvent(sequence=place(), item=request)
    yield McpApprovalRequestEvent(sequence=place(), item=request)


def _read_arguments(arguments: str) -> object:
    """Arguments as the model wrote them; none at all is an empty object."""
    try:
        return orjson.loads(arguments or "{}")
    except orjson.JSONDecodeError as error:
        # The error of orjson holds the whole text, which must not get into a log: it is not chained.
        reason = str(error)
    raise ValueError(reason)


def _unreadable(event: ServerEvent, place: Place, path: str, reason: str) -> ErrorEvent:
    return ErrorEvent(sequence=place(), error=DecodeError(reason, path=path, message_type=event.type), raw=event.raw)


@frozen(kw_only=False)
class Projection:
    """How a server event is projected.

    Attributes:
        project: Gives the events that follow it, each made with the place that it asks for.
        produces: Their classes, besides `ErrorEvent`: where nobody wants them, nothing is projected.
    """

    project: Callable[[Any, Place], Iterator[SemanticEvent]]
    produces: tuple[type[SemanticEvent], ...]


_ITEM_EVENTS = (ItemUpdateEvent, McpToolsListedEvent, McpApprovalRequestEvent, McpToolCallCompletedEvent)
_OUTPUT_EVENTS = (ItemUpdateEvent, FunctionCallEvent)

PROJECTIONS: Mapping[type[ServerEvent], Projection] = {
    server.ResponseOutputAudioDone: Projection(_audio_done, (AudioDoneEvent,)),
    server.ResponseOutputAudioTranscriptDelta: Projection(_transcript_delta, (AudioTranscriptDeltaEvent,)),
    server.ResponseOutputTextDelta: Projection(_text_delta, (OutputTextDeltaEvent,)),
    server.ResponseCreated: Projection(_turn_started, (TurnStartedEvent,)),
    server.ResponseDone: Projection(_turn_done, (UsageUpdateEvent, TurnDoneEvent)),
    server.ConversationItemDeleted: Projection(_item_deleted, (ItemDeletedEvent,)),
    server.ConversationItemAdded: Projection(_item_added, (ItemUpdateEvent,)),
    server.ConversationItemDone: Projection(_item_done, _ITEM_EVENTS),
    server.ConversationItemRetrieved: Projection(_item_retrieved, (ItemUpdateEvent,)),
    server.ResponseOutputItemAdded: Projection(_output_item_added, _OUTPUT_EVENTS),
    server.ResponseOutputItemDone: Projection(_output_item_done, _OUTPUT_EVENTS),
    server.ConversationItemCreated: Projection(_item_added, (ItemUpdateEvent,)),
    old.ResponseAudioDone: Projection(_audio_done, (AudioDoneEvent,)),
    old.ResponseAudioTranscriptDelta: Projection(_transcript_delta, (AudioTranscriptDeltaEvent,)),
    old.ResponseTextDelta: Projection(_text_delta, (OutputTextDeltaEvent,)),
}

# After these the item holds something that their message does not tell: a transcript, a cut, a call.
RETRIEVED = (
    server.ConversationItemInputAudioTranscriptionCompleted,
    server.ConversationItemTruncated,
    server.ResponseMcpCallInProgress,
    server.McpListToolsInProgress,
)


def item_to_retrieve(event: ServerEvent) -> str | None:
    """The item that is worth asking for after *event*, if any."""
    if isinstance(event, RETRIEVED) and isinstance(event.item_id, str) and event.item_id:
        return event.item_id
    return None
