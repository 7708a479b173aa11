"""Realtime agents of pydantic-ai on the transports of this package; needs the extra ``pydantic-ai``.

::

    from pydantic_ai import Agent
    from realtime_transport import OpenAIRealtimeWebRTC
    from realtime_transport.adapters.pydantic_ai import TransportRealtimeModel

    agent = Agent(instructions="Be brief.")
    async with agent.realtime(TransportRealtimeModel(OpenAIRealtimeWebRTC())).session() as session:
        ...
"""

from __future__ import annotations

from realtime_transport.errors import missing_extra

try:
    import pydantic_ai.realtime.lifecycle as _lifecycle
except ModuleNotFoundError as _error:
    missing_extra(_error, "pydantic-ai")

from .connection import TransportRealtimeConnection
from .model import TransportRealtimeModel
from .session_config import TransportRealtimeModelSettings

__all__ = ["TransportRealtimeConnection", "TransportRealtimeModel", "TransportRealtimeModelSettings"]

del _lifecycle
