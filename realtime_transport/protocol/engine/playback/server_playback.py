"""What the server plays, on wires where it owns playback."""

from __future__ import annotations

import attrs

from realtime_transport.audio.formats import AudioFormat
from realtime_transport.late_classes import define

from .ledger import Interruption, Truncation

__all__ = ["ServerPlayback"]

MAX_PARTS = 256
"""Responses whose first part is remembered before the oldest is forgotten."""


@define()
class ServerPlayback:
    """Follows the server's output audio buffer: which reply it plays, and since when.

    The server plays at the pace of a listener and truncates by itself, so that nothing is counted here. How much was
    heard is the time since the reply began to play.
    """

    _format: AudioFormat = AudioFormat.PCM24K
    _parts: dict[str, tuple[str, int]] = attrs.field(factory=dict[str, "tuple[str, int]"], init=False)
    _playing: str | None = attrs.field(default=None, init=False)
    _since: float = attrs.field(default=0.0, init=False)

    def begin_part(self, response_id: str, item_id: str, content_index: int) -> None:
        """A response has a content part of audio. The first of a response is the one that is played first."""
        self._parts.setdefault(response_id, (item_id, content_index))
        if len(self._parts) > MAX_PARTS:
            del self._parts[next(iter(self._parts))]

    def start(self, response_id: str, now: float) -> None:
        """The server plays a response from now on."""
        self._playing, self._since = response_id, now

    def stop(self, response_id: str) -> None:
        """The server has played all of a response."""
        if self._playing == response_id:
            self._playing = None

    def plays(self, response_id: str | None) -> bool:
        """Whether the server plays that response; ``None``: any."""
        return self._playing is not None and response_id in (None, self._playing)

    def part_of(self, response_id: str) -> tuple[str, int]:
        """The item and the content part with which a response begins to sound; an empty item where it is not known."""
        return self._parts.get(response_id, ("", 0))

    def interrupt(self, now: float, response_id: str | None = None) -> Interruption | None:
        """Playback stops here, of any response or of *response_id*; ``None`` if that is not playing."""
        playing = self._playing
        if playing is None or response_id not in (None, playing):
            return None
        self._playing = None
        item_id, content_index = self.part_of(playing)
        heard_us = max(0, round((now - self._since) * 1_000_000))
        heard = Truncation(
            item_id=item_id,
            content_index=content_index,
            audio_end_ms=heard_us // 1000,
            samples=heard_us * self._format.rate // 1_000_000,
            response_id=playing,
        )
        return Interruption(truncations=(), playing=heard, response_ids=frozenset({playing}))

    def reset(self) -> None:
        """Forget everything: the connection is gone."""
        self._playing = None
        self._parts.clear()
