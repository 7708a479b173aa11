"""The conversation core: everything that one session of the emulator decides, without I/O and without a clock.

Inputs are frames of the client, `Conversation.handle_timer`, and ``now`` in seconds of any monotonic clock. Outputs
are *effects* on the connection (`Conversation.take_effects`) and the moment at which `Conversation.handle_timer`
wants to be called (`Conversation.get_timer`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, cast

from realtime_transport.emulator.checks.validation import SERVICE_NAMES, KnownNames, parse_message, read_event
from realtime_transport.emulator.kinds import SessionKind
from realtime_transport.emulator.refusal import Refusal
from realtime_transport.emulator.replies import UserText
from realtime_transport.emulator.sound import MAX_BUFFERED_BYTES
from realtime_transport.protocol.wire import server_events as ev
from realtime_transport.protocol.wire.codec import decode_session
from realtime_transport.protocol.wire.items import InputAudioPart, McpApprovalResponseItem, UserMessageItem

from .conversation_items import ITEM_OBJECT, ConversationItems
from .event_sender import EventSender
from .history import Entry
from .idle_timer import IdleTimer
from .input_audio import DetectorFactory, InputAudio, SpeechBegan, SpeechEnded
from .mcp import McpListings
from .responder_input import decode_audio
from .response_scheduler import ResponseScheduler
from .session_object import MAX_SESSION_SECONDS, merged_session
from .timer_queue import TimerQueue
from .transcription import Recognizer, Transcriber

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from realtime_transport.audio.formats import AudioFormat
    from realtime_transport.emulator.ids import IdSource
    from realtime_transport.emulator.records import SessionRecord
    from realtime_transport.emulator.replies import Responder
    from realtime_transport.emulator.sound import AudioClip

    from .effects import Effect
    from .response_run import ResponseRun

__all__ = ["Conversation"]

MIN_COMMIT_MS = 100
STEPS_AT_ONCE = 16
"""Callbacks that one `Conversation.handle_timer` calls: an unpaced reply of a minute comes in pieces, so that other
sessions get their turn."""

STEPS_BEFORE_SPEECH = 10_000
"""Deeds that are done, if due, before the user is noticed to speak: a quarter of an hour of an unpaced reply."""


class Conversation:
    """One realtime or transcription session.

    Args:
        session: The session object to begin with; it is kept and replaced, never changed.
        record: Figures about the session; filled in here.
        responder: Decides what is said.
        recognize: Transcribes.
        detector_factory: Makes voice activity detectors.
        ids: Makes identifiers.
        audio_speed: Seconds of audio sent in one second; ``None``: all at once.
        model_is_fixed: Whether the connection named the model.
        names: Voices and models that are known.
        is_attached: Whether the client attaches to a call that goes on: ``session.updated`` greets it.
    """

    def __init__(
        self,
        session: dict[str, Any],
        record: SessionRecord,
        responder: Responder,
        recognize: Recognizer,
        detector_factory: DetectorFactory,
        ids: IdSource,
        audio_speed: float | None = None,
        model_is_fixed: bool = True,
        names: KnownNames = SERVICE_NAMES,
        is_attached: bool = False,
    ) -> None:
        self.session: dict[str, Any] = session
        self.record: SessionRecord = record
        self.kind: SessionKind = SessionKind(session["type"])
        self._recognize = recognize
        self._ids = ids
        self._model_is_fixed = model_is_fixed
        self._names = names
        self._is_attached = is_attached
        self._timers = TimerQueue()
        self._sender = EventSender(ids, record)
        self._items = ConversationItems(self._sender, ids, record)
        self._listings = McpListings(self._sender, self._items.history)
        self._transcriber = Transcriber(self._sender, self._timers)
        self._scheduler = ResponseScheduler(
            self._sender,
            self._timers,
            self._items.history,
            self._listings,
            responder,
            ids("conv"),
            audio_speed,
            self._response_ended,
        )
        self._input_audio = InputAudio.of(detector_factory, session["audio"]["input"])
        self._speech_item_id: str | None = None
        self._idle = IdleTimer(self._timers, self._idled)

    # Network and time

    def open(self, now: float) -> None:
        """Greet the client, whose connection is open now."""
        greeting = ev.SessionUpdated if self._is_attached else ev.SessionCreated
        self._sender.emit(greeting(session=decode_session(self.session)[0]))
        self._timers.at(now + MAX_SESSION_SECONDS, lambda _now: self._scheduler.expire())
        self._listings.announce_all(self.session.get("tools", ()))

    def receive(self, data: str | bytes, now: float) -> None:
        """Take a frame of the client. Whatever it holds, it never raises."""
        event_id: str | None = None
        try:
            raw = parse_message(data)
            event_id = raw["event_id"] if isinstance(raw.get("event_id"), str) else None
            event = read_event(raw, self.kind, self._names)
            name: str = event["type"]
            self.record.received[name] += 1
            if name != "input_audio_buffer.append":
                self._listen(now, everything=True)  # What was said before this event comes before it.
            self._HANDLERS[name](self, event, event_id, now)
        except Refusal as refusal:
            if event_id is None and refusal.code in ("invalid_json", "invalid_event"):
                self.record.received["(binary)" if isinstance(data, bytes) else "(invalid)"] += 1
            self._sender.refuse(refusal, event_id)

    @property
    def input_format(self) -> AudioFormat:
        """The format of the input audio."""
        return self._input_audio.audio_format

    def check_free(self) -> None:
        """Make sure that a response may begin.

        Raises:
            Refusal: One is active.
        """
        self._scheduler.check_free()

    def obey(self, responder: Responder, text: str, now: float) -> None:
        """Begin the response that *responder* gives to a user who writes *text*, outside of the conversation's items.

        Raises:
            Refusal: A response is active.
        """
        self._scheduler.start(self.session, {}, [UserText(text)], None, now, responder=responder)

    def hear(self, audio: bytes, now: float) -> None:
        """Take audio that came beside the messages, as media; in the input format."""
        self.record.count_audio(audio)
        self._input_audio.append(audio)
        self._listen(now)

    def get_timer(self) -> float | None:
        """When `handle_timer` wants to be called; a moment in the past: at once."""
        return float("-inf") if self._input_audio.has_backlog else self._timers.next_due

    def handle_timer(self, now: float) -> None:
        """Do what is due. Does a limited amount of work: ask `get_timer` again."""
        self._listen(now)
        self._timers.do(now, limit=STEPS_AT_ONCE)

    def take_effects(self) -> list[Effect]:
        """What is to be done to the connection, in order."""
        return self._sender.take()

    # Events of the client

    def _session_update(self, raw: dict[str, Any], _event_id: str | None, _now: float) -> None:
        self.session = merged_session(
            self.session,
            raw["session"],
            audio_was_sent=self._items.history.has_assistant_audio,
            model_is_fixed=self._model_is_fixed,
        )
        self._input_audio.configure(self.session["audio"]["input"])
        self._sender.emit(ev.SessionUpdated(session=decode_session(self.session)[0]))
        self._listings.announce_all(self.session.get("tools", ()))

    def _append(self, raw: dict[str, Any], _event_id: str | None, now: float) -> None:
        audio = decode_audio(raw["audio"], "audio")
        if self._input_audio.waiting_bytes + len(audio) > MAX_BUFFERED_BYTES:
            raise Refusal(
                f"The input audio buffer holds at most {MAX_BUFFERED_BYTES} bytes. Commit or clear it.",
                code="input_audio_buffer_full",
                param="audio",
            )
        self.hear(audio, now)

    def _commit(self, _raw: dict[str, Any], _event_id: str | None, now: float) -> None:
        if self._input_audio.buffered_ms < MIN_COMMIT_MS:
            raise Refusal(
                "Error committing input audio buffer: buffer too small. Expected at least "
                f"{MIN_COMMIT_MS}ms of audio, but buffer only has {self._input_audio.buffered_ms:.2f}ms of audio.",
                code="input_audio_buffer_commit_empty",
            )
        # While somebody speaks, the item that speech_started announced is the one that is committed.
        item_id, self._speech_item_id = self._speech_item_id or self._ids("item"), None
        self._commit_audio(self._input_audio.take(), item_id, now)

    def _clear(self, _raw: dict[str, Any], _event_id: str | None, _now: float) -> None:
        self._input_audio.clear()
        self._speech_item_id = None
        self._sender.emit(ev.InputAudioBufferCleared())

    def _create_item(self, raw: dict[str, Any], _event_id: str | None, now: float) -> None:
        item = self._items.create(raw["item"], raw.get("previous_item_id"), self._input_audio.audio_format)
        if isinstance(item, McpApprovalResponseItem) and not self._scheduler.is_taken:
            # Clients send no response.create for an approval, so the server goes on by itself. If something is being
            # said, the next response answers it.
            self._respond_unasked(now)

    def _retrieve(self, raw: dict[str, Any], _event_id: str | None, _now: float) -> None:
        self._items.retrieve(raw["item_id"])

    def _delete(self, raw: dict[str, Any], _event_id: str | None, _now: float) -> None:
        self._items.delete(raw["item_id"])

    def _truncate(self, raw: dict[str, Any], _event_id: str | None, _now: float) -> None:
        self._items.truncate(raw["item_id"], raw["content_index"], raw["audio_end_ms"])

    def _create_response(self, raw: dict[str, Any], event_id: str | None, now: float) -> None:
        self._respond(raw.get("response") or {}, event_id, now)

    def _cancel_response(self, raw: dict[str, Any], _event_id: str | None, now: float) -> None:
        self._scheduler.cancel(raw.get("response_id"), now)

    # Responses

    def _respond(self, params: Mapping[str, Any], event_id: str | None, now: float) -> None:
        is_aside = params.get("conversation") == "none"
        if not is_aside:
            self._scheduler.check_free()
        inputs = self._items.inputs(params.get("input"), self._input_audio.audio_format)
        if not is_aside:
            self._items.answered()
        self._idle.stop()
        self._scheduler.start(self.session, params, inputs, event_id, now)

    def _respond_unasked(self, now: float) -> None:
        """Begin a response that no ``response.create`` asked for."""
        try:
            self._respond({}, None, now)
        except Refusal as refusal:
            self._sender.refuse(refusal, None)

    def _response_ended(self, run: ResponseRun, now: float) -> None:
        turn_detection: Mapping[str, Any] = self.session["audio"]["input"]["turn_detection"] or {}
        timeout_ms: int | None = turn_detection.get("idle_timeout_ms")
        if timeout_ms is not None:
            # It starts when the listener has heard the reply, which takes its full length at worst.
            self._idle.start(now + run.audio_seconds, timeout_ms)

    def _idled(self, timeout_ms: int, now: float) -> None:
        if self._input_audio.is_hearing_speech:
            return
        end_ms, item_id = self._input_audio.end_ms, self._ids("item")
        self._sender.emit(
            ev.InputAudioBufferTimeoutTriggered(
                audio_start_ms=max(0, end_ms - timeout_ms), audio_end_ms=end_ms, item_id=item_id
            )
        )
        self._commit_audio(self._input_audio.take(), item_id, now, respond=True)

    # Listening

    def _listen(self, now: float, *, everything: bool = False) -> None:
        for heard in self._input_audio.listen(everything=everything):
            match heard:
                case SpeechBegan(start_ms):
                    self._speech_began(start_ms, now)
                case SpeechEnded(start_ms, end_ms, clip):
                    self._speech_ended(start_ms, end_ms, clip, now)

    def _speech_began(self, start_ms: int, now: float) -> None:
        # What is due by now comes before it: a reply that is sent all at once cannot be talked over.
        self._timers.do(now, limit=STEPS_BEFORE_SPEECH)
        self._idle.stop()
        self._speech_item_id = self._ids("item")
        self._sender.emit(ev.InputAudioBufferSpeechStarted(audio_start_ms=start_ms, item_id=self._speech_item_id))
        if self._turn_setting("interrupt_response"):
            self._scheduler.yield_to_user(now)

    def _speech_ended(self, start_ms: int, end_ms: int, clip: AudioClip, now: float) -> None:
        item_id, self._speech_item_id = cast("str", self._speech_item_id), None
        self.record.add_segment(start_ms, end_ms)
        self._sender.emit(ev.InputAudioBufferSpeechStopped(audio_end_ms=end_ms, item_id=item_id))
        self._commit_audio(clip, item_id, now, respond=self._turn_setting("create_response"))

    def _commit_audio(self, clip: AudioClip, item_id: str, now: float, *, respond: bool = False) -> None:
        content = [InputAudioPart(transcript=None)]
        item = UserMessageItem(id=item_id, object=ITEM_OBJECT, status="completed", content=content)
        entry = Entry(item, clip, heard=self._recognize(clip))
        previous = self._items.history.append(entry)
        self._sender.emit(ev.InputAudioBufferCommitted(previous_item_id=previous, item_id=item_id))
        self._items.announce(entry, previous)
        if respond:
            self._respond_unasked(now)
        settings = self.session["audio"]["input"]["transcription"]
        if settings is not None:
            self._transcriber.transcribe(entry, settings, now)

    def _turn_setting(self, name: str) -> bool:
        # A transcription session has neither key: it never responds.
        turn_detection: Mapping[str, Any] = self.session["audio"]["input"]["turn_detection"] or {}
        return bool(turn_detection.get(name, False))

    # Each is called with the conversation, the event, its event_id, and the time.
    _HANDLERS: ClassVar[Mapping[str, Callable[..., None]]] = {
        "session.update": _session_update,
        "input_audio_buffer.append": _append,
        "input_audio_buffer.commit": _commit,
        "input_audio_buffer.clear": _clear,
        "conversation.item.create": _create_item,
        "conversation.item.retrieve": _retrieve,
        "conversation.item.delete": _delete,
        "conversation.item.truncate": _truncate,
        "response.create": _create_response,
        "response.cancel": _cancel_response,
    }
