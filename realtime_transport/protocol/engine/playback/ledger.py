"""What of the model's audio has been heard.

The server produces audio faster than it plays and believes that all of it was heard until it is told otherwise. The
ledger counts what was received and what was played, in samples, and says at an interruption where to cut.

Positions are reported (by a sink, by Twilio's marks, by the user). Before the first report they are estimated: the
time since the first audio of the latest part, and that part only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from realtime_transport.audio.formats import AudioFormat
from realtime_transport.late_classes import define, frozen

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Interruption", "PlaybackLedger", "PlaybackPosition", "Truncation"]

MAX_PARTS = 256
"""Parts that wait to be played, or responses to remember, before the oldest is forgotten: hours of speech."""


@frozen()
class PlaybackPosition:
    """How far somebody who plays audio in the order in which it came has got.

    Attributes:
        item_id: The item that is playing, or that was played last; as `AudioEvent.item_id`.
        content_index: The content part, as `AudioEvent.content_index`.
        samples: Samples of the part that were played, counted from its beginning, in the format in which it came.
    """

    item_id: str
    content_index: int = 0
    samples: int = 0


@frozen()
class Truncation:
    """Where to cut a content part: nothing after *audio_end_ms* was heard.

    Attributes:
        response_id: The response that the part belongs to.
        samples: What was heard of the part, in samples of the format in which it came.
        audio_end_ms: The same in milliseconds, rounded down.
    """

    item_id: str
    content_index: int
    audio_end_ms: int
    samples: int = 0
    response_id: str = ""


@frozen()
class Interruption:
    """What an interruption means for the audio.

    Attributes:
        truncations: What to cut, in the order of playback. Empty where probably all of it was heard.
        playing: The part that was playing, cut or not.
        response_ids: Responses that may have audio on the way to a listener.
    """

    truncations: tuple[Truncation, ...]
    playing: Truncation
    response_ids: frozenset[str]


@define()
class _Part:
    response_id: str
    item_id: str
    content_index: int
    audio_format: AudioFormat
    first_at: float
    received: int = 0  # bytes
    played: int = 0  # samples
    done: bool = False

    @property
    def received_samples(self) -> int:
        return self.audio_format.samples_in(self.received)

    @property
    def fully_played(self) -> bool:
        return self.done and self.played >= self.received_samples

    def elapsed_us(self, now: float) -> int:
        # Clocks count in floats: 0.15 s may read 0.14999999.
        return round((now - self.first_at) * 1_000_000)

    def truncate_at(self, audio_end_ms: int) -> Truncation:
        # At a barge-in: with few calls.
        rate, sample = self.audio_format.rate, self.audio_format.bytes_per_sample
        received = self.received // sample
        bounded = max(0, min(audio_end_ms, self.received * 1000 // (rate * sample)))
        return Truncation(
            item_id=self.item_id,
            content_index=self.content_index,
            audio_end_ms=bounded,
            samples=min(rate * bounded // 1000, received),
            response_id=self.response_id,
        )


@define()
class PlaybackLedger:
    """Counts audio per content part.

    Args:
        reported: Positions are reported from the start; otherwise from the first report on.
        slack_ms: Added to a reported position.
        ends_reported: A part stays until `finish` says that all of it was heard.
        default_format: The format where the server names none.
        position: Says, when it is asked, how far playback has got; ``None`` if it does not know.

    Attributes:
        discarded: Responses of which audio comes too late, see `discards`; for those who ask at every delta.
        session_format: The format of responses that have none of their own.
    """

    _reported: bool = False
    _slack_ms: int = 0
    _ends_reported: bool = False
    default_format: AudioFormat = AudioFormat.PCM24K
    position: Callable[[], PlaybackPosition | None] | None = None
    session_format: AudioFormat = attrs.field(init=False)
    _parts: dict[tuple[str, int], _Part] = attrs.field(factory=dict[tuple[str, int], _Part], init=False)
    _latest: _Part | None = attrs.field(default=None, init=False)
    _formats: dict[str, AudioFormat] = attrs.field(factory=dict[str, AudioFormat], init=False)
    _sounding: dict[str, None] = attrs.field(factory=dict[str, None], init=False)  # responses heard, or about to be
    discarded: dict[str, None] = attrs.field(factory=dict[str, None], init=False)

    def __attrs_post_init__(self) -> None:
        self.session_format = self.default_format

    @property
    def idle(self) -> bool:
        """There is nothing that an interruption could cut."""
        return not self._parts

    def begin_response(self, response_id: str, audio_format: AudioFormat | None) -> None:
        """A response begins, possibly with a format of its own."""
        self.discarded.pop(response_id, None)  # ids are unique, but not on every server
        self._formats[response_id] = audio_format or self.session_format
        _bound(self._formats)

    def discards(self, response_id: str) -> bool:
        """Audio of this response comes too late."""
        return response_id in self.discarded

    def heard(self, response_id: str) -> bool:
        """Audio of this response has come, whether or not it was discarded since."""
        return response_id in self._sounding or response_id in self.discarded

    def discard(self, response_id: str) -> None:
        """Whatever audio still comes of this response comes too late. Without an id nothing can be told apart."""
        if response_id:
            self.discarded[response_id] = None
            _bound(self.discarded)

    def receive(self, response_id: str, item_id: str, content_index: int, size: int, now: float) -> None:
        """*size* bytes of audio have come."""
        part = self._latest
        if part is None or part.item_id != item_id or part.content_index != content_index:
            part = self._begin_part(response_id, item_id, content_index, now)
        part.received += size

    def finish_part(self, item_id: str, content_index: int) -> None:
        """All audio of a part has come."""
        part = self._parts.get((item_id, content_index))
        if part is not None:
            part.done = True
            self._drop_if_played(part)

    def finish(self, item_id: str, content_index: int) -> None:
        """All of a part has been heard. Unknown parts are ignored."""
        part = self._parts.pop((item_id, content_index), None)
        if part is not None and part is self._latest:
            self._latest = None

    def report(self, item_id: str, content_index: int, samples: int) -> None:
        """*samples* samples of a part, counted from its beginning, have been played. Unknown parts are ignored."""
        self._reported = True
        part = self._parts.get((item_id, content_index))
        if part is not None:
            part.played = max(part.played, samples)
            self._drop_if_played(part)

    def refresh(self) -> None:
        """Ask how far playback has got, where there is somebody to ask."""
        position = None if self.position is None else self.position()
        part = None if position is None else self._parts.get((position.item_id, position.content_index))
        if position is None or part is None:
            return
        for earlier in tuple(self._parts.values()):
            if earlier is part:
                break
            self.finish(earlier.item_id, earlier.content_index)
        self.report(position.item_id, position.content_index, position.samples)

    def interrupt(self, now: float, response_id: str | None = None) -> Interruption | None:
        """Playback stops here, of all responses or of *response_id*; ``None`` if none of it is left to be heard.

        What was stopped is forgotten; audio that still comes of it is discarded.
        """
        parts, sounding = list(self._parts.values()), list(self._sounding)
        if response_id is not None:
            parts = [part for part in parts if part.response_id == response_id]
            sounding = [each for each in sounding if each == response_id]
        if not parts:
            return None
        truncations, playing = self._reported_cuts(parts) if self._reported else self._estimated_cut(parts, now)
        for each in sounding:
            self.discard(each)
            del self._sounding[each]
        for part in parts:
            self.finish(part.item_id, part.content_index)
        return Interruption(truncations=truncations, playing=playing, response_ids=frozenset(sounding))

    def reset(self) -> None:
        """Forget everything: the connection is gone."""
        for table in (self._parts, self._formats, self._sounding, self.discarded):
            table.clear()
        self._latest = None

    def _begin_part(self, response_id: str, item_id: str, content_index: int, now: float) -> _Part:
        self._sounding[response_id] = None
        _bound(self._sounding)
        key = (item_id, content_index)
        part = self._parts.get(key)
        if part is None:
            if not self._reported:
                # Without reports all that came before counts as heard.
                self._parts.clear()
            audio_format = self._formats.get(response_id, self.session_format)
            part = self._parts[key] = _Part(response_id, item_id, content_index, audio_format, now)
            _bound(self._parts)
        self._latest = part
        return part

    def _drop_if_played(self, part: _Part) -> None:
        if self._reported and part.fully_played and not self._ends_reported:
            self.finish(part.item_id, part.content_index)

    def _reported_cuts(self, parts: list[_Part]) -> tuple[tuple[Truncation, ...], Truncation]:
        cuts: list[Truncation] = []
        for part in parts:
            # Of the parts that have not begun, only the first can be playing already.
            begun = part.played > 0 or not cuts
            played_ms = part.audio_format.ms(part.played) + self._slack_ms
            cuts.append(part.truncate_at(played_ms if begun else 0))
        return tuple(cuts), cuts[0]

    def _estimated_cut(self, parts: list[_Part], now: float) -> tuple[tuple[Truncation, ...], Truncation]:
        part = parts[-1]
        elapsed_us = part.elapsed_us(now)
        cut = part.truncate_at(elapsed_us // 1000)
        if part.done and elapsed_us * part.audio_format.bytes_per_second >= part.received * 1_000_000:
            # Probably all of it was heard, and a truncation would wipe the transcript.
            return (), cut
        return (cut,), cut


def _bound(table: dict[Any, Any]) -> None:
    if len(table) > MAX_PARTS:
        del table[next(iter(table))]
