"""Translates what the framework sends into calls of a transport."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, assert_never, cast

from agents.exceptions import UserError
from agents.realtime import (
    RealtimeModelSendAudio,
    RealtimeModelSendRawMessage,
    RealtimeModelSendSessionUpdate,
    RealtimeModelSendToolOutput,
    RealtimeModelSendUserInput,
    RealtimeToolCallItem,
)

from .items import mapping

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agents.realtime import RealtimeSessionModelSettings

    from realtime_transport.transports.interface.batch import Batch

__all__ = ["answered", "put"]

_TEXT_OF = {"input_text": "text", "input_image": "image_url"}
"""The required field of each kind of part."""

_DETAILS = ("auto", "low", "high")


def put(
    event: RealtimeModelSendRawMessage
    | RealtimeModelSendUserInput
    | RealtimeModelSendAudio
    | RealtimeModelSendToolOutput
    | RealtimeModelSendSessionUpdate,
    batch: Batch,
    config_of: Callable[[RealtimeSessionModelSettings], Mapping[str, Any]],
) -> None:
    """Put *event* into *batch*; *config_of* turns settings into a transport's configuration.

    Raises:
        UserError: It has a wrong value.
        LocalProtocolError: The transport refuses it.
    """
    match event:
        case RealtimeModelSendRawMessage(message=message):
            batch.send_event({"type": message.get("type"), **message.get("other_data", {})})
        case RealtimeModelSendUserInput(user_input=said):
            batch.send_message(said if isinstance(said, str) else _message(said))
        case RealtimeModelSendAudio(audio=audio, commit=commit):
            batch.send_audio(audio, commit=commit)
        case RealtimeModelSendToolOutput(tool_call=call, output=output, start_response=start):
            known = {"call_id": call.call_id, "name": call.name, "arguments": call.arguments, "id": call.id}
            batch.send_function_call_output(known, output, start_response=start)
        case RealtimeModelSendSessionUpdate(session_settings=settings):
            batch.update_session_config(config_of(settings))
        case _:
            assert_never(event)


def answered(event: RealtimeModelSendToolOutput) -> RealtimeToolCallItem:
    """The call of *event* with its output."""
    call = event.tool_call
    return RealtimeToolCallItem(
        item_id=call.id or "",
        previous_item_id=call.previous_item_id,
        call_id=call.call_id,
        type="function_call",
        status="completed",
        arguments=call.arguments,
        name=call.name,
        output=event.output,
    )


def _message(said: Mapping[str, Any]) -> dict[str, Any]:
    """A user message, without parts that are empty or unknown to the framework.

    Raises:
        UserError: No part is left.
    """
    given = cast("list[object]", said.get("content") or [])
    parts = [part for part in map(_part, given) if part]
    if not parts:
        raise UserError("content: a message needs a part with text (input_text) or an image_url (input_image)")
    return {"type": "message", "role": "user", "content": parts}


def _part(part: object) -> dict[str, Any]:
    fields = mapping(part)
    kind = fields.get("type")
    name = _TEXT_OF.get(kind, "") if isinstance(kind, str) else ""
    text = fields.get(name)
    if not isinstance(text, str) or (not text and kind == "input_image"):
        return {}
    detail = {"detail": fields["detail"]} if kind == "input_image" and fields.get("detail") in _DETAILS else {}
    return {"type": kind, name: text, **detail}
