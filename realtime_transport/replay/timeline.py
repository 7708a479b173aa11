"""A line for everything that happened: when, what, how large. Never what was said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import attrs

from realtime_transport.protocol.engine.events import (
    AudioEvent,
    AudioTranscriptDeltaEvent,
    ErrorEvent,
    OutputTextDeltaEvent,
    SemanticEvent,
    ServerError,
)
from realtime_transport.protocol.wire.codec import dumps
from realtime_transport.protocol.wire.model import ServerEvent

if TYPE_CHECKING:
    from realtime_transport.protocol.wire.model import Event

__all__ = ["TimelineEntry", "describe", "text_of", "value_at", "whole_text"]


@attrs.frozen(kw_only=True)
class TimelineEntry:
    """One thing that happened.

    Attributes:
        seconds: When, since the replay began.
        origin: ``"server"``: a message of the server. ``"event"``: what it means, under the event's name.
            ``"replay"``: something the replay did.
        type: The wire type, the event's name, or what the replay did.
        sequence: The true order of events, which delivery may leave at a barge-in; 0 for what the replay did.
        bytes: Of a message, its length as JSON; of audio and text, the length of what it carries.
        response_id: The response that it belongs to, if the event says so.
        item_id: The item that it belongs to, if the event says so.
        detail: The name of a recording, the code of an error, the status of a response.
    """

    seconds: float
    origin: Literal["server", "event", "replay"]
    type: str
    sequence: int = 0
    bytes: int | None = None
    response_id: str | None = None
    item_id: str | None = None
    detail: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The entry as a JSON object; what is not known is left out."""
        found = attrs.asdict(self, filter=lambda _field, value: value is not None)
        return {**found, "seconds": round(self.seconds, 6)}


def value_at(value: object, *names: str) -> Any:
    """What stands at the path *names* below *value*; ``None`` where anything on the way is missing."""
    for name in names:
        value = getattr(value, name, None)
    return value


def text_of(value: object) -> str | None:
    """*value* if it is text that says something: a server may leave any field out, or send null."""
    return whole_text(value) if isinstance(value, str) and value else None


def whole_text(text: str) -> str:
    """*text* as it can be written: a server may cut its deltas in the middle of a surrogate pair.

    Two halves that meet are joined, and one that is alone is replaced by U+FFFD.
    """
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def describe(event: Event, seconds: float) -> TimelineEntry:
    """The entry for *event*, which was delivered at *seconds*."""
    response = getattr(event, "response", None)
    return TimelineEntry(
        seconds=seconds,
        origin="server" if isinstance(event, ServerEvent) else "event",
        type=_type_of(event),
        sequence=event.sequence,
        bytes=_size_of(event),
        response_id=text_of(getattr(event, "response_id", None)) or text_of(getattr(response, "id", None)),
        item_id=text_of(getattr(event, "item_id", None)),
        detail=_detail_of(event) or text_of(getattr(response, "status", None)),
    )


def _type_of(event: Event) -> str:
    match event:
        case ServerEvent():
            return whole_text(event.type)
        case SemanticEvent():
            return event.event_name
        case _:
            return type(event).__name__


def _size_of(event: Event) -> int | None:
    match event:
        case ServerEvent():
            return len(dumps(event.raw))
        case AudioEvent(data=data):
            return len(data)
        case AudioTranscriptDeltaEvent(delta=delta) | OutputTextDeltaEvent(delta=delta):
            return len(delta.encode(errors="surrogatepass"))
        case _:
            return None


def _detail_of(event: Event) -> str | None:
    match event:
        case ErrorEvent(error=ServerError() as error):
            return text_of(error.code) or text_of(error.type)
        case ErrorEvent(error=error):
            return type(error).__name__
        case _:
            return text_of(getattr(event, "status", None))
