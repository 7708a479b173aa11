"""Replay: recordings played into a session, with figures about what came back.

It is what ``realtime-transport replay`` is made of, and a harness for benchmarks and evaluations: it plays the same
audio at the same pace every time, and measures.
"""

from __future__ import annotations

from realtime_transport.replay.listener import Heard, Listener
from realtime_transport.replay.report import BargeIn, RecordingReport, ReplayReport, Reply, Turn
from realtime_transport.replay.runner import BargeInAt, Progress, Recording, Replay
from realtime_transport.replay.timeline import TimelineEntry
from realtime_transport.replay.wire_watch import WireWatch

__all__ = [
    "BargeIn",
    "BargeInAt",
    "Heard",
    "Listener",
    "Progress",
    "Recording",
    "RecordingReport",
    "Replay",
    "ReplayReport",
    "Reply",
    "TimelineEntry",
    "Turn",
    "WireWatch",
]
