"""What the messages of the server do."""

from __future__ import annotations

import binascii
import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

import attrs
import pybase64

from realtime_transport.audio.formats import AudioFormat
from realtime_transport.errors import DecodeError
from realtime_transport.protocol.config.tracing import tracing_to_send
from realtime_transport.protocol.wire import server_events as server
from realtime_transport.protocol.wire.codec import decode_server_event, loads
from realtime_transport.protocol.wire.json_types import UNSET
from realtime_transport.protocol.wire.model import FieldProblem, ServerEvent, WireObject
from realtime_transport.protocol.wire.objects import ServerError
from realtime_transport.protocol.wire.session import RealtimeSession, Session, TranscriptionSession, TranslationSession

from .events import AudioEvent, DeferredAudioDelta, ErrorEvent, FunctionCallEvent
from .projection import PROJECTIONS, item_to_retrieve, text

if TYPE_CHECKING:
    from realtime_transport.protocol.config.settings import SessionSettings

    from .history_diff import HistoryEditor
    from .interruption import Interrupter
    from .open_responses import OpenResponses
    from .output_queue import Output
    from .playback_ledger import PlaybackLedger
    from .sequencer import ResponseSequencer
    from .server_playback import ServerPlayback

__all__ = ["Receiver"]

logger: logging.Logger = logging.getLogger("realtime_transport")

MAX_PROBLEMS = 8
"""Values of the wrong type that are reported of one message; it may hold a million of them."""

MAX_CALLS = 1024
"""Function calls remembered so that none is told twice."""

AUDIO_DELTA = server.ResponseOutputAudioDelta.type

LARGE_ENVELOPE = 1024
"""Characters of an audio delta beside its audio, above which they count: usually there are some 200."""

CLASSES: Mapping[str, type[ServerEvent]] = {cls.type: cls for cls in (*server.SERVER_EVENTS, *server.VENDOR_EVENTS)}


