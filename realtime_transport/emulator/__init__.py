"""A local server that speaks the Realtime protocol: `RealtimeEmulator`, and the classes of its arguments.

Names are loaded at first use: the server needs the extra ``emulator``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from realtime_transport.emulator.records import SessionRecord
    from realtime_transport.emulator.replies import (
        FunctionCall,
        FunctionOutput,
        Reply,
        Responder,
        Speech,
        Turn,
        UserAudio,
        UserImage,
        UserText,
    )
    from realtime_transport.emulator.responders.echo import echo_responder
    from realtime_transport.emulator.responders.script import Script
    from realtime_transport.emulator.server.faults import Faults, Stall
    from realtime_transport.emulator.server.server import RealtimeEmulator
    from realtime_transport.emulator.sound import AudioClip

__all__ = [
    "AudioClip",
    "Faults",
    "FunctionCall",
    "FunctionOutput",
    "RealtimeEmulator",
    "Reply",
    "Responder",
    "Script",
    "SessionRecord",
    "Speech",
    "Stall",
    "Turn",
    "UserAudio",
    "UserImage",
    "UserText",
    "echo_responder",
]

_MODULES = {
    "AudioClip": "sound",
    "Faults": "server.faults",
    "RealtimeEmulator": "server.server",
    "Script": "responders.script",
    "SessionRecord": "records",
    "Stall": "server.faults",
    "echo_responder": "responders.echo",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_MODULES.get(name, 'replies')}")
    value = getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
