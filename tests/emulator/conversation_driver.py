"""A conversation core under test, without an event loop, and sound to talk to it with."""

from __future__ import annotations

import functools
import json
import wave
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pybase64

from realtime_transport.audio.formats import AudioFormat
from realtime_transport.audio.resampling import Converter
from realtime_transport.emulator.conversation.conversation import Conversation
from realtime_transport.emulator.conversation.effects import Effect, SendFrame, SendServerEvent
from realtime_transport.emulator.conversation.session_object import default_session
from realtime_transport.emulator.conversation.transcription import placeholder
from realtime_transport.emulator.conversation.vad import VoiceActivityDetector
from realtime_transport.emulator.ids import IdSource
from realtime_transport.emulator.kinds import SessionKind
from realtime_transport.emulator.records import SessionRecord
from realtime_transport.emulator.responders.echo import echo_responder
from realtime_transport.protocol.wire.codec import encode

if TYPE_CHECKING:
    from realtime_transport.emulator.conversation.transcription import Recognizer
    from realtime_transport.emulator.replies import Responder

RECORDINGS = Path(__file__).parents[2] / "examples" / "audio"


@functools.cache
def recording(name: str, audio_format: AudioFormat = AudioFormat.PCM24K) -> bytes:
    """A recording of examples/audio in another format."""
    with wave.open(str(RECORDINGS / f"{name}.wav")) as file:
        converter = Converter(AudioFormat.PCM8K, audio_format)
        return converter.process(file.readframes(file.getnframes())) + converter.flush()


def speech(seconds: float, *, start: float = 0.3) -> bytes:
    """So much of somebody speaking, at 24 kHz."""
    return recording("demo-echotest")[int(start * 24000) * 2 : int((start + seconds) * 24000) * 2]


def silence(seconds: float) -> bytes:
    return bytes(int(seconds * 24000) * 2)


def user_text(text: str) -> dict[str, Any]:
    content = [{"type": "input_text", "text": text}]
    return {"type": "conversation.item.create", "item": {"type": "message", "role": "user", "content": content}}


def append(audio: bytes) -> dict[str, Any]:
    return {"type": "input_audio_buffer.append", "audio": pybase64.b64encode(audio).decode()}


@attrs.define(eq=False)
class ConversationDriver:
    """Says things to a conversation core and keeps what it answers."""

    core: Conversation
    now: float = 0.0
    events: list[dict[str, Any]] = attrs.field(factory=list)
    others: list[Effect] = attrs.field(factory=list)

    @classmethod
    def begin(
        cls,
        kind: SessionKind = SessionKind.REALTIME,
        *,
        responder: Responder = echo_responder,
        recognize: Recognizer = placeholder,
        audio_speed: float | None = None,
        greet: bool = True,
        **session: Any,
    ) -> ConversationDriver:
        ids = IdSource.seeded(0)
        settings = default_session(kind, session_id=ids("sess"), model="gpt-realtime", expires_at=3600)
        core = Conversation(
            settings,
            SessionRecord(id=settings["id"], kind=kind.value, model="gpt-realtime"),
            responder,
            recognize,
            VoiceActivityDetector.silero,
            ids,
            audio_speed=audio_speed,
        )
        talk = cls(core)
        if greet:
            core.open(0.0)
            talk.run()
        if session:
            talk.say({"type": "session.update", "session": {"type": kind.value, **session}})
        talk.forget()
        return talk

    def forget(self) -> None:
        self.events.clear()

    def say(self, *events: dict[str, Any] | str | bytes) -> list[dict[str, Any]]:
        """Send these, and return what came of it at this moment."""
        before = len(self.events)
        for event in events:
            self.core.receive(json.dumps(event) if isinstance(event, dict) else event, self.now)
            self._collect()
        self.run()
        return self.events[before:]

    def advance(self, seconds: float) -> list[dict[str, Any]]:
        """Let time pass, stopping wherever something is due."""
        before, end = len(self.events), self.now + seconds
        self._collect()
        while (timer := self.core.get_timer()) is not None and timer <= end:
            self.now = max(self.now, timer)
            self.core.handle_timer(self.now)
            self._collect()
        self.now = end
        return self.events[before:]

    def run(self) -> None:
        self.advance(0.0)

    def hear(self, audio: bytes, *, frame_ms: int = 20) -> list[dict[str, Any]]:
        """Send audio in frames, in real time."""
        before, size = len(self.events), 48 * frame_ms
        for at in range(0, len(audio), size):
            self.say(append(audio[at : at + size]))
            self.advance(frame_ms / 1000)
        return self.events[before:]

    def ask(self, text: str, **response: Any) -> list[dict[str, Any]]:
        """Write something and ask for a response."""
        create: dict[str, Any] = {"type": "response.create", "event_id": "create"}
        if response:
            create["response"] = response
        return self.say(user_text(text), create)

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] == kind]

    def one(self, kind: str) -> dict[str, Any]:
        (event,) = self.of(kind)
        return event

    @property
    def types(self) -> list[str]:
        return [event["type"] for event in self.events]

    def _collect(self) -> None:
        for effect in self.core.take_effects():
            match effect:
                case SendServerEvent(event):
                    self.events.append(encode(event))
                case SendFrame(text):
                    self.others.append(effect)
                    self.events.append({"type": "(raw)", "text": text})
                case _:
                    self.others.append(effect)


def shape(events: list[dict[str, Any]]) -> list[str]:
    """The types in order, repeated deltas once."""
    types: list[str] = []
    for event in events:
        if not types or types[-1] != event["type"] or "delta" not in event["type"]:
            types.append(event["type"])
    return types


def audio_of(events: list[dict[str, Any]]) -> bytes:
    """The audio of all deltas."""
    deltas = (event["delta"] for event in events if event["type"] == "response.output_audio.delta")
    return b"".join(pybase64.b64decode(delta) for delta in deltas)