@attrs.define(eq=False)
class Receiver:
    """Reads messages, tells what they mean, and moves the machines.

    Attributes:
        ready: ``session.created`` has come.
        session: The session as the server last described it.
        last_error: What the server last reported: the reason, if it closes now.
    """

    _settings: SessionSettings
    _sequencer: ResponseSequencer
    _responses: OpenResponses
    _ledger: PlaybackLedger
    _server_playback: ServerPlayback
    _history: HistoryEditor
    _interrupter: Interrupter
    _output: Output
    _translate: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    ready: bool = attrs.field(default=False, init=False)
    session: Session | None = attrs.field(default=None, init=False)
    last_error: ServerError | None = attrs.field(default=None, init=False)
    _told_calls: dict[str, None] = attrs.field(factory=dict[str, None], init=False)

    def receive(self, data: str | bytes, now: float) -> None:
        """Handle one message. Never raises: what cannot be read becomes an `ErrorEvent`."""
        try:
            raw = loads(data)
        except DecodeError as error:
            self._handle_garbage(data, error)
            return
        if self._translate is not None:
            raw = self._translate(raw)
        if raw["type"] == AUDIO_DELTA:
            if not self._receive_usual_audio(raw, len(data), now):
                self._receive_odd_audio(raw, now)
        else:
            self._receive_event(raw, now)

    def reset(self) -> None:
        """Forget what belongs to a connection."""
        self.ready, self.session, self.last_error = False, None, None
        self._told_calls.clear()

    def _handle_garbage(self, data: str | bytes, error: DecodeError) -> None:
        if isinstance(data, bytes):
            # The protocol has no binary messages, though some servers send theirs as such. These bytes are none.
            logger.warning("a binary message of %d bytes was ignored: %s", len(data), error)
        else:
            self._output.emit(ErrorEvent(error=error, raw=data))

    # Audio: most of the messages, and nearly all of the bytes. No class of the wire is built unless somebody wants it.

    def _receive_usual_audio(self, raw: dict[str, Any], size: int, now: float) -> bool:
        """The short path, for a piece of audio that is exactly as documented; whether *raw*, of *size*, is one.

        `_receive_odd_audio` gives the same. The text of the audio is not kept beside its bytes.
        """
        get = raw.get
        response_id: Any = get("response_id")
        item_id: Any = get("item_id")
        delta: Any = get("delta")
        content_index: Any = get("content_index")
        output_index: Any = get("output_index")
        if not (type(response_id) is type(item_id) is type(delta) is type(get("event_id")) is str and item_id):
            return False
        if not type(content_index) is type(output_index) is int or self._ledger.discards(response_id):
            return False
        if size - len(delta) > LARGE_ENVELOPE:
            return False
        try:
            data = pybase64.b64decode(delta, validate=True)
        except ValueError:
            return False
        if delta.endswith("=") and pybase64.b64encode_as_string(data) != delta:
            return False  # It could not be made again from the bytes.
        self._ledger.receive(response_id, item_id, content_index, len(data), now)
        output = self._output
        wants_delta = output.wanted(server.ResponseOutputAudioDelta)
        if not wants_delta and not output.wanted(AudioEvent):
            return True
        raw["delta"] = None
        audio = AudioEvent(
            data=data,
            response_id=response_id,
            item_id=item_id,
            content_index=content_index,
            output_index=output_index,
            raw=raw,
        )
        if wants_delta:
            output.emit_always(DeferredAudioDelta(response_id=response_id, audio=audio))
        output.emit(audio)
        return True

    def _receive_odd_audio(self, raw: dict[str, Any], now: float) -> None:
        get = raw.get
        response_id: Any = get("response_id")
        item_id: Any = get("item_id")
        content_index: Any = get("content_index")
        delta: Any = get("delta")
        usual = type(response_id) is str and type(item_id) is str and type(content_index) is int
        output = self._output
        if not usual or output.wanted(server.ResponseOutputAudioDelta):
            self._tell_audio_delta(raw)
            response_id = response_id if isinstance(response_id, str) else ""
            item_id = item_id if isinstance(item_id, str) else ""
            content_index = content_index if isinstance(content_index, int) else 0
        if delta is None or self._ledger.discards(response_id):
            return
        try:
            data = pybase64.b64decode(delta, validate=True)
        except (binascii.Error, TypeError, ValueError) as error:
            data = _forgiving_base64(delta)
            if data is None:
                reason = DecodeError(f"audio that is not base64: {error}", path="delta", message_type=AUDIO_DELTA)
                output.emit(ErrorEvent(error=reason, raw=raw))
                return
        if item_id:
            self._ledger.receive(response_id, item_id, content_index, len(data), now)
        if output.wanted(AudioEvent):
            output_index: Any = get("output_index")
            output.emit(
                AudioEvent(
                    data=data,
                    response_id=response_id,
                    item_id=item_id,
                    content_index=content_index,
                    output_index=output_index if type(output_index) is int else 0,
                    raw=raw,
                )
            )

    def _tell_audio_delta(self, raw: dict[str, Any]) -> None:
        event, problems = decode_server_event(raw)
        self._output.emit(event)
        # An odd "delta" is reported as audio that cannot be read.
        self._report(event, tuple(problem for problem in problems if problem.path != "delta"))

    # Everything else

    def _receive_event(self, raw: dict[str, Any], now: float) -> None:
        cls = CLASSES.get(raw["type"], server.UnknownServerEvent)
        if not self._concerns(cls):
            return
        event, problems = decode_server_event(raw)
        if cls not in _CUTS or not self._handle_cut(event, now):
            self._output.emit(event)
        if cls is not server.Error:  # whatever it holds, it is told as an error anyway
            self._report(event, problems)
        self._project(event)
        handler = _HANDLERS.get(cls)
        if handler is not None:
            handler(self, event, now)
        item_id = item_to_retrieve(event)
        if item_id is not None:
            self._output.send({"type": "conversation.item.retrieve", "item_id": item_id})

    def _concerns(self, cls: type[ServerEvent]) -> bool:
        wanted = self._output.wanted
        if cls in _HANDLERS or cls in _ALSO_NEEDED or wanted(cls):
            return True
        return cls in PROJECTIONS and any(map(wanted, PROJECTIONS[cls].produces))

    def _report(self, event: ServerEvent, problems: tuple[FieldProblem, ...]) -> None:
        for problem in problems[:MAX_PROBLEMS]:
            reason = f"{problem.path}: {problem.expected} expected, not {problem.got}"
            error = DecodeError(reason, path=problem.path, message_type=event.type)
            self._output.emit(ErrorEvent(error=error, raw=event.raw))

    def _project(self, event: ServerEvent) -> None:
        projection = PROJECTIONS.get(type(event))
        if projection is None or not any(map(self._output.wanted, projection.produces)):
            return
        for told in projection.project(event):
            if not isinstance(told, FunctionCallEvent) or self._is_new(told):
                self._output.emit(told)

    def _is_new(self, call: FunctionCallEvent) -> bool:
        key = call.call_id or call.id
        if not key or key in self._told_calls:
            return not key
        self._told_calls[key] = None
        if len(self._told_calls) > MAX_CALLS:
            del self._told_calls[next(iter(self._told_calls))]
        return True

    # Handlers: what an event does to the machines.

    def _handle_cut(self, event: ServerEvent, now: float) -> bool:
        interrupter = self._interrupter
        match event:
            case server.InputAudioBufferSpeechStarted():
                return interrupter.handle_speech(now, self._output.place(event))
            case server.OutputAudioBufferCleared():
                response_id = text(event.response_id)
            case server.ResponseDone(raw={"response": {"status_details": {"reason": "turn_detected"}}}):
                # A server that does not say that it has cleared what it played.
                response_id = text(_dig(event.raw, "response").get("id"))
            case _:
                return False
        return self._server_playback.plays(response_id) and interrupter.handle_cut(
            now, response_id, self._output.place(event)
        )

    def _session_created(self, event: server.SessionCreated, now: float) -> None:
        self.ready = True
        self._keep_session(event.session)
        reported = _dig(event.raw, "session").get("tracing")
        tracing = tracing_to_send(self._settings.tracing, reported)
        if tracing is UNSET:
            logger.warning("the session has a tracing configuration already; the one asked for was not sent")
        else:
            self._output.send({"type": "session.update", "session": {"type": "realtime", "tracing": tracing}})

    def _session_updated(self, event: server.SessionUpdated, now: float) -> None:
        self._keep_session(event.session)
        audio = _dig(event.raw, "session", "audio")
        self._ledger.session_format = _output_format(_dig(audio, "output").get("format")) or self._ledger.default_format
        cancels = _dig(audio, "input", "turn_detection").get("interrupt_response")
        self._interrupter.server_cancels = None if cancels is None else bool(cancels)

    def _keep_session(self, session: object) -> None:
        if isinstance(session, RealtimeSession | TranscriptionSession | TranslationSession):
            self.session = session

    def _response_created(self, event: server.ResponseCreated, now: float) -> None:
        response = _dig(event.raw, "response")
        response_id = text(response.get("id"))
        in_conversation = response.get("conversation_id", "") is not None
        self._responses.begin(response_id, in_conversation=in_conversation)
        if response_id:
            self._ledger.begin_response(response_id, _output_format(_dig(response, "audio", "output").get("format")))
        self._sequencer.handle_created(now)

    def _response_done(self, event: server.ResponseDone, now: float) -> None:
        response = _dig(event.raw, "response")
        in_conversation = response.get("conversation_id", "") is not None
        if self._responses.end(text(response.get("id")), in_conversation=in_conversation):
            self._sequencer.handle_done(now)

    def _part_added(self, event: server.ResponseContentPartAdded, now: float) -> None:
        if isinstance(event.item_id, str) and _dig(event.raw, "part").get("type") in ("audio", "output_audio"):
            index = event.content_index
            self._server_playback.begin_part(
                text(event.response_id), event.item_id, index if isinstance(index, int) else 0
            )

    def _server_plays(self, event: server.OutputAudioBufferStarted, now: float) -> None:
        self._server_playback.start(text(event.response_id), now)

    def _server_has_played(self, event: server.OutputAudioBufferStopped, now: float) -> None:
        self._server_playback.stop(text(event.response_id))

    def _audio_done(self, event: server.ResponseOutputAudioDone, now: float) -> None:
        if isinstance(event.item_id, str):
            index = event.content_index
            self._ledger.finish_part(event.item_id, index if isinstance(index, int) else 0)

    def _item_added(self, event: server.ConversationItemAdded, now: float) -> None:
        item_id = event.item.id if isinstance(event.item, WireObject) else None
        if isinstance(item_id, str):
            self._history.handle_added(item_id)

    def _item_deleted(self, event: server.ConversationItemDeleted, now: float) -> None:
        if isinstance(event.item_id, str):
            self._history.handle_deleted(event.item_id)

    def _error(self, event: server.Error, now: float) -> None:
        error = event.error
        if not isinstance(error, ServerError):
            error = ServerError(message=error if isinstance(error, str) else UNSET)
        self.last_error = error
        code = error.code if isinstance(error.code, str) else None
        event_id = error.event_id if isinstance(error.event_id, str) else None
        self._output.emit(ErrorEvent(error=error, raw=event.raw, event_id=event_id))
        if event_id is not None:
            self._history.handle_error(event_id)
        self._sequencer.handle_error(code, event_id, now)


