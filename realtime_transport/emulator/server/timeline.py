"""The latest messages of all sessions, for the console."""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING, Any, cast

import attrs
import orjson

if TYPE_CHECKING:
    from realtime_transport.clock import Clock

__all__ = ["Timeline"]

MAX_ENTRIES = 5000
MAX_CHARACTERS = 16 * 1024 * 1024
"""The limit for all kept messages: two minutes of sound both ways."""

MAX_SHOWN = 4096
"""The number of characters of a message that are shown: only messages with sound are longer."""

_TYPE = re.compile(r'"type"\s*:\s*"([\w.]+)"')
_TEXTS = ("delta", "transcript", "text", "arguments")


@attrs.frozen
class _Entry:
    number: int
    session_id: str
    at: float
    who: str
    message: str


@attrs.define(eq=False)
class Timeline:
    """The latest messages of all sessions, within bounds. A message is decoded only when it is shown."""

    _clock: Clock
    _entries: deque[_Entry] = attrs.field(init=False, factory=lambda: deque[_Entry]())
    _characters: int = attrs.field(init=False, default=0)
    _count: int = attrs.field(init=False, default=0)
    _start: float | None = attrs.field(init=False, default=None)

    def add(self, session_id: str, who: str, message: str | bytes) -> None:
        """Take a message of ``"client"`` or ``"server"``."""
        now = self._clock.now()
        if self._start is None:
            self._start = now
        text = message if isinstance(message, str) else f"({len(message)} bytes, binary)"
        self._count += 1
        self._entries.append(_Entry(self._count, session_id, now - self._start, who, text))
        self._characters += len(text)
        while len(self._entries) > MAX_ENTRIES or self._characters > MAX_CHARACTERS:
            self._characters -= len(self._entries.popleft().message)

    def after(self, number: int) -> tuple[int, list[dict[str, Any]]]:
        """The entries after entry *number*, as JSON objects, and the number of the last one."""
        return self._count, [_shown(entry) for entry in self._entries if entry.number > number]

    def of_session(self, session_id: str) -> list[tuple[float, str, str]]:
        """The kept messages of one session: seconds since the first, the sender, and the text."""
        found = [entry for entry in self._entries if entry.session_id == session_id]
        return [(entry.at - found[0].at, entry.who, entry.message) for entry in found]


def _shown(entry: _Entry) -> dict[str, Any]:
    kind, text = _summary(entry.message)
    return {
        "session": entry.session_id,
        "t": round(entry.at, 6),
        "who": entry.who,
        "type": kind,
        "text": text[:300],
        "message": entry.message[:MAX_SHOWN],
    }


def _summary(message: str) -> tuple[str, str]:
    """The type of an event, and the words in it."""
    try:
        event: Any = orjson.loads(message)
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        found = _TYPE.search(message)  # Cut off, or not JSON.
        return (found[1] if found else "(no event)"), ""
    if not isinstance(event, dict):
        return "(no event)", ""
    fields = cast("dict[str, Any]", event)
    error: Any = fields.get("error")
    if isinstance(error, dict):
        return str(fields.get("type")), str(cast("dict[str, Any]", error).get("message"))
    is_sound = fields.get("type") == "response.output_audio.delta"
    words = "" if is_sound else next((fields[key] for key in _TEXTS if isinstance(fields.get(key), str)), "")
    return str(fields.get("type")), words or _words_of(fields.get("item"))


def _words_of(item: Any) -> str:
    content: Any = cast("dict[str, Any]", item).get("content") if isinstance(item, dict) else None
    parts = cast("list[Any]", content) if isinstance(content, list) else []
    texts = (cast("dict[str, Any]", part).get("text") for part in parts if isinstance(part, dict))
    return " ".join(text for text in texts if isinstance(text, str))
