"""The logger that is given to the sans-IO WebSocket objects of ``websockets``."""

from __future__ import annotations

import logging

__all__ = ["frame_logger"]


def frame_logger() -> logging.Logger:
    """A logger that logs nothing, for ``ClientProtocol(logger=…)`` and ``ServerProtocol(logger=…)``.

    Their own loggers print every message and header at DEBUG, keys and transcripts included. This package logs what is
    useful about a connection itself.
    """
    return _SILENT


# Outside the tree of loggers, so that no logging configuration switches it on.
_SILENT = logging.Logger("realtime_transport.frames")
_SILENT.disabled = True
