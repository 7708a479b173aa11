"""Audio: formats, G.711, resampling, sources and sinks, and the pumps that join them to a transport.

The names are loaded at first use; numpy, soxr and soundfile (the extra ``audio``) only when something needs them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from realtime_transport.audio.capture import CapturePump, CaptureStatistics
    from realtime_transport.audio.formats import AudioFormat
    from realtime_transport.audio.playback import PlaybackKey, PlaybackPump, PlaybackStatistics
    from realtime_transport.audio.resampling import Converter, Resampler
    from realtime_transport.audio.sinks import AudioSink, BufferSink, PacedSink, WavSink
    from realtime_transport.audio.sources import AudioSource, BytesSource, FileInfo, FileSource, IterableSource

__all__ = [
    "AudioFormat",
    "AudioSink",
    "AudioSource",
    "BufferSink",
    "BytesSource",
    "CapturePump",
    "CaptureStatistics",
    "Converter",
    "FileInfo",
    "FileSource",
    "IterableSource",
    "PacedSink",
    "PlaybackKey",
    "PlaybackPump",
    "PlaybackStatistics",
    "Resampler",
    "WavSink",
]

_HOME = {
    "AudioFormat": "formats",
    "AudioSink": "sinks",
    "AudioSource": "sources",
    "BufferSink": "sinks",
    "BytesSource": "sources",
    "CapturePump": "capture",
    "CaptureStatistics": "capture",
    "Converter": "resampling",
    "FileInfo": "sources",
    "FileSource": "sources",
    "IterableSource": "sources",
    "PacedSink": "sinks",
    "PlaybackKey": "playback",
    "PlaybackPump": "playback",
    "PlaybackStatistics": "playback",
    "Resampler": "resampling",
    "WavSink": "sinks",
}


def __getattr__(name: str) -> object:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
