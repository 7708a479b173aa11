"""Event emitters: listeners instead of ``async for`` over a transport or a session."""

from .emitter import RealtimeEmitter

__all__ = ["RealtimeEmitter"]
