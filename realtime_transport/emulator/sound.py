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
        """The duration."""
        return len(self.data) / self.format.bytes_per_second

    @property
    def ms(self) -> int:
        """The duration in whole milliseconds, rounded down."""
        return self.format.ms(self.format.samples_in(len(self.data)))

    def converted(self, target: AudioFormat) -> AudioClip:
        """The same sound in another format; in the same one, the same bytes."""
        if target == self.format:
            return self
        converter = Converter(self.format, target)
        return AudioClip(converter.process(self.data) + converter.flush(), target)

    def first_ms(self, ms: int) -> AudioClip:
        """The first *ms* milliseconds."""
        return AudioClip(self.data[: self.format.bytes_for(self.format.samples_for_ms(ms))], self.format)


MAX_BUFFERED_BYTES = 192 * 1024 * 1024
"""Bytes of audio that may wait to be committed: more than an hour at 24 kHz, the longest session."""

MAX_BUFFERED_MS = 5 * 60 * 1000
"""Milliseconds. With turn detection on, older silence is dropped: an hour of silence costs 14 MiB, and a manual commit
still finds the recent audio."""


@attrs.define(eq=False)
class InputBuffer:
    """Audio that was appended and not committed. Times count from the start of the session's audio."""

    format: AudioFormat
    _origin_ms: int = 0
    """The time at which the audio in this format began."""
    _data: bytearray = attrs.field(init=False, factory=bytearray, repr=False)
    _dropped: int = attrs.field(init=False, default=0)
    """Bytes in this format before the first one in ``_data``."""

    @property
    def end_ms(self) -> int:
        """Milliseconds of all audio of the session so far."""
        return self._origin_ms + self._ms(self._dropped + len(self._data))

    @property
    def buffered_ms(self) -> int:
        """Milliseconds that wait to be committed."""
        return self._ms(len(self._data))

    @property
    def buffered_bytes(self) -> int:
        """Bytes that wait to be committed."""
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
        """An empty buffer for another format whose time continues from this one."""
        return InputBuffer(audio_format, self.end_ms)

    def _ms(self, nbytes: int) -> int:
        return self.format.ms(self.format.samples_in(nbytes))

    def _index(self, ms: int) -> int:
        at = self.format.bytes_for(self.format.samples_for_ms(ms - self._origin_ms)) - self._dropped
        return min(max(at, 0), len(self._data))

    def _drop(self, count: int) -> None:
        self._dropped += count
        del self._data[:count]
