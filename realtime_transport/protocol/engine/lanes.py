"""What the engine wants sent."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Lane", "Outgoing", "lane_of"]


class Lane(enum.Enum):
    """What a message may overtake. But for that, messages leave in the order in which they were made."""

    DATA = "data"
    AUDIO = "audio"
    """Audio of the user; may be overtaken."""
    CONTROL = "control"
    """May overtake `AUDIO` that waits, never anything else: to stop the model must not take seconds."""


_LANES = {
    "input_audio_buffer.append": Lane.AUDIO,
    "session.input_audio_buffer.append": Lane.AUDIO,
    "response.cancel": Lane.CONTROL,
    "conversation.item.truncate": Lane.CONTROL,
    "output_audio_buffer.clear": Lane.CONTROL,
}


def lane_of(event: Mapping[str, Any]) -> Lane:
    """The lane of a client event, by its type."""
    return _LANES.get(event["type"], Lane.DATA)


@attrs.frozen
class Outgoing:
    """A message to send: its text, and its lane."""

    text: str = attrs.field(repr=False)
    lane: Lane = Lane.DATA
