"""Translates the events of a transport into those of the framework."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
from agents.realtime import (
    RealtimeModelAudioDoneEvent,
    RealtimeModelAudioEvent,
    RealtimeModelAudioInterruptedEvent,
    RealtimeModelConnectionStatusEvent,
    RealtimeModelErrorEvent,
    RealtimeModelInputAudioTranscriptionCompletedEvent,
    RealtimeModelItemDeletedEvent,
    RealtimeModelItemUpdatedEvent,
    RealtimeModelOtherEvent,
    RealtimeModelOutputTextDeltaEvent,
    RealtimeModelToolCallEvent,
    RealtimeModelTranscriptDeltaEvent,
    RealtimeModelTurnEndedEvent,
    RealtimeModelTurnStartedEvent,
)
from agents.realtime.model_events import (
    RealtimeModelInputAudioTimeoutTriggeredEvent,
    RealtimeModelRawServerEvent,
)
from openai.types.realtime import RealtimeError as OpenAIError
from pydantic import ValidationError

from realtime_transport import events as ours, server_events as server
from realtime_transport.protocol.wire.model import ServerEvent

from .items import mapping, message_item, tool_item, usage_event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from agents.realtime import RealtimeModelEvent

    from .playback import Playback

__all__ = ["EventTranslator"]

SILENCE = 32
"""The largest sample that is inaudible: -60 dB. A codec does not return exact zeros."""


@attrs.define(eq=False)
class EventTranslator:
    """Translates the events of one connection. Does not wait.

    Attributes:
        silenced: Responses whose audio is dropped.
        server_cancels: Whether the server cancels a response itself when it hears speech.
    """

    _playback: Playback
    silenced: set[str] = attrs.field(factory=set[str], init=False)
    server_cancels: bool = attrs.field(default=False, init=False)
    _table: dict[type[ours.Event], Callable[[Any], Iterable[RealtimeModelEvent]]] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._table = {
            ours.AudioEvent: self._audio,
            ours.AudioDoneEvent: self._audio_done,
            ours.AudioInterruptedEvent: self._audio_interrupted,
            ours.AudioTranscriptDeltaEvent: self._transcript_delta,
            ours.OutputTextDeltaEvent: self._text_delta,
            ours.FunctionCallEvent: self._function_call,
            ours.ItemDeletedEvent: self._item_deleted,
            ours.TurnStartedEvent: self._turn_started,
            ours.TurnDoneEvent: self._turn_done,
            ours.ErrorEvent: self._error,
            ours.ConnectionChangeEvent: self._connection_change,
            ours.McpToolsListedEvent: self._other,
            ours.McpApprovalRequestEvent: self._other,
            ours.McpToolCallCompletedEvent: self._other,
            server.SessionCreated: self._session,
            server.SessionUpdated: self._session,
            server.ResponseOutputItemAdded: self._output_item,
            server.ResponseOutputItemDone: self._output_item,
            server.ConversationItemAdded: self._item,
            server.ConversationItemCreated: self._item,
            server.ConversationItemRetrieved: self._item,
            server.ConversationItemInputAudioTranscriptionCompleted: self._transcription,
            server.InputAudioBufferTimeoutTriggered: self._timeout,
        }

    def translate(self, event: ours.Event) -> list[RealtimeModelEvent]:
        """The framework's events for *event*: first a raw server message, then what it means."""
        translated: list[RealtimeModelEvent] = []
        if isinstance(event, ServerEvent):
            translated.append(RealtimeModelRawServerEvent(data=dict(event.raw)))
        handler = self._table.get(type(event))
        if handler is not None:
            try:
                translated += handler(event)
            except ValidationError as error:  # An item that the framework does not know.
                translated.append(RealtimeModelErrorEvent(error=error))
        return translated

    # Audio

    def _audio(self, event: ours.AudioEvent) -> Iterable[RealtimeModelEvent]:
        raw = event.raw
        if raw:
            yield RealtimeModelRawServerEvent(data=raw)
        elif not event.response_id and _is_silence(event.data):
            return  # Over WebRTC audio is not a message, and goes on between replies.
        if event.response_id not in self.silenced:
            yield RealtimeModelAudioEvent(
                data=event.data,
                response_id=event.response_id,
                item_id=event.item_id,
                content_index=event.content_index,
            )

    def _audio_done(self, event: ours.AudioDoneEvent) -> Iterable[RealtimeModelEvent]:
        yield RealtimeModelAudioDoneEvent(item_id=event.item_id, content_index=event.content_index)

    def _audio_interrupted(self, event: ours.AudioInterruptedEvent) -> Iterable[RealtimeModelEvent]:
        cuts = [(cut.item_id, cut.content_index) for cut in event.truncations]
        parts = dict.fromkeys([(event.item_id, event.content_index), *cuts])
        self._playback.interrupted(parts)
        for item_id, content_index in parts:
            yield RealtimeModelAudioInterruptedEvent(item_id=item_id, content_index=content_index)

    # Words

    def _transcript_delta(self, event: ours.AudioTranscriptDeltaEvent) -> Iterable[RealtimeModelEvent]:
        yield RealtimeModelTranscriptDeltaEvent(item_id=event.item_id, delta=event.delta, response_id=event.response_id)

    def _text_delta(self, event: ours.OutputTextDeltaEvent) -> Iterable[RealtimeModelEvent]:
        yield RealtimeModelOutputTextDeltaEvent(item_id=event.item_id, delta=event.delta, response_id=event.response_id)

    def _transcription(
        self, event: server.ConversationItemInputAudioTranscriptionCompleted
    ) -> Iterable[RealtimeModelEvent]:
        if isinstance(event.item_id, str) and isinstance(event.transcript, str):
            yield RealtimeModelInputAudioTranscriptionCompletedEvent(item_id=event.item_id, transcript=event.transcript)

    def _timeout(self, event: server.InputAudioBufferTimeoutTriggered) -> Iterable[RealtimeModelEvent]:
        raw = event.raw
        yield RealtimeModelInputAudioTimeoutTriggeredEvent(
            item_id=raw.get("item_id") or "",
            audio_start_ms=raw.get("audio_start_ms") or 0,
            audio_end_ms=raw.get("audio_end_ms") or 0,
        )

    # Items

    def _function_call(self, event: ours.FunctionCallEvent) -> Iterable[RealtimeModelEvent]:
        before = event.previous_item_id if isinstance(event.previous_item_id, str) else None
        yield RealtimeModelItemUpdatedEvent(item=tool_item(event, previous_item_id=before))
        yield RealtimeModelToolCallEvent(
            name=event.name,
            call_id=event.call_id,
            arguments=event.arguments,
            id=event.id,
            previous_item_id=before,
        )

    def _output_item(
        self, event: server.ResponseOutputItemAdded | server.ResponseOutputItemDone
    ) -> Iterable[RealtimeModelEvent]:
        item = mapping(event.raw.get("item"))
        if item.get("type") == "message":
            status = "completed" if isinstance(event, server.ResponseOutputItemDone) else "in_progress"
            yield RealtimeModelItemUpdatedEvent(item=message_item(item, status=status))

    def _item(
        self,
        event: server.ConversationItemAdded | server.ConversationItemCreated | server.ConversationItemRetrieved,
    ) -> Iterable[RealtimeModelEvent]:
        item = mapping(event.raw.get("item"))
        if item.get("type") == "message":
            before = event.raw.get("previous_item_id")
            yield RealtimeModelItemUpdatedEvent(item=message_item(item, previous_item_id=before))

    def _item_deleted(self, event: ours.ItemDeletedEvent) -> Iterable[RealtimeModelEvent]:
        yield RealtimeModelItemDeletedEvent(item_id=event.item_id)

    # Turns and the session

    def _turn_started(self, event: ours.TurnStartedEvent) -> Iterable[RealtimeModelEvent]:
        yield RealtimeModelTurnStartedEvent(response_id=event.response_id or None)

    def _turn_done(self, event: ours.TurnDoneEvent) -> Iterable[RealtimeModelEvent]:
        self.silenced.discard(event.response_id)
        usage = mapping(mapping(event.raw.get("response")).get("usage"))
        if usage:
            yield usage_event(usage)
        yield RealtimeModelTurnEndedEvent(response_id=event.response_id or None)

    def _session(self, event: server.SessionCreated | server.SessionUpdated) -> Iterable[RealtimeModelEvent]:
        audio = mapping(mapping(event.raw.get("session")).get("audio"))
        detection = mapping(mapping(audio.get("input")).get("turn_detection"))
        self.server_cancels = detection.get("interrupt_response") is True
        self._playback.set_format(mapping(audio.get("output")).get("format"))
        return ()

    def _connection_change(self, event: ours.ConnectionChangeEvent) -> Iterable[RealtimeModelEvent]:
        if event.status != "disconnecting":  # The framework does not know it.
            yield RealtimeModelConnectionStatusEvent(status=event.status)

    def _error(self, event: ours.ErrorEvent) -> Iterable[RealtimeModelEvent]:
        error: object = event.error
        if isinstance(error, ours.ServerError):
            reported = mapping(event.raw).get("error")
            fields = {"message": reported if isinstance(reported, str) else "", "type": "", **mapping(reported)}
            error = OpenAIError.model_construct(None, **fields)
        yield RealtimeModelErrorEvent(error=error)

    def _other(self, event: ours.Event) -> Iterable[RealtimeModelEvent]:
        yield RealtimeModelOtherEvent(data=event)


def _is_silence(pcm: bytes) -> bool:
    samples = memoryview(pcm[: len(pcm) & ~1]).cast("h")
    return not samples or max(max(samples), -min(samples)) <= SILENCE
