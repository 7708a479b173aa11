"""What the messages of the server do to the machines of the engine."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, cast

from realtime_transport.audio.formats import AudioFormat
from realtime_transport.late_classes import frozen
from realtime_transport.protocol.config.tracing import tracing_to_send
from realtime_transport.protocol.wire import old_events as old, server_events as server
from realtime_transport.protocol.wire.json_types import UNSET
from realtime_transport.protocol.wire.model import ServerEvent, WireObject
from realtime_transport.protocol.wire.objects import ServerError
from realtime_transport.protocol.wire.session import RealtimeSession, TranscriptionSession, TranslationSession

from .events import ErrorEvent
from .projection import text
from .responses.sequencer import Phase
from .session_state import SessionState

if TYPE_CHECKING:
    from realtime_transport.protocol.config.settings import SentUpdate, SessionSettings

    from .function_calls import FunctionCalls
    from .history_diff import HistoryEditor
    from .interruption import Interrupter
    from .output_queue import Output
    from .playback.ledger import PlaybackLedger
    from .playback.server_playback import ServerPlayback
    from .responses.answer_gate import AnswerGate
    from .responses.open_responses import OpenResponses
    from .responses.sequencer import ResponseSequencer

__all__ = ["Machines", "Reactions"]

logger: logging.Logger = logging.getLogger("realtime_transport")

Handler: TypeAlias = Callable[[Any, Any], None]


@frozen(kw_only=False, eq=False)
class Machines:
    """The machines of one engine that messages of the server move."""

    settings: SessionSettings
    sequencer: ResponseSequencer
    responses: OpenResponses
    ledger: PlaybackLedger
    server_playback: ServerPlayback
    history: HistoryEditor
    interrupter: Interrupter
    calls: FunctionCalls
    gate: AnswerGate
    output: Output

    def reset(self) -> None:
        """Forget what belongs to a connection."""
        for machine in (
            self.sequencer,
            self.responses,
            self.ledger,
            self.server_playback,
            self.history,
            self.interrupter,
            self.calls,
            self.gate,
            self.output.in_flight,
        ):
            machine.reset()


class Reactions:
    """Moves the machines.

    Attributes:
        state: What the server has said of the session.
    """

    def __init__(self, machines: Machines) -> None:
        self.state: SessionState = SessionState()
        self._machines = machines
        self._now = 0.0

    def concerns(self, cls: type[ServerEvent]) -> bool:
        """Whether events of the class *cls* do anything here."""
        return cls in self._TABLE or cls in _ALSO_NEEDED

    def handle(self, event: ServerEvent, now: float) -> None:
        """Move the machines by *event*."""
        handler = self._TABLE.get(type(event))
        if handler is not None:
            self._now = now
            handler(self, event)

    def handle_answer(self, server_type: str) -> None:
        """An event of that type has come, and may answer one of ours."""
        answered = self._machines.output.in_flight.handle_answer(server_type)
        if answered is not None and answered.update is not None:
            self._machines.settings.taken(answered.update)
            if self.state.configured is None:
                self.state.configured = True

    def handle_cut(self, event: ServerEvent, now: float) -> bool:
        """Whether *event* cuts off a reply. If so, it was emitted with what follows from that."""
        interrupter = self._machines.interrupter
        match event:
            case server.InputAudioBufferSpeechStarted():
                return interrupter.handle_speech(now, event)
            case server.OutputAudioBufferCleared():
                response_id = text(event.response_id)
            case server.ResponseDone(raw={"response": {"status_details": {"reason": "turn_detected"}}}):
                # A server that does not say that it has cleared what it played.
                response_id = text(_dig(event.raw, "response").get("id"))
            case _:
                return False
        plays = self._machines.server_playback.plays(response_id)
        return plays and interrupter.handle_cut(now, response_id, event)

    def reset(self) -> None:
        """Forget what belongs to a connection."""
        self.state = SessionState()

    def _session_created(self, event: server.SessionCreated) -> None:
        self.state.ready = True
        self._keep_session(event.session)
        reported = _dig(event.raw, "session").get("tracing")
        tracing = tracing_to_send(self._machines.settings.tracing, reported)
        if tracing is UNSET:
            logger.warning("the session has a tracing configuration already; the one asked for was not sent")
        else:
            self._machines.output.send({"type": "session.update", "session": {"type": "realtime", "tracing": tracing}})

    def _session_updated(self, event: server.SessionUpdated) -> None:
        self._keep_session(event.session)
        audio, ledger = _dig(event.raw, "session", "audio"), self._machines.ledger
        ledger.session_format = _output_format(_dig(audio, "output").get("format")) or ledger.default_format
        cancels = _dig(audio, "input", "turn_detection").get("interrupt_response")
        self._machines.interrupter.server_cancels = None if cancels is None else bool(cancels)

    def _keep_session(self, session: object) -> None:
        if isinstance(session, RealtimeSession | TranscriptionSession | TranslationSession):
            self.state.session = session

    def _conversation_created(self, _event: server.ConversationCreated) -> None:
        self._machines.responses.names_conversation = True

    def _response_created(self, event: server.ResponseCreated) -> None:
        machines, response = self._machines, _dig(event.raw, "response")
        response_id = text(response.get("id"))
        in_conversation = machines.responses.begin(
            response_id,
            response.get("conversation_id", UNSET),
            ours_expected=machines.sequencer.phase is Phase.CREATING,
        )
        if response_id:
            machines.ledger.begin_response(response_id, _output_format(_dig(response, "audio", "output").get("format")))
        if in_conversation:
            machines.sequencer.handle_created(self._now)

    def _response_done(self, event: server.ResponseDone) -> None:
        machines, response = self._machines, _dig(event.raw, "response")
        response_id = text(response.get("id"))
        if machines.responses.end(response_id, response.get("conversation_id", UNSET)):
            machines.sequencer.handle_done(self._now)
        if machines.gate.handle_done(response_id):
            machines.sequencer.request({"type": "response.create"}, manual=False)

    def _part_added(self, event: server.ResponseContentPartAdded) -> None:
        if isinstance(event.item_id, str) and _dig(event.raw, "part").get("type") in ("audio", "output_audio"):
            index = event.content_index if isinstance(event.content_index, int) else 0
            self._machines.server_playback.begin_part(text(event.response_id), event.item_id, index)

    def _output_item_added(self, event: server.ResponseOutputItemAdded) -> None:
        self._machines.calls.handle_item_added(event)

    def _arguments_done(self, event: server.ResponseFunctionCallArgumentsDone) -> None:
        self._machines.calls.handle_arguments(event)

    def _output_item_done(self, event: server.ResponseOutputItemDone) -> None:
        self._machines.calls.handle_item_done(event)

    def _server_plays(self, event: server.OutputAudioBufferStarted) -> None:
        self._machines.server_playback.start(text(event.response_id), self._now)

    def _server_has_played(self, event: server.OutputAudioBufferStopped) -> None:
        self._machines.server_playback.stop(text(event.response_id))

    def _audio_done(self, event: server.ResponseOutputAudioDone) -> None:
        if isinstance(event.item_id, str):
            index = event.content_index if isinstance(event.content_index, int) else 0
            self._machines.ledger.finish_part(event.item_id, index)

    def _item_added(self, event: server.ConversationItemAdded | server.ConversationItemCreated) -> None:
        item_id = event.item.id if isinstance(event.item, WireObject) else None
        if isinstance(item_id, str):
            self._machines.history.handle_added(item_id)
        self._machines.calls.handle_place(event.item, event.previous_item_id)

    def _item_deleted(self, event: server.ConversationItemDeleted) -> None:
        if isinstance(event.item_id, str):
            self._machines.history.handle_deleted(event.item_id)

    def _error(self, event: server.Error) -> None:
        machines, error = self._machines, event.error
        if not isinstance(error, ServerError):
            error = ServerError(message=error if isinstance(error, str) else UNSET)
        self.state.last_error = error
        code = error.code if isinstance(error.code, str) else None
        event_id = error.event_id if isinstance(error.event_id, str) else None
        refused = machines.output.in_flight.handle_error(error, session_exists=self.state.session is not None)
        kind, call = (None, None) if refused is None else (refused.type, refused.call)
        machines.output.emit(
            ErrorEvent(
                sequence=machines.output.next_sequence(),
                error=error,
                raw=event.raw,
                event_id=event_id,
                refused_type=kind,
                refused_call=call,
            )
        )
        if refused is not None and refused.update is not None:
            self._update_refused(refused.update, error)
        if event_id is not None:
            machines.history.handle_error(event_id)
        machines.sequencer.handle_error(code, event_id, self._now, means_create=kind == "response.create")

    def _update_refused(self, update: SentUpdate, error: ServerError) -> None:
        # The message of the server may quote what was sent.
        logger.warning("the server refused a session.update: code %r, parameter %r", error.code, error.param)
        self._machines.settings.refused(update)
        if self.state.configured is None:
            self.state.configured, self.state.refusal = False, error

    # Functions rather than methods: one table for all connections.
    _TABLE: ClassVar[Mapping[type[ServerEvent], Handler]] = {
        server.SessionCreated: _session_created,
        server.SessionUpdated: _session_updated,
        server.ConversationCreated: _conversation_created,
        server.ResponseCreated: _response_created,
        server.ResponseDone: _response_done,
        server.ResponseContentPartAdded: _part_added,
        server.ResponseOutputItemAdded: _output_item_added,
        server.ResponseFunctionCallArgumentsDone: _arguments_done,
        server.ResponseOutputItemDone: _output_item_done,
        server.ResponseOutputAudioDone: _audio_done,
        old.ResponseAudioDone: _audio_done,
        server.OutputAudioBufferStarted: _server_plays,
        server.OutputAudioBufferStopped: _server_has_played,
        server.ConversationItemAdded: _item_added,
        server.ConversationItemCreated: _item_added,
        server.ConversationItemDeleted: _item_deleted,
        server.Error: _error,
    }


CUTS = frozenset({server.InputAudioBufferSpeechStarted, server.OutputAudioBufferCleared, server.ResponseDone})
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
