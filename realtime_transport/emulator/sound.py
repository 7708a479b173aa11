"""Pieces of sound, and the buffer that the client's audio goes into."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from realtime_transport.audio.resampling import Converter

if TYPE_CHECKING:
    from realtime_transport.audio.formats import AudioFormat

__all__ = ["AudioClip", "InputBuffer"]


@attrs.frozen
class AudioClip:
    """Some audio and its format."""

    data: bytes = attrs.field(repr=lambda data: f"<{len(data)} bytes>")
    format: AudioFormat

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return len(self.data) / self.format.bytes_per_second

    @property
    def ms(self) -> int:
        """How long it lasts in whole milliseconds, rounded down."""
        return self.format.ms(self.format.samples_in(len(self.data)))

    def converted(self, target: AudioFormat) -> AudioClip:
        """The same sound in another format; in the same one, the same bytes."""
        if target == self.format:
            return self
        converter = Converter(self.format, target)
        return AudioClip(converter.process(self.data) + converter.flush(), target)

    def first_ms(self, ms: int) -> AudioClip:
        """The beginning of it."""
        return AudioClip(self.data[: self.format.bytes_for(self.format.samples_for_ms(ms))], self.format)


MAX_BUFFERED_BYTES = 192 * 1024 * 1024
"""Audio that may wait to be committed: more than an hour at 24 kHz, which is as long as a session lasts."""

MAX_BUFFERED_MS = 5 * 60 * 1000
"""With voice detection on, silence is dropped when this much waits: a caller who says nothing for an hour costs
14 MiB, and a commit by hand still finds what a person could mean by it."""


@attrs.define(eq=False)
class InputBuffer:
    """Audio that was appended and not committed. Times count from the start of the session's audio."""

    format: AudioFormat
    _origin_ms: int = 0
    """Time at which the audio in this format began."""
    _data: bytearray = attrs.field(init=False, factory=bytearray, repr=False)
    _dropped: int = attrs.field(init=False, default=0)
    """Bytes in this format that were here before the first one in ``_data``."""

    @property
    def end_ms(self) -> int:
        """All audio of the session so far."""
        return self._origin_ms + self._ms(self._dropped + len(self._data))

    @property
    def buffered_ms(self) -> int:
        """What waits to be committed."""
        return self._ms(len(self._data))

    @property
    def buffered_bytes(self) -> int:
        """What waits to be committed."""
        return len(self._data)

    def append(self, audio: bytes) -> None:
        """Add audio at the end."""
        self._data += audio

    def take(self, start_ms: int | None = None, end_ms: int | None = None) -> AudioClip:
        """Remove everything up to *end_ms* and return the part from *start_ms* on; without bounds, all of it."""
        end = len(self._data) if end_ms is None else self._index(end_ms)
        start = 0 if start_ms is None else min(self._index(start_ms), end)
        clip = AudioClip(bytes(self._data[start:end]), self.format)
        self._drop(end)
        return clip

    def clear(self) -> None:
        """Drop everything."""
        self._drop(len(self._data))

    def trim(self) -> None:
        """Drop the oldest audio beyond `MAX_BUFFERED_MS`."""
        excess = len(self._data) - self.format.bytes_for(self.format.samples_for_ms(MAX_BUFFERED_MS))
        if excess > 0:
            self._drop(excess - excess % self.format.bytes_per_sample)

    def with_format(self, audio_format: AudioFormat) -> InputBuffer:
        """An empty buffer for another format that goes on where this one is."""
        return InputBuffer(audio_format, self.end_ms)

    def _ms(self, nbytes: int) -> int:
        return self.format.ms(self.format.samples_in(nbytes))

    def _index(self, ms: int) -> int:
        at = self.format.bytes_for(self.format.samples_for_ms(ms - self._origin_ms)) - self._dropped
        return min(max(at, 0), len(self._data))

    def _drop(self, count: int) -> None:
        self._dropped += count
        del self._data[:count]
