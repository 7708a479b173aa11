"""Stretching and filling speech: arithmetic on 16-bit mono samples at 24 kHz."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

__all__ = ["FRAME_BYTES", "FRAME_SAMPLES", "RATE", "blend", "conceal", "energy", "shorten"]

RATE = 24_000
FRAME_SAMPLES = 480
FRAME_BYTES = 2 * FRAME_SAMPLES

MIN_LAG, MAX_LAG = 60, 480
"""Pitch periods that are looked for: 400 Hz down to 50 Hz, the range of voices."""

FADE = 0.7
"""Each further 20 ms that are made up are quieter: what goes on for longer is no longer what was said."""


def _floats(pcm: bytes | bytearray | memoryview) -> NDArray[float32]:
    import numpy as np

    return np.frombuffer(pcm, "<i2").astype(np.float32)


def _bytes(samples: Any) -> bytes:
    import numpy as np

    return np.clip(np.rint(samples), -32768, 32767).astype("<i2").tobytes()


def _best_lag(samples: NDArray[float32], window: int, low: int, high: int) -> int:
    """How far *samples* have to be shifted to look most like their own first *window* samples."""
    import numpy as np

    head = samples[:window]
    rows = np.lib.stride_tricks.sliding_window_view(samples[low : high + window], window)
    scores = rows @ head / np.sqrt(np.square(rows).sum(axis=1) + 1.0)
    return low + int(np.argmax(scores))


def conceal(history: bytes | bytearray, run: int) -> bytes:
    """20 ms that go on from *history* (at least 40 ms, the last that was played): its last pitch period, repeated.

    Args:
        history: What was played last.
        run: How many frames were made up before this one.
    """
    import numpy as np

    past = _floats(history[-2 * (MAX_LAG + 240) :])
    # Shifted back in time: the lag at which the last 10 ms are found again.
    lag = _best_lag(past[::-1], 240, MIN_LAG, min(MAX_LAG, len(past) - 240))
    period = past[-lag:]
    repeated = np.resize(period, FRAME_SAMPLES)
    start, end = FADE**run, FADE ** (run + 1)
    return _bytes(repeated * np.linspace(start, end, FRAME_SAMPLES, dtype=np.float32))


def blend(made_up: bytes, real: bytes, samples: int = 96) -> bytes:
    """*real*, faded in over its first *samples* from *made_up*, which was played before its place: no click."""
    import numpy as np

    old, new = _floats(made_up)[:samples], _floats(real)
    samples = min(samples, len(old), len(new))
    ramp = np.linspace(0, 1, samples, dtype=np.float32)
    new[:samples] = old[:samples] * (1 - ramp) + new[:samples] * ramp
    return _bytes(new)


def shorten(pcm: bytes) -> bytes:
    """*pcm* (40 ms) without one or more pitch periods (10 to 20 ms), joined where it looks most alike."""
    import numpy as np

    samples = _floats(pcm)
    window = FRAME_SAMPLES // 2
    lag = _best_lag(samples, window, FRAME_SAMPLES // 2, len(samples) - window)
    lag = min(lag, FRAME_SAMPLES)
    ramp = np.linspace(0, 1, window, dtype=np.float32)
    joint = samples[:window] * (1 - ramp) + samples[lag : lag + window] * ramp
    return _bytes(np.concatenate([joint, samples[lag + window :]]))


def energy(pcm: bytes | bytearray) -> float:
    """The mean square of *pcm*, full scale 1."""
    samples = _floats(pcm)
    return float((samples * samples).mean()) / 32768**2 if len(samples) else 0.0
