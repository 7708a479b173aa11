"""Where speech begins and ends: on recordings, on what is not speech, and by the rules alone."""

from __future__ import annotations

import itertools
import math
import random
import subprocess
import sys

import pytest

from realtime_transport.audio.formats import AudioFormat
from realtime_transport.emulator.conversation.vad import (
    FRAME_MS,
    ONSET_FRAMES,
    Segmenter,
    SpeechStarted,
    SpeechStopped,
    TurnRules,
    VoiceActivityDetector,
)
from tests.emulator.conversation_driver import recording
from tests.processes import environment

TOLERANCE_MS = 110
"""Edges of the detector against those read off the waveform by level."""


def segments(
    audio: bytes, rules: TurnRules, audio_format: AudioFormat = AudioFormat.PCM24K, *, piece_ms: int = 20
) -> list[tuple[int, int]]:
    """What is found in *audio* and the second of silence after it."""
    detector = VoiceActivityDetector.silero(audio_format, rules)
    audio += audio_format.silence(audio_format.rate)
    size = audio_format.bytes_for(audio_format.samples_for_ms(piece_ms))
    found = [event for at in range(0, len(audio), size) for event in detector.feed(audio[at : at + size])]
    edges = [event.start_ms if isinstance(event, SpeechStarted) else event.end_ms for event in found]
    return list(zip(edges[::2], edges[1::2], strict=True))


# Beginnings and ends of the sentences as the level of the recordings shows them, where the pause is over 250 ms.
SENTENCES = {
    "demo-echotest": [(270, 2310), (2570, 9600), (9860, 17200), (17480, 21800)],
    "conf-usermenu": [(410, 13550)],
    "vm-options": [(0, 8060), (8390, 16130)],
}


@pytest.mark.parametrize(
    ("name", "audio_format"),
    [
        *((name, AudioFormat.PCM24K) for name in SENTENCES),
        ("vm-options", AudioFormat.PCMU),
        ("conf-usermenu", AudioFormat.PCMA),
    ],
    ids=str,
)
def test_speech_is_found_from_end_to_end(name: str, audio_format: AudioFormat) -> None:
    found = segments(recording(name, audio_format), TurnRules(silence_duration_ms=500), audio_format)
    assert len(found) == 1  # No pause in these recordings lasts half a second.
    (start, end), sentences = found[0], SENTENCES[name]
    assert start == pytest.approx(max(sentences[0][0] - 300, 0), abs=TOLERANCE_MS)
    assert end == pytest.approx(sentences[-1][1] + 500, abs=TOLERANCE_MS)


def test_pauses_between_sentences_are_found() -> None:
    found = segments(recording("demo-echotest"), TurnRules(prefix_padding_ms=0))
    assert len(found) == len(SENTENCES["demo-echotest"])
    for (start, end), (begins, ends) in zip(found, SENTENCES["demo-echotest"], strict=True):
        assert start == pytest.approx(begins, abs=TOLERANCE_MS)
        assert end - 200 == pytest.approx(ends, abs=TOLERANCE_MS)


def test_monkeys_are_not_speech() -> None:
    assert segments(recording("tt-monkeys"), TurnRules()) == []


def _tone(hertz: float, *, square: bool = False) -> bytes:
    wave = (math.sin(2 * math.pi * hertz * n / 24000) for n in range(24000 * 3))
    return b"".join(
        int(12000 * (math.copysign(1, value) if square else value)).to_bytes(2, "little", signed=True) for value in wave
    )


@pytest.mark.parametrize("hertz", [220, 1000])
def test_a_tone_is_not_speech(hertz: float) -> None:
    assert segments(_tone(hertz), TurnRules()) == []


def test_a_buzz_is_not_speech() -> None:
    assert segments(_tone(100, square=True), TurnRules()) == []


def test_noise_is_not_speech() -> None:
    noise = random.Random(0)
    samples = (int(noise.gauss(0, 4000)) for _ in range(24000 * 3))
    audio = b"".join(max(-32768, min(32767, sample)).to_bytes(2, "little", signed=True) for sample in samples)
    assert segments(audio, TurnRules()) == []


