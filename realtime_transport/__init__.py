"""Transports for speech-to-speech models that speak the OpenAI Realtime protocol, under trio and asyncio.

::

    transport = OpenAIRealtimeWebSocket(model="gpt-realtime")
    async with transport.connect(api_key=key):
        await transport.send_message("Hello")
        async for event in transport:
            ...

Names are loaded when they are first used: importing the package costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .errors import RealtimeError as RealtimeError
    from .transports.base import OpenAIRealtimeBase as OpenAIRealtimeBase
    from .transports.websocket import OpenAIRealtimeWebSocket as OpenAIRealtimeWebSocket

_MODULES = {
    "RealtimeError": "errors",
    "OpenAIRealtimeBase": "transports.base",
    "OpenAIRealtimeWebSocket": "transports.websocket",
}


def __getattr__(name: str) -> object:
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{module}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
