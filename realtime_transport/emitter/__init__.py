"""Listeners instead of loops: the transport as an event emitter, for programs that are written that way."""

from .emitter import RealtimeEmitter

__all__ = ["RealtimeEmitter"]
