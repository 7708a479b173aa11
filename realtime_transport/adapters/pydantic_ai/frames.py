"""Translates the events of a transport into frames of pydantic-ai: one frame for each message of the server."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import attrs
from pydantic_ai.messages import (
    RealtimeInputSpeechEndEvent,
    RealtimeInputSpeechStartEvent,
    RealtimeInputTranscriptionErrorEvent,
    RealtimeOutputSpeechEndEvent,
    RealtimeOutputSpeechStartEvent,
    RealtimeResponseInterruptedEvent,
    RealtimeSessionErrorEvent,
)
from pydantic_ai.realtime.codec import (
    AudioDelta,
    InputRejected,
    InputTranscript,
    OutputTranscript,
    ResponseDone,
    ToolCall,
)
from pydantic_ai.realtime.lifecycle import (
    InputAdded,
    InputId,
    LifecycleEvent,
    OutputItemCut,
    OutputItemDetails,
    RealtimeFrame,
    StaleEvent,
)

from realtime_transport import events as ours, server_events as server
from realtime_transport.protocol.wire.model import ServerEvent

from .responses import BUSY_CODE, Responses, rejected_content
from .usage import calls_only, failure_of, outcome_of, response_usage, transcription_usage

if TYPE_CHECKING:
    from pydantic_ai.realtime.codec import RealtimeCodecEvent

    from realtime_transport.events import Event

    from .inputs import Inputs
    from .playing import Playing
    from .turns import UserTurns

__all__ = ["WANTED", "FrameMaker", "begins_frame"]

Handler: TypeAlias = Callable[[Any], "_Frame | None"]


@attrs.define
class _Frame:
    """The frame of one message, before it is put in order."""

    response_id: str = ""
    codec: list[RealtimeCodecEvent] = attrs.field(factory=list["RealtimeCodecEvent"])
    before: Sequence[LifecycleEvent] = ()
    after: Sequence[LifecycleEvent] = ()
    ends: str = ""  # The response that the message ends.


def begins_frame(event: Event) -> bool:
    """Whether *event* belongs to another message of the server than the event before it."""
    return isinstance(event, ServerEvent | ours.AudioEvent)


@attrs.define(eq=False)
class FrameMaker:
    """Makes frames.

    Args:
        inputs: Finds the input that an item is.
        responses: The open responses.
        turns: The spoken turns.
        playing: What is being played.
        server_plays: Whether the server plays the audio, and reports when.
        interrupted_by_wire: Whether the player of the audio stops itself when the user speaks.

    Attributes:
        model_name: The model that the server names; ``None`` if it has not yet.
    """

    _inputs: Inputs = attrs.field(kw_only=True, alias="inputs")
    _responses: Responses = attrs.field(kw_only=True, alias="responses")
    _turns: UserTurns = attrs.field(kw_only=True, alias="turns")
    _playing: Playing = attrs.field(kw_only=True, alias="playing")
    _server_plays: bool = attrs.field(kw_only=True, default=False, alias="server_plays")
    _interrupted_by_wire: bool = attrs.field(kw_only=True, default=False, alias="interrupted_by_wire")
    model_name: str | None = attrs.field(default=None, init=False)
    _table: Mapping[type[Any], Handler] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._table = {
            ours.AudioEvent: self._audio,
            server.ResponseFunctionCallArgumentsDone: self._arguments_done,
            ours.FunctionCallEvent: self._function_call,
            ours.AudioInterruptedEvent: self._interrupted,
            ours.ErrorEvent: self._error,
            server.SessionCreated: self._session,
            server.SessionUpdated: self._session,
            server.ResponseCreated: self._response_created,
            server.ResponseDone: self._response_done,
            server.ResponseOutputItemAdded: self._output_item,
            server.ResponseOutputAudioTranscriptDelta: self._transcript_delta,
            server.ResponseOutputAudioTranscriptDone: self._transcript_done,
            server.ResponseOutputTextDelta: self._text_delta,
            server.ResponseOutputTextDone: self._text_done,
            server.InputAudioBufferSpeechStarted: self._speech_started,
            server.InputAudioBufferSpeechStopped: self._speech_stopped,
            server.InputAudioBufferCommitted: self._committed,
            server.InputAudioBufferCleared: self._cleared,
            server.InputAudioBufferTimeoutTriggered: self._nobody_spoke,
            server.ConversationItemAdded: self._item_added,
            server.ConversationItemCreated: self._item_added,
            server.ConversationItemInputAudioTranscriptionDelta: self._heard_delta,
            server.ConversationItemInputAudioTranscriptionCompleted: self._heard,
            server.ConversationItemInputAudioTranscriptionFailed: self._not_heard,
            server.OutputAudioBufferStarted: self._server_began,
            server.OutputAudioBufferStopped: self._server_stopped,
            server.OutputAudioBufferCleared: self._server_stopped,
        }

    def make(self, group: Sequence[Event]) -> list[RealtimeFrame]:
        """The frame of one message, whose events are *group*; none if it is irrelevant to a session.

        Several if the message releases frames that were held back until a response was played.
        """
        made = [each for event in group if (each := self._make(event)) is not None]
        released: list[RealtimeFrame] = []
        frame: RealtimeFrame = []
        for each in made:
            frame += self._ordered(each)
            if each.ends:
                held = self._playing.hold(each.ends, frame)
                frame = [] if held else frame
            released += self._playing.take_released()
        return [*([frame] if frame else []), *released]

    def _make(self, event: Event) -> _Frame | None:
        for kind in type(event).__mro__:
            handler = self._table.get(kind)
            if handler is not None:
                return handler(event)
        return None

    def _ordered(self, frame: _Frame) -> RealtimeFrame:
        if frame.response_id and not frame.ends:
            if self._responses.is_cancelled(frame.response_id):
                return []  # The caller has stopped it: drop what was on its way.
            if self._responses.has_ended(frame.response_id) and not self._playing.holds(frame.response_id):
                return [StaleEvent(each) for each in frame.codec]
        begun = self._responses.mention(frame.response_id) if frame.response_id else ()
        return [*begun, *frame.before, *frame.codec, *frame.after]

    # The session

    def _session(self, event: Any) -> None:
        model = getattr(event.session, "model", None)
        if isinstance(model, str):
            self.model_name = model

    # Responses

    def _response_created(self, event: server.ResponseCreated) -> _Frame:
        response = _mapping(event.raw.get("response"))
        return _Frame(before=self._responses.begin(_text(response.get("id")), _mapping(response.get("metadata"))))

    def _response_done(self, event: server.ResponseDone) -> _Frame:
        response = _mapping(event.raw.get("response"))
        response_id = _text(response.get("id"))
        outcome = outcome_of(response)
        superseded = self._responses.active not in (None, response_id)
        begun = self._responses.mention(response_id, _mapping(response.get("metadata")))
        codec: list[RealtimeCodecEvent] = []
        usage = response_usage(event.raw, outcome, detailed=not superseded)
        failure = failure_of(response)
        codec += [each for each in (usage, failure) if each is not None]
        if not superseded and not (outcome.status == "completed" and calls_only(response)):
            done = ResponseDone(
                interrupted=outcome.status == "cancelled",
                provider_response_id=response_id or None,
                finish_reason=outcome.finish_reason,
                provider_details=outcome.details,
            )
            codec.append(done)
        if self._responses.has_ended(response_id):
            return _Frame(response_id=response_id, codec=codec)
        return _Frame(codec=codec, before=begun, after=self._responses.end(response_id, outcome), ends=response_id)

    def _output_item(self, event: server.ResponseOutputItemAdded) -> _Frame:
        response_id, item = _text(event.response_id), _mapping(event.raw.get("item"))
        item_id, phase = _text(item.get("id")), _text(item.get("phase"))
        if not (response_id and item_id and phase):
            return _Frame(response_id=response_id)
        details = OutputItemDetails(response_id=response_id, item_id=item_id, provider_details={"phase": phase})
        return _Frame(response_id=response_id, after=[details])

    def _audio(self, event: ours.AudioEvent) -> _Frame | None:
        response_id, item_id = event.response_id, event.item_id
        if self._server_plays and not response_id:
            return None  # The silence between responses.
        self._playing.heard(item_id, event.content_index, response_id, len(event.data))
        audio = AudioDelta(data=event.data, item_id=item_id or None, response_id=response_id or None)
        return _Frame(response_id=response_id, codec=[audio])

    def _transcript_delta(self, event: server.ResponseOutputAudioTranscriptDelta) -> _Frame:
        return _output(event, event.delta)

    def _transcript_done(self, event: server.ResponseOutputAudioTranscriptDone) -> _Frame:
        return _output(event, event.transcript, is_final=True)

    def _text_delta(self, event: server.ResponseOutputTextDelta) -> _Frame:
        return _output(event, event.delta, output_text=True)

    def _text_done(self, event: server.ResponseOutputTextDone) -> _Frame:
        return _output(event, event.text, is_final=True, output_text=True)

    def _arguments_done(self, event: server.ResponseFunctionCallArgumentsDone) -> _Frame | None:
        """A call is complete with its arguments, if the server names the function here."""
        name, call_id = _text(event.name), _text(event.call_id)
        if not (name and call_id):
            return None
        return self._call(call_id, name, _text(event.arguments), _text(event.item_id), _text(event.response_id))

    def _function_call(self, event: ours.FunctionCallEvent) -> _Frame | None:
        return self._call(event.call_id, event.name, event.arguments, event.id, event.response_id)

    def _call(self, call_id: str, name: str, arguments: str, item_id: str, response_id: str) -> _Frame | None:
        if not self._responses.call(response_id, call_id):
            return None
        call = ToolCall(
            call_id,
            tool_name=name,
            args=arguments or "{}",
            response_usage_follows=True,
            item_id=item_id or None,
            response_id=response_id or None,
        )
        return _Frame(response_id=response_id, codec=[call])

    # Speech

    def _speech_started(self, event: server.InputAudioBufferSpeechStarted) -> _Frame:
        item_id = _text(event.item_id)
        return _Frame(
            codec=[RealtimeInputSpeechStartEvent(item_id=item_id or None)], after=self._turns.speech_started(item_id)
        )

    def _speech_stopped(self, event: server.InputAudioBufferSpeechStopped) -> _Frame:
        item_id = _text(event.item_id)
        return _Frame(codec=[RealtimeInputSpeechEndEvent(item_id=item_id or None)], after=self._turns.stopped(item_id))

    def _committed(self, event: server.InputAudioBufferCommitted) -> _Frame:
        before, turn = self._turns.committed(_text(event.item_id))
        return _Frame(after=[*(InputAdded(input_id=each) for each in self._inputs.take(before)), *turn])

    def _cleared(self, _event: server.InputAudioBufferCleared) -> _Frame:
        return _Frame(after=self._turns.cleared())

    def _nobody_spoke(self, event: server.InputAudioBufferTimeoutTriggered) -> None:
        self._turns.nobody_spoke(_text(event.item_id))

    def _heard_delta(self, event: server.ConversationItemInputAudioTranscriptionDelta) -> _Frame | None:
        item_id = _text(event.item_id)
        if self._turns.is_silence(item_id):
            return None
        return _Frame(codec=[InputTranscript(_text(event.delta), item_id=item_id or None)])

    def _heard(self, event: server.ConversationItemInputAudioTranscriptionCompleted) -> _Frame | None:
        if event.raw.get("status") not in (None, "completed"):
            return None  # Some servers send partial transcripts under this name.
        item_id = _text(event.item_id)
        silence = self._turns.is_silence(item_id)
        self._turns.transcribed(item_id)
        usage = transcription_usage(event.raw.get("usage"))
        codec: list[RealtimeCodecEvent] = [] if usage is None else [usage]
        if not silence:
            codec.insert(0, InputTranscript(_text(event.transcript), is_final=True, item_id=item_id or None))
        return _Frame(codec=codec)

    def _not_heard(self, event: server.ConversationItemInputAudioTranscriptionFailed) -> _Frame | None:
        item_id, error = _text(event.item_id), _mapping(event.raw.get("error"))
        silence = self._turns.is_silence(item_id)
        self._turns.transcribed(item_id)
        if silence:
            return None
        failed = RealtimeInputTranscriptionErrorEvent(
            message=_text(error.get("message")),
            type=_text(error.get("type")) or None,
            code=_text(error.get("code")) or None,
            item_id=item_id or None,
            content_index=event.content_index if isinstance(event.content_index, int) else None,
        )
        return _Frame(codec=[failed])

    # Items

    def _item_added(self, event: server.ConversationItemAdded | server.ConversationItemCreated) -> _Frame | None:
        item_id = _text(getattr(event.item, "id", None))
        if self._turns.is_speaking(item_id):
            return _Frame(after=self._turns.joined(item_id, still_speaking=True))
        input_id: InputId | None = self._inputs.item_added(event.item)
        return None if input_id is None else _Frame(after=[InputAdded(input_id=input_id)])

    # Playback

    def _server_began(self, event: server.OutputAudioBufferStarted) -> _Frame | None:
        response_id = _text(event.response_id)
        self._playing.began(response_id)
        if not self._server_plays or self._responses.is_cancelled(response_id):
            return None
        return _Frame(codec=[RealtimeOutputSpeechStartEvent()])

    def _server_stopped(self, event: Any) -> _Frame | None:
        was_playing = self._playing.stopped(_text(event.response_id))
        return _Frame(codec=[RealtimeOutputSpeechEndEvent()]) if self._server_plays and was_playing else _Frame()

    def _interrupted(self, event: ours.AudioInterruptedEvent) -> _Frame | None:
        if not self._interrupted_by_wire:
            return None
        cuts = {cut.item_id: cut.audio_end_ms for cut in event.truncations} or {event.item_id: event.audio_end_ms}
        after = [OutputItemCut(item_id=item, heard_ms=heard) for item, heard in cuts.items() if item]
        return _Frame(codec=[RealtimeResponseInterruptedEvent()], after=after)

    # Errors

    def _error(self, event: ours.ErrorEvent) -> _Frame | None:
        error, event_id = event.error, event.event_id or ""
        if not isinstance(error, ours.ServerError):
            rejected, settled = self._responses.refused(event_id)
            return _Frame(codec=[*rejected, _session_error(str(error))], after=settled)
        code, message = _text(error.code), _text(error.message)
        if code == BUSY_CODE:
            return None  # The transport repeats the request when the active response has ended.
        if code == "input_audio_buffer_commit_empty":
            self._turns.commit_refused()
        rejected, settled = self._responses.refused(event_id)
        codec: list[RealtimeCodecEvent] = [*rejected]
        content = rejected_content(event_id)
        if content is not None:
            self._inputs.refused(content)
            codec.append(InputRejected(content, refused="content"))
        codec.append(_session_error(message or code or "The server reported an error.", _text(error.type), code))
        return _Frame(codec=codec, after=settled)


WANTED: tuple[type[Event], ...] = (
    ours.FunctionCallEvent,
    ours.AudioInterruptedEvent,
    ours.ErrorEvent,
    server.SessionCreated,
    server.SessionUpdated,
    server.ResponseCreated,
    server.ResponseDone,
    server.ResponseOutputItemAdded,
    server.ResponseFunctionCallArgumentsDone,
    server.ResponseOutputAudioTranscriptDelta,
    server.ResponseOutputAudioTranscriptDone,
    server.ResponseOutputTextDelta,
    server.ResponseOutputTextDone,
    server.InputAudioBufferSpeechStarted,
    server.InputAudioBufferSpeechStopped,
    server.InputAudioBufferCommitted,
    server.InputAudioBufferCleared,
    server.InputAudioBufferTimeoutTriggered,
    server.ConversationItemAdded,
    server.ConversationItemCreated,
    server.ConversationItemInputAudioTranscriptionDelta,
    server.ConversationItemInputAudioTranscriptionCompleted,
    server.ConversationItemInputAudioTranscriptionFailed,
    server.OutputAudioBufferStarted,
    server.OutputAudioBufferStopped,
    server.OutputAudioBufferCleared,
)
"""The events to subscribe to, beside the audio."""


def _output(event: Any, text: object, *, is_final: bool = False, output_text: bool = False) -> _Frame:
    response_id = _text(event.response_id)
    transcript = OutputTranscript(
        _text(text),
        is_final=is_final,
        output_text=output_text,
        item_id=_text(event.item_id) or None,
        response_id=response_id or None,
    )
    return _Frame(response_id=response_id, codec=[transcript])


def _session_error(message: str, kind: str = "", code: str = "") -> RealtimeSessionErrorEvent:
    return RealtimeSessionErrorEvent(message=message, type=kind or None, code=code or None, recoverable=True)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _mapping(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}
