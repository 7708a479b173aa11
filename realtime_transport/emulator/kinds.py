"""The three kinds of session. Which one it is, is fixed when the connection opens."""

from __future__ import annotations

import enum

__all__ = ["SessionKind"]


class SessionKind(enum.Enum):
    """What a session is for; the value is its ``type`` on the wire."""

    REALTIME = "realtime"
    TRANSCRIPTION = "transcription"
    TRANSLATION = "translation"
