"""The record of a session, for tests and for replays that compare with it."""

from __future__ import annotations

import collections
import hashlib
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SessionRecord"]

MAX_KEPT = 10_000
"""The largest number of entries in a list that a client can make grow."""


@attrs.define(eq=False, kw_only=True)
class SessionRecord:
    """What happened in one session so far. Only the emulator writes it.

    Attributes:
        id: ``sess_…``.
        kind: ``realtime``, ``transcription`` or ``translation``.
        model: The model that the client asked for.
        query: Query of the upgrade request.
        headers: Headers of the upgrade request in lower case, without those that hold keys.
        subprotocol: The subprotocol that was agreed upon.
        received: Number of client events by type; ``(binary)`` and ``(invalid)`` count what was not one.
        sent: Number of server events by type; ``(raw)`` counts raw frames of directives.
        input_audio_bytes: Bytes of audio appended, base64 removed.
        segments: Spoken segments that were detected, as (start, end) in milliseconds of the session's audio,
            padding and closing silence included; at most `MAX_KEPT`, the first ones.
        errors: Codes of the ``error`` events sent; at most `MAX_KEPT`, the first ones. ``sent["error"]`` counts all.
        items_dropped: Items that the conversation dropped because it was too large.
        pings_received: Pings of the client.
        pongs_received: Pongs of the client.
        pings_unanswered: Pings that arrived faster than the client read the pongs; newer ones were answered.
        is_open: Whether the connection is open.
        close_code: Code of the close frame that ended it, of either side; 1006 if there was none.
        close_reason: The reason in that frame.
        transcript: Every event as ``(who, event)`` with ``"client"`` or ``"server"``, if the emulator keeps
            transcripts.
    """

    id: str
    kind: str
    model: str
    query: Mapping[str, str] = attrs.field(factory=dict[str, str])
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str])
    subprotocol: str | None = None
    received: collections.Counter[str] = attrs.field(factory=collections.Counter[str])
    sent: collections.Counter[str] = attrs.field(factory=collections.Counter[str])
    input_audio_bytes: int = 0
    segments: list[tuple[int, int]] = attrs.field(factory=list[tuple[int, int]])
    errors: list[str | None] = attrs.field(factory=list["str | None"])
    items_dropped: int = 0
    pings_received: int = 0
    pongs_received: int = 0
    pings_unanswered: int = 0
    is_open: bool = True
    close_code: int | None = None
    close_reason: str = ""
    transcript: list[tuple[str, dict[str, Any]]] = attrs.field(factory=list[tuple[str, dict[str, Any]]])
    _digest: Any = attrs.field(init=False, factory=hashlib.sha256)

    @property
    def input_audio_sha256(self) -> str:
        """SHA-256 of all input audio in the order it was appended, base64 removed, in hexadecimal."""
        return self._digest.hexdigest()

    def add_error(self, code: str | None) -> None:
        """Count an ``error`` event."""
        if len(self.errors) < MAX_KEPT:
            self.errors.append(code)

    def add_segment(self, start_ms: int, end_ms: int) -> None:
        """Count a segment."""
        if len(self.segments) < MAX_KEPT:
            self.segments.append((start_ms, end_ms))

    def count_audio(self, audio: bytes) -> None:
        """Count audio that was appended."""
        self.input_audio_bytes += len(audio)
        self._digest.update(audio)

    def as_json(self) -> dict[str, Any]:
        """The figures as a JSON object, without the transcript."""
        return {
            "id": self.id,
            "kind": self.kind,
            "model": self.model,
            "query": dict(self.query),
            "subprotocol": self.subprotocol,
            "received": dict(self.received),
            "sent": dict(self.sent),
            "input_audio_bytes": self.input_audio_bytes,
            "input_audio_sha256": self.input_audio_sha256,
            "segments": [{"start_ms": start, "end_ms": end} for start, end in self.segments],
            "errors": list(self.errors),
            "items_dropped": self.items_dropped,
            "pings_received": self.pings_received,
            "pongs_received": self.pongs_received,
            "pings_unanswered": self.pings_unanswered,
            "is_open": self.is_open,
            "close_code": self.close_code,
            "close_reason": self.close_reason,
        }
