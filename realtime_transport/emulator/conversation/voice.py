"""Speech-like sound for replies that have a text but no voice: vowels, pauses and a falling melody, no words.

It is made once and cut to length. The figures below were chosen so that the voice activity detector of the emulator
takes nine tenths of it for speech, which makes it a fair test signal for a client's own detector.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

from realtime_transport.errors import missing_extra

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Signal = npt.NDArray[np.float64]

__all__ = ["LONGEST_SECONDS", "VOICE_RATE", "seconds_for", "speech_like"]

VOICE_RATE = 24000

_CHARACTERS_PER_SECOND = 15.0  # A brisk reader.
LONGEST_SECONDS = 600.0
"""A text of megabytes is not worth gigabytes of sound."""

_SHORTEST = 0.6
_BANK_SECONDS = 6.0
_SEED = 10
_WORK_RATE = VOICE_RATE // 2  # The highest harmonic stays under 5 kHz, so half the work is wasted at the full rate.

# Formants of seven vowels in Hz, after the usual textbook averages for a low voice.
_VOWELS = (
    (730, 1090, 2440, 3400),
    (530, 1840, 2480, 3500),
    (270, 2290, 3010, 3700),
    (570, 840, 2410, 3300),
    (300, 870, 2240, 3300),
    (660, 1720, 2410, 3500),
    (490, 1350, 1690, 3300),
)
_BANDWIDTHS = (70, 90, 130, 200)
_GAINS = (1.0, 0.6, 0.3, 0.15)


def seconds_for(text: str) -> float:
    """How long a person would take to say *text*, at most `LONGEST_SECONDS`."""
    return min(max(_SHORTEST, len(text) / _CHARACTERS_PER_SECOND), LONGEST_SECONDS)


def speech_like(seconds: float) -> bytes:
    """Audible speech-like sound: 16-bit little-endian mono at `VOICE_RATE`.

    Raises:
        MissingExtraError: numpy or soxr is not installed.
    """
    samples = round(seconds * VOICE_RATE)
    bank = _bank()
    repeats = math.ceil(samples * 2 / len(bank))
    return (bank * repeats)[: samples * 2]


@functools.cache
def _bank() -> bytes:
    try:
        import numpy as np
        import soxr
    except ImportError as error:
        missing_extra(error, "emulator")
    wave = _synthesize(np.random.default_rng(_SEED), _BANK_SECONDS)
    full = soxr.resample(wave.astype(np.float32), _WORK_RATE, VOICE_RATE)
    return (np.clip(full, -1, 1) * 32767).astype("<i2").tobytes()


def _synthesize(rng: np.random.Generator, seconds: float) -> Signal:
    """Harmonics of a gliding pitch, weighted by gliding formants, with a little breath."""
    import numpy as np

    at, formants, loudness, breath, pitch = (np.array(column) for column in zip(*_phrases(rng, seconds), strict=True))
    time = np.arange(round(seconds * _WORK_RATE)) / _WORK_RATE
    glide = [np.interp(time, at, formants[:, k]) for k in range(4)]
    hertz = np.interp(time, at, pitch) * (1 + 0.01 * np.sin(2 * np.pi * 5 * time) + 0.004 * _wobble(rng, time))
    phase = 2 * np.pi * np.cumsum(hertz) / _WORK_RATE
    voice = np.zeros_like(time)
    for k in range(1, 32):
        frequency = hertz * k
        shape = sum(
            gain / (1 + ((frequency - formant) / width) ** 2) ** 0.75
            for gain, formant, width in zip(_GAINS, glide, _BANDWIDTHS, strict=True)
        )
        voice += np.where(frequency < 4800, shape, 0) * np.sin(k * phase + 0.3 * k * k) / k**0.4
    voice *= np.interp(time, at, loudness)
    noise = rng.standard_normal(time.size)
    noise -= 0.7 * np.concatenate([[0.0], noise[:-1]])
    voice = voice / np.abs(voice).max() + 0.12 * noise * np.interp(time, at, breath)
    return voice / np.abs(voice).max() * 0.5


def _wobble(rng: np.random.Generator, time: Signal) -> Signal:
    import numpy as np

    steps = np.arange(0, time[-1] + 0.02, 0.01)
    return np.interp(time, steps, rng.standard_normal(steps.size))


def _phrases(rng: np.random.Generator, seconds: float) -> list[tuple[float, Any, float, float, float]]:
    """Break points in time: formants, loudness, breath and pitch at each, in phrases of six to eleven syllables."""
    import numpy as np

    vowels = np.array(_VOWELS, float)
    points: list[tuple[float, Any, float, float, float]] = [(0.0, vowels[6], 0.0, 0.0, 120.0)]
    time, spoken, left = 0.05, 0, int(rng.integers(5, 10))
    while time < seconds - 0.4:
        first = vowels[rng.integers(len(vowels))] * rng.uniform(0.95, 1.05)
        second = vowels[rng.integers(len(vowels))]
        pitch = (135 - 5 * spoken) * rng.uniform(0.93, 1.1)
        length, onset = rng.uniform(0.13, 0.24), rng.uniform(0.03, 0.07)
        fricative = float(rng.choice([0.0, 0.0, 0.25, 0.5]))
        points += [
            (time, 0.5 * (first + second), 0.05, fricative, pitch),
            (time + onset, first, 0.9, 0.02, 1.05 * pitch),
            (time + onset + 0.6 * length, 0.6 * first + 0.4 * second, rng.uniform(0.7, 1), 0.01, pitch),
            (time + onset + length, second, 0.15, 0.02, pitch),
        ]
        time, spoken = time + onset + length + 0.01, spoken + 1
        if spoken >= left:
            points.append((time + 0.04, second, 0.0, 0.0, 0.9 * pitch))
            time += rng.uniform(0.12, 0.2)
            points.append((time - 0.01, second, 0.0, 0.0, 135.0))
            spoken, left = 0, int(rng.integers(6, 12))
    points.append((time + 0.05, vowels[6], 0.0, 0.0, 100.0))
    return points
