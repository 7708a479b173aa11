"""The telemetry of one connection: a span, the spans below it, and metrics."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import attrs

from realtime_transport.audio.formats import AudioFormat
from realtime_transport.errors import ConfigError
from realtime_transport.protocol.engine.events import (
    AudioEvent,
    AudioInterruptedEvent,
    AudioTranscriptDeltaEvent,
    ConnectedEvent,
    DisconnectedEvent,
    ErrorEvent,
    FunctionCallEvent,
    OutputTextDeltaEvent,
    ServerError,
    TurnDoneEvent,
    TurnStartedEvent,
)
from realtime_transport.protocol.wire import server_events as wire
from realtime_transport.protocol.wire.session import AudioFormatConfig

from . import conventions as names
from .conversation import Conversation
from .tracing import Spans

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.context import Context
    from opentelemetry.trace import Span, Tracer

    from realtime_transport.protocol.wire.model import Event
    from realtime_transport.protocol.wire.session import Session
    from realtime_transport.transports.endpoint.observer import ObservedConnection

    from .instruments import Instruments
    from .tracing import Timed

__all__ = ["ConnectionTelemetry", "TelemetryOptions"]

APPEND_OVERHEAD = len('{"type":"input_audio_buffer.append","audio":""}')

logger: logging.Logger = logging.getLogger("realtime_transport")


@attrs.frozen(eq=False, kw_only=True)
class TelemetryOptions:
    """What all connections of a transport share.

    Attributes:
        tracer: Makes the spans.
        instruments: The metrics.
        content: Whether spans may hold words.
        attributes: Further attributes of the span of a connection.
        agent: The name of the active agent; ``None`` without a session.
    """

    tracer: Tracer
    instruments: Instruments
    content: bool
    attributes: Mapping[str, Any]
    agent: Callable[[], str] | None


class ConnectionTelemetry:
    """Watches one connection; see `ConnectionWatcher`. An exception here ends the telemetry, not the connection."""

    def __init__(self, connection: ObservedConnection, options: TelemetryOptions, parent: Context) -> None:
        self._observed = connection
        self._instruments = options.instruments
        self._spans = Spans(options.tracer, connection.clock)
        provider = names.PROVIDERS.get(connection.server, connection.server)
        self._attributes: dict[str, Any] = {names.PROVIDER_NAME: provider, names.REQUEST_MODEL: connection.model}
        self._span: Timed = self._spans.begin(
            f"{names.CONNECTION} {connection.model}",
            parent,
            client=True,
            attributes={**options.attributes, **self._attributes, names.WIRE: connection.wire},
        )
        self.conversation: Conversation = Conversation(
            self._spans,
            self._instruments,
            self._span.context,
            self._attributes,
            options.content,
            connection.response_requested,
            options.agent,
        )
        self._opened: float | None = None
        self._over = False
        self._input = _of_config(connection.session, "input")
        self._output = _of_config(connection.session, "output")
        self._sent_seconds = self._received_seconds = 0.0
        self._playing: float | None = None
        self._react: dict[type[Any], Callable[[Any], None]] = self._reactions(
            content=options.content, audio=connection.wire != "webrtc"
        )

    def _reactions(self, *, content: bool, audio: bool) -> dict[type[Any], Callable[[Any], None]]:
        conversation = self.conversation
        reactions: dict[type[Any], Callable[[Any], None]] = {
            ConnectedEvent: self._connected,
            DisconnectedEvent: self._disconnected,
            ErrorEvent: self._failed,
            wire.SessionCreated: self._described,
            wire.SessionUpdated: self._described,
            wire.InputAudioBufferSpeechStarted: lambda _: conversation.speech_began(),
            wire.InputAudioBufferSpeechStopped: lambda _: conversation.speech_ended(),
            TurnStartedEvent: lambda event: conversation.began(event.response_id),
            TurnDoneEvent: conversation.done,
            AudioInterruptedEvent: conversation.interrupted,
            FunctionCallEvent: conversation.called,
            OutputTextDeltaEvent: lambda event: conversation.output(event.response_id, audio=False),
            AudioTranscriptDeltaEvent: lambda event: conversation.output(event.response_id, audio=False),
            wire.OutputAudioBufferStarted: self._playback_began,
            wire.OutputAudioBufferStopped: self._playback_ended,
            wire.OutputAudioBufferCleared: self._playback_ended,
        }
        if audio:  # Over WebRTC the sound comes as media, silence included.
            reactions[AudioEvent] = self._audio
        if content:
            reactions[wire.ConversationItemInputAudioTranscriptionCompleted] = lambda event: conversation.heard(
                event.transcript or ""
            )
        return reactions

    # As a watcher

    def accepts(self, kind: type[Event]) -> bool:
        """Whether the telemetry uses events of the class *kind*."""
        return kind in self._react

    def receive(self, event: Event) -> None:
        """Take an event."""
        self.guard(lambda: self._react[type(event)](event))

    def sent(self, message: Mapping[str, Any]) -> None:
        """Note that a message is sent."""
        self.guard(lambda: self._sent(message))

    def sent_audio(self, text: str) -> None:
        """Count the audio of the ``input_audio_buffer.append`` message *text*."""
        padding = text.count("=", len(text) - 4)
        size = (len(text) - APPEND_OVERHEAD) // 4 * 3 - padding
        self._sent_seconds += size / self._input.bytes_per_second

    def sent_media(self, size: int) -> None:
        """Count *size* bytes of audio that were sent as media."""
        self._sent_seconds += size / AudioFormat.PCM24K.bytes_per_second

    def reached(self, url: str) -> None:
        """Note the server's address."""
        parts = urlsplit(url)
        if parts.hostname is None:
            return
        port = parts.port or (443 if parts.scheme in ("wss", "https") else 80)
        where = {names.SERVER_ADDRESS: parts.hostname, names.SERVER_PORT: port}
        self._attributes.update(where)
        self._span.span.set_attributes(where)

    def ended(self, error: Exception | None) -> None:
        """Note that the connection is over."""
        self.guard(lambda: self._end(error))
        self._over = True

    def guard(self, act: Callable[[], None]) -> None:
        """Call *act*, unless the connection is over or its telemetry has failed."""
        if self._over:
            return
        try:
            act()
        except Exception:
            logger.exception("the telemetry of a connection failed, and is switched off for it")
            self._over = True

    def tool_runs(self, call: FunctionCallEvent) -> Span | None:
        """Note that the tool for *call* begins to run. Returns its span, if there is one."""
        spans = list["Span | None"]()
        self.guard(lambda: spans.append(self.conversation.tool_runs(call)))
        return spans[0] if spans else None

    # What happens

    def _sent(self, message: Mapping[str, Any]) -> None:
        kind, item = message["type"], message.get("item")
        if kind == "response.create":
            self.conversation.asked()
        elif kind == "input_audio_buffer.commit":
            self.conversation.committed()
        elif kind == "input_audio_buffer.append":
            self._sent_seconds += len(str(message.get("audio"))) * 3 / 4 / self._input.bytes_per_second
        elif kind == "conversation.item.create" and isinstance(item, dict):
            self._sent_item(cast("dict[str, Any]", item))

    def _sent_item(self, item: Mapping[str, Any]) -> None:
        if item.get("type") == "function_call_output":
            self.conversation.answered(item)
        elif item.get("type") == "message" and item.get("role") == "user":
            self.conversation.wrote(item)

    def _connected(self, _event: ConnectedEvent) -> None:
        self._opened = self._spans.now()
        took = self._opened - self._span.since
        self._instruments.connect.record(took, self._attributes, self._span.context)
        self._instruments.open.add(1, self._attributes)

    def _described(self, event: wire.SessionCreated | wire.SessionUpdated) -> None:
        session = event.session
        if not session:
            return
        if isinstance(session.id, str):
            self._span.span.set_attribute(names.CONVERSATION_ID, session.id)
        self._input = _format(_of_session(session, "input"), self._input)
        self._output = _format(_of_session(session, "output"), self._output)

    def _audio(self, event: AudioEvent) -> None:
        self._received_seconds += len(event.data) / self._output.bytes_per_second
        self.conversation.output(event.response_id, audio=True)

    def _playback_began(self, event: wire.OutputAudioBufferStarted) -> None:
        self._playing = self._spans.now()
        self.conversation.output(event.response_id or "", audio=True)

    def _playback_ended(self, _event: object) -> None:
        if self._playing is not None:
            self._received_seconds += self._spans.now() - self._playing
            self._playing = None

    def _failed(self, event: ErrorEvent) -> None:
        if event.refused_type == "response.create":
            self.conversation.refused()
        kind = _server_code(event.error) if isinstance(event.error, ServerError) else type(event.error).__name__
        self._span.span.add_event("realtime.error", {names.ERROR_TYPE: kind})
        self._instruments.errors.add(1, {**self._attributes, names.ERROR_TYPE: kind}, self._span.context)

    def _disconnected(self, event: DisconnectedEvent) -> None:
        if event.code is not None:
            self._span.span.set_attribute(names.CLOSE_CODE, event.code)
        statistics = self._observed.statistics()  # Read now: the subscriptions are gone later.
        if statistics is not None and statistics.dropped_events:
            seconds = statistics.dropped_audio_bytes / self._output.bytes_per_second
            self._instruments.dropped_events.add(statistics.dropped_events, self._attributes, self._span.context)
            self._instruments.dropped_audio.add(seconds, self._attributes, self._span.context)

    def _end(self, error: Exception | None) -> None:
        kind = None if error is None else type(error).__name__
        self._playback_ended(None)
        self.conversation.close(kind)
        attributes = dict(self._attributes)
        if kind is not None:
            attributes[names.ERROR_TYPE] = kind
        lasted = self._spans.end(self._span, error=kind)
        if self._opened is None:
            self._instruments.connect.record(lasted, attributes, self._span.context)
            return
        self._instruments.open.add(-1, self._attributes)
        self._instruments.connection.record(lasted, attributes, self._span.context)
        for direction, seconds in (("sent", self._sent_seconds), ("received", self._received_seconds)):
            if seconds:
                attributes = {**self._attributes, names.AUDIO_DIRECTION: direction}
                self._instruments.audio.add(seconds, attributes, self._span.context)


def _server_code(error: ServerError) -> str:
    return error.code if isinstance(error.code, str) and error.code else str(error.type or "_OTHER")


def _of_session(session: Session, side: str) -> object:
    """The format that the server names."""
    part = getattr(session.audio, side, None) if session.audio else None
    given = getattr(part, "format", None) if part else None
    return {"type": given.type, "rate": given.rate or None} if isinstance(given, AudioFormatConfig) else given


def _of_config(session: Mapping[str, Any], side: str) -> AudioFormat:
    """The format that the client asks for."""
    audio = cast("Mapping[str, Any]", session.get("audio") or {})
    part = cast("Mapping[str, Any]", audio.get(side) or {})
    return _format(part.get("format"), AudioFormat.PCM24K)


def _format(value: object, otherwise: AudioFormat) -> AudioFormat:
    if not value:
        return otherwise
    try:
        return AudioFormat.parse(value)
    except ConfigError:
        return otherwise
