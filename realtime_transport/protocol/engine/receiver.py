"""From a message of the server to the events that follow it."""

from __future__ import annotations

import binascii
import logging
from typing import TYPE_CHECKING, Any

import attrs
import orjson
import pybase64

from realtime_transport.errors import DecodeError
from realtime_transport.late_classes import define
from realtime_transport.protocol.wire import server_events as server
from realtime_transport.protocol.wire.codec import decode_server_event, loads
from realtime_transport.protocol.wire.old_events import OLD_EVENTS, OLD_NAMES, ResponseAudioDelta

from .events import AudioEvent, DeferredAudioDelta, ErrorEvent, FunctionCallEvent
from .projection import PROJECTIONS, RETRIEVED, item_to_retrieve
from .reactions import CUTS
from .responses.in_flight import ANSWERS
from .two_names import CURRENT_NAMES, TwoNames

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from realtime_transport.protocol.wire.model import FieldProblem, ServerEvent

    from .events import SemanticEvent
    from .function_calls import FunctionCalls
    from .output_queue import Output
    from .playback.ledger import PlaybackLedger
    from .reactions import Reactions
    from .responses.answer_gate import AnswerGate

__all__ = ["Receiver"]

logger: logging.Logger = logging.getLogger("realtime_transport")

MAX_PROBLEMS = 8
"""Values of the wrong type that are reported of one message; it may hold a million of them."""

AUDIO_DELTA = server.ResponseOutputAudioDelta.type
AUDIO_DELTAS = frozenset({AUDIO_DELTA, ResponseAudioDelta.type})

LARGE_ENVELOPE = 1024
"""Characters of an audio delta beside its audio, above which they count: usually there are some 200."""

CLASSES: Mapping[str, type[ServerEvent]] = {
    cls.type: cls for cls in (*server.SERVER_EVENTS, *server.VENDOR_EVENTS, *OLD_EVENTS)
}


