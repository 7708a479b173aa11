"""What the engine wants sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from realtime_transport.late_classes import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["AUDIO", "CONTROL", "DATA", "Lane", "Outgoing", "lane_of"]


@frozen()
class Lane:
    """What a message may overtake. But for that, messages leave in the order in which they were made.

    Attributes:
        is_audio: Audio of the user; may be overtaken.
        overtakes: May overtake audio that waits, never anything else: to stop the model must not take seconds.
    """

    is_audio: bool = False
    overtakes: bool = False


DATA, AUDIO, CONTROL = Lane(), Lane(is_audio=True), Lane(overtakes=True)

_LANES = {
    "input_audio_buffer.append": AUDIO,
    "session.input_audio_buffer.append": AUDIO,
    "response.cancel": CONTROL,
    "conversation.item.truncate": CONTROL,
    "output_audio_buffer.clear": CONTROL,
}


def lane_of(event: Mapping[str, Any]) -> Lane:
    """The lane of a client event, by its type."""
    return _LANES.get(event["type"], DATA)


@frozen(kw_only=False)
class Outgoing:
    """A message to send: its text, and its lane."""

    text: str = attrs.field(repr=False)
    lane: Lane = DATA
