"""What a tone has become: its frequency, its level, its holes, by samples alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RATE = 24_000


def floats(pcm: bytes) -> NDArray[np.float64]:
    return np.frombuffer(pcm, "<i2").astype(np.float64) / 32768


def sine(seconds: float, hertz: float, level: float) -> bytes:
    times = np.arange(int(seconds * RATE)) / RATE
    return np.rint(np.sin(2 * np.pi * hertz * times) * level * 32767).astype("<i2").tobytes()


def frequency(samples: NDArray[np.float64]) -> float:
    """The strongest frequency, in hertz."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum)) * RATE / len(samples)


def dbfs(samples: NDArray[np.float64]) -> float:
    """The mean power in dB; a full-scale sine has -3."""
    return float(10 * np.log10(np.mean(samples**2) + 1e-12))


def longest_gap_ms(samples: NDArray[np.float64], quieter_by: float = 20.0) -> float:
    """The longest run of 5 ms pieces that are quieter than the whole by so many dB."""
    piece = RATE // 200
    cut = samples[: len(samples) // piece * piece].reshape(-1, piece)
    quiet = np.mean(cut**2, axis=1) < np.mean(samples**2) / 10 ** (quieter_by / 10)
    longest = run = 0
    for is_quiet in quiet:
        run = run + 1 if is_quiet else 0
        longest = max(longest, run)
    return longest * 5.0
