"""Translation sessions, in their plainest form: the translation of everything is what was said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import pybase64

from realtime_transport.emulator.checks.validation import parse_message, read_event
from realtime_transport.emulator.kinds import SessionKind
from realtime_transport.emulator.refusal import Refusal
from realtime_transport.protocol.wire import server_events as ev
from realtime_transport.protocol.wire.codec import decode_session

from .event_sender import EventSender
from .responder_input import decode_audio
from .session_object import merged_session

if TYPE_CHECKING:
    from realtime_transport.emulator.ids import IdSource
    from realtime_transport.emulator.records import SessionRecord

    from .effects import Effect

__all__ = ["Translation"]

FRAME_MS = 200
FRAME_BYTES = 24_000 * 2 * FRAME_MS // 1000


@attrs.define(eq=False)
class Translation:
    """One translation session: audio comes back in frames of 200 ms, with a word of transcript a second."""

    session: dict[str, Any]
    record: SessionRecord
    _ids: IdSource
    _sender: EventSender = attrs.field(init=False)
    _audio: bytearray = attrs.field(init=False, factory=bytearray, repr=False)
    _elapsed_ms: int = attrs.field(init=False, default=0)

    def __attrs_post_init__(self) -> None:
        self._sender = EventSender(self._ids, self.record)

    def open(self, now: float) -> None:
        """Greet."""
        self._sender.emit(ev.SessionCreated(session=decode_session(self.session)[0]))

    def receive(self, data: str | bytes, now: float) -> None:
        """Take a frame of the client. Whatever it holds, it never raises."""
        event_id: str | None = None
        try:
            raw = parse_message(data)
            event_id = raw["event_id"] if isinstance(raw.get("event_id"), str) else None
            event = read_event(raw, SessionKind.TRANSLATION)
            self.record.received[event["type"]] += 1
            match event["type"]:
                case "session.update":
                    self.session = merged_session(self.session, event["session"])
                    self._sender.emit(ev.SessionUpdated(session=decode_session(self.session)[0]))
                case "session.close":
                    self._finish()
                case _:
                    self._append(decode_audio(event["audio"], "audio"))
        except Refusal as refusal:
            self._sender.refuse(refusal, event_id)

    def get_timer(self) -> float | None:
        """Never: everything is answered at once."""
        return None

    def handle_timer(self, now: float) -> None:
        """Nothing is ever due."""

    def take_effects(self) -> list[Effect]:
        """What is to be done to the connection."""
        return self._sender.take()

    def _append(self, audio: bytes) -> None:
        self.record.count_audio(audio)
        self._audio += audio
        while len(self._audio) >= FRAME_BYTES:
            frame = bytes(self._audio[:FRAME_BYTES])
            del self._audio[:FRAME_BYTES]
            self._translate(frame)

    def _translate(self, frame: bytes) -> None:
        self._elapsed_ms += FRAME_MS
        self._sender.emit(
            ev.SessionOutputAudioDelta(
                delta=pybase64.b64encode(frame).decode(),
                sample_rate=24_000,
                channels=1,
                format="pcm16",
                elapsed_ms=self._elapsed_ms,
            )
        )
        if self._elapsed_ms % 1000 == 0:
            word = f" [{self._elapsed_ms // 1000} s]"
            if self.session["audio"]["input"]["transcription"] is not None:
                self._sender.emit(ev.SessionInputTranscriptDelta(delta=word, elapsed_ms=self._elapsed_ms))
            self._sender.emit(ev.SessionOutputTranscriptDelta(delta=word, elapsed_ms=self._elapsed_ms))

    def _finish(self) -> None:
        if self._audio:
            self._translate(bytes(self._audio).ljust(FRAME_BYTES, b"\0"))
        self._sender.emit(ev.SessionClosed())
        self._sender.close(1000, "")
