"""Replay: recordings played into a session, with figures about what came back.

It is what ``realtime-transport replay`` is made of, and a harness for benchmarks and evaluations: it plays the same
audio at the same pace every time, and measures.
"""

from __future__ import annotations

from realtime_transport.replay.report import RecordingReport, ReplayReport, Reply, Turn
from realtime_transport.replay.runner import Progress, Recording, Replay
from realtime_transport.replay.timeline import TimelineEntry

__all__ = ["Progress", "Recording", "RecordingReport", "Replay", "ReplayReport", "Reply", "TimelineEntry", "Turn"]