@define()
class Receiver:
    """Reads messages, emits what they mean, and lets the machines react."""

    _ledger: PlaybackLedger
    _calls: FunctionCalls
    _gate: AnswerGate
    _reactions: Reactions
    _output: Output
    _translate: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    _names: TwoNames = attrs.field(factory=TwoNames, init=False)

    def receive(self, data: str | bytes, now: float) -> None:
        """Handle one message. Never raises: what cannot be read becomes an `ErrorEvent`."""
        raw: Any
        try:
            raw = orjson.loads(data)
        except orjson.JSONDecodeError:
            raw = None
        if raw.__class__ is not dict or raw.get("type").__class__ is not str:
            try:
                raw = loads(data)  # It knows more of JSON, and says what is wrong.
            except DecodeError as error:
                self._handle_garbage(data, error)
                return
        name: str = raw["type"]
        if self._translate is not None:
            raw = self._translate(raw)
        if raw["type"] in AUDIO_DELTAS:  # With a dialect it need not be the name.
            if name != self._names.audio and self._repeats_audio(name, raw):
                if self._output.wanted(server.ResponseOutputAudioDelta):
                    self._tell_audio_delta(raw)
            elif not self._receive_usual_audio(raw, len(data), now):
                self._receive_odd_audio(raw, now)
        else:
            self._receive_event(raw, name, now)

    def reset(self) -> None:
        """Forget what belongs to a connection."""
        self._names.reset()

    def _handle_garbage(self, data: str | bytes, error: DecodeError) -> None:
        if isinstance(data, bytes):
            # The protocol has no binary messages, though some servers send theirs as such. These bytes are none.
            logger.warning("a binary message of %d bytes was ignored: %s", len(data), error)
        else:
            self._output.emit(ErrorEvent(sequence=self._output.next_sequence(), error=error, raw=data))

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
        if not type(content_index) is type(output_index) is int or response_id in self._ledger.discarded:
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
        wants_delta = output.wants_audio_delta
        if not wants_delta and not output.wants_audio:
            return True
        raw["delta"] = None
        delta_place = output.next_sequence() if wants_delta else 0
        output.sequence += 1
        audio = AudioEvent(
            sequence=output.sequence,
            data=data,
            response_id=response_id,
            item_id=item_id,
            content_index=content_index,
            output_index=output_index,
            raw=raw,
        )
        if wants_delta:
            output.emit_always(DeferredAudioDelta(sequence=delta_place, response_id=response_id, audio=audio))
        if output.wants_audio:
            output.events.append(audio)
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
                output.emit(ErrorEvent(sequence=output.next_sequence(), error=reason, raw=raw))
                return
        if item_id:
            self._ledger.receive(response_id, item_id, content_index, len(data), now)
        if output.wanted(AudioEvent):
            output_index: Any = get("output_index")
            output.emit(
                AudioEvent(
                    sequence=output.next_sequence(),
                    data=data,
                    response_id=response_id,
                    item_id=item_id,
                    content_index=content_index,
                    output_index=output_index if type(output_index) is int else 0,
                    raw=raw,
                )
            )

    def _repeats_audio(self, name: str, raw: dict[str, Any]) -> bool:
        response_id: Any = raw.get("response_id")
        heard = isinstance(response_id, str) and self._ledger.heard(response_id)
        return self._names.repeats_audio(name, heard=heard)

    def _tell_audio_delta(self, raw: dict[str, Any]) -> None:
        event, problems = decode_server_event(raw, self._output.next_sequence())
        self._output.emit(event)
        # An odd "delta" is reported as audio that cannot be read.
        self._report(event, tuple(problem for problem in problems if problem.path != "delta"))

    # Everything else

    def _receive_event(self, raw: dict[str, Any], name: str, now: float) -> None:
        kind: str = raw["type"]
        cls = CLASSES.get(kind, server.UnknownServerEvent)
        current = OLD_NAMES.get(kind, kind)
        repeats = name in CURRENT_NAMES and self._names.repeats(name, raw)
        if not repeats and current in ANSWERS:
            self._reactions.handle_answer(current)
        if not self._concerns(cls):
            return
        self._output.sequence += 1
        event, problems = decode_server_event(raw, self._output.sequence)
        if cls not in CUTS or not self._reactions.handle_cut(event, now):
            self._output.emit(event)
        if problems and cls is not server.Error:  # whatever it holds, it is reported as an error anyway
            self._report(event, problems)
        if isinstance(event, server.ResponseDone):
            for follows in self._calls.at_the_end(event, self._output.next_sequence):
                self._emit(follows)
        if repeats:
            return
        if cls in PROJECTIONS:
            self._project(event)
        self._reactions.handle(event, now)
        if cls in RETRIEVED:
            item_id = item_to_retrieve(event)
            if item_id is not None:
                self._output.send({"type": "conversation.item.retrieve", "item_id": item_id})

    def _concerns(self, cls: type[ServerEvent]) -> bool:
        wanted = self._output.wanted
        if self._reactions.concerns(cls) or wanted(cls):
            return True
        return cls in PROJECTIONS and any(map(wanted, PROJECTIONS[cls].produces))

    def _report(self, event: ServerEvent, problems: tuple[FieldProblem, ...]) -> None:
        for problem in problems[:MAX_PROBLEMS]:
            reason = f"{problem.path}: {problem.expected} expected, not {problem.got}"
            error = DecodeError(reason, path=problem.path, message_type=event.type)
            self._output.emit(ErrorEvent(sequence=self._output.next_sequence(), error=error, raw=event.raw))

    def _project(self, event: ServerEvent) -> None:
        projection = PROJECTIONS.get(type(event))
        if projection is None or not any(map(self._output.wanted, projection.produces)):
            return
        for follows in projection.project(event, self._output.next_sequence):
            self._emit(follows)

    def _emit(self, event: SemanticEvent) -> None:
        known = self._calls.filter(event)
        if known is None:
            return
        if isinstance(known, FunctionCallEvent):
            self._gate.handle_call(known.response_id, known.call_id)
        self._output.emit(known)


def _forgiving_base64(text: object) -> bytes | None:
    """Bytes of base64 without padding, or with white space in it, as browsers take it; ``None`` if it is none."""
    if not isinstance(text, str):
        return None
    compact = "".join(text.split()).rstrip("=")
    try:
        return pybase64.b64decode(compact + "=" * (-len(compact) % 4), validate=True)
    except ValueError:
        return None
