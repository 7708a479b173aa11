"""The input audio of a session: the buffer, and the voice activity detector that reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs

from realtime_transport.audio.formats import AudioFormat
from realtime_transport.emulator.sound import AudioClip, InputBuffer

from .vad import SpeechStarted, SpeechStopped, TurnRules, VoiceActivityDetector

__all__ = ["DetectorFactory", "Heard", "InputAudio", "SpeechBegan", "SpeechEnded"]

DetectorFactory = Callable[[AudioFormat, TurnRules, int], VoiceActivityDetector]
"""Makes a detector: the format of the audio, the rules, and where in the session's audio it begins, in ms."""

SLICE_MS = 400
"""Audio looked at in one go. The detector takes 5 % of real time, so nothing else waits longer than some 20 ms."""


@attrs.frozen
class SpeechBegan:
    """Speech began at ``start_ms``, padding included."""

    start_ms: int


@attrs.frozen
class SpeechEnded:
    """Speech ended at ``end_ms``; *clip* is all of it, padding and closing silence included."""

    start_ms: int
    end_ms: int
    clip: AudioClip


Heard = SpeechBegan | SpeechEnded


@attrs.define(eq=False)
class InputAudio:
    """Buffers appended audio and reports where speech begins and ends in it.

    Args:
        detector_factory: Makes the voice activity detector.
        audio_format: Format of the input.
        turn_detection: The session's object, or ``None``: audio is only collected.
    """

    _detector_factory: DetectorFactory
    _buffer: InputBuffer
    _turn_detection: Mapping[str, Any] | None
    _detector: VoiceActivityDetector | None = attrs.field(init=False, default=None)
    _waiting: bytearray = attrs.field(init=False, factory=bytearray, repr=False)
    _start_ms: int | None = attrs.field(init=False, default=None)

    @classmethod
    def of(cls, detector_factory: DetectorFactory, audio_input: Mapping[str, Any]) -> InputAudio:
        """The input audio for the ``audio.input`` object of a session."""
        buffer = InputBuffer(AudioFormat.parse(audio_input["format"]))
        return cls(detector_factory, buffer, audio_input["turn_detection"])

    def configure(self, audio_input: Mapping[str, Any]) -> None:
        """Take over new settings. A new format empties the buffer: it could not be read any more."""
        audio_format = AudioFormat.parse(audio_input["format"])
        turn_detection: Mapping[str, Any] | None = audio_input["turn_detection"]
        if audio_format != self._buffer.format:
            self._buffer = self._buffer.with_format(audio_format)
            self._waiting.clear()
            self._forget()
        if turn_detection is None:
            self._forget()
        elif self._detector is not None:
            self._detector.set_rules(TurnRules.of(turn_detection))
        self._turn_detection = turn_detection

    @property
    def audio_format(self) -> AudioFormat:
        """The format of the input."""
        return self._buffer.format

    @property
    def has_backlog(self) -> bool:
        """Whether audio waits for the detector."""
        return bool(self._waiting)

    @property
    def is_hearing_speech(self) -> bool:
        """Whether somebody speaks."""
        return self._start_ms is not None

    @property
    def end_ms(self) -> int:
        """Milliseconds of the session's audio that the detector has seen."""
        return self._buffer.end_ms

    @property
    def buffered_ms(self) -> int:
        """Milliseconds of audio that wait to be committed."""
        return self._buffer.buffered_ms

    @property
    def waiting_bytes(self) -> int:
        """All audio that is held: what waits to be looked at, and what waits to be committed."""
        return len(self._waiting) + self._buffer.buffered_bytes

    def append(self, audio: bytes) -> None:
        """Add audio; `listen` runs the detector over it."""
        self._waiting += audio

    def listen(self, *, everything: bool = False) -> Iterator[Heard]:
        """Run the detector over the next slice of what was appended, or over all of it, and yield what it found."""
        size = self._buffer.format.bytes_per_second * SLICE_MS // 1000
        while self._waiting:
            piece = bytes(self._waiting[:size])
            del self._waiting[: len(piece)]
            self._buffer.append(piece)
            if self._turn_detection is not None:
                yield from self._detect(piece, self._turn_detection)
            if not everything:
                return

    def take(self) -> AudioClip:
        """Empty the buffer, as a commit by hand does. The detector starts afresh."""
        clip = self._buffer.take()
        self._forget()
        return clip

    def clear(self) -> None:
        """Drop what was appended. The detector starts afresh."""
        self._waiting.clear()
        self._buffer.clear()
        self._forget()

    def _detect(self, piece: bytes, turn_detection: Mapping[str, Any]) -> Iterator[Heard]:
        if self._detector is None:
            origin = self._buffer.end_ms - self._buffer.format.ms(self._buffer.format.samples_in(len(piece)))
            self._detector = self._detector_factory(self._buffer.format, TurnRules.of(turn_detection), origin)
        for found in self._detector.feed(piece):
            match found:
                case SpeechStarted(start_ms):
                    self._start_ms = start_ms
                    yield SpeechBegan(start_ms)
                case SpeechStopped(end_ms):
                    start_ms, self._start_ms = self._start_ms, None
                    if start_ms is not None:
                        yield SpeechEnded(start_ms, end_ms, self._buffer.take(start_ms, end_ms))
        if not self.is_hearing_speech:
            self._buffer.trim()

    def _forget(self) -> None:
        self._detector, self._start_ms = None, None