def test_quiet_speech_is_speech() -> None:
    loud = recording("conf-usermenu")
    samples = memoryview(loud).cast("h")
    quiet = b"".join((sample // 20).to_bytes(2, "little", signed=True) for sample in samples)  # -26 dB.
    ((start, end),) = segments(quiet, TurnRules(silence_duration_ms=500))
    ((loud_start, loud_end),) = segments(loud, TurnRules(silence_duration_ms=500))
    assert start == pytest.approx(loud_start, abs=TOLERANCE_MS)
    assert end == pytest.approx(loud_end, abs=TOLERANCE_MS)


@pytest.mark.parametrize("piece_ms", [1, 7, 5000])
def test_the_size_of_the_pieces_does_not_matter(piece_ms: int) -> None:
    audio = recording("conf-usermenu")[: 48000 * 4]
    assert segments(audio, TurnRules(), piece_ms=piece_ms) == segments(audio, TurnRules(), piece_ms=20)


THREADS = """
import os
from realtime_transport.audio.formats import AudioFormat
from realtime_transport.emulator.conversation.vad import SileroScorer
print(len(SileroScorer(AudioFormat.PCM16K).feed(os.urandom(10 * 1024))))
print(len(os.listdir("/proc/self/task")), os.environ.get("OMP_THREAD_LIMIT"))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="threads are counted in /proc")
@pytest.mark.parametrize(("settings", "found"), [({}, "1 None"), ({"OMP_THREAD_LIMIT": "2"}, "2 2")])
def test_the_model_runs_in_the_thread_that_asks_it(settings: dict[str, str], found: str) -> None:
    """Its four threads would wait for each other nine tenths of their time."""
    command = [sys.executable, "-c", THREADS]
    told = subprocess.run(command, env=environment(**settings), capture_output=True, text=True, check=True)
    assert told.stdout.splitlines() == ["10", found]


def test_the_settings_of_the_session_apply() -> None:
    audio = recording("vm-options")[: 48000 * 10]
    # The pauses of this recording that are not mere closures last 280 and 330 ms.
    assert len(segments(audio, TurnRules(silence_duration_ms=200))) == 3
    assert len(segments(audio, TurnRules(silence_duration_ms=400))) == 1
    starts = [
        segments(audio, TurnRules(prefix_padding_ms=padding, silence_duration_ms=400))[0][0] for padding in (0, 100)
    ]
    assert starts[0] - starts[1] == 100


def test_a_threshold_of_the_session_applies() -> None:
    audio = recording("conf-usermenu")[: 48000 * 9]
    counts = [len(segments(audio, TurnRules(threshold=threshold))) for threshold in (0.3, 0.8)]
    assert counts == sorted(counts)
    assert counts[0] < counts[-1]


# The rules alone


def play(rules: TurnRules, probabilities: str) -> list[SpeechStarted | SpeechStopped]:
    """One character a frame: digits are tenths of the probability."""
    segmenter = Segmenter(rules)
    events = (segmenter.score(int(digit) / 10) for digit in probabilities)
    return [event for event in events if event is not None]


def test_speech_needs_a_few_frames_in_a_row() -> None:
    rules = TurnRules(prefix_padding_ms=0)
    assert play(rules, "0990990") == []
    assert play(rules, "0099") == []
    assert play(rules, "00999") == [SpeechStarted(2 * FRAME_MS)]


def test_padding_reaches_back_but_not_into_the_segment_before() -> None:
    assert play(TurnRules(prefix_padding_ms=50), "0" * 10 + "999") == [SpeechStarted(10 * FRAME_MS - 50)]
    assert play(TurnRules(prefix_padding_ms=5000), "0" * 10 + "999") == [SpeechStarted(0)]
    rules = TurnRules(prefix_padding_ms=500, silence_duration_ms=64)
    _, stopped, started = play(rules, "999" + "00" + "0" + "999")
    assert stopped == SpeechStopped(5 * FRAME_MS)
    assert started == SpeechStarted(5 * FRAME_MS)


def test_speech_ends_with_the_silence_that_ended_it() -> None:
    rules = TurnRules(prefix_padding_ms=0, silence_duration_ms=100)
    # Four frames are the first to reach 100 ms; the end is 100 ms after the speech, not after the fourth frame.
    assert play(rules, "9990009999" + "000")[1:] == []
    assert play(rules, "9990009999" + "0000")[1:] == [SpeechStopped(10 * FRAME_MS + 100)]


def test_a_detector_may_begin_in_the_middle() -> None:
    segmenter = Segmenter(TurnRules(prefix_padding_ms=300), 1000)
    events = [segmenter.score(0.9) for _ in range(ONSET_FRAMES)]
    assert events[-1] == SpeechStarted(1000)


def test_beginnings_and_ends_alternate() -> None:
    chance = random.Random(1)
    segmenter = Segmenter(TurnRules(silence_duration_ms=96))
    events = [event for _ in range(20000) if (event := segmenter.score(chance.random()))]
    assert len(events) > 100
    times = [event.start_ms if isinstance(event, SpeechStarted) else event.end_ms for event in events]
    assert times == sorted(times)
    assert all(type(one) is not type(other) for one, other in itertools.pairwise(events))
