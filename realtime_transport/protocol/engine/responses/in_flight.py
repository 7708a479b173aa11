"""Which client events the server has not answered yet.

Errors need not name the event that they refuse. The server handles events in their order, and answers most of them,
so what an error without a name means follows from what is still unanswered.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import attrs

from realtime_transport.late_classes import define, frozen

if TYPE_CHECKING:
    from collections.abc import Callable

    from realtime_transport.protocol.config.settings import SentUpdate
    from realtime_transport.protocol.wire.objects import ServerError

__all__ = ["InFlight", "Unanswered"]

MAX_UNANSWERED = 256
"""Events remembered. Servers that never answer a kind must not make us remember all of it."""

ANSWERS: Mapping[str, str] = {
    "session.updated": "session.update",
    "response.created": "response.create",
    "response.done": "response.cancel",
    "conversation.item.added": "conversation.item.create",
    "conversation.item.deleted": "conversation.item.delete",
    "conversation.item.truncated": "conversation.item.truncate",
    "conversation.item.retrieved": "conversation.item.retrieve",
    "input_audio_buffer.committed": "input_audio_buffer.commit",
    "input_audio_buffer.cleared": "input_audio_buffer.clear",
    "output_audio_buffer.cleared": "output_audio_buffer.clear",
}
"""Server events, and what they answer."""

_ANSWERED = frozenset(ANSWERS.values())

CODES: Mapping[str, str] = {
    "conversation_already_has_active_response": "response.create",
    "response_cancel_not_active": "response.cancel",
    "input_audio_buffer_commit_empty": "input_audio_buffer.commit",
    "item_delete_invalid_item_id": "conversation.item.delete",
    "item_retrieve_invalid_item_id": "conversation.item.retrieve",
    "item_truncate_invalid_item_id": "conversation.item.truncate",
    "cannot_update_voice": "session.update",
    "cannot_update_tracing": "session.update",
    "invalid_tool_call_id": "conversation.item.create",
    "item_create_invalid_previous_item_id": "conversation.item.create",
    "input_audio_buffer_full": "input_audio_buffer.append",
    "session_expired": "",
    "rate_limit_exceeded": "",
}
"""Codes that say what was refused; empty: nothing was."""

PARAMS: Mapping[str, str] = {
    "session": "session.update",
    "item": "conversation.item.create",
    "response": "response.create",
}
"""What the first word of a parameter says of the event that it is part of."""

CALLS: Mapping[str, str] = {
    "session.update": "update_session_config",
    "response.create": "request_response",
    "response.cancel": "cancel_response",
    "conversation.item.truncate": "interrupt",
    "input_audio_buffer.append": "send_audio",
    "input_audio_buffer.commit": "commit_audio",
    "input_audio_buffer.clear": "clear_audio",
    "output_audio_buffer.clear": "interrupt",
}
"""The methods of a transport that send an event of a type."""

ITEM_CALLS: Mapping[str, str] = {
    "message": "send_message",
    "function_call_output": "send_function_call_output",
    "mcp_approval_response": "send_mcp_response",
}
"""The methods that create an item of a type."""


def call_of(message: Mapping[str, Any]) -> str:
    """The method of a transport that sends such a message."""
    kind, event_id = message["type"], message.get("event_id")
    if isinstance(event_id, str) and event_id.startswith("history_"):
        return "reset_history"
    if kind == "conversation.item.create":
        item = message.get("item")
        of_item = cast("Mapping[str, Any]", item).get("type") if isinstance(item, Mapping) else None
        return ITEM_CALLS.get(of_item, "send_event") if isinstance(of_item, str) else "send_event"
    return CALLS.get(kind, "send_event")


@frozen(kw_only=False)
class Unanswered:
    """A client event without an answer.

    Attributes:
        type: Its type.
        call: The method of a transport that sends such an event.
        event_id: Its id, if it has one.
        update: For a ``session.update`` that was made of settings: the update.
    """

    type: str
    call: str
    event_id: str | None = None
    update: SentUpdate | None = None


@define()
class InFlight:
    """The client events that the server has not answered, oldest first."""

    _waiting: list[Unanswered] = attrs.field(factory=list[Unanswered], init=False)  # Short; a deque takes 0.7 kB.

    def sent(self, message: Mapping[str, Any], update: SentUpdate | None = None) -> None:
        """*message* goes out."""
        kind, event_id = message["type"], message.get("event_id")
        if kind in _ANSWERED:
            if len(self._waiting) == MAX_UNANSWERED:
                del self._waiting[0]
            known_id = event_id if isinstance(event_id, str) else None
            self._waiting.append(Unanswered(kind, call_of(message), known_id, update))

    def handle_answer(self, server_type: str) -> Unanswered | None:
        """A server event of that type has come; what it answers. Whatever was sent before has been handled, too."""
        kind = ANSWERS.get(server_type)
        return None if kind is None else self._take(lambda each: each.type == kind)

    def handle_error(self, error: ServerError, *, session_exists: bool = True) -> Unanswered | None:
        """The event that *error* refuses, which counts as answered; ``None`` if that cannot be known.

        Args:
            error: What the server reports.
            session_exists: The session has begun. Before, the server may refuse the connection as a whole.
        """
        if isinstance(error.event_id, str) and error.event_id:
            named = error.event_id
            return self._take(lambda each: each.event_id == named)
        code = error.code if isinstance(error.code, str) else ""
        if code in CODES:
            return self._take_type(CODES[code])
        param = error.param if isinstance(error.param, str) else ""
        kind = PARAMS.get(param.partition(".")[0].partition("[")[0])
        if kind is not None and (kind == "session.update" or any(each.type == kind for each in self._waiting)):
            return self._take_type(kind)
        # A refused update names its parameter. Apart from updates, there must be one that it can mean.
        kinds = {each.type for each in self._waiting}
        meant = kinds if len(kinds) == 1 and session_exists else kinds - {"session.update"}
        if len(meant) != 1:
            return None
        return self._take(lambda each: each.type in meant)

    def reset(self) -> None:
        """Forget everything: the connection is gone."""
        self._waiting.clear()

    def _take_type(self, kind: str) -> Unanswered | None:
        if kind and kind not in _ANSWERED:  # Not remembered, for there are too many of it.
            return Unanswered(kind, call_of({"type": kind}))
        return self._take(lambda each: each.type == kind)

    def _take(self, matches: Callable[[Unanswered], bool]) -> Unanswered | None:
        for index, each in enumerate(self._waiting):
            if matches(each):
                del self._waiting[: index + 1]
                return each
        return None