_HANDLERS: Mapping[type[ServerEvent], Callable[[Receiver, Any, float], None]] = {
    server.SessionCreated: Receiver._session_created,  # pyright: ignore[reportPrivateUsage]
    server.SessionUpdated: Receiver._session_updated,  # pyright: ignore[reportPrivateUsage]
    server.ResponseCreated: Receiver._response_created,  # pyright: ignore[reportPrivateUsage]
    server.ResponseDone: Receiver._response_done,  # pyright: ignore[reportPrivateUsage]
    server.ResponseContentPartAdded: Receiver._part_added,  # pyright: ignore[reportPrivateUsage]
    server.OutputAudioBufferStarted: Receiver._server_plays,  # pyright: ignore[reportPrivateUsage]
    server.OutputAudioBufferStopped: Receiver._server_has_played,  # pyright: ignore[reportPrivateUsage]
    server.ResponseOutputAudioDone: Receiver._audio_done,  # pyright: ignore[reportPrivateUsage]
    server.ConversationItemAdded: Receiver._item_added,  # pyright: ignore[reportPrivateUsage]
    server.ConversationItemDeleted: Receiver._item_deleted,  # pyright: ignore[reportPrivateUsage]
    server.Error: Receiver._error,  # pyright: ignore[reportPrivateUsage]
}

