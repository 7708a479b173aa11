"""The wire on disk and back: record a session, replay it as a transport or as a fixture.

Names are loaded at first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from realtime_transport.recording.cassettes import load_cassette
    from realtime_transport.recording.format import Close, Entry, Frame, Header, Lost, Media, Note, Open, Tool
    from realtime_transport.recording.reader import Recording, load_recording
    from realtime_transport.recording.record import Recorder, record
    from realtime_transport.recording.replay import ReplayTransport
    from realtime_transport.recording.script import Match, ReplayMismatch
    from realtime_transport.recording.scrub import Policy, Scrub
    from realtime_transport.recording.server import RecordedServer

__all__ = [
    "Close",
    "Entry",
    "Frame",
    "Header",
    "Lost",
    "Match",
    "Media",
    "Note",
    "Open",
    "Policy",
    "RecordedServer",
    "Recorder",
    "Recording",
    "ReplayMismatch",
    "ReplayTransport",
    "Scrub",
    "Tool",
    "load_cassette",
    "load_recording",
    "record",
]

_MODULES = {
    "Match": "script",
    "Policy": "scrub",
    "RecordedServer": "server",
    "Recorder": "record",
    "Recording": "reader",
    "ReplayMismatch": "script",
    "ReplayTransport": "replay",
    "Scrub": "scrub",
    "load_cassette": "cassettes",
    "load_recording": "reader",
    "record": "record",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_MODULES.get(name, 'format')}")
    value = getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
