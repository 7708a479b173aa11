"""Keeps the framework's playback tracker, if the application has one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from realtime_transport.audio.formats import AudioFormat
from realtime_transport.errors import ConfigError
from realtime_transport.protocol.engine.playback.ledger import PlaybackPosition

if TYPE_CHECKING:
    from collections.abc import Container

    from agents.realtime import RealtimePlaybackTracker

__all__ = ["Playback"]

_NAMES = {"audio/pcm": "pcm16", "audio/pcmu": "g711_ulaw", "audio/pcma": "g711_alaw"}
"""The trackers' names of the formats."""


@attrs.define(eq=False)
class Playback:
    """Reads and updates the playback tracker of one connection, if there is one."""

    _tracker: RealtimePlaybackTracker | None = None
    _format: AudioFormat = attrs.field(default=AudioFormat.PCM24K, init=False)

    def position(self) -> PlaybackPosition | None:
        """The position of playback, if the tracker knows it."""
        state = None if self._tracker is None else self._tracker.get_state()
        if state is None or state["current_item_id"] is None or state["elapsed_ms"] is None:
            return None
        return PlaybackPosition(
            item_id=state["current_item_id"],
            content_index=state["current_item_content_index"] or 0,
            samples=max(0, round(state["elapsed_ms"] * self._format.rate / 1000)),
        )

    def set_format(self, named: object) -> None:
        """Set the format of the server's audio; an unknown one changes nothing."""
        try:
            self._format = AudioFormat.parse(named)
        except ConfigError:
            return  # A session that only transcribes has no format; the rate of a vendor's own format is unknown.
        if self._tracker is not None:
            self._tracker.set_audio_format(_NAMES[self._format.encoding])

    def interrupted(self, parts: Container[tuple[str, int]]) -> None:
        """Note that *parts*, pairs of item id and content index, were cut off."""
        position = self.position()
        if position is not None and (position.item_id, position.content_index) in parts:
            self.reset()

    def reset(self) -> None:
        """Note that nothing is playing."""
        if self._tracker is not None:
            self._tracker.on_interrupted()
