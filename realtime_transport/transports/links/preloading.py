"""Imports what a connection needs, so that the event loop does not wait for it.

The first import takes 0.2 s, during which running calls would get no audio.
"""

from __future__ import annotations

import importlib

import anyio.to_thread

__all__ = ["ensure_loaded", "preload"]

_loaded = False


def preload() -> None:
    """Import what a WebSocket connection needs, and read the certificates for TLS. Idempotent.

    The first connect of a process does it in a thread. Call this at the start of a program, before the event loop runs,
    to make the first connect as fast as the others. It takes some 0.2 s once.
    """
    _load()
    from .direct_open import tls_context

    tls_context()


def _load() -> None:
    global _loaded
    from realtime_transport.protocol.wire.codec import decode_server_event

    importlib.import_module("realtime_transport.transports.links.websocket_link")
    decode_server_event({"type": "session.created", "session": {"type": "realtime"}})
    _loaded = True


async def ensure_loaded() -> None:
    """Import it in a worker thread, unless it is imported already. If cancelled, the thread finishes by itself."""
    if not _loaded:
        await anyio.to_thread.run_sync(_load, abandon_on_cancel=True)
