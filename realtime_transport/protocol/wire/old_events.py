"""Server events under the names of the beta protocol, which servers of other vendors still send.

Each is a subclass of the event with the current name, and means the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from .model import ServerEvent, wire_model
from .response_events import (
    ResponseOutputAudioDelta,
    ResponseOutputAudioDone,
    ResponseOutputAudioTranscriptDelta,
    ResponseOutputAudioTranscriptDone,
    ResponseOutputTextDelta,
    ResponseOutputTextDone,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "OLD_EVENTS",
    "OLD_NAMES",
    "ResponseAudioDelta",
    "ResponseAudioDone",
    "ResponseAudioTranscriptDelta",
    "ResponseAudioTranscriptDone",
    "ResponseTextDelta",
    "ResponseTextDone",
]


@wire_model
class ResponseTextDelta(ResponseOutputTextDelta):
    """A `ResponseOutputTextDelta`."""

    type: ClassVar[str] = "response.text.delta"


@wire_model
class ResponseTextDone(ResponseOutputTextDone):
    """A `ResponseOutputTextDone`."""

    type: ClassVar[str] = "response.text.done"


@wire_model
class ResponseAudioTranscriptDelta(ResponseOutputAudioTranscriptDelta):
    """A `ResponseOutputAudioTranscriptDelta`."""

    type: ClassVar[str] = "response.audio_transcript.delta"


@wire_model
class ResponseAudioTranscriptDone(ResponseOutputAudioTranscriptDone):
    """A `ResponseOutputAudioTranscriptDone`."""

    type: ClassVar[str] = "response.audio_transcript.done"


@wire_model
class ResponseAudioDelta(ResponseOutputAudioDelta):
    """A `ResponseOutputAudioDelta`."""

    type: ClassVar[str] = "response.audio.delta"


@wire_model
class ResponseAudioDone(ResponseOutputAudioDone):
    """A `ResponseOutputAudioDone`."""

    type: ClassVar[str] = "response.audio.done"


OLD_EVENTS: tuple[type[ServerEvent], ...] = (
    ResponseTextDelta,
    ResponseTextDone,
    ResponseAudioTranscriptDelta,
    ResponseAudioTranscriptDone,
    ResponseAudioDelta,
    ResponseAudioDone,
)

OLD_NAMES: Mapping[str, str] = {
    "response.text.delta": "response.output_text.delta",
    "response.text.done": "response.output_text.done",
    "response.audio.delta": "response.output_audio.delta",
    "response.audio.done": "response.output_audio.done",
    "response.audio_transcript.delta": "response.output_audio_transcript.delta",
    "response.audio_transcript.done": "response.output_audio_transcript.done",
    "conversation.item.created": "conversation.item.added",
}
"""From the old name of an event to the current one."""
