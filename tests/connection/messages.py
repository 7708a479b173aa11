"""Messages for the outbox, as any protocol may make them."""

from __future__ import annotations

import attrs


@attrs.frozen(kw_only=True)
class Lane:
    is_audio: bool = False
    overtakes: bool = False


DATA, AUDIO, CONTROL = Lane(), Lane(is_audio=True), Lane(overtakes=True)


@attrs.frozen
class Message:
    text: str
    lane: Lane = DATA
