"""An engine with a server that says what it is told to, and a clock that stands still until it is moved."""

from __future__ import annotations

import base64
import itertools
import json
from typing import Any

from realtime_transport.protocol.engine.engine import Engine
from realtime_transport.protocol.engine.events import Event, SemanticEvent


def pcm(ms: int, rate: int = 24_000) -> str:
    """Base64 of so many milliseconds of 16-bit audio."""
    return base64.b64encode(bytes(ms * rate // 1000 * 2)).decode()


class EngineDriver:
    """Feeds an engine, and shows what follows.

    ``now`` starts at 100.0, which no float sums up to exactly: elapsed times must survive that.
    """

    def __init__(self, *, opened: bool = True, **options: Any) -> None:
        numbers = itertools.count(1)
        options.setdefault("new_id", lambda kind: f"{kind}-{next(numbers)}")
        self.now = 100.0
        self.engine = Engine(**options)
        if opened:
            self.engine.connection_opened(self.now)
            self.sent()

    def advance_ms(self, ms: float) -> None:
        end = self.now + ms / 1000
        while (deadline := self.engine.get_timer()) is not None and deadline <= end:
            self.now = deadline
            self.engine.handle_timer(deadline)
        self.now = end

    def server(self, kind: str, **fields: Any) -> list[Event]:
        """The server sends an event; the events that follow."""
        return self.raw(json.dumps({"type": kind, "event_id": "ev", **fields}))

    def raw(self, data: str | bytes) -> list[Event]:
        self.engine.receive_message(data, self.now)
        return self.engine.take_events()

    def read(self, *messages: dict[str, Any]) -> list[Event]:
        """Several messages that one read has brought."""
        for message in messages:
            self.engine.receive_message(json.dumps(message), self.now)
        return self.engine.take_events()

    def told(self, kind: str, **fields: Any) -> list[str]:
        """The server sends an event; the names of what it means."""
        return [event.event_name for event in self.server(kind, **fields) if isinstance(event, SemanticEvent)]

    def sent(self) -> list[dict[str, Any]]:
        """What was sent since the last call."""
        return [json.loads(message.text) for message in self.engine.take_messages()]

    # Frequent sentences of the server

    def created(self, response_id: str = "r1", **fields: Any) -> list[Event]:
        return self.server("response.created", response={"id": response_id, **fields})

    def done(self, response_id: str = "r1", status: str = "completed") -> list[Event]:
        return self.server("response.done", response={"id": response_id, "status": status, "output": []})

    def audio(self, ms: int, item_id: str = "i1", response_id: str = "r1", content_index: int = 0) -> list[Event]:
        return self.server(
            "response.output_audio.delta",
            item_id=item_id,
            response_id=response_id,
            content_index=content_index,
            output_index=0,
            delta=pcm(ms),
        )

    def audio_done(self, item_id: str = "i1", response_id: str = "r1", content_index: int = 0) -> list[Event]:
        return self.server(
            "response.output_audio.done", item_id=item_id, response_id=response_id, content_index=content_index
        )

    def speech(self) -> list[Event]:
        return self.server("input_audio_buffer.speech_started", item_id="u1", audio_start_ms=0)

    def error(self, code: str | None, event_id: str | None = None) -> list[Event]:
        return self.server("error", error={"type": "x", "code": code, "message": "m", "event_id": event_id})

    # and of the user

    def interrupt(self, cancel: bool = True) -> list[Event]:
        self.engine.interrupt(cancel, self.now)
        return self.engine.take_events()


def truncate(item_id: str, audio_end_ms: int, content_index: int = 0) -> dict[str, Any]:
    return {
        "type": "conversation.item.truncate",
        "item_id": item_id,
        "content_index": content_index,
        "audio_end_ms": audio_end_ms,
    }


CANCEL = {"type": "response.cancel"}