_CUTS = frozenset({server.InputAudioBufferSpeechStarted, server.OutputAudioBufferCleared, server.ResponseDone})
"""Events by which the server may cut off a reply."""

_ALSO_NEEDED = frozenset(
    {
        server.InputAudioBufferSpeechStarted,
        server.OutputAudioBufferCleared,
        server.ConversationItemInputAudioTranscriptionCompleted,
        server.ConversationItemTruncated,
        server.ResponseMcpCallInProgress,
        server.McpListToolsInProgress,
    }
)
"""Events that make us send something."""


def _forgiving_base64(text: object) -> bytes | None:
    """Bytes of base64 without padding, or with white space in it, as browsers take it; ``None`` if it is none."""
    if not isinstance(text, str):
        return None
    compact = "".join(text.split()).rstrip("=")
    try:
        return pybase64.b64decode(compact + "=" * (-len(compact) % 4), validate=True)
    except ValueError:
        return None


def _dig(value: object, *names: str) -> Mapping[str, Any]:
    """The object that is found in *value* under *names*, one inside the other; empty if there is none."""
    for name in names:
        value = cast("Mapping[str, Any]", value).get(name) if isinstance(value, Mapping) else None
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def _output_format(value: object) -> AudioFormat | None:
    """The format that the server names. What is not known counts as linear audio at 24 kHz."""
    if value is None:
        return None
    if isinstance(value, Mapping):
        kind, rate = cast("Mapping[str, Any]", value).get("type"), cast("Mapping[str, Any]", value).get("rate")
        if kind in ("audio/pcmu", "audio/pcma"):
            return AudioFormat.PCMU if kind == "audio/pcmu" else AudioFormat.PCMA
        if kind == "audio/pcm" and isinstance(rate, int) and rate > 0:
            return AudioFormat(encoding="audio/pcm", rate=rate)
    elif isinstance(value, str) and value.startswith("g711_"):
        return AudioFormat.PCMU if value == "g711_ulaw" else AudioFormat.PCMA
    return AudioFormat.PCM24K
