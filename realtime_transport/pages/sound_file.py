"""Both voices of a session as one small stereo file for browsers: the user left, the model right."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import soundfile
import soxr

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .session_timeline import Piece

__all__ = ["RATE", "mix", "to_mp3"]

RATE = 24_000
"""Samples per second of the file; the service's own rate."""

COMPRESSION = 0.8
"""From 0 to 1; this gives about 64 kbit/s for both voices, half a megabyte a minute."""


def mix(user: Sequence[Piece], model: Sequence[Piece], seconds: float) -> NDArray[np.float32]:
    """Both voices at `RATE`, one column each, as they were heard: audio that was cut off is silent."""
    track = np.zeros((int(seconds * RATE) + 1, 2), np.float32)
    for column, pieces in enumerate((user, model)):
        for piece in pieces:
            samples = piece.samples[: round(piece.heard * piece.rate)]
            if piece.rate != RATE and len(samples):
                samples = soxr.resample(samples, piece.rate, RATE)
            at = max(0, round(piece.start * RATE))
            room = track[at : at + len(samples), column]
            room += samples[: len(room)]
    return np.clip(track, -1.0, 1.0)


def to_mp3(track: NDArray[np.float32]) -> bytes:
    """*track* as an MP3 file, which every browser plays."""
    file = io.BytesIO()
    soundfile.write(
        file,
        track,
        RATE,
        format="MP3",
        subtype="MPEG_LAYER_III",
        compression_level=COMPRESSION,
        bitrate_mode="CONSTANT",
    )
    return file.getvalue()
