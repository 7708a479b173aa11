"""The logger that is given to the sans-IO WebSocket objects of ``websockets``."""

from __future__ import annotations

import logging

__all__ = ["frame_logger"]


def frame_logger() -> logging.Logger:
    """A logger that logs nothing, for ``ClientProtocol(logger=…)`` and ``ServerProtocol(logger=…)``.

    Their own print every message and every header at DEBUG, bearer keys and transcripts among them. What is worth
    logging of a connection, this package logs itself.
    """
    return _SILENT


# Beside the tree of loggers: no configuration of a program can switch it on.
_SILENT = logging.Logger("realtime_transport.frames")
_SILENT.disabled = True
