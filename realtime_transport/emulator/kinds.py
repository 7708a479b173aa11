"""The three kinds of session. The kind is fixed when the connection opens."""

from __future__ import annotations

import enum

__all__ = ["SessionKind"]


class SessionKind(enum.Enum):
    """The kind of a session; the value is its ``type`` on the wire."""

    REALTIME = "realtime"
    TRANSCRIPTION = "transcription"
    TRANSLATION = "translation"
