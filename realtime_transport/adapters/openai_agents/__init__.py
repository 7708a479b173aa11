"""Agents of ``openai-agents`` on the transports of this package; needs the extra ``openai-agents``.

::

    runner = RealtimeRunner(agent, model=TransportRealtimeModel(OpenAIRealtimeWebRTC()))
    async with await runner.run() as session:
        ...
"""

from __future__ import annotations

from realtime_transport.errors import missing_extra

try:
    import agents.realtime as _framework
except ModuleNotFoundError as _error:
    missing_extra(_error, "openai-agents")

from .model import TransportRealtimeModel

__all__ = ["TransportRealtimeModel"]

del _framework
